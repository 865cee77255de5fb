import type { ChainsPlan } from './chains-plan'
import type { ChainFailure, ChainsState } from './chains-state'
import { readCheckpoint, readState, removeLeftovers, writeCheckpoint } from './checkpoint'

/** The part of a checkpoint that is not an array. */
interface SavedState {
  readonly initialLoss: number
  readonly midDraw: boolean
  /** How the rows of a draw are cut, which `blocks` counts; a run keeps to that on another engine. */
  readonly blockTokens?: number
  readonly failures: readonly ChainFailure[]
}

/**
 * How a run that left a checkpoint cuts its blocks of rows, in tokens: null where there is none, undefined where it
 * does not say.
 */
export const begunBlockTokens = async (folder: string, fingerprint: string): Promise<number | undefined | null> => {
  const begun = await readState<SavedState>(folder, fingerprint)
  return begun === null ? null : begun.blockTokens
}

/** The checkpoint of a run of chains. */
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

  /** Throws a `storage` error when it cannot be written. */
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

  /** Goes on from the newest checkpoint; false if there is none. */
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
