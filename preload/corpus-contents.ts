import { plural } from './plural'

/** How corpus files are read: as records of some format, or as one document of plain text. */
export const corpusKinds = ['jsonl', 'json', 'csv', 'tsv', 'parquet', 'text'] as const
export type CorpusKind = (typeof corpusKinds)[number]

/** Files of a corpus with the same kind and extension. */
export interface CorpusFiles {
  readonly kind: CorpusKind
  /** End of their names in lower case, such as ".jsonl.gz"; "" if they have none. */
  readonly extension: string
  readonly files: number
  /** Not counting documents of only whitespace. */
  readonly documents: number
}

/** Files and folders found in a corpus's folders but not read. */
export interface LeftOut {
  /** Reason, to follow "left out: ". */
  readonly why: string
  readonly count: number
  /** Paths of the first ones, relative to the configuration's folder. */
  readonly names: readonly string[]
}

/** Contents of a corpus: what was read, and what was left out of its folders. */
export interface CorpusContents {
  readonly read: readonly CorpusFiles[]
  /** Records and files of only whitespace. */
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

/** Describes what was left out; "" if nothing was. */
export const leftOutWords = ({ leftOut }: CorpusContents): string =>
  leftOut.length === 0 ? '' : `left out: ${leftOut.map((group) => `${namesWords(group)} (${group.why})`).join('; ')}`

/** Describes what a corpus contains and what was left out, without a final full stop. */
export const corpusWords = (contents: CorpusContents): string => {
  const { read, blank } = contents
  const files = read.length === 0 ? 'no file' : read.map(filesWords).join(', ')
  const without = blank === 0 ? '' : `${plural(blank, 'document')} of only whitespace not counted`
  return [files, without, leftOutWords(contents)].filter((part) => part !== '').join('; ')
}

/** Describes the contents of a corpus in a sentence. */
export const contentsWords = (contents: CorpusContents): string => `The corpus: ${corpusWords(contents)}.`
