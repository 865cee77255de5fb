import { type BlockConfiguration, blockCount } from '../../preload/configuration'
import { correlationOverRows, drawVariance } from './reliability'
import { splitsOf } from './splits'
import type { BlockRecord, BlockSums } from './sampled'

export type Blocks<T> = readonly T[]

/** Sums of a block that do not depend on the token. */
interface Tally {
  readonly weight: number
  readonly weightedPhi: number
  readonly observed: number
  readonly observedProduct: number
}

const tallyOf = ({ phis, observedSlopes }: BlockRecord, { method, nBeta }: BlockConfiguration): Tally => {
  const tally = { weight: 0, weightedPhi: 0, observed: 0, observedProduct: 0 }
  observedSlopes.forEach((slope, turn) => {
    // In the first-order method the mean gradients contain the weights, and all points count equally.
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

/** χ̂ of every token from the blocks `members`, float64 [tokens] (docs/method.md, sections 3b and 3c). */
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

export const halvings = splitsOf(blockCount)

export interface BlockEstimate {
  /** χ̂ from all draws, float64 [tokens]. */
  readonly susceptibilities: Float64Array
  /** Standard errors by delete-one-block jackknife, float64 [tokens]. */
  readonly standardErrors: Float64Array
  /**
   * χ̂ from each half of the blocks, for the three ways to halve them. The first splits even from odd turns and
   * defines the reliability.
   */
  readonly splits: readonly (readonly [Float64Array, Float64Array])[]
  /** Variance over the draws of the correlation of two halves, in Fisher's z: see `drawVariance`. */
  readonly drawVariance: number
}

/**
 * Estimates χ̂ of every token from the four blocks of one component (docs/method.md, sections 3b and 3c). `rowStarts`
 * as for `reliabilityInterval`.
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

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
