import type { DuckDBConnection } from '@duckdb/node-api'
import type { ClusteringRecord } from '../../preload/records'
import { leftoverCluster } from '../../preload/records'
import type { GroupTree } from '../base/group-tree'
import { getMembership } from './clusters'
import { knownClustering } from './facts'
import { getRowsAndIds, getSubsetsOfRows } from './token-columns'

/** Limit of token ids stored per group. */
export const mostTopTokens = 60

/**
 * Counts of one group. Ids and subset indices are ordered by count, most frequent first, then ascending. Lift is the
 * share in the group over the share in the study.
 */
export interface GroupCounts {
  readonly cluster: number
  readonly size: number
  readonly distinctTokens: number
  readonly topIds: Int32Array
  readonly topCounts: Int32Array
  readonly topLifts: Float32Array
  readonly subsetIndices: Int32Array
  readonly subsetCounts: Int32Array
}

export interface CountedClustering {
  /** Clusters by number, then the groups above them, then the unclustered tokens if there are any. */
  readonly groups: readonly GroupCounts[]
  /** Cluster of every token. */
  readonly membership: Int32Array
  /** Token id and subset index of every token. */
  readonly ids: Int32Array
  readonly subsetOf: Int32Array
  readonly subsets: readonly string[]
  /** Number of tokens of each subset in the study. */
  readonly subsetTotals: Int32Array
  /**
   * Members of all groups, concatenated, ascending within each. Those of group g are at starts[g] … starts[g + 1] -
   * 1.
   */
  readonly members: Int32Array
  readonly starts: Int32Array
}

/** How often each of the values 0 to `kinds - 1` occurs. */
export const countEach = (values: Int32Array, kinds: number): Int32Array => {
  const counts = new Int32Array(kinds)
  for (const value of values) counts[value]++
  return counts
}

/** Counts values of a stretch, most frequent first; `counts` is all zero before and after. */
export const ranked = (
  values: Int32Array,
  members: Int32Array,
  counts: Int32Array
): { keys: Int32Array; counted: Int32Array } => {
  const present: number[] = []
  for (const token of members) if (counts[values[token]]++ === 0) present.push(values[token])
  const keys = Int32Array.from(present.sort((a, b) => counts[b] - counts[a] || a - b))
  const counted = keys.map((key) => counts[key])
  for (const key of keys) counts[key] = 0
  return { keys, counted }
}

/** Numbers of all groups, the unclustered tokens last. */
const groupNumbers = ({ nodes }: GroupTree, leftoverSize: number): Int32Array =>
  Int32Array.from([...nodes.keys(), ...(leftoverSize > 0 ? [leftoverCluster] : [])])

/** Members of all groups, concatenated, ascending within each, and where each group's begin. */
const membersOf = (
  tree: GroupTree,
  membership: Int32Array,
  groups: number
): { members: Int32Array; starts: Int32Array } => {
  const starts = new Int32Array(groups + 1)
  const placesOf = (cluster: number): readonly number[] =>
    cluster === leftoverCluster ? [groups - 1] : tree.pathOf(cluster)
  for (const cluster of membership) for (const place of placesOf(cluster)) starts[place + 1]++
  for (let place = 0; place < groups; place++) starts[place + 1] += starts[place]
  const members = new Int32Array(starts[groups])
  const ends = starts.slice()
  membership.forEach((cluster, token) => {
    for (const place of placesOf(cluster)) members[ends[place]++] = token
  })
  return { members, starts }
}

/** Counts token ids and subsets in every group of a clustering. */
export const countGroups = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  clustering: ClusteringRecord
): Promise<CountedClustering> => {
  const membership = await getMembership(connection, runId, clustering.number)
  const { tree } = await knownClustering(connection, runId, clustering.number)
  const { rows, ids } = await getRowsAndIds(connection, runId, run)
  const { subsets, ofRow } = await getSubsetsOfRows(connection, run)
  const subsetOf = rows.map((row) => ofRow[row])
  const numbers = groupNumbers(tree, clustering.leftoverSize)
  const { members, starts } = membersOf(tree, membership, numbers.length)
  const everywhere = countEach(ids, ids.reduce((most, id) => Math.max(most, id), 0) + 1)
  const subsetTotals = countEach(subsetOf, subsets.length)
  const [idCounts, subsetCounts] = [new Int32Array(everywhere.length), new Int32Array(subsets.length)]
  const groups = Array.from(numbers, (cluster, group): GroupCounts => {
    const own = members.subarray(starts[group], starts[group + 1])
    const tokens = ranked(ids, own, idCounts)
    const inSubsets = ranked(subsetOf, own, subsetCounts)
    const topIds = tokens.keys.slice(0, mostTopTokens)
    const topCounts = tokens.counted.slice(0, mostTopTokens)
    return {
      cluster,
      size: own.length,
      distinctTokens: tokens.keys.length,
      topIds,
      topCounts,
      topLifts: Float32Array.from(topIds, (id, i) => topCounts[i] / own.length / (everywhere[id] / membership.length)),
      subsetIndices: inSubsets.keys,
      subsetCounts: inSubsets.counted
    }
  })
  return { groups, membership, ids, subsetOf, subsets, subsetTotals, members, starts }
}
