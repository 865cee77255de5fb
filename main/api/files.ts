import type { Dirent } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { FolderEntry, FolderListing } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'
import { weightNames } from '../models/weight-files'
import type { HandlersOf, WorkbenchContext } from './context'
import type { Reach } from './reach'

const mostEntries = 5000

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false
  )

const isModel = async (folder: string): Promise<boolean> =>
  (await isThere(join(folder, 'config.json'))) &&
  (await Promise.all(weightNames.map((file) => isThere(join(folder, file))))).includes(true)

/** Undefined for entries that cannot be opened: broken links, and names that are not UTF-8. */
const described = async (folder: string, name: string): Promise<FolderEntry | undefined> => {
  const path = join(folder, name)
  try {
    const found = await stat(path)
    return {
      name,
      path,
      folder: found.isDirectory(),
      bytes: found.isDirectory() ? 0 : found.size,
      changedAt: found.mtime.toISOString(),
      model: found.isDirectory() && (await isModel(path))
    }
  } catch {
    return undefined
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'is not a folder',
  EACCES: 'cannot be read with your permissions',
  EPERM: 'cannot be read with your permissions'
}

const entriesOf = async (folder: string): Promise<Dirent[]> => {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    const code = faultCode(error)
    throw new SpectroscopeError(
      'input',
      `${folder} ${reasons[code] ?? `cannot be read (${code})`}; choose another folder.`,
      { cause: error }
    )
  }
}

const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

/** Folders first, then files, each by name. Leaves out links to places out of reach. */
const listFolder = async (asked: string, hidden: boolean, reach: Reach): Promise<FolderListing> => {
  const folder = resolve(asked)
  await reach.check(folder)
  const isListed = async (entry: Dirent): Promise<boolean> =>
    (hidden || !entry.name.startsWith('.')) && (!entry.isSymbolicLink() || reach.has(join(folder, entry.name)))
  const found = await entriesOf(folder)
  const listed = await Promise.all(found.map(isListed))
  const names = found
    .filter((_, at) => listed[at])
    .sort((a, b) => Number(b.isDirectory()) - Number(a.isDirectory()) || byName.compare(a.name, b.name))
  const looked = await Promise.all(names.slice(0, mostEntries).map(({ name }) => described(folder, name)))
  const entries = looked.filter((entry) => entry !== undefined)
  const parent = dirname(folder)
  return {
    folder,
    parent: parent === folder || !(await reach.has(parent)) ? null : parent,
    places: reach.places,
    entries: entries.sort((a, b) => Number(b.folder) - Number(a.folder) || byName.compare(a.name, b.name)),
    cut: names.length > mostEntries,
    leftOut: looked.length - entries.length
  }
}

export const fileCalls = ({ environment, reach }: WorkbenchContext): HandlersOf<'files'> => ({
  list: ({ folder, hidden }) => listFolder(folder ?? homedir(), hidden, reach),
  choose: async ({ purpose, title, suggested }) =>
    environment.choose === undefined ? null : environment.choose(purpose, title, suggested)
})
