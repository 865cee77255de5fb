import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Prefix } from '../engine/evaluator'

const bytesBetween = 256 * 2 ** 20

/**
 * Gives shared memory back. V8 does not count shared arrays when it decides to collect garbage, so a thread that only passes them on
 * would hold gigabytes of dropped ones; this asks for a collection whenever so many bytes have been dropped in this thread.
 */
export class Reclaimer {
  #dropped = 0
  #collect: (() => void) | undefined

  /** Call after the last reference to a prefix is gone from this thread's own tables. */
  dropped({ activations }: Prefix): void {
    for (const { byteLength } of Object.values(activations)) this.#dropped += byteLength
    if (this.#dropped < bytesBetween) return
    this.#dropped = 0
    setFlagsFromString('--expose-gc')
    this.#collect ??= runInNewContext('gc') as () => void
    this.#collect()
  }
}
