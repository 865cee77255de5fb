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

/** Work with progress: a stage of a run, a model download, or an import. */
export type Activity = StageName | 'download' | 'import'

/** Progress of a component, for the methods with rounds. */
export interface ComponentProgress {
  readonly component: string
  readonly rounds: number
  /** Null before the first round is done. */
  readonly reliability: number | null
  /** Lower bound with 90 % confidence. */
  readonly lower: number | null
  readonly done: boolean
}

/**
 * Progress of an activity. `done` of `total` is in the stage's own unit. Rates and time left cover only the work of
 * this process.
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
   * For the methods with rounds: the current round, counted from 1, the maximum, and the progress of each component.
   */
  readonly round?: number
  readonly rounds?: number
  readonly reliabilities?: readonly ComponentProgress[]
  readonly tokensPerSecond?: number
  readonly secondsLeft?: number
  readonly detail?: string
}

/** Events of a run in progress. */
export type RunEvent =
  | { readonly type: 'run'; readonly run: string; readonly name: string; readonly resumed: boolean }
  | { readonly type: 'stage'; readonly stage: Activity; readonly detail?: string }
  | { readonly type: 'progress'; readonly progress: RunProgress }
  | { readonly type: 'finished'; readonly stage: Activity; readonly seconds: number; readonly detail: string }
  /** A warning concerns something that may still go wrong. */
  | { readonly type: 'note'; readonly message: string; readonly warning?: true }
  /** The complete list of health findings, whenever it changes. */
  | { readonly type: 'health'; readonly findings: readonly HealthFinding[] }

/** Answer of `run`, `resume` and `demo`. Cluster counts are null if the configuration has no clustering. */
export interface RunSummary {
  readonly run: string
  readonly name: string
  readonly workspace: string
  readonly status: RunStatus
  readonly tokens: number
  readonly components: number
  readonly clusters: number | null
  /** Number of tokens in no cluster. */
  readonly unclustered: number | null
  readonly leftover: 'main body' | 'unclustered' | null
  readonly clustering: number | null
  readonly ending: string | null
  readonly engine: string
  /** Contents of the corpus; null if unknown, and for rows from a file. */
  readonly corpus: CorpusContents | null
  readonly seconds: Readonly<Record<string, number>>
  /** One sentence each. */
  readonly failedChains: readonly string[]
  /** Components whose reliability is below the threshold. */
  readonly noisyComponents: readonly string[]
}

/** Object printed by a failed command with `--json`. Some errors have further fields. */
export interface ErrorAnswer {
  readonly error: {
    readonly kind: ErrorKind | 'internal'
    readonly message: string
    readonly [detail: string]: unknown
  }
}

/** Answer of `show`: clusters by size, unclustered tokens last. */
export interface RunDetails {
  readonly run: RunRecord
  readonly summary: RunSummary
  /** Stage with which a resumed run would continue. */
  readonly next: StageName | null
  readonly clustering: ClusteringRecord | null
  readonly clusters: readonly ClusterSummary[]
}

/** Answer of `show --cluster`. */
export interface ClusterTokens {
  readonly run: string
  readonly name: string
  readonly summary: ClusterSummary
  readonly tokens: readonly TokenInContext[]
}

/** Answer of `cluster`. */
export interface ClusteringSummary {
  readonly run: string
  readonly tokens: number
  readonly components: number
  readonly clusters: number
  readonly unclustered: number
  readonly clustering: ClusteringRecord
}

/** A health finding and its remedy, in one sentence. */
export interface HealthFinding {
  readonly component: string
  readonly kind: string
  readonly message: string
}

/** Answer of `diagnose`. Diagnostics are in the order of components, then `full`. */
export interface RunHealth {
  readonly run: RunRecord
  /** L(w*) on the observation rows, nats per token. */
  readonly initialLoss: number
  /** Columns with a lower reliability count as mostly noise. */
  readonly threshold: number
  readonly diagnostics: readonly DiagnosticsRecord[]
  readonly findings: readonly HealthFinding[]
  /** In the order of the components. */
  readonly columns: readonly ColumnSpread[]
}

/** An engine of this machine, and the speed of one thread on gradient steps of a small transformer. */
export interface EngineRate {
  readonly name: string
  readonly device: string
  readonly precision: string
  readonly version: string
  readonly available: boolean
  readonly remedy: string | null
  /** Name to pass to `engines.install`; null if there is nothing to install. */
  readonly install: string | null
  /** Null if the engine is not available. */
  readonly tokensPerSecond: number | null
  readonly gigaflopsPerSecond: number | null
}

/** Download and target folder of an engine's installation. */
export interface EngineInstallation {
  readonly engine: string
  /** Null if the server does not say. */
  readonly bytes: number | null
  readonly folder: string
  /** Requirements, for the user to read before the download. */
  readonly words: string
}

export interface EngineInstalled {
  readonly engine: string
  /** False if the user declined. */
  readonly installed: boolean
  readonly device: string | null
  readonly version: string | null
  /** As in `EngineRate`. */
  readonly tokensPerSecond: number | null
}
