import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder, writingError } from '../base/files'
import { readSection } from '../base/section-file'

/** Where numbers lie. Places and lengths count numbers of four bytes. */
export interface Storage {
  write(place: number, values: Float32Array): Promise<void>
  read(place: number, into: Float32Array): Promise<void>
  /** Lets go of it, with all that it holds. */
  close(): Promise<void>
}

/** Opens storage for so many numbers. */
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
 * In a file that goes when it is closed, until `signal` aborts. Throws a `storage` error where it is not writable.
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
  /** How many matrices. */
  readonly matrices: number
}

/** Numbers of one matrix that are put together for its rows, at most. */
export const usualTile = 2 ** 23

/** Rows of these many numbers, of some columns' values one after another. */
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

/** Some of a column: `place` in storage of the tokens [first, first + count). */
interface Piece {
  readonly first: number
  readonly count: number
  readonly place: number
}

interface Tile {
  readonly first: number
  readonly rows: Float32Array
}

/**
 * Matrices [tokens, columns] that are written column by column and read by rows, or by columns again. Storage has a
 * matrix in tiles of consecutive tokens, each of which is one stretch: a tile or two are in memory, and a column.
 */
export class Columns {
  /** Tiles that rows were read of last. */
  readonly #tiles = new Map<number, Tile>()

  private constructor(
    readonly shape: ColumnsShape,
    private readonly storage: Storage,
    private readonly tileTokens: number
  ) {}

  /** Does `work` with new ones; they are closed where it throws. */
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

  *#pieces(matrix: number, column: number): Generator<Piece> {
    const { tokens, columns } = this.shape
    for (let first = 0; first < tokens; first += this.tileTokens) {
      const count = Math.min(this.tileTokens, tokens - first)
      yield { first, count, place: (matrix * tokens + first) * columns + column * count }
    }
  }

  /** Writes a column, [tokens]. */
  async put(matrix: number, column: number, values: Float32Array): Promise<void> {
    for (const { first, count, place } of this.#pieces(matrix, column)) {
      await this.storage.write(place, values.subarray(first, first + count))
    }
  }

  /** A column, [tokens]. */
  async column(matrix: number, column: number): Promise<Float32Array> {
    const values = new Float32Array(this.shape.tokens)
    for (const { first, count, place } of this.#pieces(matrix, column)) {
      await this.storage.read(place, values.subarray(first, first + count))
    }
    return values
  }

  /** Rows [first, first + count), [count, columns]. */
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
    // χ̂ and its errors are read in turns; everything else one after another.
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
