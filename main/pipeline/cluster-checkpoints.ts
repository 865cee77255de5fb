import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { z } from 'zod'
import { writeFileAtomically } from '../base/files'
import { readPlain } from '../base/plain-files'
import type { Cluster, DiscoveryState } from '../clustering/cluster'
import { ladderOf, type Layer } from '../clustering/communities'
import type { Discovery } from '../clustering/discover'
import type { Partitioned } from '../clustering/structure'
import type { Variant } from '../clustering/variants'
import type { ClusterRequest } from './messages'

/** Result for one matrix, stored until all matrices of the clustering are done. */
export interface Kept {
  readonly partitioned: Partitioned
  /** Covariance of the noise in a half of the draws; null for other matrices. */
  readonly noise: Float64Array | null
}

interface CheckpointFile<T> {
  readonly fingerprint: string
  readonly content: T
}

/** A clustering with checkpoints in `folder`. */
type Owner = Pick<ClusterRequest, 'folder' | 'fingerprint'>

const checkpointPath = ({ folder, fingerprint }: Owner, what: string): string =>
  join(folder, `${what}-${fingerprint.slice(0, 16)}.checkpoint`)

/**
 * Reads a checkpoint of the same clustering. Returns undefined if there is none or it does not fit `schema`. The
 * folder may come from somebody else, so nothing in the file is trusted.
 */
export const readCheckpoint = async <T>(owner: Owner, what: string, schema: z.ZodType<T>): Promise<T | undefined> => {
  try {
    const file = z.object({ fingerprint: z.literal(owner.fingerprint), content: schema })
    return file.parse(deserialize(await readPlain(checkpointPath(owner, what)))).content
  } catch {
    return undefined
  }
}

export const writeCheckpoint = <T>(owner: Owner, what: string, content: T): Promise<void> => {
  const file: CheckpointFile<T> = { fingerprint: owner.fingerprint, content }
  return writeFileAtomically(checkpointPath(owner, what), serialize(file))
}

const count = z.int().nonnegative()

/** Token indices in ascending order. */
const members = (tokens: number): z.ZodType<Int32Array> =>
  z
    .instanceof(Int32Array)
    .refine((values) =>
      values.every((token, at) => token >= 0 && token < tokens && (at === 0 || values[at - 1] < token))
    )

const areDisjoint = (groups: readonly Int32Array[], tokens: number): boolean => {
  const taken = new Uint8Array(tokens)
  for (const group of groups) {
    for (const token of group) {
      if (taken[token] === 1) return false
      taken[token] = 1
    }
  }
  return true
}

const clustersOf = (tokens: number): z.ZodType<Cluster[]> =>
  z
    .array(
      z.object({
        order: count,
        seed: count.max(tokens - 1),
        members: members(tokens),
        conductance: z.number(),
        conductanceWhenCut: z.number()
      } satisfies Record<keyof Cluster, z.ZodType>)
    )
    .refine((clusters) => clusters.every(({ order }, at) => order === at))
    .refine((clusters) =>
      areDisjoint(
        clusters.map((cluster) => cluster.members),
        tokens
      )
    )

/** State of an `acl` search over `tokens` tokens. */
export const searchSchema = (tokens: number): z.ZodType<DiscoveryState> =>
  z.object({
    tokens: z.literal(tokens),
    edges: count,
    volume: z.number(),
    attempts: count,
    rejectionsInARow: count,
    clusters: clustersOf(tokens)
  } satisfies Record<keyof DiscoveryState, z.ZodType>)

const discoveryOf = (tokens: number): z.ZodType<Discovery> =>
  z
    .object({
      clusters: clustersOf(tokens),
      ending: z.string(),
      attempts: count,
      leftover: z.object({ kind: z.enum(['main body', 'unclustered']), members: members(tokens) })
    } satisfies Record<keyof Discovery, z.ZodType>)
    .refine(({ clusters, leftover }) =>
      areDisjoint([...clusters.map((cluster) => cluster.members), leftover.members], tokens)
    )

const layerOf = (tokens: number, resolution: number): z.ZodType<Layer> =>
  z.object({
    resolution: Number.isNaN(resolution) ? z.nan() : z.literal(resolution),
    membership: z
      .instanceof(Int32Array)
      .refine((values) => values.length === tokens && values.every((group) => group >= -1 && group < tokens)),
    modularity: Number.isNaN(resolution) ? z.nan() : z.number()
  } satisfies Record<keyof Layer, z.ZodType>)

/**
 * The layers that a configuration asks for: one without a resolution for `acl`, else one for each step of the
 * resolution ladder.
 */
const layersOf = ({ configuration }: Pick<ClusterRequest, 'configuration'>, tokens: number): z.ZodType<Layer[]> => {
  const ladder =
    configuration.method === 'communities'
      ? ladderOf(configuration.resolution, configuration.levels, tokens, configuration.minSize)
      : [Number.NaN]
  const [first, ...others] = ladder.map((resolution) => layerOf(tokens, resolution))
  return z.tuple([first, ...others])
}

/** A possible partition of a matrix with `tokens` tokens. */
export const partitionedSchema = (
  request: Pick<ClusterRequest, 'configuration'>,
  tokens: number
): z.ZodType<Partitioned> =>
  z.object({
    layers: layersOf(request, tokens),
    edges: count,
    volume: z.number(),
    attempts: count,
    neighbourRecall: z.number().min(0).max(1).nullable(),
    discovery: request.configuration.method === 'acl' ? discoveryOf(tokens) : z.null()
  } satisfies Record<keyof Partitioned, z.ZodType>)

/** A possible stored result for a matrix. */
export const keptSchema = (
  request: Pick<ClusterRequest, 'configuration' | 'columns'>,
  { kind }: Pick<Variant, 'kind'>,
  tokens: number
): z.ZodType<Kept> => {
  const noise = z.instanceof(Float64Array).refine(({ length }) => length === request.columns.length ** 2)
  return z.object({
    partitioned: partitionedSchema(request, tokens),
    noise: kind === 'half' ? noise : z.null()
  } satisfies Record<keyof Kept, z.ZodType>)
}
