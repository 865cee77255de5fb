import type { FileHandle } from 'node:fs/promises'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { decode, encode } from '../../preload/wire'
import { faultCode } from '../base/faults'
import { writeFileAtomically } from '../base/files'
import { openPlain } from '../base/plain-files'
import { checkFile, readSection, sectionBlocks } from '../base/section-file'
import type { ChainName } from './input'
import type { Sampled } from './sample'

const format = { magic: 'SPECCHNS', version: 2 }

interface Header<A> {
  readonly about: A
  readonly count: number
}

/** A part of the file, after its own length in bytes. */
function* framed(value: unknown): Generator<Uint8Array> {
  const bytes = encode(value)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  yield length
  yield bytes
}

async function* parts({ tokens, initialLoss, chains, sums }: Sampled): AsyncGenerator<Uint8Array> {
  yield* framed({ tokens, initialLoss, chains })
  for (const at of chains.keys()) yield* framed(await sums(at))
}

/** Writes what chains or blocks of draws came to, with what there is to say `about` them (JSON); whole or not at all. Throws a `storage` error when it cannot. */
export const writeSampled = <A extends object>(path: string, about: A, sampled: Sampled): Promise<void> =>
  writeFileAtomically(path, sectionBlocks(format, { about, count: sampled.chains.length } satisfies Header<A>, parts(sampled)))

interface Place {
  readonly position: number
  readonly length: number
}

const readPart = async (file: FileHandle, { position, length }: Place): Promise<unknown> => {
  const bytes = new Uint8Array(length)
  await readSection(file, position, bytes)
  return decode(bytes)
}

const placesOf = async (file: FileHandle, start: number, end: number): Promise<Place[]> => {
  const places: Place[] = []
  const length = Buffer.alloc(8)
  for (let position = start; position < end; ) {
    await readSection(file, position, length)
    const place = { position: position + 8, length: Number(length.readBigUInt64LE()) }
    places.push(place)
    position = place.position + place.length
  }
  return places
}

export type SampledFile<S extends Sampled, A> = S & { readonly about: A; readonly close: () => Promise<void> }

/** Whatever `writeSampled` wrote; sums are read when they are asked for. Throws an `input` error that names a file which cannot be read or is damaged. */
export const openSampled = async <S extends Sampled, A extends object>(path: string): Promise<SampledFile<S, A>> => {
  const fault = (words: string, error: unknown): SpectroscopeError =>
    new SpectroscopeError('input', `${path} ${words}; delete it and run its piece again.`, { cause: error })
  const file = await openPlain(path, 'r', { mayBeShared: true }).catch((error: unknown) => {
    throw fault(`cannot be read (${faultCode(error)})`, error)
  })
  try {
    const { header, start, end } = await checkFile(file, format)
    const { about, count } = JSON.parse(header.toString()) as Header<A>
    const [first, ...places] = await placesOf(file, start, end)
    if (places.length !== count) throw new Error('lacks chains')
    const outline = (await readPart(file, first)) as Omit<S, 'sums' | 'close'>
    return { about, ...outline, sums: (at: number) => readPart(file, places[at]), close: () => file.close() } as SampledFile<S, A>
  } catch (error) {
    await file.close()
    throw fault(messageOf(error), error)
  }
}

/**
 * The chains, or blocks of draws, of several parts as one, in the order of `names`. L(w*) is that of the first part; every chain keeps the
 * one that its own sums are relative to. Each of the names must be in one of the parts.
 */
export const joinSampled = <S extends Sampled>(names: readonly ChainName[], partsOfRun: readonly S[]): S => {
  const found = new Map<string, { readonly chain: S['chains'][number]; readonly sums: () => ReturnType<S['sums']> }>()
  for (const part of partsOfRun) {
    part.chains.forEach((chain, at) => found.set(JSON.stringify([chain.component, chain.chain]), { chain, sums: () => part.sums(at) as ReturnType<S['sums']> }))
  }
  const ordered = names.map(({ component, chain }) => found.get(JSON.stringify([component, chain]))!)
  const { tokens, initialLoss } = partsOfRun[0]
  return { tokens, initialLoss, chains: ordered.map(({ chain }) => chain), sums: (at: number) => ordered[at].sums() } as unknown as S
}
