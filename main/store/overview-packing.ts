import type { ClusterEntry, StandingOut } from '../../preload/contract-explore'
import { leftoverCluster } from '../../preload/records'
import type { LeftoverKind, TokenCount } from '../../preload/records'
import type { Overview } from './exploration'
import type { Columns } from './reads'

/**
 * Entries of all groups as columns: ten thousand of them cross from the store in a tenth of the time that as many objects would take.
 * Group g has the top tokens, and the components that stand out, from ends[g - 1] to ends[g].
 */
export interface PackedOverview {
  readonly clusters: Int32Array
  readonly sizes: Int32Array
  /** NaN for what is left over. */
  readonly conductances: Float64Array
  readonly distinctTokens: Int32Array
  /** Index of the most frequent subset, and its share. */
  readonly subsetIndices: Int32Array
  readonly purities: Float64Array
  readonly topEnds: Int32Array
  readonly topIds: Int32Array
  readonly topCounts: Int32Array
  readonly topLifts: Float32Array
  readonly standingEnds: Int32Array
  readonly standingComponents: Int32Array
  readonly standingMeans: Float32Array
  /** Those of `topIds`. */
  readonly ids: Int32Array
  readonly texts: string[]
  readonly components: string[]
  readonly subsets: string[]
  readonly leftoverKind: LeftoverKind
}

/** What is known of a group before names are put to its ids and indices; the most frequent first. */
export interface GroupHead {
  readonly cluster: number
  readonly size: number
  readonly distinctTokens: number
  readonly topIds: ArrayLike<number>
  readonly topCounts: ArrayLike<number>
  readonly topLifts: ArrayLike<number>
  readonly subsetIndices: ArrayLike<number>
  readonly subsetCounts: ArrayLike<number>
  /** χ̂ per component; empty where the clustering is not described. */
  readonly means: ArrayLike<number>
}

export interface PackingNames {
  readonly texts: ReadonlyMap<number, string>
  readonly subsets: readonly string[]
  readonly columns: Columns | undefined
  readonly leftoverKind: LeftoverKind
  readonly conductanceOf: (cluster: number) => number | undefined
}

export const topTokensOfEntry = 8
const standingOut = { most: 3, least: 0.5 }

export const textOfId = (texts: ReadonlyMap<number, string>, id: number): string => texts.get(id) ?? `⟨${id}⟩`

/** (mean - column mean) / column standard deviation; 0 for a column without any. */
export const standardise = (mean: number, column: number, { means, deviations }: Columns): number => (deviations[column] > 0 ? (mean - means[column]) / deviations[column] : 0)

/** Columns whose mean is far from that over all tokens, furthest first. */
const furthest = (means: ArrayLike<number>, columns: Columns): { column: number; mean: number }[] => {
  const found: { column: number; mean: number }[] = []
  for (let column = 0; column < means.length; column++) {
    const mean = standardise(means[column], column, columns)
    const far = Math.abs(mean)
    if (far < standingOut.least || (found.length === standingOut.most && far <= Math.abs(found[standingOut.most - 1].mean))) continue
    const place = found.findIndex((other) => Math.abs(other.mean) < far)
    found.splice(place < 0 ? found.length : place, 0, { column, mean })
    found.length = Math.min(found.length, standingOut.most)
  }
  return found
}

/** Collects groups in their order. */
export class OverviewPacker {
  readonly #heads: { cluster: number; size: number; conductance: number; distinctTokens: number; subset: number; purity: number; topEnd: number; standingEnd: number }[] = []
  readonly #topIds: number[] = []
  readonly #topCounts: number[] = []
  readonly #topLifts: number[] = []
  readonly #standing: { column: number; mean: number }[] = []

  constructor(private readonly names: PackingNames) {}

  add({ cluster, size, distinctTokens, topIds, topCounts, topLifts, subsetIndices, subsetCounts, means }: GroupHead): void {
    const { columns, conductanceOf } = this.names
    for (let i = 0; i < Math.min(topTokensOfEntry, topIds.length); i++) {
      this.#topIds.push(topIds[i])
      this.#topCounts.push(topCounts[i])
      this.#topLifts.push(topLifts[i])
    }
    if (columns !== undefined) this.#standing.push(...furthest(means, columns))
    this.#heads.push({
      cluster, size, conductance: conductanceOf(cluster) ?? Number.NaN, distinctTokens, subset: subsetIndices[0], purity: subsetCounts[0] / size,
      topEnd: this.#topIds.length, standingEnd: this.#standing.length
    })
  }

  packed(): PackedOverview {
    const { texts, subsets, columns, leftoverKind } = this.names
    const ids = Int32Array.from(new Set(this.#topIds))
    return {
      clusters: Int32Array.from(this.#heads, ({ cluster }) => cluster), sizes: Int32Array.from(this.#heads, ({ size }) => size),
      conductances: Float64Array.from(this.#heads, ({ conductance }) => conductance), distinctTokens: Int32Array.from(this.#heads, ({ distinctTokens }) => distinctTokens),
      subsetIndices: Int32Array.from(this.#heads, ({ subset }) => subset), purities: Float64Array.from(this.#heads, ({ purity }) => purity),
      topEnds: Int32Array.from(this.#heads, ({ topEnd }) => topEnd), topIds: Int32Array.from(this.#topIds), topCounts: Int32Array.from(this.#topCounts),
      topLifts: Float32Array.from(this.#topLifts), standingEnds: Int32Array.from(this.#heads, ({ standingEnd }) => standingEnd),
      standingComponents: Int32Array.from(this.#standing, ({ column }) => column), standingMeans: Float32Array.from(this.#standing, ({ mean }) => mean),
      ids, texts: Array.from(ids, (id) => textOfId(texts, id)), components: [...(columns?.components ?? [])], subsets: [...subsets], leftoverKind
    }
  }
}

export const unpackOverview = (packed: PackedOverview): Overview => {
  const { topIds, topCounts, topLifts, topEnds, standingEnds, standingComponents, standingMeans, components, subsets, conductances } = packed
  const texts = new Map(packed.texts.map((text, i) => [packed.ids[i], text]))
  const clusters = Array.from(packed.clusters, (cluster, group): ClusterEntry => {
    const tokens: TokenCount[] = []
    for (let at = group === 0 ? 0 : topEnds[group - 1]; at < topEnds[group]; at++) {
      tokens.push({ id: topIds[at], text: textOfId(texts, topIds[at]), count: topCounts[at], lift: topLifts[at] })
    }
    const standsOut: StandingOut[] = []
    for (let at = group === 0 ? 0 : standingEnds[group - 1]; at < standingEnds[group]; at++) {
      standsOut.push({ component: components[standingComponents[at]], standardisedMean: standingMeans[at] })
    }
    return {
      cluster, kind: cluster === leftoverCluster ? packed.leftoverKind : 'cluster', size: packed.sizes[group],
      conductance: Number.isNaN(conductances[group]) ? null : conductances[group], distinctTokens: packed.distinctTokens[group],
      purity: packed.purities[group], subset: subsets[packed.subsetIndices[group]], topTokens: tokens, standsOut
    }
  })
  return { clusters, subsets }
}
