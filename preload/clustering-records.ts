import type { ClusteringConfiguration } from './clustering-configuration'

/** Levels of a tree of clusters, coarse to fine. ACL finds clusters only. */
export const groupKinds = ['region', 'neighbourhood', 'cluster'] as const
export type GroupKind = (typeof groupKinds)[number]

/** A group whose stability is below this may not be there. */
export const stableFrom = 0.5

/** A cluster to store, or a region or neighbourhood of clusters. */
export interface NewGroup {
  /**
   * Number within the clustering. Clusters come first: in order of discovery (acl) or by size (communities); then
   * neighbourhoods, then regions.
   */
  readonly order: number
  readonly kind: GroupKind
  /** Number of the smallest group above it; null at the top. */
  readonly parent: number | null
  /** Token index of the seed; null for communities, which have none. */
  readonly seed: number | null
  /** Ascending token indices. */
  readonly members: Int32Array
  /** In the whole graph, and in the graph that it was cut from (null for communities). */
  readonly conductance: number
  readonly conductanceWhenCut: number | null
  /**
   * Best Jaccard index with a group of each half of the draws: the smaller of both, mean over splits. Null where the
   * draws were not split.
   */
  readonly stability: number | null
  /**
   * Of each member: the share of the halves in which it is in the group that answers to this one, 0 to 1. Null
   * likewise.
   */
  readonly strengths: Float32Array | null
}

/** What of one level recurs when the draws are split. */
export interface LevelStability {
  readonly kind: GroupKind
  readonly groups: number
  /** Groups of a stability of `stableFrom` and above, and the share of all tokens in them. */
  readonly stableGroups: number
  readonly stableShare: number
  /** Standard error over the splits; null where there is one split. */
  readonly error: number | null
  /** The stable share of a Gaussian matrix of the same tokens, covariance and reliabilities. */
  readonly nullShare: number | null
}

export interface StabilityRecord {
  /** Ways in which the draws were split in halves. */
  readonly splits: number
  readonly levels: readonly LevelStability[]
}

/** A resolution that was tried: what its finest level would be. */
export interface ResolutionPoint {
  readonly resolution: number
  readonly groups: number
  readonly stableGroups: number
  readonly stableShare: number
  readonly error: number | null
  readonly nullShare: number | null
  /**
   * What the stable clusters say of a token, in bits, beyond what those of a matrix without clusters do: Σ share ×
   * log₂(1 / share). Of the resolutions at which more than twice as much recurs as in such a matrix, the one with the
   * most is chosen.
   */
  readonly detail: number
  readonly modularity: number
}

/** A clustering to store, with its name and settings. */
export interface NewClustering {
  readonly name: string
  readonly configuration: ClusteringConfiguration
  readonly seed: number
  readonly ending: string
  /** Seeds tried (acl), or partitions made (communities). */
  readonly attempts: number
  readonly edges: number
  /** Sum of all weighted degrees of the graph. */
  readonly volume: number
  readonly clusters: readonly NewGroup[]
  readonly leftover: { readonly kind: LeftoverKind; readonly members: Int32Array }
  readonly stability: StabilityRecord | null
  /** Of the finest level at the resolution; null for acl. */
  readonly modularity: number | null
  /** Resolutions that were tried, ascending; empty where none was looked for. */
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
  /** Clusters, without what is left over and without the groups above them. */
  readonly clusters: number
  /** Groups above the clusters, numbered from `clusters` on. */
  readonly groupsAbove: number
  readonly leftoverKind: LeftoverKind
  readonly leftoverSize: number
  readonly stability: StabilityRecord | null
  readonly modularity: number | null
  readonly sweep: readonly ResolutionPoint[]
}

/** The number of a cluster or of a group above it, or -1 for what is left over. */
export type ClusterNumber = number
export const leftoverCluster: ClusterNumber = -1

export interface TokenCount {
  readonly id: number
  readonly text: string
  readonly count: number
  /** Share in the cluster over share in the whole study. */
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
  /** Null for what is left over, as are the next three; the two after for communities as well. */
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
  /**
   * The best rule that predicts the group, and how many of its tokens it does not select; null where none is known.
   */
  readonly rule: RuleRecord | null
  readonly uncaught: number | null
}

/**
 * A cluster's χ̂ per component: mean and population standard deviation, and both in units of the column's own
 * deviation over all tokens.
 */
export interface ClusterProfile {
  readonly components: readonly string[]
  readonly mean: Float64Array
  readonly standardDeviation: Float64Array
  /** (mean - column mean) / column standard deviation; negative is expression, positive suppression. */
  readonly standardisedMean: Float64Array
}

/** A token of the study with the token ids around it as texts. */
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
  /** The file and the 0-based record of the document; null where rows came from a file of ids. */
  readonly file: string | null
  readonly record: number | null
}

/** Clusters that no edge leads to. */
export const noCluster: ClusterNumber = -2

/**
 * What a rule asks of a token: its own id or that of a neighbour in the row, its subset, a pattern, or its position
 * in the row.
 */
export type RuleCondition =
  | { readonly on: 'token' | 'previous' | 'next'; readonly id: number; readonly text: string }
  | { readonly on: 'subset'; readonly subset: string }
  | { readonly on: 'pattern'; readonly pattern: string }
  | { readonly on: 'position'; readonly from: number; readonly to: number }

/** How well "all of the conditions hold" predicts that a token is in a group. */
export interface RuleRecord {
  readonly conditions: readonly RuleCondition[]
  /** Share of the group that the rule selects, and share of what it selects that is in the group. */
  readonly recall: number
  readonly precision: number
  /** Harmonic mean of both. */
  readonly f1: number
}

/**
 * One level of a clustering, described once and for all: per token in order, per group of that level (in order of
 * their numbers, what is left over last), and between those groups.
 */
export interface LevelDescription {
  readonly kind: GroupKind
  /** Group of each token at this level; -1 for those that no group of the level has. */
  readonly membership: Int32Array
  /**
   * Place of each token among its group's, by distance to the group's mean χ̂ in preprocessed coordinates (those of
   * the neighbours); ties by index.
   */
  readonly centralPlace: Int32Array
  /** Share of the weight of each token's edges that leads out of its group, 0 to 1. */
  readonly boundary: Float32Array
  /** The other group that most of that weight leads to; `noCluster` where none does. */
  readonly toward: Int32Array
  /** 1 where the best rule of the token's group selects it. */
  readonly caught: Uint8Array
  readonly groups: Int32Array
  /** χ̂ of each group, [groups, components]: mean and population standard deviation. */
  readonly means: Float32Array
  readonly standardDeviations: Float32Array
  /**
   * Of each group: the best rule of one condition of each kind, then the best of two, by F1; the best of all first.
   */
  readonly rules: readonly (readonly RuleRecord[])[]
  /**
   * Weight of the neighbour graph's edges between pairs of groups (as cluster numbers), each pair once, from < to.
   */
  readonly edges: { readonly from: Int32Array; readonly to: Int32Array; readonly weights: Float64Array }
  /**
   * Places of the groups in the plane, [x0, y0, …]: clusters by a layout of those edges, groups above at the mean of
   * their clusters.
   */
  readonly positions: Float32Array
}

export interface ClusteringDescription {
  /** Of each token: bit i where it shows pattern i of `patternNames`. */
  readonly patterns: Int32Array
  /** Clusters first, then the levels above that there are. */
  readonly levels: readonly LevelDescription[]
}

/** Places of all tokens in the plane. */
export interface LayoutRecord {
  readonly method: string
  /** [tokens, 2] */
  readonly positions: Float32Array
}
