import type { ClusteringDescription, LevelDescription } from '../../preload/records'
import { entryPath } from '../base/entries'
import { openPool } from '../base/pool'
import { boundariesOf, type TreeLevel } from './boundaries'
import { layOutGroups } from './cluster-layout'
import { TokenConditions } from './conditions'
import { TokenEdges } from './edges'
import { groupsOfClusters, groupTokens, sizesOf, type Grouping, type LevelMembership } from './grouping'
import { tokenPatterns } from './patterns'
import { chooseColumns, preprocess, type Points } from './preprocess'
import { caughtTokens, findRules } from './rules'
import type { DescribeOrder } from './tasks'
import { performWatched, type ClusteringPool, type Watched } from './watched'

/** Receives the share done, 0 to 1. */
type Report = (fraction: number) => void

/** Relative duration of each part, for work done once and for work done per level; measured at a million tokens. */
const efforts = {
  patterns: { once: 1, perLevel: 0 },
  profiles: { once: 1.5, perLevel: 0 },
  central: { once: 0, perLevel: 0.35 },
  edges: { once: 10, perLevel: 1.2 },
  rules: { once: 0.6, perLevel: 1 },
  layout: { once: 3.5, perLevel: 0 }
} as const

/** Divides a progress bar among the parts, in order. */
const partsOf = (levels: number, report: Report): ((part: keyof typeof efforts) => Report) => {
  const effortOf = ({ once, perLevel }: { once: number; perLevel: number }): number => once + levels * perLevel
  const all = Object.values(efforts).reduce((sum, part) => sum + effortOf(part), 0)
  let before = 0
  return (part) => {
    const start = before / all
    const share = effortOf(efforts[part]) / all
    before += effortOf(efforts[part])
    report(start)
    return (fraction) => report(start + share * fraction)
  }
}

/** Mean and population variance of χ̂ in each group, [groups, width] each. */
interface Profiles {
  readonly means: Float64Array
  readonly variances: Float64Array
}

const profilesOf = (grouping: Grouping, matrix: Float32Array, width: number): Profiles => {
  const { numbers, groupOf } = grouping
  const sizes = sizesOf(grouping)
  const means = new Float64Array(numbers.length * width)
  const variances = new Float64Array(numbers.length * width)
  for (let token = 0, at = 0; token < groupOf.length; token++) {
    for (let c = 0, to = groupOf[token] * width; c < width; c++) means[to++] += matrix[at++]
  }
  for (let at = 0; at < means.length; at++) means[at] /= sizes[Math.floor(at / width)]
  for (let token = 0, at = 0; token < groupOf.length; token++) {
    for (let c = 0, to = groupOf[token] * width; c < width; c++, to++) variances[to] += (matrix[at++] - means[to]) ** 2
  }
  for (let at = 0; at < variances.length; at++) variances[at] /= sizes[Math.floor(at / width)]
  return { means, variances }
}

/** Mean of each group's points. */
const middlesOf = (grouping: Grouping, { values, dimensions }: Points): Points => {
  const { numbers, groupOf } = grouping
  const sizes = sizesOf(grouping)
  const middles = new Float64Array(numbers.length * dimensions)
  for (let token = 0, at = 0; token < groupOf.length; token++) {
    for (let d = 0, to = groupOf[token] * dimensions; d < dimensions; d++) middles[to++] += values[at++]
  }
  for (let at = 0; at < middles.length; at++) middles[at] /= sizes[Math.floor(at / dimensions)]
  return { values: middles, count: numbers.length, dimensions }
}

/** Means of the groups of a level, [groups, width]: averages of their clusters' means, weighted by size. */
const meansAbove = (
  { grouping, parents }: TreeLevel,
  clusterSizes: Int32Array,
  means: ArrayLike<number>,
  width: number
): Float64Array => {
  const sizes = sizesOf(grouping)
  const above = new Float64Array(sizes.length * width)
  parents.forEach((group, cluster) => {
    if (group < 0) return
    for (let c = 0; c < width; c++) above[group * width + c] += means[cluster * width + c] * clusterSizes[cluster]
  })
  for (let at = 0; at < above.length; at++) above[at] /= sizes[Math.floor(at / width)]
  return above
}

/** Profiles of groups that consist of clusters, from the variances within and between these clusters. */
const profilesAbove = (
  level: TreeLevel,
  clusterSizes: Int32Array,
  { means, variances }: Profiles,
  width: number
): Profiles => {
  const above = meansAbove(level, clusterSizes, means, width)
  const meanAbove = (at: number): number => above[level.parents[Math.floor(at / width)] * width + (at % width)]
  const about = variances.map((variance, at) => variance + (means[at] - meanAbove(at)) ** 2)
  return { means: above, variances: meansAbove(level, clusterSizes, about, width) }
}

/** Rank of each token within its group by distance to the group's mean, ties by index. */
const centralPlaces = (
  { numbers, groupOf, starts, members }: Grouping,
  { values, dimensions }: Points,
  middles: ArrayLike<number>,
  report: Report
): Int32Array => {
  const distances = new Float64Array(groupOf.length)
  for (let token = 0; token < groupOf.length; token++) {
    if (groupOf[token] < 0) continue
    let sum = 0
    const [at, from] = [token * dimensions, groupOf[token] * dimensions]
    for (let d = 0; d < dimensions; d++) sum += (values[at + d] - middles[from + d]) ** 2
    distances[token] = sum
  }
  const places = new Int32Array(groupOf.length)
  for (let group = 0; group < numbers.length; group++) {
    const ordered = members.slice(starts[group], starts[group + 1])
    ordered
      .sort((a, b) => distances[a] - distances[b] || a - b)
      .forEach((token, place) => {
        places[token] = place
      })
    report(starts[group + 1] / members.length)
  }
  return places
}

const treeOf = (levels: readonly LevelMembership[]): TreeLevel[] => {
  const groupings = levels.map(groupTokens)
  return groupings.map((grouping) => ({ grouping, parents: groupsOfClusters(groupings[0], grouping) }))
}

/**
 * Coordinates of the tokens. If the susceptibilities are unknown, a single coordinate 0 for all tokens, which keeps
 * their order.
 */
const pointsOf = ({ matrix, tokens, components, columns, configuration }: DescribeOrder): Points => {
  if (components.length === 0) return { values: new Float64Array(tokens), count: tokens, dimensions: 1 }
  const clusteredBy = chooseColumns(matrix, components, columns ?? components.map((_, column) => column))
  return preprocess(clusteredBy.matrix, tokens, clusteredBy.components, configuration.whiten)
}

/** Computes the description in the calling thread; see `describeClustering`. `report` gets the share done, 0 to 1. */
export const computeDescription = (order: DescribeOrder, report: Report = () => {}): ClusteringDescription => {
  const { matrix, tokens, components, configuration, neighbours, levels, rows, texts, subsetOf, subsets, seed } = order
  const width = components.length
  const during = partsOf(levels.length, report)
  const tree = treeOf(levels)
  const clusters = tree[0].grouping
  const sizes = sizesOf(clusters)

  const patterns = tokenPatterns(rows, texts, during('patterns'))
  during('profiles')
  const profiles = profilesOf(clusters, matrix, width)
  const points = pointsOf(order)
  const middles = middlesOf(clusters, points)
  const whenCentral = during('central')
  const places = tree.map((level, l) => {
    const own = l === 0 ? middles.values : meansAbove(level, sizes, middles.values, points.dimensions)
    return centralPlaces(level.grouping, points, own, (fraction) => whenCentral((l + fraction) / tree.length))
  })

  const whenEdges = during('edges')
  const lists = neighbours === undefined ? undefined : new TokenEdges(neighbours, tokens, configuration.symmetrize)
  const boundaries = boundariesOf(tree, lists, whenEdges)
  const conditions = new TokenConditions({ rows, texts, patterns, subsetOf, subsets })
  const rules = findRules(
    conditions,
    tree.map(({ grouping }) => grouping),
    { report: during('rules') }
  )
  const { from, to, weights } = boundaries[0].edges
  const last = clusters.numbers.length - 1
  const indicesOf = (numbers: Int32Array): Int32Array => numbers.map((number) => (number < 0 ? last : number))
  const edges = { from: indicesOf(from), to: indicesOf(to), weights }
  const positions = layOutGroups(middles, edges, seed, during('layout'))

  const describeLevel = (level: TreeLevel, l: number): LevelDescription => {
    const { means, variances } = l === 0 ? profiles : profilesAbove(level, sizes, profiles, width)
    return {
      kind: levels[l].kind,
      membership: levels[l].membership,
      groups: level.grouping.numbers,
      centralPlace: places[l],
      ...boundaries[l],
      caught: caughtTokens(conditions, level.grouping, rules[l]),
      means: Float32Array.from(means),
      standardDeviations: Float32Array.from(variances, Math.sqrt),
      rules: rules[l],
      positions: l === 0 ? positions : Float32Array.from(meansAbove(level, sizes, positions, 2))
    }
  }
  return { patterns, levels: tree.map(describeLevel) }
}

export interface DescribeInput extends DescribeOrder, Watched {}

/**
 * Describes a clustering on one worker thread. Returns the patterns of its tokens and, for each level:
 * - which tokens are central, which lie at the boundary, and to which other group these lean,
 * - the groups' profiles (χ̂, in nats²),
 * - the edge weight between groups, from the stored distances and so accurate to float32,
 * - rules that predict the groups, and the tokens that these rules catch,
 * - positions of the groups in the plane.
 *
 * Unclustered tokens form a group at the level of clusters only. Bit-for-bit reproducible from its input. Throws a
 * `clustering` error for a matrix that cannot be preprocessed, and `interrupted` after `signal`.
 */
export const describeClustering = async (
  { onProgress, signal, ...order }: DescribeInput,
  open: () => ClusteringPool = () => openPool(entryPath('clustering-worker'), 1)
): Promise<ClusteringDescription> => {
  const result = await performWatched((meter) => ({ kind: 'describe', order, meter }), { onProgress, signal }, open)
  if (result.kind !== 'describe') throw new Error(`A worker answered "${result.kind}" when asked for a description.`)
  return result.description
}
