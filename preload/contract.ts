import type { ErrorKind } from './errors'

/** The stages of a run, in order. Each one's result is in the workspace once it is done. */
export const stages = ['prepare', 'sample', 'neighbours', 'cluster'] as const
export type Stage = (typeof stages)[number]

/** Where a run is. `done` of `total` is in the stage's own unit; rates and the time left count only this process's work. */
export interface RunProgress {
  readonly stage: Stage
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
  readonly tokensPerSecond?: number
  readonly secondsLeft?: number
  readonly detail?: string
}

/** What a run tells while it works. */
export type RunEvent =
  | { readonly type: 'run'; readonly run: string; readonly name: string; readonly resumed: boolean }
  | { readonly type: 'stage'; readonly stage: Stage; readonly detail?: string }
  | { readonly type: 'progress'; readonly progress: RunProgress }
  | { readonly type: 'finished'; readonly stage: Stage; readonly seconds: number; readonly detail: string }
  | { readonly type: 'note'; readonly message: string }

/** What `run`, `resume` and `demo` answer. Counts of clusters are null where the configuration asks for no clustering. */
export interface RunSummary {
  readonly run: string
  readonly name: string
  readonly workspace: string
  readonly status: string
  readonly tokens: number
  readonly components: number
  readonly clusters: number | null
  /** Tokens in no cluster: the leftover, main body or not. */
  readonly unclustered: number | null
  readonly leftover: 'main body' | 'unclustered' | null
  readonly clustering: number | null
  readonly ending: string | null
  readonly engine: string
  readonly seconds: Readonly<Record<string, number>>
  /** In words, one sentence each. */
  readonly failedChains: readonly string[]
  /** Components whose column has a reliability below the threshold. */
  readonly noisyComponents: readonly string[]
}

/** The one object that a command answers with `--json` when it fails. */
export interface ErrorAnswer {
  readonly error: { readonly kind: ErrorKind | 'internal'; readonly message: string }
}
