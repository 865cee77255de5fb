import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import type { ClusteringConfiguration, RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { briefly, brieflyAll } from '../../preload/quoting'
import type {
  ClusteringRecord,
  LeftoverKind,
  NewRun,
  Provenance,
  RunChanges,
  RunRecord,
  RunStatus,
  StageName,
  StageRecord
} from '../../preload/records'
import { openConfined } from '../base/confined-duckdb'
import { inTransaction, select } from './database'
import type { Row } from './database'
import { fitting, parsed } from './fitting'
import { jsonOf } from './json'
import { readSchema } from './own-schema'
import { clusteringRow, runRow, stageRow } from './row-schemas'
import { clusteringTables, migrations, runTables } from './schema'
import { checkedRunId, newRunId } from './workspace-paths'

export const iso = (column: string): string => `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%gZ') AS ${column}`

/** Content of a clustering's column `structure`. Clusterings of older versions have none. */
type Structure = Pick<ClusteringRecord, 'stability' | 'neighbourRecall' | 'modularity' | 'sweep'>

/** Older versions do not say either that neighbours were found exactly. */
const foundExactly = { neighbourRecall: null }
const noStructure: Structure = { ...foundExactly, stability: null, modularity: null, sweep: [] }

/** Older versions searched for neighbours exactly, and did not say so. */
const searchedExactly = { recall: 1 }

const withSearch = (configuration: RunConfiguration): RunConfiguration => {
  const clustering = (configuration as RunConfiguration | null)?.clustering
  if (typeof clustering !== 'object') return configuration
  return { ...configuration, clustering: { ...searchedExactly, ...clustering } }
}

const clusteringAt = (row: Row, where: string): ClusteringRecord => ({
  number: row.clustering as number,
  name: row.name as string,
  configuration: { ...searchedExactly, ...parsed<ClusteringConfiguration>('clusterings', where, row.configuration) },
  seed: Number(row.seed),
  createdAt: row.created_at as string,
  ending: row.ending as string,
  attempts: row.attempts as number,
  edges: Number(row.edges),
  volume: row.volume as number,
  clusters: row.clusters as number,
  groupsAbove: row.groups_above as number,
  leftoverKind: row.leftover_kind as LeftoverKind,
  leftoverSize: row.leftover_size as number,
  ...(row.structure === null
    ? noStructure
    : { ...foundExactly, ...parsed<Structure>('clusterings', where, row.structure) })
})

const clusteringOf = (row: Row): ClusteringRecord => {
  const where = `clustering ${String(row.clustering)} of run ${String(row.run)}`
  return fitting('clusterings', where, clusteringRow, clusteringAt(row, where))
}

const stageOf = (row: Row): StageRecord => {
  const where = `a stage of run ${String(row.run)}`
  return fitting('stages', where, stageRow, {
    stage: row.stage as StageName,
    finishedAt: row.finished_at as string,
    seconds: row.seconds as number,
    ...parsed<object>('stages', where, row.details)
  })
}

/** Renames "pieces", as older versions called the shards of a gathered run. */
const withShards = (provenance: Provenance): Provenance => {
  const gathered = (provenance as Provenance | null)?.gathered as object | null | undefined
  if (typeof gathered !== 'object' || gathered === null || !('pieces' in gathered)) return provenance
  const { pieces, ...rest } = gathered
  return { ...provenance, gathered: { shards: pieces, ...rest } as NonNullable<Provenance['gathered']> }
}

const runOf = (row: Row, stages: readonly Row[]): Omit<RunRecord, 'clusterings'> => {
  const where = `run ${String(row.number)}`
  return fitting('runs', where, runRow, {
    id: row.id as string,
    name: row.name as string,
    status: row.status as RunStatus,
    stage: row.stage as StageName | null,
    stages: stages.map(stageOf),
    createdAt: row.created_at as string,
    startedAt: row.started_at as string | null,
    finishedAt: row.finished_at as string | null,
    configuration: withSearch(parsed<RunConfiguration>('runs', where, row.configuration)),
    baseFolder: row.base_folder as string,
    provenance: withShards(parsed<Provenance>('runs', where, row.provenance)),
    error: row.error as string | null,
    tokens: (row.tokens ?? 0) as number,
    probeRows: (row.probe_rows ?? 0) as number,
    components: (row.components ?? []) as string[],
    initialLoss: row.initial_loss as number | null,
    archived: row.archived === true,
    deleted: row.deleted_at !== null
  })
}

const groupByRun = (rows: readonly Row[]): Map<unknown, Row[]> => {
  const groups = new Map<unknown, Row[]>()
  for (const row of rows) groups.set(row.run, [...(groups.get(row.run) ?? []), row])
  return groups
}

/** Records of runs, oldest first. `condition` is SQL on the table `runs`. */
const selectRuns = async (
  connection: DuckDBConnection,
  condition = 'true',
  values: string[] = []
): Promise<RunRecord[]> => {
  const runs = await select(
    connection,
    `SELECT runs.* REPLACE (${['created_at', 'started_at', 'finished_at'].map(iso).join(', ')}), tokens, probe_rows,
      initial_loss, components, archived, deleted_at
     FROM runs LEFT JOIN run_marks ON run_marks.run = number LEFT JOIN studies ON studies.run = number
     LEFT JOIN samplings ON samplings.run = number WHERE ${condition} ORDER BY number`,
    values
  )
  const stages = groupByRun(
    await select(connection, `SELECT * REPLACE (${iso('finished_at')}) FROM stages ORDER BY run, stages.finished_at`)
  )
  const clusterings = groupByRun(
    await select(connection, `SELECT * REPLACE (${iso('created_at')}) FROM clusterings ORDER BY run, clustering`)
  )
  return runs.map((row) => ({
    ...runOf(row, stages.get(row.number) ?? []),
    clusterings: (clusterings.get(row.number) ?? []).map(clusteringOf)
  }))
}

export const listRuns = (connection: DuckDBConnection): Promise<RunRecord[]> => selectRuns(connection)

const noRun = (text: string): SpectroscopeError => {
  const what = `There is no run "${briefly(text)}" in this workspace`
  return new SpectroscopeError('input', `${what}; \`runs\` lists all runs.`)
}

export const getRun = async (connection: DuckDBConnection, run: string): Promise<RunRecord> => {
  const [record] = await selectRuns(connection, 'id = $1', [run])
  if (record === undefined) throw noRun(run)
  return record
}

/** Number of a run, by which the large tables refer to it. Throws an `input` error if there is no such run. */
export const runNumber = async (connection: DuckDBConnection, run: string): Promise<number> => {
  const [row] = await select(connection, 'SELECT number FROM runs WHERE id = $1', [run])
  if (row === undefined) throw noRun(run)
  return row.number as number
}

export const findRun = async (connection: DuckDBConnection, text: string): Promise<RunRecord> => {
  const all = await listRuns(connection)
  const exact = all.find(({ id }) => id === text)
  if (exact !== undefined) return exact
  const runs = all.filter(({ deleted }) => !deleted)
  if (text === 'latest' && runs.length > 0) return runs[runs.length - 1]
  const matches = [
    runs.filter(({ name }) => name === text),
    runs.filter(({ id }) => text !== '' && id.startsWith(text))
  ].find(({ length }) => length > 0)
  if (matches === undefined) throw noRun(text)
  if (matches.length > 1) {
    const those = `${matches.length} runs (${brieflyAll(matches.map(({ id }) => id))})`
    throw new SpectroscopeError('input', `"${briefly(text)}" matches ${those}; give the id of one.`)
  }
  return matches[0]
}

export const createRun = (
  connection: DuckDBConnection,
  { name, configuration, baseFolder, provenance = {} }: NewRun
): Promise<RunRecord> =>
  inTransaction(connection, async () => {
    const now = new Date()
    const id = newRunId(now)
    await connection.run(
      `INSERT INTO runs SELECT coalesce(max(number), 0) + 1, $1, $2, 'pending', NULL, $3::TIMESTAMP, NULL, ` +
        'NULL, $4::JSON, $5, $6::JSON, NULL FROM runs',
      [id, name, now.toISOString(), jsonOf(configuration), baseFolder, jsonOf(provenance)]
    )
    return getRun(connection, id)
  })

/** Appends the result of a query in one database to a table with the same columns in another. */
const copyRows = async (
  from: DuckDBConnection,
  sql: string,
  values: DuckDBValue[],
  to: DuckDBConnection,
  table: string
): Promise<void> => {
  const result = await from.stream(sql, values)
  const appender = await to.createAppender(table)
  try {
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      appender.appendDataChunk(chunk)
    }
    appender.flushSync()
  } finally {
    appender.closeSync()
  }
}

/**
 * Copies the only run of another workspace's database, with all its results, under its own id. Does nothing if this
 * workspace has it already. Throws a `storage` error if that database has another schema or not exactly one run.
 */
export const copyRun = async (connection: DuckDBConnection, file: string, baseFolder: string): Promise<RunRecord> => {
  const instance = await openConfined(file, { readOnly: true, memoryLimit: '512MiB', temporaryFolder: '' })
  const other = await instance.connect()
  try {
    const { version, flaw } = await readSchema(other, migrations)
    const isOwn = version === migrations.at(-1)!.version && flaw === undefined
    const ids = isOwn ? (await select(other, 'SELECT id FROM runs')).map(({ id }) => id as string) : []
    if (ids.length !== 1) {
      const sentence = 'does not belong to this version of the program; install the program again'
      throw new SpectroscopeError('storage', `${file} ${sentence}.`)
    }
    const id = checkedRunId(file, ids[0])
    const present = (await select(connection, 'SELECT number FROM runs WHERE id = $1', [id])).length > 0
    if (!present) {
      await inTransaction(connection, async () => {
        const [{ next }] = await select(connection, 'SELECT coalesce(max(number), 0) + 1 AS next FROM runs')
        const number = next as number
        const own = 'SELECT * REPLACE ($1::INTEGER AS number, $2::VARCHAR AS base_folder) FROM runs'
        await copyRows(other, own, [number, baseFolder], connection, 'runs')
        for (const table of runTables) {
          await copyRows(other, `SELECT * REPLACE ($1::INTEGER AS run) FROM ${table}`, [number], connection, table)
        }
      })
    }
    return await getRun(connection, id)
  } finally {
    other.closeSync()
    instance.closeSync()
  }
}

const changeColumns = {
  status: 'status',
  stage: 'stage',
  startedAt: 'started_at',
  finishedAt: 'finished_at',
  error: 'error'
} as const

export const updateRun = (connection: DuckDBConnection, run: string, changes: RunChanges): Promise<RunRecord> =>
  inTransaction(connection, async () => {
    const before = await getRun(connection, run)
    for (const [key, column] of Object.entries(changeColumns)) {
      const value = changes[key as keyof typeof changeColumns]
      if (value !== undefined) await connection.run(`UPDATE runs SET ${column} = $1 WHERE id = $2`, [value, run])
    }
    if (changes.provenance !== undefined) {
      const provenance = jsonOf({ ...before.provenance, ...changes.provenance })
      await connection.run('UPDATE runs SET provenance = $1::JSON WHERE id = $2', [provenance, run])
    }
    return getRun(connection, run)
  })

export const renameRun = async (connection: DuckDBConnection, run: string, name: string): Promise<RunRecord> => {
  await connection.run('UPDATE runs SET name = $1 WHERE id = $2', [name, run])
  return getRun(connection, run)
}

export const deleteRun = (connection: DuckDBConnection, run: string): Promise<void> =>
  inTransaction(connection, async () => {
    const number = await runNumber(connection, run)
    for (const table of runTables) await connection.run(`DELETE FROM ${table} WHERE run = $1`, [number])
    await connection.run('DELETE FROM journal WHERE run = $1', [run])
    await connection.run('DELETE FROM runs WHERE number = $1', [number])
  })

/** Deletes the runs that are marked as deleted. Returns their ids. */
export const purgeDeleted = async (connection: DuckDBConnection): Promise<string[]> => {
  const marked = (
    await select(
      connection,
      'SELECT id FROM runs JOIN run_marks ON run = number WHERE deleted_at IS NOT NULL ORDER BY number'
    )
  ).map((row) => row.id as string)
  for (const run of marked) await deleteRun(connection, run)
  return marked
}

/** One of a run's clusterings by number, the latest by default. Throws an `input` error if it does not exist. */
export const chooseClustering = (
  run: string,
  clusterings: readonly ClusteringRecord[],
  number?: number
): ClusteringRecord => {
  const found =
    number === undefined ? clusterings.at(-1) : clusterings.find((clustering) => clustering.number === number)
  if (found !== undefined) return found
  throw new SpectroscopeError(
    'input',
    clusterings.length === 0
      ? `Run ${run} has no clustering yet; \`cluster ${run}\` makes one.`
      : `Run ${run} has no clustering ${number}; it has ` +
          `${clusterings.map((clustering) => clustering.number).join(', ')}.`
  )
}

export const findClustering = async (
  connection: DuckDBConnection,
  run: string,
  number?: number
): Promise<ClusteringRecord> => chooseClustering(run, (await getRun(connection, run)).clusterings, number)

export const renameClustering = async (
  connection: DuckDBConnection,
  run: string,
  clustering: number,
  name: string
): Promise<ClusteringRecord> => {
  await connection.run('UPDATE clusterings SET name = $1 WHERE run = $2 AND clustering = $3', [
    name,
    await runNumber(connection, run),
    clustering
  ])
  return findClustering(connection, run, clustering)
}

/** Moves a run's selections from a clustering to its latest other one, so that they outlive it. */
const keepSelections = (connection: DuckDBConnection, run: number, clustering: number): Promise<unknown> =>
  connection.run(
    `UPDATE annotations SET clustering = others.latest
     FROM (SELECT max(clustering) AS latest FROM clusterings WHERE run = $1 AND clustering <> $2) others
     WHERE run = $1 AND annotations.clustering = $2 AND starts_with(target, 'selection:') AND latest IS NOT NULL`,
    [run, clustering]
  )

export const deleteClustering = (connection: DuckDBConnection, run: string, clustering: number): Promise<void> =>
  inTransaction(connection, async () => {
    await findClustering(connection, run, clustering)
    const number = await runNumber(connection, run)
    await keepSelections(connection, number, clustering)
    for (const table of clusteringTables)
      await connection.run(`DELETE FROM ${table} WHERE run = $1 AND clustering = $2`, [number, clustering])
    await connection.run('DELETE FROM journal WHERE run = $1 AND clustering = $2', [run, clustering])
  })

export const saveStage = async (
  connection: DuckDBConnection,
  run: number,
  { stage, seconds, ...details }: Omit<StageRecord, 'finishedAt'>
): Promise<void> => {
  await connection.run('DELETE FROM stages WHERE run = $1 AND stage = $2', [run, stage])
  const values = [run, stage, new Date().toISOString(), seconds, jsonOf(details)]
  await connection.run('INSERT INTO stages VALUES ($1, $2, $3::TIMESTAMP, $4, $5::JSON)', values)
}
