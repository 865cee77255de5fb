import type { ClusteringConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { entryPath } from '../base/entries'
import { openPool, type Pool } from '../base/pool'
import { openTeam } from '../base/team'
import { discover, type Discovery, type DiscoveryProgress, type DiscoveryState } from './discover'
import { volume, type Graph } from './graph'
import { prepareSearch, searched, type Neighbours } from './neighbours'
import { preprocess, type Points } from './preprocess'
import type { ClusteringResult, ClusteringTask } from './tasks'

export type { Cluster, DiscoveryState } from './discover'
export type { Neighbours } from './neighbours'

export type ClusteringProgress =
  | { readonly stage: 'neighbours'; readonly fraction: number; readonly secondsLeft: number | undefined }
  | ({ readonly stage: 'cluster' } & DiscoveryProgress)

export interface ClusterInput {
  /** Susceptibilities [tokens, components]. */
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
  readonly configuration: ClusteringConfiguration
  readonly seed: number
  /** Worker threads; the result does not depend on them. */
  readonly threads: number
  /** Those of an earlier clustering of the same matrix with the same `neighbours` and `whiten`: used instead of a new search. */
  readonly neighbours?: Neighbours | undefined
  /** Where an interrupted search with the same configuration and seed stood. */
  readonly checkpoint?: DiscoveryState | undefined
  /** After every accepted cluster, now and then between them, and before an interruption is reported. */
  readonly onCheckpoint?: ((state: DiscoveryState) => void | Promise<void>) | undefined
  readonly onNeighbours?: ((neighbours: Neighbours) => void | Promise<void>) | undefined
  readonly onProgress?: ((progress: ClusteringProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Clustering extends Discovery {
  readonly neighbours: Neighbours
  readonly edges: number
  /** Twice the sum of the edges' weights. */
  readonly volume: number
}

type ClusteringPool = Pool<ClusteringTask, ClusteringResult>

const progressMilliseconds = 250

const findNeighbours = async (points: Points, input: ClusterInput, pool: ClusteringPool): Promise<Neighbours> => {
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
  input.onProgress?.({ stage: 'neighbours', fraction: 1, secondsLeft: 0 })
  await input.onNeighbours?.(search.neighbours)
  return search.neighbours
}

const checkNeighbours = ({ k, indices, distances }: Neighbours, tokens: number, configuration: ClusteringConfiguration): void => {
  if (k === configuration.neighbours && indices.length === tokens * k && distances.length === tokens * k) return
  throw new SpectroscopeError('clustering', `The neighbours given are ${indices.length / k} × ${k}, not ${tokens} × ${configuration.neighbours}; search for them anew.`)
}

const graphOf = async (points: Points, neighbours: Neighbours, configuration: ClusteringConfiguration, pool: ClusteringPool): Promise<Graph> => {
  const [result] = await pool.runOn(1, { kind: 'graph', order: { points, neighbours, symmetrize: configuration.symmetrize } })
  if (result.kind !== 'graph') throw new Error(`A worker answered "${result.kind}" when asked for the graph.`)
  return result.graph
}

const clusterIn = async (input: ClusterInput, pool: ClusteringPool): Promise<Clustering> => {
  const { configuration, tokens } = input
  const { alpha, epsilon, rule, minSize, maxRejections, remaining, whiten } = configuration
  const points = preprocess(input.matrix, tokens, input.components, whiten)
  if (input.neighbours !== undefined) checkNeighbours(input.neighbours, tokens, configuration)
  const neighbours = input.neighbours ?? (await findNeighbours(points, input, pool))
  const graph = await graphOf(points, neighbours, configuration, pool)
  const discovery = await discover({
    graph, pool, alpha, epsilon, rule: { name: rule, minSize }, maxRejections, remaining,
    seed: input.seed,
    checkpoint: input.checkpoint,
    onCheckpoint: input.onCheckpoint,
    onProgress: (progress) => input.onProgress?.({ stage: 'cluster', ...progress }),
    signal: input.signal
  })
  return { ...discovery, neighbours, edges: graph.columns.length / 2, volume: volume(graph) }
}

const interrupted = (): SpectroscopeError => new SpectroscopeError('interrupted', 'The clustering was interrupted; resume the run to go on from its last checkpoint.')

/**
 * Susceptibilities to clusters (METHOD section 5), on worker threads. `seed` and the configuration determine the result to the last bit,
 * whatever the threads and the interruptions. Throws `clustering` errors for a matrix or settings that cannot be used, and `interrupted`
 * after `signal`; everything that counted by then has been given to `onCheckpoint`.
 */
export const clusterTokens = async (input: ClusterInput, open: (threads: number) => ClusteringPool = (threads) => openPool(entryPath('clustering-worker'), threads)): Promise<Clustering> => {
  const { signal } = input
  if (signal?.aborted) throw interrupted()
  const pool = open(input.threads)
  const stop = (): void => void pool.close()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await clusterIn(input, pool)
  } catch (error) {
    if (signal?.aborted) throw interrupted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    await pool.close()
  }
}
