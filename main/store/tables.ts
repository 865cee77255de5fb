import type { DuckDBConnection } from '@duckdb/node-api'
import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber } from '../../preload/records'
import { textOf } from './clusters'
import { getColumns } from './reads'
import { findClustering, getRun, runNumber } from './runs'
import type { ExportedTable } from './store'

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

const matrix = (column: string, components: readonly string[], run: number, chosen: string): string =>
  `SELECT token, ${components.map((component, i) => `${column}[${i + 1}] AS ${identifier(component)}`).join(', ')} FROM susceptibilities WHERE run = ${run} ${chosen} ORDER BY token`

const described = (run: number): string => `
  SELECT t.token, t.row_index AS "row", t.position, t.token_id AS id, ${textOf('v', 't.token_id')} AS text, r.subset, s.document, d.file, d.record
  FROM (SELECT * FROM tokens WHERE run = ${run}) t
  JOIN (SELECT * FROM study_rows WHERE run = ${run} AND kind = 'probe') r ON r.row_index = t.row_index
  ASOF LEFT JOIN (SELECT * FROM segments WHERE run = ${run}) s ON s.row_index = t.row_index AND t.position >= s.start_position
  LEFT JOIN (SELECT * FROM documents WHERE run = ${run}) d ON d.document = s.document
  LEFT JOIN (SELECT * FROM vocabulary WHERE run = ${run}) v ON v.token_id = t.token_id`

type Chosen = readonly ClusterNumber[] | undefined

const among = (clusters: Chosen): string => (clusters === undefined ? '' : ` AND cluster IN (${clusters.join(', ')})`)

const member = (run: number, clustering: number, clusters: Chosen): string =>
  `(SELECT cluster, token FROM memberships WHERE run = ${run} AND clustering = ${clustering}${among(clusters)})`

/** What people say of a clustering, a row each: its target in parts, and the label's text, tags with semicolons between. */
const labels = (run: number, clustering: number): string => `(
  SELECT split_part(target, ':', 1) AS kind, split_part(target, ':', 2)::INTEGER AS number, body->>'name' AS label, body->>'status' AS status, body->>'confidence' AS confidence,
    array_to_string((body->'tags')::VARCHAR[], '; ') AS tags, body->>'note' AS note, body->>'author' AS author, body->>'changedAt' AS changed_at,
    (body->'blindTest'->>'right')::INTEGER AS blind_right, (body->'blindTest'->>'of')::INTEGER AS blind_of,
    coalesce((body->>'cluster')::INTEGER, CASE WHEN starts_with(target, 'cluster:') THEN split_part(target, ':', 2)::INTEGER END) AS cluster,
    (body->'clusters')::INTEGER[] AS clusters, (body->'tokens')::INTEGER[] AS tokens
  FROM annotations WHERE run = ${run} AND clustering = ${clustering})`

const clusterLabels = (run: number, clustering: number): string => `(FROM ${labels(run, clustering)} WHERE kind = 'cluster')`
const merges = (run: number, clustering: number): string => `(SELECT unnest(clusters) AS cluster, label AS merge FROM ${labels(run, clustering)} WHERE kind = 'merge')`
const parts = (run: number, clustering: number): string => `(SELECT unnest(tokens) AS token, label AS part FROM ${labels(run, clustering)} WHERE kind = 'part')`

const clusterTokens = (run: number, clustering: number, clusters: Chosen): string => `
  SELECT m.cluster, t.token_id AS id, any_value(${textOf('v', 't.token_id')}) AS text, count(*) AS count,
    (count(*) / sum(count(*)) OVER (PARTITION BY m.cluster)) / (any_value(e.everywhere) / (SELECT count(*) FROM tokens WHERE run = ${run})) AS lift
  FROM ${member(run, clustering, clusters)} m JOIN (SELECT * FROM tokens WHERE run = ${run}) t USING (token)
  JOIN (SELECT token_id, count(*) AS everywhere FROM tokens WHERE run = ${run} GROUP BY ALL) e ON e.token_id = t.token_id
  LEFT JOIN (SELECT * FROM vocabulary WHERE run = ${run}) v ON v.token_id = t.token_id
  GROUP BY m.cluster, t.token_id ORDER BY m.cluster < 0, m.cluster, count DESC, id`

const diagnostics = (run: number): string => `
  SELECT component, split_r_hat, learning_coefficient, reliability, centred_reliability, list_avg(mean_distance) AS mean_distance, list_avg(final_distance) AS final_distance,
    list_avg(mean_loss) AS mean_loss, first_loss, last_loss, min_loss, max_loss, json_array_length(failed_chains) AS failed_chains,
    (blocks->>'$.rounds')::INTEGER AS rounds, (blocks->>'$.reliabilityBounds[0]')::DOUBLE AS reliability_low, (blocks->>'$.reliabilityBounds[1]')::DOUBLE AS reliability_high,
    (blocks->>'$.gradientCosine')::DOUBLE AS gradient_cosine, (blocks->>'$.gradientNorm')::DOUBLE AS gradient_norm, (blocks->>'$.effectiveShare')::DOUBLE AS effective_share,
    (blocks->>'$.meanPhi')::DOUBLE AS mean_phi, (blocks->>'$.phiDeviation')::DOUBLE AS phi_deviation
  FROM diagnostics WHERE run = ${run} ORDER BY ordinal`

const chains = (run: number): string => `
  SELECT component, chain, mean_distance, final_distance, mean_loss FROM (
    SELECT ordinal, component, unnest(range(len(mean_distance))) AS chain, unnest(mean_distance) AS mean_distance, unnest(final_distance) AS final_distance, unnest(mean_loss) AS mean_loss
    FROM diagnostics WHERE run = ${run}) ORDER BY ordinal, chain`

const query = async (
  connection: DuckDBConnection, runId: string, run: number, table: ExportedTable, clusteringNumber: number | undefined, clusters: Chosen
): Promise<string> => {
  const clustering = async (): Promise<number> => (await findClustering(connection, runId, clusteringNumber)).number
  const chosenTokens = async (): Promise<string> => (clusters === undefined ? '' : `AND token IN (SELECT token FROM ${member(run, await clustering(), clusters)})`)
  switch (table) {
    case 'tokens': {
      if (clusteringNumber === undefined && (await getRun(connection, runId)).clusterings.length === 0) return `${described(run)} ORDER BY t.token`
      const number = await clustering()
      return `SELECT described.*, m.cluster, l.label, g.merge, p.part FROM (${described(run)}) described ${clusters === undefined ? 'LEFT ' : ''}JOIN ${member(run, number, clusters)} m USING (token)
        LEFT JOIN ${clusterLabels(run, number)} l ON l.cluster = m.cluster LEFT JOIN ${merges(run, number)} g ON g.cluster = m.cluster LEFT JOIN ${parts(run, number)} p USING (token)
        ORDER BY token`
    }
    case 'susceptibilities': return matrix('chi', (await getColumns(connection, runId, run)).components, run, await chosenTokens())
    case 'standard_errors': return matrix('standard_error', (await getColumns(connection, runId, run)).components, run, await chosenTokens())
    case 'diagnostics': return diagnostics(run)
    case 'chains': return chains(run)
    case 'traces': return `SELECT component, chain, draw, loss, distance FROM traces WHERE run = ${run} ORDER BY rowid`
    case 'documents': return `SELECT document, file, record, subset FROM documents WHERE run = ${run} ORDER BY document`
    case 'cluster_tokens': return clusterTokens(run, await clustering(), clusters)
    case 'labels': {
      const chosen = clusters === undefined ? '' : `WHERE cluster IN (${clusters.join(', ')}) OR list_has_all([${clusters.join(', ')}], clusters)`
      return `SELECT kind, number, cluster, array_to_string(clusters, '; ') AS clusters, len(tokens) AS tokens, label, status, confidence, tags, note, author, changed_at, blind_right, blind_of
        FROM ${labels(run, await clustering())} ${chosen} ORDER BY kind, number < 0, number`
    }
    case 'clusters': {
      const { number, leftoverKind, leftoverSize } = await findClustering(connection, runId, clusteringNumber)
      return `SELECT c.*, label, status, confidence, tags, note, author, changed_at, blind_right, blind_of, merge FROM (
          SELECT cluster, 'cluster' AS kind, size, conductance, conductance_when_cut, seed FROM clusters WHERE run = ${run} AND clustering = ${number}
          UNION ALL SELECT ${leftoverCluster}, ${literal(leftoverKind)}, ${leftoverSize}, NULL, NULL, NULL WHERE ${leftoverSize} > 0) c
        LEFT JOIN (SELECT * EXCLUDE (kind, number, clusters, tokens) FROM ${clusterLabels(run, number)}) l USING (cluster) LEFT JOIN ${merges(run, number)} g USING (cluster)
        WHERE true${among(clusters)} ORDER BY cluster < 0, cluster`
    }
  }
}

const texts: Readonly<Partial<Record<ExportedTable, string>>> = {
  tokens: 'text, subset, file', cluster_tokens: 'text', documents: 'file, subset', labels: 'label, tags, note, author', clusters: 'label, tags, note, author'
}

/**
 * Writes a table to a file by DuckDB's own COPY; of the chosen clusters only, where some are given. CSV: UTF-8, RFC 4180 quoting (every text quoted, so that spaces and line breaks of
 * tokens survive), a header of names, empty for what is unknown.
 */
export const exportTable = async (
  connection: DuckDBConnection, runId: string, table: ExportedTable, format: 'csv' | 'parquet', file: string, clustering: number | undefined, clusters: Chosen
): Promise<void> => {
  const select = await query(connection, runId, await runNumber(connection, runId), table, clustering, clusters)
  const quoted = texts[table] === undefined ? '' : `, FORCE_QUOTE (${texts[table]})`
  await connection.run(`COPY (${select}) TO ${literal(file)} (${format === 'csv' ? `FORMAT csv, HEADER true${quoted}` : 'FORMAT parquet, COMPRESSION zstd'})`)
}
