import type { DuckDBConnection } from '@duckdb/node-api'
import type { ClusteringConfiguration } from '../../preload/configuration'
import type { CallResult } from '../../preload/contract-calls'
import { SpectroscopeError } from '../../preload/errors'
import { edgeWeight } from '../clustering/graph'
import { knownNeighbours } from './neighbour-memory'
import type { NeighbourMemory } from './neighbour-memory'
import { hasNeighbours } from './reads'
import { tokensOf } from './token-columns'

export type Edges = CallResult<'tokens.edges'>

export interface EdgesQuery {
  readonly whiten: boolean
  readonly k: number
  readonly tokens: Int32Array
  readonly most: number
  readonly symmetrize: ClusteringConfiguration['symmetrize']
}

/** Place of `target` in the list of `source`; -1 where it is not there. */
const placeIn = ({ nearest, k }: NeighbourMemory, source: number, target: number): number => {
  for (let at = source * k; at < (source + 1) * k; at++) if (nearest[at] === target) return at
  return -1
}

/**
 * Calls `each` once with every pair of which an end is one of `tokens` and either end lists the other, from < to, and
 * its squared distance.
 */
const forEachPair = (
  memory: NeighbourMemory,
  tokens: ReadonlySet<number>,
  mutual: boolean,
  each: (from: number, to: number, squared: number) => void
): void => {
  const { k, nearest, distances, starts, sources } = memory
  const pair = (source: number, target: number, at: number, back: number): void => {
    if (mutual && back < 0) return
    const squared = distances[back >= 0 && target < source ? back : at] ** 2
    if (source < target) each(source, target, squared)
    else each(target, source, squared)
  }
  for (const token of tokens) {
    for (let at = token * k; at < (token + 1) * k; at++) {
      const target = nearest[at]
      const back = placeIn(memory, target, token)
      // Where both list each other and both are wanted, the lower one of them has said so.
      if (back < 0 || token < target || !tokens.has(target)) pair(token, target, at, back)
    }
    for (let at = starts[token]; at < starts[token + 1]; at++) {
      const source = sources[at]
      if (!tokens.has(source) && placeIn(memory, token, source) < 0)
        pair(source, token, placeIn(memory, source, token), -1)
    }
  }
}

/**
 * Edges of the neighbour graph with an end in `tokens`, by the rule of docs/method.md, section 5.1: either end lists
 * the other (or both, for `mutual`), weight exp(-d² / (σ_i σ_j)). Each once, from < to, heaviest first.
 */
export const getEdges = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  query: EdgesQuery
): Promise<Edges> => {
  const { whiten, k, tokens, most, symmetrize } = query
  if (!(await hasNeighbours(connection, run, k, whiten))) {
    throw new SpectroscopeError(
      'input',
      `Run ${runId} has no ${k} neighbours of each token for this preprocessing; cluster it again with these ` +
        'settings.'
    )
  }
  const count = await tokensOf(connection, runId, run)
  const wanted = new Set(tokens.filter((token) => token >= 0 && token < count))
  if (wanted.size === 0)
    return { from: new Int32Array(0), to: new Int32Array(0), weights: new Float32Array(0), cut: false }
  const memory = await knownNeighbours(connection, run, count, k, whiten)
  const sigma = (token: number): number => memory.distances[(token + 1) * k - 1]
  const [from, to, weights]: number[][] = [[], [], []]
  forEachPair(memory, wanted, symmetrize === 'mutual', (first, second, squared) => {
    const weight = edgeWeight(squared, sigma(first) * sigma(second))
    if (weight === 0) return
    from.push(first)
    to.push(second)
    weights.push(weight)
  })
  const order = Uint32Array.from(weights.keys())
    .sort((a, b) => weights[b] - weights[a] || from[a] - from[b] || to[a] - to[b])
    .subarray(0, most)
  return {
    from: Int32Array.from(order, (edge) => from[edge]),
    to: Int32Array.from(order, (edge) => to[edge]),
    weights: Float32Array.from(order, (edge) => weights[edge]),
    cut: weights.length > most
  }
}
