import type { RunConfiguration } from './configuration'
import type { CorpusContents } from './corpus-contents'
import type { RunEvent, RunProgress } from './contract-progress'
import type { LabelStatus } from './contract-annotations'
import type { RunStatus, StageName, TracePointRecord, TraceRecord } from './records'

/** What the list of runs shows of one. */
export interface RunEntry {
  readonly id: string
  readonly name: string
  /** Last part of the model's path, and the checkpoint where one is given. */
  readonly model: string
  readonly tokens: number
  readonly components: number
  readonly engine: string
  readonly status: RunStatus
  /** Null before its end: what it is at. */
  readonly stage: StageName | null
  readonly error: string | null
  /** Whether it is paused because its engine failed, as where a device is gone. */
  readonly engineLost: boolean
  /** Of the latest clustering; null where there is none. */
  readonly clusters: number | null
  readonly clustering: number | null
  readonly clusterings: readonly { readonly number: number; readonly name: string; readonly clusters: number }[]
  /** Clusters of the latest clustering by status; unseen ones are the rest. */
  readonly labels: Readonly<Partial<Record<LabelStatus, number>>>
  readonly createdAt: string
  readonly finishedAt: string | null
  readonly archived: boolean
  readonly deleted: boolean
  /** Waiting for another run of this workspace to end. */
  readonly queued: boolean
  /** One more clustering of it is at work, or waits where it is queued. */
  readonly reclustering: boolean
  /** Bytes of the sums that are kept of it, with which it can be continued; null where there are none. */
  readonly keptSums: number | null
  /** Name of the file that it was imported from; null for a run that was made here. */
  readonly imported: string | null
}

/** A run at work, for a view that opens while it goes on; then `run-event` and `trace` notices tell what follows. */
export interface LiveRun {
  readonly run: string
  readonly working: boolean
  readonly pausing: boolean
  readonly stage: StageName | null
  readonly progress: RunProgress | null
  /** L(w*) on the observation rows, nats per token, once sampling has found it. */
  readonly initialLoss?: number | null
  /** Fraction done of each component, in order; empty outside of sampling. */
  readonly components: readonly { readonly component: string; readonly fraction: number }[]
  /** Tokens per second now and then, oldest first: [seconds since start, rate] pairs. */
  readonly rates: Float64Array
  readonly traces: readonly TraceRecord[]
  readonly events: readonly { readonly at: string; readonly event: RunEvent }[]
  readonly flags: readonly { readonly component: string; readonly kind: string; readonly message: string }[]
}

export interface TraceNotice {
  readonly run: string
  readonly points: readonly TracePointRecord[]
}

/** A place in a configuration that is not right: `path` as in "sampler.draws", "" for the whole. */
export interface ConfigurationProblem {
  readonly path: string
  readonly message: string
}

export interface ConfigurationCheck {
  readonly problems: readonly ConfigurationProblem[]
  /** With every default filled in; null where there are problems. */
  readonly configuration: RunConfiguration | null
}

export interface ModelDescription {
  readonly folder: string
  readonly architecture: string
  readonly layers: number
  readonly width: number
  readonly heads: number
  readonly vocabulary: number
  readonly positions: number
  readonly parameters: number
  readonly bytes: number
  readonly hasTokenizer: boolean
  /** In the order of the susceptibility vector. */
  readonly components: readonly string[]
}

/** Rows as they will be packed. */
export interface CorpusPreview {
  readonly files: number
  readonly documents: number
  /** Of the documents that were read: all of them, or those up to a limit of time. */
  readonly complete: boolean
  /** Of the files that were read, and what was left out of folders; null for rows from a file. */
  readonly contents: CorpusContents | null
  readonly rowsWanted: number
  readonly rowsThere: number
  readonly subsets: readonly {
    readonly subset: string
    readonly documents: number
    readonly tokens: number
    readonly rows: number
  }[]
  readonly rows: readonly { readonly subset: string; readonly tokens: readonly string[] }[]
  readonly problem: string | null
}

/** What a run will cost here. Null where a rate has not been measured. */
/** What a further clustering of a run costs. */
export interface ClusteringEstimate {
  readonly seconds: number
  /** Matrices that are clustered: the whole, and halves and clouds that its stability is measured by. */
  readonly matrices: number
  readonly notes: readonly string[]
}

export interface Estimate {
  readonly tokens: number
  readonly components: number
  readonly seconds: Readonly<Record<StageName, number>>
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly machineMemoryBytes: number
  readonly diskFreeBytes: number
  /** Rows through the loss, and through gradients, in tokens. */
  readonly lossTokens: number
  readonly gradientTokens: number
  /** In words: what rate it rests on, and when that was measured. */
  readonly basis: string
}

/** What a few components of a run came to in a short time, and what the whole is likely to need. */
export interface SignalPreview {
  /** That the sampling took. */
  readonly seconds: number
  readonly components: readonly {
    readonly component: string
    readonly rounds: number
    readonly reliability: number
    readonly lower: number
    /** Rounds in all that it is likely to need for the target; null where the run has none. */
    readonly roundsNeeded: number | null
  }[]
  /** Of sampling all components of the run here; null where too little was sampled to tell. */
  readonly secondsForRun: number | null
  /** What first order leaves out of the least linear of them; null where it was not looked at. */
  readonly remainder: { readonly component: string; readonly share: number; readonly error: number } | null
  /** What the corpus was; null for rows from a file. */
  readonly corpus: CorpusContents | null
  /** The same in a few sentences. */
  readonly words: string
}

export interface FolderEntry {
  readonly name: string
  readonly path: string
  readonly folder: boolean
  readonly bytes: number
  readonly changedAt: string
  /** A folder that holds a config.json with weights. */
  readonly model: boolean
}

export interface FolderListing {
  readonly folder: string
  /** Null at the top of what the window reaches. */
  readonly parent: string | null
  /** Folders that were named for this window, beside the home folder. */
  readonly places: readonly string[]
  readonly entries: readonly FolderEntry[]
  /** More entries than are listed. */
  readonly cut: boolean
  /** How many cannot be opened, and so are not listed: links that lead nowhere, and names that are not UTF-8. */
  readonly leftOut: number
}

/** Cluster × component means in units of each column's standard deviation, [clusters, components] row-major. */
export interface HeatMap {
  readonly clusters: Int32Array
  readonly sizes: Int32Array
  readonly components: readonly string[]
  readonly values: Float32Array
}
