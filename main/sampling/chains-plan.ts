import type { TokensAtOnce } from '../engine/engines'
import { componentSlices, sliceSize } from '../models/components'
import {
  type ChainName,
  type ChainsInput,
  type SamplingTransport,
  chainNames,
  checkInput,
  fingerprintOf
} from './input'
import { Minibatches } from './philox'
import { type RowBlock, cutRows, flattenTargets, targetsOf } from './rows'
import { type StageSizes, lanesOf, rangeWeights, stageSizes } from './stages'
import type { LaneCounts } from './tasks'

/** Everything that is fixed before sampling begins: blocks of rows, and the sizes of stages. */
export interface ChainsPlan {
  readonly input: ChainsInput
  readonly chosen: readonly ChainName[]
  /** Whether `chosen` has all chains of the run. */
  readonly whole: boolean
  readonly fingerprint: string
  readonly atOnce: TokensAtOnce
  readonly lanes: LaneCounts
  readonly sizes: StageSizes
  /** Number of weights in one range of a replica. */
  readonly rangeWeights: number
  readonly starts: Int32Array
  readonly positions: Int32Array
  readonly tokens: number
  readonly minibatches: Minibatches
  readonly observation: readonly RowBlock[]
  /** Blocks of observation rows, then blocks of probe rows. */
  readonly evaluated: readonly RowBlock[]
  /** Number of target positions that L averages over. */
  readonly observedTargets: number
}

/** Plans a run of chains. Throws a `configuration` error if the settings do not fit the rows. */
export const planChains = (
  input: ChainsInput,
  chosen: readonly ChainName[] | undefined,
  { stageBytes, rangeWeights: range = rangeWeights }: SamplingTransport,
  atOnce: TokensAtOnce
): ChainsPlan => {
  const {
    study,
    sampler,
    seed,
    model: { architecture, weights }
  } = input
  const { starts, positions } = flattenTargets(study.targets)
  checkInput(input, positions.length)
  const chains = chosen ?? chainNames(input)
  const lanes = lanesOf(input.engine, input.threads)
  const lengths = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
  const cut = (rows: readonly Int32Array[]): RowBlock[] =>
    cutRows(architecture, rows, Array.from(rows.keys()), atOnce.block)
  const observation = cut(study.observation)
  const evaluated = [...observation, ...cut(study.probe)]
  return {
    input,
    chosen: chains,
    whole: chosen === undefined,
    fingerprint: fingerprintOf(input, chosen),
    atOnce,
    lanes,
    sizes: stageSizes(
      {
        architecture,
        sampler,
        atOnce,
        lanes,
        sampling: lengths(study.sampling),
        evaluated: lengths([...study.observation, ...study.probe]),
        replicas: chains.map(({ component }) => sliceSize(componentSlices(architecture, weights, component)))
      },
      stageBytes
    ),
    rangeWeights: range,
    starts,
    positions,
    tokens: positions.length,
    minibatches: new Minibatches(seed, study.sampling.length, sampler.batchSize),
    observation,
    evaluated,
    observedTargets: (input.observationIncludesProbe ? evaluated : observation).reduce(
      (sum, block) => sum + targetsOf(block),
      0
    )
  }
}

/** Steps that a chain has done when it reaches a draw. */
export const stepsBefore = ({ nBeta, burnIn, stepsBetweenDraws }: ChainsInput['sampler'], draw: number): number =>
  nBeta === 0 ? 0 : burnIn + draw * stepsBetweenDraws + 1

/** Rows of a step's minibatch, in chunks that go through the model at once. */
export const chunksOf = ({ input, minibatches, atOnce }: ChainsPlan, step: number): RowBlock[] =>
  cutRows(input.model.architecture, input.study.sampling, minibatches.at(step), atOnce.chunk)
