import {
  type Bound,
  type EngineDescription,
  type Executor,
  type Program,
  type Resident,
  isResident,
  type Graph,
  type Node,
  type Scores,
  type Value,
  size
} from '../core'

type Numbers = Float64Array

const strides = (shape: readonly number[]): number[] => shape.map((_, axis) => size(shape.slice(axis + 1)))

/** For every element of `shape`, the index into a tensor of shape `own` that broadcasts to it. */
const broadcastIndex = (shape: readonly number[], own: readonly number[]): ((at: number) => number) => {
  const outer = strides(shape)
  const inner = strides(own)
  const lead = shape.length - own.length
  return (at) =>
    own.reduce(
      (index, length, axis) =>
        length === 1 ? index : index + (Math.floor(at / outer[axis + lead]) % length) * inner[axis],
      0
    )
}

/** erf to float64 accuracy: the Maclaurin series for small |x|, the continued fraction of erfc (Lentz) for large. */
const erf = (x: number): number => {
  const z = Math.abs(x)
  if (z < 2.5) {
    let [term, sum] = [z, z]
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-z * z) / n
      sum += term / (2 * n + 1)
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI)
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction)
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + fraction)))
}

const gelu = (x: number, tanh: boolean): number =>
  tanh
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x * Math.SQRT1_2))

const geluSlope = (x: number, tanh: boolean): number => {
  if (!tanh) return 0.5 * (1 + erf(x * Math.SQRT1_2)) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI)
  const t = Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x)
}

/** Log softmax over rows of `width`, in place. */
const logSoftmax = (x: Numbers, width: number): void => {
  for (let row = 0; row < x.length; row += width) {
    const line = x.subarray(row, row + width)
    const max = line.reduce((a, b) => Math.max(a, b), -Infinity)
    const log = max + Math.log(line.reduce((sum, value) => sum + Math.exp(value - max), 0))
    for (let i = 0; i < width; i++) line[i] -= log
  }
}

const matmul = (
  a: Numbers,
  b: Numbers,
  [va, vb]: readonly Value[],
  out: Value,
  transposeA: boolean,
  transposeB: boolean
): Numbers => {
  const [m, n] = out.shape.slice(-2)
  const inner = transposeA ? va.shape.at(-2)! : va.shape.at(-1)!
  const batch = out.shape.slice(0, -2)
  const [batchA, batchB] = [broadcastIndex(batch, va.shape.slice(0, -2)), broadcastIndex(batch, vb.shape.slice(0, -2))]
  const result = new Float64Array(size(out.shape))
  for (let item = 0; item < size(batch); item++) {
    const [fromA, fromB] = [batchA(item) * m * inner, batchB(item) * inner * n]
    for (let i = 0; i < m; i++)
      for (let k = 0; k < inner; k++) {
        const x = a[fromA + (transposeA ? k * m + i : i * inner + k)]
        for (let j = 0; j < n; j++)
          result[(item * m + i) * n + j] += x * b[fromB + (transposeB ? j * inner + k : k * n + j)]
      }
  }
  return result
}

/**
 * Probabilities [T, T] of one item of causal attention, zero where a query sees nothing, and how much a capped score
 * rises with the score.
 */
const causalProbabilities = (
  q: Numbers,
  k: Numbers,
  length: number,
  width: number,
  { cap, window = length }: Scores
): { readonly probabilities: Numbers; readonly rises: Numbers } => {
  const probabilities = new Float64Array(length * length)
  const rises = new Float64Array(length * length).fill(1)
  for (let t = 0; t < length; t++) {
    const first = Math.max(0, t - window + 1)
    const line = probabilities.subarray(t * length + first, t * length + t + 1)
    for (let s = first; s <= t; s++) {
      for (let i = 0; i < width; i++) line[s - first] += q[t * width + i] * k[s * width + i]
      if (cap === undefined) continue
      const tanh = Math.tanh(line[s - first] / cap)
      rises[t * length + s] = 1 - tanh * tanh
      line[s - first] = cap * tanh
    }
    logSoftmax(line, line.length)
    line.forEach((log, s) => (line[s] = Math.exp(log)))
  }
  return { probabilities, rises }
}

const causalAttention = (
  [q, k, v]: readonly Numbers[],
  [items, length, width]: readonly number[],
  scores: Scores
): Numbers => {
  const result = new Float64Array(v.length)
  for (let item = 0; item < items; item++) {
    const own = (x: Numbers): Numbers => x.subarray(item * length * width, (item + 1) * length * width)
    const out = own(result)
    causalProbabilities(own(q), own(k), length, width, scores).probabilities.forEach((probability, at) => {
      const [t, s] = [Math.floor(at / length), at % length]
      for (let i = 0; i < width; i++) out[t * width + i] += probability * own(v)[s * width + i]
    })
  }
  return result
}

const causalAttentionSlope = (
  [q, k, v, gradient]: readonly Numbers[],
  [items, length, width]: readonly number[],
  scores: Scores
): Numbers[] => {
  const slopes = [q, k, v].map(({ length: all }) => new Float64Array(all))
  for (let item = 0; item < items; item++) {
    const own = (x: Numbers): Numbers => x.subarray(item * length * width, (item + 1) * length * width)
    const [query, key, value, upper] = [q, k, v, gradient].map(own)
    const [toQuery, toKey, toValue] = slopes.map(own)
    const { probabilities, rises } = causalProbabilities(query, key, length, width, scores)
    for (let t = 0; t < length; t++) {
      const slope = new Float64Array(t + 1)
      for (let s = 0; s <= t; s++)
        for (let i = 0; i < width; i++) slope[s] += upper[t * width + i] * value[s * width + i]
      const mean = slope.reduce((sum, x, s) => sum + x * probabilities[t * length + s], 0)
      for (let s = 0; s <= t; s++) {
        const probability = probabilities[t * length + s]
        const score = probability * (slope[s] - mean) * rises[t * length + s]
        for (let i = 0; i < width; i++) {
          toQuery[t * width + i] += score * key[s * width + i]
          toKey[s * width + i] += score * query[t * width + i]
          toValue[s * width + i] += probability * upper[t * width + i]
        }
      }
    }
  }
  return slopes
}

/** exp(h Wᵀ): [M, R], of capped products with a cap; and how much each rises with its product. */
const exponentialsOf = (
  [h, w]: readonly Numbers[],
  [hidden, table]: readonly Value[],
  cap: number | undefined
): { readonly exponentials: Numbers; readonly slopes: Numbers } => {
  const shape = [hidden.shape[0], table.shape[0]]
  const products = matmul(h, w, [hidden, table], { ...hidden, shape }, false, true)
  if (cap === undefined) {
    const exponentials = products.map(Math.exp)
    return { exponentials, slopes: exponentials }
  }
  const tanhs = products.map((x) => Math.tanh(x / cap))
  const exponentials = tanhs.map((tanh) => Math.exp(cap * tanh))
  return { exponentials, slopes: exponentials.map((x, at) => x * (1 - tanhs[at] ** 2)) }
}

/** Computes an operation in float64, written for clarity. Outputs are in the node's order. */
const compute = ({ operation, inputs, outputs }: Node, values: readonly Numbers[]): Numbers[] => {
  const [x] = values
  const [out] = outputs
  const total = size(out.shape)
  const binary = (apply: (a: number, b: number) => number): Numbers[] => {
    const [left, right] = inputs.map(({ shape }) => broadcastIndex(out.shape, shape))
    return [Float64Array.from({ length: total }, (_, at) => apply(x[left(at)], values[1][right(at)]))]
  }
  switch (operation.kind) {
    case 'add':
      return binary((a, b) => a + b)
    case 'sub':
      return binary((a, b) => a - b)
    case 'mul':
      return binary((a, b) => a * b)
    case 'scale':
      return [x.map((value) => value * operation.factor)]
    case 'exp':
      return [x.map(Math.exp)]
    case 'log':
      return [x.map(Math.log)]
    case 'reciprocal':
      return [x.map((value) => 1 / value)]
    case 'tanh':
      return [x.map(Math.tanh)]
    case 'sigmoid':
      return [x.map((value) => 1 / (1 + Math.exp(-value)))]
    case 'matmul':
      return [matmul(x, values[1], inputs, out, operation.transposeA, operation.transposeB)]
    case 'rounded':
    case 'reshape':
      return [x]
    case 'transpose': {
      const from = strides(inputs[0].shape)
      const to = strides(out.shape)
      return [
        Float64Array.from(
          { length: total },
          (_, at) =>
            x[
              operation.permutation.reduce(
                (index, axis, i) => index + (Math.floor(at / to[i]) % out.shape[i]) * from[axis],
                0
              )
            ]
        )
      ]
    }
    case 'split': {
      const width = size(inputs[0].shape.slice(operation.axis))
      const step = size(inputs[0].shape.slice(operation.axis + 1))
      let start = 0
      return operation.sizes.map((length) => {
        const from = start
        start += length * step
        return Float64Array.from(
          { length: (x.length / width) * length * step },
          (_, at) => x[Math.floor(at / (length * step)) * width + from + (at % (length * step))]
        )
      })
    }
    case 'concat': {
      const step = size(out.shape.slice(operation.axis + 1))
      const width = out.shape[operation.axis] * step
      const result = new Float64Array(total)
      let start = 0
      inputs.forEach(({ shape }, part) => {
        const length = shape[operation.axis] * step
        for (let row = 0; row < total / width; row++)
          result.set(values[part].subarray(row * length, (row + 1) * length), row * width + start)
        start += length
      })
      return [result]
    }
    case 'sum': {
      const target = broadcastIndex(inputs[0].shape, out.shape)
      const result = new Float64Array(total)
      x.forEach((value, at) => (result[target(at)] += value))
      return [result]
    }
    case 'gather': {
      const width = out.shape[1]
      return [
        Float64Array.from({ length: total }, (_, at) => x[values[1][Math.floor(at / width)] * width + (at % width)])
      ]
    }
    case 'scatterAdd': {
      const width = out.shape[1]
      const result = new Float64Array(total)
      x.forEach((value, at) => (result[values[1][Math.floor(at / width)] * width + (at % width)] += value))
      return [result]
    }
    case 'layerNorm': {
      const width = out.shape.at(-1)!
      const [mean, deviation] = [new Float64Array(total / width), new Float64Array(total / width)]
      const y = new Float64Array(total)
      for (let row = 0; row < total / width; row++) {
        const line = x.subarray(row * width, (row + 1) * width)
        mean[row] = line.reduce((a, b) => a + b, 0) / width
        deviation[row] =
          1 / Math.sqrt(line.reduce((sum, value) => sum + (value - mean[row]) ** 2, 0) / width + operation.epsilon)
        for (let i = 0; i < width; i++)
          y[row * width + i] = (line[i] - mean[row]) * deviation[row] * values[1][i] + values[2][i]
      }
      return [y, mean, deviation]
    }
    case 'rmsNorm': {
      const width = out.shape.at(-1)!
      const root = Float64Array.from({ length: total / width }, (_, row) => {
        const squares = x.subarray(row * width, (row + 1) * width).reduce((sum, value) => sum + value ** 2, 0)
        return 1 / Math.sqrt(squares / width + operation.epsilon)
      })
      return [x.map((value, at) => value * root[Math.floor(at / width)] * values[1][at % width]), root]
    }
    case 'softmax': {
      const result = x.slice()
      logSoftmax(result, out.shape.at(-1)!)
      return [result.map(Math.exp)]
    }
    case 'causalAttention':
      return [causalAttention(values, out.shape, operation)]
    case 'causalAttentionSlope':
      return causalAttentionSlope(values, out.shape, operation)
    case 'gelu':
      return [x.map((value) => gelu(value, operation.tanh))]
    case 'geluSlope':
      return [x.map((value) => geluSlope(value, operation.tanh))]
    case 'unembedLoss': {
      const logits = matmul(x, values[1], inputs, outputs[1], false, true)
      const vocabulary = outputs[1].shape[1]
      logSoftmax(logits, vocabulary)
      return [
        Float64Array.from({ length: total }, (_, token) => -logits[token * vocabulary + values[2][token]]),
        logits
      ]
    }
    case 'exponentialSums': {
      const { exponentials, slopes } = exponentialsOf(values, inputs, operation.cap)
      const [rows, width] = inputs[1].shape
      const sums = new Float64Array(total)
      const weighted = new Float64Array(total * width)
      exponentials.forEach((value, at) => {
        const [token, row] = [Math.floor(at / rows), at % rows]
        if (row >= operation.vocabulary) return
        sums[token] += value
        for (let i = 0; i < width; i++) weighted[token * width + i] += slopes[at] * values[1][row * width + i]
      })
      return [sums, weighted]
    }
    case 'exponentialSumsSlope': {
      const [rows, width] = inputs[1].shape
      const slope = new Float64Array(total)
      exponentialsOf(values, inputs, operation.cap).slopes.forEach((value, at) => {
        const [token, row] = [Math.floor(at / rows), at % rows]
        for (let i = 0; i < width; i++) slope[row * width + i] += values[2][token] * value * x[token * width + i]
      })
      return [slope]
    }
  }
}

/** Interprets a graph in float64, slowly. Tests compare fast executors and finite differences with it. */
export class ReferenceExecutor implements Executor {
  readonly description: EngineDescription = {
    name: 'reference',
    device: 'CPU',
    precision: 'float64',
    version: 'interpreter'
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    return { shape, handle: data }
  }

  drop(): void {}

  compile(graph: Graph): Promise<Program> {
    const run = (bound: Readonly<Record<string, Bound>>): Record<string, Float64Array> => {
      const known = new Map<number, Numbers>()
      for (const [name, { id }] of graph.inputs) {
        const value = bound[name]
        known.set(id, Float64Array.from(isResident(value) ? (value.handle as Float32Array) : value))
      }
      for (const [{ id }, data] of graph.constants) known.set(id, Float64Array.from(data))
      for (const node of graph.nodes) {
        const results = compute(
          node,
          node.inputs.map(({ id }) => known.get(id)!)
        )
        node.outputs.forEach(({ id }, index) => known.set(id, results[index]))
      }
      return Object.fromEntries([...graph.outputs].map(([name, { id }]) => [name, known.get(id)!]))
    }
    return Promise.resolve({
      run: (bound) =>
        Promise.resolve(
          Object.fromEntries(Object.entries(run(bound)).map(([name, data]) => [name, Float32Array.from(data)]))
        ),
      dispose: () => Promise.resolve()
    })
  }

  dispose(): Promise<void> {
    return Promise.resolve()
  }
}
