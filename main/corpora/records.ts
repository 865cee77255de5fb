import type { CorpusConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import type { CorpusFile } from './corpus-file'

export type Fields = Pick<CorpusConfiguration, 'textField' | 'subsetField'>

export interface CorpusDocument {
  readonly text: string
  readonly subset: string
  /** Path relative to the base folder, with slashes. */
  readonly file: string
  /**
   * Index of the record in the file, from 0: line of jsonl, entry of JSON, row of CSV or Parquet; 0 for plain text.
   */
  readonly record: number
}

/** JSON with integers that a double would round turned into strings of their digits. */
const withExactIntegers = (json: string): string => {
  let inString = false
  return json.replace(/\\[^]|"|-?\d[\d.eE+-]*/g, (token) => {
    if (token === '"') inString = !inString
    return !inString && /^-?\d{16,}$/.test(token) ? `"${token}"` : token
  })
}

/** Parses a text as a JSON object; undefined if it is not one. */
const objectInText = (text: string): object | undefined => {
  try {
    const value: unknown = JSON.parse(withExactIntegers(text))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const memberOf = (value: unknown, key: string): unknown => {
  const object = typeof value === 'string' ? objectInText(value) : value
  return typeof object === 'object' && object !== null && Object.hasOwn(object, key)
    ? (object as Record<string, unknown>)[key]
    : undefined
}

/** Value at a dotted path, through objects and JSON text. A key equal to the whole path takes precedence. */
export const valueAt = (record: unknown, path: string): unknown => {
  const whole = typeof record === 'string' ? undefined : memberOf(record, path)
  return whole === undefined ? path.split('.').reduce(memberOf, record) : whole
}

/**
 * Value at a path. An integer that a double would round is returned as text, taken from the JSON that the record was
 * read from.
 */
const exactValueAt = (record: object, json: string, path: string): unknown => {
  const value = valueAt(record, path)
  return Number.isInteger(value) && !Number.isSafeInteger(value)
    ? valueAt(JSON.parse(withExactIntegers(json)), path)
    : value
}

/** Subset that a record names, or `otherwise` if it names none. */
export const subsetName = (value: unknown, otherwise: string): string =>
  typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : otherwise

/** Some of the existing names, for a message: "a, b, c". */
export const someNames = (names: Iterable<string>): string => briefly([...names].slice(0, 8).join(', '))

/**
 * Document of a JSON record. `place` names the record in messages. Throws an `input` error if the record is not an
 * object or has no text.
 */
export const documentOf = (
  file: CorpusFile,
  fields: Fields,
  record: { readonly value: unknown; readonly json: string; readonly number: number },
  place: string
): CorpusDocument => {
  const { value, json, number } = record
  if (typeof value !== 'object' || value === null)
    throw new SpectroscopeError('input', `${place} is not a JSON object; correct or remove it.`)
  const text = valueAt(value, fields.textField)
  if (typeof text !== 'string') {
    const keys = Array.isArray(value) ? 'it is a list' : `its keys: ${someNames(Object.keys(value))}`
    throw new SpectroscopeError(
      'input',
      `${place} has no text at "${fields.textField}" (${keys}); correct "corpus.textField" or the record.`
    )
  }
  return {
    text,
    subset: subsetName(exactValueAt(value, json, fields.subsetField), file.subset),
    file: file.name,
    record: number
  }
}
