import {
  type PsgldConfiguration,
  type BlockConfiguration,
  roundsOf,
  blockCount,
  type SamplerConfiguration,
  type RunConfiguration
} from '../../preload/configuration'
import { pieceOperations, prefixOperations } from '../engine/core'
import type { Architecture } from '../models/architecture'
import { sampledNames } from '../sampling/input'
import { Minibatches } from '../sampling/philox'
import { likelyRounds, pairsFor } from '../sampling/rounds'
import { sum, type RowSets, type Plan, includesProbe } from './plan'

/** Number of rows of each length. */
type Lengths = ReadonlyMap<number, number>

/** Amount of work in sampling. Tokens are target positions, as the sampler counts them. */
export interface SamplingWork {
  readonly chains: number
  /** Steps of each chain. */
  readonly steps: number
  readonly gradientTokens: number
  readonly lossTokens: number
  /** Floating-point operations, including the forward passes at w*. */
  readonly operations: number
}

const add = (lengths: Map<number, number>, length: number): Map<number, number> =>
  lengths.set(length, (lengths.get(length) ?? 0) + 1)

const counted = (rows: readonly number[]): Lengths => rows.reduce(add, new Map<number, number>())

const targetsOf = (lengths: Lengths): number => sum([...lengths].map(([length, rows]) => rows * (length - 1)))

const over = (lengths: Lengths, cost: (length: number) => number): number =>
  sum([...lengths].map(([length, rows]) => rows * cost(length)))

/** Limit of steps whose rows are counted exactly. The rest is extrapolated. */
const mostStepsCounted = 100_000

/** Rows in the gradients of one chain, by length. */
const minibatchRows = (
  { nBeta, batchSize }: PsgldConfiguration,
  rows: readonly number[],
  steps: number,
  seed: number
): Lengths => {
  if (nBeta === 0 || rows.length < batchSize) return new Map()
  if (rows.every((length) => length === rows[0])) return new Map([[rows[0], steps * batchSize]])
  const minibatches = new Minibatches(seed, rows.length, batchSize)
  const lengths = new Map<number, number>()
  const looked = Math.min(steps, mostStepsCounted)
  for (let step = 0; step < looked; step++) for (const row of minibatches.at(step)) add(lengths, rows[row])
  if (looked === steps) return lengths
  return new Map([...lengths].map(([length, count]) => [length, count * (steps / looked)]))
}

/** Expected rounds of a component: all of them without a target. */
const roundsExpected = (sampler: BlockConfiguration): number =>
  sampler.targetReliability === false
    ? roundsOf(sampler)
    : Math.min(roundsOf(sampler), likelyRounds(sampler.method, sampler.targetReliability))

/** Gradient pairs per block and round, from the lengths of rows. */
const pairsOfRows = (
  sampler: BlockConfiguration,
  { probe }: Pick<RowSets, 'probe'>,
  observed: readonly number[]
): number =>
  sampler.method === 'gradient'
    ? 1
    : sampler.pairs === 'auto'
      ? pairsFor(targetsOf(counted(probe)), observed.length, targetsOf(counted(observed)), sampler.observationBatch)
      : sampler.pairs

const blocksWork = (
  architecture: Architecture,
  components: readonly string[],
  sampler: BlockConfiguration,
  rows: Omit<RowSets, 'tokens'>,
  observed: readonly number[]
): SamplingWork => {
  const { method, nBeta, observationBatch } = sampler
  const turns = blockCount * roundsExpected(sampler)
  const gradients = turns * (method === 'first-order' ? 2 * pairsOfRows(sampler, rows, observed) : 1)
  const points = method === 'first-order' ? 4 : 2
  const share = observationBatch / observed.length
  const [ofObserved, ofProbe] = [counted(observed), counted(rows.probe)]
  const passes = method === 'gradient' && nBeta > 0 ? turns : 0
  const own = (name: string): number =>
    gradients * share * over(ofObserved, (length) => pieceOperations(architecture, name, length).gradient) +
    over(ofObserved, (length) => passes * pieceOperations(architecture, name, length).losses) +
    points * turns * over(ofProbe, (length) => pieceOperations(architecture, name, length).losses)
  const prefixes =
    gradients * share * over(ofObserved, (length) => prefixOperations(architecture, length)) +
    turns * over(ofProbe, (length) => prefixOperations(architecture, length))
  return {
    chains: components.length * blockCount,
    steps: 0,
    gradientTokens: Math.round(components.length * gradients * share * targetsOf(ofObserved)),
    lossTokens:
      Math.round(components.length * (points * turns * targetsOf(ofProbe) + passes * targetsOf(ofObserved))) +
      targetsOf(ofObserved),
    operations: sum(components.map(own)) + prefixes
  }
}

/**
 * Counts the work of `sample` with these rows and settings (docs/method.md, sections 2 to 3c). With a target
 * reliability, the expected work.
 */
export const samplingWork = (
  architecture: Architecture,
  components: readonly string[],
  sampler: SamplerConfiguration,
  rows: Omit<RowSets, 'tokens'>,
  seed: number,
  observationIncludesProbe = false
): SamplingWork => {
  if (sampler.method !== 'psgld')
    return blocksWork(
      architecture,
      components,
      sampler,
      rows,
      observationIncludesProbe ? [...rows.observation, ...rows.probe] : rows.observation
    )
  const { nBeta, burnIn, draws, stepsBetweenDraws, chains } = sampler
  const names = sampledNames({ components, sampler })
  const steps = nBeta === 0 ? 0 : burnIn + (draws - 1) * stepsBetweenDraws + 1
  const stepped = minibatchRows(sampler, rows.sampling, steps, seed)
  const evaluated = counted([...rows.observation, ...rows.probe])
  const replicas = names.length * chains
  const prefixes =
    over(stepped, (length) => prefixOperations(architecture, length)) +
    draws * over(evaluated, (length) => prefixOperations(architecture, length))
  const own = (name: string): number =>
    over(stepped, (length) => pieceOperations(architecture, name, length).gradient) +
    draws * over(evaluated, (length) => pieceOperations(architecture, name, length).losses)
  return {
    chains: replicas,
    steps,
    gradientTokens: replicas * targetsOf(stepped),
    // L(w*) and ℓ(w*) are measured once, before the first draw.
    lossTokens: (replicas * draws + 1) * targetsOf(evaluated),
    operations: chains * sum(names.map(own)) + prefixes
  }
}

/** Counts the work of sampling the plan's components. */
export const workOf = (
  { architecture, components, rows }: Plan,
  { sampler, seed, corpus }: RunConfiguration
): SamplingWork => samplingWork(architecture, components, sampler, rows, seed, includesProbe(corpus))
