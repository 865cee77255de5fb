import type { Evaluator, Prefix } from '../engine/core'
import { Reclaimer } from './reclaim'
import type { Task, TaskResult } from './tasks'

/** Work that one thread does for a run, one task at a time. */
export interface LaneWork {
  /** Whether one task for several replicas is faster than one task for each. */
  readonly stacks: boolean
  run(task: Task): Promise<TaskResult> | TaskResult
  share(key: number, prefix: Prefix): void
  release(key: number): void
  dispose(): Promise<void>
}

/** Base of work without an evaluator. It ignores shared prefixes. */
export abstract class PlainLane implements LaneWork {
  readonly stacks = false

  abstract run(task: Task): Promise<TaskResult> | TaskResult

  share(_key: number, _prefix: Prefix): void {}

  release(_key: number): void {}

  dispose(): Promise<void> {
    return Promise.resolve()
  }
}

/** Work with an evaluator of its own. */
export class EvaluatingLane implements LaneWork {
  readonly #evaluator: Evaluator
  readonly #prefixes: HeldPrefixes
  readonly #work: Pick<LaneWork, 'run'>

  /** `work` reads the shared prefixes from `prefixes`. */
  constructor(evaluator: Evaluator, prefixes: HeldPrefixes, work: Pick<LaneWork, 'run'>) {
    this.#evaluator = evaluator
    this.#prefixes = prefixes
    this.#work = work
  }

  get stacks(): boolean {
    return this.#evaluator.stacked !== undefined
  }

  run(task: Task): Promise<TaskResult> | TaskResult {
    return this.#work.run(task)
  }

  share(key: number, prefix: Prefix): void {
    this.#prefixes.share(key, prefix)
  }

  release(key: number): void {
    this.#prefixes.release(key)
  }

  dispose(): Promise<void> {
    return this.#evaluator.dispose()
  }
}

/** Prefixes shared with a thread, by key, held by its evaluator. */
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
