import type { FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { decode, encode } from '../../preload/wire'
import { faultCode } from '../base/faults'
import { writeFileAtomically } from '../base/files'
import { openPlain } from '../base/plain-files'
import { type SectionPlaces, checkSum, damaged, readOutline, readSection, sectionBlocks } from '../base/section-file'
import type { ChainName } from './input'
import type { Sampled } from './sampled'

const format = { magic: 'SPECCHNS', version: 3 }
/** Older version, still read: `about` is in the header, and parts have no checksums. */
const formerVersion = 2

interface Header<A> {
  readonly count: number
  readonly about?: A
}

/** A part of the file, preceded by its length in bytes and its CRC-32. */
function* framed(value: unknown): Generator<Uint8Array> {
  const bytes = encode(value)
  const frame = Buffer.alloc(12)
  frame.writeBigUInt64LE(BigInt(bytes.length))
  frame.writeUInt32LE(crc32(bytes), 8)
  yield frame
  yield bytes
}

async function* parts(about: object, { tokens, initialLoss, chains, sums }: Sampled): AsyncGenerator<Uint8Array> {
  yield* framed({ about, tokens, initialLoss, chains })
  for (const at of chains.keys()) yield* framed(await sums(at))
}

/** Writes sampled chains or draw blocks, with `about` (JSON), atomically. Throws a `storage` error if it cannot. */
export const writeSampled = <A extends object>(path: string, about: A, sampled: Sampled): Promise<void> =>
  writeFileAtomically(
    path,
    sectionBlocks(format, { count: sampled.chains.length } satisfies Header<A>, parts(about, sampled))
  )

interface Place {
  readonly position: number
  readonly length: number
  /** CRC-32; null if the file has no checksums. */
  readonly sum: number | null
}

const readPart = async (file: FileHandle, { position, length, sum }: Place): Promise<unknown> => {
  const bytes = new Uint8Array(length)
  await readSection(file, position, bytes)
  if (sum !== null && crc32(bytes) !== sum) throw damaged()
  return decode(bytes)
}

const placesOf = async (file: FileHandle, { version, start, end }: SectionPlaces): Promise<Place[]> => {
  const places: Place[] = []
  const isFormer = version === formerVersion
  const frame = Buffer.alloc(isFormer ? 8 : 12)
  for (let position = start; position < end;) {
    await readSection(file, position, frame)
    const length = Number(frame.readBigUInt64LE())
    places.push({ position: position + frame.length, length, sum: isFormer ? null : frame.readUInt32LE(8) })
    position += frame.length + length
    if (position > end) throw damaged()
  }
  return places
}

const headerOf = <A>(header: Buffer): Header<A> => {
  try {
    return JSON.parse(header.toString()) as Header<A>
  } catch {
    throw damaged()
  }
}

export type SampledFile<S extends Sampled, A> = S & { readonly about: A; readonly close: () => Promise<void> }

/**
 * Opens a file of `writeSampled`. Sums are read on demand. The file is checked at once as a whole, or each part when
 * it is read. Throws an `input` error that names the file if it is unreadable or damaged; so do the sums.
 */
export const openSampled = async <S extends Sampled, A extends object>(
  path: string,
  checked: 'whole' | 'as read' = 'whole'
): Promise<SampledFile<S, A>> => {
  const fault = (words: string, error: unknown): SpectroscopeError =>
    new SpectroscopeError('input', `${path} ${words}; delete it and run its shard again.`, { cause: error })
  const file = await openPlain(path, 'r', { mayBeShared: true }).catch((error: unknown) => {
    throw fault(`cannot be read (${faultCode(error)})`, error)
  })
  const sound = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw fault(messageOf(error), error)
    })
  const opened = async (): Promise<SampledFile<S, A>> => {
    const places = await readOutline(file, format.magic, [formerVersion, format.version])
    if (checked === 'whole' || places.version === formerVersion) await checkSum(file)
    const { count, about } = headerOf<A>(places.header)
    const [first, ...rest] = await placesOf(file, places)
    if (rest.length !== count) throw damaged()
    const outline = Object.assign({ about }, (await readPart(file, first)) as object)
    const sums = (at: number): Promise<unknown> => sound(readPart(file, rest[at]))
    return Object.assign(outline, { sums, close: () => file.close() }) as unknown as SampledFile<S, A>
  }
  try {
    return await sound(opened())
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Whether a file is readable, undamaged, and accepted by `isOwn`. Reads all of it. */
export const checkSampled = async <A extends object>(path: string, isOwn: (about: A) => boolean): Promise<boolean> => {
  try {
    const file = await openSampled<Sampled, A>(path)
    await file.close()
    return isOwn(file.about)
  } catch {
    return false
  }
}

/**
 * Joins the chains or draw blocks of several shards, in the order of `names`, each of which must be in one shard.
 * L(w*) is that of the first shard; every chain keeps the value that its sums are relative to.
 */
export const joinSampled = <S extends Sampled>(names: readonly ChainName[], partsOfRun: readonly S[]): S => {
  const found = new Map<string, { readonly chain: S['chains'][number]; readonly sums: () => ReturnType<S['sums']> }>()
  for (const part of partsOfRun) {
    part.chains.forEach((chain, at) =>
      found.set(JSON.stringify([chain.component, chain.chain]), {
        chain,
        sums: () => part.sums(at) as ReturnType<S['sums']>
      })
    )
  }
  const ordered = names.map(({ component, chain }) => found.get(JSON.stringify([component, chain]))!)
  const { tokens, initialLoss } = partsOfRun[0]
  return {
    tokens,
    initialLoss,
    chains: ordered.map(({ chain }) => chain),
    sums: (at: number) => ordered[at].sums()
  } as unknown as S
}
