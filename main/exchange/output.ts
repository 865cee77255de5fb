import { stat } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'

/** Throws a `usage` error where there is a folder of that name, or a file that must not be replaced. */
export const refuseToReplace = async (file: string, overwrite: boolean): Promise<void> => {
  const there = await stat(file).catch(() => undefined)
  if (there?.isDirectory() === true) throw new SpectroscopeError('usage', `${file} is a folder; give the name of a file in it.`)
  if (there !== undefined && !overwrite) throw new SpectroscopeError('usage', `${file} is there already; choose another name, or allow that it is replaced (--overwrite).`)
}
