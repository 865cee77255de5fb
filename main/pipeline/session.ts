import { SpectroscopeError } from '../../preload/errors'
import type { EngineRate } from '../../preload/contract'
import { stageNames } from '../../preload/records'
import type { StageName } from '../../preload/records'
import { entryPath } from '../base/entries'
import { spawnChild } from '../base/processes'
import type { Child } from '../base/processes'
import type { ComputeCalls, ComputeNotices } from './messages'

export type Compute = Child<ComputeCalls, ComputeNotices>

/** The compute process died before it answered. */
class ComputeLost extends Error {}

/** The compute process died twice in one stage. */
export class ComputeFailed extends SpectroscopeError {}

/** Uses of a compute process: the stages of a run, and work outside them. */
export type ComputeUse = StageName | 'shard' | 'describe' | 'layOut' | 'preview'

const useWords: Readonly<Record<ComputeUse, string>> = {
  prepare: 'while it prepared the rows',
  sample: 'while it sampled',
  shard: 'while it worked on a shard',
  neighbours: 'while it searched for neighbours',
  cluster: 'while it clustered',
  describe: 'while it described the clusters',
  layOut: 'while it laid out the tokens',
  preview: 'while it read the corpus'
}

/** Uses that are repeated by resuming the run. */
const stages: ReadonlySet<ComputeUse> = new Set([...stageNames, 'describe'] as const)

/** A compute process that starts when first needed, and is replaced once per use if it dies. */
export class ComputeSession {
  readonly #say: (message: string) => void
  readonly #signal: AbortSignal | undefined
  #child: Compute | undefined

  /** After `signal`, a dead process is not replaced. */
  constructor(say: (message: string) => void, signal?: AbortSignal) {
    this.#say = say
    this.#signal = signal
  }

  #alive(): Compute {
    if (this.#child !== undefined) return this.#child
    const child: Compute = spawnChild<ComputeCalls, ComputeNotices>(entryPath('compute'), {
      lost: (words) => new ComputeLost(words)
    })
    void child.exited.then(() => {
      if (this.#child === child) this.#child = undefined
    })
    return (this.#child = child)
  }

  /**
   * Runs `work` with the compute process. If it dies (native fault, out of memory), starts another and repeats the
   * work, which resumes from the stage's checkpoint. Throws an `engine` error if it dies again.
   */
  async use<T>(use: ComputeUse, work: (compute: Compute, again: boolean) => Promise<T>): Promise<T> {
    try {
      return await work(this.#alive(), false)
    } catch (error) {
      if (!(error instanceof ComputeLost) || this.#signal?.aborted === true) throw error
      this.#child = undefined
      this.#say(
        `The compute process died (${error.message}) ${useWords[use]}; a new one continues from the last checkpoint.`
      )
    }
    try {
      return await work(this.#alive(), true)
    } catch (error) {
      if (!(error instanceof ComputeLost)) throw error
      throw new ComputeFailed(
        'engine',
        `The compute process died twice (${error.message}) ${useWords[use]}; free some memory, or set fewer ` +
          '"threads", and ' +
          `${stages.has(use) ? 'resume the run' : use === 'shard' ? 'run the shard again' : 'try again'}.`,
        { cause: error }
      )
    }
  }

  async kill(): Promise<void> {
    await this.#child?.kill()
  }

  async close(): Promise<void> {
    await this.#child?.disconnect()
  }
}

export interface ProcessOptions {
  /** Aborting kills the compute process at once and throws an `interrupted` error. */
  readonly signal: AbortSignal
  /** Gets messages, such as that a compute process died. */
  readonly onNote?: (message: string) => void
}

/** Runs work outside the stages in a new compute process. */
export const inNewProcess = async <T>(
  use: ComputeUse,
  { signal, onNote }: ProcessOptions,
  work: (compute: Compute) => Promise<T>
): Promise<T> => {
  const stopped = (cause?: unknown): SpectroscopeError =>
    new SpectroscopeError('interrupted', 'The work was stopped before it finished.', { cause })
  if (signal.aborted) throw stopped()
  const session = new ComputeSession(onNote ?? (() => {}), signal)
  const stop = (): void => void session.kill()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await session.use(use, work)
  } catch (error) {
    throw signal.aborted ? stopped(error) : error
  } finally {
    signal.removeEventListener('abort', stop)
    await session.close()
  }
}

/** Runs a call in a new compute process, so that a native fault of an engine does not affect the caller. */
const apart = async <T>(doing: string, work: (compute: Compute) => Promise<T>): Promise<T> => {
  const compute: Compute = spawnChild<ComputeCalls, ComputeNotices>(entryPath('compute'), {
    lost: (words) =>
      new SpectroscopeError(
        'engine',
        `The compute process died (${words}) while it ${doing}; set SPECTROSCOPE_DEBUG=1 to see more.`
      )
  })
  try {
    return await work(compute)
  } finally {
    await compute.disconnect()
  }
}

/** Measures all engines in a new compute process. */
export const measureEnginesApart = (): Promise<readonly EngineRate[]> =>
  apart('measured the engines', (compute) => compute.call('measureEngines', null))

/**
 * Measures one engine in a new compute process, to see whether it works. If it does not, the answer says why. Throws
 * an `engine` error if there is none of that name.
 */
export const measureEngineApart = (engine: string): Promise<EngineRate> =>
  apart(`measured ${engine}`, (compute) => compute.call('measureEngine', { engine }))
