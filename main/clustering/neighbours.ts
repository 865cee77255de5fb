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
  /** What one integer stands for: the points less their mean are rounded to multiples of it. */
  readonly step: number
  /** Rounded points in groups of 8, [group][dimension / 2][8][2], an odd number of dimensions made even by zeros: what the kernel reads. */
  readonly grouped: Int16Array
  /** -|c|² of the rounded points; the least integer, which passes no limit, for the padding of the last group. */
  readonly negativeNorms: Int32Array
  /** What rounding can take off the distance of each point to any other. */
  readonly slacks: Float64Array
  readonly neighbours: Neighbours
  /** Points that a member takes at a time. */
  readonly blockSize: number
}

interface NearestKernel {
  readonly memory: WebAssembly.Memory
  readonly begin: (dimensions: number, exactDimensions: number, k: number, step: number, exactQueries: number, exactCandidates: number, limits: number, norms: number, slacks: number, heapDistances: number, heapIndices: number, heapSizes: number, firstQuery: number) => void
  readonly search: (queries: number, count: number, candidates: number, negativeNorms: number, groups: number, firstCandidate: number) => void
  readonly finish: (count: number) => void
}

const lanes = 8
const largestBlock = 2048
/** Of a block's rounded points: half of a core's own cache. */
const blockBytes = 262144
const tileBytes = 131072
/** Bound of a rounded point's norm: twice a coordinate fits 16 bits, and four times its square 32. */
const largestNorm = 16000
/** Passes every distance, and no padding. */
const openLimit = -2_000_000_000
const closedLimit = 2 ** 31 - 1

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step

const meanOf = ({ values, count, dimensions }: Points): Float64Array => {
  const mean = new Float64Array(dimensions)
  for (let at = 0; at < values.length; at += dimensions) for (let d = 0; d < dimensions; d++) mean[d] += values[at + d]
  return mean.map((sum) => sum / count)
}

/** The largest distance of a point from `mean`. */
const radius = ({ values, dimensions }: Points, mean: Float64Array): number => {
  let largest = 0
  for (let at = 0; at < values.length; at += dimensions) {
    let sum = 0
    for (let d = 0; d < dimensions; d++) sum += (values[at + d] - mean[d]) ** 2
    largest = Math.max(largest, sum)
  }
  return Math.sqrt(largest)
}

/** Lays out a search for `k` neighbours of each point. Throws a `clustering` error unless 1 ≤ k < count. */
export const prepareSearch = (points: Points, k: number, members: number): NeighbourSearch => {
  const { values, count, dimensions } = points
  if (k >= count) {
    throw new SpectroscopeError('clustering', `"clustering.neighbours" is ${k} but there are only ${count} tokens; set it below the number of tokens or study more of them.`)
  }
  const padded = roundUp(count, lanes)
  const even = roundUp(dimensions, 2)
  const grouped = new Int16Array(new SharedArrayBuffer(2 * padded * even))
  const negativeNorms = new Int32Array(new SharedArrayBuffer(4 * padded)).fill(-closedLimit)
  const slacks = new Float64Array(new SharedArrayBuffer(8 * count))
  const mean = meanOf(points)
  const step = radius(points, mean) / largestNorm || 1
  let largestSlack = 0
  for (let i = 0; i < count; i++) {
    const start = (i - (i % lanes)) * even + 2 * (i % lanes)
    let [norm, error] = [0, 0]
    for (let d = 0; d < dimensions; d++) {
      const value = values[i * dimensions + d] - mean[d]
      const rounded = Math.round(value / step)
      grouped[start + (d >> 1) * 2 * lanes + (d & 1)] = rounded
      norm += rounded * rounded
      error += (value - rounded * step) ** 2
    }
    negativeNorms[i] = -norm
    slacks[i] = Math.sqrt(error) + step / 64
    largestSlack = Math.max(largestSlack, slacks[i])
  }
  for (let i = 0; i < count; i++) slacks[i] += largestSlack
  const indices = new Int32Array(new SharedArrayBuffer(4 * count * k))
  const distances = new Float32Array(new SharedArrayBuffer(4 * count * k))
  const fitting = Math.max(lanes, Math.floor(blockBytes / (2 * even * lanes)) * lanes)
  const blockSize = Math.min(largestBlock, fitting, roundUp(Math.ceil(count / (4 * members)), lanes))
  return { points, step, grouped, negativeNorms, slacks, neighbours: { k, indices, distances }, blockSize }
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
 * float64: the integer kernel only dismisses pairs whose rounded points are farther apart than rounding can have moved them (triangle
 * inequality).
 */
export const runSearch = async (search: NeighbourSearch, team: Team): Promise<void> => {
  const { points, step, grouped, negativeNorms, slacks, neighbours, blockSize } = search
  const { values, count, dimensions } = points
  const { k } = neighbours
  const even = roundUp(dimensions, 2)
  const kernel = await instantiate()
  const tile = Math.max(lanes, Math.min(roundUp(count, lanes), roundUp(Math.floor(tileBytes / (2 * even)) - lanes + 1, lanes)))
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
  const querySlacks = reserve(8 * blockSize)
  const queries = reserve(2 * blockSize * even)
  const candidates = reserve(2 * tile * even)
  const candidateNorms = reserve(4 * tile)
  const queryNorms = reserve(4 * blockSize)
  const limits = reserve(4 * blockSize)
  const heapIndices = reserve(4 * blockSize * k)
  const heapSizes = reserve(4 * blockSize)
  kernel.memory.grow(Math.ceil((end - kernel.memory.buffer.byteLength) / pageBytes))
  const { buffer } = kernel.memory
  const shorts = new Int16Array(buffer)
  const doubles = new Float64Array(buffer)
  const integers = new Int32Array(buffer)

  const loadQueries = (first: number, size: number): void => {
    doubles.set(values.subarray(first * dimensions, (first + size) * dimensions), exactQueries / 8)
    doubles.set(slacks.subarray(first, first + size), querySlacks / 8)
    for (let i = 0; i < blockSize; i++) {
      integers[limits / 4 + i] = i < size ? openLimit : closedLimit
      integers[heapSizes / 4 + i] = 0
      if (i >= size) continue
      integers[queryNorms / 4 + i] = -negativeNorms[first + i]
      const own = (first + i - ((first + i) % lanes)) * even + 2 * ((first + i) % lanes)
      for (let d = 0; d < even; d++) shorts[queries / 2 + i * even + d] = 2 * grouped[own + (d >> 1) * 2 * lanes + (d & 1)]
    }
  }
  const searchTile = (first: number, size: number): void => {
    const stop = Math.min(count, first + tile)
    const paddedStop = Math.min(negativeNorms.length, first + tile)
    doubles.set(values.subarray(first * dimensions, stop * dimensions), exactCandidates / 8)
    shorts.set(grouped.subarray(first * even, paddedStop * even), candidates / 2)
    integers.set(negativeNorms.subarray(first, paddedStop), candidateNorms / 4)
    kernel.search(queries, roundUp(size, 4), candidates, candidateNorms, (paddedStop - first) / lanes, first)
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
    kernel.begin(even, dimensions, k, step, exactQueries, exactCandidates, limits, queryNorms, querySlacks, heapDistances, heapIndices, heapSizes, first)
    const home = Math.floor(first / tile)
    for (let i = 0; i < tiles; i++) searchTile(((home + i) % tiles) * tile, size)
    store(first, size)
  }
}
