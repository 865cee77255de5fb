import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Prefix } from '../engine/core'

const bytesBetween = 256 * 2 ** 20

let collect: (() => void) | undefined

/**
 * Frees what nothing refers to any more: sums of a whole run, for instance, which would stay until something else
 * asks for memory.
 */
export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc')
  collect ??= runInNewContext('gc') as () => void
  collect()
}

/**
 * Gives shared memory back. V8 does not count shared arrays when it decides to collect garbage, so a thread that only
 * passes them on would hold gigabytes of dropped ones; this asks for a collection whenever so many bytes have been
 * dropped in this thread.
 */
export class Reclaimer {
  #dropped = 0

  /** Call after the last reference to a prefix is gone from this thread's own tables. */
  dropped({ activations }: Prefix): void {
    for (const { byteLength } of Object.values(activations)) this.#dropped += byteLength
    if (this.#dropped < bytesBetween) return
    this.#dropped = 0
    collectGarbage()
  }
}
