import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Annotation } from '../../preload/contract-annotations'
import { clusterOf } from '../../preload/label-rules'
import { freeName, stamp, writeFileAtomically } from '../base/files'
import { makePlainFolder } from '../base/plain-files'
import { select } from './database'
import { annotationOf } from './replay'
import { iso } from './runs'

/**
 * Members of a cluster listed in a backup, by which its label can be matched to another clustering of the same study.
 */
const mostMembers = 50

export const backupFormat = 'spectroscope-label-backup'
export const backupVersion = 1

/** A token of the study: its row and target position. */
type Place = readonly [row: number, position: number]

export const backupFolder = (folder: string): string => join(folder, 'backups')

const clustersOf = ({ target, cluster, clusters }: Annotation): number[] => {
  const one = clusterOf(target) ?? cluster
  return one === undefined ? [...(clusters ?? [])] : [one]
}

interface ClusterTokens {
  readonly size: number
  readonly seed: Place | null
  readonly members: readonly Place[]
}

/** Size, seed and first members of the given clusters, in the order of the tables. */
const tokensOf = async (
  connection: DuckDBConnection,
  run: number,
  clustering: number,
  wanted: readonly number[]
): Promise<Map<number, ClusterTokens>> => {
  const values = [run, clustering, JSON.stringify(wanted)]
  const chosen = 'cluster IN (SELECT unnest($3::INTEGER[]))'
  const rows = await select(
    connection,
    `WITH member AS (SELECT cluster, token, row_number() OVER (PARTITION BY cluster ORDER BY token) AS place,
      count(*) OVER (PARTITION BY cluster)::INTEGER AS size
      FROM memberships WHERE run = $1 AND clustering = $2 AND ${chosen} QUALIFY place <= ${mostMembers})
     SELECT cluster, size, row_index, position FROM member JOIN tokens
       ON tokens.run = $1 AND tokens.token = member.token ORDER BY cluster, place`,
    values
  )
  const seeds = new Map(
    (
      await select(
        connection,
        'SELECT cluster, row_index, position FROM clusters JOIN tokens ON tokens.run = $1 AND tokens.token = ' +
          `seed WHERE clusters.run = $1 AND clustering = $2 AND ${chosen}`,
        values
      )
    ).map((row): [number, Place] => [row.cluster as number, [row.row_index as number, row.position as number]])
  )
  const clusters = new Map<number, { size: number; seed: Place | null; members: Place[] }>()
  for (const row of rows) {
    const cluster = row.cluster as number
    const known = clusters.get(cluster) ?? { size: row.size as number, seed: seeds.get(cluster) ?? null, members: [] }
    clusters.set(cluster, known)
    known.members.push([row.row_index as number, row.position as number])
  }
  return clusters
}

const clusteringsWithLabels = `
  SELECT DISTINCT runs.number AS run, id, runs.name AS run_name, hash, clustering,
    clusterings.name AS clustering_name, ${iso('clusterings.created_at').replace(/ AS .*/, '')} AS clustered_at
  FROM annotations JOIN runs ON annotations.run = runs.number JOIN clusterings USING (run, clustering)
  LEFT JOIN studies ON studies.run = runs.number ORDER BY runs.number, clustering`

const contentOf = async (connection: DuckDBConnection): Promise<unknown> => {
  const clusterings = []
  for (const row of await select(connection, clusteringsWithLabels)) {
    const [run, clustering] = [row.run as number, row.clustering as number]
    const annotations = (
      await select(
        connection,
        'SELECT target, body FROM annotations WHERE run = $1 AND clustering = $2 ORDER BY target',
        [run, clustering]
      )
    ).map(annotationOf)
    const tokens = await tokensOf(connection, run, clustering, [...new Set(annotations.flatMap(clustersOf))])
    clusterings.push({
      run: row.id,
      runName: row.run_name,
      studyHash: row.hash,
      clustering,
      clusteringName: row.clustering_name,
      clusteredAt: row.clustered_at,
      annotations,
      clusters: [...tokens].map(([cluster, described]) => ({ cluster, ...described }))
    })
  }
  return {
    format: backupFormat,
    version: backupVersion,
    writtenAt: new Date().toISOString(),
    about:
      'Labels of all runs. A place is [row, position] in the study of that hash; of each labelled cluster, its ' +
      `seed and at most ${mostMembers} members are named.`,
    clusterings
  }
}

const position = async (connection: DuckDBConnection): Promise<number> =>
  Number((await select(connection, 'SELECT coalesce(max(line), 0) AS line FROM journal_lines'))[0].line)

/** Writes all labels to a dated file under backups/. Returns its path. */
export const backUpLabels = async (connection: DuckDBConnection, folder: string): Promise<string> => {
  const now = new Date()
  await makePlainFolder(backupFolder(folder))
  const file = await freeName(join(backupFolder(folder), `labels-${stamp(now)}.json`))
  const line = await position(connection)
  await writeFileAtomically(file, `${JSON.stringify(await contentOf(connection))}\n`)
  await connection.run('INSERT INTO label_backups VALUES ($1, $2::TIMESTAMP, $3)', [line, now.toISOString(), file])
  return file
}

/** Backs up labels if they changed since the last backup. Returns the path, or null. */
export const backUpChangedLabels = async (connection: DuckDBConnection, folder: string): Promise<string | null> => {
  const [row] = await select(connection, 'SELECT coalesce(max(line), 0) AS line FROM label_backups')
  return (await position(connection)) > Number(row.line) ? backUpLabels(connection, folder) : null
}

/** First schema version with labels. */
const labelsSince = 2

/** Backs up the labels of a database before its upgrade. */
export const beforeUpgrade =
  (folder: string) =>
  async (connection: DuckDBConnection, version: number): Promise<void> => {
    if (version >= labelsSince) await backUpLabels(connection, folder)
  }
