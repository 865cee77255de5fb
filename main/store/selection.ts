import type { DuckDBConnection } from '@duckdb/node-api'
import { patternNames } from '../../preload/contract-explore'
import type { SelectionDetails, SelectionPart } from '../../preload/contract-explore'
import { SpectroscopeError } from '../../preload/errors'
import { TokenConditions } from '../clustering/conditions'
import { tokenPatterns } from '../clustering/patterns'
import { findRules } from '../clustering/rules'
import { forEachBlock } from './blocks'
import { getMembership } from './clusters'
import { knownClustering, knownRun, knownStudy, knownSubsets, knownTexts, cached } from './facts'
import { countEach, mostTopTokens, ranked } from './group-counts'
import { standardise, textOfId } from './overview-packing'
import type { Columns } from './reads'
import { getTexts } from './token-columns'

/** What is known of every token of a run, and how often each thing occurs among all. */
interface KnownTokens {
  readonly ids: Int32Array
  readonly idTotals: Int32Array
  readonly subsets: readonly string[]
  readonly subsetOf: Int32Array
  readonly subsetTotals: Int32Array
  readonly patterns: Int32Array
  readonly conditions: TokenConditions
}

const readTokens = async (connection: DuckDBConnection, runId: string, run: number): Promise<KnownTokens> => {
  const study = await knownStudy(connection, runId, run)
  const { subsets, ofRow } = await knownSubsets(connection, run)
  const probe = Array.from(ofRow, (_, row) => study.ids.subarray(study.starts[row], study.starts[row + 1]))
  const targetsOf = probe.map((): number[] => [])
  study.rows.forEach((row, token) => targetsOf[row].push(study.positions[token]))
  const rows = { probe, targets: targetsOf.map((targets) => Int32Array.from(targets)) }
  const ids = study.rows.map((row, token) => study.ids[study.starts[row] + study.positions[token]])
  const subsetOf = study.rows.map((row) => ofRow[row])
  const texts = await getTexts(connection, run)
  const patterns = tokenPatterns(rows, texts)
  return {
    ids,
    idTotals: countEach(ids, ids.reduce((most, id) => Math.max(most, id), 0) + 1),
    subsets,
    subsetOf,
    subsetTotals: countEach(subsetOf, subsets.length),
    patterns,
    conditions: new TokenConditions({ rows, texts, patterns, subsetOf, subsets })
  }
}

/** Means and population standard deviations of χ̂ over some tokens. */
const profileOf = async (
  connection: DuckDBConnection,
  run: number,
  tokens: Int32Array,
  width: number
): Promise<{ readonly mean: Float32Array; readonly standardDeviation: Float32Array }> => {
  const [sums, squares] = [new Float64Array(width), new Float64Array(width)]
  const chosen = new Set(tokens)
  await forEachBlock(
    connection,
    'SELECT token, chi FROM susceptibilities WHERE run = $1 AND token >= $2 AND token <= $3',
    [run, tokens[0], tokens[tokens.length - 1]],
    (block) => {
      const own = block.integers(0)
      block.lists(1, Float32Array, (values, row) => {
        if (!chosen.has(own[row])) return
        for (let column = 0; column < width; column++) {
          sums[column] += values[column]
          squares[column] += values[column] ** 2
        }
      })
    }
  )
  const mean = Float32Array.from(sums, (sum) => sum / tokens.length)
  const spread = (square: number, column: number): number =>
    Math.sqrt(Math.max(0, square / tokens.length - (sums[column] / tokens.length) ** 2))
  return { mean, standardDeviation: Float32Array.from(squares, spread) }
}

const lift = (count: number, size: number, everywhere: number, all: number): number =>
  everywhere === 0 ? 0 : count / size / (everywhere / all)

/** Clusters that tokens are in, those with the most of them first. */
const partsOf = (
  membership: Int32Array,
  tokens: Int32Array,
  sizes: ReadonlyMap<number, number>
): readonly SelectionPart[] => {
  const counts = new Map<number, number>()
  for (const token of tokens) counts.set(membership[token], (counts.get(membership[token]) ?? 0) + 1)
  return [...counts]
    .map(([cluster, count]) => ({
      cluster,
      count,
      share: count / tokens.length,
      ofCluster: count / (sizes.get(cluster) ?? count)
    }))
    .sort((a, b) => b.count - a.count || a.cluster - b.cluster)
}

const profile = async (connection: DuckDBConnection, run: number, tokens: Int32Array, columns: Columns | undefined) => {
  const none = new Float32Array(0)
  if (columns === undefined || tokens.length === 0)
    return { components: [], mean: none, standardDeviation: none, standardisedMean: none }
  const found = await profileOf(connection, run, tokens, columns.components.length)
  const standardisedMean = found.mean.map((mean, column) => standardise(mean, column, columns))
  return { components: columns.components, ...found, standardisedMean }
}

/**
 * What any tokens have in common, as a group's details say it, and the clusters that they are in. Throws an `input`
 * error where a token is not there, or none is given.
 */
export const getSelectionDetails = async (
  connection: DuckDBConnection,
  runId: string,
  clusteringNumber: number,
  asked: Int32Array
): Promise<SelectionDetails> => {
  const { number: run, tokens: all, columns, sizes } = await knownClustering(connection, runId, clusteringNumber)
  const tokens = Int32Array.from(new Set(asked)).sort()
  const missing = tokens.find((token) => token < 0 || token >= all)
  if (missing !== undefined || tokens.length === 0) {
    const what = missing === undefined ? 'No token was given' : `Run ${runId} has no token ${missing}`
    throw new SpectroscopeError('input', `${what}; its tokens are 0 to ${all - 1}.`)
  }
  const known = await cached(`tokens ${runId}`, async () =>
    readTokens(connection, runId, (await knownRun(connection, runId)).number)
  )
  const texts = await knownTexts(connection, run)
  const size = tokens.length
  const byId = ranked(known.ids, tokens, new Int32Array(known.idTotals.length))
  const bySubset = ranked(known.subsetOf, tokens, new Int32Array(known.subsets.length))
  const [[rules]] = findRules(known.conditions, [{ starts: Int32Array.of(0, size), members: tokens }])
  const showing = (pattern: number, of: Int32Array): number => {
    let count = 0
    for (const token of of) count += (known.patterns[token] >> pattern) & 1
    return count
  }
  const everywhere = Int32Array.from({ length: all }, (_, token) => token)
  return {
    entry: { size, distinctTokens: byId.keys.length },
    topTokens: Array.from(byId.keys.subarray(0, mostTopTokens), (id, place) => ({
      id,
      text: textOfId(texts, id),
      count: byId.counted[place],
      lift: lift(byId.counted[place], size, known.idTotals[id], all)
    })),
    subsets: Array.from(bySubset.keys, (subset, place) => ({
      subset: known.subsets[subset],
      count: bySubset.counted[place],
      lift: lift(bySubset.counted[place], size, known.subsetTotals[subset], all)
    })),
    ...(await profile(connection, run, tokens, columns)),
    patterns: patternNames.map((pattern, bit) => {
      const count = showing(bit, tokens)
      return { pattern, count, lift: lift(count, size, showing(bit, everywhere), all) }
    }),
    rules,
    parts: partsOf(await getMembership(connection, runId, clusteringNumber), tokens, sizes)
  }
}
