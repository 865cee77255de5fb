import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import type { CallParameters } from '../../preload/contract-calls'
import type { GalleryPage, Stratum, TokenDetails } from '../../preload/contract-explore'
import { SpectroscopeError } from '../../preload/errors'
import { missingGroup } from '../base/group-tree'
import { getTokens } from './clusters'
import { select } from './database'
import { knownClustering, knownSubsets } from './facts'
import { readSusceptibilities } from './reads'

export type GalleryQuery = Omit<CallParameters<'clusters.tokens'>, 'run' | 'clustering' | 'cluster'>

const mod = 2 ** 32

/**
 * SQL that hashes (seed, token) to 32 bits, in a column `drawn` added to the relation `from`, which has a column
 * `token`. The order depends only on the seed, not on the machine or DuckDB's version. The factors do not overflow
 * 64-bit integers.
 */
const drawn = (from: string, seed: number): string => {
  const start =
    `SELECT *, ((token::BIGINT * 2654435761 + ${(seed * 0x9e3779b1) % mod}) % ${mod})::BIGINT AS drawn FROM ` + from
  return [73244475, 73244475, 1].reduce(
    (inner, factor) =>
      `SELECT * REPLACE (((xor(drawn, drawn >> 16) * ${factor}) % ${mod})::BIGINT AS drawn) FROM (${inner})`,
    start
  )
}

interface Relation {
  readonly sql: string
  readonly values: readonly DuckDBValue[]
}

/** Tokens of a described cluster that match the query, with their places. */
const fitting = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster: number,
  query: GalleryQuery,
  toward: number | undefined
): Promise<Relation> => {
  const { stratum, tokenId, subset } = query
  const values: DuckDBValue[] = [run, clustering, cluster]
  const conditions: string[] = []
  const where = (condition: string, value: DuckDBValue): void =>
    void conditions.push(`${condition} = $${values.push(value)}`)
  if (tokenId !== undefined) where('token_id', tokenId)
  if (subset !== undefined) where('subset', (await knownSubsets(connection, run)).subsets.indexOf(subset))
  if (stratum === 'toward') where('toward', toward ?? null)
  if (stratum === 'exceptions') conditions.push('NOT caught')
  const columns = 'token, central_place, boundary, strength'
  return {
    sql:
      `SELECT ${columns} FROM member_places WHERE ` +
      ['run = $1', 'clustering = $2', 'cluster = $3', ...conditions].join(' AND '),
    values
  }
}

/** Tokens of an undescribed cluster that match the query. All count as equally central. */
const fittingPlain = (
  run: number,
  clustering: number,
  cluster: number,
  { stratum, tokenId, subset }: GalleryQuery
): Relation => {
  const values: DuckDBValue[] = [run, clustering, cluster]
  const conditions = [
    ...(tokenId === undefined ? [] : [`token_id = $${values.push(tokenId)}`]),
    ...(subset === undefined ? [] : [`subset = $${values.push(subset)}`]),
    ...(stratum === 'toward' || stratum === 'exceptions' ? ['false'] : [])
  ]
  return {
    sql: `SELECT token, 0 AS central_place, NULL::FLOAT AS boundary, strength
      FROM memberships JOIN tokens USING (run, token) JOIN study_rows USING (run, row_index)
      WHERE ${['run = $1', 'clustering = $2', 'cluster = $3', "kind = 'probe'", ...conditions].join(' AND ')}`,
    values
  }
}

/** The group of the same level with the largest edge weight to the given group. */
const nearestOf = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  cluster: number
): Promise<number | undefined> => {
  const [row] = await select(
    connection,
    `SELECT CASE from_cluster WHEN $3 THEN to_cluster ELSE from_cluster END AS other FROM group_edges
     WHERE run = $1 AND clustering = $2 AND (from_cluster = $3 OR to_cluster = $3)
     ORDER BY weight DESC, other LIMIT 1`,
    [run, clustering, cluster]
  )
  return row?.other as number | undefined
}

const orders = {
  central: 'central_place, token',
  random: 'drawn, token',
  boundary: 'boundary DESC NULLS LAST, token',
  toward: 'boundary DESC NULLS LAST, token',
  core: 'strength DESC NULLS LAST, central_place, token',
  edge: 'strength NULLS LAST, central_place DESC, token',
  exceptions: 'central_place, token',
  order: 'token'
} as const satisfies Record<Stratum, string>

/** Strata that contain only some of a cluster's tokens. */
const partial: ReadonlySet<Stratum> = new Set<Stratum>(['toward', 'exceptions'])

/**
 * A page of a cluster's tokens in their contexts. Without `toward`, that stratum refers to the nearest other cluster.
 * Throws an `input` error for a missing cluster.
 */
export const getGallery = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  cluster: number,
  query: GalleryQuery
): Promise<GalleryPage> => {
  const { number: run, clustering, described, sizes } = await knownClustering(connection, runId, clusteringNumber)
  const size = sizes.get(cluster)
  if (size === undefined) throw missingGroup(runId, clustering, cluster)
  const toward =
    query.stratum === 'toward'
      ? (query.toward ?? (await nearestOf(connection, run, clustering.number, cluster)))
      : undefined
  const { sql, values } = described
    ? await fitting(connection, run, clustering.number, cluster, query, toward)
    : fittingPlain(run, clustering.number, cluster, query)
  const filtered = query.tokenId !== undefined || query.subset !== undefined || partial.has(query.stratum)
  const total = filtered
    ? ((await select(connection, `SELECT count(*)::INTEGER AS total FROM (${sql})`, values))[0].total as number)
    : size
  const relation = query.stratum === 'random' ? drawn(`(${sql})`, query.seed) : sql
  const order = `ORDER BY ${orders[query.stratum]} LIMIT ${query.limit} OFFSET ${query.offset}`
  const page = await select(connection, `SELECT token, boundary, strength FROM (${relation}) ${order}`, values)
  const tokens = await getTokens(
    connection,
    runId,
    Int32Array.from(page, (row) => row.token as number),
    query.before,
    query.after
  )
  const known = (value: unknown): number | null => value as number | null
  const strengthened = tokens.map((token, i) => ({
    ...token,
    boundary: known(page[i].boundary),
    strength: known(page[i].strength)
  }))
  return { total, tokens: strengthened }
}

export const getTokenDetails = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  token: number,
  before?: number,
  after?: number
): Promise<TokenDetails> => {
  const {
    number: run,
    clustering: { number, clusters },
    columns
  } = await knownClustering(connection, runId, clusteringNumber)
  const [inContext] = await getTokens(connection, runId, Int32Array.of(token), before, after)
  const [member] = await select(
    connection,
    'SELECT cluster FROM memberships WHERE run = $1 AND clustering = $2 AND token = $3 AND cluster < $4',
    [run, number, token, clusters]
  )
  if (member === undefined)
    throw new SpectroscopeError('input', `Clustering ${number} of run ${runId} has no token ${token}.`)
  const matrix =
    columns !== undefined
      ? await readSusceptibilities(connection, runId, run, token, 1)
      : { susceptibilities: new Float32Array(0), standardErrors: new Float32Array(0) }
  return { ...inContext, cluster: member.cluster as number, ...matrix }
}
