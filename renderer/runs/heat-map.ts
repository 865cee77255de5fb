import type { HeatMap } from '../../preload/contract'

/** By cluster size, largest first, or by the values of a column. */
export type RowOrder = 'size' | { readonly column: number; readonly descending: boolean }

/** A cluster as its row calls it. */
export const nameOf = (cluster: number): string => (cluster < 0 ? 'unclustered' : `cluster ${cluster}`)

/** Row numbers of a heat map in order. By size, unclustered tokens come last. */
export const orderedRows = ({ clusters, sizes, components, values }: HeatMap, by: RowOrder): Int32Array => {
  const rows = Int32Array.from(clusters, (_, row) => row)
  if (by === 'size')
    return rows.sort(
      (a, b) => Number(clusters[a] < 0) - Number(clusters[b] < 0) || sizes[b] - sizes[a] || clusters[a] - clusters[b]
    )
  const value = (row: number): number => values[row * components.length + by.column]
  return rows.sort((a, b) => (by.descending ? value(b) - value(a) : value(a) - value(b)) || clusters[a] - clusters[b])
}

/** Absolute value that gets the full colour: the 99th percentile, at least 1. */
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
