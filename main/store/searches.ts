import type { DuckDBConnection } from '@duckdb/node-api'
import { SpectroscopeError } from '../../preload/errors'
import { collect } from './clusters'
import { select } from './database'
import { knownClustering, knownRun } from './facts'

/** Ids of a run with their texts; an id in angle brackets where there is no tokenizer. */
const idTexts = `(SELECT token_id, text FROM vocabulary WHERE run = $1 UNION ALL
  SELECT DISTINCT token_id, '⟨' || token_id || '⟩' FROM tokens WHERE run = $1 AND NOT EXISTS (FROM vocabulary WHERE run = $1))`

/** Ids whose text contains, or matches, `text`. */
const matchingIds = async (connection: DuckDBConnection, run: number, text: string, regularExpression: boolean): Promise<string> => {
  const condition = regularExpression ? 'regexp_matches(text, $2)' : 'contains(text, $2)'
  try {
    return JSON.stringify((await select(connection, `SELECT token_id FROM ${idTexts} WHERE ${condition} ORDER BY token_id`, [run, text])).map((row) => row.token_id as number))
  } catch (error) {
    const reason = regularExpression && error instanceof Error ? /^Invalid Input Error: (.*)/.exec(error.message)?.[1] : undefined
    if (reason === undefined) throw error
    throw new SpectroscopeError('input', `The regular expression ${text} cannot be read (${reason.replace(/\.$/, '')}); correct it, or search for plain text.`, { cause: error })
  }
}

/** Clusters, ascending, that have a token of such a text. */
export const searchClusters = async (connection: DuckDBConnection, runId: string, clusteringNumber: number, text: string, regularExpression: boolean): Promise<Int32Array> => {
  const { number: run, clustering: { number }, described } = await knownClustering(connection, runId, clusteringNumber)
  const ids = await matchingIds(connection, run, text, regularExpression)
  const members = described ? 'member_places' : 'memberships JOIN tokens USING (run, token)'
  return collect(
    connection, `SELECT DISTINCT cluster FROM ${members} WHERE run = $1 AND clustering = $2 AND token_id IN (SELECT unnest($3::INTEGER[])) ORDER BY cluster`, [run, number, ids]
  )
}

export const findTokens = async (connection: DuckDBConnection, runId: string, text: string, limit: number): Promise<Int32Array> => {
  const { number: run } = await knownRun(connection, runId)
  const ids = await matchingIds(connection, run, text, false)
  return collect(connection, `SELECT token FROM tokens WHERE run = $1 AND token_id IN (SELECT unnest($2::INTEGER[])) ORDER BY token LIMIT ${limit}`, [run, ids])
}
