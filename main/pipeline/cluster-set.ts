import { join } from 'node:path'
import { z } from 'zod'
import { clusteringConfigurationSchema } from '../../preload/configuration'
import type { ClusteringConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { index, limits, text as textOf } from '../../preload/limits'
import { writeFileAtomically } from '../base/files'
import { rangeStep } from '../clustering/neighbours'
import { comparisonsOf, wholeVariant, type Variant } from '../clustering/variants'
import { readSetFile } from './shard-set'

const format = 'spectroscope-clustering-shards'
const version = 2

const text = textOf(limits.word)
const token = index.max(limits.tokens)

/** Tokens `from` … `to` - 1 of one matrix, whose neighbours a shard searches for. */
const segmentSchema = z.strictObject({ variant: text, from: token, to: token })

const shardSchema = z.strictObject({
  index,
  /** Share of the work of all shards of its kind. */
  share: z.number().min(0).max(1),
  segments: z.array(segmentSchema),
  /**
   * The matrix in which a shard searches for local clusters, using the neighbours found by other shards. Null for a
   * shard that searches for neighbours.
   */
  search: text.nullable()
})

const setSchema = z.strictObject({
  format: z.literal(format),
  version: z.literal(version),
  /** SHA-256 of everything that determines the numbers, and of the division into shards. */
  id: text,
  /** SHA-256 of everything that determines the numbers. */
  fingerprint: text,
  createdAt: text,
  program: text,
  run: text,
  name: textOf(limits.runName).nullable(),
  configuration: clusteringConfigurationSchema,
  /** Names of the columns used for clustering. */
  components: z.array(text).min(1).max(limits.components),
  tokens: token,
  seed: z.int().min(0),
  /** Number of parts of the draws used for comparison; 0 for none. */
  parts: index,
  threads: z.int().min(1).max(limits.threads).nullable(),
  /** Shards that a task of Slurm's works on in turn; see `ShardSet`. */
  perTask: z.int().min(1).max(limits.shards).optional(),
  shards: z
    .array(shardSchema)
    .min(1)
    .max(2 * limits.shards)
})

export type Segment = z.output<typeof segmentSchema>
export type ClusterShard = z.output<typeof shardSchema>

/** A clustering divided into shards, as stored in `clustering.json` in its folder. */
export type ClusterSet = z.output<typeof setSchema>

export const clusterSetPath = (folder: string): string => join(folder, 'clustering.json')

/** All matrices of a set, the whole one first. */
export const variantsOf = (parts: number): readonly Variant[] => [wholeVariant, ...comparisonsOf(parts)]

export const variantNamed = ({ parts }: Pick<ClusterSet, 'parts'>, name: string): Variant =>
  variantsOf(parts).find((variant) => variant.name === name)!

/**
 * Number of token pairs in a neighbour search over a segment. Pairs with both tokens in the segment are visited once.
 */
export const pairsOf = ({ from, to }: Segment, tokens: number): number => (to - from) * (tokens - (to - from) / 2)

/** Segments of shard number `part` when all matrices, one after another, are cut into `count` nearly equal shards. */
const segmentsOf = (variants: readonly Variant[], tokens: number, count: number, part: number): Segment[] => {
  const all = variants.length * tokens
  const [first, end] = [part, part + 1].map((cut) => (cut * all) / count)
  const cutAt = (at: number): number =>
    at >= tokens ? tokens : at <= 0 ? 0 : Math.min(tokens, rangeStep * Math.round(at / rangeStep))
  return variants.flatMap(({ name }, number) => {
    const [from, to] = [first, end].map((at) => cutAt(at - number * tokens))
    return from < to ? [{ variant: name, from, to }] : []
  })
}

/** Largest number of shards for the neighbour search. */
export const mostNeighbourShards = (tokens: number, parts: number): number =>
  Math.min(limits.shards, Math.max(1, variantsOf(parts).length * Math.floor(tokens / (2 * rangeStep))))

/**
 * Divides the neighbour search over all matrices into `count` shards. For `acl`, adds one shard per matrix for its
 * local clusters: each step of that search depends on earlier ones, so only different matrices can run in parallel.
 * Throws a `usage` error for too many shards, and for approximate neighbours, whose search needs all tokens at once.
 */
export const planClusterShards = (
  { method, recall }: Pick<ClusteringConfiguration, 'method' | 'recall'>,
  tokens: number,
  parts: number,
  count: number
): ClusterShard[] => {
  if (recall < 1) {
    throw new SpectroscopeError(
      'usage',
      'An approximate search for neighbours cannot be divided into shards; set "clustering.recall" to 1, or cluster ' +
        'without --shards.'
    )
  }
  const variants = variantsOf(parts)
  const most = mostNeighbourShards(tokens, parts)
  if (count > most) {
    throw new SpectroscopeError(
      'usage',
      `The neighbours of ${tokens} tokens can be divided into ${most} shards at most, not into ${count}; ` +
        'ask for fewer.'
    )
  }
  const divided = Array.from({ length: count }, (_, part) => segmentsOf(variants, tokens, count, part))
  const costs = divided.map((segments) => segments.reduce((sum, segment) => sum + pairsOf(segment, tokens), 0))
  const total = costs.reduce((a, b) => a + b)
  const neighbours = divided.map((segments, at): ClusterShard => ({
    index: at,
    share: costs[at] / total,
    segments,
    search: null
  }))
  if (method !== 'acl') return neighbours
  return [
    ...neighbours,
    ...variants.map(({ name }, at): ClusterShard => ({
      index: count + at,
      share: 1 / variants.length,
      segments: [],
      search: name
    }))
  ]
}

export const writeClusterSet = (folder: string, set: ClusterSet): Promise<void> =>
  writeFileAtomically(clusterSetPath(folder), JSON.stringify(set, null, 1))

const again = 'create it again with `spectroscope cluster --shards`'

/** Reads the clustering set in a folder. Throws the errors of `readSetFile`. */
export const readClusterSet = (folder: string): Promise<ClusterSet> =>
  readSetFile(clusterSetPath(folder), setSchema, {
    command: 'spectroscope cluster --shards',
    otherwise: 'not a clustering in shards of this version of the program',
    remedy: again
  })

/** Throws an `input` error if the shards belong to a clustering with another fingerprint. */
export const checkGathered = async (folder: string, fingerprint: string): Promise<void> => {
  if ((await readClusterSet(folder)).fingerprint === fingerprint) return
  throw new SpectroscopeError('input', `The shards in ${folder} do not match the run as it is now; ${again}.`)
}
