import { type Graph, type Node, type Value, partRows, size, valuesRead } from '../graph'
import { type Kernel, groupSize, tileSide } from './kernels'

/** One kernel on some tensors: `numbers` is its `p`, `slots` its tensors in the order of its bindings. */
export interface Step {
  readonly kernel: Kernel
  readonly numbers: readonly number[]
  readonly slots: readonly number[]
  readonly groups: readonly [number, number, number]
}

/** What a graph comes to: steps over slots, of so many 4-byte numbers each. Slots of inputs, constants and outputs are nobody else's. */
export interface Plan {
  readonly steps: readonly Step[]
  readonly lengths: readonly number[]
  readonly inputs: ReadonlyMap<string, number>
  readonly constants: readonly { readonly slot: number; readonly data: Float32Array }[]
  readonly outputs: ReadonlyMap<string, { readonly slot: number; readonly length: number }>
}

/** Numbers of an intermediate that is made in parts: 64 MiB, half of what WebGPU promises every buffer. */
const partNumbers = 2 ** 24
/** Workgroups along one side of a dispatch, of the 65,535 that WebGPU promises. */
const mostGroups = 32768

const strides = (shape: readonly number[]): number[] => shape.map((_, axis) => size(shape.slice(axis + 1)))

/** Strides of `own` as it broadcasts to `shape`. */
const broadcastStrides = (shape: readonly number[], own: readonly number[]): number[] => {
  const lead = shape.length - own.length
  const inner = strides(own)
  return shape.map((_, axis) => (axis < lead || own[axis - lead] === 1 ? 0 : inner[axis - lead]))
}

const bits = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]

const grid = (groups: number): [number, number, number] =>
  groups <= mostGroups ? [groups, 1, 1] : [mostGroups, Math.ceil(groups / mostGroups), 1]

interface Product {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly sides: readonly [m: number, n: number, inner: number]
  readonly transposeA?: boolean
  readonly transposeB?: boolean
  /** Where each tensor begins. */
  readonly begin?: readonly [a: number, b: number, c: number]
  readonly batch?: { readonly lengths: readonly number[]; readonly a: readonly number[]; readonly b: readonly number[] }
}

class Planner {
  readonly steps: Step[] = []
  readonly lengths: number[] = []
  private readonly slots = new Map<number, number>()
  /** Slots of inputs and constants, which no other value gets. */
  private readonly kept = new Set<number>()
  private readonly free = new Map<number, number[]>()
  /** Reads of each value, of the outputs' own one that never comes; and reads of each slot that are still to come, as a value and its reshaped ones share one. */
  private readonly uses = new Map<number, number>()
  private readonly users = new Map<number, number>()
  private readonly read: ReadonlySet<number>

  constructor(private readonly graph: Graph) {
    this.read = valuesRead(graph)
    for (const { inputs } of graph.nodes) for (const { id } of inputs) this.uses.set(id, (this.uses.get(id) ?? 0) + 1)
    for (const { id } of graph.outputs.values()) this.uses.set(id, (this.uses.get(id) ?? 0) + 1)
  }

  private own(length: number): number {
    this.kept.add(this.lengths.length)
    return this.lengths.push(Math.max(1, length)) - 1
  }

  private take(length: number): number {
    return this.free.get(length)?.pop() ?? this.lengths.push(Math.max(1, length)) - 1
  }

  private give(slot: number): void {
    if (this.kept.has(slot)) return
    const length = this.lengths[slot]
    this.free.set(length, [...(this.free.get(length) ?? []), slot])
  }

  private slot({ id }: Value): number {
    return this.slots.get(id)!
  }

  /** The slot that a node's output is written to. */
  private made(value: Value): number {
    const slot = this.take(size(value.shape))
    this.slots.set(value.id, slot)
    return slot
  }

  private step(
    kernel: Kernel,
    numbers: readonly number[],
    slots: readonly number[],
    groups: readonly [number, number, number]
  ): void {
    this.steps.push({ kernel, numbers, slots, groups })
  }

  private each(kernel: Kernel, count: number, numbers: readonly number[], slots: readonly number[]): void {
    this.step(kernel, [count, ...numbers], slots, grid(Math.ceil(count / groupSize)))
  }

  private rows(
    kernel: Kernel,
    [rows, width]: readonly [number, number],
    numbers: readonly number[],
    slots: readonly number[]
  ): void {
    this.step(kernel, [rows, width, ...numbers], slots, grid(rows))
  }

  private product(
    {
      a,
      b,
      c,
      sides,
      transposeA = false,
      transposeB = false,
      begin = [0, 0, 0],
      batch = { lengths: [], a: [], b: [] }
    }: Product,
    kernel: 'matmul' | 'matmulExp' | 'matmulAdd' = 'matmul'
  ): void {
    const [m, n, inner] = sides
    const numbers = [
      m,
      n,
      inner,
      Number(transposeA),
      Number(transposeB),
      ...begin,
      batch.lengths.length,
      ...batch.lengths,
      ...batch.a,
      ...batch.b
    ]
    this.step(kernel, numbers, [a, b, c], [Math.ceil(n / tileSide), Math.ceil(m / tileSide), size(batch.lengths)])
  }

  private binary(
    kernel: 'add' | 'sub' | 'mul',
    a: number,
    b: number,
    c: number,
    shape: readonly number[],
    [ownA, ownB]: readonly (readonly number[])[]
  ): void {
    const same = size(ownA) === size(shape) && size(ownB) === size(shape)
    const numbers = same
      ? [1, size(shape), 1, 1]
      : [shape.length, ...shape, ...broadcastStrides(shape, ownA), ...broadcastStrides(shape, ownB)]
    this.each(kernel, size(shape), numbers, [a, b, c])
  }

  private matmul({ inputs: [a, b], outputs: [c] }: Node, transposeA: boolean, transposeB: boolean): void {
    const [m, n] = c.shape.slice(-2)
    const inner = transposeA ? a.shape.at(-2)! : a.shape.at(-1)!
    const lengths = c.shape.slice(0, -2)
    const of = ({ shape }: Value): number[] =>
      broadcastStrides(lengths, shape.slice(0, -2)).map((stride) => stride * shape.at(-2)! * shape.at(-1)!)
    this.product({
      a: this.slot(a),
      b: this.slot(b),
      c: this.made(c),
      sides: [m, n, inner],
      transposeA,
      transposeB,
      batch: { lengths, a: of(a), b: of(b) }
    })
  }

  private copy(
    lengths: readonly number[],
    [source, from, sourceStrides]: readonly [number, number, readonly number[]],
    [target, to, targetStrides]: readonly [number, number, readonly number[]]
  ): void {
    this.each(
      'copy',
      size(lengths),
      [from, to, lengths.length, ...lengths, ...sourceStrides, ...targetStrides],
      [source, target]
    )
  }

  private split({ inputs: [x], outputs }: Node, axis: number): void {
    const whole = strides(x.shape)
    let at = 0
    for (const output of outputs) {
      this.copy(output.shape, [this.slot(x), at * whole[axis], whole], [this.made(output), 0, strides(output.shape)])
      at += output.shape[axis]
    }
  }

  private concat({ inputs, outputs: [output] }: Node, axis: number): void {
    const whole = strides(output.shape)
    const target = this.made(output)
    let at = 0
    for (const part of inputs) {
      this.copy(part.shape, [this.slot(part), 0, strides(part.shape)], [target, at * whole[axis], whole])
      at += part.shape[axis]
    }
  }

  private sum({ inputs: [x], outputs: [output] }: Node, axes: readonly number[]): void {
    const whole = strides(x.shape)
    const [kept, gone] = [false, true].map((summed) =>
      x.shape.flatMap((_, axis) => (axes.includes(axis) === summed ? [axis] : []))
    )
    const sides = (own: readonly number[]): number[] => [
      ...own.map((axis) => x.shape[axis]),
      ...own.map((axis) => whole[axis])
    ]
    const count = size(output.shape)
    this.each(
      'sum',
      count,
      [size(x.shape) / count, kept.length, gone.length, ...sides(kept), ...sides(gone)],
      [this.slot(x), this.made(output)]
    )
  }

  /** Spans of the first `rows` rows of a table, whose exponentials for so many tokens are made at once. */
  private spans(rows: number, tokens: number): { readonly start: number; readonly length: number }[] {
    const most = Math.max(1, Math.min(partRows, Math.floor(partNumbers / tokens)))
    return Array.from({ length: Math.ceil(rows / most) }, (_, part) => ({
      start: part * most,
      length: Math.min(most, rows - part * most)
    }))
  }

  private exponentialSums({ inputs: [hidden, table], outputs: [sums, weighted] }: Node, vocabulary: number): void {
    const [tokens, width] = hidden.shape
    const [h, w, total, products] = [this.slot(hidden), this.slot(table), this.made(sums), this.made(weighted)]
    for (const { start, length } of this.spans(vocabulary, tokens)) {
      const exponentials = this.take(tokens * length)
      this.product(
        { a: h, b: w, c: exponentials, sides: [tokens, length, width], transposeB: true, begin: [0, start * width, 0] },
        'matmulExp'
      )
      this.rows('rowSum', [tokens, length], [Number(start > 0)], [exponentials, total])
      if (this.read.has(weighted.id))
        this.product(
          { a: exponentials, b: w, c: products, sides: [tokens, width, length], begin: [0, start * width, 0] },
          start > 0 ? 'matmulAdd' : 'matmul'
        )
      this.give(exponentials)
    }
  }

  private exponentialSumsSlope({ inputs: [hidden, table, coefficients], outputs: [output] }: Node): void {
    const [tokens, width] = hidden.shape
    const [h, w, target, weighted] = [this.slot(hidden), this.slot(table), this.made(output), this.take(tokens * width)]
    this.binary('mul', h, this.slot(coefficients), weighted, hidden.shape, [hidden.shape, coefficients.shape])
    for (const { start, length } of this.spans(table.shape[0], tokens)) {
      const exponentials = this.take(tokens * length)
      this.product(
        { a: h, b: w, c: exponentials, sides: [tokens, length, width], transposeB: true, begin: [0, start * width, 0] },
        'matmulExp'
      )
      this.product({
        a: exponentials,
        b: weighted,
        c: target,
        sides: [length, width, tokens],
        transposeA: true,
        begin: [0, 0, start * width]
      })
      this.give(exponentials)
    }
    this.give(weighted)
  }

  /** Items of [N, T, w] of which so many have their scores made at once, with what their products need. */
  private items(shape: readonly number[], work: (count: number, begin: number) => void): void {
    const [items, length, width] = shape
    const most = Math.max(1, Math.min(mostGroups, Math.floor(partNumbers / length ** 2)))
    for (let first = 0; first < items; first += most) work(Math.min(most, items - first), first * length * width)
  }

  /** A product of every item's own matrices, rows of an item by `inner` each; its result begins where `begin` says. */
  private ofItems(
    count: number,
    [m, n, inner]: readonly [number, number, number],
    product: Omit<Product, 'sides' | 'batch'>
  ): void {
    this.product({ ...product, sides: [m, n, inner], batch: { lengths: [count], a: [m * inner], b: [inner * n] } })
  }

  private causalAttention({ inputs: [q, k, v], outputs: [output] }: Node): void {
    const [, length, width] = q.shape
    const target = this.made(output)
    this.items(q.shape, (count, begin) => {
      const [scores, probabilities] = [this.take(count * length ** 2), this.take(count * length ** 2)]
      this.ofItems(count, [length, length, width], {
        a: this.slot(q),
        b: this.slot(k),
        c: scores,
        transposeB: true,
        begin: [begin, begin, 0]
      })
      this.rows('softmax', [count * length, length], [length], [scores, probabilities])
      this.ofItems(count, [length, width, length], {
        a: probabilities,
        b: this.slot(v),
        c: target,
        begin: [0, begin, begin]
      })
      this.give(scores)
      this.give(probabilities)
    })
  }

  private causalAttentionSlope({ inputs, outputs }: Node): void {
    const [, length, width] = inputs[0].shape
    const [q, k, v, gradient] = inputs.map((value) => this.slot(value))
    const [toQ, toK, toV] = outputs.map((value) => this.made(value))
    this.items(inputs[0].shape, (count, begin) => {
      const [scores, probabilities, slope] = [0, 1, 2].map(() => this.take(count * length ** 2))
      this.ofItems(count, [length, length, width], {
        a: q,
        b: k,
        c: scores,
        transposeB: true,
        begin: [begin, begin, 0]
      })
      this.rows('softmax', [count * length, length], [length], [scores, probabilities])
      this.ofItems(count, [length, length, width], {
        a: gradient,
        b: v,
        c: slope,
        transposeB: true,
        begin: [begin, begin, 0]
      })
      this.rows('softmaxSlope', [count * length, length], [], [probabilities, slope, scores])
      this.ofItems(count, [length, width, length], { a: scores, b: k, c: toQ, begin: [0, begin, begin] })
      this.ofItems(count, [length, width, length], {
        a: scores,
        b: q,
        c: toK,
        transposeA: true,
        begin: [0, begin, begin]
      })
      this.ofItems(count, [length, width, length], {
        a: probabilities,
        b: gradient,
        c: toV,
        transposeA: true,
        begin: [0, begin, begin]
      })
      for (const slot of [scores, probabilities, slope]) this.give(slot)
    })
  }

  private unembedLoss({ inputs: [hidden, table, ids], outputs: [loss, logProbabilities] }: Node): void {
    const [tokens, width] = hidden.shape
    const [vocabulary] = table.shape
    const logits = this.take(tokens * vocabulary)
    this.product({
      a: this.slot(hidden),
      b: this.slot(table),
      c: logits,
      sides: [tokens, vocabulary, width],
      transposeB: true
    })
    this.rows(
      'logSoftmax',
      [tokens, vocabulary],
      [],
      [logits, this.slot(ids), this.made(loss), this.made(logProbabilities)]
    )
    this.give(logits)
  }

  private scatterAdd({ inputs: [updates, ids], outputs: [output] }: Node): void {
    const [tokens, width] = updates.shape
    const target = this.made(output)
    this.each('zero', size(output.shape), [], [target])
    this.each('scatterAdd', width, [tokens], [this.slot(updates), this.slot(ids), target])
  }

  private layerNorm({ inputs, outputs }: Node, epsilon: number): void {
    const width = inputs[0].shape.at(-1)!
    this.rows(
      'layerNorm',
      [size(inputs[0].shape) / width, width],
      [bits(epsilon)],
      [...inputs.map((value) => this.slot(value)), ...outputs.map((value) => this.made(value))]
    )
  }

  private node(node: Node): void {
    const { operation, inputs, outputs } = node
    const [x] = inputs
    const unary = (kernel: Kernel, numbers: readonly number[] = []): void =>
      this.each(kernel, size(x.shape), numbers, [this.slot(x), this.made(outputs[0])])
    switch (operation.kind) {
      case 'add':
      case 'sub':
      case 'mul':
        return this.binary(
          operation.kind,
          this.slot(x),
          this.slot(inputs[1]),
          this.made(outputs[0]),
          outputs[0].shape,
          inputs.map(({ shape }) => shape)
        )
      case 'scale':
        return unary('scale', [bits(operation.factor)])
      case 'exp':
      case 'log':
      case 'reciprocal':
        return unary(operation.kind)
      case 'gelu':
        return unary(operation.tanh ? 'geluTanh' : 'gelu')
      case 'geluSlope':
        return unary(operation.tanh ? 'geluTanhSlope' : 'geluSlope')
      case 'matmul':
        return this.matmul(node, operation.transposeA, operation.transposeB)
      case 'rounded':
      case 'reshape':
        return void this.slots.set(outputs[0].id, this.slot(x))
      case 'transpose': {
        const whole = strides(x.shape)
        return this.copy(
          outputs[0].shape,
          [this.slot(x), 0, operation.permutation.map((axis) => whole[axis])],
          [this.made(outputs[0]), 0, strides(outputs[0].shape)]
        )
      }
      case 'split':
        return this.split(node, operation.axis)
      case 'concat':
        return this.concat(node, operation.axis)
      case 'sum':
        return this.sum(node, operation.axes)
      case 'gather':
        return this.each(
          'gather',
          size(outputs[0].shape),
          [x.shape[1]],
          [this.slot(x), this.slot(inputs[1]), this.made(outputs[0])]
        )
      case 'scatterAdd':
        return this.scatterAdd(node)
      case 'layerNorm':
        return this.layerNorm(node, operation.epsilon)
      case 'softmax': {
        const width = x.shape.at(-1)!
        return this.rows('softmax', [size(x.shape) / width, width], [0], [this.slot(x), this.made(outputs[0])])
      }
      case 'causalAttention':
        return this.causalAttention(node)
      case 'causalAttentionSlope':
        return this.causalAttentionSlope(node)
      case 'unembedLoss':
        return this.unembedLoss(node)
      case 'exponentialSums':
        return this.exponentialSums(node, operation.vocabulary)
      case 'exponentialSumsSlope':
        return this.exponentialSumsSlope(node)
    }
  }

  private count({ id }: Value, reads: number): void {
    const slot = this.slots.get(id)
    if (slot !== undefined) this.users.set(slot, (this.users.get(slot) ?? 0) + reads)
  }

  plan(): Plan {
    const { graph } = this
    const inputs = new Map(
      [...graph.inputs].map(([name, value]) => {
        const slot = this.own(size(value.shape))
        this.slots.set(value.id, slot)
        return [name, slot]
      })
    )
    const constants = [...graph.constants].map(([value, data]) => {
      const slot = this.own(data.length)
      this.slots.set(value.id, slot)
      return { slot, data }
    })
    for (const node of graph.nodes) {
      this.node(node)
      for (const value of node.outputs) this.count(value, this.uses.get(value.id) ?? 0)
      for (const value of node.inputs) this.count(value, -1)
      const ended = new Set(
        [...node.inputs, ...node.outputs].filter(({ id }) => this.slots.has(id)).map((value) => this.slot(value))
      )
      for (const slot of ended) if (this.users.get(slot) === 0) this.give(slot)
    }
    const outputs = new Map(
      [...graph.outputs].map(([name, value]) => [name, { slot: this.slot(value), length: size(value.shape) }])
    )
    return { steps: this.steps, lengths: this.lengths, inputs, constants, outputs }
  }
}

export const planOf = (graph: Graph): Plan => new Planner(graph).plan()
