import type { CorpusContents } from './corpus-contents'
import type { ErrorKind } from './errors'
import type {
  ClusteringRecord,
  ClusterSummary,
  ColumnSpread,
  DiagnosticsRecord,
  RunRecord,
  RunStatus,
  StageName,
  TokenInContext
} from './records'

/** What takes long enough to be watched: a stage of a run, or a model's download. */
export type Activity = StageName | 'download'

/** How far a component has come, of methods that go in rounds. */
export interface ComponentProgress {
  readonly component: string
  readonly rounds: number
  /** Null before the first round is done. */
  readonly reliability: number | null
  /** Above it with 90 % confidence. */
  readonly lower: number | null
  readonly done: boolean
}

/**
 * Where an activity is. `done` of `total` is in the stage's own unit; rates and the time left count only this
 * process's work.
 */
export interface RunProgress {
  readonly stage: Activity
  readonly done: number
  readonly total: number
  readonly unit: string
  readonly component?: string
  readonly chain?: number
  readonly chains?: number
  readonly step?: number
  readonly steps?: number
  readonly draw?: number
  readonly draws?: number
  /**
   * Of methods that go in rounds: the one at work, counted from 1, how many there are at most, and how far each
   * component has come.
   */
  readonly round?: number
  readonly rounds?: number
  readonly reliabilities?: readonly ComponentProgress[]
  readonly tokensPerSecond?: number
  readonly secondsLeft?: number
  readonly detail?: string
}

/** What a run tells while it works. */
export type RunEvent =
  | { readonly type: 'run'; readonly run: string; readonly name: string; readonly resumed: boolean }
  | { readonly type: 'stage'; readonly stage: Activity; readonly detail?: string }
  | { readonly type: 'progress'; readonly progress: RunProgress }
  | { readonly type: 'finished'; readonly stage: Activity; readonly seconds: number; readonly detail: string }
  /** A warning is of what may go wrong with the run as it goes on. */
  | { readonly type: 'note'; readonly message: string; readonly warning?: true }
  /** What looks unhealthy so far, whenever it changes: all of it. */
  | { readonly type: 'health'; readonly findings: readonly HealthFinding[] }

/**
 * What `run`, `resume` and `demo` answer. Counts of clusters are null where the configuration asks for no clustering.
 */
export interface RunSummary {
  readonly run: string
  readonly name: string
  readonly workspace: string
  readonly status: RunStatus
  readonly tokens: number
  readonly components: number
  readonly clusters: number | null
  /** Tokens in no cluster: the leftover, main body or not. */
  readonly unclustered: number | null
  readonly leftover: 'main body' | 'unclustered' | null
  readonly clustering: number | null
  readonly ending: string | null
  readonly engine: string
  /** What the corpus was; null where that is not known, and for rows from a file. */
  readonly corpus: CorpusContents | null
  readonly seconds: Readonly<Record<string, number>>
  /** In words, one sentence each. */
  readonly failedChains: readonly string[]
  /** Components whose column has a reliability below the threshold. */
  readonly noisyComponents: readonly string[]
}

/**
 * The one object that a command answers with `--json` when it fails; some errors have lists beside their sentence.
 */
export interface ErrorAnswer {
  readonly error: {
    readonly kind: ErrorKind | 'internal'
    readonly message: string
    readonly [detail: string]: unknown
  }
}

/** What `show` answers: clusters by size, what is left over last. */
export interface RunDetails {
  readonly run: RunRecord
  readonly summary: RunSummary
  /** The stage that a resumed run would go on with. */
  readonly next: StageName | null
  readonly clustering: ClusteringRecord | null
  readonly clusters: readonly ClusterSummary[]
}

/** What `show --cluster` answers. */
export interface ClusterTokens {
  readonly run: string
  readonly name: string
  readonly summary: ClusterSummary
  readonly tokens: readonly TokenInContext[]
}

/** What `cluster` answers. */
export interface ClusteringSummary {
  readonly run: string
  readonly tokens: number
  readonly components: number
  readonly clusters: number
  readonly unclustered: number
  readonly clustering: ClusteringRecord
}

/** Something unhealthy or noisy, and what would help, in one sentence. */
export interface HealthFinding {
  readonly component: string
  readonly kind: string
  readonly message: string
}

/** What `diagnose` answers; diagnostics in order of components, then of `full`. */
export interface RunHealth {
  readonly run: RunRecord
  /** L(w*) on the observation rows, nats per token. */
  readonly initialLoss: number
  /** Reliability below which a column counts as mostly noise. */
  readonly threshold: number
  readonly diagnostics: readonly DiagnosticsRecord[]
  readonly findings: readonly HealthFinding[]
  /** In order of the components. */
  readonly columns: readonly ColumnSpread[]
}

/** An engine of this machine, with the rate of one thread on a small transformer's gradient steps. */
export interface EngineRate {
  readonly name: string
  readonly device: string
  readonly precision: string
  readonly version: string
  readonly available: boolean
  readonly remedy: string | null
  /** What `engines.install` takes to bring what is missing; null where there is nothing to install. */
  readonly install: string | null
  /** Null where it is not available. */
  readonly tokensPerSecond: number | null
  readonly gigaflopsPerSecond: number | null
}

/** What an engine's installation would download, and into which folder. */
export interface EngineInstallation {
  readonly engine: string
  /** Null where the server does not say. */
  readonly bytes: number | null
  readonly folder: string
  /** What it needs, for a person to read before the download. */
  readonly words: string
}

export interface EngineInstalled {
  readonly engine: string
  /** False where a person decided against it. */
  readonly installed: boolean
  readonly device: string | null
  readonly version: string | null
  /** As of `EngineRate`. */
  readonly tokensPerSecond: number | null
}
