import { deserialize, serialize } from 'node:v8'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { writeFileAtomically } from '../base/files'
import {
  checkFile,
  damaged,
  readOutline,
  readSummed,
  sectionBlocks,
  sumBytes,
  summed,
  withFile
} from '../base/section-file'
import type { Neighbours } from '../clustering/neighbours'
import type { Partitioned } from '../clustering/structure'
import { partitionedSchema } from './cluster-checkpoints'
import type { ClusterSet, Segment } from './cluster-set'
import type { ShardAbout } from './messages'
import { resultPath } from './shard-set'
import { stateBy } from './shard-status'

const format = { magic: 'SPECCLUS', version: 2 }

/** Header of a clustering shard's result. */
export type ClusterShardAbout = Omit<ShardAbout, 'engine'>

/**
 * Writes what a shard came to: for each of its segments indices and distances [tokens, k], or a partition; whole or
 * not at all. Each is followed by its checksum.
 */
export const writeResult = (
  path: string,
  about: ClusterShardAbout,
  sections: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>
): Promise<void> => writeFileAtomically(path, sectionBlocks(format, about, summed(sections)))

export const partitionSections = (partitioned: Partitioned): ArrayBufferView[] => [serialize(partitioned)]

const ownerSchema = z.object({ set: z.string(), shard: z.int() })

/** Bytes of the indices or the distances of a segment, with their checksum. */
const bytesOf = ({ from, to }: Segment, k: number): number => 4 * (to - from) * k + sumBytes

const json = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const deserialized = (bytes: Uint8Array): unknown => {
  try {
    return deserialize(bytes)
  } catch {
    return undefined
  }
}

const areTokens = (indices: Int32Array, tokens: number): boolean =>
  indices.every((token) => token >= 0 && token < tokens)

/** State of a clustering shard's result: see `ResultCheck`. */
export const clusterResultState = stateBy(async (path, isOwn) => {
  const checked = await withFile(path, (file) => checkFile(file, format))
  const about = checked === null ? undefined : ownerSchema.safeParse(json(checked.header.toString())).data
  return about !== undefined && isOwn(about)
})

/** The results of a set's shards, of which each part is read once and checked while it is read. */
export class ClusterResults {
  readonly #folder: string
  readonly #set: ClusterSet

  constructor(folder: string, set: ClusterSet) {
    this.#folder = folder
    this.#set = set
  }

  #refusal(shard: number, what: string): SpectroscopeError {
    const path = resultPath(this.#folder, shard)
    return new SpectroscopeError('input', `${path} is ${what}; delete it and run shard ${shard} again.`)
  }

  /**
   * Reads parts of a result, which `places` gives for the bytes that it has. Throws an `input` error that names a
   * result which is missing, damaged or another shard's.
   */
  async #read(
    shard: number,
    places: (bytes: number) => readonly (readonly [offset: number, into: ArrayBufferView])[]
  ): Promise<void> {
    let isAnothers = false
    const isRead = await withFile(resultPath(this.#folder, shard), async (file) => {
      const { header, start, end } = await readOutline(file, format.magic, [format.version])
      const about = ownerSchema.parse(json(header.toString()))
      isAnothers = about.set !== this.#set.id || about.shard !== shard
      if (isAnothers) return false
      for (const [offset, into] of places(end - start)) await readSummed(file, start + offset, into)
      return true
    })
    if (isAnothers) throw this.#refusal(shard, 'the result of another shard or set')
    if (isRead !== true) throw this.#refusal(shard, 'missing or damaged')
  }

  /** Neighbours of all tokens of one matrix, in shared memory. */
  async neighboursOf(variant: string): Promise<Neighbours> {
    const {
      tokens,
      shards,
      configuration: { neighbours: k }
    } = this.#set
    const indices = new Int32Array(new SharedArrayBuffer(4 * tokens * k))
    const distances = new Float32Array(new SharedArrayBuffer(4 * tokens * k))
    for (const { index, segments } of shards) {
      let offset = 0
      const places = segments.flatMap((segment): [number, ArrayBufferView][] => {
        const { from, to } = segment
        const [first, second] = [offset, offset + bytesOf(segment, k)]
        offset += 2 * bytesOf(segment, k)
        return segment.variant === variant
          ? [
              [first, indices.subarray(from * k, to * k)],
              [second, distances.subarray(from * k, to * k)]
            ]
          : []
      })
      if (places.length === 0) continue
      const length = segments.reduce((sum, segment) => sum + 2 * bytesOf(segment, k), 0)
      await this.#read(index, (bytes) => {
        if (bytes !== length) throw damaged()
        return places
      })
      for (const { variant: of, from, to } of segments) {
        if (of === variant && !areTokens(indices.subarray(from * k, to * k), tokens))
          throw this.#refusal(index, 'damaged: it names tokens that the run lacks')
      }
    }
    return { k, indices, distances }
  }

  /** Whether the set has shards for local clusters, so that `partitionOf` has results. */
  get hasPartitions(): boolean {
    return this.#set.shards.some(({ search }) => search !== null)
  }

  async partitionOf(variant: string): Promise<Partitioned> {
    const { index } = this.#set.shards.find(({ search }) => search === variant)!
    let bytes = new Uint8Array()
    await this.#read(index, (length) => {
      bytes = new Uint8Array(Math.max(0, length - sumBytes))
      return [[0, bytes]]
    })
    const found = partitionedSchema(this.#set, this.#set.tokens).safeParse(deserialized(bytes))
    if (!found.success) throw this.#refusal(index, 'damaged: it does not hold a clustering of this run')
    return found.data
  }
}
