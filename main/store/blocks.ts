import { createRequire } from 'node:module'
import { BOOLEAN, DOUBLE, DuckDBDataChunk, FLOAT, INTEGER, LIST, VARCHAR } from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import type bindings from '@duckdb/node-bindings'
import { concatenate } from '../base/concatenate'

/** The low-level bindings used by node-api. Only these can fill vectors with whole arrays. */
const duckdb = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'))(
  '@duckdb/node-bindings'
) as typeof bindings
type Vector = bindings.Vector

type Numbers = Int32Array | Float32Array | Float64Array
type NumbersConstructor<T extends Numbers> = new (length: number) => T

/**
 * A column of rows to append: numbers, booleans as 0 and 1, texts, one number for all rows, numbers of which some are
 * NULL, or lists (list i ends at `ends(i)` in `values`).
 */
export type Column =
  | number
  | Numbers
  | Uint8Array
  | readonly (string | null)[]
  | { readonly optional: Numbers; readonly isNull: (value: number) => boolean }
  | { readonly values: Int32Array | Float32Array; readonly ends: (row: number) => number }

/** Lists of equal length: the rows of a row-major matrix. */
export const listsOf = (values: Int32Array | Float32Array, width: number): Column => ({
  values,
  ends: (row) => (row + 1) * width
})

/** Lists of different lengths. */
export const raggedLists = (arrays: readonly (Int32Array | Float32Array)[]): Column => {
  const ends = new Int32Array(arrays.length)
  arrays.forEach(({ length }, i) => (ends[i] = (i === 0 ? 0 : ends[i - 1]) + length))
  return { values: concatenate(arrays), ends: (row) => ends[row] }
}

/** Real numbers, with NULL for NaN. */
export const realsOrNull = (values: Float32Array | Float64Array): Column => ({ optional: values, isNull: Number.isNaN })

/** Indices, with NULL for negative numbers. */
export const indicesOrNull = (values: Int32Array): Column => ({ optional: values, isNull: (value) => value < 0 })

const isTexts = (column: Column): column is readonly (string | null)[] => Array.isArray(column)

const numberType = (values: Numbers): DuckDBType =>
  values instanceof Int32Array ? INTEGER : values instanceof Float32Array ? FLOAT : DOUBLE
const typeOf = (column: Column): DuckDBType => {
  if (typeof column === 'number') return INTEGER
  if (isTexts(column)) return VARCHAR
  if (column instanceof Uint8Array) return BOOLEAN
  if ('optional' in column) return numberType(column.optional)
  return 'ends' in column ? LIST(numberType(column.values)) : numberType(column)
}

const copyInto = (vector: Vector, values: Numbers | BigUint64Array | Uint8Array): void => {
  const own = values.buffer instanceof ArrayBuffer ? values : values.slice()
  duckdb.copy_data_to_vector(vector, 0, own.buffer as ArrayBuffer, own.byteOffset, own.byteLength)
}

const fillLists = (
  vector: Vector,
  { values, ends }: Extract<Column, { ends: unknown }>,
  first: number,
  count: number
): void => {
  const start = first === 0 ? 0 : ends(first - 1)
  const entries = new BigUint64Array(2 * count)
  let from = start
  for (let i = 0; i < count; i++) {
    const end = ends(first + i)
    entries[2 * i] = BigInt(from - start)
    entries[2 * i + 1] = BigInt(end - from)
    from = end
  }
  duckdb.list_vector_reserve(vector, from - start)
  duckdb.list_vector_set_size(vector, from - start)
  copyInto(vector, entries)
  copyInto(duckdb.list_vector_get_child(vector), values.subarray(start, from))
}

const fillSome = (
  vector: Vector,
  { optional, isNull }: Extract<Column, { optional: unknown }>,
  first: number,
  count: number
): void => {
  const values = optional.subarray(first, first + count)
  copyInto(vector, values)
  // One bit per row, in 64-bit words.
  const bits = new Uint8Array(8 * Math.ceil(count / 64)).fill(0xff)
  let complete = true
  values.forEach((value: number, row: number) => {
    if (!isNull(value)) return
    complete = false
    bits[row >> 3] &= ~(1 << (row & 7))
  })
  if (complete) return
  duckdb.vector_ensure_validity_writable(vector)
  duckdb.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, bits.byteLength)
}

const fill = (chunk: DuckDBDataChunk, index: number, column: Column, first: number, count: number): void => {
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
  if (typeof column === 'number') copyInto(vector, new Int32Array(count).fill(column))
  else if (isTexts(column)) chunk.setColumnValues(index, column.slice(first, first + count))
  else if ('optional' in column) fillSome(vector, column, first, count)
  else if ('ends' in column) fillLists(vector, column, first, count)
  else copyInto(vector, column.subarray(first, first + count))
}

const vectorSize = duckdb.vector_size()

/**
 * One chunk per combination of types, reused. V8 does not count the memory of chunks, so dropped ones would
 * accumulate.
 */
const chunks = new Map<string, DuckDBDataChunk>()

const chunkOf = (types: readonly DuckDBType[]): DuckDBDataChunk => {
  const key = types.join()
  const chunk = chunks.get(key) ?? DuckDBDataChunk.create(types)
  chunks.set(key, chunk)
  return chunk
}

/**
 * Appends `count` rows to a table, writing its columns directly into DuckDB's vectors. A million rows of two 32-float
 * lists take some seconds, as long as blobs would, and any DuckDB client can read them.
 */
export const append = async (
  connection: DuckDBConnection,
  table: string,
  count: number,
  columns: readonly Column[]
): Promise<void> => {
  const types = columns.map(typeOf)
  const appender = await connection.createAppender(table)
  const chunk = chunkOf(types)
  try {
    for (let first = 0; first < count; first += vectorSize) {
      const rows = Math.min(vectorSize, count - first)
      chunk.reset()
      chunk.rowCount = rows
      columns.forEach((column, index) => fill(chunk, index, column, first, rows))
      appender.appendDataChunk(chunk)
    }
    appender.flushSync()
  } finally {
    chunk.reset()
    appender.closeSync()
  }
}

const viewOf = <T extends Numbers>(Type: NumbersConstructor<T>, vector: Vector, count: number): T => {
  const { buffer, byteOffset } = duckdb.vector_get_data(
    vector,
    count * 4 * (Type === (Float64Array as unknown) ? 2 : 1)
  )
  return new (Type as unknown as new (buffer: ArrayBufferLike, offset: number, length: number) => T)(
    buffer,
    byteOffset,
    count
  )
}

export interface Listed<T> {
  readonly values: T
  readonly starts: (row: number) => number
  readonly lengths: (row: number) => number
}

/** One chunk of a result. Its arrays are valid until the next chunk is fetched. */
export interface Block {
  readonly rows: number
  integers(column: number): Int32Array
  floats(column: number): Float32Array
  doubles(column: number): Float64Array
  texts(column: number): (string | null)[]
  /**
   * All lists of a column, concatenated. That of row i begins at `starts(i)` in `values` and has `lengths(i)`
   * elements.
   */
  listed<T extends Int32Array | Float32Array>(column: number, Type: NumbersConstructor<T>): Listed<T>
  /** Calls `each` with every row's list. */
  lists<T extends Int32Array | Float32Array>(
    column: number,
    Type: NumbersConstructor<T>,
    each: (list: T, row: number) => void
  ): void
}

const blockOf = (chunk: DuckDBDataChunk): Block => {
  const rows = chunk.rowCount
  const vector = (column: number): Vector => duckdb.data_chunk_get_vector(chunk.chunk, column)
  const listed: Block['listed'] = (column, Type) => {
    const list = vector(column)
    const bytes = duckdb.vector_get_data(list, rows * 16)
    // Offset and length of each list, 64 bits each. The high words are 0, because no chunk has 2^32 values.
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, rows * 4)
    return {
      values: viewOf(Type, duckdb.list_vector_get_child(list), duckdb.list_vector_get_size(list)),
      starts: (row) => words[4 * row],
      lengths: (row) => words[4 * row + 2]
    }
  }
  return {
    rows,
    integers: (column) => viewOf(Int32Array, vector(column), rows),
    floats: (column) => viewOf(Float32Array, vector(column), rows),
    doubles: (column) => viewOf(Float64Array, vector(column), rows),
    texts: (column) => chunk.getColumnValues(column) as (string | null)[],
    listed,
    lists: (column, Type, each) => {
      const { values, starts, lengths } = listed(column, Type)
      for (let row = 0; row < rows; row++)
        each(values.subarray(starts(row), starts(row) + lengths(row)) as typeof values, row)
    }
  }
}

/** Runs a query and passes its rows on block by block, without holding them all. */
export const forEachBlock = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly DuckDBValue[],
  each: (block: Block) => void
): Promise<void> => {
  const result = await connection.stream(sql, [...values])
  for (;;) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    each(blockOf(chunk))
  }
}
