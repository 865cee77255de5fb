import { type TokensAtOnce, tokensAtOnce } from '../engine/engines'
import { type Rows, areLong } from '../engine/core'
import type { Architecture } from '../models/architecture'

/** Rows of one length that are worked on together, and which rows of their set they are. */
export interface RowBlock {
  readonly rows: Rows
  readonly indices: Int32Array
}

/**
 * Tokens of a minibatch that go through the model at once, and of a block of rows evaluated at a draw. Fixed, so that
 * results are too.
 */
const chunkTokens = 512
export const blockTokens = 2048

/** Those that an engine wishes for, or these. */
export const tokensFor = (engine: string): TokensAtOnce =>
  tokensAtOnce(engine, { chunk: chunkTokens, block: blockTokens })

const shared = (values: readonly number[]): Int32Array => {
  const array = new Int32Array(new SharedArrayBuffer(4 * values.length))
  array.set(values)
  return array
}

/**
 * Rows of `length` token ids that go through the model at once, of at most `tokens` ids: one at least, and one only
 * where they are long.
 */
export const rowsAtOnce = (architecture: Architecture, tokens: number, length: number): number =>
  areLong(architecture, length - 1) ? 1 : Math.max(1, Math.floor(tokens / length))

/**
 * The chosen rows in blocks of one length, as many at once as `rowsAtOnce` says, in the order of first occurrence.
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
 * Studied target positions of all probe rows in one array, and where each row's begin: token numbers are indices into
 * it.
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

/** The first token number of each probe row, and the number of tokens at the end. */
export const rowStartsOf = (targets: readonly Int32Array[]): Int32Array => flattenTargets(targets).starts
