import type { Architecture } from '../../models/architecture'
import { attend } from './attention'
import { differentiate } from './differentiate'
import { type Extent, type SliceShapes, activationName } from './extent'
import type { Graph, Value } from './graph'
import type { Piece } from './operations'
import { TransformerBuilder } from './transformer'

/**
 * Forward pass at w*. Inputs are weights and the stream before the first layer; outputs are all other activations of
 * `activationName`, each [tokens, d].
 */
export const prefixGraph = (architecture: Architecture, extent: Extent): Graph => {
  const transformer = new TransformerBuilder(architecture, extent)
  let stream = transformer.activation(activationName.stream(0))
  for (let i = 0; i < architecture.layers; i++) {
    if (i > 0) transformer.builder.output(activationName.stream(i), stream)
    const { attended, middle, after } = transformer.layer(i, stream)
    transformer.builder.output(activationName.attended(i), attended)
    transformer.builder.output(activationName.middle(i), middle)
    stream = after
  }
  transformer.builder.output(activationName.stream(architecture.layers), stream)
  return transformer.builder.build()
}

const slice = (index: number): string => `slice:${index}`

/** Outputs at w* of all heads of a layer, before the projection. */
const attendedAtStar = (transformer: TransformerBuilder, layer: number): Value => {
  const { heads, headWidth } = transformer.architecture
  return transformer.activation(activationName.attended(layer), heads * headWidth)
}

/**
 * Outputs at w* of the heads that replicas replace, before the projection, and their projections, for `afterHead`. A
 * replica has `each` heads.
 */
const headsAtStar = (
  transformer: TransformerBuilder,
  layer: number,
  replicas: number,
  each: number
): { readonly attended: Value; readonly projection: Value } => {
  const {
    builder,
    architecture: { hidden, heads: all, headWidth },
    layout,
    tokens
  } = transformer
  const [heads, width] = [all / each, each * headWidth]
  const chosen = builder.input('head:index', [replicas], 'int')
  const byHead = (x: Value, rows: number): Value =>
    builder.reshape(builder.transpose(builder.reshape(x, [rows, heads, width]), [1, 0, 2]), [heads, rows * width])
  const matrix = transformer.weight(`${transformer.names(layer).projection}.weight`)
  const projections =
    layout.matrices === 'out, in' ? byHead(matrix, hidden) : builder.reshape(matrix, [heads, width * hidden])
  return {
    attended: builder.reshape(builder.gather(byHead(attendedAtStar(transformer, layer), tokens), chosen), [
      replicas,
      tokens,
      width
    ]),
    projection: builder.reshape(builder.gather(projections, chosen), [
      replicas,
      ...(layout.matrices === 'out, in' ? [hidden, width] : [width, hidden])
    ])
  }
}

/** Products of a replica's own heads with what they read: one of queries, keys and values, or one of each. */
const ownProducts = (transformer: TransformerBuilder, y: Value, slices: readonly Value[]): Value[] => {
  const { builder, architecture, layout, lead } = transformer
  const parts = slices.slice(0, -1)
  const biased = architecture.biases.qkv
  if (layout.qkv === 'by head') return [transformer.linear(y, parts[0], transformer.spread(parts[1]))]
  const outputs = layout.matrices === 'out, in' ? lead.length : lead.length + 1
  const matrix = builder.concat(parts.slice(0, 3), outputs)
  const bias = biased ? transformer.spread(builder.concat(parts.slice(3), lead.length)) : undefined
  const product = transformer.linear(y, matrix, bias)
  if (layout.qkv === 'by part') return [product]
  const widths = parts.slice(0, 3).map(({ shape }) => shape[outputs])
  return builder.split(product, product.shape.length - 1, widths)
}

/**
 * The stream after a layer with the weights of some heads replaced by a replica's own: of one, of those that share keys
 * and values, or of all.
 */
export const afterHead = (transformer: TransformerBuilder, layer: number, slices: readonly Value[]): Value => {
  const { builder, architecture, layout, lead, tokens } = transformer
  const { attentionNorm, attentionPostNorm } = transformer.names(layer)
  const own = slices[slices.length - 1]
  const width = own.shape.at(layout.matrices === 'out, in' ? -1 : -2)!
  const x = transformer.activation(activationName.stream(layer))
  const y = transformer.read(x, attentionNorm)
  const project = (attended: Value, projection: Value): Value =>
    builder.matmul(attended, projection, { transposeB: layout.matrices === 'out, in' })
  const attended = builder.reshape(attend(transformer, layer, ownProducts(transformer, y, slices)), [
    ...lead,
    tokens,
    width
  ])
  const star =
    lead.length > 0
      ? headsAtStar(transformer, layer, lead[0], width / architecture.headWidth)
      : {
          attended: transformer.activation('head:attended', width),
          projection: builder.input('head:projection', own.shape)
        }
  const before = project(star.attended, star.projection)
  const change = builder.sub(project(attended, own), before)
  if (architecture.parallelResidual)
    return transformer.rows(builder.add(transformer.activation(activationName.stream(layer + 1)), change))
  // A norm after attention takes the sum over all heads.
  const middle =
    attentionPostNorm === undefined
      ? builder.add(transformer.activation(activationName.middle(layer)), change)
      : transformer.afterAttention(
          layer,
          x,
          builder.add(transformer.project(layer, attendedAtStar(transformer, layer)), change)
        )
  const rows = transformer.rows(middle)
  return builder.add(rows, transformer.mlp(layer, rows))
}

/** The stream after a layer with a replica's own MLP weights. */
export const afterMlp = (transformer: TransformerBuilder, layer: number): Value => {
  const middle = transformer.activation(activationName.middle(layer))
  const source = transformer.architecture.parallelResidual
    ? transformer.activation(activationName.stream(layer))
    : middle
  return transformer.rows(transformer.builder.add(middle, transformer.mlp(layer, source)))
}

/**
 * Program of a replica: its own component, the layers above it, and the loss at w*.
 *
 * Inputs: `slice:n` for each slice of the component, the activations of the prefix from which it starts, `targets`,
 * the weights above, and for a head `head:attended` [tokens, width] and `head:projection`, its output and projection
 * at w*. Outputs: `losses` [tokens] and, if requested, `gradient:n`, the gradient of the summed losses with respect
 * to each slice.
 *
 * If embedding tables are a replica's own, the input `embedded` [tokens, d] is the stream that they produce, and the
 * output `gradient:embedded` its gradient; the only slices are then those that the loss uses too. If the unembedding
 * is a replica's own, the input `target rows` [tokens, d] comes from `targetRows`; `gradient:targets` is its
 * gradient, which `gradient:n` does not include. `exact` keeps all logits and is valid for any weights. Otherwise
 * there is an output `logSums` [tokens], and the other outputs are valid if it is within `logSumBounds`.
 *
 * With `replicas` in the extent, the program computes several replicas of the same kind, heads of one layer among
 * them: slices, losses and gradients have a leading axis of replicas, the activations of the prefix are shared, and
 * heads have an input `head:index` [replicas] in place of those two. Not for `full`, and not with `exact`.
 */
export const pieceGraph = (
  architecture: Architecture,
  extent: Extent,
  piece: Piece,
  names: readonly string[],
  shapes: SliceShapes,
  withGradient: boolean,
  exact = false
): Graph => {
  const transformer = new TransformerBuilder(architecture, extent)
  const { builder } = transformer
  const { lead, stacked } = transformer
  const embedded =
    piece.kind === 'embed' || piece.kind === 'full'
      ? builder.input('embedded', [stacked, architecture.hidden])
      : undefined
  const outside = new Set(
    embedded === undefined ? [] : transformer.outer.embeddings.filter((name) => name !== transformer.outer.unembedding)
  )
  const indices = [...shapes.keys()].filter((index) => !outside.has(names[index]))
  const slices = indices.map((index) => builder.input(slice(index), [...lead, ...shapes[index]]))
  if (piece.kind !== 'head')
    indices.forEach((index, at) =>
      transformer.own.set(names[index], shapes[index].length === 1 ? transformer.spread(slices[at]) : slices[at])
    )
  const losses = ((): Value => {
    switch (piece.kind) {
      case 'head':
        return transformer.above(piece.layer + 1, afterHead(transformer, piece.layer, slices), exact)
      case 'mlp':
        return transformer.above(piece.layer + 1, afterMlp(transformer, piece.layer), exact)
      case 'unembed':
        return transformer.lossOf(transformer.activation(activationName.stream(architecture.layers)), exact)
      case 'embed':
      case 'full':
        return transformer.above(0, embedded!, exact)
    }
  })()
  builder.output('losses', losses)
  if (withGradient) {
    const ones = builder.constant(new Float32Array(stacked).fill(1), [stacked])
    const sources = new Map(indices.map((index, at) => [`${index}`, slices[at]]))
    if (embedded !== undefined) sources.set('embedded', embedded)
    if (transformer.ownTargetRows !== undefined) sources.set('targets', transformer.ownTargetRows)
    const gradients = differentiate(builder, losses, ones, [...sources.values()])
    ;[...sources.keys()].forEach((name, at) => builder.output(`gradient:${name}`, gradients[at]))
  }
  return builder.build()
}
