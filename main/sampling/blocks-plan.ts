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

/** Numbers of a block's steps in a round, in order: where each kind begins. */
export interface Steps {
  /** Pairs of gradients, or the one draw. */
  readonly gradients: number
  /** Blocks of observation rows at a single gradient's draw; none where draws are not weighted. */
  readonly base: number
  readonly direction: number
  /** The slope of L. */
  readonly observed: number
  /** Blocks of probe rows. */
  readonly probe: number
  readonly all: number
}

/** What is fixed before sampling begins: the rows as they are cut, and the steps of a round. */
export interface BlocksPlan {
  readonly input: BlocksInput
  readonly chosen: readonly ChainName[]
  /** Whether all blocks of the run are chosen. */
  readonly whole: boolean
  /** Components of the chosen blocks. */
  readonly components: readonly string[]
  readonly fingerprint: string
  readonly atOnce: TokensAtOnce
  readonly lanes: LaneCounts
  /** Bytes of activations at w* that the rows of a stage may take. */
  readonly stageBytes: number
  readonly starts: Int32Array
  readonly positions: Int32Array
  readonly tokens: number
  readonly observed: readonly Int32Array[]
  readonly observation: readonly RowBlock[]
  readonly probe: readonly RowBlock[]
  readonly slices: Minibatches
  readonly pairs: number
  /** Points at which the losses of a row are computed for one slope. */
  readonly slopePoints: number
  readonly steps: Steps
}

/** Throws a `configuration` error where nothing can be sampled. */
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
