import { leftoverCluster } from '../../preload/contract'
import type {
  ClusterDetails,
  SelectionDetails,
  ClusterEntry,
  ClusterLayout,
  ClusterNumber,
  GalleryPage,
  GroupKind,
  HeatMap,
  PatternName,
  RuleRecord,
  TokenCount,
  TokenDetails,
  TokenInContext,
  TokenLayout
} from '../../preload/contract'
import type { CallParameters } from '../../preload/contract'
import { patternNames } from '../../preload/contract'
import { nameOfRule } from '../../preload/token-names'
import { hash, normal, pick, sumsOf } from './random'
import { ruleOf, SyntheticGroups } from './synthetic-groups'
import { subsets, texts } from './synthetic-texts'

const rowLength = 128
const bodyShare = 0.35

/**
 * Tokens of rows of 128, in clusters of power-law sizes around favourite tokens and subsets, with a main body; always
 * the same for the same sizes. The clusters lie in a tree of groups, and have a stability; `flat` asks for them as
 * ACL finds them, without either.
 */
export class SyntheticClustering {
  readonly tokens: number
  readonly components: readonly string[]
  readonly clusters: number
  readonly groups: SyntheticGroups
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

  constructor({
    tokens,
    clusters,
    components
  }: {
    readonly tokens: number
    readonly clusters: number
    readonly components: number
  }) {
    this.tokens = tokens
    this.clusters = clusters
    this.groups = new SyntheticGroups(clusters)
    this.components = componentNames(components)
    const rows = Math.ceil(tokens / (rowLength - 1))
    const idSums = sumsOf(texts.map((_, rank) => 1 / (rank + 4)))
    const clusterSums = sumsOf(Array.from({ length: clusters }, (_, cluster) => 0.15 + (1 - hash(7, cluster)) ** -0.8))
    const favourites = Array.from({ length: clusters }, (_, cluster) => {
      const count = 1 + Math.floor(9 * hash(8, cluster) ** 2)
      return Array.from({ length: count }, (__, place) =>
        hash(9, cluster) < 0.5
          ? pick(idSums, hash(10, cluster, place))
          : Math.floor(texts.length * hash(11, cluster, place))
      )
    })
    this.membership = new Int32Array(tokens)
    this.#ids = new Uint16Array(rows * rowLength)
    this.#rowSubset = Uint8Array.from({ length: rows }, (_, row) => Math.floor(subsets.length * hash(12, row) ** 1.4))
    for (let row = 0; row < rows; row++) this.#ids[row * rowLength] = pick(idSums, hash(13, row))
    for (let token = 0; token < tokens; token++) {
      let cluster: number =
        hash(14, token) < bodyShare ? leftoverCluster : token < clusters ? token : pick(clusterSums, hash(15, token))
      if (token < 3 * clusters) cluster = token % clusters
      const at = this.#place(token)
      const likes = this.#rowSubset[Math.floor(at / rowLength)]
      if (
        cluster >= 0 &&
        token >= 3 * clusters &&
        Math.floor(subsets.length * hash(16, cluster)) !== likes &&
        hash(17, token) < 0.55
      )
        cluster = pick(clusterSums, hash(18, token))
      this.membership[token] = cluster
      const own = cluster < 0 ? undefined : favourites[cluster]
      this.#ids[at] =
        own !== undefined && hash(19, token) < 0.85
          ? own[Math.floor(own.length * hash(20, token) ** 1.8)]
          : pick(idSums, hash(21, token))
      this.#idCounts[this.#ids[at]]++
      this.#subsetCounts[likes]++
    }
    const members = Array.from({ length: clusters + 1 }, (): number[] => [])
    this.membership.forEach((cluster, token) => members[cluster < 0 ? clusters : cluster].push(token))
    this.#members = members.map((list) => Int32Array.from(list))
    this.#shows = texts.map((text) => patternNames.map((pattern) => shows(pattern, text)))
    this.#patternCounts = patternNames.map((_, pattern) =>
      this.#idCounts.reduce((sum, count, id) => sum + (this.#shows[id][pattern] ? count : 0), 0)
    )
    this.#columns = this.components.map((_, component) => ({
      mean: -0.01 + 0.02 * hash(22, component),
      deviation: 0.02 + 0.1 * hash(23, component) ** 3
    }))
    this.#places = Float32Array.from([
      ...[...Array(clusters).keys()].flatMap((cluster) => this.groups.placeOf(cluster)),
      0,
      0
    ])
  }

  #place(token: number): number {
    return Math.floor(token / (rowLength - 1)) * rowLength + 1 + (token % (rowLength - 1))
  }

  /** Tokens of a cluster, of a group above it, or those left over; ascending. */
  members(group: ClusterNumber): Int32Array {
    if (!this.groups.isAbove(group)) return this.#members[group < 0 ? this.clusters : group] ?? new Int32Array(0)
    const known =
      this.#gathered.get(group) ??
      Int32Array.from(this.groups.clustersIn(group).flatMap((cluster) => [...this.#members[cluster]])).sort()
    this.#gathered.set(group, known)
    return known
  }
  readonly #gathered = new Map<ClusterNumber, Int32Array>()
  readonly #rules = new Map<ClusterNumber, RuleRecord[]>()

  /** Group of every token at a level; -1 for those in none. */
  membershipAt(kind: GroupKind): Int32Array {
    return kind === 'cluster'
      ? this.membership
      : this.membership.map((cluster) => (cluster < 0 ? leftoverCluster : this.groups.at(cluster, kind)))
  }

  strengths(): Float32Array {
    return Float32Array.from(this.membership, (cluster, token) =>
      cluster < 0 ? NaN : this.groups.strength(token, cluster)
    )
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
    return (
      this.#clusterMean(this.membership[token], component) +
      this.#columns[component].deviation * 0.6 * normal(28, token, component)
    )
  }

  column(name: string): Float32Array {
    const component = this.components.indexOf(name)
    return Float32Array.from({ length: this.tokens }, (_, token) => this.value(token, component))
  }

  #counts<T>(
    cluster: ClusterNumber,
    keys: number,
    keyOf: (token: number) => number,
    overall: Int32Array,
    make: (key: number, count: number, lift: number) => T
  ): T[] {
    const counts = new Int32Array(keys)
    const members = this.members(cluster)
    for (const token of members) counts[keyOf(token)]++
    return [...counts.keys()]
      .filter((key) => counts[key] > 0)
      .sort((a, b) => counts[b] - counts[a] || a - b)
      .map((key) => make(key, counts[key], counts[key] / members.length / (overall[key] / this.tokens)))
  }

  topTokens(cluster: ClusterNumber): TokenCount[] {
    return this.#counts(
      cluster,
      texts.length,
      (token) => this.#ids[this.#place(token)],
      this.#idCounts,
      (id, count, lift) => ({ id, text: texts[id], count, lift })
    )
  }

  entry(cluster: ClusterNumber, flat = false): ClusterEntry {
    const members = this.members(cluster)
    const tokens = this.topTokens(cluster)
    const [subset] = this.#subsets(cluster)
    const standsOut = this.#standardised(cluster)
      .map((standardisedMean, component) => ({ component: this.components[component], standardisedMean }))
      .sort((a, b) => Math.abs(b.standardisedMean) - Math.abs(a.standardisedMean))
      .slice(0, 3)
    return {
      cluster,
      kind: cluster < 0 ? 'main body' : this.groups.kindOf(cluster),
      parent: flat || cluster < 0 ? null : this.groups.parentOf(cluster),
      size: members.length,
      conductance: cluster < 0 ? null : 0.02 + 0.75 * hash(29, cluster),
      stability: flat || cluster < 0 ? null : this.groups.stability(cluster),
      ruleF1: flat ? null : (this.rules(cluster).at(0)?.f1 ?? null),
      ruleName: flat ? null : (nameOfRule(this.rules(cluster).at(0)) ?? null),
      distinctTokens: tokens.length,
      purity: (subset?.count ?? 0) / Math.max(1, members.length),
      subset: subset?.subset ?? '',
      topTokens: tokens.slice(0, 8),
      standsOut
    }
  }

  entries(flat = false): ClusterEntry[] {
    const above = flat ? 0 : this.groups.above.length
    return [...Array(this.clusters + above).keys(), leftoverCluster].map((cluster) => this.entry(cluster, flat))
  }

  /** The best rules of one condition of some kinds, and one of two. */
  rules(group: ClusterNumber): RuleRecord[] {
    const known = this.#rules.get(group) ?? this.#findRules(group)
    this.#rules.set(group, known)
    return known
  }

  #findRules(group: ClusterNumber): RuleRecord[] {
    if (group < 0) return []
    const size = this.members(group).length
    const [top] = this.topTokens(group)
    const [place] = this.#subsets(group)
    if (top === undefined || place === undefined) return []
    const token = { on: 'token', id: top.id, text: top.text } as const
    const subset = { on: 'subset', subset: place.subset } as const
    const next = Math.floor(texts.length * hash(93, group))
    const both = Math.max(1, Math.round(top.count * (0.7 + 0.3 * hash(94, group))))
    const found = [
      ruleOf([token], top.count, this.#idCounts[top.id], size),
      ruleOf([subset], place.count, this.#subsetCounts[subsets.indexOf(place.subset)], size),
      ruleOf([token, subset], both, Math.round(both * (1 + hash(95, group))), size),
      ruleOf(
        [{ on: 'next', id: next, text: texts[next] }],
        Math.round(size * 0.3 * hash(96, group)),
        Math.round(size * 0.6),
        size
      ),
      ruleOf(
        [{ on: 'pattern', pattern: patternNames[Math.floor(6 * hash(97, group))] }],
        Math.round(size * hash(98, group)),
        Math.round(size * 5),
        size
      ),
      ruleOf([{ on: 'position', from: 1, to: 8 }], Math.round(size * 0.12), Math.round(this.tokens * 0.06), size)
    ]
    return found.sort((a, b) => b.f1 - a.f1)
  }

  /** Whether the best rule of a group selects a token of it. */
  caught(token: number, group: ClusterNumber): boolean {
    const [best] = this.rules(group)
    if (best === undefined) return false
    const [first] = best.conditions
    return first.on === 'token' ? this.#ids[this.#place(token)] === first.id : hash(99, token, group) < best.recall
  }

  #subsets(cluster: ClusterNumber): { subset: string; count: number; lift: number }[] {
    return this.#counts(
      cluster,
      subsets.length,
      (token) => this.#rowSubset[Math.floor(token / (rowLength - 1))],
      this.#subsetCounts,
      (index, count, lift) => ({ subset: subsets[index], count, lift })
    )
  }

  #standardised(cluster: ClusterNumber): number[] {
    return this.components.map(
      (_, component) =>
        (this.#clusterMean(cluster, component) - this.#columns[component].mean) / this.#columns[component].deviation
    )
  }

  /** Groups of the same level that edges lead to. */
  nearest(cluster: ClusterNumber): { cluster: ClusterNumber; weight: number; share: number }[] {
    const level = this.groups.isAbove(cluster)
      ? this.groups.above.flatMap(({ kind }, at) => (kind === this.groups.kindOf(cluster) ? [this.clusters + at] : []))
      : null
    const drawn = (place: number): number =>
      level === null
        ? Math.floor(this.clusters * hash(30, cluster + 1, place))
        : level[Math.floor(level.length * hash(30, cluster + 1, place))]
    const others = [...new Set([leftoverCluster, ...Array.from({ length: 11 }, (_, place) => drawn(place))])].filter(
      (other) => other !== cluster
    )
    const weights = others.map((_, place) => (1 + hash(31, cluster + 1, place)) / (place + 1) ** 1.5)
    const sum = weights.reduce((a, b) => a + b, 0) * 1.15
    return others
      .map((other, place) => ({ cluster: other, weight: 40 * weights[place], share: weights[place] / sum }))
      .sort((a, b) => b.share - a.share)
  }

  details(cluster: ClusterNumber, flat = false): ClusterDetails {
    const members = this.members(cluster)
    const measured = !flat && cluster >= 0
    const counts = patternNames.map((_, pattern) =>
      members.reduce((sum, token) => sum + (this.#shows[this.#ids[this.#place(token)]][pattern] ? 1 : 0), 0)
    )
    return {
      entry: this.entry(cluster, flat),
      conductanceWhenCut: flat && cluster >= 0 ? 0.02 + 0.6 * hash(32, cluster) : null,
      seed: flat && cluster >= 0 ? members[0] : null,
      topTokens: this.topTokens(cluster).slice(0, 60),
      rules: flat ? [] : this.rules(cluster),
      uncaught: measured ? members.filter((token) => !this.caught(token, cluster)).length : 0,
      core: measured ? members.filter((token) => this.groups.strength(token, cluster) >= 0.5).length : null,
      subsets: this.#subsets(cluster),
      components: this.components,
      mean: Float32Array.from(this.components, (_, component) => this.#clusterMean(cluster, component)),
      standardDeviation: Float32Array.from(
        this.components,
        (_, component) => this.#columns[component].deviation * (0.3 + 0.5 * hash(33, cluster + 1, component))
      ),
      standardisedMean: Float32Array.from(this.#standardised(cluster)),
      nearest: this.nearest(cluster),
      patterns: patternNames.map((pattern, index) => ({
        pattern,
        count: counts[index],
        lift:
          this.#patternCounts[index] === 0
            ? 0
            : counts[index] / members.length / (this.#patternCounts[index] / this.tokens)
      }))
    }
  }

  /** Details of the first token's cluster stand for those of the selection; what it is made of is counted. */
  selection(tokens: Int32Array): SelectionDetails {
    const counts = new Map<number, number>()
    for (const token of tokens) counts.set(this.membership[token], (counts.get(this.membership[token]) ?? 0) + 1)
    const parts = [...counts].map(([cluster, count]) => ({
      cluster,
      count,
      share: count / tokens.length,
      ofCluster: count / this.members(cluster).length
    }))
    const { uncaught: _uncaught, ...details } = this.details(this.membership[tokens[0]])
    return {
      ...details,
      entry: { size: tokens.length, distinctTokens: details.entry.distinctTokens },
      parts: parts.sort((a, b) => b.count - a.count)
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
    const around = (from: number, to: number): string[] =>
      Array.from(
        this.#ids.subarray(row * rowLength + Math.max(0, from), row * rowLength + Math.min(rowLength, to)),
        (id) => texts[id]
      )
    const subset = subsets[this.#rowSubset[row]]
    return {
      token,
      row,
      position,
      id: this.#ids[at],
      text: texts[this.#ids[at]],
      before: around(position - before, position),
      after: around(position + 1, position + 1 + after),
      subset,
      file: `pile/${subset.toLowerCase().replace(/\W+/g, '-')}.jsonl`,
      record: Math.floor(row / 2)
    }
  }

  gallery(query: CallParameters<'clusters.tokens'>, flat = false): GalleryPage {
    const { cluster, stratum, seed, toward, tokenId, subset, offset, limit, before, after } = query
    const strength = (token: number): number => this.groups.strength(token, cluster)
    const order: Record<typeof stratum, (token: number) => number> = {
      central: (token) => hash(36, token),
      random: (token) => hash(37, seed, token),
      boundary: (token) => -this.boundary(token),
      toward: (token) => -this.boundary(token),
      core: (token) => -strength(token),
      edge: strength,
      exceptions: (token) => hash(36, token),
      order: (token) => token
    }
    const fitting = [...this.members(cluster)].filter(
      (token) =>
        (tokenId === undefined || this.#ids[this.#place(token)] === tokenId) &&
        (subset === undefined || subsets[this.#rowSubset[Math.floor(token / (rowLength - 1))]] === subset) &&
        (stratum !== 'toward' || toward === undefined || this.toward(token) === toward) &&
        (stratum !== 'exceptions' || !this.caught(token, cluster))
    )
    const keys = new Map(fitting.map((token) => [token, order[stratum](token)]))
    const sorted = fitting.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0) || a - b)
    const shown = (token: number): GalleryPage['tokens'][number] => ({
      ...this.context(token, before, after),
      boundary: this.boundary(token),
      strength: flat || cluster < 0 ? null : strength(token)
    })
    return { total: sorted.length, tokens: sorted.slice(offset, offset + limit).map(shown) }
  }

  tokenDetails(token: number, before: number, after: number): TokenDetails {
    return {
      ...this.context(token, before, after),
      cluster: this.membership[token],
      susceptibilities: Float32Array.from(this.components, (_, component) => this.value(token, component)),
      standardErrors: Float32Array.from(
        this.components,
        (_, component) => this.#columns[component].deviation * (0.1 + 0.4 * hash(38, token, component))
      )
    }
  }

  /** Clusters with a token whose text fits. */
  clustersWith(fits: (text: string) => boolean): Int32Array {
    const ids = new Set(texts.flatMap((text, id) => (fits(text) ? [id] : [])))
    return Int32Array.from(
      [...Array(this.clusters).keys(), leftoverCluster].filter((cluster) =>
        this.members(cluster).some((token) => ids.has(this.#ids[this.#place(token)]))
      )
    )
  }

  tokensWith(text: string, limit: number): Int32Array {
    const ids = new Set(texts.flatMap((other, id) => (other.includes(text) ? [id] : [])))
    const found: number[] = []
    for (let token = 0; token < this.tokens && found.length < limit; token++)
      if (ids.has(this.#ids[this.#place(token)])) found.push(token)
    return Int32Array.from(found)
  }

  edges(tokens: Int32Array, most: number): { from: Int32Array; to: Int32Array; weights: Float32Array; cut: boolean } {
    const pairs: [number, number, number][] = []
    for (const token of tokens) {
      if (pairs.length >= most) break
      const own = this.members(this.membership[token])
      for (let place = 0; place < 6; place++)
        pairs.push([token, own[Math.floor(own.length * hash(39, token, place))], 0.4 + 0.6 * hash(40, token, place)])
      const other = this.members(this.toward(token))
      if (other.length > 0)
        pairs.push([token, other[Math.floor(other.length * hash(41, token))], 0.3 * hash(42, token)])
    }
    const kept = pairs.filter(([from, to]) => from !== to).slice(0, most)
    return {
      from: Int32Array.from(kept, ([from]) => from),
      to: Int32Array.from(kept, ([, to]) => to),
      weights: Float32Array.from(kept, ([, , weight]) => weight),
      cut: pairs.length > most
    }
  }

  tokenLayout(): TokenLayout {
    const positions = new Float32Array(2 * this.tokens)
    for (let token = 0; token < this.tokens; token++) {
      const cluster = this.membership[token]
      const spread = cluster < 0 ? 45 : 0.4 + 0.06 * Math.sqrt(this.members(cluster).length)
      const group = cluster < 0 ? this.clusters : cluster
      for (const axis of [0, 1])
        positions[2 * token + axis] = this.#places[2 * group + axis] + spread * normal(43 + axis, token)
    }
    return { state: 'ready', method: 'neighbour graph, 200 epochs', tokens: null, positions }
  }

  /** Groups in the order of the entries; those above lie at the mean of their clusters. */
  clusterLayout(flat = false): ClusterLayout {
    const weights = new Map<string, [number, number, number]>()
    const above = flat ? [] : this.groups.above
    const meanOf = ({ clusters }: { readonly clusters: readonly number[] }): number[] =>
      [0, 1].map(
        (axis) => clusters.reduce((sum, cluster) => sum + this.#places[2 * cluster + axis], 0) / clusters.length
      )
    const numbered = [...Array(this.clusters + above.length).keys()]
    for (const cluster of numbered) {
      for (const near of this.nearest(cluster)) {
        const [low, high] = [Math.min(cluster, near.cluster), Math.max(cluster, near.cluster)]
        if (near.share > 0.06) weights.set(`${low} ${high}`, [low, high, near.weight])
      }
    }
    const edges = [...weights.values()]
    return {
      clusters: Int32Array.from([...numbered, leftoverCluster]),
      positions: Float32Array.from([
        ...this.#places.subarray(0, 2 * this.clusters),
        ...above.flatMap(meanOf),
        ...this.#places.subarray(2 * this.clusters)
      ]),
      from: Int32Array.from(edges, ([from]) => from),
      to: Int32Array.from(edges, ([, to]) => to),
      weights: Float64Array.from(edges, ([, , weight]) => weight)
    }
  }

  heatMap(most: number): HeatMap {
    const all = [...Array(this.clusters).keys()]
      .sort((a, b) => this.members(b).length - this.members(a).length)
      .slice(0, most)
    return {
      clusters: Int32Array.from(all),
      sizes: Int32Array.from(all, (cluster) => this.members(cluster).length),
      components: this.components,
      values: Float32Array.from(all.flatMap((cluster) => this.#standardised(cluster)))
    }
  }
}

/** "embed", four heads of every layer, the MLPs, "unembed": in the order of the susceptibility vector. */
const componentNames = (count: number): string[] => {
  const layers = Array.from({ length: Math.max(1, Math.ceil((count - 2) / 5)) }, (_, layer) => layer)
  const between = [
    ...layers.flatMap((layer) => [0, 1, 2, 3].map((head) => `head:${layer}.${head}`)),
    ...layers.map((layer) => `mlp:${layer}`)
  ]
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
