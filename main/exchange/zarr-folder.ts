import { constants } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import * as zarr from 'zarrita'
import type { AbsolutePath, AsyncReadable } from 'zarrita'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { faultCode } from '../base/faults'
import { parseJson } from '../base/json-text'
import { contentLength } from './zarr-frames'
import { modernHead, olderHead, UnreadableArray } from './zarr-metadata'
import type { ArrayHead } from './zarr-metadata'

type Values = Readonly<Record<string, unknown>>

const mostMetadataBytes = 16 * 2 ** 20
/** Most bytes of a chunk of texts, whose length is not known from its metadata. */
const mostTextBytes = 64 * 2 ** 20
/** What a compressor may add to bytes that it cannot compress. */
const overhead = (bytes: number): number => Math.ceil(bytes / 64) + 2 ** 16

/** Windows has neither flag. O_NONBLOCK avoids waiting on a pipe. */
const withoutFollowing = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

const again = 'copy or save the store again'

const isValues = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An array of a store. */
export interface ZarrArray {
  readonly path: string
  readonly head: ArrayHead
  readonly array: zarr.Array<zarr.DataType, AsyncReadable>
}

/**
 * A Zarr store (version 3 or 2) in a folder, which may come from elsewhere: names are checked, no link in it is
 * followed, and sizes are compared with the metadata before anything is allocated. All errors are of kind `input`, and
 * name the file and the remedy.
 */
export class ZarrFolder implements AsyncReadable {
  readonly name: string
  readonly #folder: string
  readonly #heads = new Map<string, ArrayHead>()
  readonly #plainFolders = new Set<string>()

  constructor(readonly path: string) {
    this.#folder = resolve(path)
    this.name = basename(this.#folder)
  }

  fault(place: string, why: string, remedy = again): SpectroscopeError {
    return new SpectroscopeError('input', `${join(this.path, place)}: ${why}; ${remedy}.`)
  }

  /** Path of a file below the folder, whose folders are no links. */
  async #placeOf(key: string): Promise<string> {
    const parts = key.split('/').filter((part) => part !== '')
    let at = this.#folder
    for (const [depth, part] of parts.entries()) {
      if (part === '.' || part === '..' || /[\\\0]/.test(part)) throw this.fault('', 'a name in it leads out of it')
      at = join(at, part)
      if (depth === parts.length - 1 || this.#plainFolders.has(at)) continue
      const found = await lstat(at).catch(() => undefined)
      if (found?.isSymbolicLink() === true) throw this.#linked(key)
      this.#plainFolders.add(at)
    }
    return at
  }

  #linked(key: string): SpectroscopeError {
    return this.fault(key, 'this is a link, and a store must have none', 'put the file itself there')
  }

  /** Content of a file of at most `most` bytes; undefined if there is none. */
  async #read(key: string, most: number): Promise<Uint8Array | undefined> {
    const path = await this.#placeOf(key)
    if ((await lstat(path).catch(() => undefined))?.isSymbolicLink() === true) throw this.#linked(key)
    const handle = await open(path, withoutFollowing).catch((error: unknown) => {
      const code = faultCode(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
      if (code === 'ELOOP') throw this.#linked(key)
      throw this.fault(key, `it cannot be read (${code})`, 'change its permissions')
    })
    if (handle === undefined) return undefined
    try {
      const found = await handle.stat()
      if (!found.isFile()) throw this.fault(key, 'it is not a file')
      if (found.size > most) throw this.fault(key, `it has ${found.size.toLocaleString('en')} bytes, more than it can`)
      const bytes = new Uint8Array(found.size)
      let length = 0
      for (let read = 1; length < bytes.length && read > 0; length += read)
        read = (await handle.read(bytes, length, bytes.length - length, length)).bytesRead
      return bytes.subarray(0, length)
    } finally {
      await handle.close()
    }
  }

  async #json(key: string): Promise<Values | undefined> {
    const bytes = await this.#read(key, mostMetadataBytes)
    if (bytes === undefined) return undefined
    try {
      const value: unknown = parseJson(Buffer.from(bytes))
      if (isValues(value)) return value
    } catch (error) {
      throw this.fault(key, (error as Error).message)
    }
    throw this.fault(key, 'it is not an object')
  }

  /** Attributes of a group; undefined if there is no such group. */
  async attributes(group: string): Promise<Values | undefined> {
    const modern = await this.#json(`${group}/zarr.json`)
    if (modern !== undefined) {
      if (modern.node_type !== 'group') return undefined
      return isValues(modern.attributes) ? modern.attributes : {}
    }
    if ((await this.#json(`${group}/.zgroup`)) === undefined) return undefined
    return (await this.#json(`${group}/.zattrs`)) ?? {}
  }

  /** Names of what is directly below the store, sorted, without hidden files. */
  async names(): Promise<string[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true }).catch((error: unknown) => {
      throw this.fault('', `the folder cannot be read (${faultCode(error)})`, 'check its path and permissions')
    })
    return entries
      .filter((entry) => /^\w[\w .-]*$/.test(entry.name) && entry.isDirectory())
      .map(({ name }) => name)
      .sort()
  }

  async #headOf(path: string): Promise<ArrayHead | undefined> {
    try {
      const modern = await this.#json(`${path}/zarr.json`)
      if (modern !== undefined) return modernHead(modern)
      const older = await this.#json(`${path}/.zarray`)
      return older === undefined ? undefined : olderHead(older, (await this.#json(`${path}/.zattrs`)) ?? {})
    } catch (error) {
      if (error instanceof UnreadableArray) throw this.fault(path, `this array cannot be read: ${error.message}`)
      throw error
    }
  }

  /** Opens an array; undefined if there is none at that path. */
  async find(path: string): Promise<ZarrArray | undefined> {
    const head = await this.#headOf(path)
    if (head === undefined) return undefined
    this.#heads.set(path, head)
    const array = await zarr.open.v3(zarr.root(this).resolve(path), { kind: 'array' }).catch((error: unknown) => {
      throw this.fault(path, `this array cannot be read (${briefly((error as Error).message)})`)
    })
    return { path, head, array }
  }

  /** Opens an array of these dimensions. Throws if there is none, or if it has others. */
  async array(path: string, dimensions: readonly string[], kind: ArrayHead['kind'] = 'number'): Promise<ZarrArray> {
    const found = await this.find(path)
    if (found === undefined)
      throw this.fault(path, 'this array is missing', `save it with the dimensions ${dimensions.join(', ')}`)
    const { head } = found
    if (head.kind !== kind) throw this.fault(path, `this array is not of ${kind}s`)
    if (head.shape.length === dimensions.length && head.dimensions.every((name, at) => name === dimensions[at]))
      return found
    const named =
      head.dimensions.length === 0 ? `${head.shape.length} without names` : briefly(head.dimensions.join(', '))
    throw this.fault(path, `its dimensions must be ${dimensions.join(', ')}, and they are ${named}`)
  }

  /** Called by zarrita: metadata as it was checked, or a chunk whose length fits it. */
  async get(key: AbsolutePath): Promise<Uint8Array | undefined> {
    const place = key.slice(1)
    const path = [...this.#heads.keys()].find((one) => place.startsWith(`${one}/`))
    const head = path === undefined ? undefined : this.#heads.get(path)
    if (path === undefined || head === undefined) return undefined
    if (place === `${path}/zarr.json`) return new TextEncoder().encode(JSON.stringify(head.document))
    const { chunkBytes, compression } = head
    const most = chunkBytes ?? mostTextBytes
    const bytes = await this.#read(place, most + overhead(most))
    if (bytes === undefined) return undefined
    const length = contentLength(bytes, compression)
    if (length === undefined) throw this.fault(place, `this chunk is not compressed by ${compression}, or is damaged`)
    if (chunkBytes === undefined ? length > mostTextBytes : length !== chunkBytes)
      throw this.fault(place, `this chunk holds ${length} bytes, not the ${chunkBytes ?? mostTextBytes} of its array`)
    return bytes
  }

  /**
   * Part of an array, row-major as float64. `selection` has an index or a range for each dimension; null takes all of
   * it.
   */
  async numbers({ path, array, head }: ZarrArray, selection: Selection): Promise<Float64Array> {
    const chosen = selection.map((one) => (one === null || typeof one === 'number' ? one : zarr.slice(...one)))
    const { data } = await this.#decoded(path, zarr.get(array as zarr.Array<zarr.NumberDataType>, chosen))
    if (head.kind !== 'number') throw this.fault(path, 'this array is not of numbers')
    return Float64Array.from(data as unknown as ArrayLike<number | bigint>, Number)
  }

  /** All texts of an array of one dimension. */
  async texts({ path, array }: ZarrArray): Promise<string[]> {
    const { data } = await this.#decoded(path, zarr.get(array as zarr.Array<zarr.String>))
    return [...(data as Iterable<string>)]
  }

  async #decoded<T>(path: string, work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      if (error instanceof SpectroscopeError) throw error
      const cause = (error as Error).cause
      const told = cause instanceof Error ? cause : (error as Error)
      throw this.fault(path, `a chunk of this array is damaged (${briefly(told.message)})`)
    })
  }
}

/** For each dimension, an index, a range without its end, or null for all. */
export type Selection = readonly (number | readonly [from: number, to: number] | null)[]
