import { SpectroscopeError } from '../../preload/errors'

export const pageBytes = 65536
/** WebAssembly addresses 4 GiB. */
const mostPages = 65536
/** Arrays begin at multiples of a line of the cache. */
const lineBytes = 64

/** Lays arrays out one after another in a memory that threads and a kernel share. */
export interface MemoryPlan {
  /** Address of an array of as many bytes. */
  readonly reserve: (bytes: number) => number
  /** The memory for all that was reserved, zeros. Throws a `clustering` error with the words of `refusal` for more than WebAssembly addresses. */
  readonly open: (refusal: string) => WebAssembly.Memory
}

export const planMemory = (): MemoryPlan => {
  let end = 0
  return {
    reserve: (bytes) => {
      const start = end
      end = Math.ceil((end + bytes) / lineBytes) * lineBytes
      return start
    },
    open: (refusal) => {
      const pages = Math.ceil(end / pageBytes)
      if (pages > mostPages) throw new SpectroscopeError('clustering', refusal)
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    }
  }
}
