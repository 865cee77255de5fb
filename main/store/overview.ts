import type { DuckDBConnection } from '@duckdb/node-api'
import { patternNames } from '../../preload/contract-explore'
import type { ClusterDetails, ClusterLayout, NearCluster, PatternCount } from '../../preload/contract-explore'
import type { HeatMap } from '../../preload/contract-runs'
import { SpectroscopeError } from '../../preload/errors'
import type { ClusteringRecord, GroupKind, RuleRecord } from '../../preload/records'
import { missingGroup } from '../base/group-tree'
import { forEachBlock } from './blocks'
import { bestRules, checkedRules } from './clusters'
import { select } from './database'
import { knownClustering, knownSubsets, knownTexts, cached } from './facts'
import { UnfitRows } from './fitting'
import type { KnownClustering } from './facts'
import { countGroups, mostTopTokens } from './group-counts'
import type { GroupCounts } from './group-counts'
import { OverviewPacker, standardise, textOfId, topTokensOfEntry, unpackOverview } from './overview-packing'
import type { Cut, GroupHead, PackedOverview } from './overview-packing'
import { getColumns } from './reads'
import type { Columns } from './reads'

/** A group with everything stored about it. */
interface Group extends GroupHead {
  readonly means: Float32Array
  readonly standardDeviations: Float32Array
  readonly patterns: Int32Array
}

const nearestOfDetails = 12
const none = new Float32Array(0)

/**
 * Calls `each` for every group by number, unclustered tokens last, with at most `top` ids each. Arrays are valid only
 * during the call.
 */
const forEachGroup = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  top: number,
  cluster: number | undefined,
  each: (group: Group) => void
): Promise<void> => {
  const slice = (column: string): string => `list_slice(${column}, 1, ${top})`
  await forEachBlock(
    connection,
    `SELECT cluster, size, distinct_tokens, ${['top_ids', 'top_counts', 'top_lifts'].map(slice).join(', ')},
       subset_indices, subset_counts, patterns, means, standard_deviations
     FROM group_descriptions WHERE run = $1 AND clustering = $2${cluster === undefined ? '' : ' AND cluster = $3'}
     ORDER BY cluster < 0, cluster`,
    [run, clustering, ...(cluster === undefined ? [] : [cluster])],
    (block) => {
      const [clusters, sizes, distinct] = [0, 1, 2].map((column) => block.integers(column))
      const integers = (column: number): ((row: number) => Int32Array) => {
        const { values, starts, lengths } = block.listed(column, Int32Array)
        return (row) => values.subarray(starts(row), starts(row) + lengths(row))
      }
      const floats = (column: number): ((row: number) => Float32Array) => {
        const { values, starts, lengths } = block.listed(column, Float32Array)
        return (row) => values.subarray(starts(row), starts(row) + lengths(row))
      }
      const [topIds, topCounts, subsetIndices, subsetCounts, patterns] = [3, 4, 6, 7, 8].map(integers)
      const [topLifts, means, standardDeviations] = [5, 9, 10].map(floats)
      for (let row = 0; row < block.rows; row++) {
        each({
          cluster: clusters[row],
          size: sizes[row],
          distinctTokens: distinct[row],
          topIds: topIds(row),
          topCounts: topCounts(row),
          topLifts: topLifts(row),
          subsetIndices: subsetIndices(row),
          subsetCounts: subsetCounts(row),
          patterns: patterns(row),
          means: means(row),
          standardDeviations: standardDeviations(row)
        })
      }
    }
  )
}

const undescribed = (group: GroupCounts): Group => ({
  ...group,
  means: none,
  standardDeviations: none,
  patterns: new Int32Array(0)
})

const cutsOf = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster?: number
): Promise<Map<number, Cut>> => {
  const cuts = new Map<number, Cut>()
  await forEachBlock(
    connection,
    `SELECT cluster, coalesce(seed, -1), coalesce(parent, -1), conductance,
       coalesce(conductance_when_cut, 'nan'::DOUBLE), coalesce(stability, 'nan'::DOUBLE), kind
     FROM clusters WHERE run = $1 AND clustering = $2${cluster === undefined ? '' : ' AND cluster = $3'}`,
    [run, clustering, ...(cluster === undefined ? [] : [cluster])],
    (block) => {
      const [clusters, seeds, parents] = [0, 1, 2].map((column) => block.integers(column))
      const [conductances, whenCut, stabilities] = [3, 4, 5].map((column) => block.doubles(column))
      const kinds = block.texts(6)
      const known = (index: number): number | null => (index < 0 ? null : index)
      for (let i = 0; i < block.rows; i++) {
        cuts.set(clusters[i], {
          kind: kinds[i] as GroupKind,
          parent: known(parents[i]),
          seed: known(seeds[i]),
          conductance: conductances[i],
          conductanceWhenCut: whenCut[i],
          stability: stabilities[i]
        })
      }
    }
  )
  return cuts
}

const standardised = (means: Float32Array, columns: Columns): Float32Array =>
  means.map((mean, column) => standardise(mean, column, columns))

const packerOf = async (
  connection: DuckDBConnection,
  { number: run, clustering, columns }: KnownClustering,
  cuts: ReadonlyMap<number, Cut>,
  ruleOf: (cluster: number) => RuleRecord | undefined
): Promise<OverviewPacker> =>
  new OverviewPacker({
    texts: await knownTexts(connection, run),
    subsets: (await knownSubsets(connection, run)).subsets,
    columns,
    leftoverKind: clustering.leftoverKind,
    ruleOf,
    cutOf: (cluster) => cuts.get(cluster)
  })

export const getOverview = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number
): Promise<PackedOverview> => {
  const known = await knownClustering(connection, runId, clusteringNumber)
  const { number: run, clustering } = known
  return cached(`overview ${clustering.number} ${runId}`, async () => {
    const rules = await bestRules(connection, run, clustering.number)
    const packer = await packerOf(
      connection,
      known,
      await cutsOf(connection, run, clustering.number),
      (cluster) => rules.get(cluster)?.rule ?? undefined
    )
    if (known.described)
      await forEachGroup(connection, run, clustering.number, topTokensOfEntry, undefined, (group) => packer.add(group))
    else
      for (const group of (await countGroups(connection, runId, run, clustering)).groups) packer.add(undescribed(group))
    return packer.packed()
  })
}

/** A group, with the counts of subsets and patterns in the whole study. */
interface GroupInStudy {
  readonly group: Group
  readonly subsetTotals: ArrayLike<number>
  /** Empty if the clustering is not described. */
  readonly patternTotals: readonly number[]
  readonly rules: readonly RuleRecord[]
  readonly uncaught: number
}

const describedGroup = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster: number
): Promise<GroupInStudy> => {
  const [row] = await select(
    connection,
    'SELECT subset_counts, patterns FROM clustering_descriptions WHERE run = $1 AND clustering = $2',
    [run, clustering]
  )
  const groups: Group[] = []
  await forEachGroup(connection, run, clustering, mostTopTokens, cluster, (group) =>
    groups.push({
      ...group,
      topIds: Int32Array.from(group.topIds),
      topCounts: Int32Array.from(group.topCounts),
      topLifts: Float32Array.from(group.topLifts),
      subsetIndices: Int32Array.from(group.subsetIndices),
      subsetCounts: Int32Array.from(group.subsetCounts),
      patterns: group.patterns.slice(),
      means: group.means.slice(),
      standardDeviations: group.standardDeviations.slice()
    })
  )
  const [ruled] = await select(
    connection,
    'SELECT rules, uncaught FROM group_descriptions WHERE run = $1 AND clustering = $2 AND cluster = $3',
    [run, clustering, cluster]
  )
  if (row === undefined || ruled === undefined) {
    throw new UnfitRows('group_descriptions', `clustering ${clustering} of run ${run}`, `cluster ${cluster} is missing`)
  }
  return {
    group: groups[0],
    subsetTotals: row.subset_counts as number[],
    patternTotals: row.patterns as number[],
    rules: ruled.rules === null ? [] : checkedRules(ruled.rules, cluster),
    uncaught: ruled.uncaught as number
  }
}

const countedGroup = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  clustering: ClusteringRecord,
  cluster: number
): Promise<GroupInStudy> => {
  const { groups, subsetTotals } = await countGroups(connection, runId, run, clustering)
  return {
    group: undescribed(groups.find((each) => each.cluster === cluster)!),
    subsetTotals,
    patternTotals: [],
    rules: [],
    uncaught: 0
  }
}

const nearestTo = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster: number
): Promise<NearCluster[]> =>
  (
    await select(
      connection,
      `SELECT CASE from_cluster WHEN $3 THEN to_cluster ELSE from_cluster END AS other, weight,
        weight / sum(weight) OVER () AS share
     FROM group_edges WHERE run = $1 AND clustering = $2 AND (from_cluster = $3 OR to_cluster = $3) AND weight > 0
     ORDER BY weight DESC, other LIMIT ${nearestOfDetails}`,
      [run, clustering, cluster]
    )
  ).map((row) => ({ cluster: row.other as number, weight: row.weight as number, share: row.share as number }))

/** Number of members with a strength of at least 0.5; null if no strengths are known. */
const coreOf = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster: number
): Promise<number | null> => {
  const [row] = await select(
    connection,
    `SELECT count(strength)::INTEGER AS known, count(*) FILTER (strength >= 0.5)::INTEGER AS core FROM memberships
     WHERE run = $1 AND clustering = $2 AND cluster = $3`,
    [run, clustering, cluster]
  )
  return row.known === 0 ? null : (row.core as number)
}

const lift = (count: number, size: number, everywhere: number, tokens: number): number =>
  everywhere === 0 ? 0 : count / size / (everywhere / tokens)

export const getClusterDetails = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  cluster: number
): Promise<ClusterDetails> => {
  const known = await knownClustering(connection, runId, clusteringNumber)
  const { number: run, clustering, sizes, tokens } = known
  if (!sizes.has(cluster)) throw missingGroup(runId, clustering, cluster)
  const { group, subsetTotals, patternTotals, rules, uncaught } = known.described
    ? await describedGroup(connection, run, clustering.number, cluster)
    : await countedGroup(connection, runId, run, clustering, cluster)
  const cuts = await cutsOf(connection, run, clustering.number, cluster)
  const packer = await packerOf(connection, known, cuts, () => rules.at(0))
  packer.add(group)
  const {
    clusters: [entry],
    subsets
  } = unpackOverview(packer.packed())
  const texts = await knownTexts(connection, run)
  const { columns } = known
  const profile = known.described ? columns : undefined
  const cut = cuts.get(cluster)
  return {
    entry,
    conductanceWhenCut: cut === undefined || Number.isNaN(cut.conductanceWhenCut) ? null : cut.conductanceWhenCut,
    seed: cut?.seed ?? null,
    topTokens: Array.from(group.topIds, (id, i) => ({
      id,
      text: textOfId(texts, id),
      count: group.topCounts[i],
      lift: group.topLifts[i]
    })),
    subsets: Array.from(group.subsetIndices, (subset, i) => ({
      subset: subsets[subset],
      count: group.subsetCounts[i],
      lift: lift(group.subsetCounts[i], group.size, subsetTotals[subset], tokens)
    })),
    components: profile?.components ?? [],
    mean: profile === undefined ? none : group.means,
    standardDeviation: profile === undefined ? none : group.standardDeviations,
    standardisedMean: profile === undefined ? none : standardised(group.means, profile),
    nearest: known.described ? await nearestTo(connection, run, clustering.number, cluster) : [],
    patterns: known.described
      ? patternNames.slice(0, patternTotals.length).map((pattern, i): PatternCount => ({
          pattern,
          count: group.patterns[i],
          lift: lift(group.patterns[i], group.size, patternTotals[i], tokens)
        }))
      : [],
    rules,
    uncaught,
    core: await coreOf(connection, run, clustering.number, cluster)
  }
}

const notDescribed = (run: string, clustering: number): SpectroscopeError =>
  new SpectroscopeError(
    'input',
    `Clustering ${clustering} of run ${run} is not described yet; open its list of clusters first.`
  )

export const getClusterLayout = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number
): Promise<ClusterLayout> => {
  const {
    number: run,
    clustering: { number, clusters },
    described
  } = await knownClustering(connection, runId, clusteringNumber)
  if (!described) throw notDescribed(runId, number)
  const nodes = await select(
    connection,
    'SELECT cluster, x, y FROM group_descriptions WHERE run = $1 AND clustering = $2 ORDER BY cluster < 0, cluster',
    [run, number]
  )
  const [from, to, weights]: number[][] = [[], [], []]
  const between = 'run = $1 AND clustering = $2 AND from_cluster < $3 AND to_cluster < $3'
  const sql = `SELECT from_cluster, to_cluster, weight FROM group_edges WHERE ${between}`
  await forEachBlock(connection, sql, [run, number, clusters], (block) => {
    const [starts, ends, each] = [block.integers(0), block.integers(1), block.doubles(2)]
    for (let i = 0; i < block.rows; i++) {
      from.push(starts[i])
      to.push(ends[i])
      weights.push(each[i])
    }
  })
  return {
    clusters: Int32Array.from(nodes, (row) => row.cluster as number),
    positions: Float32Array.from(nodes.flatMap((row) => [row.x as number, row.y as number])),
    from: Int32Array.from(from),
    to: Int32Array.from(to),
    weights: Float64Array.from(weights)
  }
}

export const getHeatMap = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  most: number
): Promise<HeatMap> => {
  const {
    number: run,
    clustering: { number, clusters },
    described
  } = await knownClustering(connection, runId, clusteringNumber)
  if (!described) throw notDescribed(runId, number)
  const columns = await getColumns(connection, runId, run)
  const all: { cluster: number; size: number; values: Float32Array }[] = []
  await forEachGroup(connection, run, number, 0, undefined, ({ cluster, size, means }) => {
    if (cluster < clusters) all.push({ cluster, size, values: standardised(means, columns) })
  })
  const kept = new Set([...all].sort((a, b) => b.size - a.size || a.cluster - b.cluster).slice(0, most))
  const groups = all.filter((group) => kept.has(group))
  const values = new Float32Array(groups.length * columns.components.length)
  groups.forEach((group, i) => values.set(group.values, i * columns.components.length))
  return {
    clusters: Int32Array.from(groups, ({ cluster }) => cluster),
    sizes: Int32Array.from(groups, ({ size }) => size),
    components: columns.components,
    values
  }
}
