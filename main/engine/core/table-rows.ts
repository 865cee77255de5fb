import type { Architecture, Weights } from '../../models/architecture'
import { embeddingTables } from '../../models/architectures'
import { lossWidth, unembeddingParts } from './vocabulary'

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
 * held twice. `own` has tables of a replica; the others are those at w*.
 */
export const embedRows = (
  architecture: Architecture,
  weights: Weights,
  ids: Int32Array,
  positions: number,
  own: Weights = weights
): Float32Array => {
  const { hidden, embeddingScale } = architecture
  const stream = new Float32Array(ids.length * hidden)
  for (const [name, rows] of rowsTaken(architecture, ids, positions)) {
    const table = (own.get(name) ?? weights.get(name)!).data
    for (let token = 0; token < rows.length; token++)
      for (let i = 0; i < hidden; i++) stream[token * hidden + i] += embeddingScale * table[rows[token] * hidden + i]
  }
  return stream
}

/** Rows of the unembedding for the targets, less the mean row at w* (`centreUnembedding`), [tokens, `lossWidth`]. */
export const targetRows = (
  architecture: Architecture,
  weights: Weights,
  targets: Int32Array,
  centre: Float32Array
): Float32Array => {
  const all = lossWidth(architecture)
  const rows = new Float32Array(targets.length * all)
  for (const { name, width, first } of unembeddingParts(architecture)) {
    const { data } = weights.get(name)!
    for (let token = 0; token < targets.length; token++)
      for (let i = 0; i < width; i++)
        rows[token * all + first + i] = data[targets[token] * width + i] - centre[first + i]
  }
  return rows
}

/** Columns of `slope` [tokens, all]: `width` of them from `first` on. */
interface Columns {
  readonly width: number
  readonly first: number
  readonly all: number
}

/**
 * Adds to `sum` [.., width] a table's gradient from the gradients of the rows that tokens use, times `factor`. For each
 * row, sums over its tokens in order.
 */
const addRowSlopes = (
  { width, first, all }: Columns,
  rows: Int32Array,
  slope: Float32Array,
  sum: Float32Array,
  factor = 1
): void => {
  const own = new Float32Array(width)
  const order = Int32Array.from(rows.keys()).sort((a, b) => rows[a] - rows[b] || a - b)
  for (let at = 0; at < order.length;) {
    const row = rows[order[at]]
    own.fill(0)
    for (; at < order.length && rows[order[at]] === row; at++)
      for (let i = 0; i < width; i++) own[i] += slope[order[at] * all + first + i]
    for (let i = 0; i < width; i++) sum[row * width + i] += factor * own[i]
  }
}

/** Adds to `sums` the gradients of the unembedding, from those of the targets' rows, [tokens, `lossWidth`]. */
export const addTargetSlopes = (
  architecture: Architecture,
  targets: Int32Array,
  slope: Float32Array,
  sums: ReadonlyMap<string, Float32Array>
): void => {
  const all = lossWidth(architecture)
  for (const { name, ...part } of unembeddingParts(architecture)) {
    const sum = sums.get(name)
    if (sum !== undefined) addRowSlopes({ ...part, all }, targets, slope, sum)
  }
}

/**
 * Adds to `sums` the gradients of the embedding tables that it has, from the gradient of the stream before the first
 * layer.
 */
export const addEmbeddingSlopes = (
  architecture: Architecture,
  ids: Int32Array,
  positions: number,
  slope: Float32Array,
  sums: ReadonlyMap<string, Float32Array>
): void => {
  const { hidden, embeddingScale } = architecture
  for (const [name, rows] of rowsTaken(architecture, ids, positions)) {
    const sum = sums.get(name)
    if (sum !== undefined) addRowSlopes({ width: hidden, first: 0, all: hidden }, rows, slope, sum, embeddingScale)
  }
}
