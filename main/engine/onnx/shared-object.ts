import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** What a shared object for 64-bit Linux says that it needs. */
export interface SharedObject {
  /** Names of libraries, as "libcudart.so.12". */
  readonly needed: readonly string[]
  /** Folders that it has them looked for in, with $ORIGIN for its own. */
  readonly folders: readonly string[]
}

const types = { load: 1, dynamic: 2 } as const
const tags = { needed: 1, strings: 5, stringBytes: 10, path: 15, runPath: 29 } as const

/** Throws an Error where the file has fewer. */
export const bytesAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  if (bytesRead < length) throw new Error('it ends too early')
  return bytes
}

/** Reads the dynamic section of an ELF file (System V ABI, chapter 5). Throws an Error where it is none for 64-bit little-endian machines. */
export const readSharedObject = async (path: string): Promise<SharedObject> => {
  const file = await open(path, 'r')
  try {
    const header = await bytesAt(file, 0, 64)
    if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1)
      throw new Error('it is no library for this platform')
    const [entrySize, count] = [header.readUInt16LE(54), header.readUInt16LE(56)]
    const table = await bytesAt(file, Number(header.readBigUInt64LE(32)), entrySize * count)
    const segments = Array.from({ length: count }, (_, at) => table.subarray(at * entrySize, (at + 1) * entrySize)).map(
      (segment) => ({
        type: segment.readUInt32LE(0),
        offset: Number(segment.readBigUInt64LE(8)),
        address: Number(segment.readBigUInt64LE(16)),
        size: Number(segment.readBigUInt64LE(32))
      })
    )
    const dynamic = segments.find(({ type }) => type === types.dynamic)
    if (dynamic === undefined) return { needed: [], folders: [] }
    const section = await bytesAt(file, dynamic.offset, dynamic.size)
    const entries = Array.from({ length: Math.floor(section.length / 16) }, (_, at) => ({
      tag: Number(section.readBigInt64LE(16 * at)),
      value: Number(section.readBigUInt64LE(16 * at + 8))
    }))
    const valueOf = (tag: number): number => entries.find((entry) => entry.tag === tag)?.value ?? 0
    const at = valueOf(tags.strings)
    const within = segments.find(
      ({ type, address, size }) => type === types.load && at >= address && at < address + size
    )
    if (within === undefined) throw new Error('its table of strings is missing')
    const strings = await bytesAt(file, at - within.address + within.offset, valueOf(tags.stringBytes))
    const text = (offset: number): string => strings.toString('utf8', offset, strings.indexOf(0, offset))
    const texts = (tag: number): string[] =>
      entries.filter((entry) => entry.tag === tag).map(({ value }) => text(value))
    return {
      needed: texts(tags.needed),
      folders: [...texts(tags.path), ...texts(tags.runPath)].flatMap((list) => list.split(':'))
    }
  } finally {
    await file.close()
  }
}
