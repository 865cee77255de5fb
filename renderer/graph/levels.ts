import { groupKinds } from '../../preload/contract'
import type { ClusterEntry, ClusterLayout, ClusterNumber, GroupKind } from '../../preload/contract'
import { isGroupKind } from '../explore/groups'
import type { GroupTree } from '../explore/groups'
import { categoryColour, clusterColour, plainColour } from './colours'
import type { GraphTheme, Rgb } from './colours'

/** Groups up to which each has a colour that nothing else has, and the legend names all of them. */
export const mostNamedGroups = 24
const mostCategories = 12

/** The nodes of a graph of groups that are asked for, and the edges between those. */
export const layoutOf = (
  { clusters, positions, from, to, weights }: ClusterLayout,
  isShown: (group: ClusterNumber) => boolean
): ClusterLayout => {
  const nodes = [...clusters.keys()].filter((at) => isShown(clusters[at]))
  const shown = new Set(nodes.map((at) => clusters[at]))
  const edges = [...from.keys()].filter((edge) => shown.has(from[edge]) && shown.has(to[edge]))
  return {
    clusters: Int32Array.from(nodes, (at) => clusters[at]),
    positions: Float32Array.from(nodes.flatMap((at) => [positions[2 * at], positions[2 * at + 1]])),
    from: Int32Array.from(edges, (edge) => from[edge]),
    to: Int32Array.from(edges, (edge) => to[edge]),
    weights: Float64Array.from(edges, (edge) => weights[edge])
  }
}

const rank = (kind: ClusterEntry['kind'] | undefined): number =>
  isGroupKind(kind) ? groupKinds.indexOf(kind) : groupKinds.length

/**
 * A colour for each group at its number + 1, from what is left over at 0: that of the group of `level` that it is in.
 * A coarser one has a colour of its own; what is in no group of the level is plain. Clusters of one neighbourhood
 * have colours near one another, so that the map shows where it lies.
 */
export const coloursAt = (
  theme: GraphTheme,
  entries: ReadonlyMap<ClusterNumber, ClusterEntry>,
  tree: Pick<GroupTree, 'at'>,
  level: GroupKind,
  most: number
): Rgb[] => {
  const places = new Map<ClusterNumber, number>()
  const counts = new Map<ClusterEntry['kind'], number>()
  for (const { cluster, kind } of entries.values()) {
    places.set(cluster, counts.get(kind) ?? 0)
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  const members = new Map<ClusterNumber, number>()
  const coloursOfClusters = new Map<ClusterNumber, Rgb>()
  for (const { cluster, kind } of entries.values()) {
    if (kind !== 'cluster') continue
    const around = tree.at(cluster, 'neighbourhood')
    const isAlone = around === null || entries.get(around)?.kind !== 'neighbourhood'
    const member = isAlone ? 0 : (members.get(around) ?? 0)
    if (!isAlone) members.set(around, member + 1)
    coloursOfClusters.set(cluster, clusterColour(theme, isAlone ? cluster : (places.get(around) ?? 0), member))
  }
  const own = (group: ClusterNumber): Rgb => {
    const ofCluster = coloursOfClusters.get(group)
    if (ofCluster !== undefined) return ofCluster
    const kind = entries.get(group)?.kind
    const [place, count] = [places.get(group) ?? 0, kind === undefined ? 0 : (counts.get(kind) ?? 0)]
    return count <= mostCategories ? categoryColour(theme, place) : clusterColour(theme, place)
  }
  return Array.from({ length: most + 2 }, (_, at) => {
    const group = at - 1
    const there = tree.at(group, level)
    if (there !== null) return own(there)
    return rank(entries.get(group)?.kind) < rank(level) ? own(group) : plainColour(theme)
  })
}

/** Group of a level for each number, at number + 1; -1 where there is none. */
export const groupsAt = (tree: Pick<GroupTree, 'at'>, level: GroupKind, most: number): Int32Array =>
  Int32Array.from({ length: most + 2 }, (_, at) => tree.at(at - 1, level) ?? -1)

/** Means by number + 1 with those of groups above filled in, from their clusters' by size; NaN where none has one. */
export const withMeansAbove = (
  means: Float32Array,
  entries: ReadonlyMap<ClusterNumber, ClusterEntry>,
  tree: Pick<GroupTree, 'clustersIn'>
): Float32Array => {
  const filled = means.slice()
  for (const { cluster, kind } of entries.values()) {
    if (!isGroupKind(kind) || kind === 'cluster') continue
    let [sum, count] = [0, 0]
    for (const inside of tree.clustersIn(cluster)) {
      const size = entries.get(inside)?.size ?? 0
      if (size === 0 || Number.isNaN(means[inside + 1])) continue
      sum += size * means[inside + 1]
      count += size
    }
    filled[cluster + 1] = sum / count
  }
  return filled
}

const [leastOpacity, opacityOfNone] = [0.1, 0.22]

/** Colours of points, RGBA, with the opacity that each token's strength gives; what is in no group is faint. */
export const fadedBy = (colours: Uint8Array, strengths: Float32Array, tokens: Int32Array | null): Uint8Array => {
  const faded = colours.slice()
  for (let point = 0; point < colours.length / 4; point++) {
    const strength = strengths[tokens === null ? point : tokens[point]]
    const opacity =
      Number.isNaN(strength) || strength === undefined ? opacityOfNone : leastOpacity + (1 - leastOpacity) * strength
    faded[4 * point + 3] = Math.round(opacity * colours[4 * point + 3])
  }
  return faded
}
