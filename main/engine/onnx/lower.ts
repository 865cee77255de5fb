import type { Precision } from '../../../preload/precisions'
import { type Graph, type Node, type Value, partRows, valuesRead } from '../core'
import { type Attribute, type OnnxNode, type OnnxTensor, elementType, encodeModel } from './protobuf'

const bytes = (array: Float32Array | BigInt64Array | Int32Array): Uint8Array =>
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

/**
 * Rows of a table [R, d], by the name of a part of it, and the exponentials [M, rows] of the hidden states' products
 * with them.
 */
interface Part {
  readonly rows: number
  readonly part: string
  readonly exponentials: string
}

/** Lowers a graph to standard ONNX operators (opset 20), one small group of nodes for each of ours. */
class Lowering {
  readonly nodes: OnnxNode[] = []
  readonly initializers: OnnxTensor[] = []
  private readonly shared = new Map<string, string>()
  /** Inputs of GELUs whose slope is taken too: those share its parts, the others are one fused operator. */
  private readonly sloped = new Set<string>()
  /** Values that a node or an output of the graph takes. */
  private readonly read: ReadonlySet<number>
  private temporaries = 0

  constructor(
    private readonly graph: Graph,
    private readonly partBytes: number | undefined,
    private readonly products: RoundedProducts | undefined
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

  private emit(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output = `t${this.temporaries++}`
  ): string {
    this.nodes.push({ opType, input, output: [output], attributes })
    return output
  }

  /** What `make` names, made once for each key. */
  private once(key: string, make: () => string): string {
    const name = this.shared.get(key) ?? make()
    this.shared.set(key, name)
    return name
  }

  private scalar(x: number): string {
    return this.once(`scalar ${x}`, () => {
      const name = `scalar${this.initializers.length}`
      this.initializers.push({ name, type: elementType.float, dims: [], data: bytes(Float32Array.of(x)) })
      return name
    })
  }

  private integers(values: readonly number[]): string {
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

  private cast(x: string, to: number, output?: string): string {
    return this.emit('Cast', [x], { to }, output)
  }

  /** x rounded to the format of products, in float32. */
  private rounded(x: string, format: RoundedProducts['format'], output?: string): string {
    if (format !== 'tf32') return this.cast(this.cast(x, halfTypes[format]), elementType.float, output)
    const far = this.emit('Mul', [x, this.scalar(tf32Factor)])
    return this.emit('Sub', [far, this.emit('Sub', [far, x])], {}, output)
  }

  /**
   * A Gemm or MatMul of two operands in the format of products: an operator of a half format gives back the type that
   * it takes, so its result is rounded too.
   */
  private product(
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

  private roundedAs(as: 'operand' | 'product', x: string, output: string): void {
    if (this.products === undefined || (as === 'product' && !this.half)) this.emit('Identity', [x], {}, output)
    else this.rounded(x, this.products.format, output)
  }

  /** Whether products take numbers of float16's range or bfloat16's few digits. */
  private get half(): boolean {
    return this.products !== undefined && this.products.format !== 'tf32'
  }

  private matmul(a: Value, b: Value, transposeA: boolean, transposeB: boolean, output: string): void {
    if (a.shape.length === 2 && b.shape.length === 2) {
      this.product(
        'Gemm',
        [this.name(a), this.name(b)],
        { transA: Number(transposeA), transB: Number(transposeB) },
        output
      )
      return
    }
    const operand = (value: Value, transposed: boolean): string => {
      if (!transposed) return this.name(value)
      const rank = value.shape.length
      const perm = [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2]
      return this.once(`transposed ${value.id}`, () => this.emit('Transpose', [this.name(value)], { perm }))
    }
    this.product('MatMul', [operand(a, transposeA), operand(b, transposeB)], {}, output)
  }

  /** The standard normal distribution function Φ(x), shared by GELU and its slope. */
  private normalCdf(x: string): string {
    return this.once(`cdf ${x}`, () => {
      const erf = this.emit('Erf', [this.emit('Mul', [x, this.scalar(Math.SQRT1_2)])])
      return this.emit('Add', [this.emit('Mul', [erf, this.scalar(0.5)]), this.scalar(0.5)])
    })
  }

  /** tanh(√(2/π)(x + 0.044715 x³)) and x², shared by the tanh form of GELU and its slope. */
  private geluTanh(x: string): { square: string; tanh: string } {
    const square = this.once(`square ${x}`, () => this.emit('Mul', [x, x]))
    const tanh = this.once(`tanh ${x}`, () => {
      const inner = this.emit('Add', [
        this.emit('Mul', [square, this.scalar(0.044715 * Math.sqrt(2 / Math.PI))]),
        this.scalar(Math.sqrt(2 / Math.PI))
      ])
      return this.emit('Tanh', [this.emit('Mul', [x, inner])])
    })
    return { square, tanh }
  }

  private gelu(x: string, tanh: boolean, output: string): void {
    if (!this.sloped.has(x)) {
      this.emit('Gelu', [x], { approximate: { text: tanh ? 'tanh' : 'none' } }, output)
      return
    }
    if (!tanh) {
      this.emit('Mul', [x, this.normalCdf(x)], {}, output)
      return
    }
    const half = this.emit('Mul', [x, this.scalar(0.5)])
    this.emit('Mul', [half, this.emit('Add', [this.geluTanh(x).tanh, this.scalar(1)])], {}, output)
  }

  private geluSlope(x: string, tanh: boolean, output: string): void {
    if (!tanh) {
      const density = this.emit('Mul', [
        this.emit('Exp', [this.emit('Mul', [this.emit('Mul', [x, x]), this.scalar(-0.5)])]),
        this.scalar(1 / Math.sqrt(2 * Math.PI))
      ])
      this.emit('Add', [this.normalCdf(x), this.emit('Mul', [x, density])], {}, output)
      return
    }
    const shape = this.geluTanh(x)
    const half = this.emit('Add', [this.emit('Mul', [shape.tanh, this.scalar(0.5)]), this.scalar(0.5)])
    const secant = this.emit('Sub', [this.scalar(1), this.emit('Mul', [shape.tanh, shape.tanh])])
    const inner = this.emit('Add', [
      this.emit('Mul', [shape.square, this.scalar(3 * 0.044715 * Math.sqrt(0.5 / Math.PI))]),
      this.scalar(Math.sqrt(0.5 / Math.PI))
    ])
    this.emit('Add', [half, this.emit('Mul', [this.emit('Mul', [x, secant]), inner])], {}, output)
  }

  private unembedLoss([hidden, unembedding, ids]: readonly Value[], loss: string, logProbabilities: string): void {
    const logits = this.product('Gemm', [this.name(hidden), this.name(unembedding)], { transB: 1 })
    this.emit('LogSoftmax', [logits], { axis: 1 }, logProbabilities)
    const column = this.emit('Unsqueeze', [this.name(ids), this.integers([1])])
    const chosen = this.emit('GatherElements', [logProbabilities, column], { axis: 1 })
    this.emit('Neg', [this.emit('Squeeze', [chosen, this.integers([1])])], {}, loss)
  }

  /** The table [R, d] as [R / block, block, d]. */
  private blocks(table: Value, block: number): string {
    const [rows, width] = table.shape
    return this.once(`blocks ${table.id} ${block}`, () =>
      this.emit('Reshape', [this.name(table), this.integers([rows / block, block, width])])
    )
  }

  /**
   * A Scan over blocks of the table, as it hands its body views of them and keeps one block's exponentials at a time,
   * which fit in a core's cache: written as nodes of one graph, onnxruntime would compute all blocks' exponentials
   * before it sums the second time.
   */
  private exponentialSums(
    [hidden, table]: readonly Value[],
    [sums, weighted]: readonly Value[],
    vocabulary: number,
    block: number
  ): void {
    if (this.partBytes !== undefined)
      return this.exponentialSumsAtOnce(
        this.exponentialParts(hidden, table, block, this.partBytes),
        [hidden, table, sums, weighted],
        vocabulary,
        block
      )
    const [tokens, width] = hidden.shape
    const withWeighted = this.read.has(weighted.id)
    const [start, body] = [`t${this.temporaries++}`, `s${sums.id}.`]
    const type = elementType.float
    this.initializers.push({
      name: start,
      type,
      dims: [tokens, 1],
      data: bytes(new Float32Array(tokens).fill(vocabulary - table.shape[0]))
    })
    const zeros = withWeighted
      ? [this.once(`zeros ${tokens} ${width}`, () => this.emit('ConstantOfShape', [this.integers([tokens, width])]))]
      : []
    const nodes: OnnxNode[] = [
      {
        opType: 'Gemm',
        input: [this.name(hidden), `${body}rows`],
        output: [`${body}logits`],
        attributes: { transB: 1 }
      },
      { opType: 'Exp', input: [`${body}logits`], output: [`${body}exponentials`], attributes: {} },
      {
        opType: 'ReduceSum',
        input: [`${body}exponentials`, this.integers([1])],
        output: [`${body}own`],
        attributes: { keepdims: 1 }
      },
      { opType: 'Add', input: [`${body}before`, `${body}own`], output: [`${body}after`], attributes: {} },
      ...(withWeighted
        ? [
            {
              opType: 'Gemm',
              input: [`${body}exponentials`, `${body}rows`, `${body}weightedBefore`],
              output: [`${body}weightedAfter`],
              attributes: {}
            }
          ]
        : [])
    ]
    const state = (name: string, last: number) => ({ name: body + name, type, shape: [tokens, last] })
    this.nodes.push({
      opType: 'Scan',
      input: [start, ...zeros, this.blocks(table, block)],
      output: [this.name(sums), ...(withWeighted ? [this.name(weighted)] : [])],
      attributes: {
        num_scan_inputs: 1,
        body: {
          graph: {
            nodes,
            initializers: [],
            inputs: [
              state('before', 1),
              ...(withWeighted ? [state('weightedBefore', width)] : []),
              { name: `${body}rows`, type, shape: [block, width] }
            ],
            outputs: [state('after', 1), ...(withWeighted ? [state('weightedAfter', width)] : [])]
          }
        }
      }
    })
  }

  /** The table in parts of as many whole blocks as `partBytes` allow, and each part's exponentials [M, rows]. */
  private exponentialParts(hidden: Value, table: Value, block: number, partBytes: number): Part[] {
    const [[tokens], [rows]] = [hidden.shape, table.shape]
    const most = Math.max(1, Math.floor(Math.min(partBytes / (4 * tokens), partRows) / block)) * block
    const sizes = Array.from({ length: Math.ceil(rows / most) }, (_, at) => Math.min(most, rows - at * most))
    const parts = sizes.map((_, at) => (sizes.length === 1 ? this.name(table) : `part${table.id}.${most}.${at}`))
    if (sizes.length > 1) {
      this.once(`parts ${table.id} ${most}`, () => {
        this.nodes.push({
          opType: 'Split',
          input: [this.name(table), this.integers(sizes)],
          output: parts,
          attributes: { axis: 0 }
        })
        return parts[0]
      })
    }
    return parts.map((part, at) => ({
      rows: sizes[at],
      part,
      exponentials: this.once(`exponentials ${hidden.id} ${part}`, () =>
        this.emit('Exp', [this.product('Gemm', [this.name(hidden), part], { transB: 1 })])
      )
    }))
  }

  /**
   * Σ of a part's exponentials times its rows, where `sum` is that of its exponentials: these leave float16's range,
   * and their shares of it do not.
   */
  private weightedRows(exponentials: string, sum: string, part: string): string {
    if (!this.half) return this.product('Gemm', [exponentials, part])
    const shares = this.emit('Mul', [exponentials, this.emit('Reciprocal', [sum])])
    return this.emit('Mul', [this.product('Gemm', [shares, part]), sum])
  }

  /**
   * On a device there is no core for a block to stay near, and to go round a loop is to wait for the processor. A
   * part is summed block by block, for its rounding. Its sums and its products are added to the others' side by side:
   * what follows needs all of both, so that no part's exponentials are kept until the next one's.
   */
  private exponentialSumsAtOnce(
    parts: readonly Part[],
    [hidden, table, sums, weighted]: readonly Value[],
    vocabulary: number,
    block: number
  ): void {
    const [tokens, width] = hidden.shape
    const withWeighted = this.read.has(weighted.id)
    const own = parts.map(({ rows, part, exponentials }) => {
      const blocks = this.emit(
        'ReduceSum',
        [this.emit('Reshape', [exponentials, this.integers([tokens, rows / block, block])]), this.integers([2])],
        { keepdims: 0 }
      )
      const sum = this.emit('ReduceSum', [blocks, this.integers([1])], { keepdims: 1 })
      return withWeighted ? this.emit('Concat', [sum, this.weightedRows(exponentials, sum, part)], { axis: 1 }) : sum
    })
    let total = own.reduce((sum, part) => this.emit('Add', [sum, part]))
    if (withWeighted) {
      const both = total
      total = `t${this.temporaries++}`
      this.nodes.push({
        opType: 'Split',
        input: [both, this.integers([1, width])],
        output: [total, this.name(weighted)],
        attributes: { axis: 1 }
      })
    }
    // A row of zeros adds exp(0).
    this.emit('Add', [total, this.scalar(vocabulary - table.shape[0])], {}, this.name(sums))
  }

  private exponentialSumsSlope([hidden, table, coefficients]: readonly Value[], output: string, block: number): void {
    const [rows, width] = table.shape
    if (this.partBytes !== undefined) {
      // A coefficient is about the inverse of the sum of a token's exponentials, which leave float16's range.
      const [left, right] = this.half
        ? [(exponentials: string) => this.emit('Mul', [exponentials, this.name(coefficients)]), this.name(hidden)]
        : [(exponentials: string) => exponentials, this.emit('Mul', [this.name(hidden), this.name(coefficients)])]
      const slopes = this.exponentialParts(hidden, table, block, this.partBytes).map(({ exponentials }) =>
        this.product('Gemm', [left(exponentials), right], { transA: 1 })
      )
      this.emit('Concat', slopes, { axis: 0 }, output)
      return
    }
    const weighted = this.emit('Mul', [this.name(hidden), this.name(coefficients)])
    const [stacked, body] = [`t${this.temporaries++}`, `${output}.`]
    const type = elementType.float
    this.nodes.push({
      opType: 'Scan',
      input: [this.blocks(table, block)],
      output: [stacked],
      attributes: {
        num_scan_inputs: 1,
        body: {
          graph: {
            nodes: [
              {
                opType: 'Gemm',
                input: [this.name(hidden), `${body}rows`],
                output: [`${body}logits`],
                attributes: { transB: 1 }
              },
              { opType: 'Exp', input: [`${body}logits`], output: [`${body}exponentials`], attributes: {} },
              {
                opType: 'Gemm',
                input: [`${body}exponentials`, weighted],
                output: [`${body}slope`],
                attributes: { transA: 1 }
              }
            ],
            initializers: [],
            inputs: [{ name: `${body}rows`, type, shape: [block, width] }],
            outputs: [{ name: `${body}slope`, type, shape: [block, width] }]
          }
        }
      }
    })
    this.emit('Reshape', [stacked, this.integers([rows, width])], {}, output)
  }

  /**
   * A Scan over the items of causal attention [N, T, w]. `block` adds the nodes for one block of queries, whose
   * slices it is given beside those of the keys and values up to its end, and the probabilities; `join` names the
   * body's outputs.
   */
  private causalScan(
    inputs: readonly Value[],
    outputs: readonly Value[],
    block: number,
    work: (part: {
      readonly emit: (
        opType: string,
        input: readonly string[],
        attributes?: Readonly<Record<string, Attribute>>
      ) => string
      readonly queries: (from: number) => string
      readonly earlier: (from: number) => string
      readonly probabilities: string
      readonly end: number
    }) => void,
    join: (nodes: OnnxNode[], body: string) => void
  ): void {
    const [, length, width] = inputs[0].shape
    const body = `${this.name(outputs[0])}.`
    const type = elementType.float
    const nodes: OnnxNode[] = []
    let count = 0
    const emit = (
      opType: string,
      input: readonly string[],
      attributes: Readonly<Record<string, Attribute>> = {}
    ): string => {
      const output = `${body}${count++}`
      nodes.push({ opType, input, output: [output], attributes })
      return output
    }
    const own = inputs.map((_, at) => `${body}item${at}`)
    for (let start = 0; start < length; start += block) {
      const end = Math.min(length, start + block)
      const slice = (at: number, from: number): string =>
        from === 0 && end === length
          ? own[at]
          : emit('Slice', [own[at], this.integers([from]), this.integers([end]), this.integers([0])])
      const mask = this.causalMask(start, end)
      const scores = emit('Gemm', [slice(0, start), slice(1, 0), mask], { transB: 1 })
      const probabilities = emit('Softmax', [scores], { axis: -1 })
      work({ emit, probabilities, end, queries: (at) => slice(at, start), earlier: (at) => slice(at, 0) })
    }
    join(nodes, body)
    const item = (name: string) => ({ name, type, shape: [length, width] })
    this.nodes.push({
      opType: 'Scan',
      input: inputs.map((value) => this.name(value)),
      output: outputs.map((value) => this.name(value)),
      attributes: {
        num_scan_inputs: inputs.length,
        body: {
          graph: {
            nodes,
            initializers: [],
            inputs: own.map(item),
            outputs: outputs.map((_, at) => item(`${body}out${at}`))
          }
        }
      }
    })
  }

  /** For queries from `start` to `end` and positions before `end`: 0 where a query may see one. */
  private causalMask(start: number, end: number): string {
    return this.once(`mask ${start} ${end}`, () => {
      const name = `mask${this.initializers.length}`
      const data = Float32Array.from({ length: (end - start) * end }, (_, at) =>
        at % end > start + Math.floor(at / end) ? -1e30 : 0
      )
      this.initializers.push({ name, type: elementType.float, dims: [end - start, end], data: bytes(data) })
      return name
    })
  }

  /**
   * For a device: probabilities of as many items at once as `partBytes` allow, of each part with its inputs; `work`
   * names its outputs.
   */
  private causalAtOnce(
    inputs: readonly Value[],
    outputs: readonly Value[],
    partBytes: number,
    work: (parts: readonly string[], probabilities: string) => readonly string[]
  ): void {
    const [items, length] = inputs[0].shape
    const most = Math.max(1, Math.floor(partBytes / (4 * length ** 2)))
    const sizes = Array.from({ length: Math.ceil(items / most) }, (_, at) => Math.min(most, items - at * most))
    const split = inputs.map((value) => {
      if (sizes.length === 1) return [this.name(value)]
      const parts = sizes.map(() => `t${this.temporaries++}`)
      this.nodes.push({
        opType: 'Split',
        input: [this.name(value), this.integers(sizes)],
        output: parts,
        attributes: { axis: 0 }
      })
      return parts
    })
    const made = sizes.map((_, part) => {
      const own = split.map((parts) => parts[part])
      const scores = this.emit('Add', [
        this.product('MatMul', [own[0], this.turned(own[1])]),
        this.causalMask(0, length)
      ])
      return work(own, this.emit('Softmax', [scores], { axis: -1 }))
    })
    outputs.forEach((value, at) =>
      this.emit(
        'Concat',
        made.map((part) => part[at]),
        { axis: 0 },
        this.name(value)
      )
    )
  }

  private turned(x: string): string {
    return this.emit('Transpose', [x], { perm: [0, 2, 1] })
  }

  private causalAttention(inputs: readonly Value[], outputs: readonly Value[], block: number): void {
    if (this.partBytes !== undefined)
      return this.causalAtOnce(inputs, outputs, this.partBytes, ([, , v], probabilities) => [
        this.product('MatMul', [probabilities, v])
      ])
    const parts: string[] = []
    this.causalScan(
      inputs,
      outputs,
      block,
      ({ emit, probabilities, earlier }) => parts.push(emit('Gemm', [probabilities, earlier(2)])),
      (nodes, body) => nodes.push({ opType: 'Concat', input: parts, output: [`${body}out0`], attributes: { axis: 0 } })
    )
  }

  private causalAttentionSlope(inputs: readonly Value[], outputs: readonly Value[], block: number): void {
    if (this.partBytes !== undefined) {
      return this.causalAtOnce(inputs, outputs, this.partBytes, ([q, k, v, gradient], probabilities) => {
        const slope = this.product('MatMul', [gradient, this.turned(v)])
        const mean = this.emit('ReduceSum', [this.emit('Mul', [probabilities, slope]), this.integers([2])], {
          keepdims: 1
        })
        const scores = this.emit('Mul', [probabilities, this.emit('Sub', [slope, mean])])
        return [
          this.product('MatMul', [scores, k]),
          this.product('MatMul', [this.turned(scores), q]),
          this.product('MatMul', [this.turned(probabilities), gradient])
        ]
      })
    }
    const queries: string[] = []
    let [keys, values, before]: [string, string, number] = ['', '', 0]
    this.causalScan(
      inputs,
      outputs,
      block,
      ({ emit, probabilities, queries: ofBlock, earlier, end }) => {
        const gradient = ofBlock(3)
        const slope = emit('Gemm', [gradient, earlier(2)], { transB: 1 })
        const mean = emit('ReduceSum', [emit('Mul', [probabilities, slope]), this.integers([1])], { keepdims: 1 })
        const scores = emit('Mul', [probabilities, emit('Sub', [slope, mean])])
        queries.push(emit('Gemm', [scores, earlier(1)]))
        const sumOf = (left: string, right: string, sum: string): string =>
          emit(
            'Gemm',
            [left, right, ...(before === 0 ? [] : [emit('Pad', [sum, this.integers([0, 0, end - before, 0])])])],
            { transA: 1 }
          )
        keys = sumOf(scores, ofBlock(0), keys)
        values = sumOf(probabilities, gradient, values)
        before = end
      },
      (nodes, body) => {
        nodes.push({ opType: 'Concat', input: queries, output: [`${body}out0`], attributes: { axis: 0 } })
        nodes.push({ opType: 'Identity', input: [keys], output: [`${body}out1`], attributes: {} })
        nodes.push({ opType: 'Identity', input: [values], output: [`${body}out2`], attributes: {} })
      }
    )
  }

  /**
   * A device would add by atomics, in another order each time: here it is a product with what is one where an id
   * falls on a row, in parts of `partBytes`, and in float32 whatever products are computed in, since it stands for
   * sums.
   */
  private scatterAddAsProduct([updates, ids]: readonly Value[], rows: number, output: string, partBytes: number): void {
    const [tokens] = updates.shape
    const most = Math.max(1, Math.floor(partBytes / (4 * tokens)))
    const column = this.emit('Unsqueeze', [this.name(ids), this.integers([1])])
    const parts = Array.from({ length: Math.ceil(rows / most) }, (_, at) => {
      const [first, count] = [at * most, Math.min(most, rows - at * most)]
      const places = this.once(`places ${first} ${count}`, () => {
        const name = `places${this.initializers.length}`
        this.initializers.push({
          name,
          type: elementType.int32,
          dims: [1, count],
          data: bytes(Int32Array.from({ length: count }, (_row, row) => first + row))
        })
        return name
      })
      const ones = this.cast(this.emit('Equal', [column, places]), elementType.float)
      return this.emit('Gemm', [ones, this.name(updates)], { transA: 1 })
    })
    this.emit('Concat', parts, { axis: 0 }, output)
  }

  private scatterAdd([updates, ids]: readonly Value[], rows: number, output: string): void {
    if (this.partBytes !== undefined) return this.scatterAddAsProduct([updates, ids], rows, output, this.partBytes)
    const zeros = this.once(`zeros ${rows} ${updates.shape[1]}`, () =>
      this.emit('ConstantOfShape', [this.integers([rows, updates.shape[1]])])
    )
    const indices = this.emit('Unsqueeze', [this.cast(this.name(ids), elementType.int64), this.integers([1])])
    this.emit('ScatterND', [zeros, indices, this.name(updates)], { reduction: { text: 'add' } }, output)
  }

  lower({ operation, inputs, outputs }: Node): void {
    const [first, ...others] = inputs.map((value) => this.name(value))
    const output = this.name(outputs[0])
    switch (operation.kind) {
      case 'add':
        return void this.emit('Add', [first, ...others], {}, output)
      case 'sub':
        return void this.emit('Sub', [first, ...others], {}, output)
      case 'mul':
        return void this.emit('Mul', [first, ...others], {}, output)
      case 'scale':
        return void this.emit('Mul', [first, this.scalar(operation.factor)], {}, output)
      case 'exp':
        return void this.emit('Exp', [first], {}, output)
      case 'log':
        return void this.emit('Log', [first], {}, output)
      case 'reciprocal':
        return void this.emit('Reciprocal', [first], {}, output)
      case 'matmul':
        return this.matmul(inputs[0], inputs[1], operation.transposeA, operation.transposeB, output)
      case 'rounded':
        return this.roundedAs(operation.as, first, output)
      case 'reshape':
        return void this.emit('Reshape', [first, this.integers(outputs[0].shape)], {}, output)
      case 'transpose':
        return void this.emit('Transpose', [first], { perm: operation.permutation }, output)
      case 'split':
        return void this.nodes.push({
          opType: 'Split',
          input: [first, this.integers(operation.sizes)],
          output: outputs.map((value) => this.name(value)),
          attributes: { axis: operation.axis }
        })
      case 'concat':
        return void this.emit('Concat', [first, ...others], { axis: operation.axis }, output)
      case 'sum':
        return void this.emit('ReduceSum', [first, this.integers(operation.axes)], { keepdims: 1 }, output)
      case 'gather':
        return void this.emit('Gather', [first, ...others], { axis: 0 }, output)
      case 'scatterAdd':
        return this.scatterAdd(inputs, outputs[0].shape[0], output)
      case 'layerNorm':
        return void this.nodes.push({
          opType: 'LayerNormalization',
          input: [first, ...others],
          output: outputs.map((value) => this.name(value)),
          attributes: { axis: -1, epsilon: { float: operation.epsilon } }
        })
      case 'softmax':
        return void this.emit('Softmax', [first], { axis: -1 }, output)
      case 'causalAttention':
        return this.causalAttention(inputs, outputs, operation.block)
      case 'causalAttentionSlope':
        return this.causalAttentionSlope(inputs, outputs, operation.block)
      case 'gelu':
        return this.gelu(first, operation.tanh, output)
      case 'geluSlope':
        return this.geluSlope(first, operation.tanh, output)
      case 'unembedLoss':
        return this.unembedLoss(inputs, output, this.name(outputs[1]))
      case 'exponentialSums':
        return this.exponentialSums(inputs, outputs, operation.vocabulary, operation.block)
      case 'exponentialSumsSlope':
        return this.exponentialSumsSlope(inputs, output, operation.block)
    }
  }

  model(): Uint8Array {
    for (const node of this.graph.nodes) this.lower(node)
    for (const [name, value] of this.graph.outputs) this.emit('Identity', [this.name(value)], {}, name)
    const inputs = [...this.graph.inputs.values()].map((value) => ({
      name: this.name(value),
      type: value.type === 'int' ? elementType.int32 : elementType.float,
      shape: value.shape
    }))
    const outputs = [...this.graph.outputs].map(([name, { shape }]) => ({ name, type: elementType.float, shape }))
    return encodeModel({ nodes: this.nodes, initializers: this.initializers, inputs, outputs })
  }
}

/**
 * The graph as a serialised ONNX model. Inputs are named `v<id>`, outputs as in the graph. A vocabulary is taken
 * block by block, as suits a processor's core; with `partBytes`, for a device, so many bytes of exponentials at once.
 * `products` that are not float32's need these.
 */
export const lowerToOnnx = (
  graph: Graph,
  partBytes?: number,
  products?: RoundedProducts
): { readonly model: Uint8Array; readonly inputName: (value: Value) => string } => {
  const lowering = new Lowering(graph, partBytes, products)
  return { model: lowering.model(), inputName: (value) => lowering.name(value) }
}
