import type { CorpusKind } from '../../preload/corpus-contents'

export type Compression = 'gzip' | 'zstd'

export interface CorpusFile {
  readonly path: string
  /** Path relative to the base folder, with slashes. */
  readonly name: string
  readonly kind: CorpusKind
  readonly compression: Compression | null
  /** Extension in lower case, including that of the compression: ".jsonl.gz". */
  readonly extension: string
  readonly bytes: number
  /** Subset of records that name none. */
  readonly subset: string
  /** Whether the file was found in a folder, rather than named. */
  readonly inFolder: boolean
}
