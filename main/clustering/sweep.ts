import { volume, type Graph } from './graph'

/** A prefix with less than this share of the volume on one side has no conductance worth comparing. */
const negligibleShare = 1e-9
/** A minimum beyond this share of the range lies at its end. */
const endShare = 0.99

/** The prefix of least conductance. `members` are nodes in ascending order. */
export interface Sweep {
  readonly members: Int32Array
  readonly conductance: number
  /** Whether the prefix's volume is more than 0.99 of the largest that counts. */
  readonly atEnd: boolean
}

/** Nodes of positive score by descending score, ties to the lower index: a radix sort of the bits of the float64 scores. */
export const orderByScore = (scores: Float64Array): Int32Array => {
  let count = 0
  for (const score of scores) if (score > 0) count++
  let order = new Int32Array(count)
  for (let i = 0, at = 0; i < scores.length; i++) if (scores[i] > 0) order[at++] = i
  const digits = new Uint16Array(scores.buffer, scores.byteOffset, 4 * scores.length)
  let sorted = new Int32Array(count)
  for (let digit = 0; digit < 4; digit++) {
    const places = new Int32Array(65537)
    for (const i of order) places[65536 - digits[4 * i + digit]]++
    for (let value = 0; value < 65536; value++) places[value + 1] += places[value]
    for (const i of order) sorted[places[65535 - digits[4 * i + digit]]++] = i
    ;[order, sorted] = [sorted, order]
  }
  return order
}

/** The weight of the edges from each node to those that a sweep takes before it. */
export const weightsToEarlier = ({ nodes, starts, ends, columns, weights }: Graph, scores: Float64Array): Float64Array => {
  const sums = new Float64Array(nodes)
  for (let u = 0; u < nodes; u++) {
    for (let e = starts[u]; e < ends[u]; e++) {
      const v = columns[e]
      if (scores[v] > scores[u] || (scores[v] === scores[u] && v < u)) sums[u] += weights[e]
    }
  }
  return sums
}

/**
 * Sweep of METHOD section 5, step 3: among the prefixes of the nodes of positive `scores` (p_u / d_u; descending, ties to the lower
 * index) whose volume is at most `limit` of the graph's, the one of least cut / min(vol, vol of the rest). Null when no prefix counts.
 * `earlier` is `weightsToEarlier` of the scores.
 */
export const sweep = (graph: Graph, scores: Float64Array, limit: number, earlier = weightsToEarlier(graph, scores)): Sweep | null => {
  const { degrees } = graph
  const order = orderByScore(scores)
  const total = volume(graph)
  let [cut, within, size] = [0, 0, 0]
  let best = { size: 0, conductance: Infinity, volume: 0 }
  for (const u of order) {
    cut += degrees[u] - 2 * earlier[u]
    within += degrees[u]
    if (within > limit * total) break
    size++
    const smaller = Math.min(within, total - within)
    const value = smaller > negligibleShare * total ? Math.max(0, cut) / smaller : Infinity
    if (best.size === 0 || value < best.conductance) best = { size, conductance: value, volume: within }
  }
  if (best.size === 0) return null
  return { members: order.slice(0, best.size).sort(), conductance: best.conductance, atEnd: best.volume > endShare * limit * total }
}
