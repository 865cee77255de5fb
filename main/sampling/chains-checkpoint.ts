import type { ChainsPlan } from './chains-plan'
import type { ChainFailure, ChainsState } from './chains-state'
import { readCheckpoint, readState, removeLeftovers, writeCheckpoint } from './checkpoint'

/** Part of a checkpoint that is stored as JSON. */
interface SavedState {
  readonly initialLoss: number
  readonly midDraw: boolean
  /** Tokens per block of evaluated rows. A resumed run keeps this, because `blocks` counts such blocks. */
  readonly blockTokens?: number
  readonly failures: readonly ChainFailure[]
}

/**
 * Tokens per block of rows in the run that left a checkpoint: null without a checkpoint, undefined if the checkpoint
 * does not say.
 */
export const begunBlockTokens = async (folder: string, fingerprint: string): Promise<number | undefined | null> => {
  const begun = await readState<SavedState>(folder, fingerprint)
  return begun === null ? null : begun.blockTokens
}

/** Checkpoint of a run of chains. */
export class ChainsCheckpoint {
  readonly #folder: string
  readonly #plan: ChainsPlan
  readonly #state: ChainsState
  #sequence = 0

  constructor(folder: string, plan: ChainsPlan, state: ChainsState) {
    this.#folder = folder
    this.#plan = plan
    this.#state = state
  }

  /** Throws a `storage` error if the checkpoint cannot be written. */
  async save(): Promise<void> {
    const midDraw = this.#state.isMidDraw
    const { initialLoss, failures } = this.#state
    await writeCheckpoint<SavedState>(
      this.#folder,
      {
        fingerprint: this.#plan.fingerprint,
        sequence: ++this.#sequence,
        state: { initialLoss, midDraw, blockTokens: this.#plan.atOnce.block, failures }
      },
      this.#state.sections(midDraw)
    )
  }

  /** Restores the newest checkpoint. Returns false if there is none. */
  async resume(): Promise<boolean> {
    await removeLeftovers(this.#folder)
    const header = await readCheckpoint<SavedState>(this.#folder, this.#plan.fingerprint, ({ midDraw }) =>
      this.#state.sections(midDraw)
    )
    if (header === null) return false
    this.#sequence = header.sequence
    this.#state.restore(header.state.initialLoss, header.state.failures)
    return true
  }
}
