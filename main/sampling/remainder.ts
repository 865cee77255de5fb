import { join } from 'node:path'
import type { FirstOrderConfiguration, GradientConfiguration } from '../../preload/configuration'
import { type BlockEstimate, estimateBlocks, mean } from './block-estimates'
import { type Remainder } from './block-columns'
import { type SampledBlock, type SampledBlocks } from './sampled'
import { sampleBlocks } from './blocks-sampler'
import type { BlocksInput, SamplingInput, SamplingTransport } from './input'
import { correlationOverRows, drawVariance, reliabilityInterval } from './reliability'
import { rowStartsOf } from './rows'

/** Components whose remainder is looked at. */
const looked = 3
const groups = 20

/**
 * How far φ is from linear over the posterior, by the draws of a component's blocks: mean φ, which is curvature, over
 * the spread of φ that its mean gradient accounts for. No unit; larger is less linear.
 */
export const nonlinearity = (blocks: readonly SampledBlock[], gamma: number): number => {
  const phis = blocks.flatMap(({ record }) => record.phis)
  const gradient = mean(blocks.flatMap(({ record }) => record.directionNorms))
  return Math.abs(mean(phis)) / (gradient / Math.sqrt(gamma))
}

const blocksOf = ({ chains }: SampledBlocks, component: string): SampledBlock[] =>
  chains.filter((block) => block.component === component)

/** The components whose first order is most likely to leave something out, the likeliest first. */
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
 * Variance over tokens of what is left out, as a share of the column's: products of independent halves, in which
 * noise is 0 on average.
 */
const shareOf = (rest: Halves, all: Halves, from = 0, to = 0): number =>
  covariance(...rest, from, to) / covariance(...all, from, to)

/** Of the share, over rows: the jackknife that leaves out one group of them at a time. */
const rowVariance = (rest: Halves, all: Halves, rowStarts: Int32Array): number => {
  const rows = rowStarts.length - 1
  const count = Math.min(groups, rows)
  const start = (group: number): number => rowStarts[Math.floor((group * rows) / count)]
  const left = Array.from({ length: count }, (_, group) => shareOf(rest, all, start(group), start(group + 1)))
  const centre = mean(left)
  return ((count - 1) / count) * left.reduce((sum, value) => sum + (value - centre) ** 2, 0)
}

/**
 * What orders above the first are of a column, from both estimates of it. The error of the share is over rows, and
 * over draws by the three splits of the blocks, which share half of their pairs. The remainder is added times its own
 * reliability, where that is above 0 with 90 % confidence.
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
 * Takes draws of the gradient method on the least linear components of a first-order run, with random numbers of
 * their own (the next seed), and says what first order leaves out of them. Errors and interruptions are those of
 * `sample`.
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
