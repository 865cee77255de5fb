import KDBush from 'kdbush'
import type { ClusterLayout, ClusterNumber, TokenLayout } from '../../preload/contract'
import { setApart } from './apart'
import { MainExtent, turnedFor } from './fitting'
import { heaviestFirst } from './neighbours'
import type { Edges } from './neighbours'
import { extentOf, groupsOf, innerExtentOf, intoSquare } from './places'
import type { Extent, Group } from './places'
import { boxOf, isInside } from './polygon'
import type { Path } from './polygon'

/** Share of the points, or of the room, from which a group is a large part of the picture. */
const largeShare = 0.15

/** Tokens in the plane. A point is an index into the places; it is the token itself where all tokens are placed. */
export class PlacedTokens {
  readonly method: string
  readonly tokens: Int32Array | null
  /** Within the square from 0 to 1: [x0, y0, x1, y1, …] */
  readonly places: Float32Array
  /** Cluster of every point. */
  readonly clusterOf: Int32Array
  readonly groups: readonly Group[]
  readonly groupOf: ReadonlyMap<ClusterNumber, Group>
  readonly #main: MainExtent
  readonly #members: Uint32Array
  readonly #starts: Int32Array
  #index: KDBush | null = null
  #points: Map<number, number> | null = null

  /** `membership`: cluster of every token. `isTall`: whether the window is higher than wide. */
  constructor(layout: TokenLayout, membership: Int32Array, isTall = false) {
    this.method = layout.method
    this.tokens = layout.tokens
    this.places = intoSquare(turnedFor(layout.positions, isTall))
    this.clusterOf =
      layout.tokens === null ? membership.subarray(0, this.count) : layout.tokens.map((token) => membership[token])
    this.#main = new MainExtent(this.places)
    this.groups = groupsOf(this.places, this.clusterOf)
    this.groupOf = new Map(this.groups.map((group) => [group.cluster, group]))
    const most = this.groups.at(-1)?.cluster ?? -1
    this.#starts = new Int32Array(most + 3)
    for (const { cluster, size } of this.groups) this.#starts[cluster + 2] = size
    for (let group = 1; group < this.#starts.length; group++) this.#starts[group] += this.#starts[group - 1]
    const next = this.#starts.slice()
    this.#members = new Uint32Array(this.count)
    for (let point = 0; point < this.count; point++) this.#members[next[this.clusterOf[point] + 1]++] = point
  }

  get count(): number {
    return this.places.length / 2
  }

  /** Points of a cluster, ascending. */
  members(cluster: ClusterNumber): Uint32Array {
    return this.#members.subarray(this.#starts[cluster + 1] ?? this.count, this.#starts[cluster + 2] ?? this.count)
  }

  tokenOf(point: number): number {
    return this.tokens === null ? point : this.tokens[point]
  }

  /** The point of a token; undefined where it is not placed. */
  pointOf(token: number): number | undefined {
    const { tokens } = this
    if (tokens === null) return token >= 0 && token < this.count ? token : undefined
    this.#points ??= new Map(Array.from(tokens, (placed, point) => [placed, point]))
    return this.#points.get(token)
  }

  /** Where nearly all points lie, for a window `aspect` times as wide as high. */
  extentFor(aspect: number): Extent {
    return this.#main.of(aspect)
  }

  /** Whether points are a large part of the picture, by their number or by the room that they take. */
  isLarge(points: ArrayLike<number>): boolean {
    if (points.length > largeShare * this.count) return true
    const area = ({ left, bottom, right, top }: Extent): number => (right - left) * (top - bottom)
    return points.length > 20 && area(innerExtentOf(this.places, points)) > largeShare * area(this.extentFor(1))
  }

  pointsOf(tokens: ArrayLike<number>): Uint32Array {
    return Uint32Array.from(Array.from(tokens, (token) => this.pointOf(token)).filter((point) => point !== undefined))
  }

  tokensOf(points: ArrayLike<number>): Int32Array {
    return Int32Array.from(points, (point) => this.tokenOf(point)).sort()
  }

  /** Finds points by place: a tree that is made when it is first asked. */
  get index(): KDBush {
    if (this.#index === null) {
      const index = new KDBush(this.count, 64, Float32Array)
      for (let point = 0; point < this.count; point++) index.add(this.places[2 * point], this.places[2 * point + 1])
      this.#index = index.finish()
    }
    return this.#index
  }

  /** The point nearest to a place, not further than `reach`. */
  nearest(x: number, y: number, reach: number): number | null {
    let found: number | null = null
    let least = Infinity
    for (const point of this.index.within(x, y, reach)) {
      const distance = Math.hypot(this.places[2 * point] - x, this.places[2 * point + 1] - y)
      if (distance < least) [found, least] = [point, distance]
    }
    return found
  }

  /** Points inside a closed path of the plane. */
  inside(path: Path): Uint32Array {
    if (path.length < 6) return new Uint32Array(0)
    const { left, top, right, bottom } = boxOf(path)
    return Uint32Array.from(
      this.index
        .range(left, top, right, bottom)
        .filter((point) => isInside(path, this.places[2 * point], this.places[2 * point + 1]))
    )
  }
}

/** Clusters in the plane, and the weights between them. */
export class PlacedClusters {
  readonly clusters: Int32Array
  readonly places: Float32Array
  /** Ends are numbers of clusters. */
  readonly edges: Edges
  readonly heaviest: number
  /** Indices of the edges, heaviest first. */
  readonly order: Uint32Array
  /** Radius of each disc in the plane: none lies on another. */
  readonly radii: Float32Array
  readonly #at: ReadonlyMap<ClusterNumber, number>

  /** `weightOf`: radius of a cluster's disc in proportion to the others'. */
  constructor(
    { clusters, positions, from, to, weights }: ClusterLayout,
    weightOf: (cluster: ClusterNumber) => number,
    isTall = false
  ) {
    this.clusters = clusters
    const discs = setApart(intoSquare(turnedFor(positions, isTall)), Float32Array.from(clusters, weightOf))
    this.places = discs.places
    this.radii = discs.radii
    this.edges = { from, to, weights }
    this.heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0) || 1
    this.order = heaviestFirst(this.edges)
    this.#at = new Map(Array.from(clusters, (cluster, index) => [cluster, index]))
  }

  get count(): number {
    return this.clusters.length
  }

  placeOf(cluster: ClusterNumber): { readonly x: number; readonly y: number } | undefined {
    const at = this.#at.get(cluster)
    return at === undefined ? undefined : { x: this.places[2 * at], y: this.places[2 * at + 1] }
  }

  /** 0 where the cluster is not placed. */
  radiusOf(cluster: ClusterNumber): number {
    const at = this.#at.get(cluster)
    return at === undefined ? 0 : this.radii[at]
  }

  /** The extent of all discs. */
  extentFor(): Extent {
    const edges = [...this.radii].flatMap((radius, at) => {
      const [x, y] = [this.places[2 * at], this.places[2 * at + 1]]
      return [x - radius, y - radius, x + radius, y + radius]
    })
    return extentOf(Float32Array.from(edges))
  }

  inside(path: Path): ClusterNumber[] {
    return path.length < 6
      ? []
      : [...this.clusters].filter((_, index) => isInside(path, this.places[2 * index], this.places[2 * index + 1]))
  }
}

/** Points of several groups in one list. */
export const joinedPoints = (parts: readonly Uint32Array[]): Uint32Array => {
  const [first] = parts
  if (parts.length === 1) return first
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
