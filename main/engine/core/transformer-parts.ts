import type { Architecture } from '../../models/architecture'
import {
  type BlockParts,
  type BlockTensors,
  type OuterTensors,
  blockTensorsOf,
  familyOf,
  outerTensorsOf,
  tensorShapes
} from '../../models/architectures'
import type { Extent } from './extent'
import { GraphBuilder, type Value, size } from './graph'

/** Shapes of all weights, cached because every program of a model needs them. */
const shapes = new WeakMap<Architecture, ReadonlyMap<string, readonly number[]>>()

const shapesOf = (architecture: Architecture): ReadonlyMap<string, readonly number[]> => {
  const known = shapes.get(architecture) ?? tensorShapes(architecture)
  shapes.set(architecture, known)
  return known
}

/**
 * Building blocks of a transformer in one graph: weights, tables, norms and products. Activations are [tokens, d]
 * with tokens = count · positions, row by row; after a replica's own weights, [replicas · tokens, d], replica by
 * replica. Weights are w*, except those in `own`.
 */
export class TransformerParts {
  readonly builder = new GraphBuilder()
  readonly tokens: number
  /** A replica's own weights, with the axes of `lead` in front. */
  readonly own = new Map<string, Value>()
  /** The axis of replicas, if several are computed together. */
  readonly lead: readonly number[]
  /** Rows of a replica's own unembedding for the targets, less the centre, if the loss uses them. */
  ownTargetRows: Value | undefined
  private readonly tables = new Map<string, Value>()
  /** Parts of the architecture's blocks. */
  readonly layout: BlockParts
  /** Names of the tensors outside the blocks. */
  readonly outer: OuterTensors
  private readonly matrices = new Map<string, readonly Value[]>()

  constructor(
    readonly architecture: Architecture,
    readonly extent: Extent
  ) {
    this.layout = familyOf(architecture).parts
    this.outer = outerTensorsOf(architecture)
    this.tokens = extent.count * extent.positions
    this.lead = extent.replicas === undefined ? [] : [extent.replicas]
  }

  /** Number of tokens over all replicas. */
  get stacked(): number {
    return size(this.lead) * this.tokens
  }

  /** Reshapes [replicas, tokens, width], or the output of one replica, to rows. */
  rows(x: Value): Value {
    return this.builder.reshape(x, [size(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!])
  }

  /** A weight matrix: each replica's own, or one for all. */
  matricesOf(name: string): readonly Value[] {
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

  /** A vector per replica, shaped to be added to activations. */
  spread(bias: Value): Value {
    return this.builder.reshape(bias, [...this.lead, ...this.lead.map(() => 1), bias.shape.at(-1)!])
  }

  weight(name: string): Value {
    return this.own.get(name) ?? this.builder.input(name, shapesOf(this.architecture).get(name)!)
  }

  /** Names of a block's tensors. */
  names(layer: number): BlockTensors {
    return blockTensorsOf(this.architecture, layer)
  }

  activation(name: string, width = this.architecture.hidden): Value {
    return this.builder.input(name, [this.tokens, width])
  }

  targets(): Value {
    return this.builder.input('targets', [this.tokens], 'int')
  }

  /** A constant, created once per name. */
  table(name: string, shape: readonly number[], fill: () => Float32Array): Value {
    const known = this.tables.get(name) ?? this.builder.constant(fill(), shape)
    this.tables.set(name, known)
    return known
  }

  private filled(value: 0 | 1, length: number): Value {
    return this.table(`${value} ${length}`, [length], () => new Float32Array(length).fill(value))
  }

  /** The norm of this name over the last axis. */
  norm(x: Value, name: string): Value {
    const { builder, layout } = this
    const { normEpsilon } = this.architecture
    const width = x.shape.at(-1)!
    const scale = (): Value => this.weight(`${name}.weight`)
    switch (layout.norm) {
      case 'layer':
        return builder.layerNorm(x, scale(), this.weight(`${name}.bias`), normEpsilon).y
      case 'bare':
        return builder.layerNorm(x, this.filled(1, width), this.filled(0, width), normEpsilon).y
      case 'rms':
        return builder.rmsNorm(x, scale(), normEpsilon).y
      case 'rms + 1':
        return builder.rmsNorm(x, builder.add(scale(), this.filled(1, width)), normEpsilon).y
    }
  }

  /** x W + b with W as the architecture stores it. */
  linear(x: Value, matrix: Value, bias: Value | undefined): Value {
    const product = this.builder.matmul(x, matrix, { transposeB: this.layout.matrices === 'out, in' })
    return bias === undefined ? product : this.builder.add(product, bias)
  }

  /** The product with a matrix of this name, and its bias if it has one. */
  product(x: Value, name: string, biased: boolean): Value {
    return this.linear(x, this.weight(`${name}.weight`), biased ? this.weight(`${name}.bias`) : undefined)
  }

  /** What logits are products with, [.., tokens, `lossWidth`], from the final stream. A bias is that of a last one. */
  finalHidden(stream: Value): Value {
    const hidden = this.norm(stream, this.outer.finalNorm)
    if (this.outer.unembeddingBias === undefined) return hidden
    const tokens = hidden.shape[0]
    const ones = this.table(`ones ${tokens}`, [tokens, 1], () => new Float32Array(tokens).fill(1))
    return this.builder.concat([hidden, ones], 1)
  }

  /** The unembedding as stored, with its bias as a last column: one for each replica, or one for all. */
  unembeddings(): readonly Value[] {
    const { unembedding, unembeddingBias } = this.outer
    const matrices = this.matricesOf(unembedding)
    if (unembeddingBias === undefined) return matrices
    const biases = this.matricesOf(unembeddingBias)
    return matrices.map((matrix, at) =>
      this.builder.concat([matrix, this.builder.reshape(biases[at % biases.length], [matrix.shape[0], 1])], 1)
    )
  }
}
