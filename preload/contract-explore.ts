import type { Annotation, UndoState } from './contract-annotations'
import type {
  ClusteringRecord,
  ClusterNumber,
  GroupKind,
  LeftoverKind,
  RuleRecord,
  RunRecord,
  SubsetCount,
  TokenCount,
  TokenInContext
} from './records'

/**
 * A component whose mean χ̂ in a cluster is far from its mean over all tokens, in standard deviations of the column.
 */
export interface StandingOut {
  readonly component: string
  readonly standardisedMean: number
}

/** A row of the cluster list. */
export interface ClusterEntry {
  readonly cluster: ClusterNumber
  readonly kind: GroupKind | LeftoverKind
  /** The smallest group above it; null at the top. */
  readonly parent: ClusterNumber | null
  readonly size: number
  readonly conductance: number | null
  /** 0 to 1. Below `stableFrom`, the group may be noise. Null if the draws were not split. */
  readonly stability: number | null
  /** F1 of the best rule for the group; null for unclustered tokens, and if the clustering is not described. */
  readonly ruleF1: number | null
  /** Name derived from the best rule; null if the rule is too weak. */
  readonly ruleName: string | null
  readonly distinctTokens: number
  /** Share of the most frequent subset. */
  readonly purity: number
  readonly subset: string
  /** At most 8, most frequent first. */
  readonly topTokens: readonly TokenCount[]
  /** At most 3, farthest first. */
  readonly standsOut: readonly StandingOut[]
}

/** Data of the cluster list, with labels. */
export interface ClusteringOverview {
  readonly run: RunRecord
  readonly clustering: ClusteringRecord
  /** Clusters by number, then the groups above them, then the unclustered tokens. */
  readonly clusters: readonly ClusterEntry[]
  readonly subsets: readonly string[]
  readonly annotations: readonly Annotation[]
  readonly undo: UndoState
}

/**
 * Patterns that are counted in every cluster; `patternWords` says what each one means. Only ever append: a stored
 * list of counts has one for each pattern that there was when the clustering was described, in this order.
 */
export const patternNames = [
  'repeated-bigram',
  'bracket-match',
  'word-start',
  'word-part',
  'line-start',
  'line-end',
  'digit',
  'punctuation',
  'uppercase',
  'whitespace',
  'same-as-previous',
  'row-start',
  'common-bigram',
  'induction',
  'left-delimiter',
  'right-delimiter',
  'word-end'
] as const
export type PatternName = (typeof patternNames)[number]

export const patternWords: Readonly<Record<PatternName, string>> = {
  'repeated-bigram': 'completes a repeated bigram',
  'bracket-match': 'closes an open bracket or quote',
  'word-start': 'begins a word',
  'word-part': 'continues a word',
  'line-start': 'is first on its line',
  'line-end': 'is last on its line, or a line break',
  digit: 'is made of digits',
  punctuation: 'is made of punctuation',
  uppercase: 'contains an uppercase letter',
  whitespace: 'is whitespace',
  'same-as-previous': 'repeats the previous token',
  'row-start': 'is in the first eight of its row',
  'common-bigram': 'completes a common bigram',
  induction: 'completes an earlier bigram that is not common',
  'left-delimiter': 'is an opening bracket or quote',
  'right-delimiter': 'is a closing bracket or quote',
  'word-end': 'ends a word'
}

export interface PatternCount {
  readonly pattern: PatternName
  readonly count: number
  /** Share in the cluster over share in the study. */
  readonly lift: number
}

/** Another cluster, and how much of this one's boundary leads to it. */
export interface NearCluster {
  readonly cluster: ClusterNumber
  /** Edge weight between the two. */
  readonly weight: number
  /** Share of `weight` in the weight of all edges leaving this cluster. */
  readonly share: number
}

/** What the tokens of a cluster, or any others, have in common. */
export interface GroupSummary {
  readonly entry: Pick<ClusterEntry, 'size' | 'distinctTokens'>
  /** At most 60, most frequent first. */
  readonly topTokens: readonly TokenCount[]
  readonly subsets: readonly SubsetCount[]
  readonly components: readonly string[]
  /**
   * χ̂ by component: mean and population standard deviation in nats², and (mean - column mean) / column standard
   * deviation.
   */
  readonly mean: Float32Array
  readonly standardDeviation: Float32Array
  readonly standardisedMean: Float32Array
  /** In the order of `patternNames`; only its first ones where the clustering was described before the rest came. */
  readonly patterns: readonly PatternCount[]
  /** Rules for the group, best first; empty if the clustering is not described. */
  readonly rules: readonly RuleRecord[]
}

/** A cluster that selected tokens are in. */
export interface SelectionPart {
  readonly cluster: ClusterNumber
  /** Selected tokens in it; as a share of all selected, and of the cluster. */
  readonly count: number
  readonly share: number
  readonly ofCluster: number
}

/** Everything above the gallery of selected tokens. */
export interface SelectionDetails extends GroupSummary {
  /** Largest count first. */
  readonly parts: readonly SelectionPart[]
}

/** Everything above the gallery of a cluster. */
export interface ClusterDetails extends GroupSummary {
  readonly entry: ClusterEntry
  readonly conductanceWhenCut: number | null
  /** Token index of the seed; null for what is left over. */
  readonly seed: number | null
  /** At most 12, largest share first. */
  readonly nearest: readonly NearCluster[]
  /** Tokens that the best rule does not select. */
  readonly uncaught: number
  /** Number of tokens with a strength of at least 0.5; null if the draws were not split. */
  readonly core: number | null
}

/**
 * Selection and order of a gallery's tokens: by distance to the mean; random by seed; by outgoing edge weight; by
 * edge weight to one other cluster; strongest first; weakest first; those not selected by the best rule, by distance
 * to the mean; in corpus order.
 */
export const strata = ['central', 'random', 'boundary', 'toward', 'core', 'edge', 'exceptions', 'order'] as const
export type Stratum = (typeof strata)[number]

export interface GalleryToken extends TokenInContext {
  /** Share of its edge weight that leads out of its cluster, 0 to 1; null if the clustering is not described. */
  readonly boundary: number | null
  /** Share of halves of the draws in which it is in the group, 0 to 1; null if the draws were not split. */
  readonly strength: number | null
}

export interface GalleryPage {
  /** Number of matching tokens, on all pages. */
  readonly total: number
  readonly tokens: readonly GalleryToken[]
}

export interface TokenDetails extends TokenInContext {
  readonly cluster: ClusterNumber
  /** χ̂ and its standard error by component, in nats². */
  readonly susceptibilities: Float32Array
  readonly standardErrors: Float32Array
}

/** Positions of tokens in the plane. `tokens` is null if all tokens are included, in order. */
export interface TokenLayout {
  readonly state: 'ready'
  /** Method as text: "neighbour graph, 200 epochs" or "principal components". */
  readonly method: string
  readonly tokens: Int32Array | null
  /** [x0, y0, x1, y1, …] */
  readonly positions: Float32Array
}

/** Clusters as nodes: positions in the order of `ClusteringOverview.clusters`, and edge weights between them. */
export interface ClusterLayout {
  readonly clusters: Int32Array
  readonly positions: Float32Array
  readonly from: Int32Array
  readonly to: Int32Array
  readonly weights: Float64Array
}

/** Long work besides runs: a download, a layout, a description. */
export interface Job {
  readonly id: string
  readonly kind: 'download' | 'layout' | 'description' | 'engines' | 'preview' | 'shards' | 'names'
  readonly title: string
  readonly run: string | null
  readonly state: 'working' | 'done' | 'failed' | 'cancelled'
  /** Null if unknown. */
  readonly fraction: number | null
  readonly detail: string
  readonly secondsLeft: number | null
  readonly error: string | null
}

/** Comparison of two clusterings of the same tokens. */
interface SomeTokens {
  readonly count: number
  /** Some of them, evenly taken, as tokens of the run of their side. */
  readonly tokens: Int32Array
}

/** Tokens of two matched clusters. */
export interface MatchedTokens {
  /** In both; tokens of the right run. */
  readonly both: SomeTokens
  /** Only in the left cluster. */
  readonly gone: SomeTokens
  /** Only in the right cluster. */
  readonly came: SomeTokens
}

export interface Comparison {
  /** Number of tokens that both studies share. */
  readonly tokens: number
  /** How they were matched: by equal rows, or by their place in the text of the same documents. */
  readonly by: 'rows' | 'text'
  /** Adjusted Rand index over the shared tokens, with unclustered tokens as one group. */
  readonly adjustedRand: number
  /** Correlation of the columns that both runs have. */
  readonly columns: readonly { readonly component: string; readonly correlation: number }[]
  /** For every cluster on the left, the one on the right with the largest overlap. */
  readonly matches: readonly {
    readonly left: ClusterNumber
    readonly right: ClusterNumber
    readonly common: number
    readonly jaccard: number
    readonly leftSize: number
    readonly rightSize: number
  }[]
}
