import { SpectroscopeError } from '../../preload/errors'
import type { Precision } from '../../preload/precisions'
import { componentSlices, flatten } from '../models/components'
import { halfRemedy } from './estimates'
import type { ChainsPlan } from './chains-plan'
import { type BlocksInput, sampledNames } from './input'
import type { Lockstep } from './lockstep'
import type { OperationCounts } from './operation-counts'
import type { Pool } from './pool'
import type { RowBlock } from './rows'
import { sharedCopy } from './shared-arrays'

/** Throws a `sampling` error unless the loss at w* is finite. */
export const checkInitialLoss = (loss: number, precision: Precision | undefined): void => {
  if (Number.isFinite(loss)) return
  const remedy =
    precision === 'float16'
      ? `${halfRemedy}, or check that its weights are complete`
      : 'check that its weights are complete'
  throw new SpectroscopeError(
    'sampling',
    `The loss of the model as given is not finite on the observation rows; ${remedy}.`
  )
}

/**
 * Measures the summed loss of every observation row at w*, in nats [rows]. Always runs through the last component of
 * the whole run, so that every shard gets the same bits.
 */
export const measureRowLosses = async (
  { model: { architecture, weights }, components, threads }: BlocksInput,
  rows: number,
  blocks: readonly RowBlock[],
  pool: Pool,
  lockstep: Lockstep
): Promise<number[]> => {
  const component = components[components.length - 1]
  const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
  const losses = new Array<number>(rows).fill(NaN)
  for (let start = 0; start < blocks.length; start += threads) {
    await lockstep.settled(
      blocks.slice(start, start + threads).map(async (block) => {
        const [prefix] = await lockstep.openPrefixes([block])
        const sums = await pool.run<'rowLosses'>({ kind: 'rowLosses', component, centre, prefix }, 0)
        pool.release(prefix)
        block.indices.forEach((row, i) => (losses[row] = sums[i]))
      })
    )
  }
  return losses
}

/**
 * Measures the loss at w*, summed over the rows that L averages over, in nats. The lanes store the losses of the
 * studied tokens. Always runs through the cheapest component of the whole run, so that every shard gets the same
 * bits.
 */
export const measureLossSum = async (
  { input, evaluated, observation, sizes }: ChainsPlan,
  pool: Pool,
  lockstep: Lockstep,
  counts: OperationCounts
): Promise<number> => {
  const { architecture, weights } = input.model
  const names = sampledNames(input)
  const costs = names.map((component) => counts.of(component, evaluated, 'losses'))
  const component = names[costs.indexOf(Math.min(...costs))]
  const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
  const blocks = evaluated.map((block, i) => ({ block, isProbe: i >= observation.length }))
  let sum = 0
  const atOnce = Math.min(input.threads, sizes.held)
  for (let start = 0; start < blocks.length; start += atOnce) {
    const parts = await lockstep.settled(
      blocks.slice(start, start + atOnce).map(async ({ block, isProbe }) => {
        const [prefix] = await lockstep.openPrefixes([block])
        const probeRows = isProbe ? block.indices : null
        const part = await pool.run<'initial'>({ kind: 'initial', component, centre, prefix, probeRows }, 0)
        pool.release(prefix)
        return isProbe && !input.observationIncludesProbe ? 0 : part
      })
    )
    for (const part of parts) sum += part
  }
  return sum
}
