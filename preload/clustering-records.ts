import type { ClusteringConfiguration } from './clustering-configuration'

/** Levels of a cluster tree, coarse to fine. `acl` finds only clusters. */
export const groupKinds = ['region', 'neighbourhood', 'cluster'] as const
export type GroupKind = (typeof groupKinds)[number]

/** Groups with a lower stability may be noise (docs/method.md, section 5.4). */
export const stableFrom = 0.5

/** A cluster, or a region or neighbourhood of clusters, to be stored. */
export interface NewGroup {
  /**
   * Number within the clustering. Clusters come first, in order of discovery (`acl`) or by size (`communities`); then
   * neighbourhoods, then regions.
   */
  readonly order: number
  readonly kind: GroupKind
  /** Number of the smallest group above it; null at the top. */
  readonly parent: number | null
  /** Token index of the seed; null for communities, which have none. */
  readonly seed: number | null
  /** Token indices in ascending order. */
  readonly members: Int32Array
  /** Conductance in the whole graph, and in the graph that it was cut from (null for communities). */
  readonly conductance: number
  readonly conductanceWhenCut: number | null
  /**
   * Best Jaccard index with a group of each half of the draws: the smaller of the two, averaged over splits. Null if
   * the draws were not split.
   */
  readonly stability: number | null
  /**
   * For each member, the share of halves in which it is in the group matching this one, 0 to 1. Null if the draws
   * were not split.
   */
  readonly strengths: Float32Array | null
}

/** How much of one level is stable when the draws are split. */
export interface LevelStability {
  readonly kind: GroupKind
  readonly groups: number
  /** Groups with a stability of at least `stableFrom`, and the share of all tokens in them. */
  readonly stableGroups: number
  readonly stableShare: number
  /** Standard error of the stable share over splits; null for a single split. */
  readonly error: number | null
  /** Stable share of the comparison: a Gaussian matrix with the same tokens, covariance and reliabilities. */
  readonly nullShare: number | null
}

export interface StabilityRecord {
  /** Number of ways in which the draws were halved. */
  readonly splits: number
  readonly levels: readonly LevelStability[]
}

/** A resolution that was tried, and what its finest level would be. */
export interface ResolutionPoint {
  readonly resolution: number
  readonly groups: number
  readonly stableGroups: number
  readonly stableShare: number
  readonly error: number | null
  readonly nullShare: number | null
  /**
   * Information of the stable clusters about a token in bits, Σ share × log₂(1 / share), beyond that of a matrix
   * without clusters. Chosen is the resolution with the most, among those where more than twice as much is stable as
   * in such a matrix.
   */
  readonly detail: number
  readonly modularity: number
}

/** A clustering to be stored. */
export interface NewClustering {
  readonly name: string
  readonly configuration: ClusteringConfiguration
  readonly seed: number
  readonly ending: string
  /** Seeds tried (`acl`), or partitions made (`communities`). */
  readonly attempts: number
  readonly edges: number
  /** Sum of all weighted degrees of the graph. */
  readonly volume: number
  readonly clusters: readonly NewGroup[]
  readonly leftover: { readonly kind: LeftoverKind; readonly members: Int32Array }
  readonly stability: StabilityRecord | null
  /** Share of the nearest neighbours that an approximate search found, on a sample; null for an exact one. */
  readonly neighbourRecall: number | null
  /** Modularity of the finest level at its resolution; null for `acl`. */
  readonly modularity: number | null
  /** Resolutions that were tried, ascending; empty if the resolution was given. */
  readonly sweep: readonly ResolutionPoint[]
}

export type LeftoverKind = 'main body' | 'unclustered'

export interface ClusteringRecord {
  /** Number within its run: 1, 2, … */
  readonly number: number
  readonly name: string
  readonly configuration: ClusteringConfiguration
  readonly seed: number
  readonly createdAt: string
  readonly ending: string
  readonly attempts: number
  readonly edges: number
  readonly volume: number
  /** Number of clusters, without unclustered tokens and groups above. */
  readonly clusters: number
  /** Number of groups above the clusters. Their numbers begin at `clusters`. */
  readonly groupsAbove: number
  readonly leftoverKind: LeftoverKind
  readonly leftoverSize: number
  readonly stability: StabilityRecord | null
  readonly neighbourRecall: number | null
  readonly modularity: number | null
  readonly sweep: readonly ResolutionPoint[]
}

/** Number of a cluster or of a group above; -1 for the unclustered tokens. */
export type ClusterNumber = number
export const leftoverCluster: ClusterNumber = -1

export interface TokenCount {
  readonly id: number
  readonly text: string
  readonly count: number
  /** Share in the cluster over share in the study. */
  readonly lift: number
}

export interface SubsetCount {
  readonly subset: string
  readonly count: number
  readonly lift: number
}

export interface ClusterSummary {
  readonly cluster: ClusterNumber
  readonly kind: GroupKind | LeftoverKind
  readonly parent: ClusterNumber | null
  readonly size: number
  /** These are null for the unclustered tokens; `conductanceWhenCut` and `seed` also for communities. */
  readonly conductance: number | null
  readonly stability: number | null
  readonly conductanceWhenCut: number | null
  /** Token index of the seed. */
  readonly seed: number | null
  readonly distinctTokens: number
  /** Most frequent first, then by id. */
  readonly topTokens: readonly TokenCount[]
  /** Most frequent first, then by name. */
  readonly subsets: readonly SubsetCount[]
  /** The best rule for the group, and the number of its tokens that the rule does not select; null if unknown. */
  readonly rule: RuleRecord | null
  readonly uncaught: number | null
}

/**
 * A cluster's χ̂ by component: mean and population standard deviation, in nats² and in units of the column's standard
 * deviation over all tokens.
 */
export interface ClusterProfile {
  readonly components: readonly string[]
  readonly mean: Float64Array
  readonly standardDeviation: Float64Array
  /** (mean - column mean) / column standard deviation. Negative is expression, positive suppression. */
  readonly standardisedMean: Float64Array
}

/** A token of the study, with the texts of the tokens around it. */
export interface TokenInContext {
  readonly token: number
  readonly row: number
  /** Target position in the row. */
  readonly position: number
  readonly id: number
  readonly text: string
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly subset: string
  /** File and 0-based record of the document; null if rows came from a file of ids. */
  readonly file: string | null
  readonly record: number | null
}

/** Marks that a token has no edges to another cluster. */
export const noCluster: ClusterNumber = -2

/**
 * Condition of a rule on a token: its id or that of a neighbour in the row, its subset, a pattern, or its position in
 * the row.
 */
export type RuleCondition =
  | { readonly on: 'token' | 'previous' | 'next'; readonly id: number; readonly text: string }
  | { readonly on: 'subset'; readonly subset: string }
  | { readonly on: 'pattern'; readonly pattern: string }
  | { readonly on: 'position'; readonly from: number; readonly to: number }

/** How well a conjunction of conditions predicts membership in a group. */
export interface RuleRecord {
  readonly conditions: readonly RuleCondition[]
  /** Share of the group that the rule selects, and share of the selected tokens that are in the group. */
  readonly recall: number
  readonly precision: number
  /** Harmonic mean of recall and precision. */
  readonly f1: number
}

/**
 * Description of one level: by token in order, by group in order of number (unclustered tokens last), and between
 * groups.
 */
export interface LevelDescription {
  readonly kind: GroupKind
  /** Group of each token at this level; -1 for tokens in none. */
  readonly membership: Int32Array
  /**
   * Rank of each token in its group by distance to the group's mean χ̂, in the preprocessed coordinates used for
   * neighbours. Ties by index.
   */
  readonly centralPlace: Int32Array
  /** Share of the weight of each token's edges that leads out of its group, 0 to 1. */
  readonly boundary: Float32Array
  /** The group that most of the outgoing weight leads to; `noCluster` if there is none. */
  readonly toward: Int32Array
  /** 1 if the best rule of the token's group selects it. */
  readonly caught: Uint8Array
  readonly groups: Int32Array
  /** Mean and population standard deviation of χ̂ in each group, in nats², [groups, components]. */
  readonly means: Float32Array
  readonly standardDeviations: Float32Array
  /**
   * For each group, the best rule with one condition of each kind, then the best with two, by F1; the best of all
   * first.
   */
  readonly rules: readonly (readonly RuleRecord[])[]
  /** Total edge weight between pairs of groups (given as cluster numbers), each pair once, from < to. */
  readonly edges: { readonly from: Int32Array; readonly to: Int32Array; readonly weights: Float64Array }
  /**
   * Positions of the groups in the plane, [x0, y0, …]: clusters from a layout of the edges, groups above at the mean
   * of their clusters.
   */
  readonly positions: Float32Array
}

export interface ClusteringDescription {
  /** For each token, bit i is set if it shows pattern i of `patternNames`. */
  readonly patterns: Int32Array
  /** Clusters first, then the existing levels above. */
  readonly levels: readonly LevelDescription[]
}

/** Positions of all tokens in the plane. */
export interface LayoutRecord {
  readonly method: string
  /** [tokens, 2] */
  readonly positions: Float32Array
}
