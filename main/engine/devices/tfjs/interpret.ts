import * as tf from '@tensorflow/tfjs-core'
import { type Graph, type Node, type Scores, type Value, valuesRead } from '../../core'

/** Limit of numbers in an intermediate that is computed in parts, such as the exponentials of logits. */
const partNumbers = 2 ** 24

/** Tensors that a program creates once, because sending them to the device in every run would be slow. */
class KeptTensors {
  private readonly scalars = new Map<number, tf.Scalar>()
  private readonly masks = new Map<string, tf.Tensor2D>()

  scalar(value: number): tf.Scalar {
    const found = this.scalars.get(value) ?? tf.keep(tf.scalar(value, 'float32'))
    this.scalars.set(value, found)
    return found
  }

  /** [T, T], zero where a query may see a position, else far below any score. */
  causalMask(length: number, window = length): tf.Tensor2D {
    const before = Math.min(window, length) - 1
    const make = (): tf.Tensor2D =>
      tf.tidy(() => tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones<tf.Rank.R2>([length, length]), before, 0)), -1e30))
    const key = `${length} ${before}`
    const found = this.masks.get(key) ?? tf.keep(make())
    this.masks.set(key, found)
    return found
  }

  dispose(): void {
    tf.dispose([...this.scalars.values(), ...this.masks.values()])
  }
}

const isOfShape = (x: tf.Tensor, shape: readonly number[]): boolean =>
  x.rank === shape.length && shape.every((length, axis) => x.shape[axis] === length)

/** Avoids a reshape that changes nothing, because it would be a launch. */
const shaped = (x: tf.Tensor, shape: readonly number[]): tf.Tensor =>
  isOfShape(x, shape) ? tf.clone(x) : tf.reshape(x, [...shape])

const matmul = (
  a: tf.Tensor,
  b: tf.Tensor,
  shape: readonly number[],
  transposeA: boolean,
  transposeB: boolean
): tf.Tensor =>
  // With one matrix for all items, multiply all their rows at once.
  a.rank > 2 && b.rank === 2 && !transposeA
    ? tf.reshape(tf.matMul(tf.reshape(a, [-1, a.shape[a.rank - 1]]), b, false, transposeB), [...shape])
    : shaped(tf.matMul(a, b, transposeA, transposeB), shape)

/** (1 + erf(x/√2)) / 2. */
const normalCdf = (x: tf.Tensor, kept: KeptTensors): tf.Tensor =>
  tf.add(tf.mul(tf.erf(tf.mul(x, kept.scalar(Math.SQRT1_2))), kept.scalar(0.5)), kept.scalar(0.5))

/** tanh(√(2/π)(x + 0.044715 x³)). */
const geluTanh = (x: tf.Tensor, kept: KeptTensors): tf.Tensor =>
  tf.tanh(
    tf.mul(
      x,
      tf.add(tf.mul(tf.mul(x, x), kept.scalar(0.044715 * Math.sqrt(2 / Math.PI))), kept.scalar(Math.sqrt(2 / Math.PI)))
    )
  )

const gelu = (x: tf.Tensor, tanh: boolean, kept: KeptTensors): tf.Tensor =>
  tanh ? tf.mul(tf.mul(x, kept.scalar(0.5)), tf.add(geluTanh(x, kept), kept.scalar(1))) : tf.mul(x, normalCdf(x, kept))

const geluSlope = (x: tf.Tensor, tanh: boolean, kept: KeptTensors): tf.Tensor => {
  if (!tanh)
    return tf.add(
      normalCdf(x, kept),
      tf.mul(x, tf.mul(tf.exp(tf.mul(tf.mul(x, x), kept.scalar(-0.5))), kept.scalar(1 / Math.sqrt(2 * Math.PI))))
    )
  const t = geluTanh(x, kept)
  const inner = tf.add(
    tf.mul(tf.mul(x, x), kept.scalar(3 * 0.044715 * Math.sqrt(0.5 / Math.PI))),
    kept.scalar(Math.sqrt(0.5 / Math.PI))
  )
  const half = kept.scalar(0.5)
  return tf.add(tf.add(tf.mul(t, half), half), tf.mul(tf.mul(x, tf.sub(kept.scalar(1), tf.mul(t, t))), inner))
}

const layerNorm = ([x, scale, shift]: readonly tf.Tensor[], epsilon: tf.Scalar): tf.Tensor[] => {
  const mean = tf.mean(x, -1, true)
  const centred = tf.sub(x, mean)
  const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.mul(centred, centred), -1, true), epsilon))
  return [tf.add(tf.mul(tf.mul(centred, inverseDeviation), scale), shift), mean, inverseDeviation]
}

const rmsNorm = ([x, scale]: readonly tf.Tensor[], epsilon: tf.Scalar): tf.Tensor[] => {
  const inverseRoot = tf.rsqrt(tf.add(tf.mean(tf.mul(x, x), -1, true), epsilon))
  return [tf.mul(tf.mul(x, inverseRoot), scale), inverseRoot]
}

/** cap · tanh(x / cap), and how much it rises with x. Without a cap x itself. */
const capped = (x: tf.Tensor, cap: number | undefined, kept: KeptTensors): { capped: tf.Tensor; rise?: tf.Tensor } => {
  if (cap === undefined) return { capped: x }
  const tanh = tf.tanh(tf.mul(x, kept.scalar(1 / cap)))
  return { capped: tf.mul(tanh, kept.scalar(cap)), rise: tf.sub(kept.scalar(1), tf.mul(tanh, tanh)) }
}

/** Exponentials of products, and what each rises by with its product. */
const exponentialsOf = (
  hidden: tf.Tensor,
  rows: tf.Tensor,
  cap: number | undefined,
  kept: KeptTensors
): { exponentials: tf.Tensor; slopes: tf.Tensor } => {
  const { capped: logits, rise } = capped(tf.matMul(hidden, rows, false, true), cap, kept)
  const exponentials = tf.exp(logits)
  return { exponentials, slopes: rise === undefined ? exponentials : tf.mul(exponentials, rise) }
}

const unembedLoss = ([hidden, unembedding, ids]: readonly tf.Tensor[]): tf.Tensor[] => {
  const logProbabilities = tf.logSoftmax(tf.matMul(hidden, unembedding, false, true))
  const places = tf.stack([tf.range(0, ids.size, 1, 'int32'), ids], 1)
  return [tf.neg(tf.gatherND(logProbabilities, places)), logProbabilities]
}

/** Spans of table rows whose exponentials are computed at once: whole blocks, except the last. */
const spans = (rows: number, block: number, tokens: number): { readonly start: number; readonly length: number }[] => {
  const most = block * Math.max(1, Math.floor(partNumbers / (tokens * block)))
  return Array.from({ length: Math.ceil(rows / most) }, (_, part) => ({
    start: part * most,
    length: Math.min(most, rows - part * most)
  }))
}

/** Sums of rows [M, n] as [M, 1], block by block. Adding one number after another would lose digits in a long row. */
const rowSums = (x: tf.Tensor, block: number): tf.Tensor => {
  const [rows, length] = x.shape
  const whole = length - (length % block)
  if (length <= block) return tf.sum(x, 1, true)
  const blocks = tf.sum(
    tf.reshape(whole === length ? x : tf.slice(x, [0, 0], [rows, whole]), [rows, whole / block, block]),
    2
  )
  return tf.sum(
    whole === length
      ? blocks
      : tf.concat([blocks, tf.sum(tf.slice(x, [0, whole], [rows, length - whole]), 1, true)], 1),
    1,
    true
  )
}

/** Uses only the first `vocabulary` rows. The zero rows after them fill blocks, which need not be whole here. */
const exponentialSums = (
  [hidden, table]: readonly tf.Tensor[],
  {
    vocabulary,
    block,
    cap
  }: { readonly vocabulary: number; readonly block: number; readonly cap?: number | undefined },
  withWeighted: boolean,
  kept: KeptTensors
): tf.Tensor[] => {
  const [tokens, width] = hidden.shape
  let sums: tf.Tensor[] = []
  for (const { start, length } of spans(vocabulary, block, tokens)) {
    const before = sums
    sums = tf.tidy(() => {
      const rows = tf.slice(table, [start, 0], [length, width])
      const { exponentials, slopes } = exponentialsOf(hidden, rows, cap, kept)
      const own = [rowSums(exponentials, block), ...(withWeighted ? [tf.matMul(slopes, rows)] : [])]
      return before.length === 0 ? own : own.map((part, at) => tf.add(before[at], part))
    })
    tf.dispose(before)
  }
  return sums
}

const exponentialSumsSlope = (
  [hidden, table, coefficients]: readonly tf.Tensor[],
  { block, cap }: { readonly block: number; readonly cap?: number | undefined },
  kept: KeptTensors
): tf.Tensor => {
  const [tokens, width] = hidden.shape
  const weighted = tf.mul(hidden, coefficients)
  const parts = spans(table.shape[0], block, tokens).map(({ start, length }) =>
    tf.tidy(() => {
      const { slopes } = exponentialsOf(hidden, tf.slice(table, [start, 0], [length, width]), cap, kept)
      return tf.matMul(slopes, weighted, true)
    })
  )
  return tf.concat(parts, 0)
}

/** Runs `work` on as many items at once as `partNumbers` scores allow, and concatenates the outputs. */
const inItems = (
  values: readonly tf.Tensor[],
  { window }: Scores,
  kept: KeptTensors,
  work: (parts: readonly tf.Tensor[], mask: tf.Tensor) => tf.Tensor[]
): tf.Tensor[] => {
  const [items, length, width] = values[0].shape
  const most = Math.max(1, Math.floor(partNumbers / length ** 2))
  const mask = kept.causalMask(length, window)
  if (items <= most) return work(values, mask)
  const parts = Array.from({ length: Math.ceil(items / most) }, (_, part) => {
    const count = Math.min(most, items - part * most)
    return tf.tidy(() =>
      work(
        values.map((x) => tf.slice(x, [part * most, 0, 0], [count, length, width])),
        mask
      )
    )
  })
  return parts[0].map((_, at) =>
    tf.concat(
      parts.map((part) => part[at]),
      0
    )
  )
}

const causalProbabilities = (
  q: tf.Tensor,
  k: tf.Tensor,
  mask: tf.Tensor,
  cap: number | undefined,
  kept: KeptTensors
): { probabilities: tf.Tensor; rise?: tf.Tensor } => {
  const { capped: scores, ...rise } = capped(tf.matMul(q, k, false, true), cap, kept)
  return { probabilities: tf.softmax(tf.add(scores, mask)), ...rise }
}

const causalAttention = (values: readonly tf.Tensor[], scores: Scores, kept: KeptTensors): tf.Tensor[] =>
  inItems(values, scores, kept, ([q, k, v], mask) => [
    tf.matMul(causalProbabilities(q, k, mask, scores.cap, kept).probabilities, v)
  ])

const causalAttentionSlope = (values: readonly tf.Tensor[], causal: Scores, kept: KeptTensors): tf.Tensor[] =>
  inItems(values, causal, kept, ([q, k, v, gradient], mask) => {
    const { probabilities, rise } = causalProbabilities(q, k, mask, causal.cap, kept)
    const slope = tf.matMul(gradient, v, false, true)
    const own = tf.mul(probabilities, tf.sub(slope, tf.sum(tf.mul(probabilities, slope), -1, true)))
    const scores = rise === undefined ? own : tf.mul(own, rise)
    return [tf.matMul(scores, k), tf.matMul(scores, q, true), tf.matMul(probabilities, gradient, true)]
  })

/** Outputs of a node in order. Those that nothing reads may be missing. The caller tidies. */
const compute = (
  { operation, inputs, outputs }: Node,
  values: readonly tf.Tensor[],
  kept: KeptTensors,
  isRead: (value: Value) => boolean
): tf.Tensor[] => {
  const [x, y] = values
  switch (operation.kind) {
    case 'add':
      return [tf.add(x, y)]
    case 'sub':
      return [tf.sub(x, y)]
    case 'mul':
      return [tf.mul(x, y)]
    case 'scale':
      return [tf.mul(x, kept.scalar(operation.factor))]
    case 'exp':
      return [tf.exp(x)]
    case 'log':
      return [tf.log(x)]
    case 'reciprocal':
      return [tf.reciprocal(x)]
    case 'tanh':
      return [tf.tanh(x)]
    case 'sigmoid':
      return [tf.sigmoid(x)]
    case 'matmul':
      return [matmul(x, y, outputs[0].shape, operation.transposeA, operation.transposeB)]
    case 'rounded':
    case 'reshape':
      return [shaped(x, outputs[0].shape)]
    case 'transpose':
      return [tf.transpose(x, [...operation.permutation])]
    case 'split':
      return tf.split(x, [...operation.sizes], operation.axis)
    case 'concat':
      return [tf.concat([...values], operation.axis)]
    case 'sum':
      return [tf.sum(x, [...operation.axes], true)]
    case 'gather':
      return [tf.gather(x, y)]
    case 'scatterAdd':
      return [tf.scatterND(tf.reshape(y, [inputs[1].shape[0], 1]), x, [...outputs[0].shape])]
    case 'layerNorm':
      return layerNorm(values, kept.scalar(operation.epsilon))
    case 'rmsNorm':
      return rmsNorm(values, kept.scalar(operation.epsilon))
    case 'softmax':
      return [tf.softmax(x)]
    case 'causalAttention':
      return causalAttention(values, operation, kept)
    case 'causalAttentionSlope':
      return causalAttentionSlope(values, operation, kept)
    case 'gelu':
      return [gelu(x, operation.tanh, kept)]
    case 'geluSlope':
      return [geluSlope(x, operation.tanh, kept)]
    case 'unembedLoss':
      return unembedLoss(values)
    case 'exponentialSums':
      return exponentialSums(values, operation, isRead(outputs[1]), kept)
    case 'exponentialSumsSlope':
      return [exponentialSumsSlope(values, operation, kept)]
  }
}

/** Ids of the values whose last reader is each node. Outputs of the graph have none. */
const lastReaders = ({ nodes, outputs }: Graph): ReadonlyMap<number, readonly number[]> => {
  const last = new Map<number, number>()
  nodes.forEach((node, at) => {
    for (const { id } of [...node.inputs, ...node.outputs]) last.set(id, at)
  })
  for (const { id } of outputs.values()) last.delete(id)
  const ending = new Map<number, number[]>()
  for (const [id, at] of last) ending.set(at, [...(ending.get(at) ?? []), id])
  return ending
}

export interface Interpreter {
  /**
   * Runs the graph's nodes in order on TensorFlow.js's current backend. `given` has a tensor for every input and
   * constant by value id, and keeps ownership. Other tensors are disposed of after their last reader, except the
   * outputs, which belong to the caller.
   */
  readonly run: (given: ReadonlyMap<number, tf.Tensor>) => Record<string, tf.Tensor>
  /** Disposes of the tensors kept between runs. */
  readonly dispose: () => void
}

export const interpreterOf = (graph: Graph): Interpreter => {
  const read = valuesRead(graph)
  const ending = lastReaders(graph)
  const kept = new KeptTensors()
  const run: Interpreter['run'] = (given) => {
    const made = new Map<number, tf.Tensor>()
    const valueOf = (id: number): tf.Tensor => made.get(id) ?? given.get(id)!
    return tf.tidy(() => {
      graph.nodes.forEach((node, at) => {
        const results = tf.tidy(() =>
          compute(
            node,
            node.inputs.map(({ id }) => valueOf(id)),
            kept,
            ({ id }) => read.has(id)
          )
        )
        results.forEach((tensor, index) => made.set(node.outputs[index].id, tensor))
        for (const id of ending.get(at) ?? []) {
          made.get(id)?.dispose()
          made.delete(id)
        }
      })
      // An output may be an input of the graph, which the caller must be able to dispose of separately.
      return Object.fromEntries([...graph.outputs].map(([name, { id }]) => [name, tf.clone(valueOf(id))]))
    })
  }
  return { run, dispose: () => kept.dispose() }
}
