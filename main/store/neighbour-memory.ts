import type { DuckDBConnection } from '@duckdb/node-api'
import { setImmediate as breathe } from 'node:timers/promises'
import { forEachBlock } from './blocks'
import { Cache } from './facts'
import { checkIndex, UnfitRows } from './fitting'

/**
 * k neighbours of every token, and the tokens that list each token, at 12 bytes per listing. Edges of a cluster are
 * then found without scanning all lists.
 */
export interface NeighbourMemory {
  readonly k: number
  readonly tokens: number
  /** [tokens, k], nearest first. */
  readonly nearest: Int32Array
  readonly distances: Float32Array
  /** Tokens that list token t, ascending: sources[starts[t]] … sources[starts[t + 1] - 1]. */
  readonly starts: Int32Array
  readonly sources: Int32Array
}

/** Tokens whose lists are inverted before other calls get a turn. */
const slice = 50_000

/** Counts how often each token is listed. Throws `UnfitRows` for one that the run does not have. */
const countListings = (nearest: Int32Array, starts: Int32Array, from: number, to: number, place: string): void => {
  const tokens = starts.length - 1
  for (let at = from; at < to; at++) {
    checkIndex(nearest[at], tokens, 'neighbours', place)
    starts[nearest[at] + 1]++
  }
}

const turnRound = (
  nearest: Int32Array,
  k: number,
  next: Int32Array,
  sources: Int32Array,
  from: number,
  to: number
): void => {
  for (let token = from; token < to; token++) {
    for (let at = token * k; at < (token + 1) * k; at++) sources[next[nearest[at]]++] = token
  }
}

const readNeighbourMemory = async (
  connection: DuckDBConnection,
  run: number,
  tokens: number,
  k: number,
  key: number
): Promise<NeighbourMemory> => {
  const nearest = new Int32Array(tokens * k)
  const distances = new Float32Array(tokens * k)
  const place = `tokens of run ${run}`
  const put = <T extends Int32Array | Float32Array>(all: T, list: T, token: number): void => {
    checkIndex(token, tokens, 'neighbours', place)
    if (list.length < k) throw new UnfitRows('neighbours', place, `${list.length} of ${k} neighbours`)
    all.set(list.subarray(0, k), token * k)
  }
  let rows = 0
  await forEachBlock(
    connection,
    'SELECT token, nearest, distances FROM neighbours WHERE run = $1 AND whiten = $2',
    [run, key],
    (block) => {
      const listing = block.integers(0)
      block.lists(1, Int32Array, (list, row) => put(nearest, list, listing[row]))
      block.lists(2, Float32Array, (list, row) => put(distances, list, listing[row]))
      rows += block.rows
    }
  )
  if (rows !== tokens) throw new UnfitRows('neighbours', place, `${rows} of ${tokens}`)
  const ends = Array.from({ length: Math.ceil(tokens / slice) }, (_, part) => Math.min(tokens, (part + 1) * slice))
  const starts = new Int32Array(tokens + 1)
  for (const [part, end] of ends.entries()) {
    countListings(nearest, starts, part * slice * k, end * k, place)
    await breathe()
  }
  for (let token = 0; token < tokens; token++) starts[token + 1] += starts[token]
  const sources = new Int32Array(tokens * k)
  const next = starts.slice()
  for (const [part, end] of ends.entries()) {
    turnRound(nearest, k, next, sources, part * slice, end)
    await breathe()
  }
  return { k, tokens, nearest, distances, starts, sources }
}

/**
 * Cache of one graph, because it takes hundreds of megabytes for a million tokens. Dropped when its edges have not
 * been used for a while.
 */
const kept = new Cache(1)
const keptMilliseconds = 300_000
let forgetting: NodeJS.Timeout | undefined

export const forgetNeighbours = (): void => kept.clear()

/** Neighbours of a run that has at least k stored for each token, cached. */
export const knownNeighbours = (
  connection: DuckDBConnection,
  run: number,
  tokens: number,
  k: number,
  key: number
): Promise<NeighbourMemory> => {
  clearTimeout(forgetting)
  forgetting = setTimeout(forgetNeighbours, keptMilliseconds).unref()
  return kept.get(`${run} ${k} ${key}`, () => readNeighbourMemory(connection, run, tokens, k, key))
}
