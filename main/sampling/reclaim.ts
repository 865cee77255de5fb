import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Prefix } from '../engine/core'

const bytesBetween = 256 * 2 ** 20

let collect: (() => void) | undefined

/** Forces a garbage collection, to free large arrays (such as the sums of a whole run) at once. */
export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc')
  collect ??= runInNewContext('gc') as () => void
  collect()
}

/**
 * Frees shared memory. V8 does not count shared arrays when it decides to collect garbage, so a thread that only
 * passes them on could hold gigabytes of dropped ones. This forces a collection after every `bytesBetween` dropped
 * bytes.
 */
export class Reclaimer {
  #dropped = 0

  /** Call after this thread's tables have dropped their last reference to a prefix. */
  dropped({ activations }: Prefix): void {
    for (const { byteLength } of Object.values(activations)) this.#dropped += byteLength
    if (this.#dropped < bytesBetween) return
    this.#dropped = 0
    collectGarbage()
  }
}
