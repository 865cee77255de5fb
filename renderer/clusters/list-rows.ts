import { groupKinds } from '../../preload/contract'
import type { ClusterEntry, ClusterNumber, GroupKind } from '../../preload/contract'
import { isGroup, isGroupKind } from '../explore/groups'
import type { GroupTree } from '../explore/groups'

/** Forms of the list: a tree, or the groups of one level. */
export type ListForm = 'tree' | GroupKind
export const listForms: readonly ListForm[] = ['tree', 'cluster', 'neighbourhood', 'region']

export const isListForm = (value: unknown): ListForm | undefined =>
  value === 'tree' || isGroupKind(value) ? value : undefined

/** The chosen form if the clustering has it, else a list of clusters. */
export const formFor = (chosen: ListForm, { isTree, levels }: Pick<GroupTree, 'isTree' | 'levels'>): ListForm => {
  if (chosen === 'tree') return isTree ? 'tree' : 'cluster'
  return levels.includes(chosen) ? chosen : 'cluster'
}

/** A row of the list. */
export interface ListRow {
  readonly entry: ClusterEntry
  /** Depth in the tree, from 1. */
  readonly depth: number
  /** Whether its members are shown; null without members. */
  readonly open: boolean | null
  /** Place among its siblings, from 1, and how many there are. */
  readonly place: number
  readonly of: number
  /** Whether it matches the search itself, not only something below it. */
  readonly fits: boolean
}

/** Starts with neighbourhoods folded if there are too many clusters to show structure. */
export const foldedAtFirst = (entries: readonly ClusterEntry[], most = 120): ReadonlySet<ClusterNumber> => {
  const clusters = entries.filter(({ kind }) => kind === 'cluster')
  if (clusters.length <= most) return new Set()
  return new Set(entries.filter(({ kind }) => kind === 'neighbourhood').map(({ cluster }) => cluster))
}

/** A flat list of entries. */
export const flatRows = (sorted: readonly ClusterEntry[]): ListRow[] =>
  sorted.map((entry, index) => ({ entry, depth: 1, open: null, place: index + 1, of: sorted.length, fits: true }))

/**
 * Entries as a tree, siblings in the order of `sorted`, which holds all entries; unclustered tokens come last. With
 * `fitting`, only matches and the groups above them.
 */
export const treeRows = (
  sorted: readonly ClusterEntry[],
  tree: Pick<GroupTree, 'path'>,
  folded: ReadonlySet<ClusterNumber>,
  fitting: ReadonlySet<ClusterNumber> | null
): ListRow[] => {
  const shown = fitting === null ? null : new Set([...fitting].flatMap((cluster) => [cluster, ...tree.path(cluster)]))
  const below = new Map<ClusterNumber | null, ClusterEntry[]>()
  for (const entry of sorted) {
    if (shown !== null && !shown.has(entry.cluster)) continue
    const parent = isGroup(entry) ? entry.parent : null
    const siblings = below.get(parent)
    if (siblings === undefined) below.set(parent, [entry])
    else siblings.push(entry)
  }
  const rows: ListRow[] = []
  const add = (parent: ClusterNumber | null, depth: number): void => {
    const siblings = below.get(parent) ?? []
    siblings.forEach((entry, index) => {
      const { cluster } = entry
      const open = below.has(cluster) ? !folded.has(cluster) : null
      rows.push({ entry, depth, open, place: index + 1, of: siblings.length, fits: fitting?.has(cluster) ?? true })
      if (open === true && depth < groupKinds.length) add(cluster, depth + 1)
    })
  }
  add(null, 1)
  return rows
}
