import { createHash } from 'node:crypto'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'
import { makeFolder, writeFileAtomically } from '../base/files'
import { settingsFolder } from '../base/folders'
import { databaseName, markerName, privateMode } from '../store/database'

/**
 * What this person has to do with a folder: it is one of theirs, somebody else's, or none that a workspace was ever
 * in, which is theirs once a workspace is made there.
 */
export type Standing = 'new' | 'own' | 'foreign'

/**
 * A mark in the person's own settings, a file for each workspace, so that no two processes write the same one. It is
 * tied to the folder itself: a copy, or another folder that takes its place, has another inode or time of birth.
 */
const markSchema = z.object({
  folder: z.string(),
  inode: z.string(),
  born: z.string().nullable(),
  trustedAt: z.string()
})
type Identity = Omit<z.infer<typeof markSchema>, 'trustedAt'>

const identityOf = async (folder: string): Promise<Identity> => {
  const path = await realpath(folder)
  const { ino, birthtimeNs, ctimeNs } = await stat(path, { bigint: true })
  // Where a file system keeps no time of birth, that of the last change stands in its place, which would not last.
  const isKept = birthtimeNs > 0n && birthtimeNs !== ctimeNs
  return { folder: path, inode: String(ino), born: isKept ? String(birthtimeNs) : null }
}

const isSame = (now: Identity, mark: Identity): boolean =>
  now.folder === mark.folder &&
  now.inode === mark.inode &&
  (mark.born === null || now.born === null || mark.born === now.born)

/** Folder of the marks. */
export const marksFolder = (): string => join(settingsFolder(), 'workspaces')

const markPath = ({ folder }: Identity): string =>
  join(marksFolder(), `${createHash('sha256').update(folder).digest('hex').slice(0, 32)}.json`)

/** Trusted by this process, also where the settings could not be written. */
const trustedHere: Identity[] = []

const isMarked = async (identity: Identity): Promise<boolean> => {
  try {
    return isSame(identity, markSchema.parse(JSON.parse(await readFile(markPath(identity), 'utf8'))))
  } catch {
    return false
  }
}

const namesIn = (folder: string): Promise<readonly string[]> =>
  readdir(folder).catch((error: unknown) => {
    // Whoever opens it says what is wrong with it.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(faultCode(error))) return []
    throw error
  })

const partNames: ReadonlySet<string> = new Set([markerName, 'journal', 'backups', 'runs'])

/** Whether a workspace has a file or folder of that name, where capitals may be no different. */
const isPart = (name: string): boolean => partNames.has(name.toLowerCase()) || name.toLowerCase().includes(databaseName)

/** Whether a folder has anything that a workspace has, so that it was one, or would be taken for one. */
const isWorkspace = async (folder: string): Promise<boolean> => (await namesIn(folder)).some(isPart)

export const standingOf = async (folder: string): Promise<Standing> => {
  if (!(await isWorkspace(folder))) return 'new'
  const identity = await identityOf(folder)
  return trustedHere.some((known) => isSame(identity, known)) || (await isMarked(identity)) ? 'own' : 'foreign'
}

/**
 * Marks a workspace as one of this person's, for good. Returns a sentence where that cannot be kept in the settings:
 * it is trusted by this process alone then.
 */
export const trustWorkspace = async (folder: string): Promise<string | null> => {
  if (folder.trim() === '' || !(await isWorkspace(folder))) return null
  const identity = await identityOf(folder)
  trustedHere.push(identity)
  if (await isMarked(identity)) return null
  try {
    await makeFolder(marksFolder(), privateMode)
    const mark = { ...identity, trustedAt: new Date().toISOString() }
    await writeFileAtomically(markPath(identity), `${JSON.stringify(mark, null, 2)}\n`)
    return null
  } catch (error) {
    const what = `Cannot record that ${resolve(folder)} is your workspace (${messageOf(error).replace(/\.$/, '')})`
    return `${what}; next time it opens read-only unless you give --trust.`
  }
}

/** How it is said that a workspace is somebody else's; what follows from it comes after. */
export const foreignWords = (folder: string): string => `${folder}: you did not create this workspace here`

/** What a command that only reads says of a workspace that is not trusted. */
export const readingOnly = (folder: string): string =>
  `${foreignWords(folder)}, so it opens read-only; --trust makes it writable from now on.`

/** Throws a `workspace` error where a workspace that is to be changed is not trusted. */
export const refuseForeign = async (folder: string): Promise<void> => {
  if ((await standingOf(folder)) !== 'foreign') return
  const remedy = 'give --trust if you trust whoever made it'
  throw new SpectroscopeError('workspace', `${foreignWords(folder)}, so it is read-only; ${remedy}.`)
}
