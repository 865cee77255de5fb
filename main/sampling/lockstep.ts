import { SpectroscopeError } from '../../preload/errors'
import { type Pool } from './pool'
import { TaskDropped } from './lane'
import type { RowBlock } from './rows'

/** Tasks that share the forward passes at w* of some rows. */
export interface StageTasks {
  readonly blocks: readonly RowBlock[]
  /** Starts the tasks. `keys` identify the prefixes of the blocks. */
  readonly start: (keys: readonly number[]) => readonly Promise<void>[]
}

export interface LockstepOptions {
  readonly signal?: AbortSignal | undefined
  /** Ends an interrupted run by throwing. */
  readonly interrupt: () => Promise<never>
  /** Called after the engine has failed, when no task is running any more. */
  readonly keep: () => Promise<void>
}

/** Runs stages one after another. While a stage finishes, idle threads compute the forward passes of the next. */
export class Lockstep {
  readonly #pool: Pool
  readonly #options: LockstepOptions

  constructor(pool: Pool, options: LockstepOptions) {
    this.#pool = pool
    this.#options = options
  }

  /** Waits for all jobs. The first error drops the waiting tasks and is thrown; an abort ends the run. */
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

  /** Computes the prefixes of the blocks and shares them with all lanes. Returns their keys. */
  openPrefixes(blocks: readonly RowBlock[]): Promise<number[]> {
    const keys = Promise.all(
      blocks.map(async ({ rows }) => this.#pool.share(await this.#pool.run<'prefix'>({ kind: 'prefix', rows }, 0)))
    )
    keys.catch(() => {})
    return keys
  }

  /**
   * Runs stages until `next` returns undefined. Asks for the following stage as soon as a stage's tasks have started.
   * Calls `after` when they are done.
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
