import type { DuckDBConnection } from '@duckdb/node-api'
import type { Annotation } from '../../preload/contract-annotations'
import { clusterOf } from '../../preload/label-rules'
import { matching } from '../base/matching'
import { getAnnotations } from './annotations'
import { collect } from './clusters'
import { select } from './database'
import { knownClustering, knownRun } from './facts'
import type { KnownClustering } from './facts'

/** SQL for the ids of a run and their texts; ids in angle brackets if there is no tokenizer. */
const idTexts = `(SELECT token_id, text FROM vocabulary WHERE run = $1 UNION ALL
  SELECT DISTINCT token_id, '⟨' || token_id || '⟩' FROM tokens WHERE run = $1 AND NOT EXISTS (FROM vocabulary
  WHERE run = $1))`

/** Ids whose text contains `text`. */
const idsContaining = async (connection: DuckDBConnection, run: number, text: string): Promise<number[]> => {
  const rows = await select(connection, `SELECT token_id FROM ${idTexts} WHERE contains(text, $2)`, [run, text])
  return rows.map((row) => row.token_id as number)
}

/** Clusters with a token among the ids, ascending. */
const clustersWithIds = (
  connection: DuckDBConnection,
  known: KnownClustering,
  ids: readonly number[]
): Promise<Int32Array> => {
  const {
    number: run,
    clustering: { number },
    described
  } = known
  const members = described ? 'member_places' : 'memberships JOIN tokens USING (run, token)'
  return collect(
    connection,
    `SELECT DISTINCT cluster FROM ${members}
     WHERE run = $1 AND clustering = $2 AND token_id IN (SELECT unnest($3::INTEGER[])) ORDER BY cluster`,
    [run, number, JSON.stringify(ids)]
  )
}

interface Said {
  readonly text: string
  readonly clusters: readonly number[]
}

/** Names, notes and tags of clusters and merges, with the clusters that each refers to. */
const saidOf = (annotations: readonly Annotation[]): Said[] =>
  annotations.flatMap(({ target, clusters, name, note, tags }) => {
    const own = clusterOf(target)
    const about = own === undefined ? (clusters ?? []) : [own]
    return [name, note, ...tags].filter((text) => text !== '').map((text) => ({ text, clusters: about }))
  })

/** Clusters with a token text, name, note or tag that matches a regular expression, ascending. */
const clustersMatching = async (
  connection: DuckDBConnection,
  known: KnownClustering,
  source: string,
  annotations: readonly Annotation[]
): Promise<Int32Array> => {
  const ids = await select(connection, `SELECT token_id, text FROM ${idTexts} ORDER BY token_id`, [known.number])
  const said = saidOf(annotations)
  const places = await matching(source, [...ids.map((row) => row.text as string), ...said.map(({ text }) => text)])
  const found = [...places].filter((place) => place < ids.length).map((place) => ids[place].token_id as number)
  const labelled = [...places].flatMap((place) => (place < ids.length ? [] : said[place - ids.length].clusters))
  return Int32Array.from(new Set([...(await clustersWithIds(connection, known, found)), ...labelled])).sort()
}

/**
 * Clusters with a token whose text contains `text`, or with a token or label that matches it as a regular expression,
 * ascending. Throws an `input` error for an invalid or slow expression.
 */
export const searchClusters = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  text: string,
  regularExpression: boolean
): Promise<Int32Array> => {
  const known = await knownClustering(connection, runId, clusteringNumber)
  if (!regularExpression) {
    return clustersWithIds(connection, known, await idsContaining(connection, known.number, text))
  }
  return clustersMatching(connection, known, text, await getAnnotations(connection, runId, clusteringNumber))
}

export const findTokens = async (
  connection: DuckDBConnection,
  runId: string,
  text: string,
  limit: number
): Promise<Int32Array> => {
  const { number: run } = await knownRun(connection, runId)
  const ids = JSON.stringify(await idsContaining(connection, run, text))
  return collect(
    connection,
    'SELECT token FROM tokens WHERE run = $1 AND token_id IN (SELECT unnest($2::INTEGER[])) ORDER BY token ' +
      `LIMIT ${limit}`,
    [run, ids]
  )
}
