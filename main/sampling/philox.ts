import { permutation, philoxWords } from '../base/philox'

/** Purposes of random streams: the top byte of a counter's last word (docs/method.md, section 4). */
export const purposes = { noise: 1, minibatch: 2, gaussian: 3, gradient: 7, point: 8 } as const

export const streamOf = (purpose: keyof typeof purposes, index = 0): number => purposes[purpose] * 2 ** 24 + index

/** Position of a vector of normals in the random stream (docs/method.md, section 4). */
export interface NoiseSource {
  readonly seed: number
  readonly step: number
  readonly chain: number
  readonly stream: number
}

/** The first `count` standard normals of a source, float64. A plain version of the pSGLD kernel's generator. */
export const normals = (count: number, { seed, step, chain, stream }: NoiseSource): Float64Array => {
  const words = new Uint32Array(4 * Math.ceil(count / 4))
  philoxWords(seed, 0, step, chain, stream, words)
  return Float64Array.from({ length: count }, (_, i) => {
    const pair = i - (i % 2)
    const r = Math.sqrt(-2 * Math.log((words[pair] + 1) / 2 ** 32))
    const angle = (2 * Math.PI * words[pair + 1]) / 2 ** 32
    return r * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle))
  })
}

/** Stream index of the rows cut into slices: minibatches of sampling rows, or slices of observation rows. */
export const sliceIndex = { sampling: 0, observation: 1 } as const

/**
 * Minibatches of `size` rows out of `rows` ≥ `size`. Each epoch is one permutation, cut into slices, with the
 * remainder dropped (docs/method.md, section 4).
 */
export class Minibatches {
  readonly #seed: number
  readonly #rows: number
  readonly #size: number
  readonly #stream: number
  #epoch = -1
  #order: Uint32Array = new Uint32Array(0)

  constructor(seed: number, rows: number, size: number, set: keyof typeof sliceIndex = 'sampling') {
    this.#stream = streamOf('minibatch', sliceIndex[set])
    this.#seed = seed
    this.#rows = rows
    this.#size = size
  }

  /** Row indices of a step's minibatch, [size]. */
  at(step: number): Uint32Array {
    const perEpoch = Math.floor(this.#rows / this.#size)
    const epoch = Math.floor(step / perEpoch)
    if (epoch !== this.#epoch) {
      this.#order = permutation(this.#seed, this.#rows, epoch, this.#stream)
      this.#epoch = epoch
    }
    const start = (step % perEpoch) * this.#size
    return this.#order.slice(start, start + this.#size)
  }
}
