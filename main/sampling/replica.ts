import { type Evaluator, type Prefix, type StackedEvaluator, oneByOne } from '../engine/evaluator'
import { streamOf } from './philox'
import { PsgldKernel } from './psgld'
import { Reclaimer } from './reclaim'
import type { Replica, ResultOf, SharedRun, StepPart, Task, TaskOf, TaskResult, TokenSums } from './tasks'

const sum = (values: Float32Array): number => {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]
  return total
}

const add = ({ loss, product }: TokenSums<Float64Array>, token: number, phi: number, change: number): void => {
  if (loss.length > 0) loss[token] += change
  if (product.length > 0) product[token] += phi * change
}

/** Moves the sums to where they are only read from now on. */
const close = (sums: TokenSums<Float64Array>, kept: TokenSums, meanPhi: number): void => {
  if (sums.loss.length > 0 && sums.product.length > 0) for (let token = 0; token < sums.product.length; token++) sums.product[token] -= meanPhi * sums.loss[token]
  kept.product.set(sums.product)
  kept.loss.set(sums.loss)
  sums.loss.fill(0)
  sums.product.fill(0)
}

/** The work on replicas that one thread does with one evaluator: tasks in, results out, one at a time. */
export class ReplicaWork {
  readonly #evaluator: Evaluator
  readonly #alone: StackedEvaluator
  readonly #run: SharedRun
  readonly #kernel = new PsgldKernel()
  readonly #prefixes = new Map<number, Prefix>()
  readonly #reclaimer = new Reclaimer()
  readonly #gradients: Float32Array[] = []

  constructor(evaluator: Evaluator, run: SharedRun) {
    this.#evaluator = evaluator
    this.#alone = oneByOne(evaluator)
    this.#run = run
  }

  /** Whether a task for several replicas is done faster than as many for one. */
  get stacks(): boolean {
    return this.#evaluator.stacked !== undefined
  }

  share(key: number, prefix: Prefix): void {
    this.#prefixes.set(key, prefix)
    this.#evaluator.hold?.(prefix)
  }

  release(key: number): void {
    const prefix = this.#prefix(key)
    this.#prefixes.delete(key)
    this.#evaluator.release?.(prefix)
    this.#reclaimer.dropped(prefix)
  }

  run(task: Task): Promise<TaskResult> | TaskResult {
    switch (task.kind) {
      case 'operations':
        return task.components.map((component) => task.lengths.map((length) => this.#evaluator.operations(component, length)))
      case 'prefix':
        return this.#evaluator.prefix(task.rows)
      case 'step':
        return this.#step(task)
      case 'chunk':
        return this.#chunk(task)
      case 'merge':
        return this.#merge(task)
      case 'gaussian':
        return this.#gaussian(task)
      case 'initial':
        return this.#initial(task)
      case 'losses':
        return this.#losses(task)
      case 'block':
        return this.#block(task)
      case 'take':
        return this.#take(task)
      case 'commit':
        return this.#commit(task)
    }
  }

  dispose(): Promise<void> {
    return this.#evaluator.dispose()
  }

  #prefix(key: number): Prefix {
    const prefix = this.#prefixes.get(key)
    if (prefix === undefined) throw new Error(`prefix ${key} was not shared`)
    return prefix
  }

  #zeroGradient(length: number, at: number): Float32Array {
    if ((this.#gradients[at]?.length ?? -1) < length) this.#gradients[at] = new Float32Array(length)
    return this.#gradients[at].subarray(0, length).fill(0)
  }

  /** What the rows before have left of a step's gradient, for the task's replica of that place. */
  #begin({ gradient, weights }: Replica, begun: boolean, at = 0): Float32Array {
    const own = this.#zeroGradient(weights.length, at)
    if (begun) own.set(gradient)
    return own
  }

  /** Updates the replica, or leaves the gradient to the rows that follow. False if a new weight is not finite. */
  #end(state: Replica, gradient: Float32Array, step: number, { ends, targets }: StepPart): boolean {
    const { seed, sampler } = this.#run
    Atomics.store(state.claim, 0, 1)
    if (ends) return this.#kernel.update(state, gradient, targets, sampler, { seed, step, chain: state.chain, stream: streamOf('noise', state.index) })
    state.gradient.set(gradient)
    return true
  }

  async #step({ replicas, width, step, prefixes, ...part }: TaskOf<'step'>): Promise<ResultOf<'step'>> {
    const states = replicas.map((replica) => this.#run.replicas[replica])
    const gradients = states.map((state, at) => this.#begin(state, part.begun, at))
    const sums = states.map(() => 0)
    for (const key of prefixes) (await this.#evaluatorOf(width).gradient(states, width, this.#prefix(key), gradients)).forEach((sum, at) => (sums[at] += sum))
    return states.map((state, at) => ({ lossSum: sums[at], finite: this.#end(state, gradients[at], step, part) }))
  }

  /** For as many replicas as a task has where all have it to do. */
  #evaluatorOf(width: number): StackedEvaluator {
    return width > 1 && this.#evaluator.stacked !== undefined ? this.#evaluator.stacked : this.#alone
  }

  async #chunk({ replica, prefix, part }: TaskOf<'chunk'>): Promise<number> {
    const { component, weights, parts } = this.#run.replicas[replica]
    return (await this.#evaluator.gradient(component, weights, this.#prefix(prefix), parts[part].fill(0))).lossSum
  }

  /** In the order of the chunks, so that the sum is that of one thread. */
  #merge({ replica, step, parts, ...place }: TaskOf<'merge'>): boolean {
    const state = this.#run.replicas[replica]
    const gradient = this.#begin(state, place.begun)
    for (const part of state.parts.slice(0, parts)) for (let i = 0; i < gradient.length; i++) gradient[i] += part[i]
    return this.#end(state, gradient, step, place)
  }

  #gaussian({ replica, draw }: TaskOf<'gaussian'>): null {
    const { seed, sampler, replicas } = this.#run
    const state = replicas[replica]
    this.#kernel.gaussian(state, sampler.gamma, { seed, step: draw, chain: state.chain, stream: streamOf('gaussian', state.index) })
    return null
  }

  /** Calls `take` for every studied token of the rows, with its loss. */
  #studied(rows: Int32Array, losses: Float32Array, targets: number, take: (token: number, loss: number) => void): void {
    const { starts, positions } = this.#run
    rows.forEach((row, i) => {
      for (let token = starts[row]; token < starts[row + 1]; token++) take(token, losses[i * targets + positions[token] - 1])
    })
  }

  async #initial({ component, centre, prefix, probeRows }: TaskOf<'initial'>): Promise<number> {
    const { initialLosses } = this.#run
    const shared = this.#prefix(prefix)
    const losses = await this.#evaluator.losses(component, centre, shared)
    if (probeRows !== null) this.#studied(probeRows, losses, shared.rows.length - 1, (token, loss) => (initialLosses[token] = loss))
    return sum(losses)
  }

  async #losses({ replicas, width, prefix, probe }: TaskOf<'losses'>): Promise<ResultOf<'losses'>> {
    const states = replicas.map((replica) => this.#run.replicas[replica])
    const shared = this.#prefix(prefix)
    const losses = await this.#evaluatorOf(width).losses(states, width, shared)
    if (probe !== null) states.forEach((state, at) => this.#takeIn(state, probe.indices, losses[at], shared.rows.length - 1, probe.phis[at]))
    return losses.map(sum)
  }

  /** Adds losses of studied tokens to the replica's sums, or keeps them until φ is known. */
  #takeIn({ claim, losses: kept, sums }: Replica, indices: Int32Array, losses: Float32Array, targets: number, phi: number | null): void {
    const { initialLosses } = this.#run
    if (phi === null) return this.#studied(indices, losses, targets, (token, loss) => (kept[token] = loss))
    Atomics.store(claim, 0, 1)
    this.#studied(indices, losses, targets, (token, loss) => add(sums, token, phi, loss - initialLosses[token]))
  }

  async #block({ replica, prefix, part }: TaskOf<'block'>): Promise<number> {
    const { component, weights, blockLosses } = this.#run.replicas[replica]
    const losses = await this.#evaluator.losses(component, weights, this.#prefix(prefix))
    blockLosses[part].set(losses)
    return sum(losses)
  }

  #take({ replica, blocks, phi }: TaskOf<'take'>): null {
    const state = this.#run.replicas[replica]
    blocks.forEach(({ indices, targets }, part) => this.#takeIn(state, indices, state.blockLosses[part], targets, phi))
    return null
  }

  #commit({ replica, phi, closing }: TaskOf<'commit'>): number {
    const { initialLosses, replicas } = this.#run
    const { claim, losses, sums, firstHalf, weights, centre } = replicas[replica]
    Atomics.store(claim, 0, 1)
    for (let token = 0; token < losses.length; token++) add(sums, token, phi, losses[token] - initialLosses[token])
    if (closing !== null) close(sums, firstHalf, closing)
    let square = 0
    for (let i = 0; i < weights.length; i++) square += (weights[i] - centre[i]) ** 2
    return Math.sqrt(square)
  }
}
