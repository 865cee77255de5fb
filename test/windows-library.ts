/** What a library for Windows is made of, as far as it names others. */
export interface Parts {
  readonly needed: readonly string[]
  readonly delayed?: readonly string[]
  /** As the COFF header names it; x64 unless given. */
  readonly machine?: number
  /** Of its own after that. */
  readonly rest?: Buffer
}

const [headerBytes, optionalBytes, sectionAt, address] = [64, 240, 512, 0x1000]

/** A PE file with one section, which has nothing but the directories of imports. */
export const windowsLibrary = ({ needed, delayed = [], machine = 0x8664, rest = Buffer.alloc(0) }: Parts): Buffer => {
  const directory = (
    names: readonly string[],
    entryBytes: number,
    nameAt: number,
    addressOf: (name: string) => number
  ): Buffer => {
    const entries = Buffer.alloc(entryBytes * (names.length + 1))
    names.forEach((name, at) => {
      // Of a delayed import: its addresses are relative.
      if (entryBytes === 32) entries.writeUInt32LE(1, entryBytes * at)
      entries.writeUInt32LE(addressOf(name), entryBytes * at + nameAt)
    })
    return entries
  }
  const names = [...needed, ...delayed]
  const importsAt = address
  const delayedAt = importsAt + 20 * (needed.length + 1)
  const namesAt = delayedAt + 32 * (delayed.length + 1)
  const addressOf = (name: string): number =>
    namesAt +
    Buffer.byteLength(
      names
        .slice(0, names.indexOf(name))
        .map((each) => `${each}\0`)
        .join('')
    )
  const section = Buffer.concat([
    directory(needed, 20, 12, addressOf),
    directory(delayed, 32, 4, addressOf),
    Buffer.from(names.map((each) => `${each}\0`).join(''))
  ])

  const header = Buffer.alloc(sectionAt)
  header.write('MZ')
  header.writeUInt32LE(headerBytes, 60)
  header.write('PE\0\0', headerBytes)
  header.writeUInt16LE(machine, headerBytes + 4)
  header.writeUInt16LE(1, headerBytes + 6)
  header.writeUInt16LE(optionalBytes, headerBytes + 20)
  const optional = headerBytes + 24
  header.writeUInt16LE(0x20b, optional)
  header.writeUInt32LE(16, optional + 108)
  header.writeUInt32LE(importsAt, optional + 112 + 8)
  header.writeUInt32LE(delayed.length > 0 ? delayedAt : 0, optional + 112 + 8 * 13)
  const table = optional + optionalBytes
  header.write('.rdata', table)
  header.writeUInt32LE(section.length, table + 8)
  header.writeUInt32LE(address, table + 12)
  header.writeUInt32LE(section.length, table + 16)
  header.writeUInt32LE(sectionAt, table + 20)
  return Buffer.concat([header, section, rest])
}
