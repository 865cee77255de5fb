import type { BlockConfiguration } from '../../preload/configuration'
import { type BlocksInput, observedRows } from './input'

/** Passes of a block's gradients over the observation rows in one round, at most. */
const mostPasses = 4

/**
 * Pairs of gradients for each block and round, so that a block's slices are whole passes over the observation rows:
 * what a slice has of accident then goes out of the mean gradient. One pass, or more where the passes over the
 * studied rows take longer than those. See test/bench/NOTES.md for what was measured.
 */
export const pairsFor = (
  probeTargets: number,
  observedRows: number,
  observedTargets: number,
  batch: number
): number => {
  const passes = Math.max(1, Math.min(mostPasses, Math.round(probeTargets / (1.5 * observedTargets))))
  return Math.max(1, Math.round((passes * Math.floor(observedRows / batch)) / 2))
}

export const targetsIn = (rows: readonly Int32Array[]): number => rows.reduce((sum, { length }) => sum + length - 1, 0)

/** Pairs of gradients that a run takes for each block and round; 1 stands for the single gradient of a draw. */
export const pairsOf = ({
  sampler,
  study,
  observationIncludesProbe
}: Pick<BlocksInput, 'sampler' | 'observationIncludesProbe'> & {
  readonly study: Pick<BlocksInput['study'], 'observation' | 'probe'>
}): number => {
  if (sampler.method === 'gradient') return 1
  if (sampler.pairs !== 'auto') return sampler.pairs
  const observed = observedRows({ study, observationIncludesProbe })
  return pairsFor(targetsIn(study.probe), observed.length, targetsIn(observed), sampler.observationBatch)
}

/** Draws of gradients that a block takes in a round. */
export const drawsOf = (method: BlockConfiguration['method'], pairs: number): number =>
  method === 'first-order' ? 2 * pairs : 1

/** r/(1-r) of a component after its first round, on average: test/bench/NOTES.md. */
const oddsOfRound = { 'first-order': 6, gradient: 0.35 } as const

/**
 * Rounds that components take on average until a target is reached, from what those of the development model took;
 * not a whole number.
 */
export const likelyRounds = (method: BlockConfiguration['method'], target: number): number =>
  Math.max(1, target / (1 - target) / oddsOfRound[method]) * 1.2

/** Rounds that a component of the given reliability needs in all to reach a target: r/(1-r) grows with them. */
export const roundsNeeded = (rounds: number, reliability: number, target: number): number =>
  reliability <= 0.02 ? Infinity : Math.ceil((rounds * target * (1 - reliability)) / ((1 - target) * reliability))
