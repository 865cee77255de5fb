import { isUtf8 } from 'node:buffer'
import type { Stats } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, extname, join, relative, resolve, sep } from 'node:path'
import type { CorpusKind } from '../../preload/corpus-contents'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'
import { isLfsPointerFile, pointerBound, pointerRemedy } from '../base/git-lfs'
import { readsZstd } from './bytes'
import type { CorpusFile, Compression } from './corpus-file'

/** A file or folder that was found but is not read. */
export interface LeftOutFile {
  readonly name: string
  readonly why: string
}

export interface CorpusListing {
  readonly files: readonly CorpusFile[]
  readonly leftOut: readonly LeftOutFile[]
}

const kinds: Readonly<Record<string, CorpusKind>> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.json': 'json',
  '.csv': 'csv',
  '.tsv': 'tsv',
  '.parquet': 'parquet'
}
const compressions: Readonly<Record<string, Compression>> = { '.gz': 'gzip', '.zst': 'zstd', '.zstd': 'zstd' }

const unpack = 'a packed file, which is not read; unpack it'
const exportAsText = 'a file of a kind that is not read; export it as jsonl, CSV or Parquet'
const saveArrow =
  'an Arrow file, which is not read; save the dataset as Parquet, in Python with ' +
  '`datasets.load_from_disk(FOLDER).to_parquet("corpus.parquet")`'

/**
 * Kinds of text files that cannot be read. Taking the rest of their folder for the corpus would be wrong, so they are
 * an error.
 */
const refusals: Readonly<Record<string, string>> = {
  '.arrow': saveArrow,
  '.feather': saveArrow,
  ...Object.fromEntries(
    ['.zip', '.tar', '.tgz', '.tbz2', '.txz', '.bz2', '.xz', '.lzma', '.lz4', '.br', '.7z', '.rar'].map((ending) => [
      ending,
      unpack
    ])
  ),
  ...Object.fromEntries(
    [
      '.avro',
      '.orc',
      '.xls',
      '.xlsx',
      '.ods',
      '.tfrecord',
      '.tfrecords',
      '.mds',
      '.pkl',
      '.pickle',
      '.sqlite',
      '.sqlite3',
      '.duckdb'
    ].map((ending) => [ending, exportAsText])
  )
}

const card = 'cards and metadata, not data; name such a file itself to have it read'
const hidden = 'hidden'
const readAlready = 'already read under another name'
const hubStore = 'the store of a hub cache; its files are read by their names in snapshots'
const special = 'neither files nor folders'
const circle = 'links that form a loop'

/** Files that document a dataset. */
const cardNames = /^(readme|licen[cs]e|copying)([._-].*)?$/i
const otherCardNames = /^(notice|citation|changelog|contributing|code_of_conduct)(\.(md|txt|rst|cff|bib))?$/i
/** Files that `datasets` and the hub write beside the data. */
const metadataNames = new Set([
  'dataset_info.json',
  'dataset_infos.json',
  'dataset_dict.json',
  'state.json',
  'croissant.json',
  'dataset-metadata.json'
])

const isCard = (name: string, kind: CorpusKind): boolean =>
  metadataNames.has(name.toLowerCase()) || (kind === 'text' && (cardNames.test(name) || otherCardNames.test(name)))

/** Splits a name into the part before its compression extension, and that extension. */
const packing = (name: string): { readonly inner: string; readonly ending: string } => {
  const ending = extname(name).toLowerCase()
  return ending in compressions ? { inner: name.slice(0, -ending.length), ending } : { inner: name, ending: '' }
}

const stem = (path: string): string => {
  const { inner } = packing(basename(path))
  return basename(inner, extname(inner))
}

const nameFrom = (baseFolder: string, path: string): string => relative(baseFolder, path).split(sep).join('/')

const refusal = (path: string, why: string): SpectroscopeError =>
  new SpectroscopeError('input', `${path}: ${why}, or take it out of "corpus.files".`)

const isPointer = async (path: string, bytes: number): Promise<boolean> => {
  if (bytes >= pointerBound) return false
  const file = await open(path, 'r')
  try {
    return await isLfsPointerFile(file, bytes)
  } finally {
    await file.close()
  }
}

interface Found {
  readonly path: string
  readonly bytes: number
  readonly subset: string
  readonly inFolder: boolean
}

const kindOf = (path: string): CorpusKind => kinds[extname(packing(path).inner).toLowerCase()] ?? 'text'

/** Determines how to read a file from its name. Throws an `input` error for an unsupported kind. */
const describeFile = async ({ path, bytes, subset, inFolder }: Found, baseFolder: string): Promise<CorpusFile> => {
  const { inner, ending } = packing(path)
  const innerEnding = extname(inner).toLowerCase()
  const [kind, compression] = [kindOf(path), compressions[ending] ?? null]
  if (await isPointer(path, bytes)) throw refusal(path, pointerRemedy)
  if (innerEnding in refusals) throw refusal(path, ending === '' ? refusals[innerEnding] : unpack)
  if (compression !== null && kind === 'parquet') throw refusal(path, unpack)
  if (compression === 'zstd' && !readsZstd)
    throw refusal(
      path,
      `compressed by zstd, which Node ${process.versions.node} does not read (22.15 does); ` +
        'unpack it (zstd -d), compress it by gzip'
    )
  return {
    path,
    bytes,
    subset,
    inFolder,
    kind,
    compression,
    extension: `${innerEnding}${ending}`,
    name: nameFrom(baseFolder, path)
  }
}

/** A name's bytes as text, with invalid UTF-8 as \xE9. */
const shownBytes = (name: Buffer): string =>
  Array.from(name, (byte) => (byte < 128 ? String.fromCharCode(byte) : `\\x${byte.toString(16).toUpperCase()}`)).join(
    ''
  )

/** Names in a folder, sorted. */
const namesIn = async (folder: string): Promise<string[]> => {
  const names = await readdir(folder, { encoding: 'buffer' })
  const foreign = names.find((name) => !isUtf8(name))
  if (foreign !== undefined)
    throw new SpectroscopeError(
      'input',
      `${folder} holds "${shownBytes(foreign)}", a name that is not UTF-8; ` +
        'rename it, or name the other files in "corpus.files".'
    )
  return names.map((name) => name.toString()).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

const isHub = (names: readonly string[]): boolean => ['blobs', 'snapshots'].every((name) => names.includes(name))

class Listing implements CorpusListing {
  readonly files: CorpusFile[] = []
  readonly leftOut: LeftOutFile[] = []
  /** Real paths of all files and folders found so far, so that links cannot form a loop. */
  readonly #seen = new Set<string>()

  constructor(private readonly baseFolder: string) {}

  async add(path: string): Promise<void> {
    const found = await stat(path)
    if (!found.isDirectory() && !found.isFile())
      throw refusal(path, 'neither a file nor a folder; copy what it gives into a file')
    if (!(await this.#isNew(path))) return
    if (found.isDirectory()) await this.#addFolder(path, path)
    else await this.#addFile({ path, bytes: found.size, subset: stem(path), inFolder: false })
  }

  async #addFolder(root: string, folder: string): Promise<void> {
    const names = await namesIn(folder)
    const ofHub = isHub(names)
    for (const name of names) {
      const path = join(folder, name)
      if (name.startsWith('.')) this.#leave(path, hidden)
      else if (ofHub && (name === 'blobs' || name === 'refs')) this.#leave(path, hubStore)
      else await this.#addEntry(root, path)
    }
  }

  async #addEntry(root: string, path: string): Promise<void> {
    const found = await this.#follow(path)
    if (found === undefined) return
    if (!found.isDirectory() && !found.isFile()) this.#leave(path, special)
    else if (found.isFile() && isCard(basename(path), kindOf(path))) this.#leave(path, card)
    else if (!(await this.#isNew(path))) return
    else if (found.isDirectory()) await this.#addFolder(root, path)
    else {
      const [first, ...rest] = relative(root, path).split(sep)
      await this.#addFile({ path, bytes: found.size, subset: rest.length > 0 ? first : stem(path), inFolder: true })
    }
  }

  /** Follows a path's links. Returns undefined if they form a loop. */
  async #follow(path: string): Promise<Stats | undefined> {
    try {
      return await stat(path)
    } catch (error) {
      const code = faultCode(error)
      if (code === 'ENOENT')
        throw refusal(
          path,
          'a link to a file that is not there; fetch that file ("git annex get", where git-annex has made the link)'
        )
      if (code !== 'ELOOP') throw error
      this.#leave(path, circle)
      return undefined
    }
  }

  async #addFile(found: Found): Promise<void> {
    this.files.push(await describeFile(found, this.baseFolder))
  }

  /** Whether a path leads somewhere new. If not, it is recorded as left out. */
  async #isNew(path: string): Promise<boolean> {
    const real = await realpath(path)
    const isNew = !this.#seen.has(real)
    if (isNew) this.#seen.add(real)
    else this.#leave(path, readAlready)
    return isNew
  }

  #leave(path: string, why: string): void {
    this.leftOut.push({ name: nameFrom(this.baseFolder, path), why })
  }
}

/**
 * Lists the files of a corpus in reading order: paths as configured, folders searched recursively and sorted by name,
 * links followed, each file once. Also lists what is left out of folders: hidden files, dataset cards, and anything
 * that is neither a file nor a folder. A record that names no subset belongs to the subset named after its file, or
 * after the first folder below a configured folder. Throws an `input` error for a missing path and for a text file of
 * an unsupported kind.
 */
export const listCorpusFiles = async (paths: readonly string[], baseFolder: string): Promise<CorpusListing> => {
  const listing = new Listing(baseFolder)
  for (const given of paths) {
    const path = resolve(baseFolder, given)
    try {
      await listing.add(path)
    } catch (error) {
      if (error instanceof SpectroscopeError) throw error
      const at = (error as NodeJS.ErrnoException).path ?? path
      throw new SpectroscopeError(
        'input',
        `${at}: the corpus file or folder cannot be read (${faultCode(error)}); correct "corpus.files".`,
        { cause: error }
      )
    }
  }
  return listing
}
