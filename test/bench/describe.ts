import { computeDescription } from '../../main/clustering/describe'
import { type DescribeOrder } from '../../main/clustering/tasks'
import { computeLayout, layoutNeighbours } from '../../main/clustering/layout'
import type { Neighbours } from '../../main/clustering/neighbours'
import { meritOfRules } from '../../main/clustering/rules'
import { uniforms } from '../tiny-model'

const components = 32
const rowLength = 128
const vocabulary = 20_000
const subsets = ['books', 'code', 'forums', 'law', 'mail', 'mathematics', 'medicine', 'web']
const pieces = ['the', ' a', '\n', ' (', ')', ');', '"', ' foo', 'bar', '12', '    ', '.', "'", 'X', '<', '>', '{', '}']

const sharedInts = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length))
const sharedFloats = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))

/**
 * Cluster of each token, sizes falling as a power of the cluster's number; what would be the last one is left over.
 */
const memberships = (tokens: number, groups: number, next: () => number): Int32Array => {
  const ends = Float64Array.from({ length: groups }, (_, group) => 1 / (group + 5))
  for (let group = 1; group < groups; group++) ends[group] += ends[group - 1]
  return Int32Array.from({ length: tokens }, () => {
    const at = next() * ends[groups - 1]
    const group = ends.findIndex((end) => end > at)
    return group === groups - 1 ? -1 : group
  })
}

/** Neighbourhoods of four clusters, and regions of four of those; what is left over is in neither. */
const levelsOf = (membership: Int32Array): DescribeOrder['levels'] => {
  const clusters = membership.reduce((most, cluster) => Math.max(most, cluster), -1) + 1
  const regions = clusters + Math.ceil(clusters / 4)
  const above = (first: number, children: number): Int32Array =>
    membership.map((cluster) => (cluster < 0 ? -1 : first + Math.floor(cluster / children)))
  return [
    { kind: 'cluster', membership },
    { kind: 'neighbourhood', membership: above(clusters, 4) },
    { kind: 'region', membership: above(regions, 16) }
  ]
}

/** k neighbours of each token: most in its own cluster, some in one of 40 near ones, a few anywhere. */
const neighboursOf = (membership: Int32Array, groups: number, k: number, next: () => number): Neighbours => {
  const tokens = membership.length
  const lists: number[][] = Array.from({ length: groups }, () => [])
  const groupOf = (token: number): number => (membership[token] < 0 ? groups - 1 : membership[token])
  membership.forEach((_, token) => lists[groupOf(token)].push(token))
  const neighbours = { k, indices: sharedInts(tokens * k), distances: sharedFloats(tokens * k) }
  for (let at = 0; at < tokens * k; at++) {
    const token = Math.floor(at / k)
    const kind = next()
    const list = lists[kind < 0.8 ? groupOf(token) : (groupOf(token) + 1 + Math.floor(40 * next())) % groups]
    const chosen =
      kind > 0.95 || list.length === 0 ? Math.floor(tokens * next()) : list[Math.floor(list.length * next())]
    neighbours.indices[at] = chosen === token ? (token + 1) % tokens : chosen
    neighbours.distances[at] = 1 + (at % k) / k + 0.01 * next()
  }
  return neighbours
}

const orderOf = (tokens: number, groups: number, k: number): DescribeOrder => {
  const next = uniforms(11)
  const normal = (): number => Math.sqrt(-2 * Math.log(next() + 2 ** -33)) * Math.cos(2 * Math.PI * next())
  const membership = memberships(tokens, groups, next)
  const centres = Float32Array.from({ length: groups * components }, () => 0.9 * normal())
  const matrix = sharedFloats(tokens * components)
  for (let at = 0; at < matrix.length; at++) {
    const group = membership[Math.floor(at / components)]
    matrix[at] = (group < 0 ? 0 : centres[group * components + (at % components)]) + (group < 0 ? 1 : 0.3) * normal()
  }
  const rows = Math.ceil(tokens / (rowLength - 1))
  return {
    matrix,
    tokens,
    levels: levelsOf(membership),
    components: Array.from({ length: components }, (_, i) => `component ${i}`),
    configuration: { whiten: false, symmetrize: 'union' },
    neighbours: neighboursOf(membership, groups, k, next),
    rows: {
      probe: Array.from({ length: rows }, () =>
        Int32Array.from({ length: rowLength }, () => Math.floor(vocabulary * next() ** 3))
      ),
      targets: Array.from({ length: rows }, (_, row) =>
        Int32Array.from({ length: Math.min(rowLength - 1, tokens - row * (rowLength - 1)) }, (__, i) => i + 1)
      )
    },
    texts: {
      ids: Int32Array.from({ length: vocabulary }, (_, id) => id),
      texts: Array.from(
        { length: vocabulary },
        (_, id) => pieces[id % pieces.length] + (id % 3 === 0 ? String.fromCharCode(97 + (id % 26)) : '')
      )
    },
    subsetOf: Int32Array.from({ length: tokens }, (_, token) => Math.floor(token / (rowLength - 1)) % subsets.length),
    subsets,
    seed: 1
  }
}

const measure = (work: () => string): void => {
  const start = performance.now()
  const used = process.cpuUsage()
  const words = work()
  const { user, system } = process.cpuUsage(used)
  console.log(
    `  ${words} in ${((performance.now() - start) / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} ` +
      `s of processor time); peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`
  )
}

/**
 * Time of a layout and of a description on one thread, of synthetic tokens in clusters of all sizes; run it in a
 * process of its own, for its peak memory.
 */
export const benchDescription = (tokens: number, groups: number): void => {
  const placed = Math.min(tokens, 100_000)
  console.log(`\nlayout: ${placed} tokens × ${components} components, ${layoutNeighbours} neighbours, one thread`)
  const small = orderOf(placed, Math.min(groups, 1000), layoutNeighbours)
  measure(() => `placed by ${computeLayout({ ...small, whiten: false }).method}`)
  const size = `${tokens} tokens × ${components} components in ${groups} clusters and two levels above`
  console.log(`\ndescription: ${size}, k = 45, one thread`)
  const large = orderOf(tokens, groups, 45)
  measure(() => {
    const { levels } = computeDescription(large)
    const pairs = levels.map(({ edges }) => edges.from.length).join(', ')
    const merits = levels.map(({ rules }) => meritOfRules(rules).medianF1.toFixed(2)).join(', ')
    return `described, with ${pairs} pairs of groups and rules of a median F1 of ${merits}`
  })
}
