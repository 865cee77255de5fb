import type { ClusteringConfiguration } from '../../preload/configuration'
import { leftoverCluster, noCluster, type ClusteringDescription } from '../../preload/records'
import { entryPath } from '../base/entries'
import { openPool } from '../base/pool'
import { layOutGroups } from './cluster-layout'
import { TokenEdges } from './edges'
import type { Neighbours } from './neighbours'
import { tokenPatterns, type StudiedRows, type Texts } from './patterns'
import { chooseColumns, preprocess, type Points } from './preprocess'
import { performWatched, type ClusteringPool, type Watched } from './watched'

/** What a clustering is described from. */
export interface DescribeOrder {
  /** Susceptibilities [tokens, components]; no components where none are known, as of a set that was imported. */
  readonly matrix: Float32Array
  readonly tokens: number
  readonly components: readonly string[]
  /** Columns that were clustered by; all where they are not given. */
  readonly columns?: readonly number[]
  readonly configuration: Pick<ClusteringConfiguration, 'whiten' | 'symmetrize'>
  /** Those that the clustering's graph was built from; undefined where none are kept. */
  readonly neighbours: Neighbours | undefined
  /** Cluster of every token: its order of discovery, or -1. */
  readonly membership: Int32Array
  readonly rows: StudiedRows
  readonly texts: Texts
  /** Of the run; the places of the groups depend on it. */
  readonly seed: number
}

/** Tokens by group. Groups are numbered in the order of clusters, what is left over last. */
interface Grouping {
  readonly numbers: Int32Array
  /** Group of each token. */
  readonly groupOf: Int32Array
  /** Tokens of group g, ascending, at starts[g] … starts[g + 1] of `members`. */
  readonly starts: Int32Array
  readonly members: Int32Array
}

/** Shares of the time, in order; measured at a million tokens. */
const shares = { patterns: 0.1, profiles: 0.15, central: 0.1, edges: 0.45, layout: 0.2 } as const

const groupTokens = (membership: Int32Array): Grouping => {
  const clusters = membership.reduce((most, cluster) => Math.max(most, cluster), -1) + 1
  const left = membership.includes(leftoverCluster)
  const numbers = Int32Array.from({ length: clusters + (left ? 1 : 0) }, (_, group) => (group < clusters ? group : leftoverCluster))
  const groupOf = membership.map((cluster) => (cluster < 0 ? clusters : cluster))
  const starts = new Int32Array(numbers.length + 1)
  for (const group of groupOf) starts[group + 1]++
  for (let group = 0; group < numbers.length; group++) starts[group + 1] += starts[group]
  const ends = starts.slice(0, numbers.length)
  const members = new Int32Array(membership.length)
  groupOf.forEach((group, token) => {
    members[ends[group]++] = token
  })
  return { numbers, groupOf, starts, members }
}

/** Mean and population standard deviation of χ̂, [groups, width] each. */
const profilesOf = ({ numbers, groupOf, starts }: Grouping, matrix: Float32Array, width: number): { means: Float32Array; standardDeviations: Float32Array } => {
  const means = new Float64Array(numbers.length * width)
  const squares = new Float64Array(numbers.length * width)
  const size = (at: number): number => starts[Math.floor(at / width) + 1] - starts[Math.floor(at / width)]
  for (let token = 0, at = 0; token < groupOf.length; token++) for (let c = 0, to = groupOf[token] * width; c < width; c++) means[to++] += matrix[at++]
  for (let at = 0; at < means.length; at++) means[at] /= size(at)
  for (let token = 0, at = 0; token < groupOf.length; token++) {
    for (let c = 0, to = groupOf[token] * width; c < width; c++, to++) squares[to] += (matrix[at++] - means[to]) ** 2
  }
  return { means: Float32Array.from(means), standardDeviations: Float32Array.from(squares, (square, at) => Math.sqrt(square / size(at))) }
}

/** Mean of each group's points. */
const middlesOf = ({ numbers, groupOf, starts }: Grouping, { values, dimensions }: Points): Points => {
  const middles = new Float64Array(numbers.length * dimensions)
  for (let token = 0, at = 0; token < groupOf.length; token++) for (let d = 0, to = groupOf[token] * dimensions; d < dimensions; d++) middles[to++] += values[at++]
  for (let at = 0; at < middles.length; at++) middles[at] /= starts[Math.floor(at / dimensions) + 1] - starts[Math.floor(at / dimensions)]
  return { values: middles, count: numbers.length, dimensions }
}

/** Place of each token among its group's by distance to the group's middle, ties by index. */
const centralPlaces = ({ numbers, groupOf, starts, members }: Grouping, { values, dimensions }: Points, middles: Points, report: (fraction: number) => void): Int32Array => {
  const distances = new Float64Array(groupOf.length)
  for (let token = 0, at = 0; token < groupOf.length; token++) {
    let sum = 0
    for (let d = 0, from = groupOf[token] * dimensions; d < dimensions; d++) sum += (values[at++] - middles.values[from++]) ** 2
    distances[token] = sum
  }
  const places = new Int32Array(groupOf.length)
  for (let group = 0; group < numbers.length; group++) {
    const ordered = members.slice(starts[group], starts[group + 1]).sort((a, b) => distances[a] - distances[b] || a - b)
    ordered.forEach((token, place) => {
      places[token] = place
    })
    report(starts[group + 1] / groupOf.length)
  }
  return places
}

/** Pairs of groups and weights, as many as there turn out to be. */
class Pairs {
  #from = new Int32Array(1024)
  #to = new Int32Array(1024)
  #weights = new Float64Array(1024)
  #count = 0

  add(from: number, to: number, weight: number): void {
    if (this.#count === this.#from.length) {
      const [from_, to_, weights] = [new Int32Array(2 * this.#count), new Int32Array(2 * this.#count), new Float64Array(2 * this.#count)]
      from_.set(this.#from)
      to_.set(this.#to)
      weights.set(this.#weights)
      ;[this.#from, this.#to, this.#weights] = [from_, to_, weights]
    }
    this.#from[this.#count] = from
    this.#to[this.#count] = to
    this.#weights[this.#count++] = weight
  }

  get all(): { from: Int32Array; to: Int32Array; weights: Float64Array } {
    return { from: this.#from.slice(0, this.#count), to: this.#to.slice(0, this.#count), weights: this.#weights.slice(0, this.#count) }
  }
}

interface Boundaries {
  readonly boundary: Float32Array
  readonly toward: Int32Array
  readonly edges: ClusteringDescription['edges']
}

/**
 * Group by group in order of their numbers, so that one row of sums is enough: where each token's edges lead, and the weight between the
 * group and those of higher numbers.
 */
const boundariesOf = ({ numbers, groupOf, starts, members }: Grouping, edges: TokenEdges, report: (fraction: number) => void): Boundaries => {
  const tokens = groupOf.length
  const boundary = new Float32Array(tokens)
  const toward = new Int32Array(tokens).fill(noCluster)
  const pairs = new Pairs()
  const ofToken = new Float64Array(numbers.length)
  const ofGroup = new Float64Array(numbers.length)
  const reached: number[] = []
  const order = Array.from(numbers.keys()).sort((a, b) => numbers[a] - numbers[b])
  let done = 0
  for (const group of order) {
    const reachedByGroup: number[] = []
    for (let at = starts[group]; at < starts[group + 1]; at++) {
      const token = members[at]
      const count = edges.load(token)
      let total = 0
      let out = 0
      for (let i = 0; i < count; i++) {
        const weight = edges.weights[i]
        const other = groupOf[edges.to[i]]
        total += weight
        if (other === group) continue
        out += weight
        if (ofToken[other] === 0) reached.push(other)
        ofToken[other] += weight
      }
      let [best, most] = [-1, 0]
      for (const other of reached) {
        if (ofToken[other] > most || (ofToken[other] === most && numbers[other] < numbers[best])) [best, most] = [other, ofToken[other]]
        if (ofGroup[other] === 0) reachedByGroup.push(other)
        ofGroup[other] += ofToken[other]
        ofToken[other] = 0
      }
      reached.length = 0
      if (best >= 0) toward[token] = numbers[best]
      boundary[token] = total === 0 ? 0 : out / total
      if (++done % 1024 === 0) report(done / tokens)
    }
    reachedByGroup.sort((a, b) => numbers[a] - numbers[b])
    for (const other of reachedByGroup) {
      if (numbers[other] > numbers[group]) pairs.add(numbers[group], numbers[other], ofGroup[other])
      ofGroup[other] = 0
    }
  }
  return { boundary, toward, edges: pairs.all }
}

const noBoundaries = (tokens: number): Boundaries => ({
  boundary: new Float32Array(tokens),
  toward: new Int32Array(tokens).fill(noCluster),
  edges: { from: new Int32Array(0), to: new Int32Array(0), weights: new Float64Array(0) }
})

/** The description in the calling thread; see `describeClustering`. `report` gets the share that is done. */
export const computeDescription = (order: DescribeOrder, report: (fraction: number) => void = () => {}): ClusteringDescription => {
  const { matrix, tokens, components, configuration, neighbours, membership, rows, texts, seed } = order
  const columns = order.columns ?? components.map((_, column) => column)
  let before = 0
  const during = (part: keyof typeof shares): ((fraction: number) => void) => {
    const start = before
    before += shares[part]
    report(start)
    return (fraction) => report(start + shares[part] * fraction)
  }
  const grouping = groupTokens(membership)
  const patterns = tokenPatterns(rows, texts, during('patterns'))
  during('profiles')
  const profiles = profilesOf(grouping, matrix, components.length)
  // Groups of an imported set have no coordinates: one that is 0 for all leaves them in the order of tokens.
  const clusteredBy = chooseColumns(matrix, components, columns)
  const points = components.length === 0 ? { values: new Float64Array(tokens), count: tokens, dimensions: 1 } : preprocess(clusteredBy.matrix, tokens, clusteredBy.components, configuration.whiten)
  const middles = middlesOf(grouping, points)
  const centralPlace = centralPlaces(grouping, points, middles, during('central'))
  const whenEdges = during('edges')
  const { boundary, toward, edges } = neighbours === undefined ? noBoundaries(tokens) : boundariesOf(grouping, new TokenEdges(neighbours, tokens, configuration.symmetrize), whenEdges)
  const groupOf = (numbers: Int32Array): Int32Array => numbers.map((number) => (number < 0 ? grouping.numbers.length - 1 : number))
  const positions = layOutGroups(middles, { from: groupOf(edges.from), to: groupOf(edges.to), weights: edges.weights }, seed, during('layout'))
  return { centralPlace, boundary, toward, patterns, groups: grouping.numbers, ...profiles, edges, positions }
}

export interface DescribeInput extends DescribeOrder, Watched {}

/**
 * What a clustering is described by: which tokens are central, which lie at the boundary and to which other group they lean, patterns,
 * profiles, and the weight of the graph's edges between groups (from the kept distances, so exact to float32). On one worker thread; a
 * function of the order to the last bit. Throws a `clustering` error for a matrix that cannot be preprocessed, and `interrupted` after
 * `signal`.
 */
export const describeClustering = async (
  { onProgress, signal, ...order }: DescribeInput, open: () => ClusteringPool = () => openPool(entryPath('clustering-worker'), 1)
): Promise<ClusteringDescription> => {
  const result = await performWatched((meter) => ({ kind: 'describe', order, meter }), { onProgress, signal }, open)
  if (result.kind !== 'describe') throw new Error(`A worker answered "${result.kind}" when asked for a description.`)
  return result.description
}
