import { SpectroscopeError } from '../../preload/errors'

export const pageBytes = 65536
/** WebAssembly addresses 4 GiB. */
const mostPages = 65536
/** Arrays begin at multiples of a cache line. */
const lineBytes = 64

/** Lays out arrays one after another in memory that threads and a kernel share. */
export interface MemoryPlan {
  /** Reserves an array of this many bytes. Returns its address. */
  readonly reserve: (bytes: number) => number
  /**
   * Allocates the memory for everything reserved, filled with zeros. Throws a `clustering` error with the message
   * `refusal` if it is more than WebAssembly can address.
   */
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
