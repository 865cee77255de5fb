import { randomBytes } from 'node:crypto'
import { isFolder } from '../base/files'
import type { FileIdentity, FolderIdentity } from '../base/files'

export interface Download {
  readonly path: string
  /** Of the file, or of a folder's files, which are sent as one archive. */
  readonly files: FileIdentity | FolderIdentity
}

/** Name that a browser saves the download under. */
export const nameOf = ({ path, files }: Download): string =>
  `${path.split(/[\\/]/).at(-1) ?? 'file'}${isFolder(files) ? '.zip' : ''}`

const millisecondsOfLink = 600_000
const mostLinks = 64

/** One-time links to exported files. They are given to admitted pages and expire soon. */
export class Downloads {
  readonly #links = new Map<string, Download & { readonly until: number }>()

  /** Creates a link. Returns a path below the server's address. */
  link(path: string, files: FileIdentity | FolderIdentity): string {
    const id = randomBytes(32).toString('base64url')
    this.#links.set(id, { path, files, until: performance.now() + millisecondsOfLink })
    const [oldest] = this.#links.keys()
    if (this.#links.size > mostLinks) this.#links.delete(oldest)
    return `/files/${id}/${encodeURIComponent(nameOf({ path, files }))}`
  }

  /** Redeems a link. Returns undefined if it was used, has expired, or does not exist. */
  take(id: string): Download | undefined {
    const found = this.#links.get(id)
    this.#links.delete(id)
    return found !== undefined && performance.now() < found.until ? found : undefined
  }
}
