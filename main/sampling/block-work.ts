import type { BlockConfiguration } from '../../preload/configuration'
import { type Evaluator, type StackedEvaluator, oneByOne } from '../engine/core'
import { type HeldPrefixes, PlainLane } from './lane-work'
import { streamOf } from './philox'
import { PsgldKernel } from './psgld'
import type { BlocksRun, DrawBlock, GradientDraw, ResultOf, SharedSlice, Task, TaskOf, TaskResult } from './tasks'
import { sum } from './updates'

/** t of draw k, the fraction of the base point in its partner point (docs/method.md, section 3b). */
const partnerShare = (draw: number): number => ((draw + 0.5) * ((Math.sqrt(5) - 1) / 2)) % 1

/**
 * Signs of x and of q at the points of one slope: four in docs/method.md, section 3c (±x ± h q), two in section 3b (x
 * ± h q).
 */
export const slopeSigns = (method: BlockConfiguration['method']): readonly (readonly [number, number])[] =>
  method === 'first-order'
    ? [
        [1, 1],
        [1, -1],
        [-1, 1],
        [-1, -1]
      ]
    : [
        [1, 1],
        [1, -1]
      ]

/** A thread's work on draw blocks that needs no evaluator. */
export class BlockUpdates extends PlainLane {
  protected readonly kernel = new PsgldKernel()

  constructor(protected readonly shared: BlocksRun) {
    super()
  }

  run(task: Task): Promise<TaskResult> | TaskResult {
    if (task.kind === 'direction') return this.#direction(task)
    throw new Error(`${task.kind} needs an evaluator`)
  }

  #direction({ replica, turn, plain, product }: TaskOf<'direction'>): number {
    const block = this.shared.replicas[replica]
    const { gradient, gradientProduct, direction } = block
    Atomics.store(block.claims, 0, 1)
    let square = 0
    for (let i = 0; i < gradient.length; i++) {
      const g = plain * gradient[i] + (gradientProduct.length > 0 ? product * gradientProduct[i] : 0)
      direction[i] = g
      square += g * g
    }
    const norm = Math.sqrt(square)
    // The gradient is 0 if the loss does not depend on the component. Its slopes are then 0 too.
    const scale = norm > 0 ? 1 / norm : 0
    for (let i = 0; i < direction.length; i++) direction[i] *= scale
    if (this.shared.sampler.method === 'first-order') this.#orthogonalPoint(block, turn)
    else this.#partnerPoint(block, turn)
    return norm
  }

  /** x = (y - (y·q) q)/√γ: docs/method.md, section 3c. */
  #orthogonalPoint({ index, direction, point }: DrawBlock, turn: number): void {
    const {
      seed,
      sampler: { gamma }
    } = this.shared
    let along = 0
    this.kernel.eachNormals(
      point.length,
      { seed, step: turn, chain: 0, stream: streamOf('point', index) },
      (noise, start, end) => {
        for (let i = start; i < end; i++) {
          point[i] = noise[i - start]
          along += noise[i - start] * direction[i]
        }
      }
    )
    const scale = 1 / Math.sqrt(gamma)
    for (let i = 0; i < point.length; i++) point[i] = (point[i] - along * direction[i]) * scale
  }

  /** x = (t z + √(1-t²) z')/√γ: docs/method.md, section 3b. */
  #partnerPoint({ index, point }: DrawBlock, draw: number): void {
    const {
      seed,
      sampler: { gamma }
    } = this.shared
    const t = partnerShare(draw)
    const [ofBase, ofOther] = [t / Math.sqrt(gamma), Math.sqrt(1 - t * t) / Math.sqrt(gamma)]
    const source = (chain: number) => ({ seed, step: draw, chain, stream: streamOf('gradient', index) })
    this.kernel.eachNormals(point.length, source(0), (noise, start, end) => {
      for (let i = start; i < end; i++) point[i] = ofBase * noise[i - start]
    })
    this.kernel.eachNormals(point.length, source(1), (noise, start, end) => {
      for (let i = start; i < end; i++) point[i] += ofOther * noise[i - start]
    })
  }
}

/** A thread's work on draw blocks, of every kind, with one evaluator. */
export class BlockWork extends BlockUpdates {
  readonly #evaluator: Evaluator
  readonly #alone: StackedEvaluator
  readonly #prefixes: HeldPrefixes
  readonly #scratch: Float32Array[] = []

  constructor(evaluator: Evaluator, prefixes: HeldPrefixes, run: BlocksRun) {
    super(run)
    this.#evaluator = evaluator
    this.#alone = oneByOne(evaluator)
    this.#prefixes = prefixes
  }

  override run(task: Task): Promise<TaskResult> | TaskResult {
    switch (task.kind) {
      case 'operations':
        return task.components.map((component) =>
          task.lengths.map((length) => this.#evaluator.operations(component, length))
        )
      case 'prefix':
        return this.#evaluator.prefix(task.rows)
      case 'rowLosses':
        return this.#rowLosses(task)
      case 'pair':
        return this.#pair(task)
      case 'base':
        return this.#base(task)
      case 'baseLosses':
        return this.#baseLosses(task)
      case 'slopes':
        return this.#slopes(task)
      default:
        return super.run(task)
    }
  }

  #evaluatorOf(width: number): StackedEvaluator {
    return width > 1 && this.#evaluator.stacked !== undefined ? this.#evaluator.stacked : this.#alone
  }

  /** Scratch array number `at` of this thread, with `length` floats. */
  #own(at: number, length: number): Float32Array {
    if ((this.#scratch[at]?.length ?? -1) < length) this.#scratch[at] = new Float32Array(length)
    return this.#scratch[at].subarray(0, length)
  }

  async #rowLosses({ component, centre, prefix: key }: TaskOf<'rowLosses'>): Promise<ResultOf<'rowLosses'>> {
    const prefix = this.#prefixes.get(key)
    const losses = await this.#evaluator.losses(component, centre, prefix)
    const { count, length } = prefix.rows
    return Array.from({ length: count }, (_, row) => sum(losses.subarray(row * (length - 1), (row + 1) * (length - 1))))
  }

  /**
   * Gradients of the blocks at the given weights over a slice, in this thread's scratch arrays, with φ and norm of
   * each.
   */
  async #gradients(
    blocks: readonly DrawBlock[],
    weights: readonly Float32Array[],
    width: number,
    { prefixes, targets, initialLoss }: SharedSlice
  ): Promise<{ readonly gradients: Float32Array[]; readonly draws: GradientDraw[] }> {
    const gradients = blocks.map(({ centre }, at) => this.#own(2 * at + 1, centre.length).fill(0))
    const sums = blocks.map(() => 0)
    const replicas = blocks.map(({ component }, at) => ({ component, weights: weights[at] }))
    for (const key of prefixes)
      (await this.#evaluatorOf(width).gradient(replicas, width, this.#prefixes.get(key), gradients)).forEach(
        (own, at) => (sums[at] += own)
      )
    const draws = gradients.map((gradient, at) => {
      let square = 0
      for (let i = 0; i < gradient.length; i++) square += gradient[i] ** 2
      return { phi: sums[at] / targets - initialLoss, norm: Math.sqrt(square) / targets }
    })
    return { gradients, draws }
  }

  async #pair({ replicas, width, pair, slices }: TaskOf<'pair'>): Promise<ResultOf<'pair'>> {
    const {
      seed,
      sampler: { gamma, nBeta }
    } = this.shared
    const blocks = replicas.map((replica) => this.shared.replicas[replica])
    const results: [GradientDraw, GradientDraw][] = blocks.map(() => [
      { phi: NaN, norm: NaN },
      { phi: NaN, norm: NaN }
    ])
    for (const half of [0, 1] as const) {
      const weights = blocks.map(({ centre, index }, at) => {
        const own = this.#own(2 * at, centre.length)
        this.kernel.gaussian(
          { weights: own, centre },
          gamma,
          { seed, step: pair, chain: 0, stream: streamOf('gradient', index) },
          half === 0 ? 1 : -1
        )
        return own
      })
      const { gradients, draws } = await this.#gradients(blocks, weights, width, slices[half])
      blocks.forEach(({ claims, gradient, gradientProduct }, at) => {
        const { phi } = (results[at][half] = draws[at])
        const weight = Math.exp(-nBeta * phi) / slices[half].targets
        const own = gradients[at]
        Atomics.store(claims, 0, 1)
        for (let i = 0; i < own.length; i++) gradient[i] += weight * own[i]
        if (gradientProduct.length > 0) for (let i = 0; i < own.length; i++) gradientProduct[i] += weight * phi * own[i]
      })
    }
    return results
  }

  async #base({ replicas, width, draw, slice }: TaskOf<'base'>): Promise<ResultOf<'base'>> {
    const {
      seed,
      sampler: { gamma }
    } = this.shared
    const blocks = replicas.map((replica) => this.shared.replicas[replica])
    for (const { point, centre, index } of blocks) {
      this.kernel.gaussian({ weights: point, centre }, gamma, {
        seed,
        step: draw,
        chain: 0,
        stream: streamOf('gradient', index)
      })
    }
    const { gradients, draws } = await this.#gradients(
      blocks,
      blocks.map(({ point }) => point),
      width,
      slice
    )
    blocks.forEach(({ gradient }, at) => {
      const own = gradients[at]
      for (let i = 0; i < own.length; i++) gradient[i] = own[i] / slice.targets
    })
    return draws
  }

  async #baseLosses({ replicas, width, prefix }: TaskOf<'baseLosses'>): Promise<ResultOf<'baseLosses'>> {
    const blocks = replicas.map((replica) => this.shared.replicas[replica])
    const losses = await this.#evaluatorOf(width).losses(
      blocks.map(({ component, point }) => ({ component, weights: point })),
      width,
      this.#prefixes.get(prefix)
    )
    return losses.map(sum)
  }

  async #slopes({
    replicas,
    width,
    prefix: key,
    indices,
    claim,
    factors
  }: TaskOf<'slopes'>): Promise<ResultOf<'slopes'>> {
    const {
      sampler: { gamma, method }
    } = this.shared
    const prefix = this.#prefixes.get(key)
    const blocks = replicas.map((replica) => this.shared.replicas[replica])
    const signs = slopeSigns(method)
    const step = 1 / Math.sqrt(gamma)
    const weightsOf = (
      { centre, point, direction }: DrawBlock,
      [ofPoint, ofDirection]: readonly [number, number],
      at: number
    ): Float32Array => {
      const own = this.#own(at, centre.length)
      const along = ofDirection * step
      for (let i = 0; i < own.length; i++) own[i] = centre[i] + ofPoint * point[i] + along * direction[i]
      return own
    }
    const losses: Float32Array[][] = []
    if (width > 1) {
      const points = blocks.flatMap((block, at) =>
        signs.map((sign, turn) => ({
          component: block.component,
          weights: weightsOf(block, sign, at * signs.length + turn)
        }))
      )
      const all = await this.#evaluatorOf(width).losses(points, width * signs.length, prefix)
      blocks.forEach((_, at) => losses.push(all.slice(at * signs.length, (at + 1) * signs.length)))
    } else {
      const [block] = blocks
      const own: Float32Array[] = []
      for (const sign of signs)
        own.push(await this.#evaluator.losses(block.component, weightsOf(block, sign, 0), prefix))
      losses.push(own)
    }
    return blocks.map((block, at) =>
      this.#addSlopes(block, losses[at], signs, prefix.rows.length - 1, indices, claim, factors[at])
    )
  }

  /** Adds a block's slopes to its sums. A slope is ‖g‖ times the mean over sign pairs of ±ℓ/h. */
  #addSlopes(
    { claims, slopes, products }: DrawBlock,
    losses: readonly Float32Array[],
    signs: readonly (readonly [number, number])[],
    targets: number,
    indices: Int32Array | null,
    claim: number,
    { norm, weight, product }: TaskOf<'slopes'>['factors'][number]
  ): number {
    const scale = (norm * Math.sqrt(this.shared.sampler.gamma)) / signs.length
    const slopeAt = (i: number): number => {
      let difference = 0
      for (let turn = 0; turn < losses.length; turn++) difference += signs[turn][1] * losses[turn][i]
      return scale * difference
    }
    let total = 0
    for (let i = 0; i < losses[0].length; i++) total += slopeAt(i)
    if (indices === null) return total
    const { starts, positions } = this.shared
    Atomics.store(claims, claim, 1)
    indices.forEach((row, i) => {
      for (let token = starts[row]; token < starts[row + 1]; token++) {
        const slope = slopeAt(i * targets + positions[token] - 1)
        slopes[token] += weight * slope
        if (products.length > 0) products[token] += product * slope
      }
    })
    return total
  }
}
