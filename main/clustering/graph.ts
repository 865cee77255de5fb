import type { Neighbours } from './neighbours'
import type { Points } from './preprocess'

/**
 * Undirected weighted graph in shared memory, as compressed rows. Columns are in the order of their tokens, and each
 * edge is in both of its rows. The entries of row i are at starts[i] … ends[i] - 1.
 */
export interface Graph {
  readonly nodes: number
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly columns: Int32Array
  readonly weights: Float64Array
  /** Weighted degrees. */
  readonly degrees: Float64Array
}

export interface GraphOrder {
  readonly points: Points
  readonly neighbours: Neighbours
  readonly symmetrize: 'union' | 'mutual'
}

const shared = {
  float64: (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length)),
  int32: (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length))
}

const squaredDistance = ({ values, dimensions }: Points, i: number, j: number): number => {
  let sum = 0
  for (let d = 0; d < dimensions; d++) {
    const difference = values[i * dimensions + d] - values[j * dimensions + d]
    sum += difference * difference
  }
  return sum
}

/** exp(-d² / (σ_i σ_j)) from d² and σ_i σ_j. If a σ is 0, the limit: 1 for duplicates, otherwise 0. */
export const edgeWeight = (squared: number, sigmas: number): number =>
  squared === 0 ? 1 : sigmas === 0 ? 0 : Math.exp(-squared / sigmas)

/** Inverts the neighbour lists: the tokens that list j are at starts[j] … starts[j + 1] - 1, in ascending order. */
const listedBy = ({ indices, k }: Neighbours, nodes: number): { starts: Int32Array; sources: Int32Array } => {
  const starts = new Int32Array(nodes + 1)
  for (const j of indices) starts[j + 1]++
  for (let j = 0; j < nodes; j++) starts[j + 1] += starts[j]
  const ends = starts.slice()
  const sources = new Int32Array(indices.length)
  for (let at = 0; at < indices.length; at++) sources[ends[indices[at]]++] = Math.floor(at / k)
  return { starts, sources }
}

/**
 * Writes the union, or with `both` the intersection, of two ascending lists without repeats to `out`. Returns its
 * length.
 */
const merge = (a: Int32Array, b: Int32Array, both: boolean, out: Int32Array): number => {
  let [i, j, count] = [0, 0, 0]
  while (i < a.length || j < b.length) {
    const x = i < a.length ? a[i] : Infinity
    const y = j < b.length ? b[j] : Infinity
    if (x === y || !both) out[count++] = Math.min(x, y)
    if (x <= y) i++
    if (y <= x) j++
  }
  return count
}

const sumDegree = ({ starts, ends, weights, degrees }: Graph, i: number): void => {
  let sum = 0
  for (let e = starts[i]; e < ends[i]; e++) sum += weights[e]
  degrees[i] = sum
}

/**
 * Builds the self-tuning graph (docs/method.md, section 5.1, step 2). Two tokens have an edge if either lists the
 * other (for `mutual`, if both do), with weight exp(-‖x_i - x_j‖² / (σ_i σ_j)), where σ_i is the distance to the last
 * neighbour; all in float64. Pairs of weight 0 (by underflow or because one σ is 0) have no edge.
 */
export const buildGraph = ({ points, neighbours, symmetrize }: GraphOrder): Graph => {
  const { k, indices } = neighbours
  const nodes = points.count
  const sigmas = Float64Array.from({ length: nodes }, (_, i) =>
    Math.sqrt(squaredDistance(points, i, indices[(i + 1) * k - 1]))
  )
  const { starts: sourceStarts, sources } = listedBy(neighbours, nodes)
  const starts = shared.int32(nodes + 1)
  const columns = new Int32Array(2 * nodes * k)
  const weights = new Float64Array(2 * nodes * k)
  const row = new Int32Array(nodes)
  let end = 0
  for (let i = 0; i < nodes; i++) {
    const own = indices.slice(i * k, (i + 1) * k).sort()
    const count = merge(own, sources.subarray(sourceStarts[i], sourceStarts[i + 1]), symmetrize === 'mutual', row)
    for (let at = 0; at < count; at++) {
      const weight = edgeWeight(squaredDistance(points, i, row[at]), sigmas[i] * sigmas[row[at]])
      if (weight === 0) continue
      columns[end] = row[at]
      weights[end++] = weight
    }
    starts[i + 1] = end
  }
  const graph = {
    nodes,
    starts,
    ends: starts.subarray(1),
    columns: shared.int32(end),
    weights: shared.float64(end),
    degrees: shared.float64(nodes)
  }
  graph.columns.set(columns.subarray(0, end))
  graph.weights.set(weights.subarray(0, end))
  for (let i = 0; i < nodes; i++) sumDegree(graph, i)
  return graph
}

/** Storage for a graph that loses nodes, large enough for its initial nodes and entries. */
export interface GraphArrays {
  readonly starts: Int32Array
  readonly ends: Int32Array
  readonly columns: Int32Array
  readonly weights: Float64Array
  readonly degrees: Float64Array
  /** Token of each node. The entries of a row are in token order. */
  readonly tokens: Int32Array
  /** Each entry's weight over the degree of its row. */
  readonly shares: Float32Array
  /**
   * Part of the initial graph that each node is in. Parts are sets of nodes joined to the rest by almost no weight.
   */
  readonly parts: Int32Array
  /** Connected component of the initial graph that each node is in. */
  readonly components: Int32Array
}

/** A graph that loses nodes. A removed node keeps its number and has an empty row. */
export interface ShrinkingGraph {
  readonly graph: Graph
  /** Remaining nodes, in token order. */
  readonly left: Int32Array
  /** Number of entries in the rows of the remaining nodes. */
  readonly entries: number
  readonly shares: Float32Array
  readonly parts: Int32Array
}

/** Shares below this are set to 0, because arithmetic near the end of float32's range is slow. */
const smallestShare = 2 ** -100

const fillShares = ({ starts, ends, weights, degrees }: Graph, shares: Float32Array, i: number): void => {
  for (let e = starts[i]; e < ends[i]; e++) {
    const share = weights[e] / degrees[i]
    shares[e] = share < smallestShare ? 0 : share
  }
}

/** An edge whose weight is a smaller share of both ends' degrees does not join parts. */
const joiningShare = 2 ** -20

/**
 * Numbers in `parts` the sets of nodes connected by edges whose weight is at least `joining` of either end's degree.
 */
const findParts = (
  { nodes, starts, ends, columns }: Graph,
  shares: Float32Array,
  joining: number,
  parts: Int32Array
): void => {
  for (let i = 0; i < nodes; i++) parts[i] = i
  const rootOf = (node: number): number => {
    let root = node
    while (parts[root] !== root) root = parts[root] = parts[parts[root]]
    return root
  }
  for (let i = 0; i < nodes; i++) {
    for (let e = starts[i]; e < ends[i]; e++) {
      if (shares[e] < joining) continue
      const [a, b] = [rootOf(i), rootOf(columns[e])]
      if (a < b) parts[b] = a
      else parts[a] = b
    }
  }
  for (let i = 0; i < nodes; i++) parts[i] = rootOf(i)
}

/** 0 … count - 1: node i stands for token i. */
export const inOrder = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i)

/**
 * Orders tokens so that neighbours are close in memory. From each token, the order continues with the untaken
 * neighbour across the heaviest edge, or else with the lowest untaken token.
 */
export const alongEdges = ({ nodes, starts, ends, columns, weights }: Graph): Int32Array => {
  const order = new Int32Array(nodes)
  const taken = new Uint8Array(nodes)
  const next = (token: number): number => {
    let [heaviest, to] = [0, -1]
    for (let e = starts[token]; e < ends[token]; e++) {
      if (taken[columns[e]] === 1 || weights[e] <= heaviest) continue
      heaviest = weights[e]
      to = columns[e]
    }
    return to
  }
  for (let first = 0, at = 0; first < nodes; first++) {
    for (let token = first; token >= 0 && taken[token] === 0; token = next(token)) {
      taken[token] = 1
      order[at++] = token
    }
  }
  return order
}

/**
 * Copies `graph`, whose nodes are tokens, into `arrays`, which `removeNodes` may shrink in place. The nodes of the
 * copy stand for `tokens` (a permutation).
 */
export const shrinkable = (graph: Graph, arrays: GraphArrays, tokens = inOrder(graph.nodes)): ShrinkingGraph => {
  const { shares, parts, components, tokens: tokenOf, ...rows } = arrays
  const { nodes } = graph
  tokenOf.set(tokens)
  const left = new Int32Array(nodes)
  for (let node = 0; node < nodes; node++) left[tokens[node]] = node
  let end = 0
  for (let node = 0; node < nodes; node++) {
    rows.starts[node] = end
    for (let e = graph.starts[tokens[node]]; e < graph.ends[tokens[node]]; e++) {
      rows.columns[end] = left[graph.columns[e]]
      rows.weights[end++] = graph.weights[e]
    }
    rows.ends[node] = end
    rows.degrees[node] = graph.degrees[tokens[node]]
  }
  rows.starts[nodes] = end
  const copy = { nodes, ...rows }
  for (let node = 0; node < nodes; node++) fillShares(copy, shares, node)
  findParts(copy, shares, joiningShare, parts)
  findParts(copy, shares, 0, components)
  return { graph: copy, left, entries: end, shares, parts }
}

/**
 * Removes the nodes in `removed` from the graph, in place: the given graph's memory is overwritten. Returns the
 * induced subgraph. The time is proportional to the rows of the removed nodes and their neighbours, plus one pass
 * over the nodes that were left.
 */
export const removeNodes = (
  { graph, left, entries, shares, parts }: ShrinkingGraph,
  removed: Int32Array
): ShrinkingGraph => {
  const { nodes, starts, ends, columns, weights, degrees } = graph
  const gone = new Uint8Array(nodes)
  for (const node of removed) gone[node] = 1
  const beside = new Set<number>()
  let lost = 0
  for (const node of removed) {
    for (let e = starts[node]; e < ends[node]; e++) if (gone[columns[e]] === 0) beside.add(columns[e])
    lost += ends[node] - starts[node]
    ends[node] = starts[node]
    degrees[node] = 0
  }
  for (const node of beside) {
    let end = starts[node]
    for (let e = end; e < ends[node]; e++) {
      if (gone[columns[e]] === 1) continue
      columns[end] = columns[e]
      weights[end++] = weights[e]
    }
    lost += ends[node] - end
    ends[node] = end
    sumDegree(graph, node)
    fillShares(graph, shares, node)
  }
  return { graph, left: left.filter((node) => gone[node] === 0), entries: entries - lost, shares, parts }
}

export const volume = ({ degrees }: Graph): number => {
  let sum = 0
  for (const degree of degrees) sum += degree
  return sum
}

/**
 * Conductance cut(S) / min(vol S, vol rest) of the set S of nodes listed in `members`, which have `inside` = 1.
 * Returns 0 if no edge leaves S.
 */
export const conductance = (
  { starts, ends, columns, weights, degrees }: Graph,
  total: number,
  members: Int32Array,
  inside: Uint8Array
): number => {
  let [cut, within] = [0, 0]
  for (const u of members) {
    within += degrees[u]
    for (let e = starts[u]; e < ends[u]; e++) if (inside[columns[e]] === 0) cut += weights[e]
  }
  return cut === 0 ? 0 : cut / Math.min(within, total - within)
}
