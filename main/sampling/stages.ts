import type { PsgldConfiguration } from '../../preload/configuration'
import { type TokensAtOnce, evaluatorsOf } from '../engine/engines'
import { prefixBytes } from '../engine/core'
import type { Architecture } from '../models/architecture'
import { rowsAtOnce } from './rows'
import type { LaneCounts } from './tasks'

/**
 * Bytes of activations at w* that are held for the rows of one stage, and as many for those of the next; and of parts
 * of gradients.
 */
export const stageBytes = 512 * 2 ** 20

/**
 * Weights of one update: some milliseconds of noise, and a multiple of the kernel's block, so that a replica's ranges
 * have the bits of the whole.
 */
export const rangeWeights = 2 ** 18

/** Lanes of so many threads: as many that evaluate as the engine has evaluators, and the others without one. */
export const lanesOf = (engine: string, threads: number): LaneCounts => {
  const evaluating = evaluatorsOf(engine, threads)
  return { evaluating, updating: threads - evaluating }
}

/**
 * Chunks of a minibatch and blocks of evaluated rows that go through one stage, and how many of them threads share
 * for one replica.
 */
export interface StageSizes {
  readonly chunks: number
  readonly blocks: number
  /** Blocks of evaluated rows whose activations may be held. */
  readonly held: number
  /** Whether there are more threads than replicas, so that they share the rows of one. */
  readonly split: boolean
  /** Whether gradients wait in the replicas: for the rows of further stages, or for lanes that do updates alone. */
  readonly waiting: boolean
  /** Bytes of the activations at w* of one stage, at most. */
  readonly bytes: number
}

export interface StagedWork {
  readonly architecture: Architecture
  readonly sampler: PsgldConfiguration
  readonly atOnce: TokensAtOnce
  /** Threads that could be at work: those that evaluate, and those that update alone. */
  readonly lanes: LaneCounts
  /** Token ids in each row. */
  readonly sampling: readonly number[]
  readonly evaluated: readonly number[]
  /** Weights of each replica. */
  readonly replicas: readonly number[]
}

/**
 * How much goes through one stage: what `bytes` hold. Where threads would be left without a replica, chunks and
 * blocks are shared out among them. None of it changes a number: gradients are summed chunk by chunk in their order
 * in any case.
 */
export const stageSizes = (
  { architecture, sampler, atOnce: { chunk, block }, lanes, sampling, evaluated, replicas }: StagedWork,
  bytes = stageBytes
): StageSizes => {
  const bytesOf = (lengths: readonly number[], tokens: number, together: number): number => {
    const longest = lengths.reduce((most, length) => Math.max(most, length), 2)
    return prefixBytes(architecture, Math.min(together, rowsAtOnce(architecture, tokens, longest)) * (longest - 1))
  }
  const [ofChunk, ofBlock] = [bytesOf(sampling, chunk, sampler.batchSize), bytesOf(evaluated, block, evaluated.length)]
  const fitting = (size: number): number => Math.max(1, Math.floor(bytes / size))
  // Rows of several lengths are cut into more chunks than rows of one.
  const ofLengths = [...new Set(sampling)].reduce(
    (sum, length) => sum + Math.ceil(sampler.batchSize / rowsAtOnce(architecture, chunk, length)),
    0
  )
  const all = sampler.nBeta === 0 ? 1 : Math.min(sampler.batchSize, ofLengths)
  const split = replicas.length < lanes.evaluating
  const chunks = Math.min(
    all,
    fitting(ofChunk),
    split ? fitting(4 * replicas.reduce((sum, length) => sum + length, 0)) : Infinity
  )
  const held = fitting(ofBlock)
  const blocks = split ? Math.min(held, 2 * Math.ceil(lanes.evaluating / replicas.length)) : 1
  const waiting = chunks < all || (lanes.updating > 0 && sampler.nBeta > 0 && !(split && chunks > 1))
  return {
    chunks,
    blocks,
    held,
    split,
    waiting,
    bytes: Math.max(sampler.nBeta === 0 ? 0 : chunks * ofChunk, blocks * ofBlock)
  }
}

/** Arrays of a replica for parts of its gradient or its losses: none where threads share nothing. */
export const partsOf = ({ split }: StageSizes, count: number): number => (split && count > 1 ? count : 0)
