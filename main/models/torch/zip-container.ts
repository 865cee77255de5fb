import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { briefly } from '../../../preload/quoting'
import { broken } from '../safetensors-header'
import { bigEndian, mostPickleBytes, refused, type Container, type Place } from './container'
import { PickleFault, type Storage } from './objects'
import { unpickle } from './pickle'

const mostEntries = 2_000_000

/** Runs a step of yauzl. Its errors, which are about the archive, become one sentence. */
const reading = async <T>(path: string, read: () => Promise<T>): Promise<T> => {
  try {
    return await read()
  } catch (error) {
    if (error instanceof SpectroscopeError || error instanceof PickleFault) throw error
    throw broken(path, `the file is truncated or damaged (${briefly(messageOf(error))})`, error)
  }
}

/** Where the bytes of an entry are. torch stores them as they are, so that they can be mapped into memory. */
const placeOf = async (path: string, zip: ZipFile, entry: Entry): Promise<Place> => {
  const name = briefly(entry.fileName)
  if (entry.isEncrypted() || entry.compressionMethod !== 0 || entry.compressedSize !== entry.uncompressedSize)
    throw refused(path, `${name} in it is compressed, as torch never writes it; save it again with torch.save`)
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
  if (fileDataStart + entry.compressedSize > zip.fileSize)
    throw broken(path, `the file is truncated or damaged (${name} in it goes past its end)`)
  return { start: fileDataStart, bytes: entry.compressedSize }
}

const entriesOf = async (path: string, zip: ZipFile): Promise<ReadonlyMap<string, Entry>> => {
  if (zip.entryCount > mostEntries)
    throw broken(path, `the file claims to hold ${zip.entryCount.toLocaleString('en')} parts`)
  const entries = new Map<string, Entry>()
  for await (const entry of zip.eachEntry()) {
    if (entries.has(entry.fileName)) throw broken(path, `the file holds ${briefly(entry.fileName)} twice`)
    entries.set(entry.fileName, entry)
  }
  return entries
}

const contentOf = async (zip: ZipFile, entry: Entry, most: number): Promise<Buffer> => {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of await zip.openReadStreamPromise(entry)) {
    parts.push(part as Buffer)
    length += (part as Buffer).length
    if (length > most) throw new Error('a part is longer than it claims')
  }
  return Buffer.concat(parts)
}

const checkByteOrder = async (path: string, zip: ZipFile, entry: Entry | undefined): Promise<void> => {
  if (entry === undefined) return
  await placeOf(path, zip, entry)
  const order = (entry.compressedSize > 16 ? Buffer.alloc(0) : await contentOf(zip, entry, 16)).toString('latin1')
  if (order === 'little') return
  if (order === 'big') throw refused(path, bigEndian)
  throw broken(path, 'the file does not say in which order the bytes of its numbers are')
}

const pickleOf = async (path: string, zip: ZipFile, entries: ReadonlyMap<string, Entry>): Promise<Entry> => {
  const named = [...entries.values()].filter(({ fileName }) => /^[^/]+\/data\.pkl$/.test(fileName))
  if (named.length !== 1) throw refused(path, 'it is a ZIP archive, but not one that torch.save wrote; choose another')
  const [entry] = named
  const root = entry.fileName.slice(0, -'data.pkl'.length)
  if (entries.has(`${root}constants.pkl`))
    throw refused(path, 'it is a TorchScript program, not a state dictionary; save the state_dict() of its module')
  const { bytes } = await placeOf(path, zip, entry)
  if (bytes > mostPickleBytes) throw broken(path, `its pickle would take ${bytes.toLocaleString('en')} bytes`)
  return entry
}

/**
 * Opens a file that torch has written since 1.6: a ZIP archive with a pickle, `data.pkl`, and a part a storage,
 * `data/0`, stored uncompressed. Reads the archive's directory and the pickle, and where `use` asks for the place of a
 * storage, the head of its part. Throws an `input` error, or a `PickleFault`.
 */
export const withZipContainer = async <T>(path: string, use: (container: Container) => Promise<T>): Promise<T> => {
  const zip = await reading(path, () => openPromise(path, { autoClose: false }))
  try {
    return await reading(path, async () => {
      const entries = await entriesOf(path, zip)
      const pickle = await pickleOf(path, zip, entries)
      const root = pickle.fileName.slice(0, -'data.pkl'.length)
      await checkByteOrder(path, zip, entries.get(`${root}byteorder`))
      const { value } = unpickle(await contentOf(zip, pickle, mostPickleBytes))
      const placeOfStorage = async ({ key }: Storage): Promise<Place> => {
        const entry = entries.get(`${root}data/${key}`)
        if (entry === undefined) throw broken(path, `the file has no part data/${briefly(key)}, which its pickle names`)
        return placeOf(path, zip, entry)
      }
      return await use({ value, placeOf: placeOfStorage })
    })
  } finally {
    zip.close()
  }
}
