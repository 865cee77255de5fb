import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeFileAtomically } from '../base/files'

/** A file's own name without what a file system or a person could be misled by. */
const safeName = (name: string): string => {
  const cleaned = basename(name.replaceAll('\\', '/'))
    .replace(/[^\p{L}\p{N} ._-]/gu, '_')
    .replace(/^\.+/, '')
    .slice(0, 120)
  return cleaned === '' ? 'received.json' : cleaned
}

/** Received files that are kept at a time: a person looks at one before it is imported. */
const most = 4

/** Files that windows have sent, until they are imported or others have come in their place. */
export class ReceivedFiles {
  readonly #paths = new Set<string>()

  /** Writes a file to a new folder of its own. Returns its path. Throws a `storage` error. */
  async receive(name: string, content: Uint8Array): Promise<string> {
    const path = join(await mkdtemp(join(tmpdir(), 'spectroscope-received-')), safeName(name))
    this.#paths.add(path)
    await writeFileAtomically(path, content)
    for (const oldest of [...this.#paths].slice(0, -most)) await this.remove(oldest)
    return path
  }

  has(path: string): boolean {
    return this.#paths.has(path)
  }

  /** Removes a file if it was received here. */
  async remove(path: string): Promise<void> {
    if (this.#paths.delete(path)) await rm(dirname(path), { recursive: true, force: true })
  }

  async close(): Promise<void> {
    for (const path of this.#paths) await this.remove(path)
  }
}
