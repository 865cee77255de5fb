import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { openPlain } from './plain-files'

/** First eight characters of a file, and the version of its content. */
export interface SectionFormat {
  readonly magic: string
  readonly version: number
}

/** Header of a file, and the positions of its sections. */
export interface SectionPlaces {
  readonly version: number
  readonly header: Buffer
  readonly start: number
  readonly end: number
}

/** Error for a file that does not match its checksum. */
export const damaged = (): Error => new Error('is damaged')

const preamble = 16
const stagingBytes = 1 << 22

const bytesOf = (section: ArrayBufferView): Uint8Array =>
  new Uint8Array(section.buffer, section.byteOffset, section.byteLength)

/**
 * Yields a file in blocks of at most 4 MiB. Layout, little-endian: magic, version (uint32), header length (uint32),
 * header (JSON), sections, CRC-32 of everything before.
 */
export async function* sectionBlocks(
  { magic, version }: SectionFormat,
  header: object,
  sections: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>
): AsyncGenerator<Uint8Array> {
  const text = Buffer.from(JSON.stringify(header))
  const first = Buffer.alloc(preamble)
  first.write(magic, 'latin1')
  first.writeUInt32LE(version, 8)
  first.writeUInt32LE(text.length, 12)
  let sum = crc32(first)
  yield first
  sum = crc32(text, sum)
  yield text
  const staging = Buffer.allocUnsafe(stagingBytes)
  for await (const section of sections) {
    const bytes = bytesOf(section)
    for (let start = 0; start < bytes.length; start += stagingBytes) {
      const block = bytes.subarray(start, start + stagingBytes)
      staging.set(block)
      const copy = staging.subarray(0, block.length)
      sum = crc32(copy, sum)
      yield copy
    }
  }
  yield sumOf(sum)
}

const readInto = async (file: FileHandle, target: Uint8Array, position: number): Promise<void> => {
  let read = 0
  while (read < target.length) {
    const { bytesRead } = await file.read(target, read, target.length - read, position + read)
    if (bytesRead === 0) throw new Error('ends early')
    read += bytesRead
  }
}

/** Reads a section that begins at `position`; its CRC-32. The target may be shared memory. */
export const readSection = async (file: FileHandle, position: number, section: ArrayBufferView): Promise<number> => {
  const bytes = bytesOf(section)
  const staging = Buffer.allocUnsafe(Math.min(stagingBytes, bytes.length))
  let sum = 0
  for (let at = 0; at < bytes.length; at += stagingBytes) {
    const block = staging.subarray(0, Math.min(stagingBytes, bytes.length - at))
    await readInto(file, block, position + at)
    sum = crc32(block, sum)
    bytes.set(block, at)
  }
  return sum
}

/** Bytes of a checksum. */
export const sumBytes = 4

const sumOf = (sum: number): Buffer => {
  const bytes = Buffer.alloc(sumBytes)
  bytes.writeUInt32LE(sum)
  return bytes
}

/** Each section followed by its CRC-32, so that it can be checked while it is read. */
export async function* summed(
  sections: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>
): AsyncGenerator<ArrayBufferView> {
  for await (const section of sections) {
    yield section
    yield sumOf(crc32(bytesOf(section)))
  }
}

/** Like `readSection`, of one that `summed` has made. Throws where it does not match its checksum. */
export const readSummed = async (file: FileHandle, position: number, section: ArrayBufferView): Promise<void> => {
  const sum = await readSection(file, position, section)
  const last = Buffer.alloc(sumBytes)
  await readInto(file, last, position + section.byteLength)
  if (last.readUInt32LE() !== sum) throw damaged()
}

/** Opens a plain file and passes it to `work`. Returns null if anything fails. */
export const withFile = async <T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T | null> => {
  let file: FileHandle | undefined
  try {
    file = await openPlain(path)
    return await work(file)
  } catch {
    return null
  } finally {
    await file?.close()
  }
}

/**
 * Reads the header and section positions of a file with one of these versions, without checking its content. Throws
 * for any other format.
 */
export const readOutline = async (
  file: FileHandle,
  magic: string,
  versions: readonly number[]
): Promise<SectionPlaces> => {
  const { size } = await file.stat()
  const first = Buffer.alloc(preamble)
  await readInto(file, first, 0)
  const [version, length] = [first.readUInt32LE(8), first.readUInt32LE(12)]
  const isOther = first.toString('latin1', 0, 8) !== magic || !versions.includes(version)
  if (isOther || preamble + length + 4 > size) throw new Error('is of another format')
  const header = Buffer.alloc(length)
  await readInto(file, header, preamble)
  return { version, header, start: preamble + length, end: size - 4 }
}

/** Reads the whole file. Throws if it does not match its checksum. */
export const checkSum = async (file: FileHandle): Promise<void> => {
  const { size } = await file.stat()
  const staging = Buffer.allocUnsafe(stagingBytes)
  let sum = 0
  for (let position = 0; position < size - 4; position += stagingBytes) {
    const block = staging.subarray(0, Math.min(stagingBytes, size - 4 - position))
    await readInto(file, block, position)
    sum = crc32(block, sum)
  }
  const last = Buffer.alloc(4)
  await readInto(file, last, size - 4)
  if (last.readUInt32LE() !== sum) throw damaged()
}

/** Reads the whole file. Throws if its format or version differs, or if it does not match its checksum. */
export const checkFile = async (file: FileHandle, { magic, version }: SectionFormat): Promise<SectionPlaces> => {
  const outline = await readOutline(file, magic, [version])
  await checkSum(file)
  return outline
}
