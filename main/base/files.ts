import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, lstat, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, parse, relative, resolve, sep } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device; free some space and try again',
  EDQUOT: 'the disk quota is used up; free some space and try again',
  EROFS: 'the file system is read-only; choose another folder',
  EACCES: 'permission is denied; change its permissions or choose another folder',
  EPERM: 'the operation is not permitted; change its permissions or choose another folder',
  ENOENT: 'its folder does not exist; create it or choose another one',
  ENOTDIR: 'a part of its path is a file, not a folder; choose another path',
  EISDIR: 'it is a folder, not a file; choose another path',
  EMFILE: 'too many files are open; close other programs and try again'
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** Turns a system error while writing `path` into a sentence of kind `storage`. Returns other errors unchanged. */
export const writingError = (path: string, error: unknown): unknown => {
  const code = codeOf(error)
  if (error instanceof SpectroscopeError || code === undefined || !/^E[A-Z]+$/.test(code)) return error
  return new SpectroscopeError('storage', `${path} cannot be written: ${reasons[code] ?? (error as Error).message}.`, {
    cause: error
  })
}

const temporaryBeside = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`)

/** Time stamp for file names: "20261122-101530". */
export const stamp = (now = new Date()): string => {
  const seconds = now.toISOString().slice(0, 19)
  return seconds.replace(/[-:]/g, '').replace('T', '-')
}

/** The path itself if it is free, or else with a number before its extension. */
export const freeName = async (path: string): Promise<string> => {
  const { dir, name, ext } = parse(path)
  for (let number = 1; ; number++) {
    const free = join(dir, `${name}${number === 1 ? '' : `-${number}`}${ext}`)
    const isTaken = await access(free).then(
      () => true,
      () => false
    )
    if (!isTaken) return free
  }
}

const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

type Part = string | Uint8Array
export type Parts = Part | Iterable<Part> | AsyncIterable<Part>

const textAtOnce = 2 ** 20

/** Joins short texts into larger parts, to save write calls. */
const gathered = async function* (parts: Iterable<Part> | AsyncIterable<Part>): AsyncGenerator<Part> {
  let text = ''
  for await (const part of parts) {
    if (typeof part === 'string') text += part
    if (text !== '' && (typeof part !== 'string' || text.length >= textAtOnce)) {
      yield text
      text = ''
    }
    if (typeof part !== 'string') yield part
  }
  if (text !== '') yield text
}

/** Identifies a file, so that another file at the same path is recognised, even with equal content. */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
  readonly bytes: bigint
  readonly changedNs: bigint
}

const identityOf = ({ dev, ino, size, mtimeNs }: BigIntStats): FileIdentity => ({
  device: dev,
  inode: ino,
  bytes: size,
  changedNs: mtimeNs
})

/** Files of a folder by their paths in it, with `/` between the parts. */
export type FolderIdentity = ReadonlyMap<string, FileIdentity>

export const isFolder = (files: FileIdentity | FolderIdentity): files is FolderIdentity => files instanceof Map

/** Identities of all files in a folder and in those below it, sorted by path. */
const identitiesIn = async (folder: string): Promise<FolderIdentity> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const found = new Map<string, FileIdentity>()
  for (const path of paths.sort()) {
    found.set(relative(folder, path).split(sep).join('/'), identityOf(await lstat(path, { bigint: true })))
  }
  return found
}

/** Permissions of a new file, before the umask: the same access as its folder. */
export const fileModeIn = async (folder: string): Promise<number> => (await stat(folder)).mode & 0o666

/**
 * Writes a file atomically: after a crash at any moment, either the old or the new content is there, complete. The
 * file gets the same access as its folder. Parts are written in order.
 */
export const writeIdentified = async (path: string, parts: Parts): Promise<FileIdentity> => {
  const temporary = temporaryBeside(resolve(path))
  try {
    const handle = await open(temporary, 'wx', await fileModeIn(dirname(temporary)))
    let identity: FileIdentity
    try {
      for await (const part of gathered(typeof parts === 'string' || parts instanceof Uint8Array ? [parts] : parts))
        await handle.writeFile(part)
      await handle.sync()
      identity = identityOf(await handle.stat({ bigint: true }))
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(temporary))
    return identity
  } catch (error) {
    await rm(temporary, { force: true })
    throw writingError(path, error)
  }
}

/** Like `writeIdentified`, for callers that do not need the file's identity. */
export const writeFileAtomically = async (path: string, parts: Parts): Promise<void> => {
  await writeIdentified(path, parts)
}

/** Opens a file that was written earlier. Returns undefined if its path now has another file, a link, or nothing. */
export const openIdentified = async (path: string, identity: FileIdentity): Promise<FileHandle | undefined> => {
  // O_NONBLOCK: if a pipe has replaced the file, do not wait for a writer.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  const file = await open(path, flags).catch(() => undefined)
  if (file === undefined) return undefined
  const found = identityOf(await file.stat({ bigint: true }))
  const isSame = (['device', 'inode', 'bytes', 'changedNs'] as const).every((part) => found[part] === identity[part])
  if (isSame) return file
  await file.close()
  return undefined
}

/**
 * Why a folder cannot be created. Tests its nearest existing parent, because mkdir itself reports a read-only parent
 * as missing.
 */
const reasonNotMade = async (folder: string, error: unknown): Promise<unknown> => {
  try {
    await access(folder, constants.W_OK)
    return codeOf(error) === 'EEXIST'
      ? Object.assign(new Error('exists', { cause: error }), { code: 'ENOTDIR' })
      : error
  } catch (reason) {
    return codeOf(reason) === 'ENOENT' && dirname(folder) !== folder ? reasonNotMade(dirname(folder), error) : reason
  }
}

/** Creates a folder and its parents. `mode` applies to the folder only. A system error becomes a sentence. */
export const makeFolder = async (folder: string, mode = 0o777): Promise<void> => {
  try {
    await mkdir(dirname(resolve(folder)), { recursive: true })
    await mkdir(folder, { recursive: true, mode })
  } catch (error) {
    throw writingError(folder, await reasonNotMade(resolve(folder), error))
  }
}

const contents = async (folder: string): Promise<string[] | undefined> => {
  try {
    return await readdir(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw writingError(folder, error)
  }
}

/**
 * Builds a folder beside its final place and renames it once `build` is done, so that it never appears half-finished.
 * Refuses to replace a folder that is not empty, unless `overwrite` accepts its content; then the whole folder is
 * replaced. After a failure, the previous content is still there. Returns the identities of all its files.
 */
export const buildFolder = async (
  folder: string,
  { overwrite = () => false }: { readonly overwrite?: (present: readonly string[]) => boolean },
  build: (temporary: string) => Promise<void>
): Promise<FolderIdentity> => {
  const target = resolve(folder)
  const present = await contents(target)
  if (present !== undefined && present.length > 0 && !overwrite(present)) {
    throw new SpectroscopeError(
      'usage',
      `${folder} is not empty; choose another folder; ` +
        '--overwrite replaces a folder that holds an earlier export and nothing else.'
    )
  }
  await makeFolder(dirname(target))
  const temporary = temporaryBeside(target)
  try {
    await mkdir(temporary)
    await build(temporary)
    const files = await identitiesIn(temporary)
    if (present === undefined) await rename(temporary, target)
    else if (present.length === 0) {
      await rmdir(target)
      await rename(temporary, target)
    } else {
      const old = temporaryBeside(target)
      await rename(target, old)
      try {
        await rename(temporary, target)
      } catch (error) {
        await rename(old, target)
        throw error
      }
      await rm(old, { recursive: true, force: true })
    }
    await syncFolder(dirname(target))
    return files
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw writingError(folder, error)
  }
}
