import type { ClusterExportFormat } from '../../preload/contract'

export interface FormatWords {
  readonly name: string
  /** Purpose, in one line. */
  readonly words: string
  /** File extension; null for a folder. */
  readonly ending: string | null
  /** Whether its tables are CSV. */
  readonly hasCsv?: true
}

export const formatWords: Readonly<Record<ClusterExportFormat, FormatWords>> = {
  annotated: {
    name: 'Annotated cluster set',
    words: 'One JSON file with labels, members and contexts; can be imported',
    ending: '.annotated.json'
  },
  site: {
    name: 'Static site',
    words: 'A folder to put on the web: map, search, a page per cluster',
    ending: null
  },
  html: {
    name: 'HTML report',
    words: 'One file that opens in any browser: galleries, profiles, labels',
    ending: '.html'
  },
  csv: { name: 'CSV tables', words: 'A folder of tables for a spreadsheet', ending: null, hasCsv: true },
  parquet: { name: 'Parquet tables', words: 'A folder of the same tables, compact and typed', ending: null },
  npy: {
    name: 'NumPy matrices',
    words: 'A folder with χ̂ and standard errors as .npy files',
    ending: null,
    hasCsv: true
  },
  zarr: {
    name: 'Zarr for devinterp',
    words: 'A folder with χ̂ and contexts, as devinterp writes them',
    ending: null
  },
  json: { name: 'JSON', words: 'A folder with one readable run.json, without the χ̂ matrix', ending: null }
}

/** A file name valid on every file system. */
export const safeName = (text: string): string =>
  Array.from(text.normalize('NFC'), (letter) => (/[\p{L}\p{N}._-]/u.test(letter) ? letter : '-'))
    .join('')
    .replace(/-+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 80) || 'run'

const separatorOf = (folder: string): string => (folder.includes('\\') && !folder.includes('/') ? '\\' : '/')

/** Path in a folder, with the format's extension. */
export const suggestedPath = (folder: string, run: string, clustering: number, format: ClusterExportFormat): string => {
  const separator = separatorOf(folder)
  const { ending } = formatWords[format]
  const base = folder.endsWith(separator) ? folder.slice(0, -1) : folder
  return `${base}${separator}${safeName(run)}-clustering-${clustering}${ending ?? `-${format}`}`
}

/** Folder of a path without a trailing separator; the path itself if it has none. */
export const folderOf = (path: string): string => {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  return at < 0 ? path : path.slice(0, Math.max(at, 1))
}
