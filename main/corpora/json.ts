import { SpectroscopeError } from '../../preload/errors'
import { JsonReader } from '../base/json-reader'
import { decodeText } from '../base/json-text'
import { readBytes, readLines } from './bytes'
import type { CorpusFile } from './corpus-file'
import { documentOf } from './records'
import type { CorpusDocument, Fields } from './records'

const parseLine = (
  file: CorpusFile,
  line: Buffer,
  number: number
): { readonly value: unknown; readonly json: string } => {
  try {
    const json = decodeText(line)
    return { value: JSON.parse(json), json }
  } catch (error) {
    throw new SpectroscopeError(
      'input',
      `${file.path}:${number}: the line is not valid JSON in UTF-8; correct or remove it.`,
      { cause: error }
    )
  }
}

/** Yields the records of a JSON lines file. Empty lines count in the record number only. */
export async function* readJsonl(
  file: CorpusFile,
  fields: Fields,
  onBytes: (bytes: number) => void
): AsyncGenerator<CorpusDocument> {
  let number = 0
  for await (const line of readLines(file, onBytes)) {
    number++
    if (line.every((byte) => byte === 32 || byte === 9 || byte === 13)) continue
    const { value, json } = parseLine(file, line, number)
    const place = `${file.path}:${number}: the ${typeof value === 'object' && value !== null ? 'record' : 'line'}`
    yield documentOf(file, fields, { value, json, number: number - 1 }, place)
  }
}

/** Yields the records of a JSON file: the entries of a single list, or successive objects as in JSON lines. */
export async function* readJson(
  file: CorpusFile,
  fields: Fields,
  onBytes: (bytes: number) => void
): AsyncGenerator<CorpusDocument> {
  const blocks = readBytes(file, onBytes)
  const reader = new JsonReader(file.path, blocks)
  try {
    for await (const number of reader.values()) {
      const { value, text: json } = await reader.valueAndText()
      yield documentOf(file, fields, { value, json, number }, `${file.path}: record ${number + 1}`)
    }
  } finally {
    await blocks.return(undefined)
  }
}
