import { open, type FileHandle } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import { readingFault } from '../base/faults'
import { isLfsPointerFile, pointerRemedy } from '../base/git-lfs'
import { decodeText } from '../base/json-text'
import { truncated } from './safetensors-header'

/**
 * Limit for a JSON file. A tokenizer.json or index is a few megabytes; a longer text and what is derived from it
 * would not fit in a string.
 */
const mostTextBytes = 256 * 2 ** 20

const count = (bytes: number): string => bytes.toLocaleString('en')

export interface ModelFile {
  readonly handle: FileHandle
  /** Size in bytes. */
  readonly size: number
}

/**
 * Opens a model's file for reading. Throws an `input` error that ends in `remedy` if it cannot be opened or is a
 * folder. For a Git LFS pointer, the error says how to fetch the file.
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
 * Reads a model's JSON file as text, without a byte order mark. Throws as `openModelFile` does, and if the file is
 * not UTF-8 or too large.
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

const blockBytes = 8 * 2 ** 20

/** Fills `target` from byte `position` of a file on. Throws an `input` error if the file ends before. */
export const readFully = async (
  file: FileHandle,
  path: string,
  target: Uint8Array,
  position: number
): Promise<void> => {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, Math.min(target.length - done, blockBytes), position + done)
    if (bytesRead === 0) throw truncated(path, position + target.length, position + done)
    done += bytesRead
  }
}
