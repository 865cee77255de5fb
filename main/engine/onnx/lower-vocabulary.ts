import { type Value, partRows } from '../core'
import { type OnnxNodes, bytes } from './onnx-nodes'
import { type OnnxNode, elementType } from './protobuf'

/**
 * Rows of a table [R, d], by the name of a part of it, the exponentials [M, rows] of the hidden states' products with
 * them, and what each exponential rises by with its product.
 */
interface Part {
  readonly rows: number
  readonly part: string
  readonly exponentials: string
  readonly slopes: string
}

interface Summed {
  readonly vocabulary: number
  readonly block: number
  readonly cap?: number | undefined
}

type Emit = (opType: string, input: readonly string[]) => string

/** Exponentials of logits, or of capped ones, and what they rise by with the logits. */
const exponentialsOf = (
  onnx: OnnxNodes,
  emit: Emit,
  logits: string,
  cap: number | undefined
): { readonly exponentials: string; readonly slopes: () => string } => {
  if (cap === undefined) {
    const exponentials = emit('Exp', [logits])
    return { exponentials, slopes: () => exponentials }
  }
  const tanh = emit('Tanh', [emit('Mul', [logits, onnx.scalar(1 / cap)])])
  const exponentials = emit('Exp', [emit('Mul', [tanh, onnx.scalar(cap)])])
  const rise = (): string => emit('Sub', [onnx.scalar(1), emit('Mul', [tanh, tanh])])
  return { exponentials, slopes: () => emit('Mul', [exponentials, rise()]) }
}

/** Adds nodes to the body of a Scan, with names that begin with `body`. */
const emitter = (nodes: OnnxNode[], body: string): Emit => {
  let count = 0
  return (opType, input) => {
    const output = `${body}x${count++}`
    nodes.push({ opType, input, output: [output], attributes: {} })
    return output
  }
}

export const unembedLoss = (
  onnx: OnnxNodes,
  [hidden, unembedding, ids]: readonly Value[],
  loss: string,
  logProbabilities: string
): void => {
  const logits = onnx.product('Gemm', [onnx.name(hidden), onnx.name(unembedding)], { transB: 1 })
  onnx.emit('LogSoftmax', [logits], { axis: 1 }, logProbabilities)
  const column = onnx.emit('Unsqueeze', [onnx.name(ids), onnx.integers([1])])
  const chosen = onnx.emit('GatherElements', [logProbabilities, column], { axis: 1 })
  onnx.emit('Neg', [onnx.emit('Squeeze', [chosen, onnx.integers([1])])], {}, loss)
}

/** The table [R, d] as [R / block, block, d]. */
const blocks = (onnx: OnnxNodes, table: Value, block: number): string => {
  const [rows, width] = table.shape
  return onnx.once(`blocks ${table.id} ${block}`, () =>
    onnx.emit('Reshape', [onnx.name(table), onnx.integers([rows / block, block, width])])
  )
}

/**
 * A Scan over blocks of the table, as it hands its body views of them and keeps one block's exponentials at a time,
 * which fit in a core's cache: written as nodes of one graph, onnxruntime would compute all blocks' exponentials
 * before it sums the second time.
 */
export const exponentialSums = (
  onnx: OnnxNodes,
  [hidden, table]: readonly Value[],
  [sums, weighted]: readonly Value[],
  { vocabulary, block, cap }: Summed
): void => {
  if (onnx.partBytes !== undefined)
    return exponentialSumsAtOnce(
      onnx,
      exponentialParts(onnx, hidden, table, { block, cap }, onnx.partBytes),
      [hidden, table, sums, weighted],
      vocabulary,
      block
    )
  const [tokens, width] = hidden.shape
  const withWeighted = onnx.read.has(weighted.id)
  const [start, body] = [onnx.temporary(), `s${sums.id}.`]
  const type = elementType.float
  onnx.initializers.push({
    name: start,
    type,
    dims: [tokens, 1],
    data: bytes(new Float32Array(tokens).fill(vocabulary - table.shape[0]))
  })
  const zeros = withWeighted
    ? [onnx.once(`zeros ${tokens} ${width}`, () => onnx.emit('ConstantOfShape', [onnx.integers([tokens, width])]))]
    : []
  const nodes: OnnxNode[] = [
    {
      opType: 'Gemm',
      input: [onnx.name(hidden), `${body}rows`],
      output: [`${body}logits`],
      attributes: { transB: 1 }
    }
  ]
  const { exponentials, slopes } = exponentialsOf(onnx, emitter(nodes, body), `${body}logits`, cap)
  const risen = withWeighted ? slopes() : ''
  nodes.push(
    {
      opType: 'ReduceSum',
      input: [exponentials, onnx.integers([1])],
      output: [`${body}own`],
      attributes: { keepdims: 1 }
    },
    { opType: 'Add', input: [`${body}before`, `${body}own`], output: [`${body}after`], attributes: {} },
    ...(withWeighted
      ? [
          {
            opType: 'Gemm',
            input: [risen, `${body}rows`, `${body}weightedBefore`],
            output: [`${body}weightedAfter`],
            attributes: {}
          }
        ]
      : [])
  )
  const state = (name: string, last: number) => ({ name: body + name, type, shape: [tokens, last] })
  onnx.nodes.push({
    opType: 'Scan',
    input: [start, ...zeros, blocks(onnx, table, block)],
    output: [onnx.name(sums), ...(withWeighted ? [onnx.name(weighted)] : [])],
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
const exponentialParts = (
  onnx: OnnxNodes,
  hidden: Value,
  table: Value,
  { block, cap }: Pick<Summed, 'block' | 'cap'>,
  partBytes: number
): Part[] => {
  const emit: Emit = (opType, input) => onnx.emit(opType, input)
  const [[tokens], [rows]] = [hidden.shape, table.shape]
  const most = Math.max(1, Math.floor(Math.min(partBytes / (4 * tokens), partRows) / block)) * block
  const sizes = Array.from({ length: Math.ceil(rows / most) }, (_, at) => Math.min(most, rows - at * most))
  const parts = sizes.map((_, at) => (sizes.length === 1 ? onnx.name(table) : `part${table.id}.${most}.${at}`))
  if (sizes.length > 1) {
    onnx.once(`parts ${table.id} ${most}`, () => {
      onnx.nodes.push({
        opType: 'Split',
        input: [onnx.name(table), onnx.integers(sizes)],
        output: parts,
        attributes: { axis: 0 }
      })
      return parts[0]
    })
  }
  return parts.map((part, at) => {
    let slopes = ''
    const exponentials = onnx.once(`exponentials ${hidden.id} ${part}`, () => {
      const logits = onnx.product('Gemm', [onnx.name(hidden), part], { transB: 1 })
      const made = exponentialsOf(onnx, emit, logits, cap)
      slopes = onnx.once(`slopes ${hidden.id} ${part}`, made.slopes)
      return made.exponentials
    })
    return { rows: sizes[at], part, exponentials, slopes: onnx.once(`slopes ${hidden.id} ${part}`, () => slopes) }
  })
}

/**
 * Σ of a part's exponentials times its rows, where `sum` is that of its exponentials: these leave float16's range,
 * and their shares of it do not.
 */
const weightedRows = (onnx: OnnxNodes, exponentials: string, sum: string, part: string): string => {
  if (!onnx.half) return onnx.product('Gemm', [exponentials, part])
  const shares = onnx.emit('Mul', [exponentials, onnx.emit('Reciprocal', [sum])])
  return onnx.emit('Mul', [onnx.product('Gemm', [shares, part]), sum])
}

/**
 * On a device there is no core for a block to stay near, and to go round a loop is to wait for the processor. A
 * part is summed block by block, for its rounding. Its sums and its products are added to the others' side by side:
 * what follows needs all of both, so that no part's exponentials are kept until the next one's.
 */
const exponentialSumsAtOnce = (
  onnx: OnnxNodes,
  parts: readonly Part[],
  [hidden, table, sums, weighted]: readonly Value[],
  vocabulary: number,
  block: number
): void => {
  const [tokens, width] = hidden.shape
  const withWeighted = onnx.read.has(weighted.id)
  const own = parts.map(({ rows, part, exponentials, slopes }) => {
    const blocks = onnx.emit(
      'ReduceSum',
      [onnx.emit('Reshape', [exponentials, onnx.integers([tokens, rows / block, block])]), onnx.integers([2])],
      { keepdims: 0 }
    )
    const sum = onnx.emit('ReduceSum', [blocks, onnx.integers([1])], { keepdims: 1 })
    return withWeighted ? onnx.emit('Concat', [sum, weightedRows(onnx, slopes, sum, part)], { axis: 1 }) : sum
  })
  let total = own.reduce((sum, part) => onnx.emit('Add', [sum, part]))
  if (withWeighted) {
    const both = total
    total = onnx.temporary()
    onnx.nodes.push({
      opType: 'Split',
      input: [both, onnx.integers([1, width])],
      output: [total, onnx.name(weighted)],
      attributes: { axis: 1 }
    })
  }
  // A row of zeros adds exp(0).
  onnx.emit('Add', [total, onnx.scalar(vocabulary - table.shape[0])], {}, onnx.name(sums))
}

export const exponentialSumsSlope = (
  onnx: OnnxNodes,
  [hidden, table, coefficients]: readonly Value[],
  output: string,
  { block, cap }: Pick<Summed, 'block' | 'cap'>
): void => {
  const [rows, width] = table.shape
  if (onnx.partBytes !== undefined) {
    // A coefficient is about the inverse of the sum of a token's exponentials, which leave float16's range.
    const [left, right] = onnx.half
      ? [(exponentials: string) => onnx.emit('Mul', [exponentials, onnx.name(coefficients)]), onnx.name(hidden)]
      : [(exponentials: string) => exponentials, onnx.emit('Mul', [onnx.name(hidden), onnx.name(coefficients)])]
    const products = exponentialParts(onnx, hidden, table, { block, cap }, onnx.partBytes).map(({ slopes }) =>
      onnx.product('Gemm', [left(slopes), right], { transA: 1 })
    )
    onnx.emit('Concat', products, { axis: 0 }, output)
    return
  }
  const weighted = onnx.emit('Mul', [onnx.name(hidden), onnx.name(coefficients)])
  const [stacked, body] = [onnx.temporary(), `${output}.`]
  const type = elementType.float
  const nodes: OnnxNode[] = [
    { opType: 'Gemm', input: [onnx.name(hidden), `${body}rows`], output: [`${body}logits`], attributes: { transB: 1 } }
  ]
  const { slopes } = exponentialsOf(onnx, emitter(nodes, body), `${body}logits`, cap)
  nodes.push({ opType: 'Gemm', input: [slopes(), weighted], output: [`${body}slope`], attributes: { transA: 1 } })
  onnx.nodes.push({
    opType: 'Scan',
    input: [blocks(onnx, table, block)],
    output: [stacked],
    attributes: {
      num_scan_inputs: 1,
      body: {
        graph: {
          nodes,
          initializers: [],
          inputs: [{ name: `${body}rows`, type, shape: [block, width] }],
          outputs: [{ name: `${body}slope`, type, shape: [block, width] }]
        }
      }
    }
  })
  onnx.emit('Reshape', [stacked, onnx.integers([rows, width])], {}, output)
}
