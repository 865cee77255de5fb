import { SpectroscopeError } from '../../preload/errors'

/** Points in shared memory. `values` is [count, dimensions], row-major. */
export interface Points {
  readonly values: Float64Array
  readonly count: number
  readonly dimensions: number
}

const sharedFloats = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length))

/** Principal axes below this share of the largest variance are rounding noise; whitening drops them. */
const negligibleVariance = 1e-10

const checkFinite = (matrix: Float32Array, components: readonly string[]): void => {
  for (let at = 0; at < matrix.length; at++) {
    if (Number.isFinite(matrix[at])) continue
    const component = components[at % components.length]
    throw new SpectroscopeError(
      'clustering',
      `The susceptibility of token ${Math.floor(at / components.length)} to "${component}" is ` +
        `${String(matrix[at])}; run \`spectroscope diagnose\`, which says what would help, ` +
        `or leave "${component}" out of the components.`
    )
  }
}

const standardiseColumns = (matrix: Float32Array, count: number, components: readonly string[]): Float64Array => {
  const width = components.length
  const values = sharedFloats(count * width)
  for (let c = 0; c < width; c++) {
    let [sum, low, high] = [0, Infinity, -Infinity]
    for (let at = c; at < matrix.length; at += width) {
      sum += matrix[at]
      low = Math.min(low, matrix[at])
      high = Math.max(high, matrix[at])
    }
    if (low === high) {
      throw new SpectroscopeError(
        'clustering',
        `The susceptibilities to "${components[c]}" are the same for every token, so its column has no scale; ` +
          `leave "${components[c]}" out of the components.`
      )
    }
    const mean = sum / count
    let squares = 0
    for (let at = c; at < matrix.length; at += width) squares += (matrix[at] - mean) ** 2
    const scale = Math.sqrt(squares / count)
    for (let at = c; at < matrix.length; at += width) values[at] = (matrix[at] - mean) / scale
  }
  return values
}

const centreRows = (values: Float64Array, width: number): void => {
  for (let start = 0; start < values.length; start += width) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += values[start + c]
    for (let c = 0; c < width; c++) values[start + c] -= sum / width
  }
}

/** Covariance [width, width] of `count` rows. The columns must have mean 0. */
export const covariance = (values: Float64Array, count: number, width: number): Float64Array => {
  const matrix = new Float64Array(width * width)
  for (let start = 0; start < values.length; start += width) {
    for (let i = 0; i < width; i++) {
      const value = values[start + i]
      for (let j = 0; j <= i; j++) matrix[i * width + j] += value * values[start + j]
    }
  }
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) matrix[j * width + i] = matrix[i * width + j] /= count
  }
  return matrix
}

const rotate = (matrix: Float64Array, width: number, p: number, q: number, tangent: number): void => {
  const cosine = 1 / Math.hypot(1, tangent)
  const sine = tangent * cosine
  for (let i = 0; i < width; i++) {
    const [a, b] = [matrix[i * width + p], matrix[i * width + q]]
    matrix[i * width + p] = cosine * a - sine * b
    matrix[i * width + q] = sine * a + cosine * b
  }
}

const rotateRows = (matrix: Float64Array, width: number, p: number, q: number, tangent: number): void => {
  const cosine = 1 / Math.hypot(1, tangent)
  const sine = tangent * cosine
  for (let j = 0; j < width; j++) {
    const [a, b] = [matrix[p * width + j], matrix[q * width + j]]
    matrix[p * width + j] = cosine * a - sine * b
    matrix[q * width + j] = sine * a + cosine * b
  }
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix [width, width], by cyclic Jacobi rotations. Eigenvalues come in
 * descending order; column j of `vectors` belongs to `eigenvalues[j]`.
 */
export const eigenDecomposition = (
  symmetric: Float64Array,
  width: number
): { eigenvalues: Float64Array; vectors: Float64Array } => {
  const matrix = symmetric.slice()
  const basis = Float64Array.from({ length: width * width }, (_, at) => (at % (width + 1) === 0 ? 1 : 0))
  const scale = Math.hypot(
    ...matrix.subarray(0, width),
    ...Array.from({ length: width }, (_, i) => matrix[i * (width + 1)])
  )
  for (let sweep = 0; sweep < 60; sweep++) {
    let largest = 0
    for (let p = 0; p < width; p++) {
      for (let q = p + 1; q < width; q++) {
        const off = matrix[p * width + q]
        largest = Math.max(largest, Math.abs(off))
        if (Math.abs(off) <= 1e-300) continue
        const ratio = (matrix[q * width + q] - matrix[p * width + p]) / (2 * off)
        const tangent = Math.sign(ratio || 1) / (Math.abs(ratio) + Math.hypot(1, ratio))
        rotate(matrix, width, p, q, tangent)
        rotateRows(matrix, width, p, q, tangent)
        rotate(basis, width, p, q, tangent)
      }
    }
    if (largest <= 1e-15 * scale) break
  }
  const order = Array.from({ length: width }, (_, i) => i).sort(
    (a, b) => matrix[b * (width + 1)] - matrix[a * (width + 1)]
  )
  const vectors = Float64Array.from(
    { length: width * width },
    (_, at) => basis[Math.floor(at / width) * width + order[at % width]]
  )
  return { eigenvalues: Float64Array.from(order, (i) => matrix[i * (width + 1)]), vectors }
}

const whitened = (values: Float64Array, count: number, width: number): Points => {
  const { eigenvalues, vectors } = eigenDecomposition(covariance(values, count, width), width)
  const dimensions = eigenvalues.filter((value) => value > negligibleVariance * eigenvalues[0]).length
  const scores = sharedFloats(count * dimensions)
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < width; c++) {
      const value = values[i * width + c]
      for (let j = 0; j < dimensions; j++) scores[i * dimensions + j] += value * vectors[c * width + j]
    }
    for (let j = 0; j < dimensions; j++) scores[i * dimensions + j] /= Math.sqrt(eigenvalues[j])
  }
  return { values: scores, count, dimensions }
}

/** Selects columns of a matrix [tokens, components] by index. Returns the matrix itself if all columns are chosen. */
export const chooseColumns = (
  matrix: Float32Array,
  components: readonly string[],
  chosen: readonly number[]
): { readonly matrix: Float32Array; readonly components: readonly string[] } => {
  const width = components.length
  if (chosen.length === width) return { matrix, components }
  const tokens = matrix.length / width
  const values = new Float32Array(new SharedArrayBuffer(4 * tokens * chosen.length))
  for (let token = 0; token < tokens; token++)
    chosen.forEach((column, at) => (values[token * chosen.length + at] = matrix[token * width + column]))
  return { matrix: values, components: chosen.map((column) => components[column]) }
}

/**
 * Preprocesses `matrix` [tokens, components] as step 1 of docs/method.md, section 5.1: columns are scaled to mean 0
 * and population standard deviation 1, then rows are centred. With `whiten`, rows are not centred; the standardised
 * columns are rotated to their principal axes, each axis is scaled to variance 1, and axes without variance are
 * dropped. All arithmetic is float64.
 *
 * Throws a `clustering` error that names the component if a column is constant, a value is not finite, or there is
 * only one column.
 */
export const preprocess = (
  matrix: Float32Array,
  tokens: number,
  components: readonly string[],
  whiten: boolean
): Points => {
  if (components.length === 1 && !whiten) {
    throw new SpectroscopeError(
      'clustering',
      `The matrix has only the column ${components[0]}, and centring its rows leaves nothing to cluster; ` +
        `study more components, or set "clustering" to false.`
    )
  }
  checkFinite(matrix, components)
  const values = standardiseColumns(matrix, tokens, components)
  if (whiten) return whitened(values, tokens, components.length)
  centreRows(values, components.length)
  return { values, count: tokens, dimensions: components.length }
}
