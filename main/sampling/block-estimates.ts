import { setImmediate } from 'node:timers/promises'
import { type BlockConfiguration, blockCount } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { BlockDiagnostics, RemainderRecord } from '../../preload/records'
import type { Precision } from '../../preload/precisions'
import { type ComponentDiagnostics, type FailedChain, learningCoefficient } from './diagnostics'
import { Columns, inMemory } from './columns'
import type { OpenStorage } from './columns'
import { type EstimatedColumns, type SamplingResult, halfRemedy, matrices, wholeOf } from './estimates'
import { correlationOverRows, drawVariance, reliabilityInterval } from './reliability'
import { splitsOf } from './splits'
import { CentredHalves } from './susceptibility'

/** What there is to know of one block of draws, beside its sums. */
export interface BlockRecord {
  /** φ of every gradient draw, in order. */
  readonly phis: readonly number[]
  /** ‖v‖ likewise. */
  readonly gradientNorms: readonly number[]
  /** Of every turn: ‖g‖, and the slope of the mean loss over a slice of observation rows. */
  readonly directionNorms: readonly number[]
  readonly observedSlopes: readonly number[]
}

/** One block of draws of one component. */
export interface SampledBlock {
  readonly component: string
  /** Number of the block: it counts as a chain. */
  readonly chain: number
  readonly record: BlockRecord
  readonly failure: FailedChain | null
}

/** Sums of one block over its draws: those of `DrawBlock`. */
export interface BlockSums {
  readonly slopes: Float64Array
  readonly products: Float64Array
  readonly gradient: Float32Array
  readonly gradientProduct: Float32Array
}

/** What estimates are made of: all blocks of a run, or some of them. */
export interface SampledBlocks {
  readonly tokens: number
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** In order of the components; by number within. */
  readonly chains: readonly SampledBlock[]
  readonly sums: (at: number) => Promise<BlockSums>
  /** Lets go of files that hold sums of a part, where there are any. */
  readonly close?: () => Promise<void>
}

type Blocks<T> = readonly T[]

/** Sums of a block that its tokens have in common. */
interface Tally {
  readonly weight: number
  readonly weightedPhi: number
  readonly observed: number
  readonly observedProduct: number
}

const tallyOf = ({ phis, observedSlopes }: BlockRecord, { method, nBeta }: BlockConfiguration): Tally => {
  const tally = { weight: 0, weightedPhi: 0, observed: 0, observedProduct: 0 }
  observedSlopes.forEach((slope, turn) => {
    // Mean gradients have their weights within, and every point counts the same.
    const phi = method === 'gradient' ? phis[turn] : 0
    const weight = method === 'gradient' ? Math.exp(-nBeta * phi) : 1
    tally.weight += weight
    tally.weightedPhi += weight * phi
    tally.observed += weight * slope
    tally.observedProduct += weight * phi * slope
  })
  return tally
}

/** How a set of blocks is combined: χ̂ = constant + Σ over blocks of (plain · slopes + product · products). */
interface Combination {
  readonly members: readonly number[]
  readonly plain: number
  readonly product: number
  readonly constant: number
}

const combine = (
  members: readonly number[],
  tallies: Blocks<Tally>,
  { method, nBeta, gamma }: BlockConfiguration
): Combination => {
  const all = (value: (tally: Tally) => number): number =>
    members.reduce((sum, block) => sum + value(tallies[block]), 0)
  const weight = all((tally) => tally.weight)
  const centre = all(({ weightedPhi }) => weightedPhi) / weight
  const plain = (method === 'gradient' ? 1 + nBeta * centre : 1) / (weight * gamma)
  const product = method === 'gradient' ? nBeta / (weight * gamma) : 0
  return {
    members,
    plain: -plain,
    product,
    constant: plain * all(({ observed }) => observed) - product * all(({ observedProduct }) => observedProduct)
  }
}

const valueAt = (
  { members, plain, product, constant }: Combination,
  sums: Blocks<BlockSums>,
  token: number
): number => {
  let value = constant
  for (const block of members) {
    const { slopes, products } = sums[block]
    value += plain * slopes[token]
    if (products.length > 0) value += product * products[token]
  }
  return value
}

const columnOf = (combination: Combination, sums: Blocks<BlockSums>): Float64Array => {
  const column = new Float64Array(sums[0].slopes.length)
  for (let token = 0; token < column.length; token++) column[token] = valueAt(combination, sums, token)
  return column
}

/** χ̂ of every token from some of the blocks, float64 [tokens]. */
export const combinedColumns = (
  records: Blocks<BlockRecord>,
  sums: Blocks<BlockSums>,
  sampler: BlockConfiguration,
  members: readonly number[]
): Float64Array =>
  columnOf(
    combine(
      members,
      records.map((record) => tallyOf(record, sampler)),
      sampler
    ),
    sums
  )

const halvings = splitsOf(blockCount)

export interface BlockEstimate {
  /** χ̂ from all draws, float64 [tokens]. */
  readonly susceptibilities: Float64Array
  /** Delete-one-block jackknife, [tokens]. */
  readonly standardErrors: Float64Array
  /** χ̂ from each half of the blocks, for the three ways to split them; even and odd turns first, which reliability is of. */
  readonly splits: readonly (readonly [Float64Array, Float64Array])[]
  /** Variance between the splits of the blocks, in Fisher's z: see `drawVariance`. */
  readonly drawVariance: number
}

/**
 * χ̂ of every token from the four blocks of one component (docs/method.md, sections 3b and 3c). `rowStarts` as for
 * `reliabilityInterval`.
 */
export const estimateBlocks = (
  records: Blocks<BlockRecord>,
  sums: Blocks<BlockSums>,
  sampler: BlockConfiguration,
  rowStarts: Int32Array
): BlockEstimate => {
  const tallies = records.map((record) => tallyOf(record, sampler))
  const every = records.map((_, block) => block)
  const column = (members: readonly number[]): Float64Array => columnOf(combine(members, tallies, sampler), sums)
  const susceptibilities = column(every)
  const leftOut = every.map((block) =>
    combine(
      every.filter((other) => other !== block),
      tallies,
      sampler
    )
  )
  const values = new Float64Array(leftOut.length)
  const standardErrors = Float64Array.from(susceptibilities, (_, token) => {
    let mean = 0
    for (let g = 0; g < values.length; g++) mean += (values[g] = valueAt(leftOut[g], sums, token)) / values.length
    let square = 0
    for (let g = 0; g < values.length; g++) square += (values[g] - mean) ** 2
    return Math.sqrt(((values.length - 1) / values.length) * square)
  })
  const splits = halvings.map(([first, second]) => [column(first), column(second)] as const)
  return {
    susceptibilities,
    standardErrors,
    splits,
    drawVariance: drawVariance(splits.map(([a, b]) => correlationOverRows(a, b, rowStarts).r))
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** (Σw)²/(n Σw²) of all draws: docs/method.md, section 3b. */
export const effectiveShare = (phis: readonly number[], nBeta: number): number => {
  const least = phis.reduce((smallest, phi) => Math.min(smallest, phi), Infinity)
  const weights = phis.map((phi) => Math.exp(-nBeta * (phi - least)))
  const [first, second] = [mean(weights), mean(weights.map((weight) => weight * weight))]
  return (first * first) / second
}

/** Factors of a block's plain and φ-weighted sums of gradients in its mean gradient: docs/method.md, section 3c. */
export const meanGradientFactors = (
  phis: readonly number[],
  nBeta: number
): { readonly plain: number; readonly product: number } => {
  const weights = phis.map((phi) => Math.exp(-nBeta * phi))
  const weight = weights.reduce((sum, own) => sum + own, 0)
  const centre = phis.reduce((sum, phi, i) => sum + weights[i] * phi, 0) / weight
  return { plain: (1 + nBeta * centre) / weight, product: -nBeta / weight }
}

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

/** The mean gradients of blocks as combinations of their sums, and of these the scalar products: cosine of the halves', and the norm of all's. */
const gradientsOf = (
  records: Blocks<BlockRecord>,
  sums: Blocks<BlockSums>,
  { nBeta }: BlockConfiguration
): { readonly cosine: number; readonly norm: number } => {
  const vectors = sums.flatMap(({ gradient, gradientProduct }) =>
    gradientProduct.length > 0 ? [gradient, gradientProduct] : [gradient]
  )
  const withProducts = sums[0].gradientProduct.length > 0
  const gram = vectors.map((a) => vectors.map((b) => dot(a, b)))
  const factors = (members: readonly number[]): number[] => {
    const { plain, product: weighted } = meanGradientFactors(
      members.flatMap((block) => records[block].phis),
      nBeta
    )
    return sums.flatMap((_, block) => {
      const own = members.includes(block) ? [plain, weighted] : [0, 0]
      return withProducts ? own : [own[0]]
    })
  }
  const product = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, x, i) => sum + b.reduce((own, y, j) => own + x * y * gram[i][j], 0), 0)
  const [first, second, all] = [
    factors(halvings[0][0]),
    factors(halvings[0][1]),
    factors(records.map((_, block) => block))
  ]
  const length = (of: readonly number[]): number => Math.sqrt(Math.max(0, product(of, of)))
  const cosine = product(first, second) / (length(first) * length(second))
  return { cosine: Number.isFinite(cosine) ? cosine : 0, norm: length(all) }
}

interface Settings {
  readonly components: readonly string[]
  readonly sampler: BlockConfiguration
  readonly precision?: Precision | undefined
}

/** What helps where a number is not finite. */
export const blockRemedy = ({ sampler: { gamma }, precision }: Omit<Settings, 'components'>): string =>
  `raise sampler.gamma (now ${gamma})${precision === 'float16' ? `, or ${halfRemedy}` : ''}`

/** Throws a `sampling` error when nothing can come of the blocks that are alive. */
export const checkBlocks = (settings: Settings, alive: readonly string[]): void => {
  if (alive.length > 0) return
  throw new SpectroscopeError(
    'sampling',
    `Every component (${settings.components.join(', ')}) ended with a non-finite number: ${blockRemedy(settings)}.`
  )
}

type Numbers = Omit<
  ComponentDiagnostics,
  'component' | 'reliability' | 'centredReliability' | 'failedChains' | 'blocks'
>

/** What chains have, of draws that no chain links. */
const numbersOf = (
  phis: readonly number[],
  initialLoss: number,
  nBeta: number
): Numbers & { readonly meanPhi: number; readonly phiDeviation: number } => {
  const weights = phis.map((phi) => Math.exp(-nBeta * phi))
  const meanPhi = mean(phis.map((phi, i) => phi * weights[i])) / mean(weights)
  const centre = mean(phis)
  const losses = phis.map((phi) => initialLoss + phi)
  return {
    splitRHat: null,
    learningCoefficient: learningCoefficient(nBeta, meanPhi),
    meanDistance: [],
    finalDistance: [],
    meanLoss: initialLoss + meanPhi,
    lossTrace: {
      first: losses[0] ?? NaN,
      last: losses.at(-1) ?? NaN,
      min: losses.length === 0 ? NaN : losses.reduce((a, b) => Math.min(a, b)),
      max: losses.length === 0 ? NaN : losses.reduce((a, b) => Math.max(a, b))
    },
    meanPhi,
    phiDeviation: Math.sqrt(mean(phis.map((phi) => (phi - centre) ** 2)))
  }
}

interface Column {
  readonly component: string
  readonly phis: readonly number[]
  readonly drawVariance: number
  readonly diagnostics: Omit<BlockDiagnostics, 'reliabilityBounds' | 'centredReliabilityBounds'>
  readonly reliability: number
  readonly reliabilityBounds: BlockDiagnostics['reliabilityBounds']
}

/** What is added to a column of first order, and what there is to say of it: see remainder.ts. */
export interface Remainder {
  readonly record: RemainderRecord
  /** Added to χ̂ and to each of its parts, [tokens]; null where it is only told. */
  readonly column: Float64Array | null
}

/** Rounded, with what is added. */
const rounded = (values: Float64Array, added?: Float64Array | null): Float32Array => {
  const column = new Float32Array(values.length)
  for (let token = 0; token < values.length; token++) column[token] = values[token] + (added?.[token] ?? 0)
  return column
}

/**
 * Susceptibilities, their errors and reliabilities, and diagnostics from all blocks of a run
 * (docs/method.md, sections 3b and 3c). The sums of one component are held at a time. Throws a `sampling` error when
 * every component failed.
 */
export const columnsOfBlocks = async (
  settings: Settings,
  rowStarts: Int32Array,
  sampled: SampledBlocks,
  openStorage: OpenStorage,
  remainders: ReadonlyMap<string, Remainder> = new Map()
): Promise<EstimatedColumns> => {
  const { components: asked, sampler } = settings
  const { tokens, initialLoss, chains } = sampled
  const places = (component: string): number[] =>
    chains.flatMap((block, at) => (block.component === component ? [at] : []))
  const components = asked.filter((name) => places(name).every((at) => chains[at].failure === null))
  checkBlocks(settings, components)
  const halves = matrices.parts + blockCount
  const shape = { tokens, columns: components.length, matrices: halves + 2 }
  return Columns.with(shape, openStorage, async (columns) => {
    const known: Column[] = []
    const centred = new CentredHalves(tokens, components.length)
    for (const [column, component] of components.entries()) {
      const own = places(component)
      const records = own.map((at) => chains[at].record)
      const sums: BlockSums[] = []
      for (const at of own) sums.push(await sampled.sums(at))
      const estimate = estimateBlocks(records, sums, sampler, rowStarts)
      const remainder = remainders.get(component)
      const pair = [new Float32Array(estimate.splits[0][0]), new Float32Array(estimate.splits[0][1])] as const
      await columns.put(matrices.susceptibilities, column, rounded(estimate.susceptibilities, remainder?.column))
      await columns.put(matrices.standardErrors, column, rounded(estimate.standardErrors))
      for (const block of own.keys()) {
        const part = combinedColumns(records, sums, sampler, [block])
        await columns.put(matrices.parts + block, column, rounded(part, remainder?.column))
      }
      for (const half of [0, 1] as const) await columns.put(halves + half, column, pair[half])
      const { reliability, low, high } = reliabilityInterval(estimate.splits[0], rowStarts, estimate.drawVariance)
      const phis = records.flatMap((record) => record.phis)
      const { cosine, norm } =
        sampler.method === 'first-order'
          ? gradientsOf(records, sums, sampler)
          : { cosine: null, norm: mean(records.flatMap(({ gradientNorms }) => gradientNorms)) }
      const { meanPhi, phiDeviation } = numbersOf(phis, initialLoss, sampler.nBeta)
      known.push({
        component,
        phis,
        reliability,
        reliabilityBounds: [low, high],
        drawVariance: estimate.drawVariance,
        diagnostics: {
          rounds: records[0].observedSlopes.length,
          gradientCosine: cosine,
          gradientNorm: norm,
          meanPhi,
          phiDeviation,
          effectiveShare: effectiveShare(phis, sampler.nBeta),
          remainder: remainder?.record ?? null
        }
      })
      centred.add(pair)
      await setImmediate()
    }
    const diagnosticsOf = async (component: string): Promise<ComponentDiagnostics> => {
      const failedChains = places(component).flatMap((at) => chains[at].failure ?? [])
      const at = components.indexOf(component)
      if (at < 0) {
        const none = numbersOf([], initialLoss, sampler.nBeta)
        return { component, ...none, reliability: NaN, centredReliability: NaN, failedChains, blocks: null }
      }
      const { phis, reliability, reliabilityBounds, drawVariance: ofDraws, diagnostics: own } = known[at]
      const pair = [await columns.column(halves, at), await columns.column(halves + 1, at)] as const
      // One column less its own row means is nothing.
      const interval =
        components.length === 1
          ? { reliability: 0, low: 0, high: 0 }
          : reliabilityInterval(centred.centred(pair), rowStarts, ofDraws)
      const { meanPhi: _, phiDeviation: __, ...numbers } = numbersOf(phis, initialLoss, sampler.nBeta)
      return {
        component,
        ...numbers,
        reliability,
        centredReliability: interval.reliability,
        failedChains,
        blocks: { ...own, reliabilityBounds, centredReliabilityBounds: [interval.low, interval.high] }
      }
    }
    const diagnostics: ComponentDiagnostics[] = []
    for (const component of asked) diagnostics.push(await diagnosticsOf(component))
    return { tokens, components, columns, parts: blockCount, initialLoss, diagnostics, traces: [] }
  })
}

/** The same, all in memory. */
export const resultOfBlocks = async (
  settings: Settings,
  rowStarts: Int32Array,
  sampled: SampledBlocks,
  remainders?: ReadonlyMap<string, Remainder>
): Promise<SamplingResult> => wholeOf(await columnsOfBlocks(settings, rowStarts, sampled, inMemory, remainders))
