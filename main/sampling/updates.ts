import { PlainLane } from './lane-work'
import { streamOf } from './philox'
import { PsgldKernel } from './psgld'
import type { ChainsRun, Replica, StepPart, Task, TaskOf, TaskResult, TokenSums } from './tasks'

export const sum = (values: Float32Array): number => {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]
  return total
}

const add = ({ loss, product }: TokenSums<Float64Array>, token: number, phi: number, change: number): void => {
  if (loss.length > 0) loss[token] += change
  if (product.length > 0) product[token] += phi * change
}

/** Copies the sums to `kept`, with `meanPhi` Σδ subtracted from Σφδ if both are present, and resets them. */
const close = (sums: TokenSums<Float64Array>, kept: TokenSums, meanPhi: number): void => {
  if (sums.loss.length > 0 && sums.product.length > 0)
    for (let token = 0; token < sums.product.length; token++) sums.product[token] -= meanPhi * sums.loss[token]
  kept.product.set(sums.product)
  kept.loss.set(sums.loss)
  sums.loss.fill(0)
  sums.product.fill(0)
}

/** A thread's work on replicas that needs no evaluator. */
export class ReplicaUpdates extends PlainLane {
  readonly #kernel = new PsgldKernel()
  readonly #gradients: Float32Array[] = []

  constructor(protected readonly shared: ChainsRun) {
    super()
  }

  run(task: Task): Promise<TaskResult> | TaskResult {
    switch (task.kind) {
      case 'update':
        return this.#update(task)
      case 'gaussian':
        return this.#gaussian(task)
      case 'take':
        return this.#take(task)
      case 'commit':
        return this.#commit(task)
      default:
        throw new Error(`${task.kind} needs an evaluator`)
    }
  }

  /**
   * Array that a step's gradient accumulates in, for replica number `at` of the task: holds the sum of earlier rows,
   * or zeros.
   */
  protected begin(gradient: Float32Array, length: number, begun: boolean, at = 0): Float32Array {
    // A first part may accumulate in place: a repeated task fills it with zeros again.
    if (gradient.length > 0 && !begun) return gradient.fill(0)
    if ((this.#gradients[at]?.length ?? -1) < length) this.#gradients[at] = new Float32Array(length)
    const own = this.#gradients[at].subarray(0, length)
    if (begun) own.set(gradient)
    else own.fill(0)
    return own
  }

  /**
   * Updates a range of the replica's weights, or stores the gradient for later rows. Returns false if a new weight is
   * not finite.
   */
  protected end(
    state: Replica,
    range: { readonly claim: number; readonly start: number; readonly end: number },
    gradient: Float32Array,
    step: number,
    { ends, targets }: StepPart
  ): boolean {
    const { seed, sampler } = this.shared
    const { claim, start, end } = range
    const of = (values: Float32Array): Float32Array => values.subarray(start, end)
    if (!ends && gradient.buffer === state.gradient.buffer) return true
    Atomics.store(state.claims, claim, 1)
    if (ends) {
      const own = { weights: of(state.weights), centre: of(state.centre), squares: of(state.squares) }
      return this.#kernel.update(
        own,
        gradient,
        targets,
        sampler,
        { seed, step, chain: state.chain, stream: streamOf('noise', state.index) },
        start
      )
    }
    of(state.gradient).set(gradient)
    return true
  }

  /** Sums the chunks in order, so that the result is that of one thread. */
  #update({ replica, step, parts, range, ...place }: TaskOf<'update'>): boolean {
    const state = this.shared.replicas[replica]
    const start = range * this.shared.rangeWeights
    const end = Math.min(start + this.shared.rangeWeights, state.weights.length)
    const left = state.gradient.subarray(start, end)
    const gradient = parts === 0 ? left : this.begin(left, end - start, place.begun)
    for (const part of state.parts.slice(0, parts))
      for (let i = 0; i < gradient.length; i++) gradient[i] += part[start + i]
    return this.end(state, { claim: range, start, end }, gradient, step, place)
  }

  #gaussian({ replica, draw }: TaskOf<'gaussian'>): null {
    const { seed, sampler, replicas } = this.shared
    const state = replicas[replica]
    this.#kernel.gaussian(state, sampler.gamma, {
      seed,
      step: draw,
      chain: state.chain,
      stream: streamOf('gaussian', state.index)
    })
    return null
  }

  /** Calls `take` for every studied token of the rows, with its loss. */
  protected studied(
    rows: Int32Array,
    losses: Float32Array,
    targets: number,
    take: (token: number, loss: number) => void
  ): void {
    const { starts, positions } = this.shared
    rows.forEach((row, i) => {
      for (let token = starts[row]; token < starts[row + 1]; token++)
        take(token, losses[i * targets + positions[token] - 1])
    })
  }

  /** Adds losses of studied tokens to the replica's sums, or stores them until φ is known. */
  protected takeIn(
    { claims, losses: kept, sums }: Replica,
    indices: Int32Array,
    losses: Float32Array,
    targets: number,
    phi: number | null
  ): void {
    const { initialLosses } = this.shared
    if (phi === null) return this.studied(indices, losses, targets, (token, loss) => (kept[token] = loss))
    Atomics.store(claims, 0, 1)
    this.studied(indices, losses, targets, (token, loss) => add(sums, token, phi, loss - initialLosses[token]))
  }

  #take({ replica, blocks, phi }: TaskOf<'take'>): null {
    const state = this.shared.replicas[replica]
    blocks.forEach(({ indices, targets }, part) => this.takeIn(state, indices, state.blockLosses[part], targets, phi))
    return null
  }

  #commit({ replica, phi, closing }: TaskOf<'commit'>): number {
    const { initialLosses, replicas } = this.shared
    const { claims, losses, sums, firstHalf, weights, centre } = replicas[replica]
    Atomics.store(claims, 0, 1)
    for (let token = 0; token < losses.length; token++) add(sums, token, phi, losses[token] - initialLosses[token])
    if (closing !== null) close(sums, firstHalf, closing)
    let square = 0
    for (let i = 0; i < weights.length; i++) square += (weights[i] - centre[i]) ** 2
    return Math.sqrt(square)
  }
}
