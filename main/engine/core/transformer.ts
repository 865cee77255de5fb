import type { Architecture } from '../../models/architecture'
import { differentiate } from './differentiate'
import { type Graph, GraphBuilder, type Value, size } from './graph'

/** Rows of one program: `count` rows of `positions` inputs each (a row of T ids has T-1 inputs and T-1 targets). */
export interface Extent {
  readonly count: number
  readonly positions: number
  /**
   * Queries of one head whose scores are held at once, to be computed again for the gradient; without it all are
   * held.
   */
  readonly queries?: number
  /**
   * Replicas that a device computes together, each at its own weights from the same activations. Without it one, in
   * parts that suit a core.
   */
  readonly replicas?: number
}

/** Which program a component needs: heads of a layer share one, as their weights are inputs. */
export type Piece =
  { readonly kind: 'embed' | 'unembed' | 'full' } | { readonly kind: 'head' | 'mlp'; readonly layer: number }

/** Bytes of logits held at once where all of a token's are kept; longer rows are cut into chunks of tokens. */
const logitBytes = 24 * 2 ** 20

/**
 * Tokens whose exponentials of a block of the vocabulary are held at once; and of a larger part of it, which keep a
 * device busy for longer than they take to launch.
 */
const lossTokens = 512
const deviceLossTokens = 2048

/** What a gradient would keep of scores, for all layers and one row, from which on rows are long. */
const longBytes = 128 * 2 ** 20

/**
 * Whether rows are so long that the work goes layer by layer (layerwise.ts). It is a matter of shapes alone, so that
 * results do not depend on the machine.
 */
export const areLong = ({ layers, heads }: Architecture, positions: number): boolean =>
  4 * layers * heads * positions ** 2 > longBytes

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

/** Names of an architecture's weights, by role; of a layer's, with `layer`. */
const weightNames = ({ family, tiedEmbeddings }: Architecture, layer: number) => {
  const neox = family === 'gpt_neox'
  const block = neox ? `gpt_neox.layers.${layer}.` : `transformer.h.${layer}.`
  return {
    embedding: neox ? 'gpt_neox.embed_in.weight' : 'transformer.wte.weight',
    positions: 'transformer.wpe.weight',
    unembedding: neox ? 'embed_out.weight' : tiedEmbeddings ? 'transformer.wte.weight' : 'lm_head.weight',
    finalNorm: neox ? 'gpt_neox.final_layer_norm' : 'transformer.ln_f',
    attentionNorm: block + (neox ? 'input_layernorm' : 'ln_1'),
    mlpNorm: block + (neox ? 'post_attention_layernorm' : 'ln_2'),
    qkv: block + (neox ? 'attention.query_key_value' : 'attn.c_attn'),
    projection: block + (neox ? 'attention.dense' : 'attn.c_proj'),
    mlpIn: block + (neox ? 'mlp.dense_h_to_4h' : 'mlp.c_fc'),
    mlpOut: block + (neox ? 'mlp.dense_4h_to_h' : 'mlp.c_proj')
  }
}

/** Shape of every weight that the graphs name, as stored: NeoX matrices are [out, in], GPT-2's [in, out]. */
const weightShape = (architecture: Architecture, name: string): number[] => {
  const { family, hidden, intermediate, vocabulary, contextLength } = architecture
  const matrix = (inputs: number, outputs: number): number[] =>
    family === 'gpt_neox' ? [outputs, inputs] : [inputs, outputs]
  const bias = name.endsWith('.bias')
  if (name.endsWith('wpe.weight')) return [contextLength, hidden]
  if (/(embed_in|embed_out|wte|lm_head)\.weight$/.test(name)) return [vocabulary, hidden]
  if (/(query_key_value|c_attn)\./.test(name)) return bias ? [3 * hidden] : matrix(hidden, 3 * hidden)
  if (/(attention\.dense|attn\.c_proj)\./.test(name)) return bias ? [hidden] : matrix(hidden, hidden)
  if (/(dense_h_to_4h|c_fc)\./.test(name)) return bias ? [intermediate] : matrix(hidden, intermediate)
  if (/(dense_4h_to_h|mlp\.c_proj)\./.test(name)) return bias ? [hidden] : matrix(intermediate, hidden)
  return [hidden]
}

/**
 * Pieces of one transformer over one extent, added to one graph. Activations are [tokens, d] with tokens = count ·
 * positions, row after row; from a replica's own weights on, [replicas · tokens, d], replica after replica. Weights
 * are w* but for those in `own`.
 */
export class TransformerBuilder {
  readonly builder = new GraphBuilder()
  readonly tokens: number
  /** Weights that are a replica's own, with the axis of `lead` before theirs. */
  readonly own = new Map<string, Value>()
  /** The axis of replicas, where several are computed together. */
  readonly lead: readonly number[]
  /** Rows for the targets of a replica's own unembedding, less the centre, if the loss takes them. */
  ownTargetRows: Value | undefined
  private readonly tables = new Map<string, Value>()
  private readonly matrices = new Map<string, readonly Value[]>()

  constructor(
    readonly architecture: Architecture,
    readonly extent: Extent
  ) {
    this.tokens = extent.count * extent.positions
    this.lead = extent.replicas === undefined ? [] : [extent.replicas]
  }

  /** Tokens of all replicas. */
  get stacked(): number {
    return size(this.lead) * this.tokens
  }

  /** What is [replicas, tokens, width], or comes from one replica, as rows. */
  rows(x: Value): Value {
    return this.builder.reshape(x, [size(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!])
  }

  /** A matrix of weights: each replica's own, or the one of all. */
  private matricesOf(name: string): readonly Value[] {
    const { builder, lead } = this
    const own = this.own.get(name)
    if (own === undefined || lead.length === 0) return [this.weight(name)]
    const known =
      this.matrices.get(name) ??
      builder
        .split(
          own,
          0,
          Array.from({ length: lead[0] }, () => 1)
        )
        .map((part) => builder.reshape(part, part.shape.slice(1)))
    this.matrices.set(name, known)
    return known
  }

  /** A vector of the replicas, which is added to activations. */
  spread(bias: Value): Value {
    return this.builder.reshape(bias, [...this.lead, ...this.lead.map(() => 1), bias.shape.at(-1)!])
  }

  weight(name: string): Value {
    return this.own.get(name) ?? this.builder.input(name, weightShape(this.architecture, name))
  }

  names(layer: number): ReturnType<typeof weightNames> {
    return weightNames(this.architecture, layer)
  }

  activation(name: string, width = this.architecture.hidden): Value {
    return this.builder.input(name, [this.tokens, width])
  }

  targets(): Value {
    return this.builder.input('targets', [this.tokens], 'int')
  }

  private table(name: string, shape: readonly number[], fill: () => Float32Array): Value {
    const known = this.tables.get(name) ?? this.builder.constant(fill(), shape)
    this.tables.set(name, known)
    return known
  }

  norm(x: Value, name: string): Value {
    return this.builder.layerNorm(
      x,
      this.weight(`${name}.weight`),
      this.weight(`${name}.bias`),
      this.architecture.layerNormEpsilon
    ).y
  }

  /** x W + b with W as the architecture stores it. */
  linear(x: Value, matrix: Value, bias: Value): Value {
    return this.builder.add(
      this.builder.matmul(x, matrix, { transposeB: this.architecture.family === 'gpt_neox' }),
      bias
    )
  }

  /** Rotation of q and k [..., positions, width] by position, and the root of the scale 1/√width on both. */
  private rotate(x: Value): Value {
    const { builder, extent } = this
    const { rotaryDimensions, rotaryBase, hidden, heads } = this.architecture
    const width = hidden / heads
    const half = rotaryDimensions / 2
    const scale = width ** -0.25
    const turn = this.table('turn', [width, width], () => {
      const matrix = new Float32Array(width * width)
      for (let i = 0; i < half; i++) {
        matrix[(i + half) * width + i] = -1
        matrix[i * width + i + half] = 1
      }
      return matrix
    })
    const angles = (fill: (angle: number) => number, rest: number): Float32Array =>
      Float32Array.from({ length: extent.positions * width }, (_, at) => {
        const [position, i] = [Math.floor(at / width), at % width]
        return (
          scale * (i < rotaryDimensions ? fill(position * rotaryBase ** (-(2 * (i % half)) / rotaryDimensions)) : rest)
        )
      })
    const cosines = this.table('cosines', [extent.positions, width], () => angles(Math.cos, 1))
    const sines = this.table('sines', [extent.positions, width], () => angles(Math.sin, 0))
    const flat = builder.reshape(x, [size(x.shape) / width, width])
    const turned = builder.reshape(builder.matmul(flat, turn), x.shape)
    return builder.add(builder.mul(x, cosines), builder.mul(turned, sines))
  }

  /**
   * Causal attention of `heads` heads from q|k|v [.., tokens, 3 · heads · width]; gives their outputs side by side,
   * as rows of heads · width.
   */
  attend(qkv: Value, heads: number): Value {
    const { builder, extent } = this
    const { family, hidden } = this.architecture
    const width = hidden / this.architecture.heads
    const { positions } = extent
    const count = size(qkv.shape) / (3 * heads * width * positions)
    const perHead = family === 'gpt_neox'
    const parts = builder.reshape(
      qkv,
      perHead ? [count, positions, heads, 3, width] : [count, positions, 3, heads, width]
    )
    const grouped = builder.transpose(parts, perHead ? [3, 0, 2, 1, 4] : [2, 0, 3, 1, 4])
    const [qk, v] = builder.split(grouped, 0, [2, 1])
    const placed = this.architecture.rotaryDimensions > 0 ? this.rotate(qk) : builder.scale(qk, width ** -0.25)
    const [q, k] = builder.split(placed, 0, [1, 1])
    const sideBySide = (mixed: Value): Value =>
      builder.reshape(builder.transpose(builder.reshape(mixed, [count, heads, positions, width]), [0, 2, 1, 3]), [
        count * positions,
        heads * width
      ])
    if (extent.queries !== undefined) {
      const [queries, keys, values] = [q, k, v].map((x) => builder.reshape(x, [count * heads, positions, width]))
      return sideBySide(builder.causalAttention(queries, keys, values, extent.queries))
    }
    const mask = this.table('mask', [positions, positions], () =>
      Float32Array.from({ length: positions * positions }, (_, at) =>
        at % positions > Math.floor(at / positions) ? -1e30 : 0
      )
    )
    const scores = builder.add(builder.matmul(q, k, { transposeB: true }), mask)
    return sideBySide(builder.matmul(builder.softmax(scores), v))
  }

  /** All heads of a layer, before the projection: [tokens, d]. */
  attention(layer: number, x: Value): Value {
    const { attentionNorm, qkv } = this.names(layer)
    return this.attend(
      this.linear(this.norm(x, attentionNorm), this.weight(`${qkv}.weight`), this.weight(`${qkv}.bias`)),
      this.architecture.heads
    )
  }

  project(layer: number, attended: Value): Value {
    const { projection } = this.names(layer)
    return this.linear(attended, this.weight(`${projection}.weight`), this.weight(`${projection}.bias`))
  }

  mlp(layer: number, source: Value): Value {
    const { mlpNorm, mlpIn, mlpOut } = this.names(layer)
    const inner = this.linear(this.norm(source, mlpNorm), this.weight(`${mlpIn}.weight`), this.weight(`${mlpIn}.bias`))
    const active = this.builder.gelu(inner, this.architecture.activation === 'gelu_tanh')
    return this.linear(active, this.weight(`${mlpOut}.weight`), this.weight(`${mlpOut}.bias`))
  }

  /** A whole layer: the residual stream after attention, and after the MLP. */
  layer(layer: number, x: Value): { attended: Value; middle: Value; after: Value } {
    const attended = this.attention(layer, x)
    const middle = this.builder.add(x, this.project(layer, attended))
    const after = this.builder.add(middle, this.mlp(layer, this.architecture.parallelResidual ? x : middle))
    return { attended, middle, after }
  }

  /** Layers from `layer` on, and the loss. */
  above(layer: number, x: Value, exact: boolean): Value {
    let stream = x
    for (let i = layer; i < this.architecture.layers; i++) stream = this.layer(i, stream).after
    return this.lossOf(stream, exact)
  }

  /** Losses [tokens] from the final stream. */
  lossOf(stream: Value, exact: boolean): Value {
    const hidden = this.norm(stream, this.names(0).finalNorm)
    return exact ? this.exactLoss(hidden) : this.centredLoss(hidden)
  }

  /**
   * The unembedding less its mean row at w*, with rows of zeros up to whole blocks: each replica's own, or the one of
   * all.
   */
  private centredUnembeddings(rows: number): readonly Value[] {
    const {
      builder,
      architecture: { hidden, vocabulary }
    } = this
    const { unembedding } = this.names(0)
    if (!this.own.has(unembedding)) return [builder.input(unembeddingName.centred, [rows, hidden])]
    return this.matricesOf(unembedding).map((own) => {
      const centred = builder.sub(own, builder.input(unembeddingName.centre, [1, hidden]))
      return rows === vocabulary
        ? centred
        : builder.concat(
            [
              centred,
              this.table('filling', [rows - vocabulary, hidden], () => new Float32Array((rows - vocabulary) * hidden))
            ],
            0
          )
    })
  }

  /**
   * Products of hidden states with a row of the unembedding each, both [.., tokens, d], as rows of one number. They
   * are rounded where those with all rows are, so that the losses of tokens that the model is sure of stay small; but
   * as products of matrices with one row and one column they would take a device as long as the vocabulary.
   */
  ownLogits(hidden: Value, rows: Value): Value {
    const { builder } = this
    const product = builder.mul(builder.rounded(hidden, 'operand'), builder.rounded(rows, 'operand'))
    return this.rows(builder.rounded(builder.sum(product, [product.shape.length - 1]), 'product'))
  }

  /**
   * Losses without keeping any logits; the logarithms of their sums become the output `logSums`, one for each loss.
   * See `logSumBounds`.
   */
  private centredLoss(hidden: Value): Value {
    const {
      builder,
      tokens,
      lead,
      stacked,
      architecture: { vocabulary }
    } = this
    const { block, rows } = vocabularyBlocks(vocabulary)
    const unembeddings = this.centredUnembeddings(rows)
    const width = hidden.shape[1]
    // The hidden states of one replica, where each has an unembedding of its own, or all of them; they are the same
    // for all where nothing is below.
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
          .map((part) => builder.exponentialSums(part, unembeddings[at], vocabulary, block).sums)
      ),
      0
    )
    const logSums = builder.log(sums)
    builder.output('logSums', builder.reshape(logSums, [stacked]))
    if (this.own.has(this.names(0).unembedding)) this.ownTargetRows = builder.input('target rows', [stacked, width])
    const gathered = this.ownTargetRows ?? builder.gather(unembeddings[0], this.targets())
    const each = (x: Value): Value => builder.reshape(x, [...lead.map(() => x.shape[0] / tokens), tokens, width])
    return builder.reshape(builder.sub(logSums, this.ownLogits(each(hidden), each(gathered))), [stacked])
  }

  /** Losses from all logits of a chunk of tokens at a time. */
  private exactLoss(hidden: Value): Value {
    const { builder, tokens } = this
    const unembedding = this.weight(this.names(0).unembedding)
    const lossChunk = Math.max(16, Math.min(256, Math.floor(logitBytes / (4 * this.architecture.vocabulary))))
    const sizes = Array.from({ length: Math.ceil(tokens / lossChunk) }, (_, chunk) =>
      Math.min(lossChunk, tokens - chunk * lossChunk)
    )
    const targets = builder.split(this.targets(), 0, sizes)
    return builder.concat(
      builder.split(hidden, 0, sizes).map((part, chunk) => builder.unembedLoss(part, unembedding, targets[chunk]).loss),
      0
    )
  }
}

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

export const unembeddingWeight = (architecture: Architecture): string => weightNames(architecture, 0).unembedding

/**
 * The tensors whose rows the stream before the first layer is made of: one for a token's id, and one for its position
 * where positions are learned.
 */
export const embeddingTables = (architecture: Architecture): readonly string[] => {
  const { embedding, positions } = weightNames(architecture, 0)
  return architecture.family === 'gpt2' ? [embedding, positions] : [embedding]
}

/** Names of the activations that `prefixGraph` gives and `pieceGraph` takes. */
export const activationName = {
  /** Input of a layer; of the layer after the last one, the final stream before its norm. */
  stream: (layer: number): string => `stream:${layer}`,
  /** The stream after a layer's attention. */
  middle: (layer: number): string => `middle:${layer}`,
  /** A layer's heads' outputs, side by side, before the projection. */
  attended: (layer: number): string => `attended:${layer}`
}

/** Bytes of the activations at w* that replicas of any component start from, for so many target positions. */
export const prefixBytes = ({ layers, hidden }: Architecture, targets: number): number =>
  4 * (3 * layers + 1) * hidden * targets

/**
 * Forward at w*: inputs the stream before the first layer and weights; outputs every other activation of
 * `activationName`, [tokens, d] each.
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

/** Shapes of a component's slices in their flattened order; heads' slices only depend on the architecture. */
export type SliceShapes = readonly (readonly number[])[]

const slice = (index: number): string => `slice:${index}`

/**
 * What the heads of some replicas come to at w*, before the projection and as their part of it, as `afterHead` takes
 * them.
 */
const headsAtStar = (
  transformer: TransformerBuilder,
  layer: number,
  replicas: number
): { readonly attended: Value; readonly projection: Value } => {
  const {
    builder,
    architecture: { family, hidden, heads },
    tokens
  } = transformer
  const width = hidden / heads
  const chosen = builder.input('head:index', [replicas], 'int')
  const byHead = (x: Value, rows: number): Value =>
    builder.reshape(builder.transpose(builder.reshape(x, [rows, heads, width]), [1, 0, 2]), [heads, rows * width])
  const matrix = transformer.weight(`${transformer.names(layer).projection}.weight`)
  const projections = family === 'gpt_neox' ? byHead(matrix, hidden) : builder.reshape(matrix, [heads, width * hidden])
  return {
    attended: builder.reshape(
      builder.gather(byHead(transformer.activation(activationName.attended(layer)), tokens), chosen),
      [replicas, tokens, width]
    ),
    projection: builder.reshape(builder.gather(projections, chosen), [
      replicas,
      ...(family === 'gpt_neox' ? [hidden, width] : [width, hidden])
    ])
  }
}

/** The stream after a layer when the own weights of one of its heads replace w*. */
export const afterHead = (transformer: TransformerBuilder, layer: number, slices: readonly Value[]): Value => {
  const { builder, architecture, lead, tokens } = transformer
  const { attentionNorm } = transformer.names(layer)
  const neox = architecture.family === 'gpt_neox'
  const width = architecture.hidden / architecture.heads
  const x = transformer.activation(activationName.stream(layer))
  const y = transformer.norm(x, attentionNorm)
  const [matrix, bias] = neox
    ? slices
    : [builder.concat(slices.slice(0, 3), lead.length + 1), builder.concat(slices.slice(3, 6), lead.length)]
  const own = slices[slices.length - 1]
  const project = (attended: Value, projection: Value): Value =>
    builder.matmul(attended, projection, { transposeB: neox })
  const attended = builder.reshape(transformer.attend(transformer.linear(y, matrix, transformer.spread(bias)), 1), [
    ...lead,
    tokens,
    width
  ])
  const star =
    lead.length > 0
      ? headsAtStar(transformer, layer, lead[0])
      : {
          attended: transformer.activation('head:attended', width),
          projection: builder.input('head:projection', own.shape)
        }
  const before = project(star.attended, star.projection)
  const change = builder.sub(project(attended, own), before)
  if (architecture.parallelResidual)
    return transformer.rows(builder.add(transformer.activation(activationName.stream(layer + 1)), change))
  const middle = transformer.rows(builder.add(transformer.activation(activationName.middle(layer)), change))
  return builder.add(middle, transformer.mlp(layer, middle))
}

/** The stream after a layer whose MLP's weights are a replica's own. */
export const afterMlp = (transformer: TransformerBuilder, layer: number): Value => {
  const middle = transformer.activation(activationName.middle(layer))
  const source = transformer.architecture.parallelResidual
    ? transformer.activation(activationName.stream(layer))
    : middle
  return transformer.rows(transformer.builder.add(middle, transformer.mlp(layer, source)))
}

/**
 * A replica's program: its own piece at its own weights, the layers above it and the loss at w*. Inputs: `slice:n`
 * for each slice of the component, the prefix's activations it starts from, `targets`, the weights above, and for a
 * head `head:attended` [tokens, width] and `head:projection`, its own output and projection at w*. Outputs: `losses`
 * [tokens] and, if asked for, `gradient:n`, the gradient of the sum of the losses with respect to each slice. Where
 * tables of embeddings are a replica's own, the input `embedded` [tokens, d] is the stream that they come to and the
 * output `gradient:embedded` its slope; as slices there are only those that the loss takes too. Where the unembedding
 * is a replica's own, the input `target rows` [tokens, d] is what `targetRows` gives, and what `gradient:targets` is
 * the slope of is not in `gradient:n`. `exact` keeps all logits and holds for any weights; without it there is an
 * output `logSums` [tokens] beside, and the others hold where that is within `logSumBounds`.
 *
 * With `replicas` in the extent, a program of as many replicas of one piece, heads of one layer among them: slices,
 * losses and gradients have an axis of replicas before theirs, the prefix's activations are the same for all, and for
 * heads there is an input `head:index` [replicas] in place of those two. It is not for `full`, nor `exact`.
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
    embedded === undefined
      ? []
      : embeddingTables(architecture).filter((name) => name !== unembeddingWeight(architecture))
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
