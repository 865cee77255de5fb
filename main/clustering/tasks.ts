import type { ClusteringDescription, LayoutRecord } from '../../preload/records'
import { type Team } from '../base/team'
import type { Descent, DescentPhase } from './descent'
import { type Judgement, type Rule } from './judgement'
import { type Graph, type GraphOrder } from './graph'
import { type Neighbours, type NeighbourSearch, type Rounds } from './neighbours'
import type { Solve } from './pagerank-system'
import type { ClusteringConfiguration } from '../../preload/clustering-configuration'
import type { LevelMembership } from './grouping'
import type { StudiedRows, Texts } from './patterns'

/** Tasks for the worker threads of this layer. `team` tasks go to all members of the team at once. */
export type ClusteringTask =
  | { readonly kind: 'neighbours'; readonly search: NeighbourSearch; readonly team: Team; readonly rounds?: Rounds }
  | { readonly kind: 'descent'; readonly search: Descent; readonly team: Team; readonly phase: DescentPhase }
  | { readonly kind: 'graph'; readonly order: GraphOrder }
  | { readonly kind: 'attempts'; readonly solve: Solve; readonly rule: Rule; readonly team: Team }
  | { readonly kind: 'partitions'; readonly task: PartitionsTask }
  | { readonly kind: 'describe'; readonly order: DescribeOrder; readonly meter: Meter }
  | { readonly kind: 'layout'; readonly order: LayoutOrder; readonly meter: Meter }

export type ClusteringResult =
  | { readonly kind: 'descent' }
  | { readonly kind: 'neighbours' }
  | { readonly kind: 'graph'; readonly graph: Graph }
  | { readonly kind: 'attempts'; readonly judgements: readonly (readonly [column: number, judgement: Judgement])[] }
  | { readonly kind: 'partitions'; readonly made: readonly PartitionMade[] }
  | { readonly kind: 'describe'; readonly description: ClusteringDescription }
  | { readonly kind: 'layout'; readonly layout: LayoutRecord }

/** One partition to make. */
export interface PartitionOrder {
  readonly resolution: number
  readonly run: number
  /** Communities of the coarser layer. Communities of this layer do not cross their borders. */
  readonly within: Int32Array | undefined
  /** Partitions to combine into a consensus; none for a partition that itself votes. */
  readonly votes: readonly Int32Array[]
}

/** Partitions of one graph, shared among the members of a team. */
export interface PartitionsTask {
  readonly graph: Graph
  /** Identifies the graph, so that a thread that has already loaded it need not copy it again. */
  readonly graphNumber: number
  readonly orders: readonly PartitionOrder[]
  readonly seed: number
  readonly team: Team
  /** Number of orders done. */
  readonly done: Int32Array
}

export interface PartitionMade {
  readonly order: number
  readonly communities: Int32Array
  /** Modularity in the original graph, at the order's resolution. */
  readonly modularity: number
}

/** Input for describing a clustering. */
export interface DescribeOrder {
  /**
   * Susceptibilities [tokens, components]. There are no components if the values are unknown, as for some imported
   * sets.
   */
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
  /** Columns used for clustering; all by default. */
  readonly columns?: readonly number[]
  readonly configuration: Pick<ClusteringConfiguration, 'whiten' | 'symmetrize'>
  /** Neighbours from which the clustering's graph was built; undefined if they were not kept. */
  readonly neighbours: Neighbours | undefined
  /** The level of clusters first, then the levels above it, whose groups consist of whole clusters. */
  readonly levels: readonly LevelMembership[]
  readonly rows: StudiedRows
  readonly texts: Texts
  /** Index of each token's subset in `subsets`. */
  readonly subsetOf: Int32Array
  readonly subsets: readonly string[]
  /** Seed of the run; it affects the positions of groups in the plane. */
  readonly seed: number
}

/** Input for the layout of tokens. */
export interface LayoutOrder {
  /** Susceptibilities [tokens, components]. */
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
  readonly whiten: boolean
  /** Stored neighbours for the same preprocessing. Without them, the positions are principal components. */
  readonly neighbours?: Neighbours | undefined
  readonly seed: number
}

/** One float64 in shared memory: the share of a task that its worker has done. */
export type Meter = Float64Array
