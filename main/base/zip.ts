import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import { openPromise } from 'yauzl'
import type { Entry, ZipFile } from 'yauzl'
import { messageOf } from '../../preload/errors'

export class DamagedArchive extends Error {}

const isOfSystem = (error: unknown): boolean => error instanceof Error && 'syscall' in error

/** Runs `read`. Any error that is not a system error means that the archive is damaged. */
const reading = async <T>(what: string, read: () => Promise<T>): Promise<T> => {
  try {
    return await read()
  } catch (error) {
    const aborted = error instanceof Error && error.name === 'AbortError'
    if (isOfSystem(error) || error instanceof DamagedArchive || aborted) throw error
    throw new DamagedArchive(`${what} (${messageOf(error)})`, { cause: error })
  }
}

const unpackEntry = async (zip: ZipFile, entry: Entry, target: string, signal: AbortSignal): Promise<void> => {
  await mkdir(dirname(target), { recursive: true })
  let sum = 0
  const summed = new Transform({
    transform: (chunk: Buffer, _, done) => {
      sum = crc32(chunk, sum)
      done(null, chunk)
    }
  })
  await reading(`${entry.fileName} cannot be unpacked`, async () =>
    pipeline(await zip.openReadStreamPromise(entry), summed, createWriteStream(target, { flags: 'wx' }), { signal })
  )
  if (sum !== entry.crc32) throw new DamagedArchive(`${entry.fileName} does not match its checksum`)
}

/**
 * Unpacks those files of a ZIP archive that have a target, by their names in it, each into a new file; returns their
 * names. Throws `DamagedArchive` where one is damaged, system errors of reading and writing, and an AbortError.
 */
export const unpackSome = async (
  archive: string,
  targetOf: (name: string) => string | undefined,
  signal: AbortSignal
): Promise<ReadonlySet<string>> => {
  const zip = await reading('it is no archive', () => openPromise(archive))
  const unpacked = new Set<string>()
  try {
    await reading('its directory is damaged', async () => {
      for await (const entry of zip.eachEntry()) {
        const target = targetOf(entry.fileName)
        if (target === undefined) continue
        await unpackEntry(zip, entry, target, signal)
        unpacked.add(entry.fileName)
      }
    })
  } finally {
    zip.close()
  }
  return unpacked
}

/** The same of files that have to be there: throws `DamagedArchive` where one is missing too. */
export const unpackFiles = async (
  archive: string,
  targets: ReadonlyMap<string, string>,
  signal: AbortSignal
): Promise<void> => {
  const unpacked = await unpackSome(archive, (name) => targets.get(name), signal)
  const missing = [...targets.keys()].find((name) => !unpacked.has(name))
  if (missing !== undefined) throw new DamagedArchive(`it has no ${missing}`)
}
