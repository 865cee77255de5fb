import type { BlocksPlan } from './blocks-plan'
import type { BlocksProgress } from './blocks-progress'
import type { BlockFailure, BlocksState } from './blocks-state'
import type { Wave } from './blocks-wave'
import { readCheckpoint, readState, writeCheckpoint } from './checkpoint'
import type { BlockRecord } from './sampled'

/** Part of a checkpoint that is stored as JSON. */
interface SavedState {
  readonly initialLoss: number
  readonly rowLosses: readonly number[]
  readonly wave: readonly string[]
  readonly blockTokens: number
  readonly records: readonly BlockRecord[]
  readonly rounds: readonly (readonly [component: string, rounds: number])[]
  readonly failures: readonly BlockFailure[]
  /** Operations done so far, for progress. */
  readonly operations: number
  /** Whether the checkpoint contains directions and points. */
  readonly midRound: boolean
}

/**
 * Tokens per block of rows in the run that left a checkpoint: null without a checkpoint, undefined if the checkpoint
 * does not say.
 */
export const begunBlockTokens = async (folder: string, fingerprint: string): Promise<number | undefined | null> => {
  const begun = await readState<SavedState>(folder, fingerprint)
  return begun === null ? null : begun.blockTokens
}

/** Checkpoint of the current wave. */
export class BlocksCheckpoint {
  readonly #folder: string
  readonly #plan: BlocksPlan
  readonly #state: BlocksState
  readonly #progress: BlocksProgress
  #sequence = 0

  constructor(folder: string, plan: BlocksPlan, state: BlocksState, progress: BlocksProgress) {
    this.#folder = folder
    this.#plan = plan
    this.#state = state
    this.#progress = progress
  }

  /** Throws a `storage` error if the checkpoint cannot be written. */
  async save(wave: Wave): Promise<void> {
    const midRound = wave.isMidRound
    const state: SavedState = {
      initialLoss: this.#state.initialLoss,
      rowLosses: this.#state.rowLosses,
      wave: wave.components,
      blockTokens: this.#plan.atOnce.block,
      records: wave.records,
      failures: this.#state.failures,
      operations: this.#progress.operations,
      rounds: wave.components.map((component) => [component, this.#state.rounds.get(component)!] as const),
      midRound
    }
    await writeCheckpoint<SavedState>(
      this.#folder,
      { fingerprint: this.#plan.fingerprint, sequence: ++this.#sequence, state },
      wave.sections(midRound)
    )
  }

  /** Restores the newest checkpoint of this wave. Returns false if there is none. */
  async resume(wave: Wave): Promise<boolean> {
    const isOwn = (state: SavedState): boolean => JSON.stringify(state.wave) === JSON.stringify(wave.components)
    const header = await readCheckpoint<SavedState>(this.#folder, this.#plan.fingerprint, (state) =>
      isOwn(state) ? wave.sections(state.midRound) : []
    )
    if (header === null) return false
    const { initialLoss, rowLosses, records, failures, rounds, operations } = header.state
    this.#sequence = header.sequence
    this.#progress.operations = operations
    this.#state.initialLoss = initialLoss
    this.#state.rowLosses = rowLosses
    wave.restore(records)
    for (const failure of failures) this.#state.addFailure(failure)
    for (const [component, done] of rounds) this.#state.rounds.set(component, done)
    return true
  }
}
