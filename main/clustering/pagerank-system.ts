import type { Graph, GraphArrays } from './graph'
import { planMemory } from './kernel-memory'

/**
 * Columns solved in one pass over the matrix. A pass costs hardly more than with 4, while 16 columns outgrow the
 * cache.
 */
export const width = 8

/** Steps of the walk for which a solve tracks which nodes have been reached. */
export const nearSteps = 2
/**
 * Bit sets per node in `reached`, one bit per column: within one step of the seed, within two, and in the seed's
 * component.
 */
export const reaches = nearSteps + 1

export const rowsInBlock = 256
export const blocksOf = (nodes: number): number => Math.ceil(nodes / rowsInBlock)

/** Unavoidable rounding error of a solve, relative to a node's own score. */
export const roundingShare = 32 * Number.EPSILON

export const iterationLimit = (alpha: number): number => 200 + Math.ceil(40 / Math.sqrt(alpha))

/** Addresses of the arrays in a workspace's memory, as the kernel takes them. */
export interface Places {
  readonly starts: number
  readonly ends: number
  readonly columns: number
  readonly weights: number
  readonly shares: number
  readonly degrees: number
  readonly parts: number
  readonly components: number
  readonly tokens: number
  readonly scores: number
  readonly residuals: number
  readonly products: number
  readonly directions: number
  readonly images: number
  readonly corrections: number
  readonly reached: number
  readonly ranked: number
  readonly earlier: number
  readonly sums: number
  readonly settings: number
}

/** Shared memory for a graph that may shrink and for the vectors [node, column] of a solve. */
export interface Workspace {
  readonly memory: WebAssembly.Memory
  readonly places: Places
  readonly arrays: GraphArrays
  /** p_u / d_u after a solve, [node, column]. */
  readonly scores: Float64Array
  /** The same scores, [column, node]. */
  readonly ranked: Float64Array
  /** Weight of each node's edges to nodes that come earlier in a sweep, [column, node], after a solve. */
  readonly earlier: Float64Array
}

export interface Solve {
  /** Stored in the arrays of `workspace`. */
  readonly graph: Graph
  /** Number of nodes that have not been removed. */
  readonly left: number
  /** Up to `width` seed nodes, one per column. A node without edges, or -1, leaves its column 0. */
  readonly seeds: Int32Array
  readonly alpha: number
  readonly epsilon: number
  readonly volume: number
  readonly workspace: Workspace
}

/** Linear system of each column: |r_u| ≤ `tolerance` for the residual r = source - K z, where z = p_u / d_u. */
export interface System {
  readonly solve: Solve
  /** K = keep · I - spread · D⁻¹A. */
  readonly keep: number
  readonly spread: number
  readonly tolerance: number
  /** For each column, the source at its seed. */
  readonly sources: Float64Array
}

/**
 * Allocates memory for graphs with up to as many nodes and edges as `graph`. Throws a `clustering` error if that is
 * more than WebAssembly can address.
 */
export const openWorkspace = (graph: Graph): Workspace => {
  const { nodes } = graph
  const entries = graph.columns.length
  const { reserve, open } = planMemory()
  const places = {
    settings: reserve(64 * width),
    sums: reserve(4 * blocksOf(nodes) * width * 8),
    starts: reserve(4 * (nodes + 1)),
    ends: reserve(4 * nodes),
    columns: reserve(4 * entries),
    weights: reserve(8 * entries),
    shares: reserve(4 * entries),
    degrees: reserve(8 * nodes),
    parts: reserve(4 * nodes),
    components: reserve(4 * nodes),
    tokens: reserve(4 * nodes),
    scores: reserve(8 * nodes * width),
    residuals: reserve(4 * nodes * width),
    products: reserve(4 * nodes * width),
    directions: reserve(4 * nodes * width),
    images: reserve(4 * nodes * width),
    corrections: reserve(4 * nodes * width),
    reached: reserve(reaches * nodes),
    ranked: reserve(8 * nodes * width),
    earlier: reserve(8 * nodes * width)
  }
  const memory = open(
    `The graph of ${nodes} tokens and ${entries / 2} edges needs more than the solver's 4 GiB; ` +
      `lower "clustering.neighbours" or study fewer tokens.`
  )
  const arrays = {
    starts: new Int32Array(memory.buffer, places.starts, nodes + 1),
    ends: new Int32Array(memory.buffer, places.ends, nodes),
    columns: new Int32Array(memory.buffer, places.columns, entries),
    weights: new Float64Array(memory.buffer, places.weights, entries),
    shares: new Float32Array(memory.buffer, places.shares, entries),
    degrees: new Float64Array(memory.buffer, places.degrees, nodes),
    parts: new Int32Array(memory.buffer, places.parts, nodes),
    components: new Int32Array(memory.buffer, places.components, nodes),
    tokens: new Int32Array(memory.buffer, places.tokens, nodes)
  }
  const vector = (place: number): Float64Array => new Float64Array(memory.buffer, place, nodes * width)
  return {
    memory,
    places,
    arrays,
    scores: vector(places.scores),
    ranked: vector(places.ranked),
    earlier: vector(places.earlier)
  }
}
