import { totalmem } from 'node:os'
import { openTeam, take } from '../base/team'
import type { Graph } from './graph'
import { leidenBytes, modularity, openLeiden, type OpenLeiden } from './leiden'
import type { ClusteringPool } from './watched'
import type { PartitionsTask, PartitionMade, PartitionOrder } from './tasks'

/** Each level of a tree is coarser than the one below it by this factor. */
export const levelFactor = 4
/** Ratio between successive resolutions that are tried if none is given. */
const ladderFactor = 2
const coarsestResolution = 1 / 4
/**
 * Approximate number of communities at resolution 1. Their number grows in proportion to the resolution, whatever the
 * number of tokens.
 */
const communitiesAtOne = 20
/** Upper limit of votes, so that (variant, layer, vote) can be packed into one run number. */
const votesAtMost = 1000
const layersAtMost = 1000
/** Memory limit for the worker threads' copies of the graph. */
const mostBytes = 4 * 2 ** 30

/**
 * Copy of the graph with each weight multiplied by the share of partitions in which both ends share a community.
 * Pairs that never do are left out.
 */
const consensusGraph = (graph: Graph, votes: readonly Int32Array[]): Graph => {
  const { nodes } = graph
  const starts = new Int32Array(nodes + 1)
  const columns = new Int32Array(graph.columns.length)
  const weights = new Float64Array(graph.weights.length)
  const degrees = new Float64Array(nodes)
  let end = 0
  for (let i = 0; i < nodes; i++) {
    for (let e = graph.starts[i]; e < graph.ends[i]; e++) {
      const other = graph.columns[e]
      let together = 0
      for (const vote of votes) if (vote[i] === vote[other]) together++
      if (together === 0) continue
      const weight = (graph.weights[e] * together) / votes.length
      columns[end] = other
      weights[end++] = weight
      degrees[i] += weight
    }
    starts[i + 1] = end
  }
  return {
    nodes,
    starts,
    ends: starts.subarray(1),
    columns: columns.subarray(0, end),
    weights: weights.subarray(0, end),
    degrees
  }
}

let opened: { readonly number: number; readonly leiden: OpenLeiden } | undefined

/** One member's part of a team's partitions, in a worker thread. */
export const makePartitions = ({ graph, graphNumber, orders, seed, team, done }: PartitionsTask): PartitionMade[] => {
  const made: PartitionMade[] = []
  for (let order = take(team); order < orders.length; order = take(team)) {
    const { resolution, run, within, votes } = orders[order]
    const settings = { resolution, seed, run, ...(within === undefined ? {} : { within }) }
    if (votes.length === 0) {
      if (opened?.number !== graphNumber) {
        // Release the previous copy first: two copies of a large graph may not fit.
        opened = undefined
        opened = { number: graphNumber, leiden: openLeiden(graph) }
      }
      const { communities, quality } = opened.leiden.partition(settings)
      made.push({ order, communities, modularity: quality })
    } else {
      const { communities } = openLeiden(consensusGraph(graph, votes)).partition(settings)
      made.push({ order, communities, modularity: modularity(graph, communities, resolution) })
    }
    Atomics.add(done, 0, 1)
  }
  return made
}

/** A partition of the tokens at one resolution. */
export interface Layer {
  readonly resolution: number
  /** Community of every token, numbered by size; -1 for tokens in communities that are too small. */
  readonly membership: Int32Array
  /** Modularity of all communities, including small ones. */
  readonly modularity: number
}

/**
 * Resolutions at which layers are made, ascending. A number gives the levels of one tree. "auto" gives all powers of
 * two up to where communities would fall to the minimum size.
 */
export const ladderOf = (resolution: number | 'auto', levels: number, tokens: number, minSize: number): number[] => {
  if (resolution !== 'auto')
    return Array.from({ length: levels }, (_, level) => resolution / levelFactor ** (levels - 1 - level))
  const finest = Math.max(coarsestResolution * levelFactor ** (levels - 1), tokens / (minSize * communitiesAtOne))
  const ladder: number[] = []
  for (let next = coarsestResolution; next <= finest; next *= ladderFactor) ladder.push(next)
  return ladder
}

/** Indices of the layers of a tree, coarse to fine, given the index `finest` of its finest layer. */
export const levelsOf = (ladder: readonly number[], finest: number, levels: number): number[] =>
  Array.from({ length: levels }, (_, level) =>
    ladder.indexOf(ladder[finest] / levelFactor ** (levels - 1 - level))
  ).filter((index) => index >= 0)

/**
 * Bytes of one thread's copy of a graph. While a consensus is made, there are two copies plus the consensus graph.
 */
const threadBytes = (nodes: number, entries: number): number => 2 * leidenBytes(nodes, entries) + 12 * entries

/** Number of threads that make partitions, limited by memory. */
const membersFor = (nodes: number, entries: number, threads: number): number =>
  Math.max(1, Math.min(threads, Math.floor(Math.min(mostBytes, totalmem() / 4) / threadBytes(nodes, entries))))

/** Bytes of all threads' copies of a graph with `nodes` tokens and `entries` directed entries. */
export const kernelBytes = (nodes: number, entries: number, threads: number): number =>
  membersFor(nodes, entries, threads) * threadBytes(nodes, entries)

export interface LayersInput {
  readonly graph: Graph
  readonly ladder: readonly number[]
  readonly seeds: number
  readonly minSize: number
  readonly seed: number
  /** Number of the matrix among those clustered for one result. Each number draws different random words. */
  readonly variant: number
  readonly pool: ClusteringPool
  readonly onProgress?: ((fraction: number) => void) | undefined
}

const progressMilliseconds = 250
let graphsNumbered = 0

const withoutSmall = (communities: Int32Array, minSize: number): Int32Array => {
  const sizes = new Int32Array(communities.reduce((most, community) => Math.max(most, community), -1) + 1)
  for (const community of communities) sizes[community]++
  return communities.map((community) => (sizes[community] < minSize ? -1 : community))
}

const shared = (values: Int32Array): Int32Array => {
  const copy = new Int32Array(new SharedArrayBuffer(values.byteLength))
  copy.set(values)
  return copy
}

/**
 * Partitions a graph by modularity (Leiden: Traag, Waltman and van Eck 2019) at every resolution of a ladder. Each
 * layer lies within the one that is `levelFactor` times as coarse, if the ladder has it, so those layers form a tree.
 * A layer is the consensus of `seeds` partitions: Leiden again, on the graph whose weights are multiplied by the
 * share of partitions in which both ends are together (Lancichinetti and Fortunato 2012). Depends only on graph,
 * ladder, seed and variant, bit for bit; the number of threads does not matter.
 */
export const makeLayers = async ({
  graph,
  ladder,
  seeds,
  minSize,
  seed,
  variant,
  pool,
  onProgress
}: LayersInput): Promise<Layer[]> => {
  const graphNumber = ++graphsNumbered
  const members = membersFor(graph.nodes, graph.columns.length, pool.size)
  const done = new Int32Array(new SharedArrayBuffer(4))
  const orderCount = ladder.length * (seeds === 1 ? 1 : seeds + 1)
  const made = new Map<number, PartitionMade>()
  const runOf = (layer: number, vote: number): number => (variant * layersAtMost + layer) * votesAtMost + vote
  const perform = async (orders: readonly PartitionOrder[]): Promise<PartitionMade[]> => {
    const team = openTeam(members)
    const results = await pool.runOn(members, {
      kind: 'partitions',
      task: { graph, graphNumber, orders, seed, team, done }
    })
    return results
      .flatMap((result) => (result.kind === 'partitions' ? result.made : []))
      .sort((a, b) => a.order - b.order)
  }
  const coarserOf = (layer: number): number => ladder.indexOf(ladder[layer] / levelFactor)
  const timer = setInterval(() => onProgress?.(Atomics.load(done, 0) / orderCount), progressMilliseconds)
  try {
    let waiting = [...ladder.keys()]
    while (waiting.length > 0) {
      const next = waiting.filter((layer) => coarserOf(layer) < 0 || made.has(coarserOf(layer)))
      const order = (layer: number, vote: number, votes: readonly Int32Array[]): PartitionOrder => ({
        resolution: ladder[layer],
        run: runOf(layer, vote),
        within: made.get(coarserOf(layer))?.communities,
        votes
      })
      const votes = await perform(
        next.flatMap((layer) => Array.from({ length: seeds }, (_, vote) => order(layer, vote, [])))
      )
      const ofLayer = (at: number): Int32Array[] =>
        votes.slice(at * seeds, (at + 1) * seeds).map(({ communities }) => shared(communities))
      const agreed =
        seeds === 1 ? votes : await perform(next.map((layer, at) => order(layer, votesAtMost - 1, ofLayer(at))))
      next.forEach((layer, at) => made.set(layer, { ...agreed[at], communities: shared(agreed[at].communities) }))
      waiting = waiting.filter((layer) => !made.has(layer))
    }
  } finally {
    clearInterval(timer)
  }
  onProgress?.(1)
  return ladder.map((resolution, layer) => {
    const { communities, modularity: quality } = made.get(layer)!
    return { resolution, membership: withoutSmall(communities, minSize), modularity: quality }
  })
}
