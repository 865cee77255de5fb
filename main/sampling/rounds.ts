import type { BlockConfiguration } from '../../preload/configuration'
import { type BlocksInput, observedRows } from './input'

/** Limit of passes over the observation rows by a block's gradients in one round. */
const mostPasses = 4

/**
 * Gradient pairs per block and round. A block's slices then make whole passes over the observation rows, so that
 * differences between slices cancel in the mean gradient. One pass, or more if evaluating the probe rows takes
 * longer. Measurements: test/bench/NOTES.md.
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

/** Gradient pairs per block and round; 1 for the single gradient of the `gradient` method. */
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

/** Gradient draws of a block in one round. */
export const drawsOf = (method: BlockConfiguration['method'], pairs: number): number =>
  method === 'first-order' ? 2 * pairs : 1

/** Mean r/(1-r) of a component after its first round (test/bench/NOTES.md). */
const oddsOfRound = { 'first-order': 6, gradient: 0.35 } as const

/**
 * Expected rounds until a component reaches a target reliability, extrapolated from the development model. Not an
 * integer.
 */
export const likelyRounds = (method: BlockConfiguration['method'], target: number): number =>
  Math.max(1, target / (1 - target) / oddsOfRound[method]) * 1.2

/**
 * Total rounds that a component of the given reliability needs to reach a target. r/(1-r) grows in proportion to
 * them.
 */
export const roundsNeeded = (rounds: number, reliability: number, target: number): number =>
  reliability <= 0.02 ? Infinity : Math.ceil((rounds * target * (1 - reliability)) / ((1 - target) * reliability))
