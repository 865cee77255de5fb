import { philoxWords, scaleWord } from '../../main/base/philox'
import type { Neighbours } from '../../main/clustering/neighbours'
import type { Points } from '../../main/clustering/preprocess'

/** Last word of the random counters of the trees. */
const stream = 90 * 2 ** 24
const trees = 6
const leafSize = 40
/** Entries of a list for each neighbour that is asked for, and at least. */
const [perNeighbour, leastEntries] = [3, 20]
/** Distances are looked at in so many dimensions before a pair is given up. */
const dimensionsAtOnce = 8

/** Lists of the nearest points that were met so far: [points, size], nearest first. */
interface Lists {
  readonly size: number
  readonly indices: Int32Array
  readonly squares: Float64Array
  /** Entries that came in the last round. */
  readonly isNew: Uint8Array
}

const emptyLists = (count: number, size: number): Lists => ({
  size,
  indices: new Int32Array(count * size).fill(-1),
  squares: new Float64Array(count * size).fill(Infinity),
  isNew: new Uint8Array(count * size)
})

/** Squared distance; Infinity as soon as it is above `bound`. */
const squareBelow = ({ values, dimensions }: Points, i: number, j: number, bound: number): number => {
  let sum = 0
  for (let a = i * dimensions, b = j * dimensions, end = a + dimensions; a < end;) {
    const stop = Math.min(end, a + dimensionsAtOnce)
    for (; a < stop; a++, b++) sum += (values[a] - values[b]) ** 2
    if (sum > bound) return Infinity
  }
  return sum
}

/**
 * Puts a point into another's list where it is nearer than the last one, ties to the lower index; false where not.
 */
const offer = ({ size, indices, squares, isNew }: Lists, to: number, other: number, square: number): boolean => {
  const first = to * size
  let at = first + size - 1
  if (square > squares[at] || (square === squares[at] && other > indices[at])) return false
  for (let seen = first; seen < first + size; seen++) if (indices[seen] === other) return false
  for (; at > first && (square < squares[at - 1] || (square === squares[at - 1] && other < indices[at - 1])); at--) {
    indices[at] = indices[at - 1]
    squares[at] = squares[at - 1]
    isNew[at] = isNew[at - 1]
  }
  indices[at] = other
  squares[at] = square
  isNew[at] = 1
  return true
}

/** Lists from leaves of trees, which planes between two points chosen by Philox divide. */
const plant = (points: Points, lists: Lists, seed: number): void => {
  const { values, dimensions, count } = points
  const words = new Uint32Array(2)
  for (let tree = 0; tree < trees; tree++) {
    let splits = 0
    const waiting = [Int32Array.from({ length: count }, (_, i) => i)]
    for (let set = waiting.pop(); set !== undefined; set = waiting.pop()) {
      if (set.length <= leafSize) {
        for (const i of set)
          for (const j of set)
            if (i !== j) offer(lists, i, j, squareBelow(points, i, j, lists.squares[(i + 1) * lists.size - 1]))
        continue
      }
      philoxWords(seed, 0, splits++, tree, stream, words)
      const [a, b] = [set[scaleWord(words[0], set.length)], set[scaleWord(words[1], set.length)]]
      const side = Float64Array.from(set, (i) => {
        let sum = 0
        for (let d = 0; d < dimensions; d++) {
          const [from, to] = [values[a * dimensions + d], values[b * dimensions + d]]
          sum += (values[i * dimensions + d] - (from + to) / 2) * (to - from)
        }
        return sum
      })
      const own = set
      const parts = [own.filter((_, at) => side[at] < 0), own.filter((_, at) => side[at] >= 0)]
      const half = own.length >> 1
      waiting.push(...(parts.some(({ length }) => length === 0) ? [own.subarray(0, half), own.subarray(half)] : parts))
    }
  }
}

/** Who lists each point, nearest first and at most as many as a list has. */
const reversed = (
  { size, indices, squares }: Lists,
  count: number
): { readonly starts: Int32Array; readonly sources: Int32Array } => {
  const starts = new Int32Array(count + 1)
  for (const j of indices) if (j >= 0) starts[j + 1]++
  for (let j = 0; j < count; j++) starts[j + 1] += starts[j]
  const ends = starts.slice()
  const places = new Int32Array(starts[count])
  for (let at = 0; at < indices.length; at++) if (indices[at] >= 0) places[ends[indices[at]]++] = at
  const sources = new Int32Array(count * size).fill(-1)
  for (let j = 0; j < count; j++) {
    const own = places
      .subarray(starts[j], starts[j + 1])
      .sort((a, b) => squares[a] - squares[b] || a - b)
      .subarray(0, size)
    own.forEach((place, at) => (sources[j * size + at] = Math.floor(place / size)))
  }
  return { starts, sources }
}

/**
 * Neighbours of neighbours, from the lists of the round before alone: whoever does a point comes to the same. The
 * entries that changed.
 */
const descend = (points: Points, lists: Lists): { readonly next: Lists; readonly changed: number } => {
  const { count } = points
  const { size, indices, isNew } = lists
  const next: Lists = {
    size,
    indices: indices.slice(),
    squares: lists.squares.slice(),
    isNew: new Uint8Array(isNew.length)
  }
  const { sources } = reversed(lists, count)
  const met = new Int32Array(count).fill(-1)
  let changed = 0
  const meet = (i: number, other: number): void => {
    if (other < 0 || met[other] === i) return
    met[other] = i
    const square = squareBelow(points, i, other, next.squares[(i + 1) * size - 1])
    if (square < Infinity && offer(next, i, other, square)) changed++
  }
  for (let i = 0; i < count; i++) {
    met[i] = i
    for (let at = i * size; at < (i + 1) * size; at++) if (indices[at] >= 0) met[indices[at]] = i
    for (const [list, flags] of [
      [indices, isNew],
      [sources, undefined]
    ] as const) {
      for (let at = i * size; at < (i + 1) * size; at++) {
        const through = list[at]
        if (through < 0) continue
        if (flags === undefined) meet(i, through)
        const all = flags === undefined || flags[at] === 1
        for (let of = through * size; of < (through + 1) * size; of++) {
          if (all || isNew[of] === 1) meet(i, indices[of])
          if (all) meet(i, sources[of])
        }
      }
    }
  }
  return { next, changed }
}

/** The first k of every list, as an exact search gives them. */
const firstOf = ({ size, indices, squares }: Lists, count: number, k: number): Neighbours => {
  const found = {
    k,
    indices: new Int32Array(new SharedArrayBuffer(4 * count * k)),
    distances: new Float32Array(new SharedArrayBuffer(4 * count * k))
  }
  for (let i = 0; i < count; i++) {
    for (let at = 0; at < k; at++) {
      found.indices[i * k + at] = indices[i * size + at]
      found.distances[i * k + at] = Math.sqrt(squares[i * size + at])
    }
  }
  return found
}

/** Share of the true neighbours of some tokens (every `step`-th) that are found. */
export const recallOf = (found: Neighbours, exact: Neighbours, step: number): number => {
  const { k, indices } = exact
  let [hits, all] = [0, 0]
  for (let i = 0; i * k < indices.length; i += step) {
    const own = new Set(indices.subarray(i * k, (i + 1) * k))
    for (const other of found.indices.subarray(i * k, (i + 1) * k)) if (own.has(other)) hits++
    all += k
  }
  return hits / all
}

/** Seconds of processor time since then: other work on the machine does not count. */
export const processorSeconds = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}

export interface ApproximateRound {
  readonly round: number
  readonly seconds: number
  readonly neighbours: Neighbours
  readonly bytes: number
}

/**
 * Nearest neighbour descent (Dong, Moses, Li 2011) from trees, one thread: what there is after each round, until next
 * to nothing changes.
 */
export function* approximateNeighbours(points: Points, k: number, seed: number): Generator<ApproximateRound> {
  const { count } = points
  const size = Math.max(leastEntries, perNeighbour * k)
  let seconds = 0
  let lists = emptyLists(count, size)
  const timed = <T>(work: () => T): T => {
    const start = process.cpuUsage()
    const result = work()
    seconds += processorSeconds(start)
    return result
  }
  // Two sets of lists, who lists whom, and the points.
  const bytes = count * size * (2 * 13 + 8) + 8 * points.values.length
  timed(() => plant(points, lists, seed))
  for (let round = 0; ; round++) {
    yield { round, seconds, neighbours: firstOf(lists, count, k), bytes }
    const { next, changed } = timed(() => descend(points, lists))
    lists = next
    if (changed < 0.001 * count * k) break
  }
}
