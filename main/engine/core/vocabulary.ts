import type { Architecture } from '../../models/architecture'

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

/**
 * The mean row of the unembedding [V, d], and the unembedding less that row, padded with zero rows to whole blocks.
 */
export const centreUnembedding = (
  architecture: Architecture,
  unembedding: Float32Array
): { readonly centre: Float32Array; readonly centred: Float32Array } => {
  const { hidden, vocabulary } = architecture
  const sums = new Float64Array(hidden)
  for (let at = 0; at < unembedding.length; at++) sums[at % hidden] += unembedding[at]
  const centre = Float32Array.from(sums, (sum) => sum / vocabulary)
  const centred = new Float32Array(vocabularyBlocks(vocabulary).rows * hidden)
  for (let at = 0; at < unembedding.length; at++) centred[at] = unembedding[at] - centre[at % hidden]
  return { centre, centred }
}
