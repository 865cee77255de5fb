import type {
  ClusterNumber,
  GroupKind,
  LevelStability,
  ResolutionPoint,
  RuleRecord,
  StabilityRecord
} from '../../preload/contract'
import { hash, normal } from './random'

/** Ways in which the draws of a synthetic run were split in halves. */
export const syntheticSplits = 3

interface Above {
  readonly kind: Exclude<GroupKind, 'cluster'>
  readonly parent: ClusterNumber | null
  /** Ascending. */
  readonly clusters: readonly number[]
}

const directShare = 0.12
const looseShare = 0.06

/** Regions and neighbourhoods above some clusters, where there are enough of them: a ragged tree. */
export class SyntheticGroups {
  readonly clusters: number
  /** Numbered from `clusters` on: neighbourhoods, then regions. */
  readonly above: readonly Above[]
  readonly #parents: Int32Array
  readonly #regions: number
  readonly #region: Int32Array
  readonly #neighbourhood: Int32Array

  constructor(clusters: number) {
    this.clusters = clusters
    this.#regions = clusters < 12 ? 0 : Math.max(2, Math.round(clusters ** 0.4))
    this.#region = Int32Array.from({ length: clusters }, (_, cluster) =>
      this.#regions === 0 || hash(81, cluster) < looseShare ? -1 : Math.floor(this.#regions * hash(80, cluster) ** 1.3)
    )
    this.#neighbourhood = this.#region.map((region, cluster) =>
      region < 0 || hash(82, cluster) < directShare ? -1 : 4 * region + Math.floor(4 * hash(83, cluster))
    )
    this.#parents = new Int32Array(clusters).fill(-1)
    this.above = this.#number()
  }

  /** Keeps groups of two members and more, and gives them their numbers. */
  #number(): Above[] {
    const gathered = (of: Int32Array): Map<number, number[]> => {
      const groups = new Map<number, number[]>()
      of.forEach((group, cluster) => group >= 0 && groups.set(group, [...(groups.get(group) ?? []), cluster]))
      return new Map([...groups].filter(([, members]) => members.length > 1).sort(([a], [b]) => a - b))
    }
    const [regions, neighbourhoods] = [gathered(this.#region), gathered(this.#neighbourhood)]
    const numbers = new Map(
      [...regions.keys()].map((region, index) => [region, this.clusters + neighbourhoods.size + index])
    )
    for (const [region, members] of regions)
      for (const cluster of members) this.#parents[cluster] = numbers.get(region) ?? -1
    ;[...neighbourhoods.values()].forEach((members, index) =>
      members.forEach((cluster) => (this.#parents[cluster] = this.clusters + index))
    )
    return [
      ...[...neighbourhoods].map(([neighbourhood, members]): Above => ({
        kind: 'neighbourhood',
        parent: numbers.get(neighbourhood >> 2) ?? null,
        clusters: members
      })),
      ...[...regions.values()].map((members): Above => ({ kind: 'region', parent: null, clusters: members }))
    ]
  }

  /** Whether a number is that of a group above the clusters. */
  isAbove(group: ClusterNumber): boolean {
    return group >= this.clusters && group < this.clusters + this.above.length
  }

  kindOf(group: ClusterNumber): GroupKind {
    return this.isAbove(group) ? this.above[group - this.clusters].kind : 'cluster'
  }

  parentOf(group: ClusterNumber): ClusterNumber | null {
    if (this.isAbove(group)) return this.above[group - this.clusters].parent
    return (this.#parents[group] ?? -1) < 0 ? null : this.#parents[group]
  }

  /** Clusters in a group; a cluster has itself. */
  clustersIn(group: ClusterNumber): readonly number[] {
    return this.isAbove(group) ? this.above[group - this.clusters].clusters : [group]
  }

  /** The group of a level that a cluster is in; -1 where there is none. */
  at(cluster: ClusterNumber, kind: GroupKind): ClusterNumber {
    for (let group: ClusterNumber | null = cluster; group !== null && group >= 0; group = this.parentOf(group))
      if (this.kindOf(group) === kind) return group
    return -1
  }

  /** Where a cluster lies in the plane, near those of its neighbourhood and region. */
  placeOf(cluster: ClusterNumber): readonly [x: number, y: number] {
    const [region, neighbourhood] = [this.#region[cluster], this.#neighbourhood[cluster]]
    const place = (axis: number): number => {
      if (region < 0) return 40 * normal(24, 2 * cluster + axis)
      const turn = (2 * Math.PI * (region + 0.3 * hash(84, region))) / this.#regions
      const middle = 62 * (0.55 + 0.45 * hash(85, region)) * (axis === 0 ? Math.cos(turn) : Math.sin(turn))
      return (
        middle + (neighbourhood < 0 ? 0 : 9 * normal(86, neighbourhood, axis)) + 4.5 * normal(24, 2 * cluster + axis)
      )
    }
    return [place(0), place(1)]
  }

  stability(group: ClusterNumber): number {
    return this.isAbove(group)
      ? 0.35 + 0.63 * hash(87, group - this.clusters) ** 0.6
      : 0.08 + 0.9 * hash(88, group) ** 0.9
  }

  /** Strength of a token in its group: so many of the halves. */
  strength(token: number, group: ClusterNumber): number {
    const halves = 2 * syntheticSplits
    const drawn = this.stability(group) + 0.28 * normal(89, token, group)
    return Math.round(halves * Math.max(0, Math.min(1, drawn))) / halves
  }

  /** What recurs at each level; `sizeOf` gives tokens of a group. */
  stabilityRecord(sizeOf: (group: ClusterNumber) => number, tokens: number): StabilityRecord {
    const all = [...Array(this.clusters + this.above.length).keys()]
    const levels = (['region', 'neighbourhood', 'cluster'] as const).map((kind, index): LevelStability => {
      const groups = all.filter((group) => this.kindOf(group) === kind)
      const stable = groups.filter((group) => this.stability(group) >= 0.5)
      const stableShare = stable.reduce((sum, group) => sum + sizeOf(group), 0) / tokens
      return {
        kind,
        groups: groups.length,
        stableGroups: stable.length,
        stableShare,
        error: [0.04, 0.03, 0.02][index],
        nullShare: [0.22, 0.08, 0.01][index]
      }
    })
    return { splits: syntheticSplits, levels: levels.filter(({ groups }) => groups > 0) }
  }
}

/** Resolutions as a search for the best one tries them; `chosen` is among them. */
export const syntheticSweep = (chosen: number): ResolutionPoint[] =>
  Array.from({ length: 15 }, (_, index): ResolutionPoint => {
    const resolution = Number((chosen * 2 ** (0.5 * (index - 8))).toPrecision(4))
    const away = 0.5 * (index - 8)
    const stableShare = 0.95 / (1 + Math.exp(0.75 * (away - 0.2))) + 0.02 * hash(90, index)
    const groups = Math.round(60 * 2 ** (0.8 * away))
    return {
      resolution,
      groups: Math.max(2, groups),
      stableGroups: Math.max(1, Math.round(groups * stableShare * 0.8)),
      stableShare,
      error: 0.012 + 0.02 * hash(91, index),
      nullShare: 0.32 / (1 + Math.exp(1.2 * (away + 2))) + 0.008,
      detail: Math.max(0.2, 3.6 - 0.35 * away ** 2 + 0.1 * hash(92, index) - (index === 8 ? 0 : 0.05)),
      modularity: 0.86 - 0.03 * index
    }
  })

/** What some conditions say of a group: they select `selected` tokens, `caught` of them in the group of `size`. */
export const ruleOf = (
  conditions: RuleRecord['conditions'],
  caught: number,
  selected: number,
  size: number
): RuleRecord => {
  const [recall, precision] = [caught / Math.max(1, size), caught / Math.max(1, selected)]
  return {
    conditions,
    recall,
    precision,
    f1: recall + precision === 0 ? 0 : (2 * recall * precision) / (recall + precision)
  }
}
