import type { Architecture } from '../../models/architecture'

/**
 * Tokens whose exponentials of a block of the vocabulary are held at once; and of a larger part of it, which keep a
 * device busy for longer than they take to launch.
 */
const lossTokens = 512
export const deviceLossTokens = 2048

/** Tokens in parts of at most `most`, as even as can be. */
export const evenParts = (tokens: number, most = lossTokens): number[] => {
  const parts = Math.ceil(tokens / most)
  return Array.from(
    { length: parts },
    (_, part) => Math.floor(((part + 1) * tokens) / parts) - Math.floor((part * tokens) / parts)
  )
}

/**
 * How a vocabulary is cut for `exponentialSums`: `rows` is the vocabulary rounded up to whole blocks. Blocks of 352
 * to 528 rows by `lossTokens` stay near a core; among those the one that adds the fewest rows.
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
 * What the losses' exponentials are taken of: logits less those of the mean row of the unembedding at w*, which
 * softmax does not notice. Σ exp is then at least about V (Jensen), and at most e^88 while no logit is so far above
 * the mean. Where `logSums` leave these bounds, the exact program has to be run.
 */
export const logSumBounds = { least: -60, most: 60 } as const

/** Inputs of the losses that are not stored weights: see `centreUnembedding`. */
export const unembeddingName = { centre: 'unembedding:centre', centred: 'unembedding:centred' } as const

/** The mean row of the unembedding [V, d], and the unembedding less that, with rows of zeros up to whole blocks. */
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
