import { philoxWords } from '../base/philox'
import { covariance, eigenDecomposition, type Points } from './preprocess'

/** Random streams of layouts (docs/method.md, section 4, purpose 6): index 0 for tokens, 1 for clusters. */
export const layoutStreams = { tokens: 6 * 2 ** 24, clusters: 6 * 2 ** 24 + 1 } as const

/** Standard deviation of the first coordinate of points in the plane. */
const spread = 4
/** Points farther out are pulled in, so that outliers do not squeeze all others together. */
const furthest = 4 * spread
const jitter = 0.01

/**
 * The two axes of largest variance, as columns of [dimensions, 2]. Whitened points already have these as their first
 * two.
 */
const axesOf = ({ values, count, dimensions }: Points, whitened: boolean): Float64Array => {
  const axes = new Float64Array(2 * dimensions)
  if (whitened || dimensions === 1) {
    axes[0] = 1
    if (dimensions > 1) axes[3] = 1
    return axes
  }
  const { vectors } = eigenDecomposition(covariance(values, count, dimensions), dimensions)
  for (let d = 0; d < dimensions; d++) {
    axes[2 * d] = vectors[d * dimensions]
    axes[2 * d + 1] = vectors[d * dimensions + 1]
  }
  return axes
}

/**
 * First two principal components of the points, [count, 2], as the start of a layout. Both axes have the same scale,
 * outliers are pulled in, and a little noise keeps points from coinciding. The columns of `points` must have mean 0.
 */
export const principalPlane = (points: Points, whitened: boolean, seed: number, stream: number): Float32Array => {
  const { values, count, dimensions } = points
  const axes = axesOf(points, whitened)
  const plane = new Float32Array(2 * count)
  let squares = 0
  for (let i = 0; i < count; i++) {
    let [x, y] = [0, 0]
    for (let d = 0; d < dimensions; d++) {
      const value = values[i * dimensions + d]
      x += value * axes[2 * d]
      y += value * axes[2 * d + 1]
    }
    plane[2 * i] = x
    plane[2 * i + 1] = y
    squares += x * x
  }
  const scale = squares > 0 ? spread / Math.sqrt(squares / count) : 1
  const noise = new Uint32Array(2 * count)
  philoxWords(seed, 0, 2 ** 32 - 1, 0, stream, noise)
  for (let at = 0; at < plane.length; at++) {
    const drawn = plane[at] * scale
    const inside =
      Math.abs(drawn) <= furthest ? drawn : Math.sign(drawn) * furthest * (1 + Math.log(Math.abs(drawn) / furthest))
    plane[at] = inside + jitter * (noise[at] / 2 ** 31 - 1)
  }
  return plane
}

/** Moves the mean of the positions to the origin, in place. */
export const centre = (positions: Float32Array): Float32Array => {
  const count = positions.length / 2
  for (const axis of [0, 1]) {
    let sum = 0
    for (let i = 0; i < count; i++) sum += positions[2 * i + axis]
    for (let i = 0; i < count; i++) positions[2 * i + axis] -= sum / count
  }
  return positions
}
