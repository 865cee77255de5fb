/** Edges as pairs of ends, each edge once or from both of its ends. */
export interface Edges {
  readonly from: ArrayLike<number>
  readonly to: ArrayLike<number>
  readonly weights: ArrayLike<number>
}

export interface Neighbour {
  readonly node: number
  readonly weight: number
}

/** Nodes with an edge to one of the centres, centres left out, ascending. */
export const neighboursOf = ({ from, to }: Edges, centres: ReadonlySet<number>): Int32Array => {
  const found = new Set<number>()
  for (let edge = 0; edge < from.length; edge++) {
    if (centres.has(from[edge]) && !centres.has(to[edge])) found.add(to[edge])
    if (centres.has(to[edge]) && !centres.has(from[edge])) found.add(from[edge])
  }
  return Int32Array.from(found).sort()
}

/** Neighbours of one node, heaviest edge first. */
export const rankedNeighbours = ({ from, to, weights }: Edges, node: number): Neighbour[] => {
  const found = new Map<number, number>()
  for (let edge = 0; edge < from.length; edge++) {
    if (from[edge] === to[edge] || (from[edge] !== node && to[edge] !== node)) continue
    const other = from[edge] === node ? to[edge] : from[edge]
    found.set(other, Math.max(found.get(other) ?? -Infinity, weights[edge]))
  }
  return [...found]
    .map(([other, weight]) => ({ node: other, weight }))
    .sort((a, b) => b.weight - a.weight || a.node - b.node)
}

/** Indices of all edges, heaviest first. */
export const heaviestFirst = ({ weights }: Edges): Uint32Array =>
  Uint32Array.from({ length: weights.length }, (_, edge) => edge).sort((a, b) => weights[b] - weights[a])

/**
 * Indices of the edges to draw: those that touch a chosen node, and of the others the heaviest, lightest first so
 * that heavy ones lie on top. `order`: all edges, heaviest first.
 */
export const drawnEdges = (
  { from, to }: Edges,
  chosen: ReadonlySet<number>,
  most: number,
  order: Uint32Array
): { readonly others: Uint32Array; readonly own: Uint32Array } => {
  const own: number[] = []
  const others: number[] = []
  for (const edge of order) {
    const kind = chosen.has(from[edge]) || chosen.has(to[edge]) ? own : others
    if (kind.length < most) kind.push(edge)
  }
  return { others: Uint32Array.from(others.reverse()), own: Uint32Array.from(own.reverse()) }
}
