import type { Value } from './graph'
import type { TransformerParts } from './transformer-parts'
import { deviceLossTokens, evenParts, lossWidth, unembeddingName, vocabularyBlocks } from './vocabulary'

/**
 * Bytes of logits held at once when all logits of a token are kept. Longer rows are divided into chunks of tokens.
 */
const logitBytes = 24 * 2 ** 20

/**
 * The unembedding less its mean row at w*, padded with zero rows to whole blocks: one for each replica, or one for
 * all.
 */
const centredUnembeddings = (transformer: TransformerParts, rows: number): readonly Value[] => {
  const { builder, architecture } = transformer
  const { vocabulary } = architecture
  const width = lossWidth(architecture)
  const { unembedding } = transformer.outer
  if (!transformer.own.has(unembedding)) return [builder.input(unembeddingName.centred, [rows, width])]
  return transformer.unembeddings().map((own) => {
    const centred = builder.sub(own, builder.input(unembeddingName.centre, [1, width]))
    return rows === vocabulary
      ? centred
      : builder.concat(
          [
            centred,
            transformer.table(
              'filling',
              [rows - vocabulary, width],
              () => new Float32Array((rows - vocabulary) * width)
            )
          ],
          0
        )
  })
}

/**
 * Products of hidden states with one unembedding row each, both [.., tokens, d]. They are rounded like the products
 * with all rows, so that the losses of tokens that the model is sure of stay small. Computing them as matrix products
 * with one row and column would take a device as long as the whole vocabulary.
 */
export const ownLogits = (transformer: TransformerParts, hidden: Value, rows: Value): Value => {
  const { builder } = transformer
  const product = builder.mul(builder.rounded(hidden, 'operand'), builder.rounded(rows, 'operand'))
  const logits = transformer.rows(builder.rounded(builder.sum(product, [product.shape.length - 1]), 'product'))
  return builder.capped(logits, transformer.architecture.logitCap)
}

/** Losses without keeping any logits. The logarithm of each sum becomes the output `logSums`; see `logSumBounds`. */
export const centredLoss = (transformer: TransformerParts, hidden: Value): Value => {
  const {
    builder,
    tokens,
    lead,
    stacked,
    architecture: { vocabulary, logitCap }
  } = transformer
  const { block, rows } = vocabularyBlocks(vocabulary)
  const unembeddings = centredUnembeddings(transformer, rows)
  const width = hidden.shape[1]
  // Hidden states of each replica if the unembeddings differ, else all of them. Without own weights below, they are
  // the same for all replicas.
  const shared = hidden.shape[0] === tokens
  const parts =
    unembeddings.length === 1
      ? [hidden]
      : shared
        ? unembeddings.map(() => hidden)
        : builder.split(
            hidden,
            0,
            unembeddings.map(() => tokens)
          )
  const most = lead.length === 0 ? undefined : deviceLossTokens
  const sums = builder.concat(
    parts.flatMap((own, at) =>
      builder
        .split(own, 0, evenParts(own.shape[0], most))
        .map((part) => builder.exponentialSums(part, unembeddings[at], vocabulary, block, logitCap).sums)
    ),
    0
  )
  const logSums = builder.log(sums)
  builder.output('logSums', builder.reshape(logSums, [stacked]))
  if (transformer.own.has(transformer.outer.unembedding))
    transformer.ownTargetRows = builder.input('target rows', [stacked, width])
  const gathered = transformer.ownTargetRows ?? builder.gather(unembeddings[0], transformer.targets())
  const each = (x: Value): Value => builder.reshape(x, [...lead.map(() => x.shape[0] / tokens), tokens, width])
  return builder.reshape(builder.sub(logSums, ownLogits(transformer, each(hidden), each(gathered))), [stacked])
}

/** Losses from all logits, one chunk of tokens at a time. */
export const exactLoss = (transformer: TransformerParts, hidden: Value): Value => {
  const { builder, tokens } = transformer
  const { vocabulary, logitCap } = transformer.architecture
  const [unembedding] = transformer.unembeddings()
  const lossChunk = Math.max(16, Math.min(256, Math.floor(logitBytes / (4 * vocabulary))))
  const sizes = Array.from({ length: Math.ceil(tokens / lossChunk) }, (_, chunk) =>
    Math.min(lossChunk, tokens - chunk * lossChunk)
  )
  const targets = builder.split(transformer.targets(), 0, sizes)
  const lossOf = (part: Value, ids: Value): Value => {
    if (logitCap === undefined) return builder.unembedLoss(part, unembedding, ids).loss
    // Exponentials of capped logits fit.
    const logits = builder.capped(builder.matmul(part, unembedding, { transposeB: true }), logitCap)
    const own = ownLogits(transformer, part, builder.gather(unembedding, ids))
    return builder.reshape(builder.sub(builder.log(builder.sum(builder.exp(logits), [1])), own), [part.shape[0]])
  }
  return builder.concat(
    builder.split(hidden, 0, sizes).map((part, chunk) => lossOf(part, targets[chunk])),
    0
  )
}
