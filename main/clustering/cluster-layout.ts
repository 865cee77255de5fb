import { embed, type EmbeddingGraph } from './embed'
import { centre, layoutStreams, principalPlane } from './plane'
import type { Points } from './preprocess'

/** Links of a group that a layout follows: the strongest. */
const linksOfGroup = 12
const epochs = 500

/** Weight of the edges between pairs of groups, given by their indices, each pair once. */
export interface GroupEdges {
  readonly from: ArrayLike<number>
  readonly to: ArrayLike<number>
  readonly weights: ArrayLike<number>
}

interface Link {
  readonly to: number
  readonly strength: number
}

/** Weights over the geometric mean of what leads out of both ends, so that large groups do not draw in all others; the strongest of each group. */
const strongestLinks = (groups: number, { from, to, weights }: GroupEdges): Link[][] => {
  const outward = new Float64Array(groups)
  for (let i = 0; i < weights.length; i++) {
    outward[from[i]] += weights[i]
    outward[to[i]] += weights[i]
  }
  const links: Link[][] = Array.from({ length: groups }, () => [])
  const offer = (group: number, link: Link): void => {
    const own = links[group]
    if (own.length === linksOfGroup && own[linksOfGroup - 1].strength >= link.strength) return
    const place = own.findIndex(({ strength }) => strength < link.strength)
    own.splice(place < 0 ? own.length : place, 0, link)
    if (own.length > linksOfGroup) own.pop()
  }
  for (let i = 0; i < weights.length; i++) {
    const strength = weights[i] / Math.sqrt(outward[from[i]] * outward[to[i]])
    offer(from[i], { to: to[i], strength })
    offer(to[i], { to: from[i], strength })
  }
  return links
}

/** Each group's links over its strongest; a + b - a b where both ends keep the link. */
const graphOf = (groups: number, edges: GroupEdges): EmbeddingGraph => {
  const rows = strongestLinks(groups, edges).map(
    (links) => new Map(links.map(({ to, strength }) => [to, strength / links[0].strength]))
  )
  const both = rows.map((row) => new Map(row))
  rows.forEach((row, group) => {
    for (const [to, share] of row) {
      const back = rows[to].get(group) ?? 0
      both[group].set(to, share + back - share * back)
      both[to].set(group, share + back - share * back)
    }
  })
  const entries = both.map((row) => [...row].sort(([a], [b]) => a - b))
  const starts = new Int32Array(groups + 1)
  entries.forEach((row, group) => (starts[group + 1] = starts[group] + row.length))
  return {
    nodes: groups,
    starts,
    columns: Int32Array.from(entries.flatMap((row) => row.map(([to]) => to))),
    shares: Float32Array.from(entries.flatMap((row) => row.map(([, share]) => share)))
  }
}

/**
 * Places of groups in the plane, [groups, 2]: from the first two principal components of their means (`middles`, one point a group, in
 * preprocessed coordinates), groups with heavy edges between them are drawn near. A function of its input to the last bit.
 */
export const layOutGroups = (
  middles: Points,
  edges: GroupEdges,
  seed: number,
  report: (fraction: number) => void = () => {}
): Float32Array => {
  const positions = principalPlane(middles, middles.dimensions === 1, seed, layoutStreams.clusters)
  if (middles.count < 2 || edges.weights.length === 0) return centre(positions)
  return centre(
    embed({ graph: graphOf(middles.count, edges), positions, epochs, seed, stream: layoutStreams.clusters }, report)
  )
}
