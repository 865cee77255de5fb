import { SpectroscopeError } from '../../preload/errors'
import { packedNode } from '../base/entries'

/**
 * The Node that children run in: the package's own, which no variable changes; in development the one that started
 * the program, as tools/start.mjs says. Throws a `usage` error where nothing says.
 */
export const nodeOfChildren = (isPackaged: boolean, environment: NodeJS.ProcessEnv = process.env): string => {
  if (isPackaged) return packedNode()
  const given = environment['SPECTROSCOPE_NODE'] ?? ''
  if (given === '')
    throw new SpectroscopeError(
      'usage',
      'There is no Node to compute with; start the program with npm start, or name a Node in SPECTROSCOPE_NODE.'
    )
  return given
}
