import { open, readdir, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { SpectroscopeError } from '../../preload/errors'
import { makeFolder, writeFileAtomically } from '../base/files'

const magic = 'SPECSMPL'
const version = 2
const preamble = 16
const stagingBytes = 1 << 22

/** What a checkpoint says of itself; `state` is the sampler's own. */
export interface CheckpointHeader<S> {
  readonly fingerprint: string
  readonly sequence: number
  readonly state: S
}

const slotPath = (folder: string, sequence: number): string => join(folder, `sampling-${sequence % 2}.checkpoint`)

const bytesOf = (section: ArrayBufferView): Uint8Array => new Uint8Array(section.buffer, section.byteOffset, section.byteLength)

/** magic, version (uint32), header length (uint32), header (JSON), sections, CRC-32 of all before; little-endian, in blocks of at most 4 MiB. */
function* blocks(header: Uint8Array, sections: readonly ArrayBufferView[]): Generator<Uint8Array> {
  const first = Buffer.alloc(preamble)
  first.write(magic, 'latin1')
  first.writeUInt32LE(version, 8)
  first.writeUInt32LE(header.length, 12)
  let sum = crc32(first)
  yield first
  sum = crc32(header, sum)
  yield header
  const staging = Buffer.allocUnsafe(stagingBytes)
  for (const section of sections) {
    const bytes = bytesOf(section)
    for (let start = 0; start < bytes.length; start += stagingBytes) {
      const block = bytes.subarray(start, start + stagingBytes)
      staging.set(block)
      const copy = staging.subarray(0, block.length)
      sum = crc32(copy, sum)
      yield copy
    }
  }
  const last = Buffer.alloc(4)
  last.writeUInt32LE(sum)
  yield last
}

/**
 * Writes a checkpoint in the place of the older of the two kept, once it is whole: at any moment the newer one stays readable.
 * Throws a `storage` error when it cannot.
 */
export const writeCheckpoint = async <S>(folder: string, header: CheckpointHeader<S>, sections: readonly ArrayBufferView[]): Promise<void> => {
  try {
    await makeFolder(folder)
    await writeFileAtomically(slotPath(folder, header.sequence), blocks(Buffer.from(JSON.stringify(header)), sections))
  } catch (error) {
    if (!(error instanceof SpectroscopeError)) throw error
    throw new SpectroscopeError('storage', `${error.message.replace(/\.$/, '')}; sampling stopped and is kept as of its last checkpoint: resume the run then.`, { cause: error })
  }
}

/** Removes what a killed writer left by half. */
export const removeLeftovers = async (folder: string): Promise<void> => {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (/^\.sampling-.*\.tmp$/.test(name)) await rm(join(folder, name), { force: true })
}

const readInto = async (file: FileHandle, target: Uint8Array, position: number): Promise<void> => {
  let read = 0
  while (read < target.length) {
    const { bytesRead } = await file.read(target, read, target.length - read, position + read)
    if (bytesRead === 0) throw new Error('ends early')
    read += bytesRead
  }
}

const withFile = async <T>(path: string, work: (file: FileHandle, size: number) => Promise<T>): Promise<T | null> => {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    return await work(file, (await file.stat()).size)
  } catch {
    return null
  } finally {
    await file?.close()
  }
}

/** Size of the header if the whole file agrees with its checksum. */
const checked = async (file: FileHandle, size: number): Promise<Buffer> => {
  const first = Buffer.alloc(preamble)
  await readInto(file, first, 0)
  const length = first.readUInt32LE(12)
  if (first.toString('latin1', 0, 8) !== magic || first.readUInt32LE(8) !== version || preamble + length + 4 > size) throw new Error('is no checkpoint')
  const staging = Buffer.allocUnsafe(stagingBytes)
  let sum = 0
  for (let position = 0; position < size - 4; position += stagingBytes) {
    const block = staging.subarray(0, Math.min(stagingBytes, size - 4 - position))
    await readInto(file, block, position)
    sum = crc32(block, sum)
  }
  const last = Buffer.alloc(4)
  await readInto(file, last, size - 4)
  if (last.readUInt32LE() !== sum) throw new Error('is damaged')
  const header = Buffer.alloc(length)
  await readInto(file, header, preamble)
  return header
}

const fill = async (file: FileHandle, start: number, sections: readonly ArrayBufferView[]): Promise<void> => {
  const staging = Buffer.allocUnsafe(stagingBytes)
  let position = start
  for (const section of sections) {
    const bytes = bytesOf(section)
    for (let at = 0; at < bytes.length; at += stagingBytes) {
      const block = staging.subarray(0, Math.min(stagingBytes, bytes.length - at))
      await readInto(file, block, position)
      bytes.set(block, at)
      position += block.length
    }
  }
}

/**
 * Fills the sections from the newest whole checkpoint of this fingerprint, and returns its header; null if there is none. `sectionsOf`
 * gives the arrays in the order in which they were written.
 */
export const readCheckpoint = async <S>(folder: string, fingerprint: string, sectionsOf: (state: S) => readonly ArrayBufferView[]): Promise<CheckpointHeader<S> | null> => {
  const found = await Promise.all(
    [0, 1].map(async (slot) => {
      const path = slotPath(folder, slot)
      const header = await withFile(path, async (file, size) => {
        const bytes = await checked(file, size)
        return { length: bytes.length, size, ...(JSON.parse(bytes.toString()) as CheckpointHeader<S>) }
      })
      return header === null || header.fingerprint !== fingerprint ? [] : [{ path, ...header }]
    })
  )
  for (const { path, length, size, ...header } of found.flat().sort((a, b) => b.sequence - a.sequence)) {
    const sections = sectionsOf(header.state)
    if (size !== preamble + length + 4 + sections.reduce((sum, { byteLength }) => sum + byteLength, 0)) continue
    const filled = await withFile(path, async (file) => {
      await fill(file, preamble + length, sections)
      return true
    })
    if (filled === null) throw new SpectroscopeError('storage', `${path} could not be read to its end; make it readable, or delete it to go on from an earlier checkpoint.`)
    return header
  }
  return null
}
