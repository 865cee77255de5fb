import { noCluster, type LevelDescription } from '../../preload/records'
import type { TokenEdges } from './edges'
import type { Grouping } from './grouping'

/** Where the edges of one level's tokens lead. */
export type Boundaries = Pick<LevelDescription, 'boundary' | 'toward' | 'edges'>

/** Sums of weights per group, for use when only a few groups are reached at a time. */
class Tally {
  readonly sums: Float64Array
  readonly reached: number[] = []

  constructor(groups: number) {
    this.sums = new Float64Array(groups)
  }

  add(group: number, weight: number): void {
    if (this.sums[group] === 0) this.reached.push(group)
    this.sums[group] += weight
  }

  /** Group with the largest sum, ties to the lower number; -1 if no group is reached. */
  most(numbers: Int32Array): number {
    let best = -1
    for (const group of this.reached) {
      const ahead = best < 0 ? 1 : this.sums[group] - this.sums[best]
      if (ahead > 0 || (ahead === 0 && numbers[group] < numbers[best])) best = group
    }
    return best
  }

  clear(): void {
    for (const group of this.reached) this.sums[group] = 0
    this.reached.length = 0
  }
}

/** A growing list of group pairs with weights. */
class Pairs {
  #from = new Int32Array(1024)
  #to = new Int32Array(1024)
  #weights = new Float64Array(1024)
  #count = 0

  add(from: number, to: number, weight: number): void {
    if (this.#count === this.#from.length) {
      const length = 2 * this.#count
      const larger = [new Int32Array(length), new Int32Array(length), new Float64Array(length)] as const
      larger[0].set(this.#from)
      larger[1].set(this.#to)
      larger[2].set(this.#weights)
      ;[this.#from, this.#to, this.#weights] = larger
    }
    this.#from[this.#count] = from
    this.#to[this.#count] = to
    this.#weights[this.#count++] = weight
  }

  get all(): Boundaries['edges'] {
    const count = this.#count
    return { from: this.#from.slice(0, count), to: this.#to.slice(0, count), weights: this.#weights.slice(0, count) }
  }
}

const withoutEdges = (tokens: number): Boundaries => ({
  boundary: new Float32Array(tokens),
  toward: new Int32Array(tokens).fill(noCluster),
  edges: { from: new Int32Array(0), to: new Int32Array(0), weights: new Float64Array(0) }
})

/**
 * A level, and for each cluster the index of the group of that level that contains it (itself at the level of
 * clusters), or -1.
 */
export interface TreeLevel {
  readonly grouping: Grouping
  readonly parents: Int32Array
}

/**
 * Sums the weights of a token's edges by the cluster they lead to, leaving out its own cluster. Returns the total
 * over all edges.
 */
const tallyEdges = (edges: TokenEdges, token: number, groupOf: Int32Array, cluster: number, others: Tally): number => {
  const count = edges.load(token)
  let total = 0
  for (let i = 0; i < count; i++) {
    const other = groupOf[edges.to[i]]
    total += edges.weights[i]
    if (other !== cluster) others.add(other, edges.weights[i])
  }
  return total
}

/** Sets the boundary values of a token at one level, from the clusters its edges lead to. */
const setBoundary = (
  { grouping: { numbers }, parents }: TreeLevel,
  token: number,
  cluster: number,
  others: Tally,
  total: number,
  tally: Tally,
  found: Boundaries
): void => {
  const own = parents[cluster]
  if (own < 0) return
  let out = 0
  for (const other of others.reached) {
    const group = parents[other]
    if (group === own) continue
    out += others.sums[other]
    if (group >= 0) tally.add(group, others.sums[other])
  }
  const most = tally.most(numbers)
  if (most >= 0) found.toward[token] = numbers[most]
  found.boundary[token] = total === 0 ? 0 : out / total
  tally.clear()
}

/** Edge weights between groups of a level above: sums over pairs of their clusters. */
const edgesAbove = (
  { numbers: clusters }: Grouping,
  { grouping: { numbers }, parents }: TreeLevel,
  { from, to, weights }: Boundaries['edges']
): Boundaries['edges'] => {
  const indices = new Map(Array.from(clusters, (number, cluster) => [number, cluster]))
  const sums = new Map<number, number>()
  for (let i = 0; i < weights.length; i++) {
    const [a, b] = [parents[indices.get(from[i])!], parents[indices.get(to[i])!]]
    if (a < 0 || b < 0 || a === b) continue
    const pair = Math.min(a, b) * numbers.length + Math.max(a, b)
    sums.set(pair, (sums.get(pair) ?? 0) + weights[i])
  }
  const pairs = Float64Array.from(sums.keys()).sort()
  return {
    from: Int32Array.from(pairs, (pair) => numbers[Math.floor(pair / numbers.length)]),
    to: Int32Array.from(pairs, (pair) => numbers[pair % numbers.length]),
    weights: pairs.map((pair) => sums.get(pair)!)
  }
}

/**
 * Computes, level by level, where each token's edges lead and the edge weight between groups. The first level is that
 * of clusters. All edges are read once, cluster by cluster in the order of their numbers, so that one row of sums is
 * enough. Without edges, no token leans to another group and no groups are linked.
 */
export const boundariesOf = (
  levels: readonly TreeLevel[],
  edges: TokenEdges | undefined,
  report: (fraction: number) => void
): Boundaries[] => {
  const { grouping: clusters } = levels[0]
  const { numbers, groupOf, starts, members } = clusters
  const tokens = groupOf.length
  const found = levels.map(() => withoutEdges(tokens))
  if (edges === undefined) return found
  const pairs = new Pairs()
  const [ofToken, ofCluster] = [new Tally(numbers.length), new Tally(numbers.length)]
  const tallies = levels.map(({ grouping }) => new Tally(grouping.numbers.length))
  let done = 0
  for (const cluster of Array.from(numbers.keys()).sort((a, b) => numbers[a] - numbers[b])) {
    for (const token of members.subarray(starts[cluster], starts[cluster + 1])) {
      const total = tallyEdges(edges, token, groupOf, cluster, ofToken)
      for (let l = 0; l < levels.length; l++) {
        setBoundary(levels[l], token, cluster, ofToken, total, tallies[l], found[l])
      }
      for (const other of ofToken.reached) ofCluster.add(other, ofToken.sums[other])
      ofToken.clear()
      if (++done % 1024 === 0) report(done / tokens)
    }
    for (const other of ofCluster.reached.sort((a, b) => numbers[a] - numbers[b])) {
      if (numbers[other] > numbers[cluster]) pairs.add(numbers[cluster], numbers[other], ofCluster.sums[other])
    }
    ofCluster.clear()
  }
  const between = pairs.all
  return found.map((each, l) => ({ ...each, edges: l === 0 ? between : edgesAbove(clusters, levels[l], between) }))
}
