import type { BlockConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { Precision } from '../../preload/precisions'
import { halfRemedy } from './estimates'

export interface Settings {
  readonly components: readonly string[]
  readonly sampler: BlockConfiguration
  readonly precision?: Precision | undefined
}

/** Advice for when a number is not finite. */
export const blockRemedy = ({ sampler: { gamma }, precision }: Omit<Settings, 'components'>): string =>
  `raise sampler.gamma (now ${gamma})${precision === 'float16' ? `, or ${halfRemedy}` : ''}`

/** Throws a `sampling` error if no component is left. */
export const checkBlocks = (settings: Settings, alive: readonly string[]): void => {
  if (alive.length > 0) return
  throw new SpectroscopeError(
    'sampling',
    `Every component (${settings.components.join(', ')}) ended with a non-finite number: ${blockRemedy(settings)}.`
  )
}
