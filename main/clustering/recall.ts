import { seededIntegers } from '../base/philox'
import type { Points } from './preprocess'
import { squaredDistance } from './rounding'

/** Stream of the choice of sampled points, less the variant (docs/method.md, section 4, purpose 12). */
const stream = 12 * 2 ** 24
const sampledPoints = 1000
/** Candidates that gather before those which are too far are dropped. */
const moreCandidates = 512

/** Points on which recall is measured, ascending: all if they are few. */
export const sampleOf = (count: number, { seed, variant }: { seed: number; variant: number }): Int32Array => {
  if (count <= sampledPoints) return Int32Array.from({ length: count }, (_, i) => i)
  const next = seededIntegers(seed, stream + variant)
  const chosen = new Set<number>()
  while (chosen.size < sampledPoints) chosen.add(next(count))
  return Int32Array.from(chosen).sort()
}

/**
 * Finds the k-th smallest true distance of a point to others from their distances on the rounded grid. Only points that
 * rounding may have moved across the k-th are compared in float64.
 */
export class KthDistance {
  readonly #points: Points
  readonly #point: number
  readonly #k: number
  readonly #slack: number
  #ids: number[] = []
  #squares: number[] = []
  /** A point farther than this on the grid is not among the k nearest. */
  #limit = Infinity
  #most: number

  /** `error`: largest distance by which rounding moved a point, in steps of the grid. */
  constructor(points: Points, point: number, k: number, error: number) {
    this.#points = points
    this.#point = point
    this.#k = k
    this.#slack = 4 * error + 1 / 16
    this.#most = 2 * (k + moreCandidates)
  }

  /** Takes squared distances on the grid to the points from `first` on. */
  add(squares: Int32Array, first: number): void {
    for (let at = 0; at < squares.length; at++) {
      if (squares[at] > this.#limit || first + at === this.#point) continue
      this.#ids.push(first + at)
      this.#squares.push(squares[at])
      if (this.#ids.length > this.#most) this.#cut()
    }
  }

  #cut(): void {
    const kth = Float64Array.from(this.#squares).sort()[this.#k - 1]
    this.#limit = (Math.sqrt(kth) + this.#slack) ** 2
    const near = this.#squares.map((square) => square <= this.#limit)
    this.#ids = this.#ids.filter((_, at) => near[at])
    this.#squares = this.#squares.filter((_, at) => near[at])
    this.#most = 2 * (this.#ids.length + moreCandidates)
  }

  /** The k-th smallest squared distance in float64. */
  find(): number {
    this.#cut()
    return Float64Array.from(this.#ids, (id) => squaredDistance(this.#points, this.#point, id)).sort()[this.#k - 1]
  }
}
