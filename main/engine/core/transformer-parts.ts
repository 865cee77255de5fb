import type { Architecture } from '../../models/architecture'
import { type BlockTensors, type Layout, type OuterTensors, familyOf, tensorShapes } from '../../models/architectures'
import type { Extent } from './extent'
import { GraphBuilder, type Value, size } from './graph'

/** Shapes of all weights, which every program of a model asks for. */
const shapes = new WeakMap<Architecture, ReadonlyMap<string, readonly number[]>>()

const shapesOf = (architecture: Architecture): ReadonlyMap<string, readonly number[]> => {
  const known = shapes.get(architecture) ?? tensorShapes(architecture)
  shapes.set(architecture, known)
  return known
}

/**
 * What the pieces of one transformer over one extent are made of, added to one graph: weights, tables, norms and
 * products. Activations are [tokens, d] with tokens = count · positions, row after row; from a replica's own weights
 * on, [replicas · tokens, d], replica after replica. Weights are w* but for those in `own`.
 */
export class TransformerParts {
  readonly builder = new GraphBuilder()
  readonly tokens: number
  /** Weights that are a replica's own, with the axis of `lead` before theirs. */
  readonly own = new Map<string, Value>()
  /** The axis of replicas, where several are computed together. */
  readonly lead: readonly number[]
  /** Rows for the targets of a replica's own unembedding, less the centre, if the loss takes them. */
  ownTargetRows: Value | undefined
  private readonly tables = new Map<string, Value>()
  /** How the architecture stores its matrices. */
  readonly layout: Layout
  /** Names of the tensors outside of the blocks. */
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

  /** Tokens of all replicas. */
  get stacked(): number {
    return size(this.lead) * this.tokens
  }

  /** What is [replicas, tokens, width], or comes from one replica, as rows. */
  rows(x: Value): Value {
    return this.builder.reshape(x, [size(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!])
  }

  /** A matrix of weights: each replica's own, or the one of all. */
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

  /** A vector of the replicas, which is added to activations. */
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

  /** A constant, made once for each name. */
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
