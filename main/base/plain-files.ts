import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from './faults'
import { makeFolder, writingError } from './files'

const refused = (path: string, sentence: string): SpectroscopeError =>
  new SpectroscopeError('workspace', `${path} ${sentence}.`)

const linkWords = 'is a link, which a workspace must not contain; put the file or folder itself there, or remove it'
const hardLinkWords =
  'is a hard link to a file elsewhere, which a workspace must not contain; put a copy in its place, or remove it'
const oddWords = 'is neither a file nor a folder, and a workspace must contain nothing else; remove it'

/** Windows has neither flag. O_NONBLOCK avoids waiting on a pipe. */
const withoutFollowing = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

export interface PlainOptions {
  /** Allows several hard links, for stored sums that runs of one workspace share; `checkContents` checks those. */
  readonly mayBeShared?: boolean
}

/**
 * Opens a file that must be plain: not a link, and with only one name. Throws a `workspace` error that names the path
 * if it is not, or the system's own error if it cannot be opened.
 */
export const openPlain = async (
  path: string,
  access: 'r' | 'r+' = 'r',
  { mayBeShared = false }: PlainOptions = {}
): Promise<FileHandle> => {
  const found = await lstat(path)
  if (found.isSymbolicLink()) throw refused(path, linkWords)
  const handle = await open(path, (access === 'r' ? constants.O_RDONLY : constants.O_RDWR) | withoutFollowing).catch(
    (error: unknown) => {
      throw faultCode(error) === 'ELOOP' ? refused(path, linkWords) : error
    }
  )
  try {
    const opened = await handle.stat()
    if (!opened.isFile()) throw refused(path, oddWords)
    if (opened.nlink > 1 && !mayBeShared) throw refused(path, hardLinkWords)
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Reads a whole plain file. Throws as `openPlain` does. */
export const readPlain = async (path: string, options?: PlainOptions): Promise<Buffer> => {
  const handle = await openPlain(path, 'r', options)
  try {
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

/**
 * Creates a folder and its parents, each with the same access as the one above it. Throws a `workspace` error if a
 * link is in its place.
 */
export const makePlainFolder = async (folder: string): Promise<void> => {
  const path = resolve(folder)
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSymbolicLink() === true) throw refused(path, linkWords)
  if (found?.isDirectory() === true) return
  const parent = dirname(path)
  if (found !== undefined || parent === path) return makeFolder(path)
  const above = await lstat(parent).catch(() => undefined)
  // The parent may be the workspace itself, which may be reached through a link.
  if (above === undefined) await makePlainFolder(parent)
  try {
    await mkdir(path, { recursive: true, mode: (above ?? (await lstat(parent))).mode & 0o777 })
  } catch (error) {
    throw writingError(path, error)
  }
}

/** Names under which runs of one workspace share their sums. */
const sharedNames = new Set(['sums', 'begun'])

interface SharedFile {
  readonly path: string
  readonly names: number
  found: number
}

/** Ignores missing files, because another process may be changing the tree. */
const ifThere = <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch((error: unknown) => {
    if (faultCode(error) === 'ENOENT') return undefined
    throw error
  })

/**
 * Checks that everything below a workspace folder is a plain file or a folder, so that nothing in it leads outside.
 * Throws a `workspace` error that names the offending entry and the remedy. A missing folder passes.
 */
export const checkContents = async (folder: string): Promise<void> => {
  const shared = new Map<string, SharedFile>()
  const check = (path: string, entry: Stats): void => {
    const shown = join(folder, relative(folder, path))
    if (entry.isSymbolicLink()) throw refused(shown, linkWords)
    if (!entry.isFile()) throw refused(shown, oddWords)
    if (entry.nlink === 1) return
    if (!sharedNames.has(basename(path))) throw refused(shown, hardLinkWords)
    const key = `${entry.dev} ${entry.ino}`
    const known = shared.get(key) ?? { path: shown, names: entry.nlink, found: 0 }
    known.found++
    shared.set(key, known)
  }
  const walk = async (at: string): Promise<void> => {
    for (const name of (await ifThere(readdir(at))) ?? []) {
      const path = join(at, name)
      const entry = await ifThere(lstat(path))
      if (entry === undefined) continue
      if (entry.isDirectory()) await walk(path)
      else check(path, entry)
    }
  }
  try {
    await walk(folder)
  } catch (error) {
    if (error instanceof SpectroscopeError) throw error
    const sentence = `${folder}: its contents cannot be listed (${faultCode(error)}); change its permissions.`
    throw new SpectroscopeError('workspace', sentence, { cause: error })
  }
  for (const { path, names, found } of shared.values()) if (found < names) throw refused(path, hardLinkWords)
}
