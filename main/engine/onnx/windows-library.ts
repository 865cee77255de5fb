import { open } from 'node:fs/promises'
import { bytesAt } from './shared-object'

/** What a library for 64-bit Windows says that it needs, as "cudart64_13.dll". */
export interface WindowsLibrary {
  /** Loaded with it. */
  readonly needed: readonly string[]
  /** Loaded when first called. */
  readonly delayed: readonly string[]
}

const machine = 0x8664
const directories = { imports: 1, delayedImports: 13 } as const
/** Bytes of an entry of a directory, and where in it the address of the library's name is. */
const layouts = { imports: { bytes: 20, name: 12 }, delayedImports: { bytes: 32, name: 4 } } as const
/** Of a file's name under Windows, with what ends it. */
const nameBytes = 260

/** Reads the directories of imports of a PE file (Microsoft, "PE Format"). Throws an Error where it is none for x64. */
export const readWindowsLibrary = async (path: string): Promise<WindowsLibrary> => {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const start = await bytesAt(file, 0, 64)
    const at = start.readUInt32LE(60)
    if (start.readUInt16BE(0) !== 0x4d5a) throw new Error('it is no library for this platform')
    const header = await bytesAt(file, at, 24)
    if (header.readUInt32BE(0) !== 0x50450000 || header.readUInt16LE(4) !== machine)
      throw new Error('it is no library for this platform')
    const [sectionCount, optionalBytes] = [header.readUInt16LE(6), header.readUInt16LE(20)]
    const optional = await bytesAt(file, at + 24, optionalBytes)
    if (optionalBytes < 112 || optional.readUInt16LE(0) !== 0x20b) throw new Error('it is no library for this platform')
    const table = await bytesAt(file, at + 24 + optionalBytes, 40 * sectionCount)
    const sections = Array.from({ length: sectionCount }, (_, each) => table.subarray(40 * each)).map((section) => ({
      address: section.readUInt32LE(12),
      bytes: section.readUInt32LE(16),
      offset: section.readUInt32LE(20)
    }))
    /** Where in the file an address is, and how many bytes are there of its section. */
    const placeOf = (address: number): { readonly offset: number; readonly bytes: number } => {
      const within = sections.find((section) => address >= section.address && address < section.address + section.bytes)
      if (within === undefined) throw new Error('its imports lie outside of it')
      const offset = address - within.address + within.offset
      return { offset, bytes: Math.max(0, Math.min(within.bytes - (address - within.address), size - offset)) }
    }
    const textAt = async (address: number): Promise<string> => {
      const { offset, bytes } = placeOf(address)
      const text = await bytesAt(file, offset, Math.min(nameBytes, bytes))
      const end = text.indexOf(0)
      if (end <= 0) throw new Error('the name of a library that it needs has no end')
      return text.toString('latin1', 0, end)
    }
    const namesIn = async (directory: keyof typeof directories): Promise<string[]> => {
      const entry = 112 + 8 * directories[directory]
      const address =
        entry + 8 <= optionalBytes && optional.readUInt32LE(108) > directories[directory]
          ? optional.readUInt32LE(entry)
          : 0
      if (address === 0) return []
      const { bytes, name } = layouts[directory]
      const place = placeOf(address)
      const names: string[] = []
      for (let from = 0; from + bytes <= place.bytes; from += bytes) {
        const nameAddress = (await bytesAt(file, place.offset + from, bytes)).readUInt32LE(name)
        if (nameAddress === 0) return names
        names.push(await textAt(nameAddress))
      }
      throw new Error('its list of imports has no end')
    }
    return { needed: await namesIn('imports'), delayed: await namesIn('delayedImports') }
  } finally {
    await file.close()
  }
}
