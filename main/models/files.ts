import { open, type FileHandle } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import { readingFault } from '../base/faults'
import { isLfsPointerFile, pointerRemedy } from '../base/git-lfs'
import { decodeText } from '../base/json-text'

/**
 * A tokenizer.json or an index has a few megabytes; a longer text than this would not fit into a string with what is
 * made of it.
 */
const mostTextBytes = 256 * 2 ** 20

const count = (bytes: number): string => bytes.toLocaleString('en')

export interface ModelFile {
  readonly handle: FileHandle
  /** Bytes. */
  readonly size: number
}

/**
 * Opens a file of a model for reading. Throws an `input` error that ends in `remedy` for one that cannot be opened
 * or is a folder, and one that says what to do for a Git LFS pointer.
 */
export const openModelFile = async (path: string, remedy: string): Promise<ModelFile> => {
  let handle: FileHandle | undefined
  try {
    handle = await open(path)
    const { size } = await handle.stat()
    if (await isLfsPointerFile(handle, size)) throw new SpectroscopeError('input', `${path} is ${pointerRemedy}.`)
    return { handle, size }
  } catch (error) {
    await handle?.close()
    if (error instanceof SpectroscopeError) throw error
    throw new SpectroscopeError('input', `${path} ${readingFault(error)}; ${remedy}.`, { cause: error })
  }
}

/**
 * The text of a model's JSON file, without a byte order mark. Throws as `openModelFile` does, and for what is no
 * UTF-8 or too large.
 */
export const readModelText = async (path: string, remedy: string): Promise<string> => {
  const { handle, size } = await openModelFile(path, remedy)
  try {
    if (size > mostTextBytes) {
      throw new SpectroscopeError(
        'input',
        `${path} has ${count(size)} bytes, and ${count(mostTextBytes)} at most are read; ${remedy}.`
      )
    }
    const bytes = await handle.readFile()
    try {
      return decodeText(bytes)
    } catch (error) {
      throw new SpectroscopeError('input', `${path} is ${(error as Error).message}; ${remedy}.`, { cause: error })
    }
  } finally {
    await handle.close()
  }
}
