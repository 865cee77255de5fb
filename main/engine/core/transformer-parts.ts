import type { Architecture } from '../../models/architecture'
import { type BlockTensors, type Layout, type OuterTensors, familyOf, tensorShapes } from '../../models/architectures'
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
  /** How the architecture stores its matrices. */
  readonly layout: Layout
  /** Names of the tensors outside the blocks. */
  readonly outer: OuterTensors
  private readonly matrices = new Map<string, readonly Value[]>()

  constructor(
    readonly architecture: Architecture,
    readonly extent: Extent
  ) {
    const family = familyOf(architecture)
    this.layout = family.layout
    this.outer = family.outerTensors(architecture)
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
    return familyOf(this.architecture).blockTensors(layer)
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
    return this.builder.add(this.builder.matmul(x, matrix, { transposeB: this.layout.matrices === 'out, in' }), bias)
  }
}
