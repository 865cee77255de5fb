import { randomBytes } from 'node:crypto'
import type { FileIdentity } from '../base/files'

export interface Download {
  readonly path: string
  readonly file: FileIdentity
}

const millisecondsOfLink = 600_000
const mostLinks = 64

/** One-time links to exported files. They are given to admitted pages and expire soon. */
export class Downloads {
  readonly #links = new Map<string, Download & { readonly until: number }>()

  /** Creates a link. Returns a path below the server's address. */
  link(path: string, file: FileIdentity): string {
    const id = randomBytes(32).toString('base64url')
    this.#links.set(id, { path, file, until: performance.now() + millisecondsOfLink })
    const [oldest] = this.#links.keys()
    if (this.#links.size > mostLinks) this.#links.delete(oldest)
    return `/files/${id}/${encodeURIComponent(path.split(/[\\/]/).at(-1) ?? 'file')}`
  }

  /** Redeems a link. Returns undefined if it was used, has expired, or does not exist. */
  take(id: string): Download | undefined {
    const found = this.#links.get(id)
    this.#links.delete(id)
    return found !== undefined && performance.now() < found.until ? found : undefined
  }
}
