import { SpectroscopeError } from '../../preload/errors'
import type { Team } from '../base/team'
import type { Graph, GraphArrays } from './graph'
import { solveInDouble } from './pagerank-double'
import { solveMixed } from './pagerank-mixed'

/** Scores are solved to this share of their mean over the graph, 1 / volume, where that is stricter than ε. */
const relativeTolerance = 1e-4
const pageBytes = 65536
/** WebAssembly addresses 4 GiB. */
const mostPages = 65536

/** Columns solved in one pass over the matrix. A pass costs hardly more than with 4, while the vectors of 16 outgrow the cache. */
export const width = 8

export const rowsInBlock = 256
export const blocksOf = (nodes: number): number => Math.ceil(nodes / rowsInBlock)

/** Addresses of the arrays in a workspace's memory: what the kernel takes. */
export interface Places {
  readonly starts: number
  readonly ends: number
  readonly columns: number
  readonly weights: number
  readonly shares: number
  readonly degrees: number
  readonly parts: number
  readonly scores: number
  readonly residuals: number
  readonly products: number
  readonly directions: number
  readonly images: number
  readonly corrections: number
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
  /** p_u / d_u, [node, column], after a solve. */
  readonly scores: Float64Array
  /** The same scores, [column, node], after `weighEarlier`. */
  readonly ranked: Float64Array
  /** The weight of each node's edges to nodes that a sweep takes before it, [column, node], after `weighEarlier`. */
  readonly earlier: Float64Array
}

export interface Solve {
  /** In the arrays of `workspace`. */
  readonly graph: Graph
  /** Nodes that are not removed from it. */
  readonly left: number
  /** Up to `width` seed nodes, one a column; a node without edges, or -1, leaves its column 0. */
  readonly seeds: Int32Array
  readonly alpha: number
  readonly epsilon: number
  readonly volume: number
  readonly workspace: Workspace
}

/** What a column is solved for: |r_u| ≤ `tolerance` for the residual r = source - K z of z = p_u / d_u. */
export interface System {
  readonly solve: Solve
  /** K = keep · I - spread · D⁻¹A. */
  readonly keep: number
  readonly spread: number
  readonly tolerance: number
  /** Of each column, at its seed. */
  readonly sources: Float64Array
}

/** Memory for graphs of up to as many nodes and edges as `graph`. Throws a `clustering` error for more than WebAssembly addresses. */
export const openWorkspace = (graph: Graph): Workspace => {
  const { nodes } = graph
  const entries = graph.columns.length
  let end = 0
  const reserve = (bytes: number): number => {
    const start = end
    end = Math.ceil((end + bytes) / 64) * 64
    return start
  }
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
    scores: reserve(8 * nodes * width),
    residuals: reserve(4 * nodes * width),
    products: reserve(4 * nodes * width),
    directions: reserve(4 * nodes * width),
    images: reserve(4 * nodes * width),
    corrections: reserve(4 * nodes * width),
    ranked: reserve(8 * nodes * width),
    earlier: reserve(8 * nodes * width)
  }
  const pages = Math.ceil(end / pageBytes)
  if (pages > mostPages) {
    throw new SpectroscopeError('clustering', `The graph of ${nodes} tokens and ${entries / 2} edges needs more than the solver's 4 GiB; lower "clustering.neighbours" or study fewer tokens.`)
  }
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const arrays = {
    starts: new Int32Array(memory.buffer, places.starts, nodes + 1),
    ends: new Int32Array(memory.buffer, places.ends, nodes),
    columns: new Int32Array(memory.buffer, places.columns, entries),
    weights: new Float64Array(memory.buffer, places.weights, entries),
    shares: new Float32Array(memory.buffer, places.shares, entries),
    degrees: new Float64Array(memory.buffer, places.degrees, nodes),
    parts: new Int32Array(memory.buffer, places.parts, nodes)
  }
  const vector = (place: number): Float64Array => new Float64Array(memory.buffer, place, nodes * width)
  return { memory, places, arrays, scores: vector(places.scores), ranked: vector(places.ranked), earlier: vector(places.earlier) }
}

/**
 * One member's part in solving lazy personalised PageRank p = α e_seed + (1-α) p (I + D⁻¹A)/2 (METHOD section 5, step 3) for a few
 * seeds at once. Afterwards `workspace.scores` [node, column] holds p_u / d_u, the solution z of K z = α e_seed / d, with
 * K = (1+α)/2 I - (1-α)/2 D⁻¹A self-adjoint in the inner product of D. The residual r = e_seed / d - K z / α is computed anew from the
 * solution, in float64, and satisfies |r_u| < min(ε, 10⁻⁴ / volume) for every u, or what float64 can attain; the largest error in p_u / d_u has
 * the same bound (the inverse of the walk's matrix has row sums 1 in that norm). The second bound makes that error a ten-thousandth of
 * the mean score at most, and some thousand times less where only the constant, which is taken out, is a slow mode of the walk.
 *
 * Each column's numbers are the same whatever the other columns and the number of members.
 * Throws a `clustering` error when float64 cannot reach ε.
 */
export const solvePagerank = (solve: Solve, team: Team): void => {
  const { graph, seeds, alpha, epsilon, volume } = solve
  const sources = Float64Array.from({ length: width }, (_, c) => {
    const degree = c < seeds.length && seeds[c] >= 0 ? graph.degrees[seeds[c]] : 0
    return degree > 0 ? alpha / degree : 0
  })
  const system = { solve, keep: (1 + alpha) / 2, spread: (1 - alpha) / 2, tolerance: alpha * Math.min(epsilon, relativeTolerance / volume), sources }
  const excesses = solveMixed(system, team)
  for (let c = 0; c < width; c++) if (excesses[c] > system.tolerance) excesses[c] = solveInDouble(system, c, team)
  if (excesses.some((excess) => excess >= alpha * epsilon)) {
    throw new SpectroscopeError('clustering', `The PageRank vector cannot be solved to "clustering.epsilon" ${epsilon} in double precision; raise it, or raise "clustering.alpha".`)
  }
}
