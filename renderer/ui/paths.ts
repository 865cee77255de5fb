import type { FolderEntry, FolderListing } from '../../preload/contract'

/** Path separator of the machine the program runs on. */
const separatorOf = (path: string): '/' | '\\' => (/^[a-z]:\\|^\\\\/i.test(path) ? '\\' : '/')

export const lastPart = (path: string): string =>
  path
    .split(/[/\\]/)
    .filter((part) => part !== '')
    .at(-1) ?? path

/** Parent folder of a path; the path itself at a root. */
export const folderOf = (path: string): string => {
  const separator = separatorOf(path)
  const end = path.replace(/[/\\]+$/, '').lastIndexOf(separator)
  return end < 0 ? path : end === 0 || path[end - 1] === ':' ? path.slice(0, end + 1) : path.slice(0, end)
}

export const joined = (folder: string, name: string): string => {
  const separator = separatorOf(folder)
  return folder.endsWith(separator) ? `${folder}${name}` : `${folder}${separator}${name}`
}

export const isAbsolute = (path: string): boolean => /^(\/|[a-z]:[\\/]|\\\\)/i.test(path)

/** A path for display, with "~" for the home folder. */
export const shownPath = (path: string, home: string): string => {
  if (home === '' || !path.startsWith(home)) return path
  const rest = path.slice(home.length)
  return rest === '' ? '~' : /^[/\\]/.test(rest) ? `~${rest}` : path
}

/** Entries whose name contains the text: folders before files, names that begin with it first. */
export const matching = (entries: FolderListing['entries'], typed: string): readonly FolderEntry[] => {
  const text = typed.trim().toLowerCase()
  const rank = ({ name, folder }: FolderEntry): number =>
    (folder ? 0 : 1) + (text === '' || name.toLowerCase().startsWith(text) ? 0 : 2)
  return entries
    .filter(({ name }) => name.toLowerCase().includes(text))
    .map((entry) => ({ entry, rank: rank(entry) }))
    .sort((a, b) => a.rank - b.rank || a.entry.name.localeCompare(b.entry.name, 'en', { numeric: true }))
    .map(({ entry }) => entry)
}
