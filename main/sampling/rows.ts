import { type TokensAtOnce, tokensAtOnce } from '../engine/engines'
import { type Rows, areLong } from '../engine/core'
import type { Architecture } from '../models/architecture'

/** Rows of equal length that are processed together, and their indices. */
export interface RowBlock {
  readonly rows: Rows
  readonly indices: Int32Array
}

/**
 * Tokens that go through the model at once: in a chunk of a minibatch, and in a block of evaluated rows. Fixed, so
 * that results are reproducible.
 */
const chunkTokens = 512
export const blockTokens = 2048

/** The engine's preferred batch sizes, else the defaults. */
export const tokensFor = (engine: string): TokensAtOnce =>
  tokensAtOnce(engine, { chunk: chunkTokens, block: blockTokens })

const shared = (values: readonly number[]): Int32Array => {
  const array = new Int32Array(new SharedArrayBuffer(4 * values.length))
  array.set(values)
  return array
}

/**
 * Rows of `length` token ids that go through the model at once: as many as `tokens` allows, at least one. Long rows
 * go one by one.
 */
export const rowsAtOnce = (architecture: Architecture, tokens: number, length: number): number =>
  areLong(architecture, length - 1) ? 1 : Math.max(1, Math.floor(tokens / length))

/**
 * Cuts the chosen rows into blocks of equal length, in the order of first occurrence. Sizes are those of
 * `rowsAtOnce`.
 */
export const cutRows = (
  architecture: Architecture,
  rows: readonly Int32Array[],
  chosen: ArrayLike<number>,
  tokens: number
): RowBlock[] => {
  const byLength = new Map<number, number[]>()
  for (const index of Array.from(chosen)) {
    const same = byLength.get(rows[index].length)
    if (same === undefined) byLength.set(rows[index].length, [index])
    else same.push(index)
  }
  return [...byLength].flatMap(([length, indices]) => {
    const count = rowsAtOnce(architecture, tokens, length)
    return Array.from({ length: Math.ceil(indices.length / count) }, (_, i) => {
      const part = indices.slice(i * count, (i + 1) * count)
      const ids = new Int32Array(new SharedArrayBuffer(4 * length * part.length))
      part.forEach((index, at) => ids.set(rows[index], at * length))
      return { rows: { ids, count: part.length, length }, indices: shared(part) }
    })
  })
}

export const targetsOf = ({ rows: { count, length } }: RowBlock): number => count * (length - 1)

/**
 * Concatenates the studied target positions of all probe rows. `starts` has where each row's begin, then the total.
 * Token numbers are indices into `positions`.
 */
export const flattenTargets = (
  targets: readonly Int32Array[]
): { readonly starts: Int32Array; readonly positions: Int32Array } => {
  const starts = new Int32Array(new SharedArrayBuffer(4 * (targets.length + 1)))
  targets.forEach(({ length }, row) => (starts[row + 1] = starts[row] + length))
  const positions = new Int32Array(new SharedArrayBuffer(4 * starts[targets.length]))
  targets.forEach((row, i) => positions.set(row, starts[i]))
  return { starts, positions }
}

/** The first token number of each probe row, then the number of tokens, [rows + 1]. */
export const rowStartsOf = (targets: readonly Int32Array[]): Int32Array => flattenTargets(targets).starts
