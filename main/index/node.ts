import { SpectroscopeError } from '../../preload/errors'
import { packedNode } from '../base/entries'

/**
 * Path of the Node that children run in: the packaged one, or in development the one that started the program
 * (tools/start.mjs sets it). Throws a `usage` error if there is none.
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
