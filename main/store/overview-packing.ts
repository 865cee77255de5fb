import type { ClusterEntry, StandingOut } from '../../preload/contract-explore'
import { groupKinds, leftoverCluster } from '../../preload/records'
import type { GroupKind, LeftoverKind, RuleRecord, TokenCount } from '../../preload/records'
import { nameOfRule } from '../../preload/token-names'
import type { Columns } from './reads'

export interface Overview {
  /** Clusters by number, then the groups above them, then the unclustered tokens. */
  readonly clusters: ClusterEntry[]
  /** Names of subsets, sorted. */
  readonly subsets: string[]
}

/**
 * Entries of all groups, as columns. Sending ten thousand of them from the store takes a tenth of the time of as many
 * objects. Top tokens and outlying components of group g are at indices ends[g - 1] … ends[g] - 1.
 */
export interface PackedOverview {
  readonly clusters: Int32Array
  readonly sizes: Int32Array
  /**
   * Index of the kind in `groupKinds` (-1 for the unclustered tokens), and number of the group above (-1 at the top).
   */
  readonly kinds: Int32Array
  readonly parents: Int32Array
  /** NaN for the unclustered tokens; stability and F1 also if unknown. */
  readonly conductances: Float64Array
  readonly stabilities: Float64Array
  readonly ruleF1s: Float64Array
  /** "" if the group is not named by its best rule. */
  readonly ruleNames: string[]
  readonly distinctTokens: Int32Array
  /** Index and share of the most frequent subset. */
  readonly subsetIndices: Int32Array
  readonly purities: Float64Array
  readonly topEnds: Int32Array
  readonly topIds: Int32Array
  readonly topCounts: Int32Array
  readonly topLifts: Float32Array
  readonly standingEnds: Int32Array
  readonly standingComponents: Int32Array
  readonly standingMeans: Float32Array
  /** Distinct ids in `topIds`. */
  readonly ids: Int32Array
  readonly texts: string[]
  readonly components: string[]
  readonly subsets: string[]
  readonly leftoverKind: LeftoverKind
}

/** A group before its ids and indices are replaced by names. Most frequent first. */
export interface GroupHead {
  readonly cluster: number
  readonly size: number
  readonly distinctTokens: number
  readonly topIds: ArrayLike<number>
  readonly topCounts: ArrayLike<number>
  readonly topLifts: ArrayLike<number>
  readonly subsetIndices: ArrayLike<number>
  readonly subsetCounts: ArrayLike<number>
  /** Mean χ̂ by component; empty if the clustering is not described. */
  readonly means: ArrayLike<number>
}

export interface PackingNames {
  readonly texts: ReadonlyMap<number, string>
  readonly subsets: readonly string[]
  readonly columns: Columns | undefined
  readonly leftoverKind: LeftoverKind
  /** The best rule of a group; undefined if there is none. */
  readonly ruleOf: (cluster: number) => RuleRecord | undefined
  /** Undefined for the unclustered tokens. */
  readonly cutOf: (cluster: number) => Cut | undefined
}

/** A group's position in the graph and in the tree. Unknown numbers are NaN. */
export interface Cut {
  readonly kind: GroupKind
  readonly parent: number | null
  readonly seed: number | null
  readonly conductance: number
  readonly conductanceWhenCut: number
  readonly stability: number
}

export const topTokensOfEntry = 8
const standingOut = { most: 3, least: 0.5 }

export const textOfId = (texts: ReadonlyMap<number, string>, id: number): string => texts.get(id) ?? `⟨${id}⟩`

/** (mean - column mean) / column standard deviation; 0 for a constant column. */
export const standardise = (mean: number, column: number, { means, deviations }: Columns): number =>
  deviations[column] > 0 ? (mean - means[column]) / deviations[column] : 0

/** Columns whose group mean is farthest from the overall mean, farthest first. */
const furthest = (means: ArrayLike<number>, columns: Columns): { column: number; mean: number }[] => {
  const found: { column: number; mean: number }[] = []
  for (let column = 0; column < means.length; column++) {
    const mean = standardise(means[column], column, columns)
    const far = Math.abs(mean)
    if (
      far < standingOut.least ||
      (found.length === standingOut.most && far <= Math.abs(found[standingOut.most - 1].mean))
    )
      continue
    const place = found.findIndex((other) => Math.abs(other.mean) < far)
    found.splice(place < 0 ? found.length : place, 0, { column, mean })
    found.length = Math.min(found.length, standingOut.most)
  }
  return found
}

interface Head {
  readonly cluster: number
  readonly size: number
  readonly cut: Cut | undefined
  readonly rule: RuleRecord | undefined
  readonly distinctTokens: number
  readonly subset: number
  readonly purity: number
  readonly topEnd: number
  readonly standingEnd: number
}

/** Collects groups in the order they are added. */
export class OverviewPacker {
  readonly #heads: Head[] = []
  readonly #topIds: number[] = []
  readonly #topCounts: number[] = []
  readonly #topLifts: number[] = []
  readonly #standing: { column: number; mean: number }[] = []

  constructor(private readonly names: PackingNames) {}

  add(head: GroupHead): void {
    const { cluster, size, distinctTokens, topIds, topCounts, topLifts, means } = head
    const { subsetIndices, subsetCounts } = head
    const { columns, cutOf, ruleOf } = this.names
    for (let i = 0; i < Math.min(topTokensOfEntry, topIds.length); i++) {
      this.#topIds.push(topIds[i])
      this.#topCounts.push(topCounts[i])
      this.#topLifts.push(topLifts[i])
    }
    if (columns !== undefined) this.#standing.push(...furthest(means, columns))
    this.#heads.push({
      cluster,
      size,
      cut: cutOf(cluster),
      rule: ruleOf(cluster),
      distinctTokens,
      subset: subsetIndices[0],
      purity: subsetCounts[0] / size,
      topEnd: this.#topIds.length,
      standingEnd: this.#standing.length
    })
  }

  packed(): PackedOverview {
    const { texts, subsets, columns, leftoverKind } = this.names
    const ids = Int32Array.from(new Set(this.#topIds))
    return {
      clusters: Int32Array.from(this.#heads, ({ cluster }) => cluster),
      sizes: Int32Array.from(this.#heads, ({ size }) => size),
      kinds: Int32Array.from(this.#heads, ({ cut }) => (cut === undefined ? -1 : groupKinds.indexOf(cut.kind))),
      parents: Int32Array.from(this.#heads, ({ cut }) => cut?.parent ?? -1),
      conductances: Float64Array.from(this.#heads, ({ cut }) => cut?.conductance ?? Number.NaN),
      stabilities: Float64Array.from(this.#heads, ({ cut }) => cut?.stability ?? Number.NaN),
      ruleF1s: Float64Array.from(this.#heads, ({ rule }) => rule?.f1 ?? Number.NaN),
      ruleNames: this.#heads.map(({ rule }) => nameOfRule(rule) ?? ''),
      distinctTokens: Int32Array.from(this.#heads, ({ distinctTokens }) => distinctTokens),
      subsetIndices: Int32Array.from(this.#heads, ({ subset }) => subset),
      purities: Float64Array.from(this.#heads, ({ purity }) => purity),
      topEnds: Int32Array.from(this.#heads, ({ topEnd }) => topEnd),
      topIds: Int32Array.from(this.#topIds),
      topCounts: Int32Array.from(this.#topCounts),
      topLifts: Float32Array.from(this.#topLifts),
      standingEnds: Int32Array.from(this.#heads, ({ standingEnd }) => standingEnd),
      standingComponents: Int32Array.from(this.#standing, ({ column }) => column),
      standingMeans: Float32Array.from(this.#standing, ({ mean }) => mean),
      ids,
      texts: Array.from(ids, (id) => textOfId(texts, id)),
      components: [...(columns?.components ?? [])],
      subsets: [...subsets],
      leftoverKind
    }
  }
}

const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value)

export const unpackOverview = (packed: PackedOverview): Overview => {
  const { topIds, topCounts, topLifts, topEnds, standingEnds, standingComponents, standingMeans, components, subsets } =
    packed
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
      cluster,
      kind: cluster === leftoverCluster ? packed.leftoverKind : groupKinds[packed.kinds[group]],
      parent: packed.parents[group] < 0 ? null : packed.parents[group],
      size: packed.sizes[group],
      conductance: orNull(packed.conductances[group]),
      stability: orNull(packed.stabilities[group]),
      ruleF1: orNull(packed.ruleF1s[group]),
      ruleName: packed.ruleNames[group] === '' ? null : packed.ruleNames[group],
      distinctTokens: packed.distinctTokens[group],
      purity: packed.purities[group],
      subset: subsets[packed.subsetIndices[group]],
      topTokens: tokens,
      standsOut
    }
  })
  return { clusters, subsets }
}
