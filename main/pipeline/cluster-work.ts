import { partitionTokens } from '../clustering/cluster'
import type { ClusteringProgress, DiscoveryState, Neighbours } from '../clustering/cluster'
import { chooseColumns } from '../clustering/preprocess'
import { noiseOf, shapelessMatrix, spreadOf } from '../clustering/shapeless'
import { comparedLayers, structureOf } from '../clustering/structure'
import type { Partitioned, Structure } from '../clustering/structure'
import type { ClusteringPool } from '../clustering/watched'
import { wholeVariant, type Variant } from '../clustering/variants'
import { keptSchema, readCheckpoint, searchSchema, writeCheckpoint } from './cluster-checkpoints'
import type { Kept } from './cluster-checkpoints'
import { ClusterResults } from './cluster-results'
import { readClusterSet } from './cluster-set'
import type { ClusterRequest } from './messages'

/** Matrices in memory. `half` is replaced for each comparison. */
export interface Matrices {
  readonly tokens: number
  readonly whole: Float32Array
  readonly half: Float32Array | undefined
}

interface PerformOptions {
  readonly neighbours: Neighbours | undefined
  readonly onNeighbours: (neighbours: Neighbours) => void
  readonly onProgress: (progress: ClusteringProgress) => void
  readonly signal: AbortSignal
}

export type OpenPool = (threads: number) => ClusteringPool

type PartitionRequest = Pick<
  ClusterRequest,
  'folder' | 'fingerprint' | 'everySeconds' | 'configuration' | 'seed' | 'threads'
>

interface PartitionInput {
  readonly matrix: Float32Array
  readonly components: readonly string[]
  readonly tokens: number
}

/**
 * Partitions one matrix, using `neighbours` if given. An `acl` search takes long, so it saves checkpoints in a
 * folder; other partitions start over.
 */
export const partitionMatrix = async (
  request: PartitionRequest,
  variant: Variant,
  input: PartitionInput,
  options: PerformOptions,
  open?: OpenPool
): Promise<Partitioned> => {
  const { everySeconds, configuration, seed, threads } = request
  const { neighbours, onNeighbours, onProgress, signal } = options
  const search = `discovery-${variant.name}`
  const isNew = variant.kind === 'whole' && neighbours === undefined
  const checkpoint = isNew ? undefined : await readCheckpoint(request, search, searchSchema(input.tokens))
  let latest: DiscoveryState | undefined
  let writtenAt = performance.now()
  const write = async (): Promise<void> => {
    if (latest === undefined) return
    writtenAt = performance.now()
    await writeCheckpoint(request, search, latest)
  }
  try {
    const { neighbours: found, ...partitioned } = await partitionTokens(
      {
        ...input,
        configuration,
        seed,
        threads,
        variant: variant.number,
        ...(neighbours === undefined ? {} : { neighbours }),
        ...(checkpoint === undefined ? {} : { checkpoint }),
        ...(variant.kind === 'whole' ? { onNeighbours } : {}),
        onCheckpoint: async (state) => {
          latest = state
          if (performance.now() - writtenAt >= 1000 * everySeconds) await write()
        },
        onProgress,
        signal
      },
      open
    )
    if (variant.kind === 'whole') onNeighbours(found)
    return partitioned
  } catch (error) {
    if (signal.aborted) await write()
    throw error
  }
}

/** Partitions the matrices of a clustering one after another, and saves each result in the run's folder. */
export class ClusterWork {
  readonly #open: OpenPool | undefined
  #fingerprint = ''
  #results: Promise<ClusterResults> | undefined
  readonly #kept = new Map<string, Kept>()

  /** `open` starts worker threads; by default those of the built program. */
  constructor(open?: OpenPool) {
    this.#open = open
  }

  #begin(fingerprint: string): void {
    if (this.#fingerprint !== fingerprint) {
      this.#kept.clear()
      this.#results = undefined
    }
    this.#fingerprint = fingerprint
  }

  /** Results of shards, if the clustering was divided. */
  async #gathered(folder: string | undefined): Promise<ClusterResults | undefined> {
    if (folder === undefined) return undefined
    this.#results ??= readClusterSet(folder).then((set) => new ClusterResults(folder, set))
    return this.#results
  }

  /** Whether a variant is already partitioned: by this process, an earlier one, or a shard. */
  async has(request: ClusterRequest, variant: Variant, tokens: number): Promise<boolean> {
    const { name } = variant
    this.#begin(request.fingerprint)
    if (this.#kept.has(name)) return true
    const results = await this.#gathered(request.gathered)
    const kept =
      results?.hasPartitions === true
        ? { partitioned: await results.partitionOf(name), noise: null }
        : await readCheckpoint(request, name, keptSchema(request, variant, tokens))
    if (kept === undefined) return false
    this.#kept.set(name, kept)
    return true
  }

  /** Partitions one matrix. The result of `whole` is reused only together with its stored neighbours. */
  async perform(request: ClusterRequest, variant: Variant, matrices: Matrices, options: PerformOptions): Promise<void> {
    this.#begin(request.fingerprint)
    const isWhole = variant.kind === 'whole'
    const known = isWhole ? options.neighbours : undefined
    const neighbours = known ?? (await (await this.#gathered(request.gathered))?.neighboursOf(variant.name))
    if (isWhole && neighbours !== undefined) options.onNeighbours(neighbours)
    if ((!isWhole || neighbours !== undefined) && (await this.has(request, variant, matrices.tokens))) return
    const { matrix, components, noise } = this.#prepare(request, variant, matrices)
    const input = { matrix, components, tokens: matrices.tokens }
    const partitioned = await partitionMatrix(request, variant, input, { ...options, neighbours }, this.#open)
    const kept = { partitioned, noise }
    this.#kept.set(variant.name, kept)
    await writeCheckpoint(request, variant.name, kept)
  }

  #prepare(
    { columns, components: all, seed, parts }: ClusterRequest,
    variant: Variant,
    { whole, half, tokens }: Matrices
  ): Pick<Kept, 'noise'> & ReturnType<typeof chooseColumns> {
    const chosen = chooseColumns(whole, all, columns)
    if (variant.kind === 'whole') return { ...chosen, noise: null }
    const spread = spreadOf(chosen.matrix, chosen.components.length)
    if (variant.kind === 'half') {
      const own = chooseColumns(half!, all, columns)
      return { ...own, noise: noiseOf(spread, chosen.matrix, own.matrix) }
    }
    const noises = [...this.#kept.values()].flatMap(({ noise }) => (noise === null ? [] : [noise]))
    const matrix = shapelessMatrix(spread, { noises, parts, tokens, seed }, variant.parts)
    return { components: chosen.components, matrix, noise: null }
  }

  /** Combines all partitions and comparisons into the structure, and forgets them. */
  finish(
    { configuration, parts }: Pick<ClusterRequest, 'configuration' | 'parts'>,
    tokens: number,
    neighbours: Neighbours
  ): Structure {
    const { partitioned } = this.#kept.get(wholeVariant.name)!
    const structure = structureOf({
      configuration,
      tokens,
      neighbours,
      whole: partitioned,
      ...comparedLayers(parts, (name) => this.#kept.get(name)!.partitioned.layers)
    })
    this.#kept.clear()
    return structure
  }
}
