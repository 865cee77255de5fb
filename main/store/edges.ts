import type { DuckDBConnection } from '@duckdb/node-api'
import type { ClusteringConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { edgeWeight } from '../clustering/graph'
import { forEachBlock } from './blocks'
import type { Edges } from './exploration'
import { findNeighbours } from './reads'

export interface EdgesQuery {
  readonly whiten: boolean
  readonly k: number
  readonly tokens: Int32Array
  readonly most: number
  readonly symmetrize: ClusteringConfiguration['symmetrize']
}

/** The lists that name one of `wanted`, and those of `wanted` themselves: pairs (who lists, whom). */
const listingsOf = async (connection: DuckDBConnection, run: number, { whiten, k, tokens }: EdgesQuery): Promise<{ sources: number[]; targets: number[] }> => {
  const count = tokens.reduce((most, token) => Math.max(most, token), -1) + 1
  const wanted = new Uint8Array(count)
  for (const token of tokens) wanted[token] = 1
  const sources: number[] = []
  const targets: number[] = []
  await forEachBlock(connection, 'SELECT token, nearest FROM neighbours WHERE run = $1 AND whiten = $2', [run, Number(whiten)], (block) => {
    const listing = block.integers(0)
    const { values, starts } = block.listed(1, Int32Array)
    for (let row = 0; row < block.rows; row++) {
      const source = listing[row]
      const all = source < count && wanted[source] === 1
      const start = starts(row)
      for (let at = start; at < start + k; at++) {
        const target = values[at]
        if (!all && (target >= count || wanted[target] === 0)) continue
        sources.push(source)
        targets.push(target)
      }
    }
  })
  return { sources, targets }
}

/** Neighbours of some tokens and their distances, cut down to k. */
const listsOf = async (connection: DuckDBConnection, run: number, whiten: boolean, k: number, tokens: ReadonlySet<number>): Promise<Map<number, { nearest: Int32Array; distances: Float32Array }>> => {
  const lists = new Map<number, { nearest: Int32Array; distances: Float32Array }>()
  await forEachBlock(
    connection, 'SELECT token, nearest, distances FROM neighbours WHERE run = $1 AND whiten = $2 AND token IN (SELECT unnest($3::INTEGER[]))',
    [run, Number(whiten), JSON.stringify([...tokens])],
    (block) => {
      const present = block.integers(0)
      const nearest: Int32Array[] = []
      block.lists(1, Int32Array, (list) => nearest.push(list.slice(0, k)))
      block.lists(2, Float32Array, (distances, row) => lists.set(present[row], { nearest: nearest[row], distances: distances.slice(0, k) }))
    }
  )
  return lists
}

/**
 * Edges of the neighbour graph with an end in `tokens`, by the rule of METHOD section 5: either end lists the other (or both, for `mutual`),
 * weight exp(-d² / (σ_i σ_j)). Each once, from < to, heaviest first.
 */
export const getEdges = async (connection: DuckDBConnection, runId: string, run: number, query: EdgesQuery): Promise<Edges> => {
  const { whiten, k, tokens, most, symmetrize } = query
  if (!(await findNeighbours(connection, run, k, whiten)).stored) {
    throw new SpectroscopeError('input', `Run ${runId} has no ${k} neighbours of each token for this preprocessing; cluster it again with these settings.`)
  }
  const { sources, targets } = await listingsOf(connection, run, query)
  const lists = await listsOf(connection, run, whiten, k, new Set([...tokens, ...sources, ...targets]))
  const listings = new Map<string, { from: number; to: number; squared: number; count: number }>()
  sources.forEach((source, i) => {
    const target = targets[i]
    const [from, to] = source < target ? [source, target] : [target, source]
    const key = `${from} ${to}`
    const known = listings.get(key)
    if (known !== undefined) known.count++
    else {
      const { nearest, distances } = lists.get(source)!
      listings.set(key, { from, to, squared: distances[nearest.indexOf(target)] ** 2, count: 1 })
    }
  })
  const sigma = (token: number): number => lists.get(token)!.distances[k - 1]
  const edges = [...listings.values()]
    .filter(({ count }) => symmetrize === 'union' || count > 1)
    .map(({ from, to, squared }) => ({ from, to, weight: edgeWeight(squared, sigma(from) * sigma(to)) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight || a.from - b.from || a.to - b.to)
  const kept = edges.slice(0, most)
  return {
    from: Int32Array.from(kept, ({ from }) => from), to: Int32Array.from(kept, ({ to }) => to), weights: Float32Array.from(kept, ({ weight }) => weight), cut: edges.length > most
  }
}
