import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { DuckDBBlobValue, DuckDBMapType, DuckDBStructType, DuckDBTypeId } from '@duckdb/node-api'
import { SpectroscopeError } from '../../preload/errors'
import { literal, openInMemory } from '../base/confined-duckdb'
import { decodeText } from '../base/json-text'
import type { CorpusFile } from './corpus-file'
import { someNames, subsetName, valueAt } from './records'
import type { CorpusDocument, Fields } from './records'

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const isText = ({ typeId }: DuckDBType): boolean => typeId === DuckDBTypeId.VARCHAR || typeId === DuckDBTypeId.BLOB

/** SQL for a value of a row. `within` is the rest of the path, to be followed inside it if it is JSON text. */
interface Place {
  readonly sql: string
  readonly type: DuckDBType
  readonly within: string
}

/** Resolves a dotted path through structs, maps and JSON text. Returns undefined if it does not exist. */
const placeIn = ({ sql, type }: Omit<Place, 'within'>, keys: readonly string[]): Place | undefined => {
  const [key, ...rest] = keys
  if (key === undefined || isText(type)) return { sql, type, within: keys.join('.') }
  if (type instanceof DuckDBStructType) {
    const entry = type.entryNames.indexOf(key)
    return entry < 0
      ? undefined
      : placeIn({ sql: `struct_extract(${sql}, ${literal(key)})`, type: type.entryTypes[entry] }, rest)
  }
  if (!(type instanceof DuckDBMapType) || !isText(type.keyType)) return undefined
  const bytes = type.keyType.typeId === DuckDBTypeId.BLOB ? '::BLOB' : ''
  return placeIn({ sql: `map_extract_value(${sql}, ${literal(key)}${bytes})`, type: type.valueType }, rest)
}

const columnAt = (columns: ReadonlyMap<string, DuckDBType>, path: string): Place | undefined => {
  const whole = columns.get(path)
  if (whole !== undefined) return { sql: quoted(path), type: whole, within: '' }
  const [column, ...keys] = path.split('.')
  const type = columns.get(column)
  return type === undefined ? undefined : placeIn({ sql: quoted(column), type }, keys)
}

const columnsOf = async (connection: DuckDBConnection, source: string): Promise<Map<string, DuckDBType>> => {
  const result = await connection.run(`SELECT * FROM ${source} LIMIT 0`)
  return new Map(Array.from({ length: result.columnCount }, (_, i) => [result.columnName(i), result.columnType(i)]))
}

const notText = /not valid UTF|Invalid string encoding/i

/**
 * Wraps an error from reading a table. DuckDB quotes invalid UTF-8 text in full; this error names the column instead.
 */
const withColumn = async (
  error: unknown,
  { path }: CorpusFile,
  connection: DuckDBConnection,
  source: string,
  read: number,
  places: ReadonlyMap<string, Place>
): Promise<unknown> => {
  if (error instanceof SpectroscopeError || !(error instanceof Error) || !notText.test(error.message)) return error
  for (const [field, { sql }] of places) {
    const fails = await connection.run(`SELECT max(length(${sql})) FROM ${source}`).then(
      () => false,
      () => true
    )
    if (fails)
      return new SpectroscopeError(
        'input',
        `${path}: the column "${field}" holds a text that is not valid UTF-8` +
          `${read === 0 ? '' : `, after row ${read.toLocaleString('en')}`}; write the column again as UTF-8.`
      )
  }
  return error
}

/**
 * Yields the rows of a Parquet file. A binary column without a text annotation is read as text if it is valid UTF-8.
 * Throws an `input` error that names the row or the column.
 */
export async function* readParquet(
  file: CorpusFile,
  fields: Fields,
  onBytes: (bytes: number) => void
): AsyncGenerator<CorpusDocument> {
  // Brackets escape characters that DuckDB would expand as a glob pattern.
  const pattern = file.path.replace(/[*?[]/g, '[$&]')
  const instance = await openInMemory([file.path, pattern])
  const connection = await instance.connect()
  try {
    const source = `read_parquet(${literal(pattern)})`
    const columns = await columnsOf(connection, source)
    const [text, subset] = [columnAt(columns, fields.textField), columnAt(columns, fields.subsetField)]
    if (text === undefined)
      throw new SpectroscopeError(
        'input',
        `${file.path}: no column "${fields.textField}" (there are: ${someNames(columns.keys())}); ` +
          'correct "corpus.textField".'
      )
    const total = Number((await connection.runAndReadAll(`SELECT count(*) FROM ${source}`)).getRows()[0][0])
    let record = 0
    const read = (value: DuckDBValue, { within }: Place, field: string): unknown => {
      try {
        const plain = value instanceof DuckDBBlobValue ? decodeText(value.bytes) : value
        return within === '' ? plain : valueAt(plain, within)
      } catch (error) {
        throw new SpectroscopeError(
          'input',
          `${file.path}: row ${record + 1}: "${field}" is ${(error as Error).message}; ` +
            'correct the row, or name another column.',
          { cause: error }
        )
      }
    }
    const subsetSql = subset === undefined ? 'NULL' : isText(subset.type) ? subset.sql : `${subset.sql}::VARCHAR`
    try {
      for await (const rows of (
        await connection.stream(`SELECT ${text.sql}, ${subsetSql} FROM ${source}`)
      ).yieldRows()) {
        for (const [value, name] of rows) {
          const found = read(value, text, fields.textField)
          if (typeof found !== 'string')
            throw new SpectroscopeError(
              'input',
              `${file.path}: row ${record + 1} has no text in "${fields.textField}"; ` +
                'correct "corpus.textField" or the row.'
            )
          const named = subset === undefined ? null : read(name, subset, fields.subsetField)
          yield { text: found, subset: subsetName(named, file.subset), file: file.name, record: record++ }
        }
        onBytes(Math.floor((file.bytes * record) / total))
      }
    } catch (error) {
      const places = new Map([[fields.textField, text]])
      if (subset !== undefined) places.set(fields.subsetField, subset)
      throw await withColumn(error, file, connection, source, record, places)
    }
    if (record < total)
      throw new SpectroscopeError(
        'input',
        `${file.path}: the file says that it has ${total.toLocaleString('en')} rows, ` +
          `and ${record.toLocaleString('en')} are there; fetch or write it again.`
      )
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
