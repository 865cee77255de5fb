import { INTEGER, LIST, VARCHAR, listValue } from '@duckdb/node-api'
import type { DuckDBConnection } from '@duckdb/node-api'
import { patternNames } from '../../preload/contract-explore'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringDescription, LevelDescription } from '../../preload/records'
import { append, listsOf, raggedLists, realsOrNull } from './blocks'
import type { Column } from './blocks'
import { getStrengths } from './clusters'
import { knownClustering } from './facts'
import { countGroups } from './group-counts'
import type { CountedClustering, GroupCounts } from './group-counts'
import { jsonOf } from './json'
import { findColumns } from './reads'
import { findClustering, runNumber } from './runs'

const tables = ['clustering_descriptions', 'group_descriptions', 'group_edges', 'member_places'] as const

const same = (left: Int32Array, right: Int32Array): boolean =>
  left.length === right.length && left.every((value, at) => value === right[at])

/** Throws if the description of a level does not fit its groups, their tokens, or the columns of the matrix. */
const checkLevel = (level: LevelDescription, groups: Int32Array, membership: Int32Array, width: number): void => {
  const { centralPlace, boundary, toward, caught, means, standardDeviations, rules, positions, edges } = level
  const tokens = membership.length
  const expected: [string, number, number][] = [
    ['places', centralPlace.length, tokens],
    ['boundary shares', boundary.length, tokens],
    ['nearest groups', toward.length, tokens],
    ['caught tokens', caught.length, tokens],
    ['groups', level.groups.length, groups.length],
    ['lists of rules', rules.length, groups.length],
    ['means', means.length, groups.length * width],
    ['deviations', standardDeviations.length, groups.length * width],
    ['coordinates', positions.length, 2 * groups.length],
    ['edge ends', edges.to.length, edges.from.length],
    ['edge weights', edges.weights.length, edges.from.length]
  ]
  for (const [what, length, needed] of expected)
    if (length !== needed) throw new Error(`a description with ${length} ${what} was given, but there are ${needed}`)
  if (!same(level.groups, groups)) throw new Error('a description names its groups in another order than by number')
  if (!same(level.membership, membership)) {
    throw new Error(`a description has other members of every ${level.kind} than the clustering`)
  }
}

/**
 * Members of one level's groups, group by group, each from the centre outwards. `places` are the groups' indices in
 * `counted`.
 */
const placed = ({ members, starts }: CountedClustering, places: Int32Array, centralPlace: Int32Array): Int32Array => {
  const order = new Int32Array(places.reduce((sum, place) => sum + starts[place + 1] - starts[place], 0)).fill(-1)
  let begin = 0
  for (const place of places) {
    for (let at = starts[place]; at < starts[place + 1]; at++) order[begin + centralPlace[members[at]]] = members[at]
    begin += starts[place + 1] - starts[place]
  }
  if (order.includes(-1)) throw new Error('a description gives two tokens of a group the same place')
  return order
}

/** Number of tokens with each pattern in each group, [groups, patterns]. */
const countPatterns = (
  { members, starts }: CountedClustering,
  places: Int32Array,
  patterns: Int32Array
): Int32Array => {
  const width = patternNames.length
  const counts = new Int32Array(places.length * width)
  places.forEach((place, group) => {
    for (let at = starts[place]; at < starts[place + 1]; at++) {
      const bits = patterns[members[at]]
      for (let pattern = 0; pattern < width; pattern++) counts[group * width + pattern] += (bits >> pattern) & 1
    }
  })
  return counts
}

const countBits = (patterns: Int32Array): number[] =>
  patternNames.map((_, pattern) => patterns.reduce((sum, bits) => sum + ((bits >> pattern) & 1), 0))

interface StoredLevel {
  readonly run: number
  readonly clustering: number
  readonly level: LevelDescription
  readonly patterns: Int32Array
  readonly counted: CountedClustering
  /** Strength of every token; NaN for tokens in no group of the level. Empty if the draws were not split. */
  readonly strengths: Float32Array
  /** Number of components. */
  readonly width: number
}

/**
 * Stores the places of tokens in their groups. Returns, for each group, how many tokens its best rule does not
 * select.
 */
const saveMembers = async (
  connection: DuckDBConnection,
  { run, clustering, level, counted, strengths }: StoredLevel,
  places: Int32Array
): Promise<ReadonlyMap<number, number>> => {
  const order = placed(counted, places, level.centralPlace)
  const of = (values: Int32Array): Int32Array => order.map((token) => values[token])
  const ruled = new Set(level.groups.filter((_, group) => level.rules[group].length > 0))
  // A group without rules has no exceptions.
  const caught = Uint8Array.from(order, (token) => (ruled.has(level.membership[token]) ? level.caught[token] : 1))
  const known = strengths.length === 0 ? new Float32Array(level.membership.length).fill(Number.NaN) : strengths
  await append(connection, 'member_places', order.length, [
    run,
    clustering,
    of(level.membership),
    of(level.centralPlace),
    order,
    of(counted.ids),
    of(counted.subsetOf),
    of(level.toward),
    Float32Array.from(order, (token) => level.boundary[token]),
    realsOrNull(Float32Array.from(order, (token) => known[token])),
    caught
  ])
  const uncaught = new Map<number, number>()
  order.forEach((token, at) => {
    const group = level.membership[token]
    if (caught[at] === 0) uncaught.set(group, (uncaught.get(group) ?? 0) + 1)
  })
  return uncaught
}

const saveGroups = async (
  connection: DuckDBConnection,
  { run, clustering, level, patterns, counted, width }: StoredLevel,
  places: Int32Array,
  uncaught: ReadonlyMap<number, number>
): Promise<void> => {
  const own = Array.from(places, (place) => counted.groups[place])
  const coordinate = (axis: 0 | 1): Float32Array =>
    Float32Array.from(own, (_, group) => level.positions[2 * group + axis])
  const lists = (of: (group: GroupCounts) => Int32Array | Float32Array): Column => raggedLists(own.map(of))
  await append(connection, 'group_descriptions', own.length, [
    run,
    clustering,
    level.groups,
    Int32Array.from(own, ({ size }) => size),
    Int32Array.from(own, ({ distinctTokens }) => distinctTokens),
    coordinate(0),
    coordinate(1),
    lists(({ topIds }) => topIds),
    lists(({ topCounts }) => topCounts),
    lists(({ topLifts }) => topLifts),
    lists(({ subsetIndices }) => subsetIndices),
    lists(({ subsetCounts }) => subsetCounts),
    listsOf(countPatterns(counted, places, patterns), patternNames.length),
    listsOf(level.means, width),
    listsOf(level.standardDeviations, width),
    level.rules.map((rules) => jsonOf(rules)),
    level.groups.map((group) => uncaught.get(group) ?? 0)
  ])
}

/** Rules of a level's groups. Those of the unclustered tokens are meaningless and dropped. */
const rulesKept = ({ groups, rules }: LevelDescription): LevelDescription['rules'] =>
  rules.map((own, group) => (groups[group] === leftoverCluster ? [] : own))

const saveLevel = async (connection: DuckDBConnection, given: StoredLevel): Promise<void> => {
  const stored = { ...given, level: { ...given.level, rules: rulesKept(given.level) } }
  const {
    run,
    clustering,
    level: { groups, edges },
    counted
  } = stored
  const places = groups.map((group) => (group === leftoverCluster ? counted.groups.length - 1 : group))
  await saveGroups(connection, stored, places, await saveMembers(connection, stored, places))
  await append(connection, 'group_edges', edges.from.length, [run, clustering, edges.from, edges.to, edges.weights])
}

/** Replaces the description of a clustering. Call it in a transaction. */
export const saveDescription = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  description: ClusteringDescription
): Promise<void> => {
  const run = await runNumber(connection, runId)
  const clustering = await findClustering(connection, runId, clusteringNumber)
  const { number } = clustering
  const { levels, patterns } = description
  const width = (await findColumns(connection, run))?.components.length ?? 0
  const { tree } = await knownClustering(connection, runId, number)
  const counted = await countGroups(connection, runId, run, clustering)
  if (patterns.length !== counted.membership.length) {
    throw new Error(
      `a description with ${patterns.length} patterns was given, but there are ${counted.membership.length}`
    )
  }
  const kindOf = ({ cluster }: { readonly cluster: number }): string => tree.kindOf(cluster)
  for (const level of levels) {
    const groups = Int32Array.from(
      counted.groups.filter((group) => kindOf(group) === level.kind),
      ({ cluster }) => cluster
    )
    checkLevel(level, groups, tree.membershipAt(level.kind, counted.membership), width)
  }
  const kinds = [...new Set(counted.groups.map(kindOf))]
  if (levels.length !== kinds.length || kinds.some((kind) => !levels.some((level) => level.kind === kind))) {
    throw new Error(
      `a description of ${levels.map(({ kind }) => kind).join(', ')} was given for a clustering of ` + kinds.join(', ')
    )
  }
  for (const table of tables)
    await connection.run(`DELETE FROM ${table} WHERE run = $1 AND clustering = $2`, [run, number])
  for (const level of levels) {
    const strengths = await getStrengths(connection, runId, number, level.kind)
    await saveLevel(connection, { run, clustering: number, level, patterns, counted, strengths, width })
  }
  await connection.run(
    'INSERT INTO clustering_descriptions VALUES ($1, $2, $3, $4, $5)',
    [
      run,
      number,
      listValue([...counted.subsets]),
      listValue([...counted.subsetTotals]),
      listValue(countBits(patterns))
    ],
    [undefined, undefined, LIST(VARCHAR), LIST(INTEGER), LIST(INTEGER)] as never
  )
}
