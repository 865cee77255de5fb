import { groupKinds, mayNotBeThere, stableFrom } from '../../preload/contract'
import type { ClusterEntry, ClusterNumber, GroupKind } from '../../preload/contract'

export const isGroupKind = (kind: unknown): kind is GroupKind => groupKinds.some((known) => known === kind)

/** Whether an entry is a cluster or a group above clusters, not the unclustered tokens. */
export const isGroup = ({ kind }: Pick<ClusterEntry, 'kind'>): boolean => isGroupKind(kind)

/** Names of a level, singular and plural. */
export const levelWords: Readonly<Record<GroupKind, { readonly one: string; readonly several: string }>> = {
  region: { one: 'region', several: 'regions' },
  neighbourhood: { one: 'neighbourhood', several: 'neighbourhoods' },
  cluster: { one: 'cluster', several: 'clusters' }
}

export const capital = (words: string): string => `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`

/** Stability with two digits; never rounded up to the bound above which a group counts as stable. */
export const stabilityText = (stability: number): string => {
  const rounded = Math.round(100 * stability)
  return (Math.min(rounded, mayNotBeThere(stability) ? 100 * stableFrom - 1 : rounded) / 100).toFixed(2)
}

/** A group's stability in words, for tooltips and screen readers. */
export const stabilityPhrase = (stability: number | null): string => {
  if (stability === null) return 'stability not measured'
  return `stability ${stabilityText(stability)}${mayNotBeThere(stability) ? ', may be noise' : ''}`
}

/** Tree of clusters and the groups above them, without unclustered tokens. */
export class GroupTree {
  /** Existing levels, coarse to fine. */
  readonly levels: readonly GroupKind[]
  readonly #entries: ReadonlyMap<ClusterNumber, ClusterEntry>
  readonly #children: ReadonlyMap<ClusterNumber, readonly ClusterNumber[]>

  constructor(entries: ReadonlyMap<ClusterNumber, ClusterEntry>) {
    this.#entries = entries
    const children = new Map<ClusterNumber, ClusterNumber[]>()
    const there = new Set<ClusterEntry['kind']>()
    for (const { cluster, kind, parent } of entries.values()) {
      there.add(kind)
      if (parent === null || !isGroupKind(kind)) continue
      const siblings = children.get(parent)
      if (siblings === undefined) children.set(parent, [cluster])
      else siblings.push(cluster)
    }
    this.#children = children
    this.levels = groupKinds.filter((kind) => there.has(kind))
  }

  /** Whether there are groups above clusters. */
  get isTree(): boolean {
    return this.levels.length > 1
  }

  /** Groups directly below one, by number. */
  children(group: ClusterNumber): readonly ClusterNumber[] {
    return this.#children.get(group) ?? []
  }

  /** Groups around a group, outermost first. */
  path(group: ClusterNumber): ClusterNumber[] {
    const path: ClusterNumber[] = []
    let above = this.#entries.get(group)?.parent ?? null
    while (above !== null && path.length < groupKinds.length) {
      path.unshift(above)
      above = this.#entries.get(above)?.parent ?? null
    }
    return path
  }

  isWithin(group: ClusterNumber, outer: ClusterNumber): boolean {
    return this.path(group).includes(outer)
  }

  /** Clusters in a group; a cluster contains itself. */
  clustersIn(group: ClusterNumber): ClusterNumber[] {
    const children = this.children(group)
    return children.length === 0 ? [group] : children.flatMap((child) => this.clustersIn(child))
  }

  /** Group of a level around a group, or the group itself if it is of that level; null if there is none. */
  at(group: ClusterNumber, level: GroupKind): ClusterNumber | null {
    if (this.#entries.get(group)?.kind === level) return group
    return this.path(group).find((above) => this.#entries.get(above)?.kind === level) ?? null
  }

  /**
   * Groups of a level that represent a group: itself, the one around it, or those inside it; may be empty.
   */
  standIns(group: ClusterNumber, level: GroupKind): ClusterNumber[] {
    const above = this.at(group, level)
    return above === null ? this.children(group).flatMap((child) => this.standIns(child, level)) : [above]
  }
}
