import type { Scores, Value } from '../core'
import { type OnnxNodes, bytes } from './onnx-nodes'
import { type Attribute, type OnnxNode, elementType } from './protobuf'

type Emit = (opType: string, input: readonly string[], attributes?: Readonly<Record<string, Attribute>>) => string

export type CausalScores = Scores & { readonly block: number }

/** Scores as the softmax takes them, and what a slope of theirs is multiplied by for that of the products. */
const capped = (onnx: OnnxNodes, emit: Emit, scores: string, cap: number): { capped: string; rise: () => string } => {
  const tanh = emit('Tanh', [emit('Mul', [scores, onnx.scalar(1 / cap)])])
  return {
    capped: emit('Mul', [tanh, onnx.scalar(cap)]),
    rise: () => emit('Sub', [onnx.scalar(1), emit('Mul', [tanh, tanh])])
  }
}

/**
 * A Scan over the items of causal attention [N, T, w]. `work` adds the nodes for one block of queries, whose slices it
 * is given beside those of the keys and values that they see, from `first` up to `end`, and the probabilities; `join`
 * names the body's outputs.
 */
const causalScan = (
  onnx: OnnxNodes,
  inputs: readonly Value[],
  outputs: readonly Value[],
  { block, cap, window }: CausalScores,
  work: (part: {
    readonly emit: Emit
    readonly queries: (at: number) => string
    readonly earlier: (at: number) => string
    readonly probabilities: string
    readonly rise: (() => string) | undefined
    readonly first: number
    readonly end: number
  }) => void,
  join: (nodes: OnnxNode[], body: string) => void
): void => {
  const [, length, width] = inputs[0].shape
  const body = `${onnx.name(outputs[0])}.`
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
        : emit('Slice', [own[at], onnx.integers([from]), onnx.integers([end]), onnx.integers([0])])
    const first = window === undefined ? 0 : Math.max(0, start - window + 1)
    const mask = causalMask(onnx, [start, end], first, window)
    const products = [slice(0, start), slice(1, first)]
    const scores = cap === undefined ? undefined : capped(onnx, emit, emit('Gemm', products, { transB: 1 }), cap)
    const masked =
      scores === undefined ? emit('Gemm', [...products, mask], { transB: 1 }) : emit('Add', [scores.capped, mask])
    const probabilities = emit('Softmax', [masked], { axis: -1 })
    work({
      emit,
      probabilities,
      rise: scores?.rise,
      first,
      end,
      queries: (at) => slice(at, start),
      earlier: (at) => slice(at, first)
    })
  }
  join(nodes, body)
  const item = (name: string) => ({ name, type, shape: [length, width] })
  onnx.nodes.push({
    opType: 'Scan',
    input: inputs.map((value) => onnx.name(value)),
    output: outputs.map((value) => onnx.name(value)),
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

/** For queries from `start` to `end` and positions from `first` to `end`: 0 where a query may see one. */
const causalMask = (
  onnx: OnnxNodes,
  [start, end]: readonly [number, number],
  first: number,
  window: number | undefined
): string => {
  return onnx.once(`mask ${start} ${end} ${window}`, () => {
    const name = `mask${onnx.initializers.length}`
    const width = end - first
    const data = Float32Array.from({ length: (end - start) * width }, (_, at) => {
      const distance = start + Math.floor(at / width) - first - (at % width)
      return distance < 0 || distance >= (window ?? Infinity) ? -1e30 : 0
    })
    onnx.initializers.push({ name, type: elementType.float, dims: [end - start, width], data: bytes(data) })
    return name
  })
}

/**
 * For a device: probabilities of as many items at once as `partBytes` allow, of each part with its inputs; `work`
 * names its outputs.
 */
const causalAtOnce = (
  onnx: OnnxNodes,
  inputs: readonly Value[],
  outputs: readonly Value[],
  { cap, window }: CausalScores,
  partBytes: number,
  work: (parts: readonly string[], probabilities: string, rise: (() => string) | undefined) => readonly string[]
): void => {
  const [items, length] = inputs[0].shape
  const most = Math.max(1, Math.floor(partBytes / (4 * length ** 2)))
  const sizes = Array.from({ length: Math.ceil(items / most) }, (_, at) => Math.min(most, items - at * most))
  const split = inputs.map((value) => {
    if (sizes.length === 1) return [onnx.name(value)]
    const parts = sizes.map(() => onnx.temporary())
    onnx.nodes.push({
      opType: 'Split',
      input: [onnx.name(value), onnx.integers(sizes)],
      output: parts,
      attributes: { axis: 0 }
    })
    return parts
  })
  const made = sizes.map((_, part) => {
    const own = split.map((parts) => parts[part])
    const products = onnx.product('MatMul', [own[0], turned(onnx, own[1])])
    const scores =
      cap === undefined
        ? undefined
        : capped(onnx, (opType, input, attributes) => onnx.emit(opType, input, attributes), products, cap)
    const masked = onnx.emit('Add', [scores?.capped ?? products, causalMask(onnx, [0, length], 0, window)])
    return work(own, onnx.emit('Softmax', [masked], { axis: -1 }), scores?.rise)
  })
  outputs.forEach((value, at) =>
    onnx.emit(
      'Concat',
      made.map((part) => part[at]),
      { axis: 0 },
      onnx.name(value)
    )
  )
}

const turned = (onnx: OnnxNodes, x: string): string => {
  return onnx.emit('Transpose', [x], { perm: [0, 2, 1] })
}

export const causalAttention = (
  onnx: OnnxNodes,
  inputs: readonly Value[],
  outputs: readonly Value[],
  scores: CausalScores
): void => {
  if (onnx.partBytes !== undefined)
    return causalAtOnce(onnx, inputs, outputs, scores, onnx.partBytes, ([, , v], probabilities) => [
      onnx.product('MatMul', [probabilities, v])
    ])
  const parts: string[] = []
  causalScan(
    onnx,
    inputs,
    outputs,
    scores,
    ({ emit, probabilities, earlier }) => parts.push(emit('Gemm', [probabilities, earlier(2)])),
    (nodes, body) => nodes.push({ opType: 'Concat', input: parts, output: [`${body}out0`], attributes: { axis: 0 } })
  )
}

export const causalAttentionSlope = (
  onnx: OnnxNodes,
  inputs: readonly Value[],
  outputs: readonly Value[],
  causal: CausalScores
): void => {
  const risen = (emit: Emit, slope: string, rise: (() => string) | undefined): string =>
    rise === undefined ? slope : emit('Mul', [slope, rise()])
  if (onnx.partBytes !== undefined) {
    return causalAtOnce(onnx, inputs, outputs, causal, onnx.partBytes, ([q, k, v, gradient], probabilities, rise) => {
      const slope = onnx.product('MatMul', [gradient, turned(onnx, v)])
      const mean = onnx.emit('ReduceSum', [onnx.emit('Mul', [probabilities, slope]), onnx.integers([2])], {
        keepdims: 1
      })
      const scores = risen(
        (opType, input, attributes) => onnx.emit(opType, input, attributes),
        onnx.emit('Mul', [probabilities, onnx.emit('Sub', [slope, mean])]),
        rise
      )
      return [
        onnx.product('MatMul', [scores, k]),
        onnx.product('MatMul', [turned(onnx, scores), q]),
        onnx.product('MatMul', [turned(onnx, probabilities), gradient])
      ]
    })
  }
  const queries: string[] = []
  let [keys, values, before]: [string, string, number] = ['', '', 0]
  causalScan(
    onnx,
    inputs,
    outputs,
    causal,
    ({ emit, probabilities, rise, queries: ofBlock, earlier, first, end }) => {
      const gradient = ofBlock(3)
      const slope = emit('Gemm', [gradient, earlier(2)], { transB: 1 })
      const mean = emit('ReduceSum', [emit('Mul', [probabilities, slope]), onnx.integers([1])], { keepdims: 1 })
      const scores = risen(emit, emit('Mul', [probabilities, emit('Sub', [slope, mean])]), rise)
      queries.push(emit('Gemm', [scores, earlier(1)]))
      const sumOf = (left: string, right: string, sum: string): string => {
        const sums = before === 0 ? [] : [emit('Pad', [sum, onnx.integers([0, 0, end - before, 0])])]
        if (first === 0) return emit('Gemm', [left, right, ...sums], { transA: 1 })
        const own = emit('Gemm', [left, right], { transA: 1 })
        return emit('Add', [...sums, emit('Pad', [own, onnx.integers([first, 0, 0, 0])])])
      }
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
