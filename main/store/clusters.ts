import type { DuckDBConnection } from '@duckdb/node-api'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { leftoverCluster } from '../../preload/records'
import type {
  ClusterProfile,
  ClusterSummary,
  GroupKind,
  RuleRecord,
  SubsetCount,
  TokenCount,
  TokenInContext
} from '../../preload/records'
import { contextTexts, withoutPrefix } from '../../preload/tokens-in-context'
import { concatenate } from '../base/concatenate'
import { missingGroup } from '../base/group-tree'
import type { TreeNode } from '../base/group-tree'
import { forEachBlock } from './blocks'
import { select } from './database'
import type { Row } from './database'
import { fitting, parsed, UnfitRows } from './fitting'
import type { Context } from './parameters'
import { getColumns } from './reads'
import type { Columns } from './reads'
import { knownClustering, knownRun, knownStudy, knownTexts, Cache } from './facts'
import { textOfId } from './overview-packing'
import { ruleRow } from './row-schemas'

/** SQL for the text of a token id; the id in angle brackets if the run has no tokenizer. */
export const textOf = (vocabulary: string, id: string): string => `coalesce(${vocabulary}.text, '⟨' || ${id} || '⟩')`

const members = 'FROM memberships WHERE run = $1 AND clustering = $2'

const countsOf = (key: 'token_id' | 'subset', cluster: number | undefined, limit: string): string => `
  WITH member AS MATERIALIZED (SELECT cluster, token ${members}${cluster === undefined ? '' : ' AND cluster = $3'}),
    described AS (SELECT token, token_id, subset FROM tokens JOIN study_rows USING (run, row_index) WHERE run = $1
    AND kind = 'probe'),
    study AS (SELECT ${key}, count(*) AS everywhere FROM described GROUP BY ALL),
    counts AS (SELECT cluster, ${key}, count(*) AS count FROM member JOIN described USING (token) GROUP BY ALL),
    ranked AS (SELECT *, row_number() OVER (PARTITION BY cluster ORDER BY count DESC, ${key}) AS place,
      count(*) OVER (PARTITION BY cluster) AS different, sum(count) OVER (PARTITION BY cluster) AS size FROM counts)
  SELECT cluster, ranked.${key} AS key, count::INTEGER AS count, different::INTEGER AS different,
    (count / size) / (everywhere / (SELECT sum(everywhere) FROM study))
    AS lift${key === 'token_id' ? `, ${textOf('v', `ranked.${key}`)} AS text` : ''}
  FROM ranked JOIN study
  USING (${key})${key === 'token_id' ? ' LEFT JOIN vocabulary v ON v.run = $1 AND v.token_id = ranked.token_id' : ''}
  ${limit} ORDER BY cluster, place`

interface BestRule {
  readonly rule: RuleRecord | null
  readonly uncaught: number | null
}

const noRule: BestRule = { rule: null, uncaught: null }

/** Checks the rules in a group's row. */
export const checkedRules = (rules: unknown, cluster: number): RuleRecord[] => {
  const where = `rules of cluster ${cluster}`
  return fitting('group_descriptions', where, z.array(ruleRow), parsed('group_descriptions', where, rules))
}

/** The best rule of every group that has one, or of one group. */
export const bestRules = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster?: number
): Promise<ReadonlyMap<number, BestRule>> => {
  const chosen = cluster === undefined ? '' : 'AND cluster = $3'
  const rows = await select(
    connection,
    `SELECT cluster, rules->0 AS rule, uncaught FROM group_descriptions
     WHERE run = $1 AND clustering = $2 AND json_array_length(rules) > 0 ${chosen}`,
    [run, clustering, ...(cluster === undefined ? [] : [cluster])]
  )
  const ruleOf = (row: Row): BestRule => ({
    rule: checkedRules(`[${row.rule as string}]`, row.cluster as number)[0],
    uncaught: row.uncaught as number
  })
  return new Map(rows.map((row) => [row.cluster as number, ruleOf(row)]))
}

export const getClusterSummaries = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined,
  cluster: number | undefined,
  topTokens: number
): Promise<ClusterSummary[]> => {
  const { number, clustering } = await knownClustering(connection, run, clusteringNumber)
  const values = [number, clustering.number, ...(cluster === undefined ? [] : [cluster])]
  const rows = await select(
    connection,
    'SELECT * FROM clusters WHERE run = $1 AND clustering = ' +
      `$2${cluster === undefined ? '' : ' AND cluster = $3'} ORDER BY cluster`,
    values
  )
  const tokens = new Map<number, TokenCount[]>()
  const distinct = new Map<number, number>()
  for (const row of await select(
    connection,
    countsOf('token_id', cluster, `WHERE place <= ${Math.max(1, topTokens)}`),
    values
  )) {
    const of = row.cluster as number
    distinct.set(of, row.different as number)
    tokens.set(of, [
      ...(tokens.get(of) ?? []),
      { id: row.key as number, text: row.text as string, count: row.count as number, lift: row.lift as number }
    ])
  }
  const subsets = new Map<number, SubsetCount[]>()
  for (const row of await select(connection, countsOf('subset', cluster, ''), values)) {
    const of = row.cluster as number
    subsets.set(of, [
      ...(subsets.get(of) ?? []),
      { subset: row.key as string, count: row.count as number, lift: row.lift as number }
    ])
  }
  const rules = await bestRules(connection, number, clustering.number, cluster)
  const described = (of: number): BestRule & Pick<ClusterSummary, 'distinctTokens' | 'topTokens' | 'subsets'> => ({
    distinctTokens: distinct.get(of) ?? 0,
    topTokens: (tokens.get(of) ?? []).slice(0, topTokens),
    subsets: subsets.get(of) ?? [],
    ...(rules.get(of) ?? noRule)
  })
  const summaries = rows.map((row): ClusterSummary => ({
    cluster: row.cluster as number,
    kind: row.kind as GroupKind,
    parent: row.parent as number | null,
    size: row.size as number,
    conductance: row.conductance as number,
    stability: row.stability as number | null,
    conductanceWhenCut: row.conductance_when_cut as number | null,
    seed: row.seed as number | null,
    ...described(row.cluster as number)
  }))
  if (clustering.leftoverSize > 0 && (cluster === undefined || cluster === leftoverCluster)) {
    summaries.push({
      cluster: leftoverCluster,
      kind: clustering.leftoverKind,
      parent: null,
      size: clustering.leftoverSize,
      conductance: null,
      stability: null,
      conductanceWhenCut: null,
      seed: null,
      ...described(leftoverCluster)
    })
  }
  if (cluster !== undefined && summaries.length === 0) throw missingGroup(run, clustering, cluster)
  return summaries
}

export const collect = async (
  connection: DuckDBConnection,
  sql: string,
  values: readonly (number | string)[]
): Promise<Int32Array> => {
  const parts: Int32Array[] = []
  await forEachBlock(connection, sql, values, (block) => parts.push(block.integers(0).slice()))
  return concatenate(parts)
}

export const getClusterMembers = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined,
  cluster: number
): Promise<Int32Array> => {
  const { number, clustering } = await knownClustering(connection, run, clusteringNumber)
  const tokens = await collect(connection, `SELECT token ${members} AND cluster = $3 ORDER BY token`, [
    number,
    clustering.number,
    cluster
  ])
  if (tokens.length === 0) throw missingGroup(run, clustering, cluster)
  return tokens
}

/** Throws `UnfitRows` if a chosen group's number of members differs from its stored size. */
const checkSizes = (
  where: string,
  groups: Int32Array,
  sizes: ReadonlyMap<number, number>,
  isChosen: (group: number) => boolean
): void => {
  const counts = new Map<number, number>()
  for (const group of groups) counts.set(group, (counts.get(group) ?? 0) + 1)
  for (const [group, size] of sizes) {
    const count = counts.get(group) ?? 0
    if (count === size || !isChosen(group)) continue
    throw new UnfitRows('memberships', where, `cluster ${group} has ${count} tokens, but its stored size is ${size}`)
  }
}

/** Number of the group of every token at a level; -1 for tokens in none, [tokens]. */
export const getMembership = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined,
  level: GroupKind = 'cluster'
): Promise<Int32Array> => {
  const { number, clustering, tree, sizes, tokens: count } = await knownClustering(connection, run, clusteringNumber)
  const membership = new Int32Array(count)
  const values = [number, clustering.number, clustering.clusters]
  await forEachBlock(connection, `SELECT token, cluster ${members} AND cluster < $3`, values, (block) => {
    const tokens = block.integers(0)
    block.integers(1).forEach((cluster, i) => (membership[tokens[i]] = cluster))
  })
  const groups = tree.membershipAt(level, membership)
  checkSizes(`clustering ${clustering.number} of run ${number}`, groups, sizes, (group) => tree.kindOf(group) === level)
  return groups
}

/**
 * Strength of every token in its group at a level, [tokens]; NaN for tokens in none. Empty if the draws were not
 * split.
 */
export const getStrengths = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined,
  level: GroupKind
): Promise<Float32Array> => {
  const { number, clustering, tree, tokens: count } = await knownClustering(connection, run, clusteringNumber)
  const first = tree.nodes.findIndex(({ kind }) => kind === level)
  const end = tree.nodes.findLastIndex(({ kind }) => kind === level) + 1
  const strengths = new Float32Array(count).fill(Number.NaN)
  let known = false
  await forEachBlock(
    connection,
    `SELECT token, strength ${members} AND cluster >= $3 AND cluster < $4 AND strength IS NOT NULL`,
    [number, clustering.number, first, end],
    (block) => {
      const tokens = block.integers(0)
      block.floats(1).forEach((strength, i) => (strengths[tokens[i]] = strength))
      known = true
    }
  )
  return known ? strengths : new Float32Array(0)
}

export const getTree = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined
): Promise<TreeNode[]> => [...(await knownClustering(connection, run, clusteringNumber)).tree.nodes]

/** χ̂ of the given tokens (ascending), [tokens, components]. */
const rowsOf = async (
  connection: DuckDBConnection,
  run: number,
  columns: Columns,
  tokens: Int32Array
): Promise<Float32Array> => {
  const width = columns.components.length
  const matrix = new Float32Array(tokens.length * width)
  let next = 0
  await forEachBlock(
    connection,
    'SELECT token, chi FROM susceptibilities WHERE run = $1 AND token >= $2 AND token <= $3 ORDER BY token',
    [run, tokens[0], tokens[tokens.length - 1]],
    (block) => {
      const present = block.integers(0)
      block.lists(1, Float32Array, (list, row) => {
        if (present[row] !== tokens[next]) return
        const where = `token ${tokens[next]} of run ${run}`
        if (list.length !== width) throw new UnfitRows('susceptibilities', where, `${list.length} of ${width} columns`)
        matrix.set(list, next++ * width)
      })
    }
  )
  return matrix
}

const momentsOf = (matrix: Float32Array, width: number): { mean: Float64Array; standardDeviation: Float64Array } => {
  const count = matrix.length / width
  const mean = new Float64Array(width)
  const squares = new Float64Array(width)
  for (let at = 0; at < matrix.length; at++) mean[at % width] += matrix[at] / count
  for (let at = 0; at < matrix.length; at++) squares[at % width] += (matrix[at] - mean[at % width]) ** 2 / count
  return { mean, standardDeviation: squares.map(Math.sqrt) }
}

export const getClusterProfile = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined,
  cluster: number
): Promise<ClusterProfile> => {
  const { number } = await knownRun(connection, run)
  const columns = await getColumns(connection, run, number)
  const tokens = await getClusterMembers(connection, run, clusteringNumber, cluster)
  const moments = momentsOf(await rowsOf(connection, number, columns, tokens), columns.components.length)
  return {
    components: columns.components,
    ...moments,
    standardisedMean: moments.mean.map((mean, column) => (mean - columns.means[column]) / columns.deviations[column])
  }
}

/**
 * Members ordered by Euclidean distance from their mean, nearest first, over columns scaled to standard deviation 1.
 * Ties by token index.
 */
const centralOrder = async (connection: DuckDBConnection, run: string, tokens: Int32Array): Promise<Int32Array> => {
  const { number } = await knownRun(connection, run)
  const columns = await getColumns(connection, run, number)
  const width = columns.components.length
  const matrix = await rowsOf(connection, number, columns, tokens)
  const { mean } = momentsOf(matrix, width)
  const distances = Float64Array.from(tokens, (_, i) => {
    let sum = 0
    for (let column = 0; column < width; column++) {
      if (columns.deviations[column] > 0)
        sum += ((matrix[i * width + column] - mean[column]) / columns.deviations[column]) ** 2
    }
    return sum
  })
  return Int32Array.from(tokens.keys())
    .sort((a, b) => distances[a] - distances[b] || a - b)
    .map((place) => tokens[place])
}

const orders = new Cache(16)

const orderOf = (
  connection: DuckDBConnection,
  run: string,
  clustering: number,
  cluster: number,
  order: 'token' | 'central'
): Promise<Int32Array> =>
  orders.get(JSON.stringify([run, clustering, cluster, order]), async () => {
    const tokens = await getClusterMembers(connection, run, clustering, cluster)
    return order === 'central' ? centralOrder(connection, run, tokens) : tokens
  })

/** Call whenever results of a run are replaced or deleted. */
export const forgetOrders = (): void => orders.clear()

/** Tokens in their contexts, in the given order. */
export const getTokens = async (
  connection: DuckDBConnection,
  runId: string,
  tokens: ArrayLike<number>,
  before = 16,
  after = 16
): Promise<TokenInContext[]> => {
  const { number: run } = await knownRun(connection, runId)
  const { rows, positions, ids, starts, subsetOf, prefixOf, sourceOf } = await knownStudy(connection, runId, run)
  const texts = await knownTexts(connection, run)
  return Array.from(tokens, (token): TokenInContext => {
    if (token < 0 || token >= rows.length) throw new SpectroscopeError('input', `Run ${runId} has no token ${token}.`)
    const [row, position] = [rows[token], positions[token]]
    const content = ids.subarray(starts[row], starts[row + 1])
    const source = sourceOf(row, position)
    const textAt = (at: number): string => withoutPrefix(textOfId(texts, content[at]), prefixOf(row, at))
    return {
      token,
      row,
      position,
      id: content[position],
      ...contextTexts(content.length, textAt, position, before, after),
      subset: subsetOf(row),
      file: source?.file ?? null,
      record: source?.record ?? null
    }
  })
}

export interface ClusterTokensQuery extends Context {
  /**
   * `token`: by token index. `central`: by distance from the cluster's mean χ̂, nearest first, over columns scaled to
   * standard deviation 1, ties by token index.
   */
  readonly order?: 'token' | 'central' | undefined
  readonly offset?: number | undefined
  readonly limit?: number | undefined
}

export const getClusterTokens = async (
  connection: DuckDBConnection,
  run: string,
  clusteringNumber: number | undefined,
  cluster: number,
  { order = 'token', offset = 0, limit = 100, before, after }: ClusterTokensQuery
): Promise<TokenInContext[]> => {
  const { clustering } = await knownClustering(connection, run, clusteringNumber)
  const tokens = await orderOf(connection, run, clustering.number, cluster, order)
  return getTokens(connection, run, tokens.subarray(offset, offset + limit), before, after)
}
