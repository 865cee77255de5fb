import { join } from 'node:path'
import { SpectroscopeError } from '../../preload/errors'
import { entryPath } from '../base/entries'
import { writeFileAtomically } from '../base/files'
import { openPool } from '../base/pool'
import { checkFile, readSection, sectionBlocks, withFile } from '../base/section-file'
import { openTeam } from '../base/team'
import { prepareSearch, restoreSearch, roundCount, searched, searchState } from '../clustering/neighbours'
import type { Neighbours, NeighbourSearch } from '../clustering/neighbours'
import { preprocess } from '../clustering/preprocess'
import type { ClusteringProgress } from '../clustering/cluster'
import { matrixOf } from './cluster-matrices'
import { ClusterResults, partitionSections, writeResult } from './cluster-results'
import { readClusterSet, variantNamed, type ClusterShard, type ClusterSet, type Segment } from './cluster-set'
import { partitionMatrix, type OpenPool } from './cluster-work'
import type { ClusterShardRequest } from './messages'
import { shardFolder, resultPath } from './shard-set'

const stateFormat = { magic: 'SPECSRCH', version: 1 }
const segmentFormat = { magic: 'SPECSEGM', version: 1 }
const progressMilliseconds = 250
/** Minimum time between checkpoints, in multiples of the time to write one. A large search takes seconds to write. */
const restPerWrite = 20

export interface ClusterShardWork {
  readonly onProgress: (progress: ClusteringProgress) => void
  readonly signal: AbortSignal
  /** Starts worker threads; by default those of the built program. */
  readonly open?: OpenPool
}

interface StateHeader {
  readonly set: string
  readonly shard: number
  readonly segment: number
  readonly round: number
}

type SegmentHeader = Omit<StateHeader, 'round'>

/**
 * Blocks of a segment, small enough that checkpoints can be saved between rounds. Independent of the number of
 * threads, which may change when resumed.
 */
const blocksOf = ({ from, to }: Segment): number => 2 * Math.max(32, Math.ceil((to - from) / 8192))

const interrupted = (): SpectroscopeError =>
  new SpectroscopeError('interrupted', 'The shard was interrupted; run it again to resume from its checkpoint.')

const isSame = (header: Buffer, { set, shard, segment }: SegmentHeader): boolean => {
  const found = JSON.parse(header.toString()) as SegmentHeader
  return found.set === set && found.shard === shard && found.segment === segment
}

/** Searches for the neighbours of a shard's segments, one segment after another. */
class SegmentSearch {
  readonly #request: ClusterShardRequest
  readonly #set: ClusterSet
  readonly #segments: readonly Segment[]
  readonly #work: ClusterShardWork
  readonly #startedAt = Date.now()
  #begunWith = 0

  constructor(request: ClusterShardRequest, set: ClusterSet, { segments }: ClusterShard, work: ClusterShardWork) {
    this.#request = request
    this.#set = set
    this.#segments = segments
    this.#work = work
  }

  #file(name: string): string {
    return join(shardFolder(this.#request.folder, this.#request.shard), `${name}.checkpoint`)
  }

  #headerOf(segment: number): SegmentHeader {
    return { set: this.#set.id, shard: this.#request.shard, segment }
  }

  /** Stored result of a finished segment; null if there is none that is readable. */
  #kept(segment: number): Promise<Neighbours | null> {
    const k = this.#set.configuration.neighbours
    const { from, to } = this.#segments[segment]
    return withFile(this.#file(`segment-${segment}`), async (file) => {
      const { header, start, end } = await checkFile(file, segmentFormat)
      const bytes = 4 * (to - from) * k
      if (!isSame(header, this.#headerOf(segment)) || end - start !== 2 * bytes) return null
      const [indices, distances] = [new Int32Array(bytes / 4), new Float32Array(bytes / 4)]
      await readSection(file, start, indices)
      await readSection(file, start + bytes, distances)
      return { k, indices, distances }
    })
  }

  /** Restores a search from its checkpoint. Returns the next round. */
  async #restore(search: NeighbourSearch, segment: number): Promise<number> {
    const state = searchState(search)
    const round = await withFile(this.#file('search'), async (file) => {
      const { header, start, end } = await checkFile(file, stateFormat)
      if (!isSame(header, this.#headerOf(segment)) || end - start !== state.byteLength) return null
      const bytes = new Uint8Array(end - start)
      await readSection(file, start, bytes)
      const { round: next } = JSON.parse(header.toString()) as StateHeader
      restoreSearch(search, bytes, next)
      return next
    })
    return round ?? 0
  }

  #save(search: NeighbourSearch, segment: number, round: number): Promise<void> {
    return writeFileAtomically(
      this.#file('search'),
      sectionBlocks(stateFormat, { ...this.#headerOf(segment), round } satisfies StateHeader, [searchState(search)])
    )
  }

  #tell(segment: number, share: number): void {
    const { tokens } = this.#set
    const costs = this.#segments.map(({ from, to }) => (to - from) * (tokens - (to - from) / 2))
    const total = costs.reduce((a, b) => a + b)
    const fraction = (costs.slice(0, segment).reduce((a, b) => a + b, 0) + share * costs[segment]) / total
    if (this.#begunWith === 0) this.#begunWith = fraction
    const seconds = (Date.now() - this.#startedAt) / 1000
    const secondsLeft =
      fraction - this.#begunWith > 0.01 ? (seconds * (1 - fraction)) / (fraction - this.#begunWith) : undefined
    this.#work.onProgress({ stage: 'neighbours', fraction, secondsLeft })
  }

  /** Runs all rounds of a search, with checkpoints. After an abort, finishes the current round and saves it. */
  async #inRounds(search: NeighbourSearch, segment: number): Promise<void> {
    const { threads, everySeconds } = this.#request
    const { signal, open = (size: number) => openPool(entryPath('clustering-worker'), size) } = this.#work
    const pool = open(threads)
    const timer = setInterval(() => this.#tell(segment, searched(search)), progressMilliseconds)
    let [savedAt, writing] = [performance.now(), 0]
    try {
      const rounds = roundCount(search)
      for (let round = await this.#restore(search, segment); round < rounds; round++) {
        await pool.runOn(pool.size, {
          kind: 'neighbours',
          search,
          team: openTeam(pool.size),
          rounds: { from: round, to: round + 1 }
        })
        const isDue = performance.now() - savedAt >= Math.max(1000 * everySeconds, restPerWrite * writing)
        if (round + 1 < rounds && (isDue || signal.aborted)) {
          const startedAt = performance.now()
          await this.#save(search, segment, round + 1)
          savedAt = performance.now()
          writing = savedAt - startedAt
        }
        if (signal.aborted && round + 1 < rounds) throw interrupted()
      }
    } finally {
      clearInterval(timer)
      await pool.close()
    }
  }

  async #search(segment: number): Promise<void> {
    const { folder, threads } = this.#request
    const {
      tokens,
      components,
      configuration: { neighbours: k, whiten }
    } = this.#set
    const { variant, from, to } = this.#segments[segment]
    const points = preprocess(
      await matrixOf(folder, this.#set, variantNamed(this.#set, variant)),
      tokens,
      components,
      whiten
    )
    const search = prepareSearch(points, k, threads, {
      range: { from, to },
      blocks: blocksOf(this.#segments[segment])
    })
    await this.#inRounds(search, segment)
    const { indices, distances } = search.neighbours
    await writeFileAtomically(
      this.#file(`segment-${segment}`),
      sectionBlocks(segmentFormat, this.#headerOf(segment), [indices, distances])
    )
  }

  async run(): Promise<void> {
    for (const segment of this.#segments.keys()) {
      if (this.#work.signal.aborted) throw interrupted()
      if ((await this.#kept(segment)) === null) await this.#search(segment)
      this.#tell(segment, 1)
    }
  }

  async *sections(): AsyncGenerator<ArrayBufferView> {
    for (const segment of this.#segments.keys()) {
      const { indices, distances } = (await this.#kept(segment))!
      yield indices
      yield distances
    }
  }
}

const searchClusters = async (
  { folder, shard, threads, everySeconds }: ClusterShardRequest,
  set: ClusterSet,
  name: string,
  { onProgress, signal, open }: ClusterShardWork
): Promise<ArrayBufferView[]> => {
  const { tokens, components, configuration, seed } = set
  const variant = variantNamed(set, name)
  const neighbours = await new ClusterResults(folder, set).neighboursOf(name)
  const matrix = await matrixOf(folder, set, variant)
  const request = {
    folder: shardFolder(folder, shard),
    fingerprint: set.id,
    everySeconds,
    configuration,
    seed,
    threads
  }
  return partitionSections(
    await partitionMatrix(
      request,
      variant,
      { matrix, components, tokens },
      { neighbours, onNeighbours: () => undefined, onProgress, signal },
      open
    )
  )
}

/**
 * Runs a shard of a clustering, resuming from its checkpoints, and writes its result. Throws an `input` error that
 * names an unusable file of the set, and an `interrupted` error after saving a checkpoint when stopped.
 */
export const workOnClusters = async (request: ClusterShardRequest, work: ClusterShardWork): Promise<void> => {
  const { folder, shard: number, about, secondsBefore } = request
  const startedAt = performance.now()
  const set = await readClusterSet(folder)
  const shard = set.shards[number]
  const search = shard.search === null ? new SegmentSearch(request, set, shard, work) : undefined
  await search?.run()
  const sections = search?.sections() ?? (await searchClusters(request, set, shard.search!, work))
  const seconds = secondsBefore + (performance.now() - startedAt) / 1000
  await writeResult(resultPath(folder, number), { ...about, finishedAt: new Date().toISOString(), seconds }, sections)
}
