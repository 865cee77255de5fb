import type { RunEntry, RunHealth } from '../../preload/contract'
import { goalOf } from './blocks'

/** Whether a run is finished and has kept the sums that a longer run can start from. */
export const canContinue = ({ status, keptSums, queued }: Pick<RunEntry, 'status' | 'keptSums' | 'queued'>): boolean =>
  status === 'finished' && !queued && keptSums !== null

/** Halves the distance to 1: 0.8 becomes 0.9. */
export const nextTarget = (target: number | null): number =>
  target === null ? 0.9 : Math.min(0.99, Math.round(100 * (1 - (1 - target) / 2)) / 100)

/** Most rounds that a component of the run took. */
export const roundsTaken = ({ diagnostics }: RunHealth): number =>
  diagnostics.reduce((most, { blocks }) => Math.max(most, blocks?.rounds ?? 0), 0)

/**
 * Total rounds that each component is likely to need for a target, fewest first: r/(1-r) grows linearly with rounds.
 * Based on lower bounds, which must reach the target. Infinity if there is too little signal to tell.
 */
export const roundsNeeded = ({ diagnostics }: RunHealth, target: number): number[] =>
  diagnostics
    .flatMap(({ component, reliability, blocks }) => {
      if (component === 'full' || blocks === null) return []
      const least = Math.max(blocks.reliabilityBounds[0], 0.6 * reliability)
      return [
        Number.isNaN(least) || least <= 0.02
          ? Infinity
          : Math.ceil((blocks.rounds * target * (1 - least)) / ((1 - target) * least) - 1e-9)
      ]
    })
    .sort((a, b) => a - b)

/** Suggested limit of rounds: enough for nine components in ten, within 2 to 16 times the run's rounds. */
export const offeredRounds = (health: RunHealth, target: number): number => {
  const most = goalOf(health.run.configuration.sampler)?.rounds ?? 1
  const needs = roundsNeeded(health, target)
  return Math.min(16 * most, Math.max(2 * most, needs[Math.ceil(0.9 * needs.length) - 1] ?? 0))
}

/** How many components are likely to reach the target within a number of rounds, in a sentence. */
export const reachWords = (needs: readonly number[], limit: number): string => {
  const reaching = needs.filter((need) => need <= limit).length
  const told = needs.filter(Number.isFinite)
  if (needs.length === 0) return ''
  if (reaching === needs.length)
    return `Likely enough for all ${needs.length} components; the last needs ${told[told.length - 1]} rounds.`
  const last = told[told.length - 1]
  const further = last === undefined || last <= limit ? '' : ` The last needs about ${last} rounds.`
  return `Likely enough for ${reaching} of ${needs.length} components.${further}`
}

/** Problem of a request in a sentence, or null. `taken`: most rounds of a component so far. */
export const continuingProblem = (
  asked: { readonly reliability?: number; readonly rounds: number },
  had: { readonly target: number | null; readonly taken: number }
): string | null => {
  const { reliability, rounds } = asked
  if (reliability !== undefined && !(reliability > 0 && reliability < 1)) return 'Enter a reliability between 0 and 1.'
  if (!Number.isInteger(rounds) || rounds < 1) return 'Enter a whole number of rounds.'
  if (rounds < had.taken) return `The run took ${had.taken} rounds. Enter at least as many.`
  if (rounds > had.taken) return null
  if (reliability === undefined) return `The run took ${had.taken} rounds. Enter more.`
  if (had.target !== null && reliability > had.target) return null
  const aim = had.target === null ? '' : ` and aimed at ${had.target}`
  return `The run took ${had.taken} rounds${aim}; enter more rounds or a higher reliability.`
}
