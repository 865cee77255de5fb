import type { RunEvent } from '../../preload/contract'
import type { Provenance, TracePointRecord } from '../../preload/records'

export interface RunOptions {
  /** Seconds between checkpoints. */
  readonly checkpointSeconds: number
  readonly onEvent: (event: RunEvent) => void
  /** Aborting saves a checkpoint and leaves the run `interrupted`. */
  readonly signal: AbortSignal
  /** Engine on which to resume, in place of the run's own. */
  readonly engine?: string | undefined
  /**
   * Gets trace points as they are computed, and L(w*) in nats once it is known. A restarted chain repeats its points.
   */
  readonly onTrace?: (point: TracePointRecord, initialLoss: number) => void
  readonly onChainEnded?: (chain: {
    readonly component: string
    readonly chain: number
    readonly message: string
  }) => void
}

export interface StartOptions extends RunOptions {
  readonly name?: string
  /** Further facts about the origin of the run, besides the configuration. */
  readonly provenance?: Provenance
}
