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
  /** Key of the neighbours (`neighboursKey`). */
  readonly key: number
  readonly k: number
  readonly tokens: Int32Array
  readonly most: number
  readonly symmetrize: ClusteringConfiguration['symmetrize']
}

/** Index of `target` in the list of `source`; -1 if it is not listed. */
const placeIn = ({ nearest, k }: NeighbourMemory, source: number, target: number): number => {
  for (let at = source * k; at < (source + 1) * k; at++) if (nearest[at] === target) return at
  return -1
}

/** Calls `each` once for every edge with an end in `tokens`, with from < to and the squared distance. */
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
      // If both ends list each other and both are in `tokens`, the lower one has reported the edge.
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
 * Edges of the neighbour graph with an end in `tokens` (docs/method.md, section 5.1): tokens where either lists the
 * other (for `mutual`, both), with weight exp(-d² / (σ_i σ_j)). Each appears once, with from < to, heaviest first.
 * Throws an `input` error if the neighbours are not stored.
 */
export const getEdges = async (
  connection: DuckDBConnection,
  runId: string,
  run: number,
  query: EdgesQuery
): Promise<Edges> => {
  const { key, k, tokens, most, symmetrize } = query
  if (!(await hasNeighbours(connection, run, k, key))) {
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
  const memory = await knownNeighbours(connection, run, count, k, key)
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
