import { plural } from './plural'

/** How files of a corpus are read: records of a kind, or the whole file as one document. */
export const corpusKinds = ['jsonl', 'json', 'csv', 'tsv', 'parquet', 'text'] as const
export type CorpusKind = (typeof corpusKinds)[number]

/** Files of a corpus that were read alike. */
export interface CorpusFiles {
  readonly kind: CorpusKind
  /** End of their names in lower case, ".jsonl.gz"; "" where they have none. */
  readonly extension: string
  readonly files: number
  /** Those of nothing but white space do not count. */
  readonly documents: number
}

/** Files and folders that were found in a corpus's folders and not read. */
export interface LeftOut {
  /** In words, after "left out: ". */
  readonly why: string
  readonly count: number
  /** Paths of the first of them, from the configuration's folder. */
  readonly names: readonly string[]
}

/** What the files and folders of a corpus gave, and what of the folders was left out. */
export interface CorpusContents {
  readonly read: readonly CorpusFiles[]
  /** Records and files of nothing but white space. */
  readonly blank: number
  readonly leftOut: readonly LeftOut[]
}

/** "2 .jsonl files with 300 documents", "1 .md file as plain text". */
const filesWords = ({ kind, extension, files, documents }: CorpusFiles): string => {
  const given = kind === 'text' ? 'as plain text' : `with ${plural(documents, 'document')}`
  return `${plural(files, extension === '' ? 'file' : `${extension} file`)} ${given}`
}

/** "a.txt, b.txt and 3 more". */
const namesWords = ({ names, count }: LeftOut): string => {
  const shown = names.slice(0, 3)
  return `${shown.join(', ')}${count > shown.length ? ` and ${(count - shown.length).toLocaleString('en')} more` : ''}`
}

/** What was left out, in words; "" where nothing was. */
export const leftOutWords = ({ leftOut }: CorpusContents): string =>
  leftOut.length === 0 ? '' : `left out: ${leftOut.map((group) => `${namesWords(group)} (${group.why})`).join('; ')}`

/** What a corpus gave and what was left out, in words without an end. */
export const corpusWords = (contents: CorpusContents): string => {
  const { read, blank } = contents
  const files = read.length === 0 ? 'no file' : read.map(filesWords).join(', ')
  const without = blank === 0 ? '' : `${plural(blank, 'document')} of only whitespace not counted`
  return [files, without, leftOutWords(contents)].filter((part) => part !== '').join('; ')
}

/** The same as a sentence. */
export const contentsWords = (contents: CorpusContents): string => `The corpus: ${corpusWords(contents)}.`
