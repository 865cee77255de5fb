import type { Precision } from '../../../preload/precisions'
import { type Graph, type Value, valuesRead } from '../core'
import { type Attribute, type OnnxNode, type OnnxTensor, elementType } from './protobuf'

export const bytes = (array: Float32Array | BigInt64Array | Int32Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** Products of numbers that are first rounded to a format. */
export interface RoundedProducts {
  readonly format: Exclude<Precision, 'float32'>
  /**
   * Whether float32 operators multiply the rounded numbers: the same as a device that has operators of the format, up
   * to the order of its sums. Without it those operators are used; TF32 has none, as a device rounds for itself.
   */
  readonly emulated: boolean
}

/** Element types of the formats that have operators of their own. */
const halfTypes = { float16: elementType.float16, bfloat16: elementType.bfloat16 } as const

/**
 * x (2¹³ + 1) - (x (2¹³ + 1) - x) keeps 24 - 13 = 11 bits of x, as TF32 has, to nearest (Dekker 1971, Veltkamp's
 * splitting).
 */
const tf32Factor = 2 ** 13 + 1

/** The nodes and constants that a graph is lowered to, and what several of its operations share. */
export class OnnxNodes {
  readonly nodes: OnnxNode[] = []
  readonly initializers: OnnxTensor[] = []
  private readonly shared = new Map<string, string>()
  /** Inputs of GELUs whose slope is taken too: those share its parts, the others are one fused operator. */
  readonly sloped = new Set<string>()
  /** Values that a node or an output of the graph takes. */
  readonly read: ReadonlySet<number>
  private temporaries = 0

  constructor(
    graph: Graph,
    /** Bytes of exponentials at once, on a device; undefined on a processor. */
    readonly partBytes: number | undefined,
    readonly products: RoundedProducts | undefined
  ) {
    if (products !== undefined && partBytes === undefined)
      throw new Error('rounded products are lowered as for a device')
    this.read = valuesRead(graph)
    for (const { operation, inputs } of graph.nodes)
      if (operation.kind === 'geluSlope') this.sloped.add(this.name(inputs[0]))
    for (const [value, data] of graph.constants)
      this.initializers.push({ name: this.name(value), type: elementType.float, dims: value.shape, data: bytes(data) })
  }

  name(value: Value): string {
    return `v${value.id}`
  }

  /** A name for what nothing else names. */
  temporary(): string {
    return `t${this.temporaries++}`
  }

  emit(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output = `t${this.temporaries++}`
  ): string {
    this.nodes.push({ opType, input, output: [output], attributes })
    return output
  }

  /** What `make` names, made once for each key. */
  once(key: string, make: () => string): string {
    const name = this.shared.get(key) ?? make()
    this.shared.set(key, name)
    return name
  }

  scalar(x: number): string {
    return this.once(`scalar ${x}`, () => {
      const name = `scalar${this.initializers.length}`
      this.initializers.push({ name, type: elementType.float, dims: [], data: bytes(Float32Array.of(x)) })
      return name
    })
  }

  integers(values: readonly number[]): string {
    return this.once(`integers ${values.join()}`, () => {
      const name = `integers${this.initializers.length}`
      this.initializers.push({
        name,
        type: elementType.int64,
        dims: [values.length],
        data: bytes(BigInt64Array.from(values, BigInt))
      })
      return name
    })
  }

  cast(x: string, to: number, output?: string): string {
    return this.emit('Cast', [x], { to }, output)
  }

  /** x rounded to the format of products, in float32. */
  rounded(x: string, format: RoundedProducts['format'], output?: string): string {
    if (format !== 'tf32') return this.cast(this.cast(x, halfTypes[format]), elementType.float, output)
    const far = this.emit('Mul', [x, this.scalar(tf32Factor)])
    return this.emit('Sub', [far, this.emit('Sub', [far, x])], {}, output)
  }

  /**
   * A Gemm or MatMul of two operands in the format of products: an operator of a half format gives back the type that
   * it takes, so its result is rounded too.
   */
  product(
    opType: 'Gemm' | 'MatMul',
    operands: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string
  ): string {
    if (this.products === undefined) return this.emit(opType, operands, attributes, output)
    const { format, emulated } = this.products
    if (emulated) {
      const own = operands.map((x) => this.once(`rounded ${x}`, () => this.rounded(x, format)))
      return format === 'tf32'
        ? this.emit(opType, own, attributes, output)
        : this.rounded(this.emit(opType, own, attributes), format, output)
    }
    if (format === 'tf32') return this.emit(opType, operands, attributes, output)
    const halves = operands.map((x) => this.once(`half ${x}`, () => this.cast(x, halfTypes[format])))
    return this.cast(this.emit(opType, halves, attributes), elementType.float, output)
  }

  /** Whether products take numbers of float16's range or bfloat16's few digits. */
  get half(): boolean {
    return this.products !== undefined && this.products.format !== 'tf32'
  }
}
