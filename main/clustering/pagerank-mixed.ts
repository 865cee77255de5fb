import { readFileSync } from 'node:fs'
import { kernelPath } from '../base/entries'
import { meet, take, type Team } from '../base/team'
import {
  blocksOf,
  iterationLimit,
  nearSteps,
  reaches,
  roundingShare,
  rowsInBlock,
  width,
  type Solve,
  type System,
  type Workspace
} from './pagerank-system'

/**
 * A column's residual falls by this factor in float32. Then its correction is added to the scores and the residual is
 * recomputed in float64.
 */
const reduction = 2 ** -20
/**
 * After this many iterations of the first round, corrections are applied early and residuals recomputed near the
 * seeds, where rounding was largest. That repairs most of the float32 error at almost no cost.
 */
const renewal = 4
/**
 * If the recomputed residual is larger than the recurrence's by this factor, the directions no longer fit and
 * restart.
 */
const drift = 8
/**
 * A round that leaves more than this share of a residual has not helped. After several in a row, float32 is
 * exhausted.
 */
const stagnation = 0.25
const idleRounds = 3
const rounds = 40
/**
 * Binary exponent of the first residuals in float32. It leaves 180 binary digits below them; a solve uses about 40.
 */
const magnitude = 60
/** float32 values below this share of the tolerance are treated as 0. */
const negligible = 2 ** -24

interface PagerankKernel {
  readonly begin: (...placesAndFactors: number[]) => void
  readonly image: (from: number, to: number, reach: number, sums: number) => void
  readonly advance: (
    from: number,
    to: number,
    steps: number,
    betas: number,
    active: number,
    floors: number,
    largest: number
  ) => void
  readonly absorb: (from: number, to: number, inverses: number) => void
  readonly verify: (
    from: number,
    to: number,
    reach: number,
    rounding: number,
    seeds: number,
    ownParts: number,
    sources: number,
    scales: number,
    floors: number,
    sums: number
  ) => void
  readonly shift: (from: number, to: number, ownParts: number, shifts: number, drops: number, floors: number) => void
}

let compiled: WebAssembly.Module | undefined

const openKernel = (
  { memory, places, arrays: { degrees } }: Workspace,
  keep: number,
  spread: number
): PagerankKernel => {
  compiled ??= new WebAssembly.Module(readFileSync(kernelPath('clustering', 'pagerank')))
  const kernel = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as PagerankKernel
  kernel.begin(
    places.starts,
    places.ends,
    places.columns,
    places.weights,
    places.shares,
    places.degrees,
    places.parts,
    places.tokens,
    places.scores,
    places.residuals,
    places.products,
    places.directions,
    places.images,
    places.corrections,
    places.reached,
    places.ranked,
    places.earlier,
    degrees.length,
    keep,
    spread
  )
  return kernel
}

/** Kernel settings, one entry per column. Every member writes them, always with the same values. */
const settingsOf = ({ memory: { buffer }, places: { settings } }: Workspace) => {
  const doubles = (index: number): Float64Array => new Float64Array(buffer, settings + 8 * width * index, width)
  const floats = (index: number): Float32Array =>
    new Float32Array(buffer, settings + 8 * width * 4 + 4 * width * index, width)
  const integers = (index: number): Int32Array =>
    new Int32Array(buffer, settings + 8 * width * 4 + 4 * width * index, width)
  return {
    inverses: doubles(0),
    scales: doubles(1),
    sources: doubles(2),
    shifts: doubles(3),
    steps: floats(0),
    betas: floats(1),
    floors: floats(2),
    drops: floats(3),
    seeds: integers(4),
    ownParts: integers(5),
    active: integers(6)
  }
}

const volumesOf = (parts: Int32Array, degrees: Float64Array, nodes: number, of: Int32Array): Float64Array => {
  const sums = new Float64Array(nodes)
  for (let i = 0; i < nodes; i++) sums[parts[i]] += degrees[i]
  return Float64Array.from(of, (part) => (part < 0 ? 0 : sums[part]))
}

/**
 * Marks nodes in `reached` [reaches, node], one bit per column: those within one step of its seed, then those within
 * two.
 */
const markNear = ({ graph }: Solve, seeds: Int32Array, reached: Uint8Array): void => {
  const { nodes, starts, ends, columns } = graph
  const mark = (bit: number, node: number, steps: number): void => {
    for (let within = Math.max(1, steps); within <= nearSteps; within++) reached[(within - 1) * nodes + node] |= bit
    if (steps < nearSteps) for (let e = starts[node]; e < ends[node]; e++) mark(bit, columns[e], steps + 1)
  }
  seeds.forEach((seed, c) => {
    if (seed >= 0) mark(1 << c, seed, 0)
  })
}

/**
 * Conjugate gradients in the inner product of D (Chronopoulos and Gear's form) with float32 vectors and shares.
 * Whenever a column's residual has fallen enough, its correction is added to the float64 scores and the residual is
 * recomputed from them in float64. Directions are kept while they fit ("reliable updates", Sleijpen and van der Vorst
 * 1996). So residuals are accurate to float64 at half the memory traffic. The slowest mode, the constant on the
 * seed's part of the graph (K 1 = α 1), is removed from each such residual directly.
 *
 * Returns the largest |r_u| of each column beyond the rounding of its score. It exceeds the system's tolerance if
 * float32 did not suffice.
 */
export const solveMixed = ({ solve, keep, spread, tolerance, sources }: System, team: Team): Float64Array => {
  const {
    graph: { nodes, degrees },
    seeds,
    alpha,
    workspace
  } = solve
  const {
    memory,
    places,
    arrays: { parts, components }
  } = workspace
  const kernel = openKernel(workspace, keep, spread)
  const settings = settingsOf(workspace)
  const {
    scales,
    drops,
    shifts,
    seeds: { byteOffset: seedsAt },
    ownParts: { byteOffset: ownPartsAt },
    floors: { byteOffset: floorsAt }
  } = settings
  const blocks = blocksOf(nodes)
  const wide = new Float64Array(memory.buffer, places.sums, 4 * blocks * width)
  const narrow = new Float32Array(memory.buffer, places.sums, 8 * blocks * width)
  const vector = (place: number): Float32Array => new Float32Array(memory.buffer, place, nodes * width)
  const residuals = vector(places.residuals)
  const reached = new Uint8Array(memory.buffer, places.reached, reaches * nodes)
  const cleared = [residuals, ...[places.directions, places.images, places.corrections].map(vector)]

  /**
   * Phases alternate between the two halves of the sums, so that a member that is ahead does not overwrite what
   * another still adds up.
   */
  let [half, finished] = [0, 0]
  const phase = (work: (from: number, to: number, sums: number) => void): void => {
    for (let block = take(team); block < blocks; block = take(team)) {
      work(
        block * rowsInBlock,
        Math.min(nodes, (block + 1) * rowsInBlock),
        places.sums + 8 * (half + 2 * block) * width
      )
    }
    meet(team)
    finished = half
    half = 2 * blocks - half
  }
  const total = (part: 0 | 1, out: Float64Array): void => {
    out.fill(0)
    for (let block = 0; block < blocks; block++)
      for (let c = 0, at = (finished + 2 * block + part) * width; c < width; c++) out[c] += wide[at + c]
  }
  const largest = (sums: Float32Array | Float64Array, out: Float64Array): void => {
    const words = sums === wide ? 1 : 2
    out.fill(0)
    for (let block = 0; block < blocks; block++)
      for (let c = 0, at = words * (finished + 2 * block) * width; c < width; c++)
        out[c] = Math.max(out[c], sums[at + c])
  }
  const perColumn = (): Float64Array => new Float64Array(width)
  const [gammas, deltas, previous, steps, largestNow, masses] = Array.from({ length: 6 }, perColumn)

  for (let c = 0; c < width; c++) {
    const scale = sources[c] > 0 ? 2 ** (magnitude - Math.floor(Math.log2(sources[c]))) : 0
    settings.sources[c] = sources[c]
    scales[c] = scale
    settings.inverses[c] = scale > 0 ? 1 / scale : 0
    settings.floors[c] = negligible * tolerance * scale
    settings.seeds[c] = sources[c] > 0 ? seeds[c] : -1
    settings.ownParts[c] = sources[c] > 0 ? parts[seeds[c]] : -1
    masses[c] = sources[c] > 0 ? sources[c] * degrees[seeds[c]] : 0
  }
  const ownComponents = settings.seeds.map((seed) => (seed < 0 ? -1 : components[seed]))
  const volumes = volumesOf(parts, degrees, nodes, settings.ownParts)
  phase((from, to) => {
    workspace.scores.fill(0, from * width, to * width)
    for (const each of cleared) each.fill(0, from * width, to * width)
    for (let steps = 0; steps < nearSteps; steps++) reached.fill(0, steps * nodes + from, steps * nodes + to)
    for (let i = from; i < to; i++) {
      let bits = 0
      if (degrees[i] > 0) for (let c = 0; c < width; c++) if (components[i] === ownComponents[c]) bits |= 1 << c
      reached[nearSteps * nodes + i] = bits
    }
    for (let c = 0; c < width; c++) {
      const seed = settings.seeds[c]
      if (seed >= from && seed < to) residuals[seed * width + c] = sources[c] * scales[c]
    }
  })
  if (take(team) === 0) markNear(solve, settings.seeds, reached)
  meet(team)
  const residual = Float64Array.from(sources)
  const open = Uint8Array.from(sources, (source) => (source > tolerance ? 1 : 0))
  const moving = new Uint8Array(width)
  const begun = new Uint8Array(width)
  const idle = new Uint8Array(width)

  const removeMeans = (): void => {
    for (let c = 0; c < width; c++) {
      const mean = open[c] === 1 ? masses[c] / volumes[c] : 0
      shifts[c] = mean / alpha
      drops[c] = mean * scales[c]
    }
    phase((from, to) => kernel.shift(from, to, ownPartsAt, shifts.byteOffset, drops.byteOffset, floorsAt))
  }
  const stepColumn = (c: number): void => {
    if (moving[c] === 1 && gammas[c] === 0) moving[c] = 0
    settings.active[c] = moving[c] === 1 ? -1 : 0
    settings.steps[c] = 0
    settings.betas[c] = 0
    if (moving[c] === 0) return
    const beta = begun[c] === 1 ? gammas[c] / previous[c] : 0
    const curvature = begun[c] === 1 ? deltas[c] - (beta * gammas[c]) / steps[c] : deltas[c]
    const sound = curvature > 0
    steps[c] = gammas[c] / (sound ? curvature : deltas[c])
    previous[c] = gammas[c]
    begun[c] = 1
    settings.steps[c] = steps[c]
    settings.betas[c] = sound ? beta : 0
  }
  const absorb = (): void => phase((from, to) => kernel.absorb(from, to, settings.inverses.byteOffset))
  const verify = (reach: number): void =>
    phase((from, to, sums) =>
      kernel.verify(
        from,
        to,
        reach,
        roundingShare,
        seedsAt,
        ownPartsAt,
        settings.sources.byteOffset,
        scales.byteOffset,
        floorsAt,
        sums
      )
    )
  const goalOf = (size: number): number => Math.max(tolerance / 2, reduction * size)
  const iterate = (goals: Float64Array, round: number): void => {
    for (let iteration = 1; iteration <= iterationLimit(alpha) && moving.includes(1); iteration++) {
      const reach = round === 0 ? Math.min(iteration, reaches) : reaches
      phase((from, to, sums) => kernel.image(from, to, reach, sums))
      total(0, gammas)
      total(1, deltas)
      for (let c = 0; c < width; c++) stepColumn(c)
      phase((from, to, sums) =>
        kernel.advance(
          from,
          to,
          settings.steps.byteOffset,
          settings.betas.byteOffset,
          settings.active.byteOffset,
          floorsAt,
          sums
        )
      )
      largest(narrow, largestNow)
      for (let c = 0; c < width; c++) if (!(largestNow[c] > goals[c] * scales[c])) moving[c] = 0
      if (round > 0 || iteration !== renewal) continue
      absorb()
      verify(1)
      for (let c = 0; c < width; c++) if (moving[c] === 1) goals[c] = goalOf(largestNow[c] / scales[c])
    }
  }
  for (let round = 0; round < rounds && (round === 0 || open.includes(1)); round++) {
    removeMeans()
    moving.set(open)
    const goals = residual.map(goalOf)
    iterate(goals, round)
    absorb()
    verify(reaches)
    largest(wide, largestNow)
    total(1, masses)
    for (let c = 0; c < width; c++) {
      if (largestNow[c] > drift * goals[c]) begun[c] = 0
      idle[c] = largestNow[c] < stagnation * residual[c] ? 0 : idle[c] + 1
      if (!(largestNow[c] > tolerance && idle[c] < idleRounds)) open[c] = 0
      residual[c] = sources[c] > 0 ? largestNow[c] : 0
    }
  }
  return residual
}
