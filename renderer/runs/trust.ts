import type { RunHealth } from '../../preload/contract'
import { reliabilityText } from './blocks'
import { isNoisy } from './diagnostics'

/** How far a column's numbers can be trusted. */
export interface ColumnTrust {
  readonly reliability: number
  readonly centredReliability: number
  /** The lower of both, 0 to 1; 0 if unknown. */
  readonly least: number
  /** Mostly noise: one of them is below the threshold. */
  readonly noisy: boolean
}

/** By component. */
export const trustOf = ({ diagnostics, threshold }: RunHealth): ReadonlyMap<string, ColumnTrust> =>
  new Map(
    diagnostics
      .filter(({ component }) => component !== 'full')
      .map((each) => {
        const { component, reliability, centredReliability } = each
        const least = Math.min(reliability, centredReliability)
        return [
          component,
          {
            reliability,
            centredReliability,
            least: Number.isNaN(least) ? 0 : Math.max(0, Math.min(1, least)),
            noisy: isNoisy(each, threshold)
          }
        ]
      })
  )

/** "reliability 0.84, centred 0.79", with a warning if it is low. */
export const trustWords = ({ reliability, centredReliability, noisy }: ColumnTrust): string =>
  `reliability ${reliabilityText(reliability)}, centred ${reliabilityText(centredReliability)}` +
  (noisy ? ', mostly noise' : '')

/** A warning if more than half of the columns are mostly noise, else null. */
export const mostlyNoiseWords = (trust: ReadonlyMap<string, ColumnTrust>, threshold: number): string | null => {
  const noisy = [...trust.values()].filter((column) => column.noisy).length
  return 2 * noisy > trust.size ? `Most columns are mostly noise: ${noisy} of ${trust.size} below ${threshold}` : null
}
