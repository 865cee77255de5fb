import type { ClusteringRecord, ClusterNumber } from './clustering-records'
import type { RunConfiguration } from './configuration'
import type { CorpusContents } from './corpus-contents'

export * from './clustering-records'

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
  /** Of a run that was sampled in shards. */
  readonly gathered?: GatheredProvenance
  /** Of a run that began with another's sums. */
  readonly continued?: { readonly run: string; readonly name: string }
  /** Bytes of the sums that are kept of the run, so that it can be continued; null where they were given up. */
  readonly keptSums?: number | null
}

/** The shards that a run was gathered from. */
export interface GatheredProvenance {
  readonly folder: string
  /** SHA-256 of all that decides the numbers, and of how they were divided. */
  readonly set: string
  /** Where and when each was sampled; empty before they are gathered. */
  readonly shards: readonly {
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

/**
 * What a run measures, as token ids: three sets of rows, the studied targets of the probe rows, and where those come
 * from.
 */
export interface StudyRecord {
  readonly sampling: readonly Int32Array[]
  readonly observation: readonly Int32Array[]
  readonly probe: readonly Int32Array[]
  /**
   * Studied target positions (1 … T-1, ascending) of each probe row. Tokens are numbered probe row by probe row, then
   * by position.
   */
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

/**
 * Of one component's column of χ̂, over all tokens: its standard deviation, and the root of the mean square of its
 * standard errors; nats².
 */
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
  /**
   * Cosine of the mean gradients of both halves of the blocks; null where slopes are taken along single gradients.
   */
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
