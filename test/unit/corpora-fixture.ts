import { DuckDBInstance } from '@duckdb/node-api'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { readCorpus, type CorpusDocument } from '../../main/corpora/readers'
import { CorpusTally } from '../../main/corpora/tally'
import type { CorpusContents } from '../../preload/corpus-contents'
import { temporaryFolder } from './models-fixtures'

const root = temporaryFolder()

export const newFolder = (): string => mkdtempSync(join(root, 'corpus-'))

interface Fields {
  readonly textField?: string
  readonly subsetField?: string
}

/** The documents of a corpus. */
export const read = async (
  folder: string,
  files: string[],
  fields: Fields = {},
  onProgress?: (done: number, total: number) => void,
  tally?: CorpusTally
): Promise<CorpusDocument[]> => {
  const documents: CorpusDocument[] = []
  const corpus = { files, textField: 'text', subsetField: 'meta.subset', ...fields }
  for await (const document of readCorpus(corpus, folder, onProgress, tally)) documents.push(document)
  return documents
}

/** What a corpus comes to: the texts of its documents, and what is said of its files. */
export const readAll = async (
  folder: string,
  files: string[]
): Promise<CorpusContents & { readonly texts: readonly string[] }> => {
  const tally = new CorpusTally()
  const documents = await read(folder, files, {}, undefined, tally)
  return { texts: documents.map(({ text }) => text), ...tally.contents }
}

export const lines = (...records: unknown[]): string =>
  records.map((record) => `${typeof record === 'string' ? record : JSON.stringify(record)}\n`).join('')

export const writeParquet = async (path: string, query: string): Promise<void> => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  await connection.run(`COPY (${query}) TO '${path.replaceAll("'", "''")}' (FORMAT parquet)`)
  connection.closeSync()
  instance.closeSync()
}
