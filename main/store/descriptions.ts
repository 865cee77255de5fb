import { INTEGER, LIST, VARCHAR, listValue } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { patternNames } from '../../preload/contract-explore'
import type { ClusteringDescription } from '../../preload/records'
import { append, listsOf, raggedLists } from './blocks'
import { countGroups, groupNumbers } from './group-counts'
import type { CountedClustering } from './group-counts'
import { findColumns } from './reads'
import { findClustering, runNumber } from './runs'

const tables = ['clustering_descriptions', 'group_descriptions', 'group_edges', 'member_places'] as const

const check = (description: ClusteringDescription, tokens: number, groups: Int32Array, width: number): void => {
  const { centralPlace, boundary, toward, patterns, means, standardDeviations, positions, edges } = description
  const expected: [string, number, number][] = [
    ['places', centralPlace.length, tokens], ['boundary shares', boundary.length, tokens], ['nearest groups', toward.length, tokens], ['patterns', patterns.length, tokens],
    ['groups', description.groups.length, groups.length], ['means', means.length, groups.length * width], ['deviations', standardDeviations.length, groups.length * width],
    ['coordinates', positions.length, 2 * groups.length], ['edge ends', edges.to.length, edges.from.length], ['edge weights', edges.weights.length, edges.from.length]
  ]
  for (const [what, length, needed] of expected) if (length !== needed) throw new Error(`a description with ${length} ${what} was given, but there are ${needed}`)
  if (description.groups.some((cluster, group) => cluster !== groups[group])) throw new Error('a description names its groups in another order than that of discovery')
}

/** Members group by group, each from its middle outwards. */
const placed = ({ members, starts, groups }: CountedClustering, centralPlace: Int32Array): Int32Array => {
  const order = new Int32Array(members.length).fill(-1)
  for (let group = 0; group < groups.length; group++) {
    for (let at = starts[group]; at < starts[group + 1]; at++) order[starts[group] + centralPlace[members[at]]] = members[at]
  }
  if (order.includes(-1)) throw new Error('a description gives two tokens of a group the same place')
  return order
}

/** Tokens of each group that show each pattern, [groups, patterns], and of all together. */
const countPatterns = ({ members, starts, groups }: CountedClustering, patterns: Int32Array): { ofGroups: Int32Array; ofAll: Int32Array } => {
  const width = patternNames.length
  const ofGroups = new Int32Array(groups.length * width)
  const ofAll = new Int32Array(width)
  for (let group = 0; group < groups.length; group++) {
    for (let at = starts[group]; at < starts[group + 1]; at++) {
      const bits = patterns[members[at]]
      for (let pattern = 0; pattern < width; pattern++) ofGroups[group * width + pattern] += (bits >> pattern) & 1
    }
    for (let pattern = 0; pattern < width; pattern++) ofAll[pattern] += ofGroups[group * width + pattern]
  }
  return { ofGroups, ofAll }
}

/** Replaces the description of a clustering; to be called in a transaction. */
export const saveDescription = async (connection: DuckDBConnection, runId: string, clusteringNumber: number, description: ClusteringDescription): Promise<void> => {
  const run = await runNumber(connection, runId)
  const clustering = await findClustering(connection, runId, clusteringNumber)
  const { number } = clustering
  const width = (await findColumns(connection, run))?.components.length ?? 0
  const counted = await countGroups(connection, runId, run, clustering)
  const { groups, ids, subsetOf, subsets, subsetTotals, membership } = counted
  check(description, membership.length, groupNumbers(clustering), width)
  for (const table of tables) await connection.run(`DELETE FROM ${table} WHERE run = $1 AND clustering = $2`, [run, number])

  const order = placed(counted, description.centralPlace)
  await append(connection, 'member_places', order.length, [
    run, number, order.map((token) => membership[token]), order.map((token) => description.centralPlace[token]), order, order.map((token) => ids[token]),
    order.map((token) => subsetOf[token]), order.map((token) => description.toward[token]), Float32Array.from(order, (token) => description.boundary[token])
  ])
  const { ofGroups, ofAll } = countPatterns(counted, description.patterns)
  const coordinate = (axis: 0 | 1): Float32Array => Float32Array.from(groups, (_, group) => description.positions[2 * group + axis])
  await append(connection, 'group_descriptions', groups.length, [
    run, number, description.groups, Int32Array.from(groups, ({ size }) => size), Int32Array.from(groups, ({ distinctTokens }) => distinctTokens), coordinate(0), coordinate(1),
    raggedLists(groups.map(({ topIds }) => topIds)), raggedLists(groups.map(({ topCounts }) => topCounts)), raggedLists(groups.map(({ topLifts }) => topLifts)),
    raggedLists(groups.map(({ subsetIndices }) => subsetIndices)), raggedLists(groups.map(({ subsetCounts }) => subsetCounts)),
    listsOf(ofGroups, patternNames.length), listsOf(description.means, width), listsOf(description.standardDeviations, width)
  ])
  const { from, to, weights } = description.edges
  await append(connection, 'group_edges', from.length, [run, number, from, to, weights])
  await connection.run(
    'INSERT INTO clustering_descriptions VALUES ($1, $2, $3, $4, $5)', [run, number, listValue([...subsets]), listValue([...subsetTotals]), listValue([...ofAll])],
    [undefined, undefined, LIST(VARCHAR), LIST(INTEGER), LIST(INTEGER)] as never
  )
}
