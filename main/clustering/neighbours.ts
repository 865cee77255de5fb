import { readFile } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import { kernelPath } from '../base/entries'
import { meet, take, type Team } from '../base/team'
import { planMemory } from './kernel-memory'
import type { Points } from './preprocess'
import { roundingOf, squaredDistance } from './rounding'

/**
 * k nearest neighbours of every token. `indices` and Euclidean `distances` are [tokens, k], nearest first, ties to
 * the lower index.
 */
export interface Neighbours {
  readonly k: number
  readonly indices: Int32Array
  readonly distances: Float32Array
}

/** Addresses of the arrays in a search's memory, as the kernel takes them. */
interface Places {
  readonly points: number
  readonly norms: number
  readonly bounds: number
  readonly slacks: number
  readonly distances: number
  readonly indices: number
  readonly sizes: number
  readonly scratch: number
}

/** Points `from` … `to` - 1. `from` is a multiple of `rangeStep`; so is `to`, unless it is the number of points. */
export interface TokenRange {
  readonly from: number
  readonly to: number
}

/** A search that all members of a team carry out together. All arrays are in shared memory. */
export interface NeighbourSearch {
  readonly points: Points
  /** The points whose neighbours are searched for, among all points. */
  readonly range: TokenRange
  /** Value of one integer step: points, less their mean, are rounded to multiples of it. */
  readonly step: number
  /** Dimensions, zero-padded to a multiple of 4. */
  readonly even: number
  /** Pairs that a point's list can hold. */
  readonly capacity: number
  readonly memory: WebAssembly.Memory
  readonly places: Places
  /** Neighbours of the points in the range. */
  readonly neighbours: Neighbours
  /** The range is divided into this many blocks, an even number. */
  readonly blocks: number
  readonly blockSize: number
  /** One word: the number of block pairs done. */
  readonly done: Int32Array
}

interface NearestKernel {
  readonly begin: (dimensions: number, k: number, capacity: number, ...places: number[]) => void
  readonly search: (from: number, to: number, otherFrom: number, otherTo: number, mutual: number) => void
  readonly cut: (point: number) => void
}

const lanes = 8
export const rangeStep = lanes
/** Points outside the range that one of its blocks is compared with at a time. */
const outsideSize = 16384
/** The kernel processes dimensions in groups of four. */
const evenly = 4
const blocksPerMember = 8
/** Bytes of rounded points in a block. A block and the tile it is compared with fit in a core's own cache. */
const blockBytes = 262144
const tileBytes = 131072
/**
 * Every pair passes the open bound. No pair passes the closed one, nor does any pass with the norm of a padding
 * entry.
 */
const openBound = -1_000_000_000
const closedBound = 520_000_000
const paddingNorm = 1_600_000_000

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step

export interface SearchOptions {
  /** Defaults to all points. */
  readonly range?: TokenRange
  /** Number of blocks in the range, even. Defaults to several per member. */
  readonly blocks?: number
}

/** Throws a `clustering` error unless k < count. */
export const checkEnough = (k: number, count: number): void => {
  if (k >= count) {
    throw new SpectroscopeError(
      'clustering',
      `"clustering.neighbours" is ${k} but there are only ${count} tokens; ` +
        `set it below the number of tokens or study more tokens.`
    )
  }
}

/**
 * Prepares a search for the `k` neighbours of every point, or of every point in a range. Throws a `clustering` error
 * unless 1 ≤ k < count, or if the search needs more memory than WebAssembly can address.
 */
export const prepareSearch = (
  points: Points,
  k: number,
  members: number,
  options: SearchOptions = {}
): NeighbourSearch => {
  const { count, dimensions } = points
  checkEnough(k, count)
  const { range = { from: 0, to: count }, blocks = blocksPerMember * members } = options
  const own = range.to - range.from
  const padded = roundUp(count, lanes)
  const ownPadded = roundUp(own, lanes)
  const even = roundUp(dimensions, evenly)
  const capacity = 2 * k + 4 * lanes
  const { reserve, open } = planMemory()
  const places = {
    points: reserve(2 * padded * even),
    norms: reserve(4 * padded),
    slacks: reserve(8 * padded),
    bounds: reserve(4 * padded),
    distances: reserve(4 * ownPadded * capacity),
    indices: reserve(4 * ownPadded * capacity),
    sizes: reserve(4 * ownPadded),
    scratch: reserve(64 * members)
  }
  const memory = open(
    `The search for ${k} neighbours of ${own} of ${count} tokens needs more than WebAssembly's 4 GiB; ` +
      'lower "clustering.neighbours", divide the clustering (more) with `cluster --shards`, or study fewer tokens.'
  )
  const rounded = new Int16Array(memory.buffer, places.points, padded * even)
  const norms = new Int32Array(memory.buffer, places.norms, padded).fill(paddingNorm)
  const bounds = new Int32Array(memory.buffer, places.bounds, padded).fill(closedBound)
  const slacks = new Float64Array(memory.buffer, places.slacks, padded)
  const { step, round } = roundingOf(points)
  let largestError = 0
  for (let i = 0; i < count; i++) {
    const start = (i - (i % lanes)) * even + 2 * (i % lanes)
    let norm = 0
    const error = round(i, (d, integer) => {
      rounded[start + (d >> 1) * 2 * lanes + (d & 1)] = integer
      norm += integer * integer
    })
    norms[i] = norm
    bounds[i] = openBound
    slacks[i] = error + 1 / 64
    largestError = Math.max(largestError, slacks[i])
  }
  for (let i = 0; i < count; i++) slacks[i] = 2 * (slacks[i] + largestError)
  const indices = new Int32Array(new SharedArrayBuffer(4 * own * k))
  const distances = new Float32Array(new SharedArrayBuffer(4 * own * k))
  return {
    points,
    range,
    step,
    even,
    capacity,
    memory,
    places,
    neighbours: { k, indices, distances },
    blocks,
    blockSize: roundUp(Math.ceil(own / blocks), lanes),
    done: new Int32Array(new SharedArrayBuffer(4))
  }
}

/**
 * Snapshot of everything that changes during a search. Taken between rounds, it lets another process continue after
 * that round.
 */
export const searchState = ({ memory, places }: NeighbourSearch): Uint8Array =>
  new Uint8Array(memory.buffer, places.bounds, places.scratch - places.bounds)

/** Two blocks to compare. Both blocks' lists are updated if `mutual`, otherwise only the first's. */
interface Meeting {
  readonly from: number
  readonly to: number
  readonly otherFrom: number
  readonly otherTo: number
  readonly mutual: boolean
}

type Search = Pick<NeighbourSearch, 'points' | 'range' | 'blocks' | 'blockSize'>

const outsideOf = ({ points: { count }, range: { from, to } }: Search): TokenRange[] => {
  const parts: TokenRange[] = []
  const cut = (start: number, end: number): void => {
    for (let at = start; at < end; at += outsideSize) parts.push({ from: at, to: Math.min(end, at + outsideSize) })
  }
  cut(0, from)
  cut(roundUp(to, lanes), roundUp(count, lanes))
  return parts
}

/**
 * Number of rounds: each block of the range with itself, then every pair of blocks (as in a round-robin tournament),
 * then each block with the points outside the range.
 */
export const roundCount = (search: Search): number => search.blocks + outsideOf(search).length

/** Block pairs of a round. No block's lists are updated by two of them. */
const meetingsOf = (search: Search, round: number): Meeting[] => {
  const { range, blocks, blockSize } = search
  const end = roundUp(range.to, lanes)
  const startOf = (block: number): number => Math.min(end, range.from + block * blockSize)
  const rangeOf = (block: number): TokenRange => ({ from: startOf(block), to: startOf(block + 1) })
  const meeting = (block: number, other: TokenRange, mutual: boolean): Meeting => ({
    ...rangeOf(block),
    otherFrom: other.from,
    otherTo: other.to,
    mutual
  })
  const all = Array.from({ length: blocks }, (_, block) => block)
  if (round === 0) return all.map((block) => meeting(block, rangeOf(block), false))
  if (round < blocks) {
    const pairs = all.slice(0, blocks / 2).map((pair) => blocksOfPair(blocks, round - 1, pair))
    return pairs.map(([block, other]) => meeting(block, rangeOf(other), true))
  }
  const outside = outsideOf(search)
  return all.map((block) => meeting(block, outside[(round - blocks + block) % outside.length], false))
}

/** Number of block pairs in all earlier rounds. */
const meetingsBefore = ({ blocks }: Search, round: number): number =>
  blocks * (Math.min(1, round) + Math.max(0, Math.min(round, blocks) - 1) / 2 + Math.max(0, round - blocks))

/** Share of a search that is done, 0 to 1. */
export const searched = (search: NeighbourSearch): number =>
  Atomics.load(search.done, 0) / meetingsBefore(search, roundCount(search))

/** Restores the state that another search of the same points, range and blocks had before `round`. */
export const restoreSearch = (search: NeighbourSearch, state: Uint8Array, round: number): void => {
  searchState(search).set(state)
  Atomics.store(search.done, 0, meetingsBefore(search, round))
}

let compiled: Promise<WebAssembly.Module> | undefined

const openKernel = async (
  { neighbours: { k }, range, even, capacity, memory, places }: NeighbourSearch,
  member: number,
  refine: (point: number) => void
): Promise<NearestKernel> => {
  const file = kernelPath('clustering', 'nearest')
  compiled ??= readFile(file).then((bytes) => WebAssembly.compile(new Uint8Array(bytes)))
  const kernel = (await WebAssembly.instantiate(await compiled, { env: { memory, refine } }))
    .exports as unknown as NearestKernel
  // The kernel addresses lists by point number, but only points of the range have lists.
  const [distances, indices] = [places.distances, places.indices].map((place) => place - 4 * capacity * range.from)
  const sizes = places.sizes - 4 * range.from
  const { points, norms, bounds, slacks, scratch } = places
  kernel.begin(even, k, capacity, points, norms, bounds, slacks, distances, indices, sizes, scratch + 64 * member)
  return kernel
}

/** The two blocks of pair `pair` in a tournament round. Over `blocks` - 1 rounds, every two blocks meet once. */
const blocksOfPair = (blocks: number, round: number, pair: number): readonly [number, number] =>
  pair === 0 ? [blocks - 1, round] : [(round + pair) % (blocks - 1), (round - pair + blocks - 1) % (blocks - 1)]

/** Rounds `from` … `to` - 1 of a search. */
export type Rounds = TokenRange

/**
 * One member's part in the neighbour search (docs/method.md, section 5.1, step 2), for all rounds or some. The
 * neighbours are complete after the last round. Within a round a block takes part once, so only one member touches
 * its lists.
 *
 * The result is exact in float64. The integer kernel discards only pairs whose rounded points are farther apart than
 * rounding could explain (triangle inequality); the remaining pairs are ranked by true distances.
 */
export const runSearch = async (
  search: NeighbourSearch,
  team: Team,
  rounds: Rounds = { from: 0, to: roundCount(search) }
): Promise<void> => {
  const { points, range, step, even, capacity, memory, places, neighbours, blocks, blockSize, done } = search
  const { k } = neighbours
  const kernel = await openKernel(search, take(team), (point) => refine(point))
  meet(team)
  const integers = (place: number, length: number): Int32Array => new Int32Array(memory.buffer, place, length)
  const padded = roundUp(points.count, lanes)
  const own = roundUp(range.to - range.from, lanes)
  const [norms, bounds] = [places.norms, places.bounds].map((place) => integers(place, padded))
  const sizes = integers(places.sizes, own)
  const listsAt = (place: number): Int32Array => integers(place, own * capacity)
  const [listDistances, listIndices] = [listsAt(places.distances), listsAt(places.indices)]
  const slacks = new Float64Array(memory.buffer, places.slacks, padded)
  const squares = new Float64Array(capacity)
  const tile = Math.max(1, Math.floor(tileBytes / (2 * even * lanes))) * lanes
  const together = Math.max(1, Math.floor(blockBytes / (2 * even * lanes))) * lanes

  /**
   * Positions in a point's list, nearest first, ties to the lower index. Afterwards `squares` holds the squared
   * distances by position.
   */
  const ranked = (point: number): Int32Array => {
    const list = point - range.from
    const first = list * capacity
    for (let at = 0; at < sizes[list]; at++) squares[at] = squaredDistance(points, point, listIndices[first + at])
    const indexAt = (at: number): number => listIndices[first + at]
    return Int32Array.from({ length: sizes[list] }, (_, at) => at).sort(
      (a, b) => squares[a] - squares[b] || indexAt(a) - indexAt(b)
    )
  }
  const refine = (point: number): void => {
    const nearest = ranked(point).subarray(0, k)
    const first = (point - range.from) * capacity
    const farthest = (Math.sqrt(squares[nearest[k - 1]]) * (1 + 1e-12)) / step + slacks[point] / 2
    bounds[point] = Math.max(bounds[point], norms[point] - Math.floor(Math.min(farthest ** 2, 1.2e9)) - 2)
    for (const list of [listDistances, listIndices])
      list.set(
        nearest.map((at) => list[first + at]),
        first
      )
    sizes[point - range.from] = k
  }
  const meetBlocks = ({ from, to, otherFrom, otherTo, mutual }: Meeting): void => {
    for (let other = otherFrom; other < otherTo; other += tile) {
      for (let first = from; first < to; first += together) {
        kernel.search(first, Math.min(to, first + together), other, Math.min(otherTo, other + tile), mutual ? 1 : 0)
      }
    }
    Atomics.add(done, 0, 1)
  }
  const store = (from: number, to: number): void => {
    for (let point = from; point < to; point++) {
      kernel.cut(point)
      const order = ranked(point)
      const list = point - range.from
      for (let rank = 0, at = list * k; rank < k; rank++, at++) {
        neighbours.indices[at] = listIndices[list * capacity + order[rank]]
        neighbours.distances[at] = Math.sqrt(squares[order[rank]])
      }
    }
  }

  for (let round = rounds.from; round < rounds.to; round++) {
    const meetings = meetingsOf(search, round)
    for (let at = take(team); at < meetings.length; at = take(team)) meetBlocks(meetings[at])
    meet(team)
  }
  if (rounds.to < roundCount(search)) return
  for (let block = take(team); block < blocks; block = take(team)) {
    const from = range.from + block * blockSize
    store(from, Math.min(range.to, from + blockSize))
  }
}
