import { labelStatuses } from '../../preload/contract'
import type { ClusterEntry, LabelStatus } from '../../preload/contract'
import { isGroup } from '../explore/groups'

export const sortKeys = [
  'size',
  'stability',
  'rule',
  'conductance',
  'labelled',
  'discovery',
  'purity',
  'distinct',
  'name'
] as const
export type SortKey = (typeof sortKeys)[number]

export interface Sorting {
  readonly by: SortKey
  readonly descending: boolean
}

export const sortWords: Readonly<Record<SortKey, string>> = {
  size: 'Size',
  stability: 'Stability',
  rule: 'Best rule',
  conductance: 'Conductance',
  labelled: 'Labelled',
  discovery: 'Number',
  purity: 'Subset purity',
  distinct: 'Distinct tokens',
  name: 'Name'
}

/** Initial direction of each order. */
export const usualDirection: Readonly<Record<SortKey, boolean>> = {
  size: true,
  stability: true,
  rule: true,
  conductance: false,
  labelled: false,
  discovery: false,
  purity: true,
  distinct: false,
  name: false
}

/** Sort keys for which at least one cluster has a value. */
export const measuredKeys = (entries: readonly ClusterEntry[]): ReadonlySet<SortKey> => {
  const unmeasured: SortKey[] = []
  if (entries.every(({ stability }) => stability === null)) unmeasured.push('stability')
  if (entries.every(({ ruleF1 }) => ruleF1 === null)) unmeasured.push('rule')
  return new Set(sortKeys.filter((key) => !unmeasured.includes(key)))
}

export const isSorting = (value: unknown): Sorting | undefined => {
  const { by, descending } = (value ?? {}) as Partial<Sorting>
  return by !== undefined && sortKeys.includes(by) && typeof descending === 'boolean' ? { by, descending } : undefined
}

/** Label data used for sorting. */
export interface Said {
  readonly status: (cluster: number) => LabelStatus
  /** "" for a cluster without a name. */
  readonly name: (cluster: number) => string
}

/** Null comes last in both directions. */
type Value = number | string | null

const valueOf = (entry: ClusterEntry, by: SortKey, said: Said): Value => {
  switch (by) {
    case 'size':
      return entry.size
    case 'stability':
      return entry.stability
    case 'rule':
      return entry.ruleF1
    case 'conductance':
      return entry.conductance
    case 'labelled':
      return labelStatuses.indexOf(said.status(entry.cluster))
    case 'discovery':
      return entry.cluster
    case 'purity':
      return entry.purity
    case 'distinct':
      return entry.distinctTokens
    case 'name':
      return said.name(entry.cluster).toLowerCase() || null
  }
}

const collator = new Intl.Collator('en', { numeric: true })

/** Sorts clusters, ties by number; unclustered tokens always come last. */
export const sortClusters = (
  entries: readonly ClusterEntry[],
  { by, descending }: Sorting,
  said: Said
): ClusterEntry[] => {
  const sign = descending ? -1 : 1
  const keyed = entries.map((entry) => ({ entry, value: valueOf(entry, by, said), leftover: isGroup(entry) ? 0 : 1 }))
  keyed.sort((a, b) => {
    if (a.leftover !== b.leftover) return a.leftover - b.leftover
    const numbered = a.entry.cluster - b.entry.cluster
    if (a.value === null || b.value === null) return a.value === b.value ? numbered : a.value === null ? 1 : -1
    const order =
      typeof a.value === 'number' && typeof b.value === 'number'
        ? a.value - b.value
        : collator.compare(String(a.value), String(b.value))
    return sign * order || numbered
  })
  return keyed.map(({ entry }) => entry)
}
