import type { DuckDBConnection } from '@duckdb/node-api'
import { patternNames } from '../../preload/contract-explore'
import type { ClusterDetails, ClusterEntry, ClusterLayout, NearCluster, PatternCount, StandingOut } from '../../preload/contract-explore'
import type { HeatMap } from '../../preload/contract-runs'
import { SpectroscopeError } from '../../preload/errors'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, TokenCount } from '../../preload/records'
import { forEachBlock } from './blocks'
import { unknownCluster } from './clusters'
import { select } from './database'
import type { Overview } from './exploration'
import { knownClustering, knownSubsets, knownTexts } from './facts'
import type { KnownClustering } from './facts'
import { countGroups, mostTopTokens } from './group-counts'
import type { GroupCounts } from './group-counts'
import { getColumns } from './reads'
import type { Columns } from './reads'

/** What is known of a group before names are put to its ids and indices. */
interface Group {
  readonly cluster: number
  readonly size: number
  readonly distinctTokens: number
  readonly topIds: ArrayLike<number>
  readonly topCounts: ArrayLike<number>
  readonly topLifts: ArrayLike<number>
  readonly subsetIndices: ArrayLike<number>
  readonly subsetCounts: ArrayLike<number>
  /** Empty where the clustering is not described, as are the next two. */
  readonly means: Float32Array
  readonly standardDeviations: Float32Array
  readonly patterns: Int32Array
}

interface Cut {
  readonly seed: number
  readonly conductance: number
  readonly conductanceWhenCut: number
}

const topTokensOfEntry = 8
const standingOut = { most: 3, least: 0.5 }
const nearestOfDetails = 12
const none = new Float32Array(0)

/** Groups in order of discovery, with at most `top` ids each. */
const readGroups = async (connection: DuckDBConnection, run: number, clustering: number, top: number, cluster?: number): Promise<Group[]> => {
  const slice = (column: string): string => `list_slice(${column}, 1, ${top})`
  const groups: Group[] = []
  await forEachBlock(
    connection,
    `SELECT cluster, size, distinct_tokens, ${['top_ids', 'top_counts', 'top_lifts'].map(slice).join(', ')}, subset_indices, subset_counts, patterns, means, standard_deviations
     FROM group_descriptions WHERE run = $1 AND clustering = $2${cluster === undefined ? '' : ' AND cluster = $3'} ORDER BY cluster < 0, cluster`,
    [run, clustering, ...(cluster === undefined ? [] : [cluster])],
    (block) => {
      const [numbers, sizes, distinct] = [0, 1, 2].map((column) => block.integers(column).slice())
      const integers = [3, 4, 6, 7, 8].map((column) => {
        const lists: Int32Array[] = []
        block.lists(column, Int32Array, (list) => lists.push(list.slice()))
        return lists
      })
      const floats = [5, 9, 10].map((column) => {
        const lists: Float32Array[] = []
        block.lists(column, Float32Array, (list) => lists.push(list.slice()))
        return lists
      })
      for (let i = 0; i < block.rows; i++) {
        const [topIds, topCounts, subsetIndices, subsetCounts, patterns] = integers.map((lists) => lists[i])
        const [topLifts, means, standardDeviations] = floats.map((lists) => lists[i])
        groups.push({ cluster: numbers[i], size: sizes[i], distinctTokens: distinct[i], topIds, topCounts, topLifts, subsetIndices, subsetCounts, patterns, means, standardDeviations })
      }
    }
  )
  return groups
}

const undescribed = (group: GroupCounts): Group => ({ ...group, means: none, standardDeviations: none, patterns: new Int32Array(0) })

const cutsOf = async (connection: DuckDBConnection, run: number, clustering: number): Promise<Map<number, Cut>> => {
  const cuts = new Map<number, Cut>()
  await forEachBlock(connection, 'SELECT cluster, seed, conductance, conductance_when_cut FROM clusters WHERE run = $1 AND clustering = $2', [run, clustering], (block) => {
    const [clusters, seeds] = [block.integers(0), block.integers(1)]
    const [conductances, whenCut] = [block.doubles(2), block.doubles(3)]
    for (let i = 0; i < block.rows; i++) cuts.set(clusters[i], { seed: seeds[i], conductance: conductances[i], conductanceWhenCut: whenCut[i] })
  })
  return cuts
}

const standardised = (means: Float32Array, columns: Columns): Float32Array =>
  means.map((mean, i) => {
    const column = i % columns.components.length
    return columns.deviations[column] > 0 ? (mean - columns.means[column]) / columns.deviations[column] : 0
  })

const furthest = (means: Float32Array, { components }: Columns): StandingOut[] =>
  Array.from(means, (standardisedMean, i) => ({ component: components[i], standardisedMean }))
    .filter(({ standardisedMean }) => Math.abs(standardisedMean) >= standingOut.least)
    .sort((a, b) => Math.abs(b.standardisedMean) - Math.abs(a.standardisedMean))
    .slice(0, standingOut.most)

const topTokensOf = ({ topIds, topCounts, topLifts }: Group, most: number, texts: ReadonlyMap<number, string>): TokenCount[] =>
  Array.from({ length: Math.min(most, topIds.length) }, (_, i) => ({ id: topIds[i], text: texts.get(topIds[i]) ?? `⟨${topIds[i]}⟩`, count: topCounts[i], lift: topLifts[i] }))

interface Names {
  readonly clustering: ClusteringRecord
  readonly cuts: ReadonlyMap<number, Cut>
  readonly texts: ReadonlyMap<number, string>
  readonly subsets: readonly string[]
  readonly columns: Columns | undefined
}

const entryOf = (group: Group, { clustering, cuts, texts, subsets, columns }: Names): ClusterEntry => ({
  cluster: group.cluster,
  kind: group.cluster === leftoverCluster ? clustering.leftoverKind : 'cluster',
  size: group.size,
  conductance: cuts.get(group.cluster)?.conductance ?? null,
  distinctTokens: group.distinctTokens,
  purity: group.size === 0 ? 0 : group.subsetCounts[0] / group.size,
  subset: subsets[group.subsetIndices[0]] ?? '',
  topTokens: topTokensOf(group, topTokensOfEntry, texts),
  standsOut: columns === undefined ? [] : furthest(standardised(group.means, columns), columns)
})

const namesOf = async (connection: DuckDBConnection, { number: run, clustering, columns }: KnownClustering): Promise<Names> => ({
  clustering,
  cuts: await cutsOf(connection, run, clustering.number),
  texts: await knownTexts(connection, run),
  subsets: (await knownSubsets(connection, run)).subsets,
  columns
})

export const getOverview = async (connection: DuckDBConnection, runId: string, clusteringNumber: number): Promise<Overview> => {
  const known = await knownClustering(connection, runId, clusteringNumber)
  const { number: run, clustering } = known
  const names = await namesOf(connection, known)
  const groups = known.described
    ? await readGroups(connection, run, clustering.number, topTokensOfEntry)
    : (await countGroups(connection, runId, run, clustering)).groups.map(undescribed)
  return { clusters: groups.map((group) => entryOf(group, names)), subsets: [...names.subsets] }
}

/** A group, and the counts of subsets and patterns over all of the study. */
interface GroupInStudy {
  readonly group: Group
  readonly subsetTotals: ArrayLike<number>
  /** Empty where the clustering is not described. */
  readonly patternTotals: readonly number[]
}

const describedGroup = async (connection: DuckDBConnection, run: number, clustering: number, cluster: number): Promise<GroupInStudy> => {
  const [row] = await select(connection, 'SELECT subset_counts, patterns FROM clustering_descriptions WHERE run = $1 AND clustering = $2', [run, clustering])
  const [group] = await readGroups(connection, run, clustering, mostTopTokens, cluster)
  return { group, subsetTotals: row.subset_counts as number[], patternTotals: row.patterns as number[] }
}

const countedGroup = async (connection: DuckDBConnection, runId: string, run: number, clustering: ClusteringRecord, cluster: number): Promise<GroupInStudy> => {
  const { groups, subsetTotals } = await countGroups(connection, runId, run, clustering)
  return { group: undescribed(groups.find((each) => each.cluster === cluster)!), subsetTotals, patternTotals: [] }
}

const nearestTo = async (connection: DuckDBConnection, run: number, clustering: number, cluster: number): Promise<NearCluster[]> =>
  (await select(
    connection,
    `SELECT CASE from_cluster WHEN $3 THEN to_cluster ELSE from_cluster END AS other, weight, weight / sum(weight) OVER () AS share
     FROM group_edges WHERE run = $1 AND clustering = $2 AND (from_cluster = $3 OR to_cluster = $3) AND weight > 0 ORDER BY weight DESC, other LIMIT ${nearestOfDetails}`,
    [run, clustering, cluster]
  )).map((row) => ({ cluster: row.other as number, weight: row.weight as number, share: row.share as number }))

const lift = (count: number, size: number, everywhere: number, tokens: number): number => (everywhere === 0 ? 0 : count / size / (everywhere / tokens))

export const getClusterDetails = async (connection: DuckDBConnection, runId: string, clusteringNumber: number, cluster: number): Promise<ClusterDetails> => {
  const known = await knownClustering(connection, runId, clusteringNumber)
  const { number: run, clustering, sizes } = known
  if (!sizes.has(cluster)) throw unknownCluster(runId, clustering, cluster)
  const { group, subsetTotals, patternTotals } = known.described
    ? await describedGroup(connection, run, clustering.number, cluster)
    : await countedGroup(connection, runId, run, clustering, cluster)
  const names = await namesOf(connection, known)
  const tokens = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const described = names.columns !== undefined && known.described
  const cut = names.cuts.get(cluster)
  return {
    entry: entryOf(group, names),
    conductanceWhenCut: cut?.conductanceWhenCut ?? null,
    seed: cut?.seed ?? null,
    topTokens: topTokensOf(group, mostTopTokens, names.texts),
    subsets: Array.from(group.subsetIndices, (subset, i) => ({
      subset: names.subsets[subset], count: group.subsetCounts[i], lift: lift(group.subsetCounts[i], group.size, subsetTotals[subset], tokens)
    })),
    components: described ? names.columns.components : [],
    mean: described ? group.means : none,
    standardDeviation: described ? group.standardDeviations : none,
    standardisedMean: described ? standardised(group.means, names.columns) : none,
    nearest: known.described ? await nearestTo(connection, run, clustering.number, cluster) : [],
    patterns: known.described ? patternNames.map((pattern, i): PatternCount => ({
      pattern, count: group.patterns[i], lift: lift(group.patterns[i], group.size, patternTotals[i], tokens)
    })) : []
  }
}

const notDescribed = (run: string, clustering: number): SpectroscopeError =>
  new SpectroscopeError('input', `Clustering ${clustering} of run ${run} is not described yet; open its list of clusters first.`)

export const getClusterLayout = async (connection: DuckDBConnection, runId: string, clusteringNumber: number): Promise<ClusterLayout> => {
  const { number: run, clustering: { number }, described } = await knownClustering(connection, runId, clusteringNumber)
  if (!described) throw notDescribed(runId, number)
  const nodes = await select(connection, 'SELECT cluster, x, y FROM group_descriptions WHERE run = $1 AND clustering = $2 ORDER BY cluster < 0, cluster', [run, number])
  const [from, to, weights]: number[][] = [[], [], []]
  await forEachBlock(connection, 'SELECT from_cluster, to_cluster, weight FROM group_edges WHERE run = $1 AND clustering = $2', [run, number], (block) => {
    const [starts, ends, each] = [block.integers(0), block.integers(1), block.doubles(2)]
    for (let i = 0; i < block.rows; i++) {
      from.push(starts[i])
      to.push(ends[i])
      weights.push(each[i])
    }
  })
  return {
    clusters: Int32Array.from(nodes, (row) => row.cluster as number), positions: Float32Array.from(nodes.flatMap((row) => [row.x as number, row.y as number])),
    from: Int32Array.from(from), to: Int32Array.from(to), weights: Float64Array.from(weights)
  }
}

export const getHeatMap = async (connection: DuckDBConnection, runId: string, clusteringNumber: number, most: number): Promise<HeatMap> => {
  const { number: run, clustering: { number }, described } = await knownClustering(connection, runId, clusteringNumber)
  if (!described) throw notDescribed(runId, number)
  const columns = await getColumns(connection, runId, run)
  const all = await readGroups(connection, run, number, 0)
  const kept = new Set([...all].sort((a, b) => b.size - a.size || a.cluster - b.cluster).slice(0, most))
  const groups = all.filter((group) => kept.has(group))
  const values = new Float32Array(groups.length * columns.components.length)
  groups.forEach(({ means }, i) => values.set(standardised(means, columns), i * columns.components.length))
  return { clusters: Int32Array.from(groups, ({ cluster }) => cluster), sizes: Int32Array.from(groups, ({ size }) => size), components: columns.components, values }
}
