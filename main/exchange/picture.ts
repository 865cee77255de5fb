import { dirname, resolve } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { makeFolder, writeIdentified } from '../base/files'
import type { FileIdentity } from '../base/files'
import { refuseToReplace } from './output'
import type { Overwrite } from './output'

const pngSignature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

const isPicture = (content: Uint8Array): boolean =>
  pngSignature.equals(content.subarray(0, pngSignature.length)) ||
  /^\s*(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?<svg[\s/>]/.test(Buffer.from(content.subarray(0, 4096)).toString('utf8'))

/** Writes a picture of the graph as PNG or SVG. The file appears complete or not at all. */
export const writePicture = async (file: string, content: Uint8Array, overwrite: Overwrite): Promise<FileIdentity> => {
  if (!isPicture(content))
    throw new SpectroscopeError('usage', `${file}: the picture is neither PNG nor SVG; draw it again.`)
  await refuseToReplace(file, overwrite)
  await makeFolder(dirname(resolve(file)))
  return writeIdentified(file, content)
}
