import type { RunConfiguration } from './configuration'
import type { CorpusContents } from './corpus-contents'
import type { RunEvent, RunProgress } from './contract-progress'
import type { LabelStatus } from './contract-annotations'
import type { RunStatus, StageName, TracePointRecord, TraceRecord } from './records'

/** A row of the run list. */
export interface RunEntry {
  readonly id: string
  readonly name: string
  /** Last part of the model's path, and the checkpoint if one is given. */
  readonly model: string
  readonly tokens: number
  readonly components: number
  readonly engine: string
  readonly status: RunStatus
  /** Current stage; null after the end. */
  readonly stage: StageName | null
  readonly error: string | null
  /** Whether it stopped because its engine failed, for example when a device disappeared. */
  readonly engineLost: boolean
  /** For the latest clustering; null if there is none. */
  readonly clusters: number | null
  readonly clustering: number | null
  readonly clusterings: readonly { readonly number: number; readonly name: string; readonly clusters: number }[]
  /** Clusters of the latest clustering by status. Unseen ones are not counted. */
  readonly labels: Readonly<Partial<Record<LabelStatus, number>>>
  readonly createdAt: string
  readonly finishedAt: string | null
  readonly archived: boolean
  readonly deleted: boolean
  /** Waiting for another run of this workspace. */
  readonly queued: boolean
  /** A further clustering of it is in progress or, if `queued`, waiting. */
  readonly reclustering: boolean
  /** Size of its saved sums in bytes, from which it can be continued; null if there are none. */
  readonly keptSums: number | null
  /** File that it was imported from; null for other runs. */
  readonly imported: string | null
}

/**
 * State of a run in progress, for a view that opens meanwhile. Later changes arrive as `run-event` and `trace`
 * notices.
 */
export interface LiveRun {
  readonly run: string
  readonly working: boolean
  readonly pausing: boolean
  readonly stage: StageName | null
  readonly progress: RunProgress | null
  /** L(w*) on the observation rows in nats per token, once it is known. */
  readonly initialLoss?: number | null
  /** Fraction done of each component, in order; empty outside sampling. */
  readonly components: readonly { readonly component: string; readonly fraction: number }[]
  /** Sampling speed over time, oldest first: [seconds since start, tokens per second]. */
  readonly rates: Float64Array
  readonly traces: readonly TraceRecord[]
  readonly events: readonly { readonly at: string; readonly event: RunEvent }[]
  readonly flags: readonly { readonly component: string; readonly kind: string; readonly message: string }[]
}

export interface TraceNotice {
  readonly run: string
  readonly points: readonly TracePointRecord[]
}

/** A problem in a configuration. `path` is a key such as "sampler.draws", or "" for the whole. */
export interface ConfigurationProblem {
  readonly path: string
  readonly message: string
}

export interface ConfigurationCheck {
  readonly problems: readonly ConfigurationProblem[]
  /** With all defaults filled in; null if there are problems. */
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
  /** The same with groups in place of heads, where heads share keys and values. */
  readonly groups: readonly string[] | null
}

/** Rows as a run would pack them. */
export interface CorpusPreview {
  readonly files: number
  readonly documents: number
  /** False if reading stopped at the time limit, so that counts cover only what was read. */
  readonly complete: boolean
  /** Files that were read, and those in folders that were skipped; null for rows from a file. */
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
  /** Text of the token that every row begins with, if one was put there. */
  readonly beginOfRow: string | null
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
  /** Tokens of rows evaluated for losses, and of rows in gradients. */
  readonly lossTokens: number
  readonly gradientTokens: number
  /** Sentence on the measured speed that the estimate uses, and when it was measured. */
  readonly basis: string
}

/** Result of sampling a few components briefly, and an estimate for the whole run. */
export interface SignalPreview {
  /** Duration of the sampling. */
  readonly seconds: number
  readonly components: readonly {
    readonly component: string
    readonly rounds: number
    readonly reliability: number
    readonly lower: number
    /** Total rounds likely needed for the target; null if the run has none. */
    readonly roundsNeeded: number | null
  }[]
  /** Estimated duration of sampling the whole run here; null if too little was sampled. */
  readonly secondsForRun: number | null
  /** Share that first order leaves out of the least linear component; null if not estimated. */
  readonly remainder: { readonly component: string; readonly share: number; readonly error: number } | null
  /** Contents of the corpus; null for rows from a file. */
  readonly corpus: CorpusContents | null
  /** Summary in a few sentences. */
  readonly words: string
}

export interface FolderEntry {
  readonly name: string
  readonly path: string
  readonly folder: boolean
  readonly bytes: number
  readonly changedAt: string
  /** Whether it is a folder with a config.json and weights. */
  readonly model: boolean
}

export interface FolderListing {
  readonly folder: string
  /** Null at the top of the window's reach. */
  readonly parent: string | null
  /** Additional folders that the window may access. */
  readonly places: readonly string[]
  readonly entries: readonly FolderEntry[]
  /** Whether there are more entries than listed. */
  readonly cut: boolean
  /** Number of unlisted entries that cannot be opened: broken links, and names that are not UTF-8. */
  readonly leftOut: number
}

/** Mean of each component in each cluster, in standard deviations of the column, [clusters, components] row-major. */
export interface HeatMap {
  readonly clusters: Int32Array
  readonly sizes: Int32Array
  readonly components: readonly string[]
  readonly values: Float32Array
}
