import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder, writingError } from '../base/files'
import { readSection } from '../base/section-file'

/** Storage for float32 numbers. `place` and lengths count numbers, not bytes. */
export interface Storage {
  write(place: number, values: Float32Array): Promise<void>
  read(place: number, into: Float32Array): Promise<void>
  /** Frees the storage and its contents. */
  close(): Promise<void>
}

/** Opens storage for `length` numbers. */
export type OpenStorage = (length: number) => Promise<Storage>

export const inMemory: OpenStorage = (length) => {
  const all = new Float32Array(length)
  return Promise.resolve({
    write: (place, values) => Promise.resolve(all.set(values, place)),
    read: (place, into) => Promise.resolve(into.set(all.subarray(place, place + into.length))),
    close: () => Promise.resolve()
  })
}

/**
 * Storage in a file that is deleted on closing. Writes stop once `signal` aborts. Throws a `storage` error if the
 * file cannot be written.
 */
export const inFile =
  (path: string, signal?: AbortSignal): OpenStorage =>
  async () => {
    await makeFolder(dirname(path))
    const failed = (error: unknown): never => {
      throw writingError(path, error)
    }
    const file = await open(path, 'w+').catch(failed)
    return {
      write: async (place, values) => {
        signal?.throwIfAborted()
        const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
        for (let written = 0; written < bytes.length;) {
          const rest = bytes.subarray(written)
          written += (await file.write(rest, 0, rest.length, 4 * place + written).catch(failed)).bytesWritten
        }
      },
      read: async (place, into) => {
        signal?.throwIfAborted()
        await readSection(file, 4 * place, into)
      },
      close: async () => {
        await file.close()
        await rm(path, { force: true })
      }
    }
  }

export interface ColumnsShape {
  readonly tokens: number
  readonly columns: number
  /** Number of matrices. */
  readonly matrices: number
}

/** Default limit of numbers in a tile. */
export const usualTile = 2 ** 23

/** Transposes [width, count] to [count, width]. */
const transposed = (columns: Float32Array, width: number): Float32Array => {
  const rows = new Float32Array(columns.length)
  const count = columns.length / width
  const side = 16
  for (let top = 0; top < count; top += side) {
    const bottom = Math.min(top + side, count)
    for (let left = 0; left < width; left += side) {
      const right = Math.min(left + side, width)
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) rows[row * width + column] = columns[column * count + row]
      }
    }
  }
  return rows
}

/** Part of a column: the tokens first … first + count - 1, stored at `place`. */
interface Segment {
  readonly first: number
  readonly count: number
  readonly place: number
}

interface Tile {
  readonly first: number
  readonly rows: Float32Array
}

/**
 * Matrices [tokens, columns] that are written by columns and read by rows or columns. Each matrix is stored in tiles
 * of consecutive tokens, so only a column and one or two tiles are in memory.
 */
export class Columns {
  /** Tiles that rows were last read from, by matrix. */
  readonly #tiles = new Map<number, Tile>()

  private constructor(
    readonly shape: ColumnsShape,
    private readonly storage: Storage,
    private readonly tileTokens: number
  ) {}

  /** Runs `work` with new matrices. Closes them if it throws. */
  static async with<T>(
    shape: ColumnsShape,
    openStorage: OpenStorage,
    work: (columns: Columns) => Promise<T>,
    tile = usualTile
  ): Promise<T> {
    const { tokens, columns, matrices } = shape
    const storage = await openStorage(matrices * tokens * columns)
    const made = new Columns(shape, storage, Math.max(1, Math.floor(tile / columns)))
    try {
      return await work(made)
    } catch (error) {
      await made.close()
      throw error
    }
  }

  *#segments(matrix: number, column: number): Generator<Segment> {
    const { tokens, columns } = this.shape
    for (let first = 0; first < tokens; first += this.tileTokens) {
      const count = Math.min(this.tileTokens, tokens - first)
      yield { first, count, place: (matrix * tokens + first) * columns + column * count }
    }
  }

  /** Writes a column, [tokens]. */
  async put(matrix: number, column: number, values: Float32Array): Promise<void> {
    for (const { first, count, place } of this.#segments(matrix, column)) {
      await this.storage.write(place, values.subarray(first, first + count))
    }
  }

  /** Reads a column, [tokens]. */
  async column(matrix: number, column: number): Promise<Float32Array> {
    const values = new Float32Array(this.shape.tokens)
    for (const { first, count, place } of this.#segments(matrix, column)) {
      await this.storage.read(place, values.subarray(first, first + count))
    }
    return values
  }

  /** Reads the rows first … first + count - 1, [count, columns]. */
  async rows(matrix: number, first: number, count: number): Promise<Float32Array> {
    const { columns } = this.shape
    const rows = new Float32Array(count * columns)
    for (let at = first; at < first + count;) {
      const tile = await this.#tile(matrix, at)
      const end = Math.min(first + count, tile.first + tile.rows.length / columns)
      rows.set(tile.rows.subarray((at - tile.first) * columns, (end - tile.first) * columns), (at - first) * columns)
      at = end
    }
    return rows
  }

  async #tile(matrix: number, token: number): Promise<Tile> {
    const { tokens, columns } = this.shape
    const first = token - (token % this.tileTokens)
    const known = this.#tiles.get(matrix)
    if (known?.first === first) return known
    // Keep two tiles: χ̂ and its errors are read alternately, everything else sequentially.
    for (const other of [...this.#tiles.keys()].slice(0, -1)) this.#tiles.delete(other)
    this.#tiles.delete(matrix)
    const values = new Float32Array(Math.min(this.tileTokens, tokens - first) * columns)
    await this.storage.read((matrix * tokens + first) * columns, values)
    const tile = { first, rows: transposed(values, columns) }
    this.#tiles.set(matrix, tile)
    return tile
  }

  close(): Promise<void> {
    return this.storage.close()
  }
}
