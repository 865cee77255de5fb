import { readFile } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import { kernelPath } from '../base/entries'
import { take, type Team } from '../base/team'
import type { Points } from './preprocess'

/** k nearest neighbours of every token: `indices` and Euclidean `distances` are [tokens, k], nearest first, ties to the lower index. */
export interface Neighbours {
  readonly k: number
  readonly indices: Int32Array
  readonly distances: Float32Array
}

/** A search that the members of a team carry out together; all arrays are in shared memory. */
export interface NeighbourSearch {
  readonly points: Points
  /** Float32 points in groups of 8, [group][dimension][8]: what the SIMD kernel reads. */
  readonly grouped: Float32Array
  /** Squared norms less the margin of float32 rounding; NaN, which passes no threshold, for the padding of the last group. */
  readonly shortNorms: Float32Array
  readonly neighbours: Neighbours
  /** Points that a member takes at a time. */
  readonly blockSize: number
}

interface NearestKernel {
  readonly memory: WebAssembly.Memory
  readonly begin: (dimensions: number, k: number, exactQueries: number, exactCandidates: number, thresholds: number, offsets: number, heapDistances: number, heapIndices: number, heapSizes: number, firstQuery: number) => void
  readonly search: (queries: number, count: number, candidates: number, shortNorms: number, groups: number, firstCandidate: number) => void
  readonly finish: (count: number) => void
}

const lanes = 8
const largestBlock = 512
const tileBytes = 262144

/** Bound of the float32 kernel's error in a squared distance over |q|² + |c|²: rounded inputs and norms, and one rounding per operation. */
const margin = (dimensions: number): number => (2 * dimensions + 16) * 2 ** -24

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step

const squaredNorm = ({ values, dimensions }: Points, i: number): number => {
  let sum = 0
  for (let at = i * dimensions; at < (i + 1) * dimensions; at++) sum += values[at] * values[at]
  return sum
}

/** Lays out a search for `k` neighbours of each point. Throws a `clustering` error unless 1 ≤ k < count. */
export const prepareSearch = (points: Points, k: number, members: number): NeighbourSearch => {
  const { values, count, dimensions } = points
  if (k >= count) {
    throw new SpectroscopeError('clustering', `"clustering.neighbours" is ${k} but there are only ${count} tokens; set it below the number of tokens or study more of them.`)
  }
  const padded = roundUp(count, lanes)
  const grouped = new Float32Array(new SharedArrayBuffer(4 * padded * dimensions))
  const shortNorms = new Float32Array(new SharedArrayBuffer(4 * padded)).fill(NaN)
  const kept = 1 - margin(dimensions)
  for (let i = 0; i < count; i++) {
    const start = (i - (i % lanes)) * dimensions + (i % lanes)
    for (let d = 0; d < dimensions; d++) grouped[start + d * lanes] = values[i * dimensions + d]
    shortNorms[i] = squaredNorm(points, i) * kept
  }
  const indices = new Int32Array(new SharedArrayBuffer(4 * count * k))
  const distances = new Float32Array(new SharedArrayBuffer(4 * count * k))
  const blockSize = Math.min(largestBlock, roundUp(Math.ceil(count / (4 * members)), lanes))
  return { points, grouped, shortNorms, neighbours: { k, indices, distances }, blockSize }
}

export const searchBlocks = ({ points, blockSize }: NeighbourSearch): number => Math.ceil(points.count / blockSize)

const abort = (): never => {
  throw new Error('The kernel of the neighbour search failed.')
}

let compiled: Promise<WebAssembly.Module> | undefined

const instantiate = async (): Promise<NearestKernel> => {
  compiled ??= readFile(kernelPath('clustering', 'nearest')).then((bytes) => WebAssembly.compile(bytes))
  return (await WebAssembly.instantiate(await compiled, { env: { abort } })).exports as unknown as NearestKernel
}

/**
 * One member's part in step 2 of METHOD section 5: takes blocks of points until none is left and writes their neighbours. Exact in
 * float64: the float32 kernel only dismisses pairs that its error bound shows to be too far apart.
 */
export const runSearch = async (search: NeighbourSearch, team: Team): Promise<void> => {
  const { points, grouped, shortNorms, neighbours, blockSize } = search
  const { values, count, dimensions } = points
  const { k } = neighbours
  const kernel = await instantiate()
  const tile = Math.max(lanes, Math.min(roundUp(count, lanes), roundUp(Math.floor(tileBytes / (4 * dimensions)) - lanes + 1, lanes)))
  const pageBytes = 65536
  let end = kernel.memory.buffer.byteLength
  const reserve = (bytes: number): number => {
    const start = end
    end = roundUp(end + bytes, 64)
    return start
  }
  const heapDistances = reserve(8 * blockSize * k)
  const exactQueries = reserve(8 * blockSize * dimensions)
  const exactCandidates = reserve(8 * tile * dimensions)
  const offsets = reserve(8 * blockSize)
  const queries = reserve(4 * blockSize * dimensions)
  const candidates = reserve(4 * tile * dimensions)
  const norms = reserve(4 * tile)
  const thresholds = reserve(4 * blockSize)
  const heapIndices = reserve(4 * blockSize * k)
  const heapSizes = reserve(4 * blockSize)
  kernel.memory.grow(Math.ceil((end - kernel.memory.buffer.byteLength) / pageBytes))
  const { buffer } = kernel.memory
  const floats = new Float32Array(buffer)
  const doubles = new Float64Array(buffer)
  const integers = new Int32Array(buffer)
  const kept = 1 - margin(dimensions)

  const loadQueries = (first: number, size: number): void => {
    doubles.set(values.subarray(first * dimensions, (first + size) * dimensions), exactQueries / 8)
    for (let at = 0; at < size * dimensions; at++) floats[queries / 4 + at] = -2 * Math.fround(values[first * dimensions + at])
    for (let i = 0; i < blockSize; i++) {
      floats[thresholds / 4 + i] = i < size ? Infinity : -Infinity
      integers[heapSizes / 4 + i] = 0
      if (i < size) doubles[offsets / 8 + i] = squaredNorm(points, first + i) * kept
    }
  }
  const searchTile = (first: number, size: number): void => {
    const stop = Math.min(count, first + tile)
    const paddedStop = Math.min(shortNorms.length, first + tile)
    doubles.set(values.subarray(first * dimensions, stop * dimensions), exactCandidates / 8)
    floats.set(grouped.subarray(first * dimensions, paddedStop * dimensions), candidates / 4)
    floats.set(shortNorms.subarray(first, paddedStop), norms / 4)
    kernel.search(queries, roundUp(size, 4), candidates, norms, (paddedStop - first) / lanes, first)
  }
  const store = (first: number, size: number): void => {
    kernel.finish(size)
    neighbours.indices.set(integers.subarray(heapIndices / 4, heapIndices / 4 + size * k), first * k)
    for (let at = 0; at < size * k; at++) neighbours.distances[first * k + at] = Math.sqrt(doubles[heapDistances / 8 + at])
  }

  const tiles = Math.ceil(count / tile)
  for (let block = take(team); block * blockSize < count; block = take(team)) {
    const first = block * blockSize
    const size = Math.min(blockSize, count - first)
    loadQueries(first, size)
    kernel.begin(dimensions, k, exactQueries, exactCandidates, thresholds, offsets, heapDistances, heapIndices, heapSizes, first)
    const home = Math.floor(first / tile)
    for (let i = 0; i < tiles; i++) searchTile(((home + i) % tiles) * tile, size)
    store(first, size)
  }
}
