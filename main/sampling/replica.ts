import type { Evaluator, Prefix } from '../engine/evaluator'
import { streamOf } from './philox'
import { PsgldKernel } from './psgld'
import { Reclaimer } from './reclaim'
import type { ResultOf, SharedRun, Task, TaskOf, TaskResult } from './tasks'

const sum = (values: Float32Array): number => {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]
  return total
}

/** The work on replicas that one thread does with one evaluator: tasks in, results out, one at a time. */
export class ReplicaWork {
  readonly #evaluator: Evaluator
  readonly #run: SharedRun
  readonly #kernel = new PsgldKernel()
  readonly #prefixes = new Map<number, Prefix>()
  readonly #reclaimer = new Reclaimer()
  #gradient = new Float32Array(0)

  constructor(evaluator: Evaluator, run: SharedRun) {
    this.#evaluator = evaluator
    this.#run = run
  }

  share(key: number, prefix: Prefix): void {
    this.#prefixes.set(key, prefix)
  }

  release(key: number): void {
    const prefix = this.#prefix(key)
    this.#prefixes.delete(key)
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
      case 'gaussian':
        return this.#gaussian(task)
      case 'initial':
        return this.#initial(task)
      case 'losses':
        return this.#losses(task)
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

  #zeroGradient(length: number): Float32Array {
    if (this.#gradient.length < length) this.#gradient = new Float32Array(length)
    return this.#gradient.subarray(0, length).fill(0)
  }

  async #step({ replica, step, prefixes, targets }: TaskOf<'step'>): Promise<ResultOf<'step'>> {
    const { seed, sampler, replicas } = this.#run
    const state = replicas[replica]
    const gradient = this.#zeroGradient(state.weights.length)
    let lossSum = 0
    for (const key of prefixes) lossSum += (await this.#evaluator.gradient(state.component, state.weights, this.#prefix(key), gradient)).lossSum
    Atomics.store(state.claim, 0, 1)
    const finite = this.#kernel.update(state, gradient, targets, sampler, { seed, step, chain: state.chain, stream: streamOf('noise', state.index) })
    return { lossSum, finite }
  }

  #gaussian({ replica, draw }: TaskOf<'gaussian'>): null {
    const { seed, sampler, replicas } = this.#run
    const state = replicas[replica]
    this.#kernel.gaussian(state, sampler.gamma, { seed, step: draw, chain: state.chain, stream: streamOf('gaussian', state.index) })
    return null
  }

  async #initial({ component, centre, prefix }: TaskOf<'initial'>): Promise<number> {
    return sum(await this.#evaluator.losses(component, centre, this.#prefix(prefix)))
  }

  async #losses({ replica, prefix, probeRows }: TaskOf<'losses'>): Promise<number> {
    const { starts, positions, replicas } = this.#run
    const { component, weights, losses: kept } = replicas[replica]
    const shared = this.#prefix(prefix)
    const losses = await this.#evaluator.losses(component, weights, shared)
    const targets = shared.rows.length - 1
    probeRows?.forEach((row, i) => {
      for (let token = starts[row]; token < starts[row + 1]; token++) kept[token] = losses[i * targets + positions[token] - 1]
    })
    return sum(losses)
  }

  #commit({ replica, phi, half }: TaskOf<'commit'>): number {
    const { claim, losses, halves, weights, centre } = this.#run.replicas[replica]
    Atomics.store(claim, 0, 1)
    const { loss, product } = halves[half]
    for (let token = 0; token < losses.length; token++) {
      loss[token] += losses[token]
      product[token] += phi * losses[token]
    }
    let square = 0
    for (let i = 0; i < weights.length; i++) square += (weights[i] - centre[i]) ** 2
    return Math.sqrt(square)
  }
}
