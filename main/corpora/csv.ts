import { CsvError, parse } from 'csv-parse'
import type { Info } from 'csv-parse'
import { pipeline, Readable } from 'node:stream'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { mostBytes, readBytes } from './bytes'
import type { CorpusFile } from './corpus-file'
import { someNames, subsetName, valueAt } from './records'
import type { CorpusDocument, Fields } from './records'

interface Row {
  readonly record: Readonly<Record<string, string>>
  readonly info: Info
}

async function* decoded(file: CorpusFile, onBytes: (bytes: number) => void): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (block?: Buffer): string => {
    try {
      return decoder.decode(block, { stream: block !== undefined })
    } catch (error) {
      throw new SpectroscopeError('input', `${file.path}: the file is not text in UTF-8; convert it.`, {
        cause: error
      })
    }
  }
  for await (const block of readBytes(file, onBytes)) yield decode(block)
  yield decode()
}

/** Checks the column names. One of them must be the text column. */
const checkHeader = ({ path }: CorpusFile, { textField }: Fields, header: readonly string[]): void => {
  const twice = header.find((name, i) => header.indexOf(name) !== i)
  if (twice !== undefined)
    throw new SpectroscopeError('input', `${path}: two columns are named "${briefly(twice)}"; rename one of them.`)
  if (header.includes(textField) || header.includes(textField.split('.')[0])) return
  throw new SpectroscopeError(
    'input',
    `${path}: no column "${textField}" (there are: ${someNames(header)}); correct "corpus.textField", ` +
      'or the first line, which must name the columns.'
  )
}

/**
 * Yields the rows of a text table (RFC 4180). The first line names the columns, and fields may be quoted. Columns are
 * separated by commas, or by tabs in a .tsv file.
 */
export async function* readTable(
  file: CorpusFile,
  fields: Fields,
  onBytes: (bytes: number) => void
): AsyncGenerator<CorpusDocument> {
  const rows = pipeline(
    Readable.from(decoded(file, onBytes)),
    parse({
      delimiter: file.kind === 'tsv' ? '\t' : ',',
      info: true,
      skip_empty_lines: true,
      max_record_size: mostBytes,
      columns: (header: string[]) => {
        checkHeader(file, fields, header)
        return header
      }
    }),
    () => {}
  )
  let number = 0
  try {
    for await (const { record, info } of rows as AsyncIterable<Row>) {
      const text = valueAt(record, fields.textField)
      if (typeof text !== 'string')
        throw new SpectroscopeError(
          'input',
          `${file.path}:${info.lines}: the row has no text at "${fields.textField}"; ` +
            'correct "corpus.textField" or the row.'
        )
      yield {
        text,
        subset: subsetName(valueAt(record, fields.subsetField), file.subset),
        file: file.name,
        record: number++
      }
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new SpectroscopeError(
      'input',
      `${file.path}: the table is damaged (${briefly(error.message)}); correct the file, or export it as jsonl.`,
      { cause: error }
    )
  }
}
