import type { Evaluator, Prefix } from '../engine/evaluator'
import { Reclaimer } from './reclaim'
import type { Task, TaskResult } from './tasks'

/** What one thread does for a run, one task at a time. */
export interface LaneWork {
  /** Whether a task for several replicas is done faster than as many for one. */
  readonly stacks: boolean
  run(task: Task): Promise<TaskResult> | TaskResult
  share(key: number, prefix: Prefix): void
  release(key: number): void
  dispose(): Promise<void>
}

/** The prefixes that were shared with a thread, by key, and held by its evaluator. */
export class HeldPrefixes {
  readonly #evaluator: Pick<Evaluator, 'hold' | 'release'>
  readonly #prefixes = new Map<number, Prefix>()
  readonly #reclaimer = new Reclaimer()

  constructor(evaluator: Pick<Evaluator, 'hold' | 'release'>) {
    this.#evaluator = evaluator
  }

  get(key: number): Prefix {
    const prefix = this.#prefixes.get(key)
    if (prefix === undefined) throw new Error(`prefix ${key} was not shared`)
    return prefix
  }

  share(key: number, prefix: Prefix): void {
    this.#prefixes.set(key, prefix)
    this.#evaluator.hold?.(prefix)
  }

  release(key: number): void {
    const prefix = this.get(key)
    this.#prefixes.delete(key)
    this.#evaluator.release?.(prefix)
    this.#reclaimer.dropped(prefix)
  }
}
