/** Element type: floats for activations and weights, integers for token ids. */
export type ElementType = 'float' | 'int'

/** A tensor in a graph: a static shape without data. */
export interface Value {
  readonly id: number
  readonly shape: readonly number[]
  readonly type: ElementType
}

export interface Capped {
  /** x becomes cap · tanh(x / cap). */
  readonly cap?: number | undefined
}

/** What becomes of scores before their softmax. */
export interface Scores extends Capped {
  /** Number of positions that a query sees, its own included; all before it if absent. */
  readonly window?: number | undefined
}

/**
 * Operation of a node. Binary operators broadcast like NumPy. `matmul` multiplies the last two axes and broadcasts
 * the others.
 */
export type Operation =
  | { readonly kind: 'add' | 'sub' | 'mul' }
  | { readonly kind: 'scale'; readonly factor: number }
  | { readonly kind: 'exp' | 'log' | 'reciprocal' | 'tanh' | 'sigmoid' }
  | { readonly kind: 'matmul'; readonly transposeA: boolean; readonly transposeB: boolean }
  /** Rounds as `matmul` rounds its operands or its product. Identity if products are in float32. */
  | { readonly kind: 'rounded'; readonly as: 'operand' | 'product' }
  | { readonly kind: 'reshape' }
  | { readonly kind: 'transpose'; readonly permutation: readonly number[] }
  /** One output for each of `sizes`, along `axis`. */
  | { readonly kind: 'split'; readonly axis: number; readonly sizes: readonly number[] }
  | { readonly kind: 'concat'; readonly axis: number }
  /** Sum over axes, which are kept with length 1. */
  | { readonly kind: 'sum'; readonly axes: readonly number[] }
  /** Rows of a table [V, d] by ids [M]: [M, d]. */
  | { readonly kind: 'gather' }
  /** Sum of updates [M, d] into rows ids [M] of zeros [V, d]: the transpose of `gather`. */
  | { readonly kind: 'scatterAdd' }
  /** (x, scale, shift) over the last axis: outputs the normalised and affine y, the mean and 1/√(variance + ε). */
  | { readonly kind: 'layerNorm'; readonly epsilon: number }
  /** (x, scale) over the last axis: outputs x / √(mean x² + ε) · scale, and 1/√(mean x² + ε). */
  | { readonly kind: 'rmsNorm'; readonly epsilon: number }
  | { readonly kind: 'softmax' }
  /**
   * (q, k, v [N, T, w]): Σ_s softmax_s≤t(q_t·k_s) v_s as [N, T, w]. Holds only the scores of `block` queries of one
   * of the N items at a time, and recomputes them for the gradient.
   */
  | ({ readonly kind: 'causalAttention'; readonly block: number } & Scores)
  /**
   * (q, k, v, g [N, T, w]): gradients of Σ g · causalAttention(q, k, v) with respect to q, k and v, as three outputs
   * [N, T, w].
   */
  | ({ readonly kind: 'causalAttentionSlope'; readonly block: number } & Scores)
  | { readonly kind: 'gelu' | 'geluSlope'; readonly tanh: boolean }
  /** (h [M, d], W [V, d], ids [M]): outputs -log softmax(h Wᵀ)[ids] as [M], and log softmax(h Wᵀ) as [M, V]. */
  | { readonly kind: 'unembedLoss' }
  /**
   * (h [M, d], W [R, d]): outputs Σ_v exp(h·w_v) as [M, 1], and Σ_v exp(h·w_v) w_v as [M, d], over the first
   * `vocabulary` rows of W. The other rows are zeros that make R a multiple of `block`: W is read block by block, and
   * no logits are kept. Exponents are not shifted; the caller ensures that they fit. With a cap, exp(c(h·w_v)) of
   * c(x) = cap · tanh(x / cap), and exp(c(h·w_v)) c'(h·w_v) in the second output.
   */
  | ({ readonly kind: 'exponentialSums'; readonly vocabulary: number; readonly block: number } & Capped)
  /**
   * (h [M, d], W [R, d], c [M, 1]): outputs Σ_m c_m exp(h_m·w_v) h_m as [R, d], the gradient with respect to W of the
   * first output above, weighted by c; with a cap times c'(h_m·w_v).
   */
  | ({ readonly kind: 'exponentialSumsSlope'; readonly block: number } & Capped)

export interface Node {
  readonly operation: Operation
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
}

export interface Graph {
  readonly inputs: ReadonlyMap<string, Value>
  readonly constants: ReadonlyMap<Value, Float32Array>
  readonly nodes: readonly Node[]
  readonly outputs: ReadonlyMap<string, Value>
}

export const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1)

const broadcast = (a: readonly number[], b: readonly number[]): number[] => {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1
    const y = b[axis - rank + b.length] ?? 1
    if (x !== y && x !== 1 && y !== 1) throw new Error(`shapes [${a.join()}] and [${b.join()}] do not broadcast`)
    return Math.max(x, y)
  })
}

/** Builds a graph node by node. Every node follows those that it reads. Checks shapes. */
export class GraphBuilder {
  readonly nodes: Node[] = []
  private readonly inputs = new Map<string, Value>()
  private readonly constants = new Map<Value, Float32Array>()
  private readonly outputs = new Map<string, Value>()
  private values = 0

  private value(shape: readonly number[], type: ElementType = 'float'): Value {
    return { id: this.values++, shape, type }
  }

  private node(operation: Operation, inputs: readonly Value[], ...shapes: readonly (readonly number[])[]): Value[] {
    const outputs = shapes.map((shape) => this.value(shape))
    this.nodes.push({ operation, inputs, outputs })
    return outputs
  }

  /** The input with this name. Asking again returns the same value. */
  input(name: string, shape: readonly number[], type: ElementType = 'float'): Value {
    const known = this.inputs.get(name)
    if (known !== undefined) {
      if (known.shape.join() !== shape.join())
        throw new Error(`input ${name} has shapes [${known.shape.join()}] and [${shape.join()}]`)
      return known
    }
    const value = this.value(shape, type)
    this.inputs.set(name, value)
    return value
  }

  constant(data: Float32Array, shape: readonly number[]): Value {
    const value = this.value(shape)
    this.constants.set(value, data)
    return value
  }

  output(name: string, value: Value): void {
    this.outputs.set(name, value)
  }

  add(a: Value, b: Value): Value {
    return this.node({ kind: 'add' }, [a, b], broadcast(a.shape, b.shape))[0]
  }

  sub(a: Value, b: Value): Value {
    return this.node({ kind: 'sub' }, [a, b], broadcast(a.shape, b.shape))[0]
  }

  mul(a: Value, b: Value): Value {
    return this.node({ kind: 'mul' }, [a, b], broadcast(a.shape, b.shape))[0]
  }

  scale(x: Value, factor: number): Value {
    return this.node({ kind: 'scale', factor }, [x], x.shape)[0]
  }

  exp(x: Value): Value {
    return this.node({ kind: 'exp' }, [x], x.shape)[0]
  }

  log(x: Value): Value {
    return this.node({ kind: 'log' }, [x], x.shape)[0]
  }

  reciprocal(x: Value): Value {
    return this.node({ kind: 'reciprocal' }, [x], x.shape)[0]
  }

  tanh(x: Value): Value {
    return this.node({ kind: 'tanh' }, [x], x.shape)[0]
  }

  sigmoid(x: Value): Value {
    return this.node({ kind: 'sigmoid' }, [x], x.shape)[0]
  }

  /** cap · tanh(x / cap), or x itself. */
  capped(x: Value, cap: number | undefined): Value {
    return cap === undefined ? x : this.scale(this.tanh(this.scale(x, 1 / cap)), cap)
  }

  matmul(a: Value, b: Value, { transposeA = false, transposeB = false } = {}): Value {
    const [m, ka] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!]
    const [kb, n] = transposeB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!]
    if (ka !== kb) throw new Error(`a product of [${a.shape.join()}] and [${b.shape.join()}] does not fit`)
    return this.node(
      { kind: 'matmul', transposeA, transposeB },
      [a, b],
      [...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n]
    )[0]
  }

  rounded(x: Value, as: 'operand' | 'product'): Value {
    return this.node({ kind: 'rounded', as }, [x], x.shape)[0]
  }

  reshape(x: Value, shape: readonly number[]): Value {
    if (size(shape) !== size(x.shape)) throw new Error(`[${x.shape.join()}] cannot become [${shape.join()}]`)
    return shape.join() === x.shape.join() ? x : this.node({ kind: 'reshape' }, [x], shape)[0]
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    return this.node(
      { kind: 'transpose', permutation },
      [x],
      permutation.map((axis) => x.shape[axis])
    )[0]
  }

  split(x: Value, axis: number, sizes: readonly number[]): Value[] {
    if (sizes.length === 1) return [x]
    return this.node(
      { kind: 'split', axis, sizes },
      [x],
      ...sizes.map((own) => x.shape.map((length, at) => (at === axis ? own : length)))
    )
  }

  concat(parts: readonly Value[], axis: number): Value {
    if (parts.length === 1) return parts[0]
    const total = parts.reduce((sum, { shape }) => sum + shape[axis], 0)
    return this.node(
      { kind: 'concat', axis },
      parts,
      parts[0].shape.map((length, at) => (at === axis ? total : length))
    )[0]
  }

  sum(x: Value, axes: readonly number[]): Value {
    return this.node(
      { kind: 'sum', axes },
      [x],
      x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length))
    )[0]
  }

  /** Sums over the axes that broadcasting stretched, so that the result has `shape`. */
  sumTo(x: Value, shape: readonly number[]): Value {
    const lead = x.shape.length - shape.length
    const axes = x.shape.flatMap((length, axis) =>
      axis < lead || (shape[axis - lead] === 1 && length !== 1) ? [axis] : []
    )
    return this.reshape(axes.length === 0 ? x : this.sum(x, axes), shape)
  }

  gather(table: Value, ids: Value): Value {
    return this.node({ kind: 'gather' }, [table, ids], [ids.shape[0], table.shape[1]])[0]
  }

  scatterAdd(updates: Value, ids: Value, rows: number): Value {
    return this.node({ kind: 'scatterAdd' }, [updates, ids], [rows, updates.shape[1]])[0]
  }

  layerNorm(x: Value, scale: Value, shift: Value, epsilon: number): { y: Value; mean: Value; inverseDeviation: Value } {
    const reduced = [...x.shape.slice(0, -1), 1]
    const [y, mean, inverseDeviation] = this.node(
      { kind: 'layerNorm', epsilon },
      [x, scale, shift],
      x.shape,
      reduced,
      reduced
    )
    return { y, mean, inverseDeviation }
  }

  rmsNorm(x: Value, scale: Value, epsilon: number): { y: Value; inverseRoot: Value } {
    const [y, inverseRoot] = this.node({ kind: 'rmsNorm', epsilon }, [x, scale], x.shape, [...x.shape.slice(0, -1), 1])
    return { y, inverseRoot }
  }

  softmax(x: Value): Value {
    return this.node({ kind: 'softmax' }, [x], x.shape)[0]
  }

  causalAttention(q: Value, k: Value, v: Value, block: number, { cap, window }: Scores = {}): Value {
    return this.node({ kind: 'causalAttention', block, cap, window }, [q, k, v], v.shape)[0]
  }

  causalAttentionSlope(
    q: Value,
    k: Value,
    v: Value,
    gradient: Value,
    block: number,
    { cap, window }: Scores = {}
  ): Value[] {
    return this.node(
      { kind: 'causalAttentionSlope', block, cap, window },
      [q, k, v, gradient],
      q.shape,
      k.shape,
      v.shape
    )
  }

  gelu(x: Value, tanh: boolean): Value {
    return this.node({ kind: 'gelu', tanh }, [x], x.shape)[0]
  }

  geluSlope(x: Value, tanh: boolean): Value {
    return this.node({ kind: 'geluSlope', tanh }, [x], x.shape)[0]
  }

  unembedLoss(hidden: Value, unembedding: Value, ids: Value): { loss: Value; logProbabilities: Value } {
    const [tokens, vocabulary] = [hidden.shape[0], unembedding.shape[0]]
    const [loss, logProbabilities] = this.node(
      { kind: 'unembedLoss' },
      [hidden, unembedding, ids],
      [tokens],
      [tokens, vocabulary]
    )
    return { loss, logProbabilities }
  }

  exponentialSums(
    hidden: Value,
    table: Value,
    vocabulary: number,
    block: number,
    cap?: number
  ): { sums: Value; weighted: Value } {
    if (table.shape[0] % block !== 0) throw new Error(`${table.shape[0]} rows are not in blocks of ${block}`)
    const [sums, weighted] = this.node(
      { kind: 'exponentialSums', vocabulary, block, cap },
      [hidden, table],
      [hidden.shape[0], 1],
      hidden.shape
    )
    return { sums, weighted }
  }

  exponentialSumsSlope(hidden: Value, table: Value, coefficients: Value, block: number, cap?: number): Value {
    return this.node({ kind: 'exponentialSumsSlope', block, cap }, [hidden, table, coefficients], table.shape)[0]
  }

  /** The finished graph, without nodes that no output needs. */
  build(): Graph {
    const needed = new Set<number>([...this.outputs.values()].map(({ id }) => id))
    const nodes: Node[] = []
    for (const node of this.nodes.toReversed()) {
      if (!node.outputs.some(({ id }) => needed.has(id))) continue
      nodes.push(node)
      for (const { id } of node.inputs) needed.add(id)
    }
    return {
      inputs: new Map([...this.inputs].filter(([, { id }]) => needed.has(id))),
      constants: new Map([...this.constants].filter(([{ id }]) => needed.has(id))),
      nodes: nodes.reverse(),
      outputs: this.outputs
    }
  }
}

/**
 * Limit of vocabulary rows whose exponentials a device computes at once. Its float32 sum over 50,000 rows in sequence
 * would lose a digit.
 */
export const partRows = 8192

/** Ids of the values read by a node or an output of the graph. Others need not be computed. */
export const valuesRead = ({ nodes, outputs }: Graph): ReadonlySet<number> =>
  new Set([...nodes.flatMap(({ inputs }) => inputs), ...outputs.values()].map(({ id }) => id))

/** Float32 numbers that a node needs while it runs, besides its inputs and outputs. */
const scratch = ({ operation, inputs }: Node): number => {
  switch (operation.kind) {
    case 'exponentialSums':
    case 'exponentialSumsSlope':
      return inputs[0].shape[0] * operation.block
    case 'causalAttention':
      return 2 * operation.block * inputs[0].shape[1]
    case 'causalAttentionSlope':
      return 6 * operation.block * inputs[0].shape[1]
    default:
      return 0
  }
}

/** Peak bytes of float32 intermediates when the nodes run in order. A program holds this memory between runs. */
export const peakBytes = ({ nodes, outputs }: Graph): number => {
  const lastUse = new Map<number, number>()
  nodes.forEach(({ inputs }, at) => {
    for (const { id } of inputs) lastUse.set(id, at)
  })
  for (const { id } of outputs.values()) lastUse.set(id, nodes.length)
  const released = new Map<number, number>()
  let [alive, peak] = [0, 0]
  nodes.forEach((node, at) => {
    for (const { id, shape } of node.outputs) {
      const bytes = 4 * size(shape)
      const end = lastUse.get(id) ?? at
      alive += bytes
      released.set(end, (released.get(end) ?? 0) + bytes)
    }
    peak = Math.max(peak, alive + 4 * scratch(node))
    alive -= released.get(at) ?? 0
  })
  return peak
}
