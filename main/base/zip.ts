import { createReadStream, createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'

/** A file of an archive (PKWARE's APPNOTE 4.3.12). */
export interface ZipEntry {
  readonly name: string
  /** Of its content, and as it lies in the archive. */
  readonly size: number
  readonly packedSize: number
  readonly checksum: number
  readonly method: number
  readonly headerAt: number
}

const endLength = 22
const longestComment = 65_535
const marks = { end: 0x06054b50, entry: 0x02014b50, file: 0x04034b50 } as const

export class DamagedArchive extends Error {}

const bytesAt = async (file: FileHandle, position: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.alloc(length)
  const { bytesRead } = await file.read(bytes, 0, length, position)
  if (bytesRead < length) throw new DamagedArchive('it ends too early')
  return bytes
}

/** Entries of a ZIP archive of less than 4 GB, from the directory at its end. Throws `DamagedArchive`. */
export const zipEntries = async (path: string): Promise<readonly ZipEntry[]> => {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const start = Math.max(0, size - endLength - longestComment)
    const tail = await bytesAt(file, start, size - start)
    const mark = Buffer.alloc(4)
    mark.writeUInt32LE(marks.end)
    const end = tail.lastIndexOf(mark)
    if (end < 0 || end + endLength > tail.length) throw new DamagedArchive('it has no directory')
    const directory = await bytesAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12))
    const entries: ZipEntry[] = []
    for (let at = 0; entries.length < tail.readUInt16LE(end + 10);) {
      if (at + 46 > directory.length || directory.readUInt32LE(at) !== marks.entry) throw new DamagedArchive('its directory is damaged')
      const nameLength = directory.readUInt16LE(at + 28)
      entries.push({
        name: directory.toString('utf8', at + 46, at + 46 + nameLength), size: directory.readUInt32LE(at + 24), packedSize: directory.readUInt32LE(at + 20),
        checksum: directory.readUInt32LE(at + 16), method: directory.readUInt16LE(at + 10), headerAt: directory.readUInt32LE(at + 42)
      })
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32)
    }
    return entries
  } finally {
    await file.close()
  }
}

/** Unpacks one entry into a new file. Throws `DamagedArchive` where its checksum or its size is another, and system errors of writing. */
export const unpackEntry = async (path: string, { name, size, packedSize, checksum, method, headerAt }: ZipEntry, target: string, signal: AbortSignal): Promise<void> => {
  if (method !== 0 && method !== 8) throw new DamagedArchive(`${name} is packed by a method that is not known (${method})`)
  const file = await open(path, 'r')
  let start: number
  try {
    const header = await bytesAt(file, headerAt, 30)
    if (header.readUInt32LE(0) !== marks.file) throw new DamagedArchive(`${name} is not where its directory says`)
    start = headerAt + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
  } finally {
    await file.close()
  }
  let [sum, length] = [0, 0]
  const counted = new Transform({
    transform: (chunk: Buffer, _, done) => {
      sum = crc32(chunk, sum)
      length += chunk.length
      done(null, chunk)
    }
  })
  const packed = createReadStream(path, { start, end: start + packedSize - 1 })
  const written = createWriteStream(target, { flags: 'wx' })
  try {
    await (method === 8 ? pipeline(packed, createInflateRaw(), counted, written, { signal }) : pipeline(packed, counted, written, { signal }))
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_')) throw new DamagedArchive(`${name} cannot be unpacked`, { cause: error })
    throw error
  }
  if (length !== size || sum !== checksum) throw new DamagedArchive(`${name} has another content than its checksum says`)
}
