import { leftoverCluster } from '../../preload/contract'
import type {
  ClusterDetails, ClusterEntry, ClusterLayout, ClusterNumber, GalleryPage, HeatMap, PatternName, TokenCount, TokenDetails, TokenInContext, TokenLayout
} from '../../preload/contract'
import type { CallParameters } from '../../preload/contract'
import { patternNames } from '../../preload/contract'
import { hash, normal, pick, sumsOf } from './random'
import { subsets, texts } from './synthetic-texts'

const rowLength = 128
const bodyShare = 0.35

/** Tokens of rows of 128, in clusters of power-law sizes around favourite tokens and subsets, with a main body; the same for the same sizes. */
export class SyntheticClustering {
  readonly tokens: number
  readonly components: readonly string[]
  readonly clusters: number
  /** Cluster of every token. */
  readonly membership: Int32Array
  readonly #ids: Uint16Array
  readonly #rowSubset: Uint8Array
  readonly #members: readonly Int32Array[]
  readonly #idCounts = new Int32Array(texts.length)
  readonly #subsetCounts = new Int32Array(subsets.length)
  readonly #shows: readonly (readonly boolean[])[]
  readonly #patternCounts: number[]
  readonly #columns: readonly { readonly mean: number; readonly deviation: number }[]
  readonly #places: Float32Array

  constructor({ tokens, clusters, components }: { readonly tokens: number; readonly clusters: number; readonly components: number }) {
    this.tokens = tokens
    this.clusters = clusters
    this.components = componentNames(components)
    const rows = Math.ceil(tokens / (rowLength - 1))
    const idSums = sumsOf(texts.map((_, rank) => 1 / (rank + 4)))
    const clusterSums = sumsOf(Array.from({ length: clusters }, (_, cluster) => 0.15 + (1 - hash(7, cluster)) ** -0.8))
    const favourites = Array.from({ length: clusters }, (_, cluster) => {
      const count = 1 + Math.floor(9 * hash(8, cluster) ** 2)
      return Array.from({ length: count }, (__, place) => (hash(9, cluster) < 0.5 ? pick(idSums, hash(10, cluster, place)) : Math.floor(texts.length * hash(11, cluster, place))))
    })
    this.membership = new Int32Array(tokens)
    this.#ids = new Uint16Array(rows * rowLength)
    this.#rowSubset = Uint8Array.from({ length: rows }, (_, row) => Math.floor(subsets.length * hash(12, row) ** 1.4))
    for (let row = 0; row < rows; row++) this.#ids[row * rowLength] = pick(idSums, hash(13, row))
    for (let token = 0; token < tokens; token++) {
      let cluster: number = hash(14, token) < bodyShare ? leftoverCluster : token < clusters ? token : pick(clusterSums, hash(15, token))
      if (token < 3 * clusters) cluster = token % clusters
      const at = this.#place(token)
      const likes = this.#rowSubset[Math.floor(at / rowLength)]
      if (cluster >= 0 && token >= 3 * clusters && Math.floor(subsets.length * hash(16, cluster)) !== likes && hash(17, token) < 0.55) cluster = pick(clusterSums, hash(18, token))
      this.membership[token] = cluster
      const own = cluster < 0 ? undefined : favourites[cluster]
      this.#ids[at] = own !== undefined && hash(19, token) < 0.85 ? own[Math.floor(own.length * hash(20, token) ** 1.8)] : pick(idSums, hash(21, token))
      this.#idCounts[this.#ids[at]]++
      this.#subsetCounts[likes]++
    }
    const members = Array.from({ length: clusters + 1 }, (): number[] => [])
    this.membership.forEach((cluster, token) => members[cluster < 0 ? clusters : cluster].push(token))
    this.#members = members.map((list) => Int32Array.from(list))
    this.#shows = texts.map((text) => patternNames.map((pattern) => shows(pattern, text)))
    this.#patternCounts = patternNames.map((_, pattern) => this.#idCounts.reduce((sum, count, id) => sum + (this.#shows[id][pattern] ? count : 0), 0))
    this.#columns = this.components.map((_, component) => ({ mean: -0.01 + 0.02 * hash(22, component), deviation: 0.02 + 0.1 * hash(23, component) ** 3 }))
    this.#places = Float32Array.from({ length: 2 * (clusters + 1) }, (_, index) => (index >> 1 === clusters ? 0 : normal(24, index) * 40 * (1 + 0.3 * hash(25, index >> 1))))
  }

  #place(token: number): number {
    return Math.floor(token / (rowLength - 1)) * rowLength + 1 + (token % (rowLength - 1))
  }

  #group(cluster: ClusterNumber): number {
    return cluster < 0 ? this.clusters : cluster
  }

  members(cluster: ClusterNumber): Int32Array {
    return this.#members[this.#group(cluster)] ?? new Int32Array(0)
  }

  subsetIndices(): Int32Array {
    return Int32Array.from({ length: this.tokens }, (_, token) => this.#rowSubset[Math.floor(token / (rowLength - 1))])
  }

  #clusterMean(cluster: ClusterNumber, component: number): number {
    const { mean, deviation } = this.#columns[component]
    const strength = cluster < 0 ? 0.1 : hash(26, cluster, component) < 0.12 ? 2.6 : 0.35
    return mean + deviation * strength * normal(27, cluster + 1, component)
  }

  value(token: number, component: number): number {
    return this.#clusterMean(this.membership[token], component) + this.#columns[component].deviation * 0.6 * normal(28, token, component)
  }

  column(name: string): Float32Array {
    const component = this.components.indexOf(name)
    return Float32Array.from({ length: this.tokens }, (_, token) => this.value(token, component))
  }

  #counts<T>(cluster: ClusterNumber, keys: number, keyOf: (token: number) => number, overall: Int32Array, make: (key: number, count: number, lift: number) => T): T[] {
    const counts = new Int32Array(keys)
    const members = this.members(cluster)
    for (const token of members) counts[keyOf(token)]++
    return [...counts.keys()]
      .filter((key) => counts[key] > 0)
      .sort((a, b) => counts[b] - counts[a] || a - b)
      .map((key) => make(key, counts[key], counts[key] / members.length / (overall[key] / this.tokens)))
  }

  topTokens(cluster: ClusterNumber): TokenCount[] {
    return this.#counts(cluster, texts.length, (token) => this.#ids[this.#place(token)], this.#idCounts, (id, count, lift) => ({ id, text: texts[id], count, lift }))
  }

  entry(cluster: ClusterNumber): ClusterEntry {
    const members = this.members(cluster)
    const tokens = this.topTokens(cluster)
    const [subset] = this.#subsets(cluster)
    const standsOut = this.#standardised(cluster)
      .map((standardisedMean, component) => ({ component: this.components[component], standardisedMean }))
      .sort((a, b) => Math.abs(b.standardisedMean) - Math.abs(a.standardisedMean))
      .slice(0, 3)
    return {
      cluster, kind: cluster < 0 ? 'main body' : 'cluster', size: members.length, conductance: cluster < 0 ? null : 0.02 + 0.75 * hash(29, cluster),
      distinctTokens: tokens.length, purity: (subset?.count ?? 0) / Math.max(1, members.length), subset: subset?.subset ?? '', topTokens: tokens.slice(0, 8), standsOut
    }
  }

  entries(): ClusterEntry[] {
    return [...Array(this.clusters).keys(), leftoverCluster].map((cluster) => this.entry(cluster))
  }

  #subsets(cluster: ClusterNumber): { subset: string; count: number; lift: number }[] {
    return this.#counts(cluster, subsets.length, (token) => this.#rowSubset[Math.floor(token / (rowLength - 1))], this.#subsetCounts, (index, count, lift) => ({ subset: subsets[index], count, lift }))
  }

  #standardised(cluster: ClusterNumber): number[] {
    return this.components.map((_, component) => (this.#clusterMean(cluster, component) - this.#columns[component].mean) / this.#columns[component].deviation)
  }

  nearest(cluster: ClusterNumber): { cluster: ClusterNumber; weight: number; share: number }[] {
    const others = [...new Set([leftoverCluster, ...Array.from({ length: 11 }, (_, place) => Math.floor(this.clusters * hash(30, cluster + 1, place)))])].filter((other) => other !== cluster)
    const weights = others.map((_, place) => (1 + hash(31, cluster + 1, place)) / (place + 1) ** 1.5)
    const sum = weights.reduce((a, b) => a + b, 0) * 1.15
    return others.map((other, place) => ({ cluster: other, weight: 40 * weights[place], share: weights[place] / sum })).sort((a, b) => b.share - a.share)
  }

  details(cluster: ClusterNumber): ClusterDetails {
    const members = this.members(cluster)
    const counts = patternNames.map((_, pattern) => members.reduce((sum, token) => sum + (this.#shows[this.#ids[this.#place(token)]][pattern] ? 1 : 0), 0))
    return {
      entry: this.entry(cluster), conductanceWhenCut: cluster < 0 ? null : 0.02 + 0.6 * hash(32, cluster), seed: cluster < 0 ? null : members[0], topTokens: this.topTokens(cluster).slice(0, 60),
      subsets: this.#subsets(cluster), components: this.components, mean: Float32Array.from(this.components, (_, component) => this.#clusterMean(cluster, component)),
      standardDeviation: Float32Array.from(this.components, (_, component) => this.#columns[component].deviation * (0.3 + 0.5 * hash(33, cluster + 1, component))),
      standardisedMean: Float32Array.from(this.#standardised(cluster)), nearest: this.nearest(cluster),
      patterns: patternNames.map((pattern, index) => ({ pattern, count: counts[index], lift: this.#patternCounts[index] === 0 ? 0 : counts[index] / members.length / (this.#patternCounts[index] / this.tokens) }))
    }
  }

  boundary(token: number): number {
    return hash(34, token) ** 2
  }

  toward(token: number): ClusterNumber {
    const near = this.nearest(this.membership[token])
    return near[Math.floor(near.length * hash(35, token) ** 2)].cluster
  }

  context(token: number, before: number, after: number): TokenInContext {
    const row = Math.floor(token / (rowLength - 1))
    const at = this.#place(token)
    const position = at - row * rowLength
    const around = (from: number, to: number): string[] => Array.from(this.#ids.subarray(row * rowLength + Math.max(0, from), row * rowLength + Math.min(rowLength, to)), (id) => texts[id])
    const subset = subsets[this.#rowSubset[row]]
    return {
      token, row, position, id: this.#ids[at], text: texts[this.#ids[at]], before: around(position - before, position), after: around(position + 1, position + 1 + after),
      subset, file: `pile/${subset.toLowerCase().replace(/\W+/g, '-')}.jsonl`, record: Math.floor(row / 2)
    }
  }

  gallery({ cluster, stratum, seed, toward, tokenId, subset, offset, limit, before, after }: CallParameters<'clusters.tokens'>): GalleryPage {
    const order: Record<typeof stratum, (token: number) => number> = {
      central: (token) => hash(36, token), random: (token) => hash(37, seed, token), boundary: (token) => -this.boundary(token), toward: (token) => -this.boundary(token), order: (token) => token
    }
    const fitting = [...this.members(cluster)].filter(
      (token) =>
        (tokenId === undefined || this.#ids[this.#place(token)] === tokenId) &&
        (subset === undefined || subsets[this.#rowSubset[Math.floor(token / (rowLength - 1))]] === subset) &&
        (stratum !== 'toward' || toward === undefined || this.toward(token) === toward)
    )
    const keys = new Map(fitting.map((token) => [token, order[stratum](token)]))
    const sorted = fitting.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0) || a - b)
    return { total: sorted.length, tokens: sorted.slice(offset, offset + limit).map((token) => ({ ...this.context(token, before, after), boundary: this.boundary(token) })) }
  }

  tokenDetails(token: number, before: number, after: number): TokenDetails {
    return {
      ...this.context(token, before, after), cluster: this.membership[token], susceptibilities: Float32Array.from(this.components, (_, component) => this.value(token, component)),
      standardErrors: Float32Array.from(this.components, (_, component) => this.#columns[component].deviation * (0.1 + 0.4 * hash(38, token, component)))
    }
  }

  /** Clusters with a token whose text fits. */
  clustersWith(fits: (text: string) => boolean): Int32Array {
    const ids = new Set(texts.flatMap((text, id) => (fits(text) ? [id] : [])))
    return Int32Array.from([...Array(this.clusters).keys(), leftoverCluster].filter((cluster) => this.members(cluster).some((token) => ids.has(this.#ids[this.#place(token)]))))
  }

  tokensWith(text: string, limit: number): Int32Array {
    const ids = new Set(texts.flatMap((other, id) => (other.includes(text) ? [id] : [])))
    const found: number[] = []
    for (let token = 0; token < this.tokens && found.length < limit; token++) if (ids.has(this.#ids[this.#place(token)])) found.push(token)
    return Int32Array.from(found)
  }

  edges(tokens: Int32Array, most: number): { from: Int32Array; to: Int32Array; weights: Float32Array; cut: boolean } {
    const pairs: [number, number, number][] = []
    for (const token of tokens) {
      if (pairs.length >= most) break
      const own = this.members(this.membership[token])
      for (let place = 0; place < 6; place++) pairs.push([token, own[Math.floor(own.length * hash(39, token, place))], 0.4 + 0.6 * hash(40, token, place)])
      const other = this.members(this.toward(token))
      if (other.length > 0) pairs.push([token, other[Math.floor(other.length * hash(41, token))], 0.3 * hash(42, token)])
    }
    const kept = pairs.filter(([from, to]) => from !== to).slice(0, most)
    return { from: Int32Array.from(kept, ([from]) => from), to: Int32Array.from(kept, ([, to]) => to), weights: Float32Array.from(kept, ([, , weight]) => weight), cut: pairs.length > most }
  }

  tokenLayout(): TokenLayout {
    const positions = new Float32Array(2 * this.tokens)
    for (let token = 0; token < this.tokens; token++) {
      const cluster = this.membership[token]
      const spread = cluster < 0 ? 45 : 0.4 + 0.06 * Math.sqrt(this.members(cluster).length)
      for (const axis of [0, 1]) positions[2 * token + axis] = this.#places[2 * this.#group(cluster) + axis] + spread * normal(43 + axis, token)
    }
    return { state: 'ready', method: 'neighbour graph, 200 epochs', tokens: null, positions }
  }

  clusterLayout(): ClusterLayout {
    const weights = new Map<string, [number, number, number]>()
    for (const cluster of [...Array(this.clusters).keys()]) {
      for (const near of this.nearest(cluster)) {
        const [low, high] = [Math.min(cluster, near.cluster), Math.max(cluster, near.cluster)]
        if (near.share > 0.06) weights.set(`${low} ${high}`, [low, high, near.weight])
      }
    }
    const edges = [...weights.values()]
    return {
      clusters: Int32Array.from([...Array(this.clusters).keys(), leftoverCluster]), positions: this.#places,
      from: Int32Array.from(edges, ([from]) => from), to: Int32Array.from(edges, ([, to]) => to), weights: Float64Array.from(edges, ([, , weight]) => weight)
    }
  }

  heatMap(most: number): HeatMap {
    const all = [...Array(this.clusters).keys()].sort((a, b) => this.members(b).length - this.members(a).length).slice(0, most)
    return {
      clusters: Int32Array.from(all), sizes: Int32Array.from(all, (cluster) => this.members(cluster).length), components: this.components,
      values: Float32Array.from(all.flatMap((cluster) => this.#standardised(cluster)))
    }
  }
}

/** "embed", four heads of every layer, the MLPs, "unembed": in the order of the susceptibility vector. */
const componentNames = (count: number): string[] => {
  const layers = Array.from({ length: Math.max(1, Math.ceil((count - 2) / 5)) }, (_, layer) => layer)
  const between = [...layers.flatMap((layer) => [0, 1, 2, 3].map((head) => `head:${layer}.${head}`)), ...layers.map((layer) => `mlp:${layer}`)]
  return ['embed', ...between.slice(0, Math.max(0, count - 2)), 'unembed']
}

const shows = (pattern: PatternName, text: string): boolean => {
  if (pattern === 'bracket-match') return /^\s*[)\]}"]/.test(text)
  if (pattern === 'word-start') return /^ \p{L}/u.test(text)
  if (pattern === 'word-part') return /^\p{L}/u.test(text)
  if (pattern === 'line-end') return text.includes('\n')
  if (pattern === 'digit') return /^\s*\d+$/.test(text)
  if (pattern === 'punctuation') return /^\s*[^\p{L}\d\s]+$/u.test(text)
  if (pattern === 'uppercase') return /\p{Lu}/u.test(text)
  if (pattern === 'whitespace') return /^\s+$/.test(text)
  return text.length % 7 === patternNames.indexOf(pattern) % 7
}
