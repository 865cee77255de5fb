import type { Prefix, Rows } from './evaluator'

/** Inputs and targets of rows: ids at positions 0 … T-2, and at 1 … T-1. */
export const shifted = ({ ids, count, length }: Rows): { inputs: Int32Array; targets: Int32Array } => {
  const positions = length - 1
  const inputs = new Int32Array(count * positions)
  const targets = new Int32Array(count * positions)
  for (let row = 0; row < count; row++) {
    inputs.set(ids.subarray(row * length, row * length + positions), row * positions)
    targets.set(ids.subarray(row * length + 1, (row + 1) * length), row * positions)
  }
  return { inputs, targets }
}

/** Some of the rows, with their activations. */
export const partOf = ({ rows, activations }: Prefix, first: number, count: number): Prefix => {
  const each = <A extends Float32Array | Int32Array>(array: A, perRow: number): A =>
    array.subarray(first * perRow, (first + count) * perRow) as A
  return {
    rows: { ids: each(rows.ids, rows.length), count, length: rows.length },
    activations: Object.fromEntries(
      Object.entries(activations).map(([name, data]) => [name, each(data, data.length / rows.count)])
    )
  }
}
