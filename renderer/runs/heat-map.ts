import type { HeatMap } from '../../preload/contract'

/**
 * Rows of a heat map in order: by size, largest first, or by the value in a column; what is left over stays last by
 * size.
 */
export const orderedRows = (
  { clusters, sizes, components, values }: HeatMap,
  by: 'size' | { readonly column: number; readonly descending: boolean }
): Int32Array => {
  const rows = Int32Array.from(clusters, (_, row) => row)
  if (by === 'size')
    return rows.sort(
      (a, b) => Number(clusters[a] < 0) - Number(clusters[b] < 0) || sizes[b] - sizes[a] || clusters[a] - clusters[b]
    )
  const value = (row: number): number => values[row * components.length + by.column]
  return rows.sort((a, b) => (by.descending ? value(b) - value(a) : value(a) - value(b)) || clusters[a] - clusters[b])
}

/** The size of a value that takes the full colour: the 99th percentile of all sizes, at least 1. */
export const fullColour = (values: Float32Array): number => {
  const sizes = Float32Array.from(values, Math.abs).filter(Number.isFinite).sort()
  return sizes.length === 0 ? 1 : Math.max(1, sizes[Math.min(sizes.length - 1, Math.floor(0.99 * sizes.length))])
}

/** A cell in words. */
export const cellWords = (component: string, value: number): string => {
  if (!Number.isFinite(value)) return `${component}: no value`
  const size = Math.abs(value)
  const far =
    size < 0.5
      ? 'about average'
      : `${size < 1.5 ? '' : size < 3 ? 'strongly ' : 'very strongly '}${value < 0 ? 'expressed' : 'suppressed'}`
  const signed = `${value < 0 ? '−' : '+'}${size.toFixed(2)}`
  return `${component}: ${signed} standard deviations from the mean of all tokens, ${far}`
}
