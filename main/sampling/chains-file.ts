import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { decode, encode } from '../../preload/wire'
import { faultCode } from '../base/faults'
import { writeFileAtomically } from '../base/files'
import { checkFile, readSection, sectionBlocks } from '../base/section-file'
import type { SampledChain, SampledChains } from './estimates'

const format = { magic: 'SPECCHNS', version: 1 }

/** A chain's sums as a file keeps them are opaque to it. */
type Sums = Awaited<ReturnType<SampledChains['sums']>>

interface Header<A> {
  readonly about: A
  readonly count: number
}

type Outline = Pick<SampledChains, 'tokens' | 'initialLoss' | 'chains'>

/** A part of the file, after its own length in bytes. */
function* framed(value: unknown): Generator<Uint8Array> {
  const bytes = encode(value)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  yield length
  yield bytes
}

async function* parts({ sums, ...outline }: SampledChains): AsyncGenerator<Uint8Array> {
  yield* framed(outline satisfies Outline)
  for (const at of outline.chains.keys()) yield* framed(await sums(at))
}

/** Writes what chains came to, with what there is to say `about` them (JSON); whole or not at all. Throws a `storage` error when it cannot. */
export const writeChains = <A extends object>(path: string, about: A, sampled: SampledChains): Promise<void> =>
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

export interface ChainsFile<A> extends SampledChains {
  readonly about: A
  readonly close: () => Promise<void>
}

/** Chains as `writeChains` wrote them; sums are read when they are asked for. Throws an `input` error that names a file which cannot be read or is damaged. */
export const openChains = async <A extends object>(path: string): Promise<ChainsFile<A>> => {
  const fault = (words: string, error: unknown): SpectroscopeError =>
    new SpectroscopeError('input', `${path} ${words}; delete it and run its piece again.`, { cause: error })
  const file = await open(path).catch((error: unknown) => {
    throw fault(`cannot be read (${faultCode(error)})`, error)
  })
  try {
    const { header, start, end } = await checkFile(file, format)
    const { about, count } = JSON.parse(header.toString()) as Header<A>
    const [first, ...places] = await placesOf(file, start, end)
    if (places.length !== count) throw new Error('lacks chains')
    const outline = (await readPart(file, first)) as Outline
    return { about, ...outline, sums: async (at) => (await readPart(file, places[at])) as Sums, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw fault(messageOf(error), error)
  }
}

/**
 * The chains of several parts as one, in the order of `names`. L(w*) is that of the first part; every chain keeps the one that its own
 * sums are relative to. Each of the names must be in one of the parts.
 */
export const joinChains = (names: readonly { readonly component: string; readonly chain: number }[], partsOfRun: readonly SampledChains[]): SampledChains => {
  const found = new Map<string, { readonly chain: SampledChain; readonly sums: () => Promise<Sums> }>()
  for (const { chains, sums } of partsOfRun) chains.forEach((chain, at) => found.set(JSON.stringify([chain.component, chain.chain]), { chain, sums: () => sums(at) }))
  const ordered = names.map(({ component, chain }) => found.get(JSON.stringify([component, chain]))!)
  return { tokens: partsOfRun[0].tokens, initialLoss: partsOfRun[0].initialLoss, chains: ordered.map(({ chain }) => chain), sums: (at) => ordered[at].sums() }
}
