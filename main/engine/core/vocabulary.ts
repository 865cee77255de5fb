import type { Architecture, Weights } from '../../models/architecture'
import { outerTensorsOf } from '../../models/architectures'

/**
 * Tokens whose exponentials of a vocabulary block are held at once: on a CPU, and on a device, where larger parts
 * outweigh the cost of a launch.
 */
const lossTokens = 512
export const deviceLossTokens = 2048

/** Divides tokens into nearly equal parts of at most `most`. */
export const evenParts = (tokens: number, most = lossTokens): number[] => {
  const parts = Math.ceil(tokens / most)
  return Array.from(
    { length: parts },
    (_, part) => Math.floor(((part + 1) * tokens) / parts) - Math.floor((part * tokens) / parts)
  )
}

/**
 * Division of a vocabulary for `exponentialSums`; `rows` is the vocabulary rounded up to whole blocks. Blocks of 352
 * to 528 rows by `lossTokens` fit near a core; chosen is the size that adds the fewest rows.
 */
export const vocabularyBlocks = (vocabulary: number): { readonly block: number; readonly rows: number } => {
  if (vocabulary <= 512) return { block: vocabulary, rows: vocabulary }
  const blocks = Array.from({ length: 12 }, (_, i) => 528 - 16 * i).map((block) => ({
    block,
    rows: Math.ceil(vocabulary / block) * block
  }))
  return blocks.reduce((best, other) => (other.rows < best.rows ? other : best))
}

/**
 * Valid range of the logarithm of Σ exp. Logits are taken relative to those of the unembedding's mean row at w*,
 * which softmax ignores. Σ exp is then at least about V (Jensen), and at most e^88 unless a logit is far above the
 * mean. Outside this range, the exact program must be run.
 */
export const logSumBounds = { least: -60, most: 60 } as const

/** Inputs of the losses that are not stored weights; see `centreUnembedding`. */
export const unembeddingName = { centre: 'unembedding:centre', centred: 'unembedding:centred' } as const

/** Width of the rows that logits are products with: that of the stream, and one more for a bias of the logits. */
export const lossWidth = (architecture: Architecture): number =>
  architecture.hidden + (outerTensorsOf(architecture).unembeddingBias === undefined ? 0 : 1)

/** A tensor of the rows that logits are products with: its columns among theirs. */
export interface UnembeddingPart {
  readonly name: string
  readonly width: number
  readonly first: number
}

/** The tensors of those rows: the unembedding, and the bias of logits as a last column. */
export const unembeddingParts = (architecture: Architecture): readonly UnembeddingPart[] => {
  const { unembedding, unembeddingBias } = outerTensorsOf(architecture)
  const { hidden } = architecture
  return [
    { name: unembedding, width: hidden, first: 0 },
    ...(unembeddingBias === undefined ? [] : [{ name: unembeddingBias, width: 1, first: hidden }])
  ]
}

/** Writes the unembedding less its centre to `centred` [.., `lossWidth`]. */
export const centreRows = (
  architecture: Architecture,
  weights: Weights,
  centre: Float32Array,
  centred: Float32Array
): void => {
  const all = lossWidth(architecture)
  for (const { name, width, first } of unembeddingParts(architecture)) {
    const { data } = weights.get(name)!
    for (let row = 0, from = 0; from < data.length; row++)
      for (let i = 0, at = row * all + first; i < width; i++, at++, from++) centred[at] = data[from] - centre[first + i]
  }
}

/**
 * The mean row of the unembedding at w* [1, `lossWidth`], and the unembedding less that row, padded with zero rows to
 * whole blocks. Where logits are capped, the mean counts as zero, because they may not be shifted.
 */
export const centreUnembedding = (
  architecture: Architecture,
  weights: Weights
): { readonly centre: Float32Array; readonly centred: Float32Array } => {
  const { vocabulary, logitCap } = architecture
  const sums = new Float64Array(lossWidth(architecture))
  for (const { name, width, first } of logitCap === undefined ? unembeddingParts(architecture) : []) {
    const { data } = weights.get(name)!
    for (let at = 0; at < data.length; at++) sums[first + (at % width)] += data[at]
  }
  const centre = Float32Array.from(sums, (sum) => sum / vocabulary)
  const centred = new Float32Array(vocabularyBlocks(vocabulary).rows * centre.length)
  centreRows(architecture, weights, centre, centred)
  return { centre, centred }
}
