import type { CorpusConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import type { CorpusFile } from './files'

export type Fields = Pick<CorpusConfiguration, 'textField' | 'subsetField'>

export interface CorpusDocument {
  readonly text: string
  readonly subset: string
  /** Path from the base folder, with slashes. */
  readonly file: string
  /**
   * Number of the record in the file, from 0: line of jsonl, entry of JSON, row of CSV or Parquet; 0 for plain
   * text.
   */
  readonly record: number
}

/** JSON in which integers that a number would round are strings of their digits. */
const withExactIntegers = (json: string): string => {
  let inString = false
  return json.replace(/\\[^]|"|-?\d[\d.eE+-]*/g, (token) => {
    if (token === '"') inString = !inString
    return !inString && /^-?\d{16,}$/.test(token) ? `"${token}"` : token
  })
}

/** A text as the JSON object that it may be. */
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

/** The value at a dotted path, through objects and texts of JSON; a key that is the whole path comes first. */
export const valueAt = (record: unknown, path: string): unknown => {
  const whole = typeof record === 'string' ? undefined : memberOf(record, path)
  return whole === undefined ? path.split('.').reduce(memberOf, record) : whole
}

/** The value at a path; an integer that a number rounds, as text, from the JSON that the record was read from. */
const exactValueAt = (record: object, json: string, path: string): unknown => {
  const value = valueAt(record, path)
  return Number.isInteger(value) && !Number.isSafeInteger(value)
    ? valueAt(JSON.parse(withExactIntegers(json)), path)
    : value
}

/** The subset that a record names; `otherwise` where it names none. */
export const subsetName = (value: unknown, otherwise: string): string =>
  typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : otherwise

/** "a, b, c": some of the names that there are, for a message. */
export const someNames = (names: Iterable<string>): string => briefly([...names].slice(0, 8).join(', '))

/**
 * The document of a JSON record. `place` names the record in messages. Throws an `input` error for what is no
 * object and for one without text.
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
