import type { Graph, Node, Value } from '../core'
import { causalAttention, causalAttentionSlope } from './lower-attention'
import { gelu, geluSlope } from './lower-gelu'
import { exponentialSums, exponentialSumsSlope, unembedLoss } from './lower-vocabulary'
import { OnnxNodes, type RoundedProducts, bytes } from './onnx-nodes'
import { elementType, encodeModel } from './protobuf'

export type { RoundedProducts }

const matmul = (
  onnx: OnnxNodes,
  a: Value,
  b: Value,
  transposeA: boolean,
  transposeB: boolean,
  output: string
): void => {
  if (a.shape.length === 2 && b.shape.length === 2) {
    onnx.product(
      'Gemm',
      [onnx.name(a), onnx.name(b)],
      { transA: Number(transposeA), transB: Number(transposeB) },
      output
    )
    return
  }
  const operand = (value: Value, transposed: boolean): string => {
    if (!transposed) return onnx.name(value)
    const rank = value.shape.length
    const perm = [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2]
    return onnx.once(`transposed ${value.id}`, () => onnx.emit('Transpose', [onnx.name(value)], { perm }))
  }
  onnx.product('MatMul', [operand(a, transposeA), operand(b, transposeB)], {}, output)
}

const roundedAs = (onnx: OnnxNodes, as: 'operand' | 'product', x: string, output: string): void => {
  if (onnx.products === undefined || (as === 'product' && !onnx.half)) onnx.emit('Identity', [x], {}, output)
  else onnx.rounded(x, onnx.products.format, output)
}

/**
 * A device would add by atomics, in another order each time: here it is a product with what is one where an id
 * falls on a row, in parts of `partBytes`, and in float32 whatever products are computed in, since it stands for
 * sums.
 */
const scatterAddAsProduct = (
  onnx: OnnxNodes,
  [updates, ids]: readonly Value[],
  rows: number,
  output: string,
  partBytes: number
): void => {
  const [tokens] = updates.shape
  const most = Math.max(1, Math.floor(partBytes / (4 * tokens)))
  const column = onnx.emit('Unsqueeze', [onnx.name(ids), onnx.integers([1])])
  const parts = Array.from({ length: Math.ceil(rows / most) }, (_, at) => {
    const [first, count] = [at * most, Math.min(most, rows - at * most)]
    const places = onnx.once(`places ${first} ${count}`, () => {
      const name = `places${onnx.initializers.length}`
      onnx.initializers.push({
        name,
        type: elementType.int32,
        dims: [1, count],
        data: bytes(Int32Array.from({ length: count }, (_row, row) => first + row))
      })
      return name
    })
    const ones = onnx.cast(onnx.emit('Equal', [column, places]), elementType.float)
    return onnx.emit('Gemm', [ones, onnx.name(updates)], { transA: 1 })
  })
  onnx.emit('Concat', parts, { axis: 0 }, output)
}

const scatterAdd = (onnx: OnnxNodes, [updates, ids]: readonly Value[], rows: number, output: string): void => {
  if (onnx.partBytes !== undefined) return scatterAddAsProduct(onnx, [updates, ids], rows, output, onnx.partBytes)
  const zeros = onnx.once(`zeros ${rows} ${updates.shape[1]}`, () =>
    onnx.emit('ConstantOfShape', [onnx.integers([rows, updates.shape[1]])])
  )
  const indices = onnx.emit('Unsqueeze', [onnx.cast(onnx.name(ids), elementType.int64), onnx.integers([1])])
  onnx.emit('ScatterND', [zeros, indices, onnx.name(updates)], { reduction: { text: 'add' } }, output)
}

/** In parts, as the operator set has no such norm. */
const rmsNorm = (
  onnx: OnnxNodes,
  [x, scale]: readonly Value[],
  [y, inverseRoot]: readonly Value[],
  epsilon: number
): void => {
  const own = onnx.name(x)
  const axis = onnx.integers([x.shape.length - 1])
  const squares = onnx.emit('ReduceMean', [onnx.emit('Mul', [own, own]), axis], { keepdims: 1 })
  const root = onnx.emit('Sqrt', [onnx.emit('Add', [squares, onnx.scalar(epsilon)])])
  onnx.emit('Reciprocal', [root], {}, onnx.name(inverseRoot))
  onnx.emit('Mul', [onnx.emit('Mul', [own, onnx.name(inverseRoot)]), onnx.name(scale)], {}, onnx.name(y))
}

/** Adds what computes one node of our graph: a small group of ONNX nodes. */
const lower = (onnx: OnnxNodes, { operation, inputs, outputs }: Node): void => {
  const [first, ...others] = inputs.map((value) => onnx.name(value))
  const output = onnx.name(outputs[0])
  switch (operation.kind) {
    case 'add':
      return void onnx.emit('Add', [first, ...others], {}, output)
    case 'sub':
      return void onnx.emit('Sub', [first, ...others], {}, output)
    case 'mul':
      return void onnx.emit('Mul', [first, ...others], {}, output)
    case 'scale':
      return void onnx.emit('Mul', [first, onnx.scalar(operation.factor)], {}, output)
    case 'exp':
      return void onnx.emit('Exp', [first], {}, output)
    case 'log':
      return void onnx.emit('Log', [first], {}, output)
    case 'reciprocal':
      return void onnx.emit('Reciprocal', [first], {}, output)
    case 'tanh':
      return void onnx.emit('Tanh', [first], {}, output)
    case 'sigmoid':
      return void onnx.emit('Sigmoid', [first], {}, output)
    case 'matmul':
      return matmul(onnx, inputs[0], inputs[1], operation.transposeA, operation.transposeB, output)
    case 'rounded':
      return roundedAs(onnx, operation.as, first, output)
    case 'reshape':
      return void onnx.emit('Reshape', [first, onnx.integers(outputs[0].shape)], {}, output)
    case 'transpose':
      return void onnx.emit('Transpose', [first], { perm: operation.permutation }, output)
    case 'split':
      return void onnx.nodes.push({
        opType: 'Split',
        input: [first, onnx.integers(operation.sizes)],
        output: outputs.map((value) => onnx.name(value)),
        attributes: { axis: operation.axis }
      })
    case 'concat':
      return void onnx.emit('Concat', [first, ...others], { axis: operation.axis }, output)
    case 'sum':
      return void onnx.emit('ReduceSum', [first, onnx.integers(operation.axes)], { keepdims: 1 }, output)
    case 'gather':
      return void onnx.emit('Gather', [first, ...others], { axis: 0 }, output)
    case 'scatterAdd':
      return scatterAdd(onnx, inputs, outputs[0].shape[0], output)
    case 'layerNorm':
      return void onnx.nodes.push({
        opType: 'LayerNormalization',
        input: [first, ...others],
        output: outputs.map((value) => onnx.name(value)),
        attributes: { axis: -1, epsilon: { float: operation.epsilon } }
      })
    case 'rmsNorm':
      return rmsNorm(onnx, inputs, outputs, operation.epsilon)
    case 'softmax':
      return void onnx.emit('Softmax', [first], { axis: -1 }, output)
    case 'causalAttention':
      return causalAttention(onnx, inputs, outputs, operation)
    case 'causalAttentionSlope':
      return causalAttentionSlope(onnx, inputs, outputs, operation)
    case 'gelu':
      return gelu(onnx, first, operation.tanh, output)
    case 'geluSlope':
      return geluSlope(onnx, first, operation.tanh, output)
    case 'unembedLoss':
      return unembedLoss(onnx, inputs, output, onnx.name(outputs[1]))
    case 'exponentialSums':
      return exponentialSums(onnx, inputs, outputs, operation)
    case 'exponentialSumsSlope':
      return exponentialSumsSlope(onnx, inputs, output, operation)
  }
}

/**
 * The graph as a serialised ONNX model of standard operators (opset 20). Inputs are named `v<id>`, outputs as in the
 * graph. A vocabulary is taken block by block, as suits a processor's core; with `partBytes`, for a device, so many
 * bytes of exponentials at once. `products` that are not float32's need these.
 */
export const lowerToOnnx = (
  graph: Graph,
  partBytes?: number,
  products?: RoundedProducts
): { readonly model: Uint8Array; readonly inputName: (value: Value) => string } => {
  const onnx = new OnnxNodes(graph, partBytes, products)
  for (const node of graph.nodes) lower(onnx, node)
  for (const [name, value] of graph.outputs) onnx.emit('Identity', [onnx.name(value)], {}, name)
  const inputs = [...graph.inputs.values()].map((value) => ({
    name: onnx.name(value),
    type: value.type === 'int' ? elementType.int32 : elementType.float,
    shape: value.shape
  }))
  const outputs = [...graph.outputs].map(([name, { shape }]) => ({ name, type: elementType.float, shape }))
  const model = encodeModel({ nodes: onnx.nodes, initializers: onnx.initializers, inputs, outputs })
  return { model, inputName: (value) => onnx.name(value) }
}
