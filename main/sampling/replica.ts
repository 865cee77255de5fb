import { type Evaluator, type StackedEvaluator, oneByOne } from '../engine/core'
import type { HeldPrefixes } from './lane-work'
import type { ChainsRun, ResultOf, Task, TaskOf, TaskResult } from './tasks'
import { ReplicaUpdates, sum } from './updates'

/** A thread's work on replicas, of every kind, with one evaluator. */
export class ReplicaWork extends ReplicaUpdates {
  readonly #evaluator: Evaluator
  readonly #alone: StackedEvaluator
  readonly #prefixes: HeldPrefixes

  constructor(evaluator: Evaluator, prefixes: HeldPrefixes, run: ChainsRun) {
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
      case 'step':
        return this.#step(task)
      case 'chunk':
        return this.#chunk(task)
      case 'initial':
        return this.#initial(task)
      case 'losses':
        return this.#losses(task)
      case 'block':
        return this.#block(task)
      default:
        return super.run(task)
    }
  }

  async #step({ replicas, width, step, prefixes, ...part }: TaskOf<'step'>): Promise<ResultOf<'step'>> {
    const states = replicas.map((replica) => this.shared.replicas[replica])
    const gradients = states.map((state, at) => this.begin(state.gradient, state.weights.length, part.begun, at))
    const sums = states.map(() => 0)
    for (const key of prefixes)
      (await this.#evaluatorOf(width).gradient(states, width, this.#prefixes.get(key), gradients)).forEach(
        (sum, at) => (sums[at] += sum)
      )
    return states.map((state, at) => ({
      lossSum: sums[at],
      finite: this.end(state, { claim: 0, start: 0, end: state.weights.length }, gradients[at], step, part)
    }))
  }

  /** The stacked evaluator if a task's group has several replicas and the engine has one. */
  #evaluatorOf(width: number): StackedEvaluator {
    return width > 1 && this.#evaluator.stacked !== undefined ? this.#evaluator.stacked : this.#alone
  }

  async #chunk({ replica, prefix, part }: TaskOf<'chunk'>): Promise<number> {
    const { component, weights, parts } = this.shared.replicas[replica]
    return (await this.#evaluator.gradient(component, weights, this.#prefixes.get(prefix), parts[part].fill(0))).lossSum
  }

  async #initial({ component, centre, prefix, probeRows }: TaskOf<'initial'>): Promise<number> {
    const { initialLosses } = this.shared
    const shared = this.#prefixes.get(prefix)
    const losses = await this.#evaluator.losses(component, centre, shared)
    if (probeRows !== null)
      this.studied(probeRows, losses, shared.rows.length - 1, (token, loss) => (initialLosses[token] = loss))
    return sum(losses)
  }

  async #losses({ replicas, width, prefix, probe }: TaskOf<'losses'>): Promise<ResultOf<'losses'>> {
    const states = replicas.map((replica) => this.shared.replicas[replica])
    const shared = this.#prefixes.get(prefix)
    const losses = await this.#evaluatorOf(width).losses(states, width, shared)
    if (probe !== null)
      states.forEach((state, at) =>
        this.takeIn(state, probe.indices, losses[at], shared.rows.length - 1, probe.phis[at])
      )
    return losses.map(sum)
  }

  async #block({ replica, prefix, part }: TaskOf<'block'>): Promise<number> {
    const { component, weights, blockLosses } = this.shared.replicas[replica]
    const losses = await this.#evaluator.losses(component, weights, this.#prefixes.get(prefix))
    blockLosses[part].set(losses)
    return sum(losses)
  }
}
