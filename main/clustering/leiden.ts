import { readFileSync } from 'node:fs'
import { SpectroscopeError } from '../../preload/errors'
import { kernelPath } from '../base/entries'
import { volume, type Graph } from './graph'
import { pageBytes } from './kernel-memory'

export interface LeidenSettings {
  /**
   * γ in the modularity Σ_c [w_c / 2m - γ (d_c / 2m)²], where w_c is twice the weight inside community c, d_c the sum
   * of its degrees, and 2m the sum of all degrees.
   */
  readonly resolution: number
  /** Seed of the run's Philox words, an integer in [0, 2⁵³). */
  readonly seed: number
  /** Number of this attempt, below 2³². Each number draws different random words. */
  readonly run: number
  /**
   * Communities of a coarser level. Every community found lies within one of these. Degrees and total weight remain
   * those of the whole graph.
   */
  readonly within?: Int32Array
}

export interface LeidenOrder extends LeidenSettings {
  /** Symmetric, without self-loops. */
  readonly graph: Graph
}

export interface Partition {
  /** Community of every node, numbered by size, largest first, ties by lowest node. */
  readonly communities: Int32Array
  readonly count: number
  /** Modularity at the given resolution. */
  readonly quality: number
}

/** A graph loaded into a kernel, for any number of partitions. */
export interface OpenLeiden {
  /** Partitions the graph. `report` gets the share done, 0 to 1. */
  readonly partition: (settings: LeidenSettings, report?: (fraction: number) => void) => Partition
}

interface LeidenKernel {
  readonly memory: WebAssembly.Memory
  readonly begin: (nodes: number, ...places: number[]) => void
  readonly open: (seedLow: number, seedHigh: number, run: number, stream: number, penalty: number, end: number) => void
  readonly restrict: (within: number, from: number, to: number) => number
  readonly descend: () => void
  readonly beginMoves: () => void
  readonly move: (most: number) => number
  readonly hasMoved: () => number
  readonly compact: () => number
  readonly beginRefinement: () => void
  readonly measure: (from: number, to: number) => void
  readonly merge: (from: number, to: number) => void
  readonly beginAggregation: () => number
  readonly aggregate: (from: number, to: number) => number
  readonly climb: (groups: number) => void
  readonly settle: () => void
  readonly split: () => number
}

/** Last word of the random counters (docs/method.md, section 4, purpose 9). */
const stream = 9 * 2 ** 24
/** On the graphs of test/bench/communities.ts, each further iteration adds less than 0.03 % to modularity. */
const mostIterations = 5
/** Weights below the range of float32 are raised to its smallest normal number. */
const smallestWeight = 2 ** -126
/** Nodes per kernel call. V8 optimises a function between calls, not while it runs. */
const stretch = 1000
/** Arrays begin at multiples of a cache line. */
const lineBytes = 64

const abort = (): never => {
  throw new Error('The kernel of the communities failed.')
}

const instantiate = (): LeidenKernel => {
  const module = new WebAssembly.Module(readFileSync(kernelPath('clustering', 'leiden')))
  return new WebAssembly.Instance(module, { env: { abort } }).exports as unknown as LeidenKernel
}

/** Modularity of a partition of the graph. */
export const modularity = (graph: Graph, communities: Int32Array, resolution: number): number => {
  const { nodes, starts, ends, columns, weights, degrees } = graph
  const total = volume(graph)
  if (total === 0) return 0
  let count = 0
  for (const community of communities) count = Math.max(count, community + 1)
  const volumes = new Float64Array(count)
  let inside = 0
  for (let i = 0; i < nodes; i++) {
    const own = communities[i]
    volumes[own] += degrees[i]
    let sum = 0
    for (let e = starts[i]; e < ends[i]; e++) if (communities[columns[e]] === own) sum += weights[e]
    inside += sum
  }
  let squares = 0
  for (const degree of volumes) squares += (degree / total) ** 2
  return inside / total - resolution * squares
}

/**
 * Renumbers communities by size and maps them to tokens. `found` has the community of each kernel node; kernel nodes
 * stand for `tokens`.
 */
const numberBySize = (found: Int32Array, tokens: Int32Array, count: number): Int32Array => {
  const communities = new Int32Array(found.length)
  const sizes = new Int32Array(count)
  for (let node = 0; node < found.length; node++) {
    communities[tokens[node]] = found[node]
    sizes[found[node]]++
  }
  // Next number to give to a community of each size, largest first.
  const next = new Int32Array(found.length + 2)
  for (const size of sizes) next[found.length - size + 1]++
  for (let i = 1; i < next.length; i++) next[i] += next[i - 1]
  const numbers = new Int32Array(count).fill(-1)
  return communities.map((community) => {
    if (numbers[community] < 0) numbers[community] = next[found.length - sizes[community]]++
    return numbers[community]
  })
}

/** Tokens in breadth-first order along edges, so that neighbours are close in memory. */
const breadthFirst = ({ nodes, starts, ends, columns }: Graph): Int32Array => {
  const order = new Int32Array(nodes)
  const reached = new Uint8Array(nodes)
  let last = 0
  const reach = (token: number): void => {
    if (reached[token] === 1) return
    reached[token] = 1
    order[last++] = token
  }
  for (let token = 0, at = 0; token < nodes; token++) {
    for (reach(token); at < last; at++) for (let e = starts[order[at]]; e < ends[order[at]]; e++) reach(columns[e])
  }
  return order
}

const inStretches = (length: number, work: (from: number, to: number) => void): void => {
  for (let from = 0; from < length; from += stretch) work(from, Math.min(length, from + stretch))
}

interface GraphPlaces {
  readonly starts: number
  readonly degrees: number
  readonly rows: number
}

/** Copies a graph into the kernel's memory, without gaps between rows. The copy's nodes stand for `tokens`. */
const copyGraph = (graph: Graph, tokens: Int32Array, buffer: ArrayBuffer, places: GraphPlaces): void => {
  const { nodes, starts, ends, columns, weights, degrees } = graph
  const nodeOf = new Int32Array(nodes)
  for (let node = 0; node < nodes; node++) nodeOf[tokens[node]] = node
  const packed = new Int32Array(buffer, places.starts, nodes + 1)
  const ordered = new Float64Array(buffer, places.degrees, nodes)
  const integers = new Int32Array(buffer, places.rows)
  const floats = new Float32Array(buffer, places.rows)
  for (let node = 0, at = 0; node < nodes; node++) {
    const token = tokens[node]
    const length = ends[token] - starts[token]
    for (let e = starts[token]; e < ends[token]; e++, at++) {
      integers[at] = nodeOf[columns[e]]
      floats[at + length] = Math.max(weights[e], smallestWeight)
    }
    at += length
    packed[node + 1] = at / 2
    ordered[node] = degrees[token]
  }
}

/**
 * Loads a graph for the Leiden algorithm (Traag, Waltman and van Eck 2019). An iteration moves nodes to the
 * communities where they gain most, refines every community by random merges, and repeats this on the graph of
 * refined communities. A merge has probability proportional to exp(gain / 0.01), with gains in units of edge weight,
 * as in the authors' program and igraph. Iterations end at a fixed maximum, or when no node moves.
 *
 * Every community found is connected. A partition depends only on the graph and the settings, bit for bit. Weights
 * are rounded to float32; sums are float64. Throws a `clustering` error if the graph does not fit in WebAssembly's
 * memory.
 */
export const openLeiden = (graph: Graph): OpenLeiden => {
  const { nodes, starts, ends } = graph
  const kernel = instantiate()
  let entries = 0
  for (let i = 0; i < nodes; i++) entries += ends[i] - starts[i]
  let end = kernel.memory.buffer.byteLength
  const reserve = (bytes: number): number => {
    const start = end
    end = Math.ceil((end + bytes) / lineBytes) * lineBytes
    return start
  }
  const refuse = (): never => {
    throw new SpectroscopeError(
      'clustering',
      `Communities of ${nodes} tokens with ${entries} neighbours in all need more than WebAssembly's 4 GiB; ` +
        'lower "clustering.neighbours" or study fewer tokens.'
    )
  }
  const reserveAll = (widths: readonly number[]): number[] => widths.map((width) => reserve(width * (nodes + 1)))
  const [startsAt, degreesAt, within] = reserveAll([4, 8, 4])
  // In the order of the kernel's parameters, from `membershipAt` on.
  const places = reserveAll([4, 4, 4, 4, 4, 8, 8, 4, 4, 4, 1, 4, 4, 8, 8, 4, 4, 8, 8, 4])
  const [membership] = places
  const rowsAt = reserve(8 * entries)
  try {
    kernel.memory.grow(Math.ceil((end - kernel.memory.buffer.byteLength) / pageBytes))
  } catch {
    refuse()
  }
  const tokens = breadthFirst(graph)
  copyGraph(graph, tokens, kernel.memory.buffer, { starts: startsAt, degrees: degreesAt, rows: rowsAt })
  kernel.begin(nodes, startsAt, degreesAt, rowsAt, ...places)
  const total = volume(graph)

  /** Moves, refines and aggregates until every community is a single node. Returns whether any node moved. */
  const iterate = (): boolean => {
    let changed = false
    let level = nodes
    kernel.descend()
    for (;;) {
      kernel.beginMoves()
      while (kernel.move(stretch) > 0);
      changed ||= kernel.hasMoved() === 1
      if (kernel.compact() === level) break
      kernel.beginRefinement()
      inStretches(level, (from, to) => kernel.measure(from, to))
      inStretches(level, (from, to) => kernel.merge(from, to))
      const groups = kernel.beginAggregation()
      if (groups === level) break
      inStretches(groups, (from, to) => kernel.aggregate(from, to) === 1 || refuse())
      kernel.climb(groups)
      level = groups
    }
    kernel.settle()
    return changed
  }

  return {
    partition: ({ resolution, seed, run, within: coarse }, report = () => {}) => {
      kernel.open(seed >>> 0, Math.floor(seed / 2 ** 32), run, stream, total > 0 ? resolution / total : 0, end)
      if (coarse !== undefined) {
        new Int32Array(kernel.memory.buffer, within, nodes).set(tokens.map((token) => coarse[token]))
        inStretches(nodes, (from, to) => kernel.restrict(within, from, to) === 1 || refuse())
      }
      for (let iteration = 0, changed = true; changed && iteration < mostIterations; iteration++) {
        changed = iterate()
        report((iteration + 1) / (mostIterations + 1))
      }
      const count = kernel.split()
      const communities = numberBySize(new Int32Array(kernel.memory.buffer, membership, nodes), tokens, count)
      const quality = modularity(graph, communities, resolution)
      report(1)
      return { communities, count, quality }
    }
  }
}

/** Computes one partition of a graph; see `openLeiden`. */
export const leiden = ({ graph, ...settings }: LeidenOrder, report?: (fraction: number) => void): Partition =>
  openLeiden(graph).partition(settings, report)

/**
 * Bytes that a partition needs in addition to the graph, for resolutions up to a few hundred. 40 bytes per entry are
 * enough for any resolution.
 */
export const leidenBytes = (nodes: number, entries: number): number => 150 * nodes + 30 * entries
