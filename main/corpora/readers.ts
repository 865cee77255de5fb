import { DuckDBInstance } from '@duckdb/node-api'
import { createReadStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, extname, join, relative, resolve, sep } from 'node:path'
import type { CorpusConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'

export interface CorpusDocument {
  readonly text: string
  readonly subset: string
  /** Path from the base folder, with slashes. */
  readonly file: string
  /** Number of the record in the file: line of jsonl or row of Parquet, from 0; 0 for plain text. */
  readonly record: number
}

export interface CorpusFile {
  readonly path: string
  readonly name: string
  readonly kind: 'jsonl' | 'parquet' | 'text'
  readonly bytes: number
  /** Subset of records that name none. */
  readonly subset: string
  /** Found in a folder, rather than named. */
  readonly inFolder: boolean
}

type Fields = Pick<CorpusConfiguration, 'textField' | 'subsetField'>

const kinds: Readonly<Record<string, CorpusFile['kind']>> = { '.jsonl': 'jsonl', '.ndjson': 'jsonl', '.parquet': 'parquet' }
const largestText = 256 * 2 ** 20

const stem = (path: string): string => basename(path, extname(path))
const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

const describeFile = (path: string, bytes: number, baseFolder: string, subset: string, inFolder: boolean): CorpusFile => ({
  path, bytes, subset, inFolder, kind: kinds[extname(path).toLowerCase()] ?? 'text', name: relative(baseFolder, path).split(sep).join('/')
})

const listFolder = async (root: string, folder: string, baseFolder: string): Promise<CorpusFile[]> => {
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.')).sort(byName)
  const files: CorpusFile[] = []
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) files.push(...(await listFolder(root, path, baseFolder)))
    else if (entry.isFile()) {
      const [first, ...rest] = relative(root, path).split(sep)
      files.push(describeFile(path, (await stat(path)).size, baseFolder, rest.length > 0 ? first : stem(path), true))
    }
  }
  return files
}

/**
 * The files of a corpus, in the order in which they are read: as configured, folders searched through and sorted by name, each file
 * once. Hidden files and links in folders are left out. A record that names no subset belongs to that of its file's name, or of the
 * first folder below a configured folder. Throws an `input` error for a path that is not there.
 */
export const listCorpusFiles = async (paths: readonly string[], baseFolder: string): Promise<CorpusFile[]> => {
  const files = new Map<string, CorpusFile>()
  for (const given of paths) {
    const path = resolve(baseFolder, given)
    try {
      const found = await stat(path)
      const listed = found.isDirectory() ? await listFolder(path, path, baseFolder) : [describeFile(path, found.size, baseFolder, stem(path), false)]
      for (const file of listed) if (!files.has(file.path)) files.set(file.path, file)
    } catch (error) {
      throw new SpectroscopeError('input', `${path}: the corpus file or folder cannot be read (${faultCode(error)}); correct "corpus.files".`, { cause: error })
    }
  }
  return [...files.values()]
}

const unreadable = (file: CorpusFile, error: unknown): SpectroscopeError =>
  error instanceof SpectroscopeError ? error : new SpectroscopeError('input', `${file.path}: the file cannot be read (${faultCode(error)}); repair it or take it out of "corpus.files".`, { cause: error })

/** Lines as bytes, cut at line feeds only: JSON may hold the other line separators as they are. */
async function* readLines(path: string): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  for await (const block of createReadStream(path, { highWaterMark: 2 ** 20 }) as AsyncIterable<Buffer>) {
    let start = 0
    for (let end = block.indexOf(10); end >= 0; end = block.indexOf(10, start)) {
      yield Buffer.concat([...held, block.subarray(start, end)])
      held = []
      start = end + 1
    }
    if (start < block.length) held.push(block.subarray(start))
  }
  if (held.length > 0) yield Buffer.concat(held)
}

/** The value at a dotted path; a key that is the whole path comes first. */
const valueAt = (record: object, path: string): unknown => {
  if (path in record) return (record as Record<string, unknown>)[path]
  return path.split('.').reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined), record)
}

const subsetName = (value: unknown, otherwise: string): string =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? String(value) : otherwise

const decoder = new TextDecoder('utf-8', { fatal: true })

const parseLine = (file: CorpusFile, line: Buffer, number: number): object => {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(line))
  } catch (error) {
    throw new SpectroscopeError('input', `${file.path}:${number}: the line is not valid JSON in UTF-8; correct or remove it.`, { cause: error })
  }
  if (typeof value !== 'object' || value === null) throw new SpectroscopeError('input', `${file.path}:${number}: the line is not a JSON object; correct or remove it.`)
  return value
}

async function* readJsonl(file: CorpusFile, fields: Fields, onBytes: (bytes: number) => void): AsyncGenerator<CorpusDocument> {
  let record = 0
  let bytes = 0
  for await (const line of readLines(file.path)) {
    bytes += line.length + 1
    const number = record++
    if (line.every((byte) => byte === 32 || byte === 9 || byte === 13)) continue
    const value = parseLine(file, line, record)
    const text = valueAt(value, fields.textField)
    if (typeof text !== 'string') {
      throw new SpectroscopeError('input', `${file.path}:${record}: the record has no text at "${fields.textField}" (its keys: ${Object.keys(value).slice(0, 8).join(', ')}); correct "corpus.textField" or the record.`)
    }
    yield { text, subset: subsetName(valueAt(value, fields.subsetField), file.subset), file: file.name, record: number }
    onBytes(bytes)
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** SQL for a dotted path through a row's columns and their structs, or undefined if there is none. */
const columnAt = (types: ReadonlyMap<string, string>, path: string): string | undefined => {
  if (types.has(path)) return quoted(path)
  const [column, ...keys] = path.split('.')
  if (keys.length === 0 || types.get(column)?.startsWith('STRUCT') !== true) return undefined
  return keys.reduce((sql, key) => `struct_extract(${sql}, '${key.replaceAll('\'', '\'\'')}')`, quoted(column))
}

async function* readParquet(file: CorpusFile, fields: Fields, onBytes: (bytes: number) => void): AsyncGenerator<CorpusDocument> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  try {
    // Characters that DuckDB would expand as a pattern stand for themselves in brackets.
    const source = `read_parquet('${file.path.replace(/[*?[]/g, '[$&]').replaceAll('\'', '\'\'')}')`
    const described = (await connection.runAndReadAll(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${source})`)).getRowsJS() as [string, string][]
    const types = new Map(described)
    const selectable = async (field: string): Promise<string | undefined> => {
      const sql = columnAt(types, field)
      return sql === undefined ? undefined : connection.run(`SELECT ${sql} FROM ${source} LIMIT 0`).then(() => sql, () => undefined)
    }
    const text = await selectable(fields.textField)
    if (text === undefined) throw new SpectroscopeError('input', `${file.path}: no column "${fields.textField}" (there are: ${[...types.keys()].slice(0, 8).join(', ')}); correct "corpus.textField".`)
    const subset = await selectable(fields.subsetField)
    const total = Number((await connection.runAndReadAll(`SELECT count(*) FROM ${source}`)).getRows()[0][0])
    let record = 0
    for await (const rows of (await connection.stream(`SELECT ${text}, ${subset === undefined ? 'NULL' : `${subset}::VARCHAR`} FROM ${source}`)).yieldRows()) {
      for (const [value, name] of rows) {
        if (typeof value !== 'string') throw new SpectroscopeError('input', `${file.path}: row ${record + 1} has no text in "${fields.textField}"; correct "corpus.textField" or the row.`)
        yield { text: value, subset: subsetName(name, file.subset), file: file.name, record: record++ }
      }
      onBytes(Math.floor((file.bytes * record) / total))
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function* readText(file: CorpusFile): AsyncGenerator<CorpusDocument> {
  if (file.bytes > largestText) throw new SpectroscopeError('input', `${file.path}: a plain text file is one document, and one of ${file.bytes} bytes is too long; cut it into files or records of jsonl.`)
  const bytes = await readFile(file.path)
  let text: string | undefined
  try {
    text = bytes.includes(0) ? undefined : decoder.decode(bytes)
  } catch {
    text = undefined
  }
  if (text !== undefined) yield { text, subset: file.subset, file: file.name, record: 0 }
  else if (!file.inFolder) throw new SpectroscopeError('input', `${file.path}: the file is not text in UTF-8; convert it or take it out of "corpus.files".`)
}

/**
 * The documents of a corpus, one after the other: records of jsonl and Parquet files, whole plain text files. Documents of nothing but
 * white space are left out, and so are files in folders that are no UTF-8 text. `onProgress` gets bytes of all files. Throws an
 * `input` error that names the file and the line or row.
 */
export async function* readCorpus(corpus: Pick<CorpusConfiguration, 'files'> & Fields, baseFolder: string, onProgress?: (done: number, total: number) => void): AsyncGenerator<CorpusDocument> {
  const files = await listCorpusFiles(corpus.files, baseFolder)
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let before = 0
  for (const file of files) {
    const onBytes = (bytes: number): void => onProgress?.(Math.min(before + bytes, total), total)
    const documents = file.kind === 'jsonl' ? readJsonl(file, corpus, onBytes) : file.kind === 'parquet' ? readParquet(file, corpus, onBytes) : readText(file)
    try {
      for await (const document of documents) if (document.text.trim() !== '') yield document
    } catch (error) {
      throw unreadable(file, error)
    }
    before += file.bytes
    onBytes(0)
  }
}
