import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createReadStream, promises as raw } from 'original-fs'
import { SpectroscopeError } from '../../preload/errors'
import { onDisk } from '../base/entries'

/** Header entry of a file or folder in an archive, as far as used here. */
interface Entry {
  readonly files?: Readonly<Record<string, Entry>>
  /** Whether the file is beside the archive. */
  readonly unpacked?: boolean
  readonly integrity?: { readonly hash: string }
}

/** Limit of files read at once. */
const atOnce = 8

/** Folders into which an installation of tfjs-gpu downloads. */
const installed = /^node_modules[\\/]@tensorflow[\\/]tfjs-node-gpu[\\/](lib|deps|build)[\\/]/

/** Files that macOS signs after packing, which changes them. The signature of the whole program covers them. */
const signed = /(\.(node|dylib)|[\\/]node[\\/]node)$/

/** Reads the header (github.com/electron/asar, "Format"): JSON, preceded by its length in four bytes. */
const headerOf = async (archive: string): Promise<Entry> => {
  const file = await raw.open(archive, 'r')
  try {
    const head = Buffer.alloc(16)
    await file.read(head, 0, 16, 0)
    const header = Buffer.alloc(head.readUInt32LE(12))
    await file.read(header, 0, header.length, 16)
    return JSON.parse(header.toString('utf8')) as Entry
  } finally {
    await file.close()
  }
}

/** SHA-256 of each file beside the archive, by path. */
const hashesIn = ({ files = {} }: Entry, folder = ''): [path: string, hash: string][] =>
  Object.entries(files).flatMap(([name, entry]) => {
    const path = join(folder, name)
    if (entry.files !== undefined) return hashesIn(entry, path)
    return entry.unpacked === true ? [[path, entry.integrity?.hash ?? '']] : []
  })

const hashOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

const damaged = (path: string, words: string, cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('input', `${path} ${words}; install Spectroscope again.`, { cause })

/**
 * Compares all files beside an archive, which Node and libraries load, with the hashes in the archive's header.
 * Electron itself checks the header, on macOS and Windows. Throws an `input` error for a file that was changed, is
 * missing, or does not belong to the program.
 */
export const checkUnpacked = async (archive: string, platform: NodeJS.Platform = process.platform): Promise<void> => {
  const beside = onDisk(archive)
  const expected = hashesIn(await headerOf(archive))
  const known = new Set(expected.map(([path]) => path))
  for (const entry of await readdir(beside, { recursive: true, withFileTypes: true })) {
    const path = relative(beside, join(entry.parentPath, entry.name))
    if (!entry.isDirectory() && !known.has(path) && !installed.test(path))
      throw damaged(join(beside, path), 'does not belong to the program')
  }
  let next = 0
  const check = async (): Promise<void> => {
    while (next < expected.length) {
      const [path, hash] = expected[next++]
      if (platform === 'darwin' && signed.test(path)) continue
      const own = await hashOf(join(beside, path)).catch((cause: unknown) => {
        throw damaged(join(beside, path), 'cannot be read', cause)
      })
      if (own !== hash) throw damaged(join(beside, path), 'was changed after packing')
    }
  }
  await Promise.all(Array.from({ length: atOnce }, check))
}
