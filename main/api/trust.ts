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
 * Whether this user made or trusts the workspace in a folder. `new` means that the folder has never held a workspace.
 */
export type Standing = 'new' | 'own' | 'foreign'

/**
 * A trust record in the user's settings, one file per workspace, so that processes do not overwrite each other's. It
 * is tied to the folder itself: a copy or replacement has another inode or birth time.
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
  // Some file systems report the time of last change in place of a birth time, which would not stay the same.
  const isKept = birthtimeNs > 0n && birthtimeNs !== ctimeNs
  return { folder: path, inode: String(ino), born: isKept ? String(birthtimeNs) : null }
}

const isSame = (now: Identity, mark: Identity): boolean =>
  now.folder === mark.folder &&
  now.inode === mark.inode &&
  (mark.born === null || now.born === null || mark.born === now.born)

/** Folder of the trust records. */
export const marksFolder = (): string => join(settingsFolder(), 'workspaces')

const markPath = ({ folder }: Identity): string =>
  join(marksFolder(), `${createHash('sha256').update(folder).digest('hex').slice(0, 32)}.json`)

/** Workspaces trusted by this process, including those that could not be recorded. */
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
    // Opening the folder will report the error.
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(faultCode(error))) return []
    throw error
  })

const partNames: ReadonlySet<string> = new Set([markerName, 'journal', 'backups', 'runs'])

/** Whether a workspace has a file or folder of this name, on file systems that may ignore case. */
const isPart = (name: string): boolean => partNames.has(name.toLowerCase()) || name.toLowerCase().includes(databaseName)

/** Whether a folder contains any part of a workspace, and so was one or would be taken for one. */
const isWorkspace = async (folder: string): Promise<boolean> => (await namesIn(folder)).some(isPart)

export const standingOf = async (folder: string): Promise<Standing> => {
  if (!(await isWorkspace(folder))) return 'new'
  const identity = await identityOf(folder)
  return trustedHere.some((known) => isSame(identity, known)) || (await isMarked(identity)) ? 'own' : 'foreign'
}

/**
 * Records permanently that the user trusts a workspace. If the settings cannot be written, returns a note, and only
 * this process trusts it.
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

/** Sentence beginning that says a workspace is foreign. */
export const foreignWords = (folder: string): string => `${folder}: you did not create this workspace here`

/** Note of a read-only command on an untrusted workspace. */
export const readingOnly = (folder: string): string =>
  `${foreignWords(folder)}, so it opens read-only; --trust makes it writable from now on.`

/** Throws a `workspace` error if a workspace to be changed is not trusted. */
export const refuseForeign = async (folder: string): Promise<void> => {
  if ((await standingOf(folder)) !== 'foreign') return
  const remedy = 'give --trust if you trust whoever made it'
  throw new SpectroscopeError('workspace', `${foreignWords(folder)}, so it is read-only; ${remedy}.`)
}
