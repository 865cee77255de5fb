import { createHash } from 'node:crypto'
import {
  type BlockConfiguration,
  type PsgldConfiguration,
  type SamplerConfiguration,
  blockCount
} from '../../preload/configuration'
import type { ComponentProgress } from '../../preload/contract-progress'
import { SpectroscopeError } from '../../preload/errors'
import type { Study } from '../corpora/study'
import type { Precision } from '../../preload/precisions'
import type { Model } from '../models/architecture'
import type { SampledBlocks } from './sampled'
import type { OpenLane } from './lane'

export interface SamplingProgress {
  readonly stage: 'sample'
  /** Steps and draws of every chain: done, and in total. */
  readonly step: number
  readonly steps: number
  readonly draw: number
  readonly draws: number
  /** Chain of the last finished task. */
  readonly component: string
  readonly chain: number
  /** Target positions per second through gradients or losses, over all chains, in the last seconds. */
  readonly tokensPerSecond: number
  /** Fraction of the floating-point operations. */
  readonly fractionDone: number
  /** NaN until the speed has been measured. */
  readonly secondsLeft: number
  /** L(w*) on the observation rows, in nats per token; NaN until it is computed. */
  readonly initialLoss: number
  /** Reliability of every component so far, for the methods with rounds. */
  readonly reliabilities?: readonly ComponentProgress[]
}

/** L (nats) and ‖u - u*‖ of one chain at one draw. */
export interface TracePoint {
  readonly component: string
  readonly chain: number
  readonly draw: number
  readonly loss: number
  readonly distance: number
}

export interface ChainFlag {
  readonly component: string
  readonly chain: number
  readonly message: string
}

export interface ChainName {
  readonly component: string
  readonly chain: number
}

export interface SamplingInput<S extends SamplerConfiguration = SamplerConfiguration> {
  readonly model: Pick<Model, 'architecture' | 'weights'>
  readonly study: Pick<Study, 'sampling' | 'observation' | 'probe' | 'targets'>
  readonly components: readonly string[]
  readonly sampler: S
  readonly seed: number
  readonly observationIncludesProbe: boolean
  readonly engine: string
  /** Precision of matrix products; float32 by default. */
  readonly precision?: Precision | undefined
  readonly threads: number
  /**
   * `fingerprint` identifies model, study and engine. Everything else that determines the numbers is added to it
   * here.
   */
  readonly checkpoint?: { readonly folder: string; readonly everySeconds: number; readonly fingerprint: string }
  readonly onProgress?: (progress: SamplingProgress) => void
  /** Results of the run that this one continues. Rounds go on after its last. */
  readonly begun?: SampledBlocks | undefined
  readonly onTrace?: (point: TracePoint) => void
  readonly onFlag?: (flag: ChainFlag) => void
  readonly signal?: AbortSignal
}

export type ChainsInput = SamplingInput<PsgldConfiguration>
export type BlocksInput = SamplingInput<BlockConfiguration>

/** Calls the function for the method of the settings. */
export const byMethod = <T>(
  input: SamplingInput,
  ofChains: (input: ChainsInput) => T,
  ofBlocks: (input: BlocksInput) => T
): T =>
  input.sampler.method === 'psgld'
    ? ofChains({ ...input, sampler: input.sampler })
    : ofBlocks({ ...input, sampler: input.sampler })

/**
 * Replacements for tests: other workers than threads, another order of tasks, and other sizes of stages and ranges
 * (stages.ts).
 */
export interface SamplingTransport {
  readonly stageBytes?: number
  readonly waveBytes?: number
  readonly rangeWeights?: number
  readonly openLane?: OpenLane
  readonly pick?: (waiting: number) => number
}

/** Names of what is sampled: the components, then `full` if the estimator needs its chains. */
export const sampledNames = ({
  components,
  sampler
}: Pick<SamplingInput, 'components' | 'sampler'>): readonly string[] =>
  sampler.method === 'psgld' && sampler.estimator === 'two-chain' ? [...components, 'full'] : components

/** Every chain of a run in order. A block of draws counts as a chain. */
export const chainNames = (input: Pick<SamplingInput, 'components' | 'sampler'>): ChainName[] =>
  sampledNames(input).flatMap((component) =>
    Array.from({ length: input.sampler.method === 'psgld' ? input.sampler.chains : blockCount }, (_, chain) => ({
      component,
      chain
    }))
  )

/** Hash of everything that determines a run's numbers, in hexadecimal. */
export const fingerprintOf = (
  { checkpoint, components, sampler, seed, observationIncludesProbe, study }: SamplingInput,
  chosen?: readonly ChainName[]
): string => {
  const { preset: _, ...settings } = sampler
  const lengths = [study.sampling, study.observation, study.probe].map((rows) => rows.map(({ length }) => length))
  return createHash('sha256')
    .update(
      JSON.stringify([
        checkpoint?.fingerprint,
        components,
        Object.entries(settings).sort(),
        seed,
        observationIncludesProbe,
        lengths,
        study.targets.map(({ length }) => length),
        ...(chosen === undefined ? [] : [chosen])
      ])
    )
    .digest('hex')
}

/** Rows that L averages over. */
export const observedRows = ({
  study,
  observationIncludesProbe
}: Pick<SamplingInput, 'observationIncludesProbe'> & {
  readonly study: Pick<Study, 'observation' | 'probe'>
}): readonly Int32Array[] => (observationIncludesProbe ? [...study.observation, ...study.probe] : study.observation)

/** Throws a `configuration` error if the settings do not fit the rows. `tokens` is the number of studied tokens. */
export const checkInput = (
  { study, sampler, components, observationIncludesProbe }: SamplingInput,
  tokens: number
): void => {
  const fail = (message: string): never => {
    throw new SpectroscopeError('configuration', message)
  }
  if (sampler.method !== 'psgld') {
    const { observationBatch } = sampler
    const rows = observedRows({ study, observationIncludesProbe }).length
    if (rows < observationBatch)
      fail(
        `"sampler.observationBatch" is ${observationBatch} but there are only ${rows} observation rows; give ` +
          'more rows or lower it.'
      )
  } else if (sampler.nBeta > 0 && study.sampling.length < sampler.batchSize) {
    fail(
      `"sampler.batchSize" is ${sampler.batchSize} but there are only ${study.sampling.length} sampling rows; ` +
        'give more rows or lower it.'
    )
  }
  if (study.observation.length === 0) fail('There are no observation rows; give at least one.')
  if (tokens === 0) fail('There are no studied tokens; give at least one probe row with a target position.')
  if (components.length === 0) fail('"components" is empty; name at least one.')
}
