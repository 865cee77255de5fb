import type { Weights } from './architecture'

/**
 * A rectangle of a weight tensor: rows [rowStart, rowEnd) and columns [columnStart, columnEnd). A one-dimensional
 * tensor counts as one row.
 */
export interface Slice {
  readonly tensor: string
  readonly rowStart: number
  readonly rowEnd: number
  readonly columnStart: number
  readonly columnEnd: number
  /** Shape of the slice itself, flattened row-major. */
  readonly shape: readonly number[]
}

export const whole = (weights: Weights, tensor: string): Slice => {
  const { shape } = weights.get(tensor)!
  const [rows, columns] = shape.length === 1 ? [1, shape[0]] : [shape[0], shape[1]]
  return { tensor, rowStart: 0, rowEnd: rows, columnStart: 0, columnEnd: columns, shape }
}

export const rows = (weights: Weights, tensor: string, start: number, end: number): Slice => {
  const columns = weights.get(tensor)!.shape[1]
  return { tensor, rowStart: start, rowEnd: end, columnStart: 0, columnEnd: columns, shape: [end - start, columns] }
}

/** Columns of a matrix, or elements of a vector. */
export const columns = (weights: Weights, tensor: string, start: number, end: number): Slice => {
  const { shape } = weights.get(tensor)!
  return shape.length === 1
    ? { tensor, rowStart: 0, rowEnd: 1, columnStart: start, columnEnd: end, shape: [end - start] }
    : { tensor, rowStart: 0, rowEnd: shape[0], columnStart: start, columnEnd: end, shape: [shape[0], end - start] }
}
