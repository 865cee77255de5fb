import { SpectroscopeError } from '../../preload/errors'
import type { EngineRate } from '../../preload/contract'
import type { StageName } from '../../preload/records'
import { entryPath } from '../base/entries'
import { spawnChild } from '../base/processes'
import type { Child } from '../base/processes'
import type { ComputeCalls, ComputeNotices } from './messages'

export type Compute = Child<ComputeCalls, ComputeNotices>

/** The compute process ended before it answered. */
class ComputeLost extends Error {}

/** It did so twice in one stage. */
export class ComputeFailed extends SpectroscopeError {}

const stageWords: Readonly<Record<StageName, string>> = {
  prepare: 'while it prepared the rows',
  sample: 'while it sampled',
  neighbours: 'while it searched for neighbours',
  cluster: 'while it clustered'
}

/** A compute process that is started when it is first needed, and once more for each stage that it dies in. */
export class ComputeSession {
  readonly #say: (message: string) => void
  #child: Compute | undefined

  constructor(say: (message: string) => void) {
    this.#say = say
  }

  #alive(): Compute {
    if (this.#child !== undefined) return this.#child
    const child: Compute = spawnChild<ComputeCalls, ComputeNotices>(entryPath('compute'), { lost: (words) => new ComputeLost(words) })
    void child.exited.then(() => {
      if (this.#child === child) this.#child = undefined
    })
    return (this.#child = child)
  }

  /**
   * Does `work` with the compute process. Should that die under it (a native fault, a lack of memory), a new one is started and
   * the work done again, which goes on from the stage's checkpoint. Throws an `engine` error if it dies a second time.
   */
  async use<T>(stage: StageName, work: (compute: Compute, again: boolean) => Promise<T>): Promise<T> {
    try {
      return await work(this.#alive(), false)
    } catch (error) {
      if (!(error instanceof ComputeLost)) throw error
      this.#child = undefined
      this.#say(`The compute process died (${error.message}) ${stageWords[stage]}; a new one goes on from the last checkpoint.`)
    }
    try {
      return await work(this.#alive(), true)
    } catch (error) {
      if (!(error instanceof ComputeLost)) throw error
      throw new ComputeFailed('engine', `The compute process died twice (${error.message}) ${stageWords[stage]}; free some memory, or set fewer "threads", and resume the run.`, { cause: error })
    }
  }

  async kill(): Promise<void> {
    await this.#child?.kill()
  }

  async close(): Promise<void> {
    await this.#child?.disconnect()
  }
}

/** What can compute here, measured in a process of its own. */
export const measureEnginesApart = async (): Promise<readonly EngineRate[]> => {
  const compute: Compute = spawnChild<ComputeCalls, ComputeNotices>(entryPath('compute'), {
    lost: (words) => new SpectroscopeError('engine', `The compute process died (${words}) while it measured the engines; set SPECTROSCOPE_DEBUG=1 to see more.`)
  })
  try {
    return await compute.call('measureEngines', null)
  } finally {
    await compute.disconnect()
  }
}
