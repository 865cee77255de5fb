import { join } from 'node:path'
import type { FirstOrderConfiguration, GradientConfiguration } from '../../preload/configuration'
import { type BlockEstimate, estimateBlocks, mean } from './block-estimates'
import { type Remainder } from './block-columns'
import { type SampledBlock, type SampledBlocks } from './sampled'
import { sampleBlocks } from './blocks-sampler'
import type { BlocksInput, SamplingInput, SamplingTransport } from './input'
import { correlationOverRows, drawVariance, reliabilityInterval } from './reliability'
import { rowStartsOf } from './rows'

/** Number of components whose remainder is estimated. */
const looked = 3
const groups = 20

/**
 * Nonlinearity of φ over the posterior, from the draws of a component's blocks: mean φ, which is due to curvature,
 * over the spread of φ that the mean gradient explains. Dimensionless; larger is less linear.
 */
export const nonlinearity = (blocks: readonly SampledBlock[], gamma: number): number => {
  const phis = blocks.flatMap(({ record }) => record.phis)
  const gradient = mean(blocks.flatMap(({ record }) => record.directionNorms))
  return Math.abs(mean(phis)) / (gradient / Math.sqrt(gamma))
}

const blocksOf = ({ chains }: SampledBlocks, component: string): SampledBlock[] =>
  chains.filter((block) => block.component === component)

/** Components whose first order is most likely to miss something, the likeliest first. */
export const leastLinear = (sampled: SampledBlocks, gamma: number, count = looked): string[] => {
  const alive = [...new Set(sampled.chains.map(({ component }) => component))].filter((component) =>
    blocksOf(sampled, component).every(({ failure }) => failure === null)
  )
  return alive
    .sort((a, b) => nonlinearity(blocksOf(sampled, b), gamma) - nonlinearity(blocksOf(sampled, a), gamma))
    .slice(0, count)
}

const covariance = (a: ArrayLike<number>, b: ArrayLike<number>, from: number, to: number): number => {
  let [meanA, meanB, product] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) if (i < from || i >= to) meanA += a[i]
  for (let i = 0; i < b.length; i++) if (i < from || i >= to) meanB += b[i]
  const count = a.length - (to - from)
  meanA /= count
  meanB /= count
  for (let i = 0; i < a.length; i++) if (i < from || i >= to) product += (a[i] - meanA) * (b[i] - meanB)
  return product / count
}

const difference = (b: Float64Array, a: Float64Array): Float64Array => b.map((value, i) => value - a[i])

type Halves = readonly [Float64Array, Float64Array]

/**
 * Variance over tokens of the remainder, as a share of the column's. Uses products of independent halves, so noise
 * cancels on average.
 */
const shareOf = (rest: Halves, all: Halves, from = 0, to = 0): number =>
  covariance(...rest, from, to) / covariance(...all, from, to)

/** Variance of the share over rows, by jackknife over groups of rows. */
const rowVariance = (rest: Halves, all: Halves, rowStarts: Int32Array): number => {
  const rows = rowStarts.length - 1
  const count = Math.min(groups, rows)
  const start = (group: number): number => rowStarts[Math.floor((group * rows) / count)]
  const left = Array.from({ length: count }, (_, group) => shareOf(rest, all, start(group), start(group + 1)))
  const centre = mean(left)
  return ((count - 1) / count) * left.reduce((sum, value) => sum + (value - centre) ** 2, 0)
}

/**
 * Estimates the orders above the first in a column from its first-order and all-order estimates (docs/method.md,
 * section 3c). The error of the share covers rows, and draws by the three splits of the blocks, which share half of
 * their pairs. The remainder is multiplied by its reliability, and added if that is above 0 with 90 % confidence.
 */
export const remainderOf = (
  first: BlockEstimate,
  all: BlockEstimate,
  rowStarts: Int32Array,
  draws: number
): Remainder => {
  const rests = first.splits.map((own, split): Halves => [
    difference(all.splits[split][0], own[0]),
    difference(all.splits[split][1], own[1])
  ])
  const shares = rests.map((rest, split) => shareOf(rest, all.splits[split]))
  const centre = mean(shares)
  const ofDraws = (2 * shares.reduce((sum, share) => sum + (share - centre) ** 2, 0)) / (shares.length - 1)
  const correlations = rests.map((rest) => correlationOverRows(...rest, rowStarts).r)
  const { reliability, low } = reliabilityInterval(rests[0], rowStarts, drawVariance(correlations))
  return {
    record: { draws, share: shares[0], error: Math.sqrt(rowVariance(rests[0], all.splits[0], rowStarts) + ofDraws) },
    column:
      low > 0 ? difference(all.susceptibilities, first.susceptibilities).map((value) => reliability * value) : null
  }
}

const estimateOf = async (
  sampled: SampledBlocks,
  component: string,
  sampler: BlocksInput['sampler'],
  rowStarts: Int32Array
): Promise<BlockEstimate> => {
  const places = sampled.chains.flatMap((block, at) => (block.component === component ? [at] : []))
  const sums = []
  for (const at of places) sums.push(await sampled.sums(at))
  return estimateBlocks(
    places.map((at) => sampled.chains[at].record),
    sums,
    sampler,
    rowStarts
  )
}

/**
 * Estimates the remainders of the least linear components of a first-order run, from draws of the gradient method
 * with the next seed. Returns them by component. Throws the errors of `sample`.
 */
export const sampleRemainders = async (
  input: SamplingInput<FirstOrderConfiguration>,
  sampled: SampledBlocks,
  transport: SamplingTransport = {}
): Promise<ReadonlyMap<string, Remainder>> => {
  const { sampler, checkpoint, seed } = input
  const draws = sampler.remainderDraws
  const components = draws === 0 ? [] : leastLinear(sampled, sampler.gamma)
  if (components.length === 0) return new Map()
  const { nBeta, gamma, observationBatch, keepSums } = sampler
  const own: GradientConfiguration = {
    method: 'gradient',
    preset: 'all-orders',
    nBeta,
    gamma,
    observationBatch,
    draws,
    targetReliability: false,
    keepSums
  }
  const { begun: _, ...rest } = input
  const all = await sampleBlocks(
    {
      ...rest,
      sampler: own,
      components,
      seed: seed + 1,
      ...(checkpoint === undefined
        ? {}
        : { checkpoint: { ...checkpoint, folder: join(checkpoint.folder, 'remainder') } })
    },
    undefined,
    transport
  )
  const rowStarts = rowStartsOf(input.study.targets)
  const remainders = new Map<string, Remainder>()
  for (const component of components) {
    if (blocksOf(all, component).some(({ failure }) => failure !== null)) continue
    remainders.set(
      component,
      remainderOf(
        await estimateOf(sampled, component, sampler, rowStarts),
        await estimateOf(all, component, own, rowStarts),
        rowStarts,
        draws
      )
    )
  }
  await all.close?.()
  return remainders
}
