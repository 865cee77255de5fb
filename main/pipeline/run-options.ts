import type { RunEvent } from '../../preload/contract'
import type { Provenance, TracePointRecord } from '../../preload/records'

export interface RunOptions {
  /** Seconds between two checkpoints. */
  readonly checkpointSeconds: number
  readonly onEvent: (event: RunEvent) => void
  /** Aborting writes a checkpoint and leaves the run `interrupted`. */
  readonly signal: AbortSignal
  /** Where a run that was begun goes on, in place of the engine that it was on. */
  readonly engine?: string | undefined
  /**
   * Points of the traces as they arise, with L(w*) where it is known already; those of a chain that starts again come
   * again.
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
  /** What is known of where the run comes from, beside the configuration. */
  readonly provenance?: Provenance
}
