import type { Architecture, Weights } from '../../models/architecture'
import { embeddingTables } from '../../models/architectures'

/** Rows of each embedding table that the tokens use. */
const rowsTaken = (
  architecture: Architecture,
  ids: Int32Array,
  positions: number
): readonly (readonly [table: string, rows: Int32Array])[] =>
  embeddingTables(architecture).map((table, at) => [table, at === 0 ? ids : ids.map((_, token) => token % positions)])

/**
 * The stream before the first layer, [tokens, d]. It is gathered here, so that no executor holds the embedding table
 * or receives a replica's own. That table is as large as the unembedding, and a model with tied embeddings would be
 * held twice.
 */
export const embedRows = (
  architecture: Architecture,
  weights: Weights,
  ids: Int32Array,
  positions: number
): Float32Array => {
  const { hidden } = architecture
  const stream = new Float32Array(ids.length * hidden)
  for (const [name, rows] of rowsTaken(architecture, ids, positions)) {
    const table = weights.get(name)!.data
    for (let token = 0; token < rows.length; token++)
      for (let i = 0; i < hidden; i++) stream[token * hidden + i] += table[rows[token] * hidden + i]
  }
  return stream
}

/** Rows of the unembedding for the targets, less the mean row at w* (`centreUnembedding`), [tokens, d]. */
export const targetRows = (targets: Int32Array, unembedding: Float32Array, centre: Float32Array): Float32Array => {
  const hidden = centre.length
  const rows = new Float32Array(targets.length * hidden)
  for (let token = 0; token < targets.length; token++)
    for (let i = 0; i < hidden; i++) rows[token * hidden + i] = unembedding[targets[token] * hidden + i] - centre[i]
  return rows
}

/**
 * Adds to `sum` [.., d] a table's gradient from the gradients [tokens, d] of the rows that tokens use. For each row,
 * sums over its tokens in order.
 */
export const addRowSlopes = (hidden: number, rows: Int32Array, slope: Float32Array, sum: Float32Array): void => {
  const own = new Float32Array(hidden)
  const order = Int32Array.from(rows.keys()).sort((a, b) => rows[a] - rows[b] || a - b)
  for (let at = 0; at < order.length;) {
    const row = rows[order[at]]
    own.fill(0)
    for (; at < order.length && rows[order[at]] === row; at++)
      for (let i = 0; i < hidden; i++) own[i] += slope[order[at] * hidden + i]
    for (let i = 0; i < hidden; i++) sum[row * hidden + i] += own[i]
  }
}

/** Adds to `sums` the gradients of all embedding tables, from the gradient of the stream before the first layer. */
export const addEmbeddingSlopes = (
  architecture: Architecture,
  ids: Int32Array,
  positions: number,
  slope: Float32Array,
  sums: ReadonlyMap<string, Float32Array>
): void => {
  for (const [name, rows] of rowsTaken(architecture, ids, positions))
    addRowSlopes(architecture.hidden, rows, slope, sums.get(name)!)
}
