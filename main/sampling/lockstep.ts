import { SpectroscopeError } from '../../preload/errors'
import { type Pool } from './pool'
import { TaskDropped } from './lane'
import type { RowBlock } from './rows'

/** Tasks that share the forward passes at w* of some rows. */
export interface StageTasks {
  readonly blocks: readonly RowBlock[]
  /** Starts the tasks, given the keys of the blocks' prefixes. */
  readonly start: (keys: readonly number[]) => readonly Promise<void>[]
}

export interface LockstepOptions {
  readonly signal?: AbortSignal | undefined
  /** Ends an interrupted run, with an error. */
  readonly interrupt: () => Promise<never>
  /** Called when the engine has failed and no task is at work any more. */
  readonly keep: () => Promise<void>
}

/**
 * Works through stages in turn; while one ends, the forward passes of the next fill the threads that have run out of
 * its tasks.
 */
export class Lockstep {
  readonly #pool: Pool
  readonly #options: LockstepOptions

  constructor(pool: Pool, options: LockstepOptions) {
    this.#pool = pool
    this.#options = options
  }

  /** Waits for all. The first error stops what has not begun; an abort ends the run. */
  async settled<T>(jobs: readonly Promise<T>[]): Promise<T[]> {
    const { signal } = this.#options
    if (signal?.aborted) this.#pool.drop()
    for (const job of jobs) job.catch(() => this.#pool.drop())
    const settled = await Promise.allSettled(jobs)
    const errors = settled.flatMap((job) => (job.status === 'rejected' ? [job.reason as Error] : []))
    const error = errors.find((reason) => !(reason instanceof TaskDropped))
    if (error !== undefined) {
      if (error instanceof SpectroscopeError && error.kind === 'engine') {
        await this.#pool.idle()
        await this.#options.keep()
      }
      throw error
    }
    if (signal?.aborted) {
      await this.#pool.idle()
      await this.#options.interrupt()
    }
    return settled.map((job) => (job as PromiseFulfilledResult<T>).value)
  }

  /** Keys of the blocks' prefixes, each shared with all lanes until it is released. */
  openPrefixes(blocks: readonly RowBlock[]): Promise<number[]> {
    const keys = Promise.all(
      blocks.map(async ({ rows }) => this.#pool.share(await this.#pool.run<'prefix'>({ kind: 'prefix', rows }, 0)))
    )
    keys.catch(() => {})
    return keys
  }

  /**
   * Stages until `next` gives none; it is asked for the one after as soon as a stage's tasks are started. `after` is
   * called when they are done.
   */
  async run(next: () => StageTasks | undefined, after: () => Promise<void>): Promise<void> {
    let stage = next()
    let prefixes = stage && this.openPrefixes(stage.blocks)
    while (stage !== undefined && prefixes !== undefined) {
      const [keys] = await this.settled([prefixes])
      const jobs = stage.start(keys)
      stage = next()
      prefixes = stage && this.openPrefixes(stage.blocks)
      await this.settled(jobs)
      for (const key of keys) this.#pool.release(key)
      await after()
    }
  }
}
