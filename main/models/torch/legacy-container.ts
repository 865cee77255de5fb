import type { FileHandle } from 'node:fs/promises'
import { briefly } from '../../../preload/quoting'
import { openModelFile, readFully } from '../files'
import { broken, bytesPerElement, truncated } from '../safetensors-header'
import { bigEndian, mostPickleBytes, refused, type Container, type Place } from './container'
import { type Storage, UnfinishedPickle } from './objects'
import { unpickle } from './pickle'

/** What a file before ZIP archives begins with, as the first of its pickles. */
const magic = 0x1950a86a20f9469cfc6cn
const lengthBytes = 8
/** What is read first: the pickles of some thousand tensors. */
const firstBytes = 2 ** 18

interface Head {
  readonly value: unknown
  readonly storages: readonly Storage[]
  /** Keys of the storages, in the order in which they follow. */
  readonly keys: readonly string[]
  readonly end: number
}

const headOf = (path: string, bytes: Uint8Array): Head => {
  const first = unpickle(bytes)
  if (first.value !== magic) throw refused(path, 'it is a pickle, but not one that torch.save wrote; choose another')
  const version = unpickle(bytes, first.end)
  const system = unpickle(bytes, version.end)
  if (system.value instanceof Map && system.value.get('little_endian') === false) throw refused(path, bigEndian)
  const { value, storages, end } = unpickle(bytes, system.end)
  const keys = unpickle(bytes, end)
  if (!Array.isArray(keys.value)) throw broken(path, 'the file does not list its storages')
  return { value, storages, keys: keys.value.map(String), end: keys.end }
}

/** Reads the pickles at a file's beginning. Nothing says how long they are, so more is read while they are cut off. */
const readHead = async (path: string, handle: FileHandle, size: number): Promise<Head> => {
  const most = Math.min(size, mostPickleBytes)
  for (let length = Math.min(most, firstBytes); ; length = Math.min(most, 4 * length)) {
    const bytes = Buffer.alloc(length)
    await readFully(handle, path, bytes, 0)
    try {
      return headOf(path, bytes)
    } catch (error) {
      if (!(error instanceof UnfinishedPickle) || length === most) throw error
    }
  }
}

/** Where the storages are: each is its number of elements, in 8 bytes, and then the elements. */
const placesOf = async (
  path: string,
  handle: FileHandle,
  size: number,
  { keys, storages, end }: Head
): Promise<ReadonlyMap<string, Place>> => {
  const dtypes = new Map(storages.map(({ key, dtype }) => [key, dtype]))
  const places = new Map<string, Place>()
  let at = end
  for (const key of keys) {
    const dtype = dtypes.get(key)
    if (dtype === undefined) throw broken(path, `its pickle does not name the storage ${briefly(key)}`)
    const count = Buffer.alloc(lengthBytes)
    if (at + lengthBytes > size) throw truncated(path, at + lengthBytes, size)
    await readFully(handle, path, count, at)
    const bytes = Number(count.readBigUInt64LE()) * bytesPerElement(dtype)
    at += lengthBytes + bytes
    if (at > size) throw truncated(path, at, size)
    places.set(key, { start: at - bytes, bytes })
  }
  return places
}

/**
 * Opens a file as torch wrote it before 1.6: pickles of a number, a version, the system and the value, a list of
 * storages, and the storages one after another. Reads the pickles and the lengths of the storages. Throws an `input`
 * error, or a `PickleFault`.
 */
export const withLegacyContainer = async <T>(path: string, use: (container: Container) => Promise<T>): Promise<T> => {
  const { handle, size } = await openModelFile(path, 'check the path of the weights and its permissions')
  try {
    const head = await readHead(path, handle, size)
    let places: Promise<ReadonlyMap<string, Place>> | undefined
    return await use({
      value: head.value,
      placeOf: async ({ key }) => {
        places ??= placesOf(path, handle, size, head)
        const place = (await places).get(key)
        if (place === undefined) throw broken(path, `the file has no storage ${briefly(key)}, which its pickle names`)
        return place
      }
    })
  } finally {
    await handle.close()
  }
}
