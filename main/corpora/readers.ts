import type { CorpusConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { faultCode } from '../base/faults'
import { decodeText } from '../base/json-text'
import { mostBytes, readBytes, tooLong } from './bytes'
import { readTable } from './csv'
import { listCorpusFiles } from './files'
import type { CorpusFile } from './corpus-file'
import { readJson, readJsonl } from './json'
import type { CorpusDocument, Fields } from './records'
import { CorpusTally } from './tally'

export type { CorpusDocument } from './records'

/** Says why a file's bytes are not text, as the end of a sentence. */
class NoText extends Error {}

/** An error of the file, of its compression, or of DuckDB, whose messages quote their input at length. */
const unreadable = (file: CorpusFile, error: unknown): SpectroscopeError => {
  if (error instanceof SpectroscopeError) return error
  if (error instanceof NoText)
    return new SpectroscopeError(
      'input',
      `${file.path}: the file is not text in UTF-8 (${error.message}); convert it or take it out of "corpus.files".`,
      { cause: error }
    )
  const fault = briefly(faultCode(error))
  const why =
    file.compression !== null && /^(Z_|ZSTD)/.test(fault)
      ? `is damaged or truncated (${fault}); fetch it again`
      : `cannot be read (${fault}); repair it`
  return new SpectroscopeError('input', `${file.path}: the file ${why} or take it out of "corpus.files".`, {
    cause: error
  })
}

/** Text of a whole file. Throws `NoText` if its bytes are not text. */
const textOf = async (file: CorpusFile, onBytes: (bytes: number) => void): Promise<string> => {
  const blocks: Buffer[] = []
  let length = 0
  for await (const block of readBytes(file, onBytes)) {
    const zero = block.indexOf(0)
    if (zero >= 0) throw new NoText(`a zero at byte ${length + zero}`)
    blocks.push(block)
    length += block.length
    if (length > mostBytes)
      throw tooLong(
        `${file.path}: a plain text file is one document, and this one`,
        'cut it into files or records of jsonl'
      )
  }
  try {
    return decodeText(Buffer.concat(blocks))
  } catch (error) {
    throw new NoText((error as Error).message, { cause: error })
  }
}

async function* readText(file: CorpusFile, onBytes: (bytes: number) => void): AsyncGenerator<CorpusDocument> {
  yield { text: await textOf(file, onBytes), subset: file.subset, file: file.name, record: 0 }
}

/** Imports DuckDB only when a table is read, because loading it is slow. */
async function* readParquetFile(
  file: CorpusFile,
  fields: Fields,
  onBytes: (bytes: number) => void
): AsyncGenerator<CorpusDocument> {
  const { readParquet } = await import('./parquet')
  yield* readParquet(file, fields, onBytes)
}

const readers = { jsonl: readJsonl, json: readJson, csv: readTable, tsv: readTable, parquet: readParquetFile } as const

const documentsOf = (
  file: CorpusFile,
  fields: Fields,
  onBytes: (bytes: number) => void
): AsyncGenerator<CorpusDocument> =>
  file.kind === 'text' ? readText(file, onBytes) : readers[file.kind](file, fields, onBytes)

/**
 * Yields the documents of a corpus one by one: records of jsonl, JSON, CSV and Parquet files, and whole plain text
 * files. Leaves out documents that are only white space, what `listCorpusFiles` leaves out of folders, and files in
 * folders that are not UTF-8 text; `tally` counts all of these. `onProgress` gets the bytes read of all files. Throws
 * an `input` error that names the file and the line or row.
 */
export async function* readCorpus(
  corpus: Pick<CorpusConfiguration, 'files'> & Fields,
  baseFolder: string,
  onProgress?: (done: number, total: number) => void,
  tally = new CorpusTally()
): AsyncGenerator<CorpusDocument> {
  const { files, leftOut } = await listCorpusFiles(corpus.files, baseFolder)
  for (const file of leftOut) tally.leaveOut(file)
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let before = 0
  for (const file of files) {
    const onBytes = (bytes: number): void => onProgress?.(Math.min(before + bytes, total), total)
    try {
      let counted: ((blank: boolean) => void) | undefined
      for await (const document of documentsOf(file, corpus, onBytes)) {
        const blank = document.text.trim() === ''
        counted ??= tally.addFile(file)
        counted(blank)
        if (!blank) yield document
      }
      if (counted === undefined) tally.addFile(file)
    } catch (error) {
      if (!(error instanceof NoText) || !file.inFolder) throw unreadable(file, error)
      tally.leaveOut({ name: file.name, why: 'no text in UTF-8' })
    }
    before += file.bytes
    onBytes(0)
  }
}
