import { embed, type EmbeddingGraph } from './embed'
import { centre, layoutStreams, principalPlane } from './plane'
import type { Points } from './preprocess'

/** The layout follows this many links of each group, the strongest. */
const linksOfGroup = 12
const epochs = 500

/** Edge weights between pairs of groups, given by index. Each pair appears once. */
export interface GroupEdges {
  readonly from: ArrayLike<number>
  readonly to: ArrayLike<number>
  readonly weights: ArrayLike<number>
}

interface Link {
  readonly to: number
  readonly strength: number
}

/**
 * The strongest links of each group. Weights are divided by the geometric mean of both groups' outgoing weight, so
 * that large groups do not attract all others.
 */
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

/**
 * Normalises each group's links by its strongest. If both ends keep a link with strengths a and b, it counts a + b -
 * a b.
 */
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
 * Positions of groups in the plane, [groups, 2]. The layout starts from the first two principal components of the
 * group means (`middles`, one point per group in preprocessed coordinates) and pulls groups with heavy edges
 * together. Bit-for-bit reproducible from its input.
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
