import type { DuckDBConnection } from '@duckdb/node-api'
import { leftoverCluster } from '../../preload/records'
import { textOf } from './clusters'
import { getColumns } from './reads'
import { findClustering, getRun, runNumber } from './runs'
import type { ExportedTable } from './store'

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

const matrix = (column: string, components: readonly string[], run: number): string =>
  `SELECT token, ${components.map((component, i) => `${column}[${i + 1}] AS ${identifier(component)}`).join(', ')} FROM susceptibilities WHERE run = ${run} ORDER BY token`

const described = (run: number): string => `
  SELECT t.token, t.row_index AS "row", t.position, t.token_id AS id, ${textOf('v', 't.token_id')} AS text, r.subset, s.document, d.file, d.record
  FROM (SELECT * FROM tokens WHERE run = ${run}) t
  JOIN (SELECT * FROM study_rows WHERE run = ${run} AND kind = 'probe') r ON r.row_index = t.row_index
  ASOF LEFT JOIN (SELECT * FROM segments WHERE run = ${run}) s ON s.row_index = t.row_index AND t.position >= s.start_position
  LEFT JOIN (SELECT * FROM documents WHERE run = ${run}) d ON d.document = s.document
  LEFT JOIN (SELECT * FROM vocabulary WHERE run = ${run}) v ON v.token_id = t.token_id`

const member = (run: number, clustering: number): string => `(SELECT cluster, token FROM memberships WHERE run = ${run} AND clustering = ${clustering})`

const clusterTokens = (run: number, clustering: number): string => `
  SELECT m.cluster, t.token_id AS id, any_value(${textOf('v', 't.token_id')}) AS text, count(*) AS count,
    (count(*) / sum(count(*)) OVER (PARTITION BY m.cluster)) / (any_value(e.everywhere) / (SELECT count(*) FROM tokens WHERE run = ${run})) AS lift
  FROM ${member(run, clustering)} m JOIN (SELECT * FROM tokens WHERE run = ${run}) t USING (token)
  JOIN (SELECT token_id, count(*) AS everywhere FROM tokens WHERE run = ${run} GROUP BY ALL) e ON e.token_id = t.token_id
  LEFT JOIN (SELECT * FROM vocabulary WHERE run = ${run}) v ON v.token_id = t.token_id
  GROUP BY m.cluster, t.token_id ORDER BY m.cluster < 0, m.cluster, count DESC, id`

const diagnostics = (run: number): string => `
  SELECT component, split_r_hat, learning_coefficient, reliability, centred_reliability, list_avg(mean_distance) AS mean_distance, list_avg(final_distance) AS final_distance,
    list_avg(mean_loss) AS mean_loss, first_loss, last_loss, min_loss, max_loss, json_array_length(failed_chains) AS failed_chains
  FROM diagnostics WHERE run = ${run} ORDER BY ordinal`

const chains = (run: number): string => `
  SELECT component, chain, mean_distance, final_distance, mean_loss FROM (
    SELECT ordinal, component, unnest(range(len(mean_distance))) AS chain, unnest(mean_distance) AS mean_distance, unnest(final_distance) AS final_distance, unnest(mean_loss) AS mean_loss
    FROM diagnostics WHERE run = ${run}) ORDER BY ordinal, chain`

const query = async (connection: DuckDBConnection, runId: string, run: number, table: ExportedTable, clusteringNumber: number | undefined): Promise<string> => {
  const clustering = async (): Promise<number> => (await findClustering(connection, runId, clusteringNumber)).number
  switch (table) {
    case 'tokens': {
      if (clusteringNumber === undefined && (await getRun(connection, runId)).clusterings.length === 0) return `${described(run)} ORDER BY t.token`
      return `SELECT described.*, m.cluster FROM (${described(run)}) described LEFT JOIN ${member(run, await clustering())} m USING (token) ORDER BY token`
    }
    case 'susceptibilities': return matrix('chi', (await getColumns(connection, runId, run)).components, run)
    case 'standard_errors': return matrix('standard_error', (await getColumns(connection, runId, run)).components, run)
    case 'diagnostics': return diagnostics(run)
    case 'chains': return chains(run)
    case 'traces': return `SELECT component, chain, draw, loss, distance FROM traces WHERE run = ${run} ORDER BY rowid`
    case 'documents': return `SELECT document, file, record, subset FROM documents WHERE run = ${run} ORDER BY document`
    case 'cluster_tokens': return clusterTokens(run, await clustering())
    case 'clusters': {
      const { number, leftoverKind, leftoverSize } = await findClustering(connection, runId, clusteringNumber)
      return `SELECT * FROM (SELECT cluster, 'cluster' AS kind, size, conductance, conductance_when_cut, seed FROM clusters WHERE run = ${run} AND clustering = ${number}
        UNION ALL SELECT ${leftoverCluster}, ${literal(leftoverKind)}, ${leftoverSize}, NULL, NULL, NULL WHERE ${leftoverSize} > 0) ORDER BY cluster < 0, cluster`
    }
  }
}

const texts: Readonly<Partial<Record<ExportedTable, string>>> = {
  tokens: 'text, subset, file', cluster_tokens: 'text', documents: 'file, subset'
}

/**
 * Writes a table to a file by DuckDB's own COPY. CSV: UTF-8, RFC 4180 quoting (every text quoted, so that spaces and line breaks of
 * tokens survive), a header of names, empty for what is unknown.
 */
export const exportTable = async (
  connection: DuckDBConnection, runId: string, table: ExportedTable, format: 'csv' | 'parquet', file: string, clustering: number | undefined
): Promise<void> => {
  const select = await query(connection, runId, await runNumber(connection, runId), table, clustering)
  const quoted = texts[table] === undefined ? '' : `, FORCE_QUOTE (${texts[table]})`
  await connection.run(`COPY (${select}) TO ${literal(file)} (${format === 'csv' ? `FORMAT csv, HEADER true${quoted}` : 'FORMAT parquet, COMPRESSION zstd'})`)
}
