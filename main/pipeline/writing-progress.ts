import type { Activity } from '../../preload/contract'
import { interruption } from './abort-scope'
import type { RunOptions } from './run-options'

const millisecondsBetween = 250

/** Tells how far the files of a folder are, by their bytes, and ends their writing once it is cancelled. */
export class WritingProgress {
  readonly #stage: Activity
  readonly #totalBytes: number
  readonly #options: Pick<RunOptions, 'onEvent' | 'signal'>
  readonly #startedAt = performance.now()
  #toldAt = -Infinity
  #bytes = 0

  constructor(stage: Activity, totalBytes: number, options: Pick<RunOptions, 'onEvent' | 'signal'>) {
    this.#stage = stage
    this.#totalBytes = totalBytes
    this.#options = options
  }

  #tell(detail: string): void {
    const now = performance.now()
    if (now - this.#toldAt < millisecondsBetween && this.#bytes < this.#totalBytes) return
    this.#toldAt = now
    const secondsLeft = ((now - this.#startedAt) / 1000) * (this.#totalBytes / this.#bytes - 1)
    const progress = { stage: this.#stage, done: this.#bytes / 1e6, total: this.#totalBytes / 1e6, unit: 'MB', detail }
    this.#options.onEvent({
      type: 'progress',
      progress: Number.isFinite(secondsLeft) && secondsLeft >= 0 ? { ...progress, secondsLeft } : progress
    })
  }

  /**
   * Passes the blocks of a file on and counts them. `detail` says which file. Throws an `interrupted` error once the
   * writing is cancelled.
   */
  async *counted<B extends ArrayBufferView>(detail: string, blocks: AsyncIterable<B>): AsyncGenerator<B> {
    this.#tell(detail)
    for await (const block of blocks) {
      if (this.#options.signal.aborted) throw interruption()
      yield block
      this.#bytes += block.byteLength
      this.#tell(detail)
    }
  }
}
