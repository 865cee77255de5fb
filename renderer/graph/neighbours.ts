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
  return [...found].map(([other, weight]) => ({ node: other, weight })).sort((a, b) => b.weight - a.weight || a.node - b.node)
}

/** Indices of the edges to draw: those that touch a chosen node, and of the others the heaviest, lightest first so that heavy ones lie on top. */
export const drawnEdges = ({ from, to, weights }: Edges, chosen: ReadonlySet<number>, most: number): { readonly others: Uint32Array; readonly own: Uint32Array } => {
  const own: number[] = []
  const others: number[] = []
  for (let edge = 0; edge < from.length; edge++) (chosen.has(from[edge]) || chosen.has(to[edge]) ? own : others).push(edge)
  const byWeight = (a: number, b: number): number => weights[b] - weights[a]
  return { others: Uint32Array.from(others.sort(byWeight).slice(0, most).reverse()), own: Uint32Array.from(own.sort(byWeight).slice(0, most).reverse()) }
}
