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
 * A component whose mean χ̂ in a cluster is far from its mean over all tokens, in the column's standard deviations.
 */
export interface StandingOut {
  readonly component: string
  readonly standardisedMean: number
}

/** What the list of clusters shows of one. */
export interface ClusterEntry {
  readonly cluster: ClusterNumber
  readonly kind: GroupKind | LeftoverKind
  /** The smallest group above it; null at the top. */
  readonly parent: ClusterNumber | null
  readonly size: number
  readonly conductance: number | null
  /** 0 to 1; below `stableFrom` the group may not be there. Null where the draws were not split. */
  readonly stability: number | null
  /**
   * F1 of the best rule that predicts the group; null where the clustering is not described, and for what is left
   * over.
   */
  readonly ruleF1: number | null
  /** A name drawn from that rule; null where it does not predict the group well enough to name it. */
  readonly ruleName: string | null
  readonly distinctTokens: number
  /** Share of the most frequent subset. */
  readonly purity: number
  readonly subset: string
  /** At most 8, most frequent first. */
  readonly topTokens: readonly TokenCount[]
  /** At most 3, furthest first. */
  readonly standsOut: readonly StandingOut[]
}

/** All that a clustering's list of clusters needs, with what people have said of them. */
export interface ClusteringOverview {
  readonly run: RunRecord
  readonly clustering: ClusteringRecord
  /** By number: clusters, then the groups above them; what is left over last. */
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
  /** Share in the cluster over share in the whole study. */
  readonly lift: number
}

/** Another cluster, and how much of this one's boundary leads to it. */
export interface NearCluster {
  readonly cluster: ClusterNumber
  /** Weight of the graph's edges between the two. */
  readonly weight: number
  /** That weight over the weight of all edges that leave this cluster. */
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
   * χ̂ per component: mean and population standard deviation, nats²; and (mean - column mean) / column standard
   * deviation.
   */
  readonly mean: Float32Array
  readonly standardDeviation: Float32Array
  readonly standardisedMean: Float32Array
  /** In the order of `patternNames`; only its first ones where the clustering was described before the rest came. */
  readonly patterns: readonly PatternCount[]
  /** Rules that predict the group, the best first; empty where the clustering is not described. */
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
  /** Tokens whose strength is 0.5 or more; null where the draws were not split. */
  readonly core: number | null
}

/**
 * Which tokens of a cluster a gallery shows: nearest to its mean first; in an order drawn by a seed; those with the
 * largest share of their edges' weight leading out; those that lead to one other cluster most; the strongest members
 * first; the weakest first; those that the best rule does not select, nearest to the mean first; as they come in the
 * corpus.
 */
export const strata = ['central', 'random', 'boundary', 'toward', 'core', 'edge', 'exceptions', 'order'] as const
export type Stratum = (typeof strata)[number]

export interface GalleryToken extends TokenInContext {
  /**
   * Share of the weight of its edges that leads out of its cluster, 0 to 1; null where the clustering is not
   * described.
   */
  readonly boundary: number | null
  /** Share of the halves of the draws in which it is with the group, 0 to 1; null where the draws were not split. */
  readonly strength: number | null
}

export interface GalleryPage {
  /** Tokens that fit the query, on all pages. */
  readonly total: number
  readonly tokens: readonly GalleryToken[]
}

export interface TokenDetails extends TokenInContext {
  readonly cluster: ClusterNumber
  /** χ̂ per component and its standard error, nats². */
  readonly susceptibilities: Float32Array
  readonly standardErrors: Float32Array
}

/** Places of tokens in the plane; `tokens` is null where all are placed, in order. */
export interface TokenLayout {
  readonly state: 'ready'
  /** In words: "neighbour graph, 200 epochs" or "principal components". */
  readonly method: string
  readonly tokens: Int32Array | null
  /** [x0, y0, x1, y1, …] */
  readonly positions: Float32Array
}

/**
 * Clusters as nodes: places in the order of `ClusteringOverview.clusters`, and the weight of the edges between them.
 */
export interface ClusterLayout {
  readonly clusters: Int32Array
  readonly positions: Float32Array
  readonly from: Int32Array
  readonly to: Int32Array
  readonly weights: Float64Array
}

/** Long work beside the runs: a download, a layout, the description of a clustering. */
export interface Job {
  readonly id: string
  readonly kind: 'download' | 'layout' | 'description' | 'engines' | 'preview' | 'shards' | 'names'
  readonly title: string
  readonly run: string | null
  readonly state: 'working' | 'done' | 'failed' | 'cancelled'
  /** Null where it can't be told. */
  readonly fraction: number | null
  readonly detail: string
  readonly secondsLeft: number | null
  readonly error: string | null
}

/** Two clusterings of the same tokens beside each other. */
export interface Comparison {
  /** Tokens that both studies have: the same rows and positions. */
  readonly tokens: number
  /** Adjusted Rand index over those, leftover as one group. */
  readonly adjustedRand: number
  /** Correlation of the columns that both runs have. */
  readonly columns: readonly { readonly component: string; readonly correlation: number }[]
  /** For every cluster of the left one, that of the right one that it overlaps most with. */
  readonly matches: readonly {
    readonly left: ClusterNumber
    readonly right: ClusterNumber
    readonly common: number
    readonly jaccard: number
    readonly leftSize: number
    readonly rightSize: number
  }[]
}
