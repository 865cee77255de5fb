import { type Evaluator, type Prefix, type StackedEvaluator, oneByOne } from '../engine/evaluator'
import { Reclaimer } from './reclaim'
import type { LaneKind, ResultOf, SharedRun, Task, TaskOf, TaskResult } from './tasks'
import { ReplicaUpdates } from './updates'

const sum = (values: Float32Array): number => {
  let total = 0
  for (let i = 0; i < values.length; i++) total += values[i]
  return total
}

/** The work on replicas that one thread does with one evaluator: any task. */
class ReplicaWork extends ReplicaUpdates {
  readonly #evaluator: Evaluator
  readonly #alone: StackedEvaluator
  readonly #prefixes = new Map<number, Prefix>()
  readonly #reclaimer = new Reclaimer()

  constructor(evaluator: Evaluator, run: SharedRun) {
    super(run)
    this.#evaluator = evaluator
    this.#alone = oneByOne(evaluator)
  }

  override get stacks(): boolean {
    return this.#evaluator.stacked !== undefined
  }

  override share(key: number, prefix: Prefix): void {
    this.#prefixes.set(key, prefix)
    this.#evaluator.hold?.(prefix)
  }

  override release(key: number): void {
    const prefix = this.#prefix(key)
    this.#prefixes.delete(key)
    this.#evaluator.release?.(prefix)
    this.#reclaimer.dropped(prefix)
  }

  override run(task: Task): Promise<TaskResult> | TaskResult {
    switch (task.kind) {
      case 'operations':
        return task.components.map((component) => task.lengths.map((length) => this.#evaluator.operations(component, length)))
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

  override dispose(): Promise<void> {
    return this.#evaluator.dispose()
  }

  #prefix(key: number): Prefix {
    const prefix = this.#prefixes.get(key)
    if (prefix === undefined) throw new Error(`prefix ${key} was not shared`)
    return prefix
  }

  async #step({ replicas, width, step, prefixes, ...part }: TaskOf<'step'>): Promise<ResultOf<'step'>> {
    const states = replicas.map((replica) => this.shared.replicas[replica])
    const gradients = states.map((state, at) => this.begin(state.gradient, state.weights.length, part.begun, at))
    const sums = states.map(() => 0)
    for (const key of prefixes) (await this.#evaluatorOf(width).gradient(states, width, this.#prefix(key), gradients)).forEach((sum, at) => (sums[at] += sum))
    return states.map((state, at) => ({ lossSum: sums[at], finite: this.end(state, { claim: 0, start: 0, end: state.weights.length }, gradients[at], step, part) }))
  }

  /** For as many replicas as a task has where all have it to do. */
  #evaluatorOf(width: number): StackedEvaluator {
    return width > 1 && this.#evaluator.stacked !== undefined ? this.#evaluator.stacked : this.#alone
  }

  async #chunk({ replica, prefix, part }: TaskOf<'chunk'>): Promise<number> {
    const { component, weights, parts } = this.shared.replicas[replica]
    return (await this.#evaluator.gradient(component, weights, this.#prefix(prefix), parts[part].fill(0))).lossSum
  }

  async #initial({ component, centre, prefix, probeRows }: TaskOf<'initial'>): Promise<number> {
    const { initialLosses } = this.shared
    const shared = this.#prefix(prefix)
    const losses = await this.#evaluator.losses(component, centre, shared)
    if (probeRows !== null) this.studied(probeRows, losses, shared.rows.length - 1, (token, loss) => (initialLosses[token] = loss))
    return sum(losses)
  }

  async #losses({ replicas, width, prefix, probe }: TaskOf<'losses'>): Promise<ResultOf<'losses'>> {
    const states = replicas.map((replica) => this.shared.replicas[replica])
    const shared = this.#prefix(prefix)
    const losses = await this.#evaluatorOf(width).losses(states, width, shared)
    if (probe !== null) states.forEach((state, at) => this.takeIn(state, probe.indices, losses[at], shared.rows.length - 1, probe.phis[at]))
    return losses.map(sum)
  }

  async #block({ replica, prefix, part }: TaskOf<'block'>): Promise<number> {
    const { component, weights, blockLosses } = this.shared.replicas[replica]
    const losses = await this.#evaluator.losses(component, weights, this.#prefix(prefix))
    blockLosses[part].set(losses)
    return sum(losses)
  }
}

/** What a lane of that kind does its tasks with. */
export const openWork = async (run: SharedRun, kind: LaneKind, openEvaluator: (run: SharedRun) => Promise<Evaluator>): Promise<ReplicaUpdates> =>
  kind === 'updating' ? new ReplicaUpdates(run) : new ReplicaWork(await openEvaluator(run), run)
