import { inOrder, volume, type Graph } from './graph'

/** The conductance of a prefix is not compared if one side has less than this share of the volume. */
const negligibleShare = 1e-9
/** A minimum beyond this share of the range counts as lying at its end. */
const endShare = 0.99

/** The prefix of least conductance. `members` are nodes in ascending order. */
export interface Sweep {
  readonly members: Int32Array
  readonly conductance: number
  /** Whether the prefix has more than 0.99 of the largest volume allowed. */
  readonly atEnd: boolean
}

const digitBits = 11
const digitValues = 2 ** digitBits

/**
 * Nodes with positive scores in descending order of score; ties go to the lower entry of `tokens`. A radix sort by
 * 32-bit keys, followed by a sort within equal keys.
 */
export const orderByScore = (scores: Float64Array, tokens = inOrder(scores.length)): Int32Array => {
  const words = new Int32Array(scores.buffer, scores.byteOffset, 2 * scores.length)
  let [count, most, least] = [0, 0, 2 ** 31 - 1]
  for (let i = 0; i < scores.length; i++) {
    if (!(scores[i] > 0)) continue
    const upper = words[2 * i + 1]
    if (upper > most) most = upper
    if (upper < least) least = upper
    count++
  }
  /**
   * The bits of positive doubles sort as the numbers do. The key takes the bits in which the scores differ, plus as
   * many of the following bits as fit.
   */
  const spare = Math.max(1, Math.clz32(most - least))
  let [order, sorted] = [new Int32Array(count), new Int32Array(count)]
  let [keys, sortedKeys] = [new Uint32Array(count), new Uint32Array(count)]
  const places = [0, 1, 2].map(() => new Int32Array(digitValues + 1))
  const [low, middle, high] = places
  for (let i = 0, at = 0; i < scores.length; i++) {
    if (!(scores[i] > 0)) continue
    order[at] = i
    keys[at] = ((most - words[2 * i + 1]) << spare) | (~words[2 * i] >>> (32 - spare))
    low[(keys[at] & (digitValues - 1)) + 1]++
    middle[((keys[at] >>> digitBits) & (digitValues - 1)) + 1]++
    high[(keys[at] >>> (2 * digitBits)) + 1]++
    at++
  }
  places.forEach((starts, digit) => {
    for (let value = 0; value < digitValues; value++) starts[value + 1] += starts[value]
    for (let at = 0; at < count; at++) {
      const to = starts[(keys[at] >>> (digit * digitBits)) & (digitValues - 1)]++
      sorted[to] = order[at]
      sortedKeys[to] = keys[at]
    }
    ;[order, sorted, keys, sortedKeys] = [sorted, order, sortedKeys, keys]
  })
  for (let from = 0, to = 1; from < count; from = to++) {
    while (to < count && keys[to] === keys[from]) to++
    if (to - from > 1) order.subarray(from, to).sort((a, b) => scores[b] - scores[a] || tokens[a] - tokens[b])
  }
  return order
}

/**
 * For each node, the total weight of its edges to nodes that come earlier in the sweep: those with a higher score, or
 * with the same score and a lower entry of `tokens`.
 */
export const weightToEarlier = (
  { starts, ends, columns, weights }: Graph,
  scores: Float64Array,
  tokens: Int32Array,
  node: number
): number => {
  let sum = 0
  for (let e = starts[node]; e < ends[node]; e++) {
    const other = columns[e]
    if (scores[other] > scores[node] || (scores[other] === scores[node] && tokens[other] < tokens[node]))
      sum += weights[e]
  }
  return sum
}

/**
 * The sweep of docs/method.md, section 5.2. Nodes with positive `scores` (p_u / d_u) are sorted in descending order,
 * ties to the lower entry of `tokens`. Among the prefixes whose volume is at most `limit` of the graph's, returns the
 * one with least cut / min(vol, vol of the rest), or null if no prefix counts. `earlier` is `weightToEarlier` of
 * every node.
 */
export const sweep = (
  graph: Graph,
  scores: Float64Array,
  limit: number,
  tokens = inOrder(graph.nodes),
  earlier: Float64Array = scores.map((_, node) => weightToEarlier(graph, scores, tokens, node))
): Sweep | null => {
  const { nodes, degrees } = graph
  const order = orderByScore(scores, tokens)
  const total = volume(graph)
  let [cut, within, size] = [0, 0, 0]
  let [bestSize, bestConductance, bestVolume] = [0, Infinity, 0]
  for (let at = 0; at < order.length; at++) {
    const u = order[at]
    cut += degrees[u] - 2 * earlier[u]
    within += degrees[u]
    if (within > limit * total) break
    size++
    const smaller = Math.min(within, total - within)
    const value = smaller > negligibleShare * total ? Math.max(0, cut) / smaller : Infinity
    if (bestSize !== 0 && !(value < bestConductance)) continue
    bestSize = size
    bestConductance = value
    bestVolume = within
  }
  if (bestSize === 0) return null
  const inside = new Uint8Array(nodes)
  for (let at = 0; at < bestSize; at++) inside[order[at]] = 1
  const members = new Int32Array(bestSize)
  for (let u = 0, at = 0; u < nodes; u++) if (inside[u] === 1) members[at++] = u
  return { members, conductance: bestConductance, atEnd: bestVolume > endShare * limit * total }
}
