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
  /** Steps done and to do of every chain; draws likewise. */
  readonly step: number
  readonly steps: number
  readonly draw: number
  readonly draws: number
  /** The chain last worked on. */
  readonly component: string
  readonly chain: number
  /** Target positions through a chain's gradient or losses, of all chains together, over the last seconds. */
  readonly tokensPerSecond: number
  /** Of the floating-point operations. */
  readonly fractionDone: number
  /** NaN until something has been measured. */
  readonly secondsLeft: number
  /** L(w*) on the observation rows, nats per token; NaN until it has been computed. */
  readonly initialLoss: number
  /** Of methods that go in rounds: every component's reliability so far. */
  readonly reliabilities?: readonly ComponentProgress[]
}

/** L and ‖u - u*‖ of one chain at one draw. */
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
  /** What products are computed in; float32 where it is not given. */
  readonly precision?: Precision | undefined
  readonly threads: number
  /**
   * `fingerprint` stands for the model, the study and the engine; what else determines the numbers is added to it
   * here.
   */
  readonly checkpoint?: { readonly folder: string; readonly everySeconds: number; readonly fingerprint: string }
  readonly onProgress?: (progress: SamplingProgress) => void
  /** What the run that this one continues came to: rounds go on after its own. */
  readonly begun?: SampledBlocks | undefined
  readonly onTrace?: (point: TracePoint) => void
  readonly onFlag?: (flag: ChainFlag) => void
  readonly signal?: AbortSignal
}

export type ChainsInput = SamplingInput<PsgldConfiguration>
export type BlocksInput = SamplingInput<BlockConfiguration>

/** Calls what is for the method of the settings. */
export const byMethod = <T>(
  input: SamplingInput,
  ofChains: (input: ChainsInput) => T,
  ofBlocks: (input: BlocksInput) => T
): T =>
  input.sampler.method === 'psgld'
    ? ofChains({ ...input, sampler: input.sampler })
    : ofBlocks({ ...input, sampler: input.sampler })

/**
 * For tests: other workers than threads, another order of work, and other sizes of stages and ranges (see stages.ts).
 */
export interface SamplingTransport {
  readonly stageBytes?: number
  readonly waveBytes?: number
  readonly rangeWeights?: number
  readonly openLane?: OpenLane
  readonly pick?: (waiting: number) => number
}

/** Names of what is sampled: the components, then `full` where the estimator needs its chains. */
export const sampledNames = ({
  components,
  sampler
}: Pick<SamplingInput, 'components' | 'sampler'>): readonly string[] =>
  sampler.method === 'psgld' && sampler.estimator === 'two-chain' ? [...components, 'full'] : components

/** Every chain of a run, or every block of draws, which counts as one; in order. */
export const chainNames = (input: Pick<SamplingInput, 'components' | 'sampler'>): ChainName[] =>
  sampledNames(input).flatMap((component) =>
    Array.from({ length: input.sampler.method === 'psgld' ? input.sampler.chains : blockCount }, (_, chain) => ({
      component,
      chain
    }))
  )

/** Stands for all that determines a run's numbers. */
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

/** The rows that L is a mean over. */
export const observedRows = ({
  study,
  observationIncludesProbe
}: Pick<SamplingInput, 'observationIncludesProbe'> & {
  readonly study: Pick<Study, 'observation' | 'probe'>
}): readonly Int32Array[] => (observationIncludesProbe ? [...study.observation, ...study.probe] : study.observation)

/** Throws a `configuration` error where nothing can be sampled; `tokens` are those that are studied. */
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
