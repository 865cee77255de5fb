import type { ClusteringConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { entryPath } from '../base/entries'
import { openPool } from '../base/pool'
import { openTeam } from '../base/team'
import { ladderOf, makeLayers, type Layer } from './communities'
import { prepareDescent, recallOf, type Descent, type DescentPhase } from './descent'
import { descend, descended } from './descent-rounds'
import { discover, type Discovery, type DiscoveryProgress, type DiscoveryState } from './discover'
import { volume, type Graph } from './graph'
import { prepareSearch, searched, type Neighbours } from './neighbours'
import { preprocess, type Points } from './preprocess'
import type { Partitioned } from './structure'
import type { ClusteringPool } from './watched'

export type { Cluster, DiscoveryState } from './discover'
export type { Neighbours } from './neighbours'

export type ClusteringProgress =
  | { readonly stage: 'neighbours'; readonly fraction: number; readonly secondsLeft: number | undefined }
  | ({ readonly stage: 'cluster' } & DiscoveryProgress)
  | { readonly stage: 'communities'; readonly fraction: number; readonly secondsLeft: number | undefined }

export interface ClusterInput {
  /** Susceptibilities [tokens, components]. */
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
  readonly configuration: ClusteringConfiguration
  readonly seed: number
  /**
   * Number of the matrix among those clustered for one result; 0 for the whole. Each number draws different random
   * words.
   */
  readonly variant?: number
  /** Number of worker threads. It does not affect the result. */
  readonly threads: number
  /**
   * Neighbours from an earlier clustering of the same matrix with the same `neighbours` and `whiten`. They replace a
   * new search.
   */
  readonly neighbours?: Neighbours | undefined
  /** State of an interrupted search with the same configuration and seed. */
  readonly checkpoint?: DiscoveryState | undefined
  /** Called after every accepted cluster, now and then in between, and before an interruption is reported. */
  readonly onCheckpoint?: ((state: DiscoveryState) => void | Promise<void>) | undefined
  readonly onNeighbours?: ((neighbours: Neighbours) => void | Promise<void>) | undefined
  readonly onProgress?: ((progress: ClusteringProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface PartitionedTokens extends Partitioned {
  readonly neighbours: Neighbours
}

type Communities = Extract<ClusteringConfiguration, { method: 'communities' }>

const progressMilliseconds = 250

/** Neighbours, and the share of the nearest that an approximate search found on its sample; null for an exact one. */
interface Found {
  readonly neighbours: Neighbours
  readonly recall: number | null
}

const descentOf = (
  points: Points,
  { configuration, seed, variant = 0 }: ClusterInput,
  pool: ClusteringPool,
  size?: 0
): Descent =>
  prepareDescent(points, configuration.neighbours, pool.size, { recall: configuration.recall, seed, variant }, size)

const runPhase = (search: Descent, pool: ClusteringPool, phase: DescentPhase): Promise<unknown> =>
  pool.runOn(pool.size, { kind: 'descent', search, team: openTeam(pool.size), phase })

/** Searches approximately (docs/method.md, section 5.1). */
const approximate = async (points: Points, input: ClusterInput, pool: ClusteringPool): Promise<Found> => {
  const search = descentOf(points, input, pool)
  let round = 0
  const report = (): void =>
    input.onProgress?.({ stage: 'neighbours', fraction: descended(search, round), secondsLeft: undefined })
  const timer = setInterval(report, progressMilliseconds)
  try {
    const recall = await descend(search, (phase) => runPhase(search, pool, phase), {
      onRound: (next) => {
        round = next
      }
    })
    return { neighbours: search.neighbours, recall }
  } finally {
    clearInterval(timer)
  }
}

/** Measures the recall of neighbours that an earlier approximate search found. */
const withRecall = async (
  points: Points,
  neighbours: Neighbours,
  input: ClusterInput,
  pool: ClusteringPool
): Promise<Found> => {
  if (input.configuration.recall === 1 || (input.variant ?? 0) > 0) return { neighbours, recall: null }
  const search = descentOf(points, input, pool, 0)
  await runPhase(search, pool, 'measure')
  return { neighbours, recall: recallOf(search, neighbours) }
}

const exactly = async (points: Points, input: ClusterInput, pool: ClusteringPool): Promise<Found> => {
  const search = prepareSearch(points, input.configuration.neighbours, pool.size)
  const team = openTeam(pool.size)
  const started = Date.now()
  const report = (): void => {
    const fraction = searched(search)
    const secondsLeft = fraction > 0.01 ? ((Date.now() - started) / 1000) * (1 / fraction - 1) : undefined
    input.onProgress?.({ stage: 'neighbours', fraction, secondsLeft })
  }
  const timer = setInterval(report, progressMilliseconds)
  try {
    await pool.runOn(pool.size, { kind: 'neighbours', search, team })
  } finally {
    clearInterval(timer)
  }
  return { neighbours: search.neighbours, recall: null }
}

const findNeighbours = async (points: Points, input: ClusterInput, pool: ClusteringPool): Promise<Found> => {
  const search = input.configuration.recall === 1 ? exactly : approximate
  const found = await search(points, input, pool)
  input.onProgress?.({ stage: 'neighbours', fraction: 1, secondsLeft: 0 })
  await input.onNeighbours?.(found.neighbours)
  return found
}

const checkNeighbours = (
  { k, indices, distances }: Neighbours,
  tokens: number,
  configuration: ClusteringConfiguration
): void => {
  if (k === configuration.neighbours && indices.length === tokens * k && distances.length === tokens * k) return
  throw new SpectroscopeError(
    'clustering',
    `The neighbours given are ${indices.length / k} × ${k}, not ${tokens} × ${configuration.neighbours}; ` +
      `search for them again.`
  )
}

const graphOf = async (
  points: Points,
  neighbours: Neighbours,
  configuration: ClusteringConfiguration,
  pool: ClusteringPool
): Promise<Graph> => {
  const [result] = await pool.runOn(1, {
    kind: 'graph',
    order: { points, neighbours, symmetrize: configuration.symmetrize }
  })
  if (result.kind !== 'graph') throw new Error(`A worker answered "${result.kind}" when asked for the graph.`)
  return result.graph
}

const findCommunities = async (
  graph: Graph,
  input: ClusterInput,
  configuration: Communities,
  pool: ClusteringPool
): Promise<readonly Layer[]> => {
  const { tokens, seed, variant = 0 } = input
  const { resolution, levels, seeds, minSize } = configuration
  const started = Date.now()
  const onProgress = (fraction: number): void => {
    const secondsLeft = fraction > 0.02 ? ((Date.now() - started) / 1000) * (1 / fraction - 1) : undefined
    input.onProgress?.({ stage: 'communities', fraction, secondsLeft })
  }
  return makeLayers({
    graph,
    ladder: ladderOf(resolution, levels, tokens, minSize),
    seeds,
    minSize,
    seed,
    variant,
    pool,
    onProgress
  })
}

const membershipOf = ({ clusters }: Discovery, tokens: number): Int32Array => {
  const membership = new Int32Array(tokens).fill(-1)
  for (const { order, members } of clusters) for (const token of members) membership[token] = order
  return membership
}

const partitionIn = async (input: ClusterInput, pool: ClusteringPool): Promise<PartitionedTokens> => {
  const { configuration, tokens } = input
  const points = preprocess(input.matrix, tokens, input.components, configuration.whiten)
  if (input.neighbours !== undefined) checkNeighbours(input.neighbours, tokens, configuration)
  const { neighbours, recall } =
    input.neighbours === undefined
      ? await findNeighbours(points, input, pool)
      : await withRecall(points, input.neighbours, input, pool)
  const graph = await graphOf(points, neighbours, configuration, pool)
  const about = { neighbours, neighbourRecall: recall, edges: graph.columns.length / 2, volume: volume(graph) }
  if (configuration.method === 'communities') {
    const layers = await findCommunities(graph, input, configuration, pool)
    return { ...about, layers, attempts: layers.length * configuration.seeds, discovery: null }
  }
  const { alpha, epsilon, rule, minSize, maxRejections, remaining } = configuration
  const discovery = await discover({
    graph,
    pool,
    alpha,
    epsilon,
    rule: { name: rule, minSize },
    maxRejections,
    remaining,
    seed: input.seed,
    checkpoint: input.checkpoint,
    onCheckpoint: input.onCheckpoint,
    onProgress: (progress) => input.onProgress?.({ stage: 'cluster', ...progress }),
    signal: input.signal
  })
  const layer = { resolution: Number.NaN, membership: membershipOf(discovery, tokens), modularity: Number.NaN }
  return { ...about, layers: [layer], attempts: discovery.attempts, discovery }
}

const interrupted = (): SpectroscopeError =>
  new SpectroscopeError(
    'interrupted',
    'The clustering was interrupted; resume the run to continue from its last checkpoint.'
  )

/**
 * Partitions the tokens of one matrix on worker threads: by the search of docs/method.md, section 5.2, for "acl", and
 * by Leiden at every resolution of the ladder for "communities". The result depends only on the matrix, the
 * configuration, `seed` and `variant`, bit for bit; threads and interruptions do not affect it.
 *
 * Throws `clustering` errors for an unusable matrix or settings, and `interrupted` after `signal`. By then,
 * `onCheckpoint` has received all progress of an "acl" search.
 */
export const partitionTokens = async (
  input: ClusterInput,
  open: (threads: number) => ClusteringPool = (threads) => openPool(entryPath('clustering-worker'), threads)
): Promise<PartitionedTokens> => {
  const { signal } = input
  if (signal?.aborted) throw interrupted()
  const pool = open(input.threads)
  const stop = (): void => void pool.close()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await partitionIn(input, pool)
  } catch (error) {
    if (signal?.aborted) throw interrupted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    await pool.close()
  }
}
