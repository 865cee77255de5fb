import { readFile } from 'node:fs/promises'
import { kernelPath } from '../base/entries'
import { philoxWords, scaleWord } from '../base/philox'
import { meet, take, type Team } from '../base/team'
import { planMemory } from './kernel-memory'
import { checkEnough, type Neighbours } from './neighbours'
import type { Points } from './preprocess'
import { roundingOf, squaredDistance } from './rounding'
import { KthDistance, sampleOf } from './recall'

/** Stream of the random numbers of trees, less the variant (docs/method.md, section 4, purpose 11). */
const stream = 11 * 2 ** 24
const trees = 8
const leafSize = 96
/** Deeper parts of a tree are halved as they come, so that outliers cannot make a tree deep. */
const deepest = 48
/**
 * Entries of a list beyond k: some, and more for each factor of ten in what may be missed. On test/bench/planted-matrix
 * at 100,000 tokens, lists of 36 entries end at a recall of 0.968, of 48 at 0.990, of 64 at 0.998.
 */
const [entries, entriesPerTenth] = [12, 16]
/** A smaller share of missed neighbours does not make lists longer. */
const leastMissed = 0.001
/** The search ends when fewer entries of lists change in a round, as a share of all neighbours. */
const settled = 0.0005
const mostRounds = 40
/** Points per kernel call. */
const stretch = 256
/** Points that a row is compared with per kernel call. */
const comparedAtOnce = 4096
/** The kernel takes dimensions in groups of eight and points in groups of four. */
const [evenly, rowsAtOnce] = [8, 4]
/** The bit of an index that marks new entries of lists, and the last point of a leaf. */
const flag = 2 ** 30

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step

/** Addresses in a search's memory. */
interface Places {
  readonly points: number
  readonly indices: number
  readonly distances: number
  readonly kth: number
  readonly forward: number
  readonly reverseIndices: number
  readonly reverseDistances: number
  readonly locks: number
  readonly scratch: number
}

/** Settings of an approximate search. The neighbours are a function of points, k and these. */
export interface DescentOptions {
  /** Recall, in (0, 1], at which the search ends. */
  readonly recall: number
  readonly seed: number
  /** Number of the matrix among those clustered for one result. */
  readonly variant: number
}

/**
 * An approximate search for neighbours that all members of a team carry out together: nearest-neighbour descent (Dong,
 * Moses, Li 2011) from random-projection trees (docs/method.md, section 5.1).
 */
export interface Descent {
  readonly points: Points
  readonly options: DescentOptions
  /** Dimensions, padded with zeros for the kernel. */
  readonly width: number
  /** Length of a list. */
  readonly size: number
  readonly memory: WebAssembly.Memory
  readonly places: Places
  /** Bytes of scratch of a member. */
  readonly scratchBytes: number
  /** Rows whose true neighbours the lists are compared with, ascending. */
  readonly sample: Int32Array
  /** Largest distance by which rounding moved a point, in steps. */
  readonly largestError: number
  /** Complete after the phase "finish". */
  readonly neighbours: Neighbours
  /** Two words: points done in this round, and entries that are new after it. */
  readonly told: Int32Array
}

/**
 * "measure" finds how far the true neighbours of sampled points are; round 0 makes lists from trees; each further one
 * looks at neighbours of neighbours; "finish" ranks them.
 */
export type DescentPhase = 'measure' | number | 'finish'

interface DescentKernel {
  readonly begin: (width: number, size: number, ...places: number[]) => void
  readonly distancesTo: (point: number, from: number, to: number, out: number) => void
  readonly split: (order: number, from: number, to: number, a: number, b: number) => number
  readonly meetLeaf: (leaf: number, count: number) => void
  readonly fill: (point: number, start: number, count: number) => void
  readonly emptyLists: (from: number, to: number) => void
  readonly emptyReverse: (from: number, to: number) => void
  readonly publish: (from: number, to: number) => void
  readonly join: (from: number, to: number) => void
  readonly countFresh: (from: number, to: number) => number
}

/** Length of the lists in a search for a share `recall` of the k neighbours among `count` points. */
export const listSize = (k: number, recall: number, count: number): number =>
  Math.min(count - 1, k + Math.round(entries - entriesPerTenth * Math.log10(Math.max(leastMissed, 1 - recall))))

/**
 * Prepares a search for about the `k` nearest neighbours of every point. Throws a `clustering` error unless 1 ≤ k <
 * count, or if the search needs more memory than WebAssembly can address.
 */
export const prepareDescent = (
  points: Points,
  k: number,
  members: number,
  options: DescentOptions,
  size = listSize(k, options.recall, points.count)
): Descent => {
  const { count, dimensions } = points
  checkEnough(k, count)
  const width = roundUp(dimensions, evenly)
  const padded = roundUp(count, rowsAtOnce)
  const sample = sampleOf(count, options)
  const mostTogether = roundUp(Math.max(leafSize, 2 * size + 1), rowsAtOnce)
  const scratchBytes = roundUp(Math.max(mostTogether * (8 + 2 * width), 4 * (comparedAtOnce + rowsAtOnce)) + 64, 64)
  const { reserve, open } = planMemory()
  const lists = 4 * count * size
  const places = {
    points: reserve(2 * padded * width),
    indices: reserve(lists),
    distances: reserve(lists),
    kth: reserve(8 * sample.length),
    // Trees are done before the first copy of the lists.
    forward: reserve(size === 0 ? 0 : Math.max(lists, 4 * count * trees)),
    reverseIndices: reserve(lists),
    reverseDistances: reserve(lists),
    locks: reserve(4 * count),
    scratch: reserve(scratchBytes * members)
  }
  const memory = open(
    `The approximate search for ${k} neighbours of ${count} tokens needs more than WebAssembly's 4 GiB; ` +
      'lower "clustering.neighbours", study fewer tokens, or set "clustering.recall" to 1 and divide the clustering ' +
      'with `cluster --shards`.'
  )
  const rounded = new Int16Array(memory.buffer, places.points, padded * width)
  const { round } = roundingOf(points)
  let largestError = 0
  for (let i = 0; i < count; i++) {
    const error = round(i, (d, integer) => (rounded[i * width + d] = integer))
    largestError = Math.max(largestError, error)
  }
  return {
    points,
    options,
    width,
    size,
    memory,
    places,
    scratchBytes,
    sample,
    largestError,
    neighbours: {
      k,
      indices: new Int32Array(new SharedArrayBuffer(4 * count * k)),
      distances: new Float32Array(new SharedArrayBuffer(4 * count * k))
    },
    told: new Int32Array(new SharedArrayBuffer(8))
  }
}

/** Snapshot of everything that changes in a search and is needed after a round. */
export const descentState = ({ memory, places }: Descent): Uint8Array =>
  new Uint8Array(memory.buffer, places.indices, places.forward - places.indices)

const listsOf = ({ memory, places, points, size }: Descent): Int32Array =>
  new Int32Array(memory.buffer, places.indices, points.count * size)

const kthOf = ({ memory, places, sample }: Descent): Float64Array =>
  new Float64Array(memory.buffer, places.kth, sample.length)

interface Ranked {
  readonly square: number
  readonly id: number
}

/** What a point lists, by true distance, nearest first, ties to the lower index. */
const rankedList = (search: Descent, lists: Int32Array, point: number): Ranked[] => {
  const { points, size } = search
  return Array.from(lists.subarray(point * size, (point + 1) * size), (listed) => listed & (flag - 1))
    .filter((id) => id < points.count)
    .map((id) => ({ square: squaredDistance(points, point, id), id }))
    .sort((a, b) => a.square - b.square || a.id - b.id)
}

/** Share of the k nearest neighbours of sampled points among those that `squaresOf` has, nearest first. */
const recallBy = (search: Descent, squaresOf: (point: number) => readonly number[]): number => {
  const { sample, neighbours } = search
  const kth = kthOf(search)
  let found = 0
  sample.forEach((point, at) => {
    found += squaresOf(point)
      .slice(0, neighbours.k)
      .filter((square) => square <= kth[at]).length
  })
  return found / (sample.length * neighbours.k)
}

/** Share of the nearest neighbours of sampled points that the lists have after a round. */
export const recallSoFar = (search: Descent): number => {
  const lists = listsOf(search)
  return recallBy(search, (point) => rankedList(search, lists, point).map(({ square }) => square))
}

/**
 * Share of the nearest neighbours of sampled points that an earlier search found, after the phase "measure". Equals
 * what that search came to.
 */
export const recallOf = (search: Descent, { k, indices }: Neighbours): number =>
  recallBy(search, (point) =>
    Array.from(indices.subarray(point * k, (point + 1) * k), (id) => squaredDistance(search.points, point, id))
  )

/** Whether a search can stop after `round`, with this recall. */
export const isSettled = ({ options, points, neighbours, told }: Descent, round: number, recall: number): boolean =>
  recall >= options.recall ||
  round >= mostRounds ||
  (round > 0 && Atomics.load(told, 1) < settled * points.count * neighbours.k)

let compiled: Promise<WebAssembly.Module> | undefined

const openKernel = async (search: Descent, member: number): Promise<DescentKernel> => {
  const { width, size, memory, places, scratchBytes } = search
  const file = kernelPath('clustering', 'descent')
  compiled ??= readFile(file).then((bytes) => WebAssembly.compile(new Uint8Array(bytes)))
  const kernel = (await WebAssembly.instantiate(await compiled, { env: { memory } }))
    .exports as unknown as DescentKernel
  const { points, indices, distances, forward, reverseIndices, reverseDistances, locks } = places
  const own = places.scratch + member * scratchBytes
  const most = Math.floor((scratchBytes - 64) / (8 + 2 * width) / rowsAtOnce) * rowsAtOnce
  const privately = [own + 64, own + 64 + 4 * most, own + 64 + 8 * most, own]
  kernel.begin(width, size, points, indices, distances, forward, reverseIndices, reverseDistances, locks, ...privately)
  return kernel
}

/** One member's part in a phase. */
class Member {
  readonly #search: Descent
  readonly #team: Team
  readonly #kernel: DescentKernel
  readonly #out: number

  constructor(search: Descent, team: Team, kernel: DescentKernel, member: number) {
    this.#search = search
    this.#team = team
    this.#kernel = kernel
    this.#out = search.places.scratch + member * search.scratchBytes
  }

  /** Shares out stretches of the points among the members. */
  #each(work: (from: number, to: number) => void): void {
    const { count } = this.#search.points
    for (let from = stretch * take(this.#team); from < count; from = stretch * take(this.#team))
      work(from, Math.min(count, from + stretch))
    meet(this.#team)
  }

  /** Squared distances of the k-th neighbours of sampled points. */
  #measure(): void {
    const { points, neighbours, sample, memory, largestError } = this.#search
    const kth = kthOf(this.#search)
    const found = new Int32Array(memory.buffer, this.#out, comparedAtOnce + rowsAtOnce)
    for (let at = take(this.#team); at < sample.length; at = take(this.#team)) {
      const nearest = new KthDistance(points, sample[at], neighbours.k, largestError)
      for (let from = 0; from < points.count; from += comparedAtOnce) {
        const to = Math.min(points.count, from + comparedAtOnce)
        this.#kernel.distancesTo(sample[at], from, to, this.#out)
        nearest.add(found.subarray(0, to - from), from)
      }
      kth[at] = nearest.find()
    }
    meet(this.#team)
  }

  #orderOf(tree: number): Int32Array {
    const { memory, places, points } = this.#search
    return new Int32Array(memory.buffer, places.forward + 4 * points.count * tree, points.count)
  }

  /** Divides all points by planes midway between two of them, until a part is small enough for a leaf. */
  #plant(tree: number): void {
    const { options, points } = this.#search
    const order = this.#orderOf(tree)
    for (let at = 0; at < order.length; at++) order[at] = at
    const words = new Uint32Array(2)
    let splits = 0
    const waiting: [from: number, to: number, depth: number][] = [[0, points.count, 0]]
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      const [from, to, depth] = part
      if (to - from <= leafSize) {
        order[to - 1] |= flag
        continue
      }
      philoxWords(options.seed, 0, splits++, tree, stream + options.variant, words)
      const [a, b] = Array.from(words, (word) => order[from + scaleWord(word, to - from)])
      const middle = depth < deepest ? this.#kernel.split(order.byteOffset, from, to, a, b) : to
      const cut = middle > from && middle < to ? middle : (from + to) >> 1
      waiting.push([cut, to, depth + 1], [from, cut, depth + 1])
    }
  }

  /** Offers the points of the leaves that begin in a stretch of a tree's order to each other. */
  #meetLeaves(tree: number, from: number, to: number): void {
    const order = this.#orderOf(tree)
    let start = from
    while (start > 0 && start < to && order[start - 1] < flag) start++
    while (start < to) {
      let end = start
      while (order[end] < flag) end++
      this.#kernel.meetLeaf(order.byteOffset + 4 * start, end + 1 - start)
      start = end + 1
    }
  }

  #begin(): void {
    const { options, points } = this.#search
    this.#each((from, to) => this.#kernel.emptyLists(from, to))
    for (let tree = take(this.#team); tree < trees; tree = take(this.#team)) this.#plant(tree)
    meet(this.#team)
    for (let tree = 0; tree < trees; tree++) this.#each((from, to) => this.#meetLeaves(tree, from, to))
    const words = new Uint32Array(1)
    // A group far from all others may be a leaf of its own in every tree.
    this.#each((from, to) => {
      for (let point = from; point < to; point++) {
        philoxWords(options.seed, point, 0, trees, stream + options.variant, words)
        this.#kernel.fill(point, scaleWord(words[0], points.count), points.count)
      }
    })
  }

  #descend(): void {
    const { told } = this.#search
    this.#each((from, to) => this.#kernel.emptyReverse(from, to))
    this.#each((from, to) => this.#kernel.publish(from, to))
    this.#each((from, to) => {
      this.#kernel.join(from, to)
      Atomics.add(told, 0, to - from)
    })
    this.#each((from, to) => Atomics.add(told, 1, this.#kernel.countFresh(from, to)))
  }

  #finish(): void {
    const { k, indices, distances } = this.#search.neighbours
    const lists = listsOf(this.#search)
    this.#each((from, to) => {
      for (let point = from; point < to; point++) {
        const list = rankedList(this.#search, lists, point)
        for (let rank = 0; rank < k; rank++) {
          distances[point * k + rank] = Math.sqrt(list[rank].square)
          indices[point * k + rank] = list[rank].id
        }
      }
    })
  }

  run(phase: DescentPhase): void {
    if (phase === 'finish') this.#finish()
    else if (phase === 'measure') this.#measure()
    else if (phase === 0) this.#begin()
    else this.#descend()
  }
}

/** One member's part in one phase of a search. */
export const runDescent = async (search: Descent, team: Team, phase: DescentPhase): Promise<void> => {
  const number = take(team)
  const member = new Member(search, team, await openKernel(search, number), number)
  meet(team)
  member.run(phase)
}
