import type { ClusteringRecord, ClusterNumber } from './clustering-records'
import type { RunConfiguration } from './configuration'
import type { CorpusContents } from './corpus-contents'

export * from './clustering-records'

export type RunStatus = 'pending' | 'running' | 'interrupted' | 'failed' | 'finished'

/** Stages in order. Each one's results are stored in one transaction with its `StageRecord`. */
export const stageNames = ['prepare', 'sample', 'neighbours', 'cluster'] as const
export type StageName = (typeof stageNames)[number]

/** A finished stage. */
export interface StageRecord {
  readonly stage: StageName
  readonly finishedAt: string
  /** Wall-clock seconds of work, over all interruptions. */
  readonly seconds: number
  /** The engine used, if any. */
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

/** Origin of a run's numbers. Stages add keys as they learn them. */
export interface Provenance {
  readonly seed?: number
  readonly modelHash?: string
  readonly tokenizerHash?: string
  /** What the tokenizer puts before every document, such as Llama's space; absent if nothing. */
  readonly tokenizerPrefix?: string
  readonly studyHash?: string
  /** Contents of the corpus. Absent for rows from a file and for runs of older versions. */
  readonly corpus?: CorpusContents
  /** The current engine, and earlier ones if the run was resumed on another. */
  readonly engine?: EngineProvenance
  readonly enginesBefore?: readonly (EngineProvenance & { readonly until: string })[]
  /** Error of the engine if that stopped the run; null after it resumes. */
  readonly engineLost?: { readonly at: string; readonly message: string } | null
  readonly versions?: Readonly<Record<string, string>>
  readonly platform?: string
  readonly threads?: number
  /** For runs imported from an annotated set. */
  readonly imported?: ImportedProvenance
  /** For runs made of another program's results. */
  readonly foreign?: ForeignProvenance
  /** For runs gathered from shards. */
  readonly gathered?: GatheredProvenance
  /** For runs that continue another from its sums. */
  readonly continued?: { readonly run: string; readonly name: string }
  /** For runs made for a sweep: its id, and the place of the run in it. */
  readonly sweep?: { readonly sweep: string; readonly run: number }
  /** Size of the saved sums in bytes, with which the run can be continued; null if they were deleted. */
  readonly keptSums?: number | null
}

/** Shards that a run was gathered from. */
export interface GatheredProvenance {
  readonly folder: string
  /** SHA-256 of everything that determines the numbers, and of the division into shards. */
  readonly set: string
  /** Where and when each shard was sampled; empty until gathered. */
  readonly shards: readonly {
    readonly host: string
    readonly processor: string
    readonly threads: number
    readonly seconds: number
    readonly finishedAt: string
  }[]
}

/** Another program's results that a run was made of. */
export interface ForeignProvenance {
  readonly at: string
  /** First file or folder of the import. */
  readonly path: string
  /** Program and form of the file, as in "devinterp's samples". */
  readonly kind: string
  /** Whether the file says how it was sampled. If not, the run's sampler settings mean nothing. */
  readonly settings: boolean
  /** Sentences about how the numbers were made, and about what was left out. */
  readonly notes: readonly string[]
}

/** Run that an annotated cluster set was exported from. The set's clustering becomes number 1 of the imported run. */
export interface ImportedProvenance {
  readonly at: string
  /** Name of the file, without its folder. */
  readonly file: string
  /** Name of the run in the file. Absent in imports by earlier versions. */
  readonly name?: string
  readonly run: {
    readonly id: string
    readonly createdAt: string
    readonly startedAt: string | null
    readonly finishedAt: string | null
  }
  readonly stages: readonly StageRecord[]
  readonly clustering: { readonly number: number; readonly createdAt: string; readonly clusters: number }
  /** Exported clusters; null if the whole clustering was exported. */
  readonly selection: readonly ClusterNumber[] | null
}

/** A run. Times are ISO 8601 in UTC. */
export interface RunRecord {
  /** Sortable by time: "20261122-101530-k3f9". */
  readonly id: string
  readonly name: string
  readonly status: RunStatus
  /** Current stage, or the stage at which it stopped; null before the first and after the last. */
  readonly stage: StageName | null
  readonly stages: readonly StageRecord[]
  readonly createdAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly configuration: RunConfiguration
  /** Folder to which the configuration's paths are relative. */
  readonly baseFolder: string
  readonly provenance: Provenance
  /** Error message with which the run failed. */
  readonly error: string | null
  /** Number of studied tokens; 0 before rows are prepared. */
  readonly tokens: number
  readonly probeRows: number
  /** Components in the order of the susceptibility vector; empty before sampling is done. */
  readonly components: readonly string[]
  /** L(w*) on the observation rows, nats per token; null before sampling is done. */
  readonly initialLoss: number | null
  readonly clusterings: readonly ClusteringRecord[]
  /** Archived by the user. */
  readonly archived: boolean
  /** Marked as deleted: hidden, and removed when the workspace is closed. */
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
  /** Merged into the existing provenance. */
  readonly provenance?: Provenance
}

/** A document that occurs in probe rows. */
export interface DocumentRecord {
  /** Number of the document in reading order, among the non-empty documents of the corpus. */
  readonly id: number
  /** Path relative to the base folder, with slashes. */
  readonly file: string
  /** Number of the record in the file, from 0. */
  readonly record: number
  readonly subset: string
}

/** Part of a row that comes from one document. */
export interface Segment {
  /** Position in the row where it starts. */
  readonly start: number
  /** `DocumentRecord.id` */
  readonly document: number
  /** Index within the document of the token at that position. */
  readonly offset: number
}

/** Source of a probe row. For rows from a file, `subset` is "" and there are no segments. */
export interface RowProvenance {
  readonly subset: string
  readonly segments: readonly Segment[]
}

/** A study as token ids: three sets of rows, the studied targets of the probe rows, and their sources. */
export interface StudyRecord {
  readonly sampling: readonly Int32Array[]
  readonly observation: readonly Int32Array[]
  readonly probe: readonly Int32Array[]
  /**
   * Studied target positions (1 … T-1, ascending) of each probe row. Tokens are numbered by probe row, then by
   * position.
   */
  readonly targets: readonly Int32Array[]
  readonly provenance: readonly RowProvenance[]
  /** Documents that occur in probe rows, by id. */
  readonly documents: readonly DocumentRecord[]
  /** SHA-256 of all ids and targets, in hexadecimal. */
  readonly hash: string
  /** Only in a study just made from a corpus. The run's provenance stores it. */
  readonly contents?: CorpusContents
}

/** Susceptibilities χ̂ and their standard errors in nats², both [tokens, components] row-major. */
export interface SusceptibilityRecord {
  readonly tokens: number
  readonly components: readonly string[]
  readonly susceptibilities: Float32Array
  readonly standardErrors: Float32Array
}

/**
 * For one component's column of χ̂ over all tokens: its standard deviation, and the root mean square of its standard
 * errors, in nats².
 */
export interface ColumnSpread {
  readonly component: string
  readonly deviation: number
  readonly standardError: number
}

/** Bounds of a reliability. It exceeds the first, and falls below the second, with 90 % confidence each. */
export type ReliabilityBounds = readonly [low: number, high: number]

/** Diagnostics of one component in the methods with rounds (docs/method.md, sections 3b and 3c). */
export interface BlockDiagnostics {
  readonly rounds: number
  readonly reliabilityBounds: ReliabilityBounds
  readonly centredReliabilityBounds: ReliabilityBounds
  /**
   * Cosine between the mean gradients of the two halves of the blocks; null if slopes are taken along single
   * gradients.
   */
  readonly gradientCosine: number | null
  /** ‖E∇φ‖ from the mean of all gradients; with single gradients, the mean of their norms. */
  readonly gradientNorm: number
  /**
   * (Σw)²/(n Σw²) of the weights w = exp(-nβ φ) of the draws, 0 to 1. Near 1, the posterior is close to the prior.
   */
  readonly effectiveShare: number
  /** φ over draws in nats: mean under the posterior, and standard deviation under the prior. */
  readonly meanPhi: number
  readonly phiDeviation: number
  /** Orders above the first; null if not estimated. */
  readonly remainder: RemainderRecord | null
}

/** Share of the orders above the first in a column's variance, from draws of the gradient method. */
export interface RemainderRecord {
  readonly draws: number
  /** Variance over tokens of the remainder, as a share of the column's, and its standard error. */
  readonly share: number
  readonly error: number
}

/** Diagnostics of one component (docs/method.md, sections 2 and 3). */
export interface DiagnosticsRecord {
  readonly component: string
  readonly splitRHat: number | null
  /** Local learning coefficient nβ (E[L] - L(w*)). */
  readonly learningCoefficient: number
  /** ‖u - u*‖ of each chain: mean over draws, and at the last draw. */
  readonly meanDistance: readonly number[]
  readonly finalDistance: readonly number[]
  /** Mean loss of each chain over draws, in nats. */
  readonly meanLoss: readonly number[]
  /** Reliability of the component's column of χ̂, before and after rows are centred. */
  readonly reliability: number
  readonly centredReliability: number
  readonly lossTrace: { readonly first: number; readonly last: number; readonly min: number; readonly max: number }
  readonly failedChains: readonly {
    readonly chain: number
    readonly draw: number
    readonly step: number
    readonly message: string
  }[]
  /** For the methods with rounds; null for chains. */
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

/** k nearest neighbours of every token, nearest first, both [tokens, k]. */
export interface NeighboursRecord {
  readonly k: number
  readonly indices: Int32Array
  readonly distances: Float32Array
}
