import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { ruleWords } from '../../preload/clustering-words'
import { SpectroscopeError } from '../../preload/errors'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber } from '../../preload/records'
import { literal } from '../base/confined-duckdb'
import { faultCode } from '../base/faults'
import { writingError } from '../base/files'
import { formula, guarded } from '../base/spreadsheet-cells'
import { bestRules, textOf } from './clusters'
import { jsonOf } from './json'
import { getColumns } from './reads'
import { findClustering, getRun, runNumber } from './runs'
import type { InClustering } from './parameters'

/**
 * Tables that can be exported. Those of clusters and labels need a clustering, and `tokens` includes cluster and
 * labels if there is one.
 */
export const exportedTables = [
  'tokens',
  'susceptibilities',
  'standard_errors',
  'diagnostics',
  'chains',
  'traces',
  'clusters',
  'cluster_tokens',
  'documents',
  'labels'
] as const
export type ExportedTable = (typeof exportedTables)[number]

export interface TableOptions extends InClustering {
  /** Only these clusters and their tokens; all by default. */
  readonly clusters?: readonly ClusterNumber[] | undefined
  /** Only these tokens of them; all by default. */
  readonly tokens?: Int32Array | undefined
  /** Leave CSV text unchanged even if a spreadsheet would evaluate it as a formula; off by default. */
  readonly rawCells?: boolean | undefined
}

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

const matrix = (column: string, components: readonly string[], run: number, chosen: string): string =>
  'SELECT token, ' +
  `${components.map((component, i) => `${column}[${i + 1}] AS ${identifier(component)}`).join(', ')} FROM ` +
  `susceptibilities WHERE run = ${run} ${chosen} ORDER BY token`

const described = (run: number): string => `
  SELECT t.token, t.row_index AS "row", t.position, t.token_id AS id, ${textOf('v', 't.token_id')} AS text, r.subset,
  s.document, d.file, d.record
  FROM (SELECT * FROM tokens WHERE run = ${run}) t
  JOIN (SELECT * FROM study_rows WHERE run = ${run} AND kind = 'probe') r ON r.row_index = t.row_index
  ASOF LEFT JOIN (SELECT * FROM segments WHERE run = ${run}) s ON s.row_index = t.row_index
  AND t.position >= s.start_position
  LEFT JOIN (SELECT * FROM documents WHERE run = ${run}) d ON d.document = s.document
  LEFT JOIN (SELECT * FROM vocabulary WHERE run = ${run}) v ON v.token_id = t.token_id`

/** Clusters and tokens to export; undefined for all. */
interface Chosen {
  readonly clusters: readonly ClusterNumber[] | undefined
  readonly tokens: Int32Array | undefined
}

const among = ({ clusters }: Chosen): string =>
  clusters === undefined ? '' : ` AND cluster IN (${clusters.join(', ')})`

/** SQL for a list of tokens. */
const listOf = (tokens: Int32Array): string => `from_json('[${tokens.join(',')}]', '["INTEGER"]')`

const amongTokens = ({ tokens }: Chosen): string =>
  tokens === undefined ? '' : ` AND token IN (SELECT unnest(${listOf(tokens)}))`

interface Numbers {
  readonly run: number
  readonly clustering: number
}

/** Tokens of clusters and of the groups above them. */
const member = ({ run, clustering }: Numbers, chosen: Chosen): string => `(
  SELECT cluster, token, strength FROM memberships
  WHERE run = ${run} AND clustering = ${clustering}${among(chosen)}${amongTokens(chosen)})`

/** Every token once, with its cluster and the groups above it. */
const placedTokens = ({ run, clustering }: Numbers, { clusters }: ClusteringRecord, chosen: Chosen): string => `(
  WITH groups AS (SELECT cluster, kind, parent FROM clusters WHERE run = ${run} AND clustering = ${clustering}),
    above AS (
      SELECT c.cluster AS own, a.cluster, a.kind, a.parent FROM groups c JOIN groups a ON a.cluster = c.parent
    ),
    higher AS (SELECT own, cluster, kind FROM above UNION ALL
      SELECT b.own, a.cluster, a.kind FROM above b JOIN groups a ON a.cluster = b.parent),
    levels AS (SELECT own, max(cluster) FILTER (kind = 'neighbourhood') AS neighbourhood,
      max(cluster) FILTER (kind = 'region') AS region FROM higher GROUP BY own)
  SELECT m.token, m.cluster, m.strength, neighbourhood, region
  FROM ${member({ run, clustering }, chosen)} m LEFT JOIN levels ON own = m.cluster WHERE m.cluster < ${clusters})`

/**
 * Annotations of a clustering, one row each: the target in columns, the label's text, and tags separated by
 * semicolons.
 */
const labels = (run: number, clustering: number): string => `(
  SELECT split_part(target, ':', 1) AS kind, split_part(target, ':', 2)::INTEGER AS number, body->>'name' AS label,
  body->>'status' AS status, body->>'confidence' AS confidence,
    array_to_string((body->'tags')::VARCHAR[], '; ') AS tags, body->>'note' AS note, body->>'author' AS author,
    body->>'changedAt' AS changed_at,
    (body->'blindTest'->>'right')::INTEGER AS blind_right, (body->'blindTest'->>'of')::INTEGER AS blind_of,
    coalesce((body->>'cluster')::INTEGER, CASE WHEN starts_with(target, 'cluster:')
      THEN split_part(target, ':', 2)::INTEGER END) AS cluster,
    (body->'clusters')::INTEGER[] AS clusters, (body->'tokens')::INTEGER[] AS tokens
  FROM annotations WHERE run = ${run} AND (clustering = ${clustering} OR starts_with(target, 'selection:')))`

const clusterLabels = ({ run, clustering }: Numbers): string =>
  `(FROM ${labels(run, clustering)} WHERE kind = 'cluster')`
const merges = ({ run, clustering }: Numbers): string =>
  `(SELECT unnest(clusters) AS cluster, label AS merge FROM ${labels(run, clustering)} WHERE kind = 'merge')`
/** Names of the selections that each token is in, separated by semicolons. */
const selections = ({ run, clustering }: Numbers): string =>
  `(SELECT token, string_agg(label, '; ' ORDER BY number) AS selections FROM (SELECT unnest(tokens) AS token, label,
  number FROM ${labels(run, clustering)} WHERE kind = 'selection' AND label <> '') GROUP BY token)`
/**
 * Part of each token. A token may be in a part of its cluster and in one of a group above; the cluster's, which has
 * the lower number, is used.
 */
const parts = ({ run, clustering }: Numbers): string => `(SELECT token, arg_min(label, cluster) AS part FROM (
  SELECT unnest(tokens) AS token, label, cluster FROM ${labels(run, clustering)} WHERE kind = 'part') GROUP BY token)`

const clusterTokens = (run: number, clustering: number, chosen: Chosen): string => `
  SELECT m.cluster, t.token_id AS id, any_value(${textOf('v', 't.token_id')}) AS text, count(*) AS count,
    (count(*) / sum(count(*)) OVER (PARTITION BY m.cluster)) / (any_value(e.everywhere) /
      (SELECT count(*) FROM tokens WHERE run = ${run})) AS lift
  FROM ${member({ run, clustering }, chosen)} m JOIN (SELECT * FROM tokens WHERE run = ${run}) t USING (token)
  JOIN (SELECT token_id, count(*) AS everywhere FROM tokens WHERE run = ${run} GROUP BY ALL) e
  ON e.token_id = t.token_id
  LEFT JOIN (SELECT * FROM vocabulary WHERE run = ${run}) v ON v.token_id = t.token_id
  GROUP BY m.cluster, t.token_id ORDER BY m.cluster < 0, m.cluster, count DESC, id`

const diagnostics = (run: number): string => `
  SELECT component, split_r_hat, learning_coefficient, reliability, centred_reliability,
    list_avg(mean_distance) AS mean_distance, list_avg(final_distance) AS final_distance,
    list_avg(mean_loss) AS mean_loss, first_loss, last_loss, min_loss, max_loss,
    json_array_length(failed_chains) AS failed_chains,
    (blocks->>'$.rounds')::INTEGER AS rounds, (blocks->>'$.reliabilityBounds[0]')::DOUBLE AS reliability_low,
    (blocks->>'$.reliabilityBounds[1]')::DOUBLE AS reliability_high,
    (blocks->>'$.gradientCosine')::DOUBLE AS gradient_cosine, (blocks->>'$.gradientNorm')::DOUBLE AS gradient_norm,
    (blocks->>'$.effectiveShare')::DOUBLE AS effective_share,
    (blocks->>'$.meanPhi')::DOUBLE AS mean_phi, (blocks->>'$.phiDeviation')::DOUBLE AS phi_deviation
  FROM diagnostics WHERE run = ${run} ORDER BY ordinal`

const chains = (run: number): string => `
  SELECT component, chain, mean_distance, final_distance, mean_loss FROM (
    SELECT ordinal, component, unnest(range(len(mean_distance))) AS chain, unnest(mean_distance) AS mean_distance,
    unnest(final_distance) AS final_distance, unnest(mean_loss) AS mean_loss
    FROM diagnostics WHERE run = ${run}) ORDER BY ordinal, chain`

/** Tokens with their clusters, the groups above, and their labels. */
const tokenTable = (numbers: Numbers, clustering: ClusteringRecord, chosen: Chosen): string => {
  const [said, merged] = [clusterLabels(numbers), merges(numbers)]
  return `
  SELECT described.*, m.cluster, l.label, m.strength, m.neighbourhood, n.label AS neighbourhood_label, m.region,
    r.label AS region_label,
    coalesce(g.merge, gn.merge, gr.merge) AS merge, p.part, s.selections
  FROM (${described(numbers.run)}) described
  ${chosen.clusters === undefined ? 'LEFT ' : ''}JOIN ${placedTokens(numbers, clustering, chosen)} m USING (token)
  LEFT JOIN ${said} l ON l.cluster = m.cluster LEFT JOIN ${merged} g ON g.cluster = m.cluster
  LEFT JOIN ${said} n ON n.cluster = m.neighbourhood LEFT JOIN ${merged} gn ON gn.cluster = m.neighbourhood
  LEFT JOIN ${said} r ON r.cluster = m.region LEFT JOIN ${merged} gr ON gr.cluster = m.region
  LEFT JOIN ${parts(numbers)} p USING (token) LEFT JOIN ${selections(numbers)} s USING (token) ORDER BY token`
}

/** Best rules as a table: the rule in words, and its quality. */
const ruleTable = async (connection: DuckDBConnection, { run, clustering }: Numbers): Promise<string> => {
  const rows = [...(await bestRules(connection, run, clustering))].flatMap(([cluster, { rule, uncaught }]) =>
    rule === null
      ? []
      : [
          {
            cluster,
            rule: ruleWords(rule.conditions),
            recall: rule.recall,
            precision: rule.precision,
            f1: rule.f1,
            uncaught
          }
        ]
  )
  const shape = jsonOf([
    {
      cluster: 'INTEGER',
      rule: 'VARCHAR',
      recall: 'DOUBLE',
      precision: 'DOUBLE',
      f1: 'DOUBLE',
      uncaught: 'INTEGER'
    }
  ])
  return `(SELECT unnest(from_json(${literal(jsonOf(rows))}, '${shape}'), recursive := true))`
}

/** Clusters, the groups above them and the unclustered tokens, with rules and labels. */
const clusterTable = async (
  connection: DuckDBConnection,
  numbers: Numbers,
  clustering: ClusteringRecord,
  chosen: Chosen
): Promise<string> => {
  const { leftoverKind, leftoverSize } = clustering
  const leftover = `${leftoverCluster}, ${literal(leftoverKind)}, NULL, ${leftoverSize}, NULL, NULL, NULL, NULL`
  return `SELECT c.*, rules.rule, rules.recall AS rule_recall, rules.precision AS rule_precision, rules.f1 AS rule_f1,
      rules.uncaught, label, status, confidence, tags, note, author, changed_at, blind_right, blind_of, merge
    FROM (SELECT cluster, kind, parent, size, conductance, conductance_when_cut, seed, stability FROM clusters
      WHERE run = ${numbers.run} AND clustering = ${numbers.clustering}
      UNION ALL SELECT ${leftover} WHERE ${leftoverSize} > 0) c
    LEFT JOIN ${await ruleTable(connection, numbers)} rules ON rules.cluster = c.cluster
    LEFT JOIN (
      SELECT * EXCLUDE (kind, number, clusters, tokens) FROM ${clusterLabels(numbers)}
    ) l ON l.cluster = c.cluster
    LEFT JOIN ${merges(numbers)} g ON g.cluster = c.cluster
    WHERE true${among(chosen).replace('cluster', 'c.cluster')} ORDER BY c.cluster < 0, c.cluster`
}

const query = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  table: ExportedTable,
  clusteringNumber: number | undefined,
  chosen: Chosen
): Promise<string> => {
  const clustering = (): Promise<ClusteringRecord> => findClustering(connection, runId, clusteringNumber)
  const numbers = async (): Promise<Numbers> => ({ run, clustering: (await clustering()).number })
  const { clusters, tokens } = chosen
  const chosenTokens = async (): Promise<string> =>
    clusters === undefined ? amongTokens(chosen) : `AND token IN (SELECT token FROM ${member(await numbers(), chosen)})`
  switch (table) {
    case 'tokens': {
      if (clusteringNumber === undefined && (await getRun(connection, runId)).clusterings.length === 0)
        return `${described(run)} WHERE true${amongTokens(chosen)} ORDER BY t.token`
      return tokenTable(await numbers(), await clustering(), chosen)
    }
    case 'susceptibilities':
      return matrix('chi', (await getColumns(connection, runId, run)).components, run, await chosenTokens())
    case 'standard_errors':
      return matrix('standard_error', (await getColumns(connection, runId, run)).components, run, await chosenTokens())
    case 'diagnostics':
      return diagnostics(run)
    case 'chains':
      return chains(run)
    case 'traces':
      return `SELECT component, chain, draw, loss, distance FROM traces WHERE run = ${run} ORDER BY rowid`
    case 'documents':
      return `SELECT document, file, record, subset FROM documents WHERE run = ${run} ORDER BY document`
    case 'cluster_tokens':
      return clusterTokens(run, (await clustering()).number, chosen)
    case 'labels': {
      const selected =
        tokens === undefined ? '' : ` OR (kind = 'selection' AND list_has_all(${listOf(tokens)}, tokens))`
      const those =
        clusters === undefined
          ? ''
          : `WHERE cluster IN (${clusters.join(', ')}) OR list_has_all([${clusters.join(', ')}], clusters)${selected}`
      return `SELECT kind, number, cluster, array_to_string(clusters, '; ') AS clusters, len(tokens) AS tokens, label,
        status, confidence, tags, note, author, changed_at, blind_right, blind_of
        FROM ${labels(run, (await clustering()).number)} ${those} ORDER BY kind, number < 0, number`
    }
    case 'clusters':
      return clusterTable(connection, await numbers(), await clustering(), chosen)
  }
}

interface TableColumn {
  readonly column_name: string
  readonly column_type: string
}

/**
 * SQL for a table as CSV, and its COPY options. Unless cells are raw, an apostrophe is put before texts and column
 * names that look like formulas. A reader restores a text by removing one apostrophe where apostrophes precede a
 * formula character.
 */
const csvOf = async (
  connection: DuckDBConnection,
  select: string,
  rawCells: boolean
): Promise<{ readonly select: string; readonly options: string }> => {
  const described = await connection.runAndReadAll(`DESCRIBE (${select})`)
  const columns = described.getRowObjectsJS() as unknown as TableColumn[]
  const isText = ({ column_type: type }: TableColumn): boolean => type === 'VARCHAR'
  const texts = columns
    .filter(isText)
    .map(({ column_name: name }) => identifier(name))
    .join(', ')
  const options = `FORMAT csv, HEADER true${texts === '' ? '' : `, FORCE_QUOTE (${texts})`}`
  if (rawCells) return { select, options }
  const cells = columns.map((column, at) => {
    const cell = `c${at}`
    const shown = `CASE WHEN regexp_matches(${cell}, ${literal(formula)}) THEN '''' || ${cell} ELSE ${cell} END`
    return `${isText(column) ? shown : cell} AS ${identifier(guarded(column.column_name))}`
  })
  // By position, because DuckDB renames columns whose names differ only in case.
  const places = columns.map((_, at) => `c${at}`).join(', ')
  return { select: `SELECT ${cells.join(', ')} FROM (${select}) t(${places})`, options }
}

/** Moves a file, also between file systems. Throws a `storage` error. */
const move = async (from: string, to: string): Promise<void> => {
  try {
    await rename(from, to).catch((error: unknown) => {
      if (faultCode(error) !== 'EXDEV') throw error
      return copyFile(from, to)
    })
  } catch (error) {
    throw writingError(to, error)
  }
}

export interface TableExport extends TableOptions {
  readonly table: ExportedTable
  readonly format: 'csv' | 'parquet'
  readonly file: string
  /** Folder that the database may write to; '' for none. The file is written there, then moved. */
  readonly temporaryFolder: string
}

/**
 * Exports a table with DuckDB's COPY, optionally for chosen clusters or tokens only. CSV is UTF-8 with RFC 4180 quoting
 * and a header. All texts are quoted, so that spaces and line breaks of tokens survive; unknown values are empty; an
 * apostrophe precedes text that a spreadsheet would evaluate (unless `rawCells`). Throws an `input` error if the run
 * lacks the data, and a `storage` error if the file cannot be written.
 */
export const exportTable = async (
  connection: DuckDBConnection,
  runId: string,
  { table, format, file, clustering, clusters, tokens, rawCells = false, temporaryFolder }: TableExport
): Promise<void> => {
  const run = await runNumber(connection, runId)
  const select = await query(connection, runId, run, table, clustering, { clusters, tokens })
  const copied =
    format === 'csv'
      ? await csvOf(connection, select, rawCells)
      : { select, options: 'FORMAT parquet, COMPRESSION zstd' }
  if (temporaryFolder === '') {
    const remedy = 'free some space there, or set TMPDIR to another folder'
    throw new SpectroscopeError('storage', `${tmpdir()}: no folder can be made there for the export; ${remedy}.`)
  }
  await mkdir(temporaryFolder, { recursive: true })
  const own = await mkdtemp(join(temporaryFolder, 'export-'))
  try {
    const made = join(own, `${table}.${format}`)
    await connection.run(`COPY (${copied.select}) TO ${literal(made)} (${copied.options})`)
    await move(made, file)
  } finally {
    await rm(own, { recursive: true, force: true })
  }
}
