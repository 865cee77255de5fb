import type { PsgldConfiguration } from '../../preload/configuration'
import { type TokensAtOnce, evaluatorsOf } from '../engine/engines'
import { prefixBytes } from '../engine/core'
import type { Architecture } from '../models/architecture'
import { rowsAtOnce } from './rows'
import type { LaneCounts } from './tasks'

/**
 * Limit in bytes for the activations at w* of one stage's rows. Applies again to the next stage's, and to partial
 * gradients.
 */
export const stageBytes = 512 * 2 ** 20

/**
 * Weights per update task. Takes some milliseconds, and is a multiple of the kernel's block, so that updating by
 * ranges gives the same bits as updating the whole.
 */
export const rangeWeights = 2 ** 18

/** Divides threads into lanes: as many with an evaluator as the engine supports, the others without. */
export const lanesOf = (engine: string, threads: number): LaneCounts => {
  const evaluating = evaluatorsOf(engine, threads)
  return { evaluating, updating: threads - evaluating }
}

/** Chunks of a minibatch and blocks of evaluated rows in one stage. */
export interface StageSizes {
  readonly chunks: number
  readonly blocks: number
  /** Blocks of evaluated rows whose activations fit in memory. */
  readonly held: number
  /** Whether there are more threads than replicas, so that several threads share a replica's rows. */
  readonly split: boolean
  /** Whether replicas hold gradients between tasks: for the rows of later stages, or for updating lanes. */
  readonly waiting: boolean
  /** Limit for the activations at w* of one stage, in bytes. */
  readonly bytes: number
}

export interface StagedWork {
  readonly architecture: Architecture
  readonly sampler: PsgldConfiguration
  readonly atOnce: TokensAtOnce
  /** Threads with and without an evaluator. */
  readonly lanes: LaneCounts
  /** Token ids in each row. */
  readonly sampling: readonly number[]
  readonly evaluated: readonly number[]
  /** Number of weights of each replica. */
  readonly replicas: readonly number[]
}

/**
 * Sizes of stages such that activations fit in `bytes`. If there are more threads than replicas, chunks and blocks
 * are divided among them. Sizes do not affect the numbers, because gradients are always summed chunk by chunk in
 * order.
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
  // Rows of different lengths make more chunks than rows of one length.
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

/** Arrays that a replica needs for partial gradients or losses; 0 if threads share no rows. */
export const partsOf = ({ split }: StageSizes, count: number): number => (split && count > 1 ? count : 0)
