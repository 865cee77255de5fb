import type { ClusterNumber } from '../../preload/contract'
import type { DivergingScale, Rgb } from './colours'

/** One kind of thing in a legend: a subset, a label status. */
export interface LegendKind {
  readonly key: number
  readonly text: string
  readonly colour: Rgb
  readonly count: number
}

/** What the colours of the graph mean. */
export type Legend =
  /** Too many hues to list: those of the clusters that are shown apart, by name. */
  | {
      readonly form: 'clusters'
      readonly level: string
      readonly clusters: readonly {
        readonly cluster: ClusterNumber
        readonly text: string
        readonly colour: Rgb
        readonly role: 'current' | 'selected' | 'similar'
      }[]
      readonly plain: { readonly text: string; readonly colour: Rgb } | null
    }
  | { readonly form: 'kinds'; readonly title: string; readonly kinds: readonly LegendKind[] }
  | {
      readonly form: 'scale'
      readonly title: string
      readonly scale: DivergingScale
      readonly colours: readonly Rgb[]
    }

/** How many of each kind there are; kinds go from -1 up, and a count stands at its kind + 1. */
export const countKinds = (kinds: ArrayLike<number>, most: number): Int32Array => {
  const counts = new Int32Array(most + 2)
  for (let at = 0; at < kinds.length; at++) counts[kinds[at] + 1]++
  return counts
}

/** Means of a column in every cluster, at cluster + 1; NaN where a cluster has none. */
export const meansByCluster = (column: Float32Array, membership: Int32Array, most: number): Float32Array => {
  const sums = new Float64Array(most + 2)
  const counts = new Int32Array(most + 2)
  for (let token = 0; token < membership.length; token++) {
    if (Number.isNaN(column[token])) continue
    sums[membership[token] + 1] += column[token]
    counts[membership[token] + 1]++
  }
  return Float32Array.from(sums, (sum, at) => sum / counts[at])
}
