import type { TokensAtOnce } from '../engine/engines'
import { slopeSigns } from './block-work'
import {
  type BlocksInput,
  type ChainName,
  type SamplingTransport,
  chainNames,
  checkInput,
  fingerprintOf,
  observedRows
} from './input'
import { Minibatches } from './philox'
import { pairsOf } from './rounds'
import { type RowBlock, cutRows, flattenTargets } from './rows'
import { lanesOf, stageBytes as usualStageBytes } from './stages'
import type { LaneCounts } from './tasks'

/** Index of the first step of each kind, in the order of a block's round. */
export interface Steps {
  /** Pairs of gradients, or the single gradient of a draw. */
  readonly gradients: number
  /** Observation-row blocks, evaluated at the single gradient's draw. None if draws are not weighted. */
  readonly base: number
  readonly direction: number
  /** The slope of L. */
  readonly observed: number
  /** Probe-row blocks. */
  readonly probe: number
  readonly all: number
}

/** Everything that is fixed before sampling begins: blocks of rows, and the steps of a round. */
export interface BlocksPlan {
  readonly input: BlocksInput
  readonly chosen: readonly ChainName[]
  /** Whether `chosen` has all blocks of the run. */
  readonly whole: boolean
  /** Components of the chosen blocks. */
  readonly components: readonly string[]
  readonly fingerprint: string
  readonly atOnce: TokensAtOnce
  readonly lanes: LaneCounts
  /** Limit for the activations at w* of one stage's rows, in bytes. */
  readonly stageBytes: number
  readonly starts: Int32Array
  readonly positions: Int32Array
  readonly tokens: number
  readonly observed: readonly Int32Array[]
  readonly observation: readonly RowBlock[]
  readonly probe: readonly RowBlock[]
  readonly slices: Minibatches
  readonly pairs: number
  /** Points at which each row's losses are computed for one slope. */
  readonly slopePoints: number
  readonly steps: Steps
}

/** Plans a run of draw blocks. Throws a `configuration` error if the settings do not fit the rows. */
export const planBlocks = (
  input: BlocksInput,
  chosen: readonly ChainName[] | undefined,
  transport: SamplingTransport,
  atOnce: TokensAtOnce
): BlocksPlan => {
  const {
    study,
    sampler,
    seed,
    model: { architecture }
  } = input
  const { starts, positions } = flattenTargets(study.targets)
  checkInput(input, positions.length)
  const names = chosen ?? chainNames(input)
  const observed = observedRows(input)
  const observation = cutRows(architecture, observed, Array.from(observed.keys()), atOnce.block)
  const probe = cutRows(architecture, study.probe, Array.from(study.probe.keys()), atOnce.block)
  const pairs = pairsOf(input)
  const direction = pairs + (sampler.method === 'gradient' && sampler.nBeta > 0 ? observation.length : 0)
  return {
    input,
    chosen: names,
    whole: chosen === undefined,
    components: [...new Set(names.map(({ component }) => component))],
    fingerprint: fingerprintOf(input, chosen),
    atOnce,
    lanes: lanesOf(input.engine, input.threads),
    stageBytes: transport.stageBytes ?? usualStageBytes,
    starts,
    positions,
    tokens: positions.length,
    observed,
    observation,
    probe,
    slices: new Minibatches(seed, observed.length, sampler.observationBatch, 'observation'),
    pairs,
    slopePoints: slopeSigns(sampler.method).length,
    steps: {
      gradients: 0,
      base: pairs,
      direction,
      observed: direction + 1,
      probe: direction + 2,
      all: direction + 2 + probe.length
    }
  }
}
