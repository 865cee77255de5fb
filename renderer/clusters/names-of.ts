import { clusterOf, groupName } from '../../preload/contract'
import type { ClusteringOverview, ClusterNumber } from '../../preload/contract'
import { isGroupKind } from '../explore/groups'
import { visibleString } from '../ui/visible-text'
import { chipText } from './token-chips'

/** Name of a cluster in a table of another view. */
export interface ClusterName {
  readonly name: string
  /** Whether a person gave the name; otherwise it consists of top tokens. */
  readonly given: boolean
}

/** Names of a clustering's clusters: the merge's name, the cluster's own, or top tokens. */
export const namesOf = ({ clusters, annotations }: ClusteringOverview): ReadonlyMap<ClusterNumber, ClusterName> => {
  const given = new Map<ClusterNumber, string>()
  for (const { target, name, clusters: merged } of annotations) {
    if (name === '') continue
    const own = clusterOf(target)
    if (merged !== undefined) for (const cluster of merged) given.set(cluster, name)
    else if (own !== undefined && !given.has(own)) given.set(own, name)
  }
  return new Map(
    clusters.map(({ cluster, kind, topTokens }): [ClusterNumber, ClusterName] => {
      const name = given.get(cluster)
      if (name !== undefined) return [cluster, { name, given: true }]
      const tokens = isGroupKind(kind)
        ? topTokens
            .slice(0, 4)
            .map(({ text }) => visibleString(chipText(text)))
            .join(' ')
        : groupName(kind, cluster)
      return [cluster, { name: tokens, given: false }]
    })
  )
}
