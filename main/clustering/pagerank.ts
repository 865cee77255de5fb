import { SpectroscopeError } from '../../preload/errors'
import { meet, take, type Team } from '../base/team'
import type { Graph } from './graph'

/** Scores are solved to this share of their mean over the graph, 1 / volume, where that is stricter than ε. */
const relativeTolerance = 1e-6
/** Rounding that no solver can undo, relative to a node's own score. */
const roundingShare = 32 * Number.EPSILON
const rowsInBlock = 256
const rounds = 6

/** Columns solved in one pass over the matrix: their numbers do not depend on how many there are. */
export type Width = 1 | 4

/** Vectors [node, column] of a solve, and the sums of its blocks of rows; in shared memory, for `nodes` and `width` or fewer. */
export interface Workspace {
  readonly scores: Float64Array
  readonly residuals: Float64Array
  readonly directions: Float64Array
  readonly images: Float64Array
  readonly products: Float64Array
  readonly sums: Float64Array
}

export interface Solve {
  readonly graph: Graph
  /** Seed nodes, one a column; a node without edges, or -1, leaves its column 0. */
  readonly seeds: Int32Array
  readonly width: Width
  readonly alpha: number
  readonly epsilon: number
  readonly volume: number
  readonly workspace: Workspace
}

const blocksOf = (nodes: number): number => Math.ceil(nodes / rowsInBlock)

export const openWorkspace = (nodes: number, width: Width): Workspace => {
  const vector = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length))
  const length = nodes * width
  return {
    scores: vector(length),
    residuals: vector(length),
    directions: vector(length),
    images: vector(length),
    products: vector(length),
    sums: vector(4 * blocksOf(nodes) * width)
  }
}

/** out = A · vector for rows `from` … `to`-1 of one column. */
const multiplyOne = ({ starts, columns, weights }: Graph, vector: Float64Array, out: Float64Array, from: number, to: number): void => {
  for (let i = from; i < to; i++) {
    const end = starts[i + 1]
    let sum = 0
    for (let e = starts[i]; e < end; e++) sum += weights[e] * vector[columns[e]]
    out[i] = sum
  }
}

/** The same for four columns, summed in the same order as `multiplyOne`. */
const multiplyFour = ({ starts, columns, weights }: Graph, vector: Float64Array, out: Float64Array, from: number, to: number): void => {
  for (let i = from; i < to; i++) {
    const end = starts[i + 1]
    let [s0, s1, s2, s3] = [0, 0, 0, 0]
    for (let e = starts[i]; e < end; e++) {
      const weight = weights[e]
      const at = columns[e] << 2
      s0 += weight * vector[at]
      s1 += weight * vector[at + 1]
      s2 += weight * vector[at + 2]
      s3 += weight * vector[at + 3]
    }
    const at = i << 2
    out[at] = s0
    out[at + 1] = s1
    out[at + 2] = s2
    out[at + 3] = s3
  }
}

const multiply = (graph: Graph, vector: Float64Array, out: Float64Array, from: number, to: number, width: Width): void => {
  if (width === 1) multiplyOne(graph, vector, out, from, to)
  else multiplyFour(graph, vector, out, from, to)
}

/**
 * One member's part in solving lazy personalised PageRank p = α e_seed + (1-α) p (I + D⁻¹A)/2 (METHOD section 5, step 3) for a few
 * seeds at once. Afterwards `workspace.scores` [node, column] holds p_u / d_u, the solution z of the symmetric system
 * K z = α e_seed, K = (1+α)/2 D - (1-α)/2 A, by conjugate gradients preconditioned with D (Chronopoulos and Gear's form). The
 * residual r = e_seed - K z / α is computed anew from the solution and satisfies |r_u| < min(ε, 10⁻⁶ / volume) d_u for every u, or what
 * float64 can attain; the largest error in p_u / d_u has the same bound (the inverse of the walk's matrix has row sums 1 in that norm).
 * The second bound makes that error a millionth of the mean score, so that sweeps see the order of the exact vector.
 *
 * Each column's numbers are the same whatever the other columns, the width, and the number of members.
 * Throws a `clustering` error when float64 cannot reach ε.
 */
export const solvePagerank = ({ graph, seeds, width, alpha, epsilon, volume, workspace }: Solve, team: Team): void => {
  const { nodes, degrees } = graph
  const { scores, residuals, directions, images, products, sums } = workspace
  const blocks = blocksOf(nodes)
  const keep = (1 + alpha) / 2
  const spread = (1 - alpha) / 2
  const tolerance = alpha * Math.min(epsilon, relativeTolerance / volume)
  const columns = new Float64Array(width)
  const shares = degrees.map((degree) => (degree > 0 ? spread / degree : 0))

  /** Phases write the two halves of `sums` in turn: a member that is ahead does not touch what another still adds up. */
  let [half, finished] = [0, 0]
  const phase = (work: (from: number, to: number, first: Float64Array, second: Float64Array) => void): void => {
    for (let block = take(team); block < blocks; block = take(team)) {
      const at = (half + 2 * block) * width
      work(block * rowsInBlock, Math.min(nodes, (block + 1) * rowsInBlock), sums.subarray(at, at + width), sums.subarray(at + width, at + 2 * width))
    }
    meet(team)
    finished = half
    half = 2 * blocks - half
  }
  const total = (part: 0 | 1, out: Float64Array): void => {
    out.fill(0)
    for (let block = 0; block < blocks; block++) for (let c = 0; c < width; c++) out[c] += sums[(finished + 2 * block + part) * width + c]
  }
  const largest = (out: Float64Array): void => {
    out.fill(0)
    for (let block = 0; block < blocks; block++) for (let c = 0; c < width; c++) out[c] = Math.max(out[c], sums[(finished + 2 * block) * width + c])
  }
  const source = (i: number, c: number): number => (seeds[c] === i && degrees[i] > 0 ? alpha / degrees[i] : 0)

  const start = (from: number, to: number): void => {
    scores.fill(0, from * width, to * width)
    directions.fill(0, from * width, to * width)
    images.fill(0, from * width, to * width)
    for (let i = from; i < to; i++) for (let c = 0; c < width; c++) residuals[i * width + c] = source(i, c)
  }
  const image = (from: number, to: number, gammas: Float64Array, deltas: Float64Array): void => {
    multiply(graph, residuals, products, from, to, width)
    for (let c = 0; c < width; c++) {
      let [gamma, delta] = [0, 0]
      for (let i = from, at = from * width + c; i < to; i++, at += width) {
        const residual = residuals[at]
        const product = keep * residual - shares[i] * products[at]
        products[at] = product
        const weighted = degrees[i] * residual
        gamma += weighted * residual
        delta += weighted * product
      }
      gammas[c] = gamma
      deltas[c] = delta
    }
  }
  const steps = new Float64Array(width)
  const betas = new Float64Array(width)
  const advance = (from: number, to: number, excess: Float64Array): void => {
    for (let c = 0; c < width; c++) {
      const [step, beta] = [steps[c], betas[c]]
      let most = 0
      for (let at = from * width + c; step !== 0 && at < to * width; at += width) {
        const direction = residuals[at] + beta * directions[at]
        const change = products[at] + beta * images[at]
        const score = scores[at] + step * direction
        const residual = residuals[at] - step * change
        directions[at] = direction
        images[at] = change
        scores[at] = score
        residuals[at] = residual
        const over = Math.abs(residual) - roundingShare * Math.abs(score)
        if (over > most) most = over
      }
      excess[c] = most
    }
  }
  const verify = (from: number, to: number, excess: Float64Array): void => {
    multiply(graph, scores, products, from, to, width)
    excess.fill(0)
    for (let i = from; i < to; i++) {
      for (let c = 0; c < width; c++) {
        const at = i * width + c
        residuals[at] = source(i, c) - (keep * scores[at] - shares[i] * products[at])
        excess[c] = Math.max(excess[c], Math.abs(residuals[at]) - roundingShare * Math.abs(scores[at]))
      }
    }
  }

  const gammas = new Float64Array(width)
  const deltas = new Float64Array(width)
  const iterate = (active: Uint8Array): void => {
    const previous = new Float64Array(width)
    const limit = 200 + Math.ceil(40 / Math.sqrt(alpha))
    for (let iteration = 0; iteration < limit && active.includes(1); iteration++) {
      phase(image)
      total(0, gammas)
      total(1, deltas)
      for (let c = 0; c < width; c++) {
        if (active[c] === 1 && gammas[c] === 0) active[c] = 0
        const beta = iteration === 0 ? 0 : gammas[c] / previous[c]
        const curvature = iteration === 0 ? deltas[c] : deltas[c] - (beta * gammas[c]) / steps[c]
        const sound = curvature > 0
        betas[c] = sound && active[c] === 1 ? beta : 0
        steps[c] = active[c] === 1 ? gammas[c] / (sound ? curvature : deltas[c]) : 0
        previous[c] = gammas[c]
      }
      phase(advance)
      largest(columns)
      for (let c = 0; c < width; c++) if (columns[c] <= tolerance / 2) active[c] = 0
    }
  }

  phase(start)
  const active = Uint8Array.from({ length: width }, (_, c) => (c < seeds.length && seeds[c] >= 0 && degrees[seeds[c]] > 0 ? 1 : 0))
  for (let round = 0; round < rounds && active.includes(1); round++) {
    iterate(active)
    phase(verify)
    largest(columns)
    for (let c = 0; c < width; c++) active[c] = columns[c] > tolerance ? 1 : 0
  }
  if (columns.some((excess) => excess >= alpha * epsilon)) {
    throw new SpectroscopeError('clustering', `The PageRank vector cannot be solved to "clustering.epsilon" ${epsilon} in double precision; raise it, or raise "clustering.alpha".`)
  }
}
