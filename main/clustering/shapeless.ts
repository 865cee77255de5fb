import { philoxWords } from '../base/philox'
import { eigenDecomposition } from './preprocess'

/** Last word of the random counters (docs/method.md, section 4, purpose 10). */
const stream = 10 * 2 ** 24

/** Covariance of χ̂ over tokens, [columns, columns], in units of the columns' standard deviations. */
export interface Spread {
  readonly deviations: Float64Array
  readonly covariance: Float64Array
}

const deviationsOf = (matrix: Float32Array, width: number): { means: Float64Array; deviations: Float64Array } => {
  const count = matrix.length / width
  const means = new Float64Array(width)
  const squares = new Float64Array(width)
  for (let at = 0; at < matrix.length; at++) means[at % width] += matrix[at] / count
  for (let at = 0; at < matrix.length; at++) squares[at % width] += (matrix[at] - means[at % width]) ** 2 / count
  return { means, deviations: squares.map((square) => Math.sqrt(square) || 1) }
}

/** Σ x xᵀ / count, [width, width], over `count` rows of `width` numbers. `row` fills in each row. */
const covarianceOf = (count: number, width: number, row: (token: number, out: Float64Array) => void): Float64Array => {
  const values = new Float64Array(width)
  const sums = new Float64Array(width * width)
  for (let token = 0; token < count; token++) {
    row(token, values)
    for (let i = 0; i < width; i++) for (let j = 0; j <= i; j++) sums[i * width + j] += values[i] * values[j]
  }
  for (let i = 0; i < width; i++) for (let j = 0; j <= i; j++) sums[j * width + i] = sums[i * width + j] /= count
  return sums
}

/** Spread of a matrix [tokens, width]. */
export const spreadOf = (matrix: Float32Array, width: number): Spread => {
  const { means, deviations } = deviationsOf(matrix, width)
  const covariance = covarianceOf(matrix.length / width, width, (token, into) => {
    for (let c = 0; c < width; c++) into[c] = (matrix[token * width + c] - means[c]) / deviations[c]
  })
  return { deviations, covariance }
}

/**
 * Noise covariance of χ̂, in units of its spread, estimated from one half of the draws: a half differs from the whole
 * by as much as the whole differs from the truth.
 */
export const noiseOf = ({ deviations }: Spread, whole: Float32Array, half: Float32Array): Float64Array => {
  const width = deviations.length
  return covarianceOf(whole.length / width, width, (token, into) => {
    for (let c = 0; c < width; c++) into[c] = (half[token * width + c] - whole[token * width + c]) / deviations[c]
  })
}

/**
 * A square root of a covariance [width, width]. Its product with a vector of standard normals has that covariance.
 * Eigenvalues that rounding left below zero are treated as zero.
 */
const rootOf = (covariance: Float64Array, width: number): Float64Array => {
  const { eigenvalues, vectors } = eigenDecomposition(covariance, width)
  return vectors.map((value, at) => value * Math.sqrt(Math.max(0, eigenvalues[at % width])))
}

/** Standard normals for one token (Box-Muller), from a counter of its own. */
const drawNormals = (seed: number, token: number, kind: number, words: Uint32Array, into: Float64Array): void => {
  philoxWords(seed, 0, token, kind, stream, words)
  for (let c = 0; c < into.length; c += 2) {
    const radius = Math.sqrt(-2 * Math.log((words[c] + 1) / 2 ** 32))
    const angle = (2 * Math.PI * words[c + 1]) / 2 ** 32
    into[c] = radius * Math.cos(angle)
    if (c + 1 < into.length) into[c + 1] = radius * Math.sin(angle)
  }
}

/** How to make a cloud: the noise covariances seen in halves of the draws, the number of parts, and the seed. */
export interface CloudSettings {
  readonly noises: readonly Float64Array[]
  readonly parts: number
  readonly tokens: number
  readonly seed: number
}

/**
 * A comparison matrix without clusters, [tokens, columns] (docs/method.md, section 5.4). Rows are Gaussian with the
 * signal's covariance (that of χ̂ minus its noise). Each part of the draws adds independent Gaussian noise with
 * `parts` times the noise covariance of the whole. The matrix is the mean over the parts in `of`: all parts for the
 * whole, half of them for a half.
 */
export const shapelessMatrix = (
  { deviations, covariance }: Spread,
  { noises, parts, tokens, seed }: CloudSettings,
  of: readonly number[]
): Float32Array => {
  const width = deviations.length
  const noise = covariance.map((_, at) => noises.reduce((sum, own) => sum + own[at], 0) / noises.length)
  const signal = rootOf(
    covariance.map((value, at) => value - noise[at]),
    width
  )
  const ofPart = rootOf(
    noise.map((value) => parts * value),
    width
  )
  const terms = [
    { root: signal, share: 1, kind: 0 },
    ...of.map((part) => ({ root: ofPart, share: 1 / of.length, kind: 1 + part }))
  ]
  const matrix = new Float32Array(new SharedArrayBuffer(4 * tokens * width))
  const words = new Uint32Array(2 * Math.ceil(width / 2))
  const normals = new Float64Array(width)
  const row = new Float64Array(width)
  for (let token = 0; token < tokens; token++) {
    row.fill(0)
    for (const { root, share, kind } of terms) {
      drawNormals(seed, token, kind, words, normals)
      for (let i = 0; i < width; i++) {
        for (let j = 0; j < width; j++) row[i] += share * root[i * width + j] * normals[j]
      }
    }
    for (let c = 0; c < width; c++) matrix[token * width + c] = row[c] * deviations[c]
  }
  return matrix
}
