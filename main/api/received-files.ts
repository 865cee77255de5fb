import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { writeFileAtomically } from '../base/files'

/** A file's name, with characters replaced that could mislead the file system or the user. */
const safeName = (name: string): string => {
  const cleaned = basename(name.replaceAll('\\', '/'))
    .replace(/[^\p{L}\p{N} ._-]/gu, '_')
    .replace(/^\.+/, '')
    .slice(0, 120)
  return cleaned === '' ? 'received.json' : cleaned
}

/** Limit of received files. The user inspects one before importing it. */
const most = 4

/** Files uploaded by windows, until imported or replaced by newer ones. */
export class ReceivedFiles {
  readonly #paths = new Set<string>()

  /** Writes an upload to a new folder. Returns its path. Throws a `storage` error. */
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

  /** Deletes a file if it was uploaded here. */
  async remove(path: string): Promise<void> {
    if (this.#paths.delete(path)) await rm(dirname(path), { recursive: true, force: true })
  }

  async close(): Promise<void> {
    for (const path of this.#paths) await this.remove(path)
  }
}
