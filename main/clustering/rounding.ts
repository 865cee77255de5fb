import type { Points } from './preprocess'

/**
 * Largest norm of a rounded point. Twice an inner product of two points then fits in 32 bits, with room for bounds, and
 * so does a squared distance.
 */
const largestNorm = 16000

/** Points less their mean, in integer steps of `step`. */
export interface Rounding {
  readonly step: number
  /**
   * Calls `write` with each value of a point, rounded. Returns how far rounding moved the point, in steps.
   */
  readonly round: (point: number, write: (dimension: number, integer: number) => void) => number
}

const meanOf = ({ values, count, dimensions }: Points): Float64Array => {
  const mean = new Float64Array(dimensions)
  for (let at = 0; at < values.length; at += dimensions) for (let d = 0; d < dimensions; d++) mean[d] += values[at + d]
  return mean.map((sum) => sum / count)
}

/** Largest distance of a point from `mean`. */
const radius = ({ values, dimensions }: Points, mean: Float64Array): number => {
  let largest = 0
  for (let at = 0; at < values.length; at += dimensions) {
    let sum = 0
    for (let d = 0; d < dimensions; d++) sum += (values[at + d] - mean[d]) ** 2
    largest = Math.max(largest, sum)
  }
  return Math.sqrt(largest)
}

export const roundingOf = (points: Points): Rounding => {
  const { values, dimensions } = points
  const mean = meanOf(points)
  const step = radius(points, mean) / largestNorm || 1
  return {
    step,
    round: (point, write) => {
      let error = 0
      for (let d = 0; d < dimensions; d++) {
        const value = values[point * dimensions + d] - mean[d]
        const integer = Math.round(value / step)
        write(d, integer)
        error += (value - integer * step) ** 2
      }
      return Math.sqrt(error) / step
    }
  }
}

/** Squared distance in float64. Four independent sums let additions overlap. */
export const squaredDistance = ({ values, dimensions }: Points, i: number, j: number): number => {
  let [a, b] = [i * dimensions, j * dimensions]
  const end = a + dimensions
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  for (; a + 4 <= end; a += 4, b += 4) {
    s0 += (values[a] - values[b]) ** 2
    s1 += (values[a + 1] - values[b + 1]) ** 2
    s2 += (values[a + 2] - values[b + 2]) ** 2
    s3 += (values[a + 3] - values[b + 3]) ** 2
  }
  for (; a < end; a++, b++) s0 += (values[a] - values[b]) ** 2
  return s0 + s1 + (s2 + s3)
}
