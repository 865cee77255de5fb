import type { ClusteringConfiguration, RunConfiguration } from './configuration'
import type { CorpusContents } from './corpus-contents'

export type RunStatus = 'pending' | 'running' | 'interrupted' | 'failed' | 'finished'

/** Stages in their order. Each one's results are stored in one transaction, together with its `StageRecord`. */
export const stageNames = ['prepare', 'sample', 'neighbours', 'cluster'] as const
export type StageName = (typeof stageNames)[number]

/** A stage whose results are stored. */
export interface StageRecord {
  readonly stage: StageName
  readonly finishedAt: string
  /** Wall-clock seconds of work, over all interruptions. */
  readonly seconds: number
  /** The engine that did the stage's work, where one did. */
  readonly engine?: EngineProvenance
  readonly versions?: Readonly<Record<string, string>>
  readonly threads?: number
}

export interface EngineProvenance {
  readonly name: string
  readonly device: string
  readonly precision: string
  readonly version: string
}

/** Where a run's numbers come from; keys are added as stages learn them. */
export interface Provenance {
  readonly seed?: number
  readonly modelHash?: string
  readonly tokenizerHash?: string
  readonly studyHash?: string
  /** What the corpus was; of runs with rows from a file, and of those of versions before, there is nothing. */
  readonly corpus?: CorpusContents
  /** The one that computes; those before it, where a person had the run go on elsewhere. */
  readonly engine?: EngineProvenance
  readonly enginesBefore?: readonly (EngineProvenance & { readonly until: string })[]
  /** Why the engine failed, where that is what stopped the run; null once it goes on. */
  readonly engineLost?: { readonly at: string; readonly message: string } | null
  readonly versions?: Readonly<Record<string, string>>
  readonly platform?: string
  readonly threads?: number
  /** Of a run that came out of an annotated cluster set. */
  readonly imported?: ImportedProvenance
  /** Of a run that was sampled in pieces. */
  readonly gathered?: GatheredProvenance
  /** Of a run that began with another's sums. */
  readonly continued?: { readonly run: string; readonly name: string }
  /** Bytes of the sums that are kept of the run, so that it can be continued; null where they were given up. */
  readonly keptSums?: number | null
}

/** The pieces that a run was gathered from. */
export interface GatheredProvenance {
  readonly folder: string
  /** SHA-256 of all that decides the numbers, and of how they were divided. */
  readonly set: string
  /** Where and when each was sampled; empty before they are gathered. */
  readonly pieces: readonly {
    readonly host: string
    readonly processor: string
    readonly threads: number
    readonly seconds: number
    readonly finishedAt: string
  }[]
}

/** The run that an annotated cluster set was written from; the set's clustering is number 1 of the imported run. */
export interface ImportedProvenance {
  readonly at: string
  /** Name of the file, without its folder. */
  readonly file: string
  /** Name of the run in the file; absent in imports of earlier versions, which kept it. */
  readonly name?: string
  readonly run: {
    readonly id: string
    readonly createdAt: string
    readonly startedAt: string | null
    readonly finishedAt: string | null
  }
  readonly stages: readonly StageRecord[]
  readonly clustering: { readonly number: number; readonly createdAt: string; readonly clusters: number }
  /** Clusters of a selection; null where the whole clustering was exported. */
  readonly selection: readonly ClusterNumber[] | null
}

/** Times are ISO 8601 in UTC. */
export interface RunRecord {
  /** Sortable by time: "20261122-101530-k3f9". */
  readonly id: string
  readonly name: string
  readonly status: RunStatus
  /** What the run is at, or where it stopped; null before the first stage and after the last. */
  readonly stage: StageName | null
  readonly stages: readonly StageRecord[]
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly configuration: RunConfiguration
  /** The folder that the configuration's relative paths start from. */
  readonly baseFolder: string
  readonly provenance: Provenance
  /** The sentence of the error that the run failed with. */
  readonly error: string | null
  /** Tokens of the study; 0 before it is prepared. */
  readonly tokens: number
  readonly probeRows: number
  /** Components in the order of the susceptibility vector; empty before sampling is done. */
  readonly components: readonly string[]
  /** L(w*) on the observation rows, nats per token; null before sampling is done. */
  readonly initialLoss: number | null
  readonly clusterings: readonly ClusteringRecord[]
  /** Put aside by a person. */
  readonly archived: boolean
  /** Marked as deleted: out of sight, and gone for good once the workspace is closed. */
  readonly deleted: boolean
}

export interface NewRun {
  readonly name: string
  readonly configuration: RunConfiguration
  readonly baseFolder: string
  readonly provenance?: Provenance
}

export interface RunChanges {
  readonly status?: RunStatus
  readonly stage?: StageName | null
  readonly startedAt?: string | null
  readonly finishedAt?: string | null
  readonly error?: string | null
  /** Merged into what is known. */
  readonly provenance?: Provenance
}

/** A document that occurs in probe rows. */
export interface DocumentRecord {
  /** Number of the document in reading order, among those of the whole corpus that are not empty. */
  readonly id: number
  /** Path from the base folder, with slashes. */
  readonly file: string
  /** Number of the record in the file, from 0. */
  readonly record: number
  readonly subset: string
}

/** Part of a row that comes from one document. */
export interface Segment {
  /** Column of the row where it starts. */
  readonly start: number
  /** `DocumentRecord.id` */
  readonly document: number
  /** Index, within the document, of the token at that column. */
  readonly offset: number
}

/** Where a probe row comes from; subset "" and no segments for rows from a file. */
export interface RowProvenance {
  readonly subset: string
  readonly segments: readonly Segment[]
}

/** What a run measures, as token ids: three sets of rows, the studied targets of the probe rows, and where those come from. */
export interface StudyRecord {
  readonly sampling: readonly Int32Array[]
  readonly observation: readonly Int32Array[]
  readonly probe: readonly Int32Array[]
  /** Studied target positions (1 … T-1, ascending) of each probe row. Tokens are numbered probe row by probe row, then by position. */
  readonly targets: readonly Int32Array[]
  readonly provenance: readonly RowProvenance[]
  /** Those that occur in probe rows, by id. */
  readonly documents: readonly DocumentRecord[]
  /** SHA-256 over all ids and targets, hexadecimal. */
  readonly hash: string
  /** Of a study that was just made from a corpus; the run's provenance keeps it. */
  readonly contents?: CorpusContents
}

/** Susceptibilities χ̂ and their standard errors, both [tokens, components] row-major, nats². */
export interface SusceptibilityRecord {
  readonly tokens: number
  readonly components: readonly string[]
  readonly susceptibilities: Float32Array
  readonly standardErrors: Float32Array
}

/** Of one component's column of χ̂, over all tokens: its standard deviation, and the root of the mean square of its standard errors; nats². */
export interface ColumnSpread {
  readonly component: string
  readonly deviation: number
  readonly standardError: number
}

/** Bounds of a reliability: with 90 % confidence it is above the first, and with 90 % below the second. */
export type ReliabilityBounds = readonly [low: number, high: number]

/** What the methods that go in rounds say of one component (docs/method.md, sections 3b and 3c). */
export interface BlockDiagnostics {
  readonly rounds: number
  readonly reliabilityBounds: ReliabilityBounds
  readonly centredReliabilityBounds: ReliabilityBounds
  /** Cosine of the mean gradients of both halves of the blocks; null where slopes are taken along single gradients. */
  readonly gradientCosine: number | null
  /** ‖E∇φ‖ by the mean of all gradients; with single gradients, the mean of their norms. */
  readonly gradientNorm: number
  /** (Σw)²/(n Σw²) of the draws' weights w = exp(-nβ φ), 0 to 1: how far the posterior is from the prior. */
  readonly effectiveShare: number
  /** Of φ over draws, nats: mean under the posterior, and standard deviation under the prior. */
  readonly meanPhi: number
  readonly phiDeviation: number
  /** What first order leaves out, where it was looked at. */
  readonly remainder: RemainderRecord | null
}

/** How much of a column's variance orders above the first are, by draws of the gradient method. */
export interface RemainderRecord {
  readonly draws: number
  /** Variance over tokens of what is left out, as a share of the column's; and its standard error. */
  readonly share: number
  readonly error: number
}

/** What sampling says of one component's chains (docs/method.md, sections 2 and 3). */
export interface DiagnosticsRecord {
  readonly component: string
  readonly splitRHat: number | null
  /** Local learning coefficient estimate nβ (E[L] - L(w*)). */
  readonly learningCoefficient: number
  /** Of each chain: mean over draws, and at the last draw, of ‖u - u*‖. */
  readonly meanDistance: readonly number[]
  readonly finalDistance: readonly number[]
  /** Of each chain: mean observation loss over draws. */
  readonly meanLoss: readonly number[]
  /** Reliability of the component's column of χ̂, and of it after the matrix's rows are centred. */
  readonly reliability: number
  readonly centredReliability: number
  readonly lossTrace: { readonly first: number; readonly last: number; readonly min: number; readonly max: number }
  readonly failedChains: readonly {
    readonly chain: number
    readonly draw: number
    readonly step: number
    readonly message: string
  }[]
  /** Of methods that go in rounds; null for chains. */
  readonly blocks: BlockDiagnostics | null
}

/** One chain at each of its draws; NaN after it failed. */
export interface TraceRecord {
  readonly component: string
  readonly chain: number
  /** L(w) on the observation rows, nats per token. */
  readonly losses: Float64Array
  /** ‖u - u*‖ */
  readonly distances: Float64Array
}

export interface TracePointRecord {
  readonly component: string
  readonly chain: number
  readonly draw: number
  readonly loss: number
  readonly distance: number
}

/** k nearest neighbours of every token, nearest first: both [tokens, k]. */
export interface NeighboursRecord {
  readonly k: number
  readonly indices: Int32Array
  readonly distances: Float32Array
}

/** Levels of a tree of clusters, coarse to fine. ACL finds clusters only. */
export const groupKinds = ['region', 'neighbourhood', 'cluster'] as const
export type GroupKind = (typeof groupKinds)[number]

/** A group whose stability is below this may not be there. */
export const stableFrom = 0.5

/** A cluster to store, or a region or neighbourhood of clusters. */
export interface NewGroup {
  /** Number within the clustering. Clusters come first: in order of discovery (acl) or by size (communities); then neighbourhoods, then regions. */
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
  /** Best Jaccard index with a group of each half of the draws: the smaller of both, mean over splits. Null where the draws were not split. */
  readonly stability: number | null
  /** Of each member: the share of the halves in which it is in the group that answers to this one, 0 to 1. Null likewise. */
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
   * What the stable clusters say of a token, in bits, beyond what those of a matrix without clusters do: Σ share × log₂(1 / share). Of the
   * resolutions at which more than twice as much recurs as in such a matrix, the one with the most is chosen.
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
  /** The best rule that predicts the group, and how many of its tokens it does not select; null where none is known. */
  readonly rule: RuleRecord | null
  readonly uncaught: number | null
}

/** A cluster's χ̂ per component: mean and population standard deviation, and both in units of the column's own deviation over all tokens. */
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

/** What a rule asks of a token: its own id or that of a neighbour in the row, its subset, a pattern, or its position in the row. */
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
 * One level of a clustering, described once and for all: per token in order, per group of that level (in order of their numbers, what is
 * left over last), and between those groups.
 */
export interface LevelDescription {
  readonly kind: GroupKind
  /** Group of each token at this level; -1 for those that no group of the level has. */
  readonly membership: Int32Array
  /** Place of each token among its group's, by distance to the group's mean χ̂ in preprocessed coordinates (those of the neighbours); ties by index. */
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
  /** Of each group: the best rule of one condition of each kind, then the best of two, by F1; the best of all first. */
  readonly rules: readonly (readonly RuleRecord[])[]
  /** Weight of the neighbour graph's edges between pairs of groups (as cluster numbers), each pair once, from < to. */
  readonly edges: { readonly from: Int32Array; readonly to: Int32Array; readonly weights: Float64Array }
  /** Places of the groups in the plane, [x0, y0, …]: clusters by a layout of those edges, groups above at the mean of their clusters. */
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
