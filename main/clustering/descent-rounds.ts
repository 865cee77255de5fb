import { isSettled, recallSoFar, type Descent, type DescentPhase } from './descent'

/** Runs one phase on all threads. */
export type RunPhase = (phase: DescentPhase) => Promise<unknown>

export interface DescentWatch {
  /** Called after each round that another will follow, with the number of the next. */
  readonly onRound?: (next: number) => Promise<void> | void
  /** Round to begin with, after an earlier search's state was restored. */
  readonly from?: number
}

/**
 * Carries out a search from round to round, until the lists have the recall that is asked for, or next to nothing
 * changes. Returns the recall on the sample, 0 to 1.
 */
export const descend = async (
  search: Descent,
  run: RunPhase,
  { onRound, from = 0 }: DescentWatch = {}
): Promise<number> => {
  if (from === 0) await run('measure')
  for (let round = from; ; round++) {
    search.told.fill(0)
    await run(round)
    const recall = recallSoFar(search)
    if (isSettled(search, round, recall)) {
      await run('finish')
      return recall
    }
    await onRound?.(round + 1)
  }
}

/** Rounds that a search usually takes. */
const usualRounds = 6

/** Approximate share of a search that is done: nobody knows how many rounds it takes. */
export const descended = ({ told, points }: Descent, round: number): number =>
  Math.min(0.99, (round + Atomics.load(told, 0) / points.count) / Math.max(usualRounds, round + 2))
