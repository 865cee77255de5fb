import { SpectroscopeError } from '../../preload/errors'
import { concatenate } from '../base/concatenate'
import { philoxWords, scaleWord } from '../base/philox'
import type { Pool } from '../base/pool'
import { openTeam } from '../base/team'
import { alongEdges, conductance, removeNodes, shrinkable, volume, type Graph, type ShrinkingGraph } from './graph'
import type { Judgement, Rule } from './judgement'
import { openWorkspace, width } from './pagerank-system'
import type { ClusteringResult, ClusteringTask } from './tasks'

const seedStream = 4 * 2 ** 24
const edgesPerMember = 50_000
const checkpointSeconds = 30
const bodyShare = 0.25
export interface Cluster {
  /** Order of discovery, from 0. */
  readonly order: number
  /** Token whose PageRank vector gave the cluster. */
  readonly seed: number
  /** Token indices, ascending. */
  readonly members: Int32Array
  /** Conductance in the graph of all tokens. */
  readonly conductance: number
  /** Conductance in the graph of the tokens that no earlier cluster had taken. */
  readonly conductanceWhenCut: number
}

/** State of a search between two attempts, as plain data. `discover` can resume from it. */
export interface DiscoveryState {
  readonly tokens: number
  readonly edges: number
  readonly volume: number
  readonly attempts: number
  readonly rejectionsInARow: number
  readonly clusters: readonly Cluster[]
}

export interface DiscoveryProgress {
  readonly attempts: number
  readonly clusters: number
  readonly remaining: number
  readonly rejectionsInARow: number
}

export interface DiscoveryInput {
  readonly graph: Graph
  readonly pool: Pool<ClusteringTask, ClusteringResult>
  readonly alpha: number
  readonly epsilon: number
  readonly rule: Rule
  readonly maxRejections: number
  /** Share of the tokens. The search ends when fewer are left. */
  readonly remaining: number
  readonly seed: number
  readonly checkpoint?: DiscoveryState | undefined
  readonly onCheckpoint?: ((state: DiscoveryState) => void | Promise<void>) | undefined
  readonly onProgress?: ((progress: DiscoveryProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Discovery {
  readonly clusters: readonly Cluster[]
  readonly leftover: { readonly kind: 'main body' | 'unclustered'; readonly members: Int32Array }
  readonly ending: string
  readonly attempts: number
}

/** Seed node of an attempt, chosen among the `remaining` nodes (docs/method.md, section 5.2). */
export const seedNode = (seed: number, attempt: number, remaining: number): number => {
  const word = new Uint32Array(1)
  philoxWords(seed, attempt, 0, 0, seedStream, word)
  return scaleWord(word[0], remaining)
}

const checkResumable = (state: DiscoveryState, tokens: number, edges: number, total: number): void => {
  if (state.tokens === tokens && state.edges === edges && state.volume === total) return
  throw new SpectroscopeError(
    'clustering',
    'The checkpoint of this clustering belongs to another matrix or to other graph settings; ' +
      'start the clustering again.'
  )
}

/**
 * The search of docs/method.md, section 5.2: seeds are taken in order, and each accepted set is removed before the
 * next seed is drawn. Several seeds are solved at once, on the assumption that none is accepted; those after an
 * accepted one are solved again in the smaller graph. So the outcome is that of taking seeds one by one, and
 * bit-for-bit the same for every pool.
 */
export const discover = async (input: DiscoveryInput): Promise<Discovery> => {
  const { graph: whole, pool, alpha, epsilon, rule, maxRejections, seed, signal } = input
  const tokens = whole.nodes
  const edges = whole.columns.length / 2
  const wholeVolume = volume(whole)
  let state: DiscoveryState = input.checkpoint ?? {
    tokens,
    edges,
    volume: wholeVolume,
    attempts: 0,
    rejectionsInARow: 0,
    clusters: []
  }
  checkResumable(state, tokens, edges, wholeVolume)
  const workspace = openWorkspace(whole)
  const { tokens: tokenOf } = workspace.arrays
  let rest: ShrinkingGraph = shrinkable(whole, workspace.arrays, alongEdges(whole))
  let savedAt = Date.now()

  const save = async (): Promise<void> => {
    savedAt = Date.now()
    await input.onCheckpoint?.(state)
  }
  const attempt = async (seeds: Int32Array): Promise<Judgement[]> => {
    const { graph, left, entries } = rest
    const members = Math.max(1, Math.min(pool.size, Math.floor((entries * width) / edgesPerMember)))
    const solve = { graph, left: left.length, seeds, alpha, epsilon, volume: volume(graph), workspace }
    const results = await pool.runOn(members, { kind: 'attempts', solve, rule, team: openTeam(members) })
    const judgements = results.flatMap((result) => (result.kind === 'attempts' ? result.judgements : []))
    return judgements.sort((a, b) => a[0] - b[0]).map(([, judgement]) => judgement)
  }
  const tokensOf = (nodes: Int32Array): Int32Array => nodes.map((node) => tokenOf[node])
  const accept = (
    node: number,
    { members: nodes, conductance: conductanceWhenCut }: Extract<Judgement, { verdict: 'accepted' }>
  ): void => {
    const members = tokensOf(nodes).sort()
    const inside = new Uint8Array(tokens)
    for (const token of members) inside[token] = 1
    const cluster = {
      order: state.clusters.length,
      seed: tokenOf[node],
      members,
      conductance: conductance(whole, wholeVolume, members, inside),
      conductanceWhenCut
    }
    state = { ...state, attempts: state.attempts + 1, rejectionsInARow: 0, clusters: [...state.clusters, cluster] }
    rest = removeNodes(rest, nodes)
  }
  /**
   * Processes judgements in order, up to the first that changes the graph. Returns why the search ended, if it did.
   */
  const consume = (seeds: Int32Array, judgements: readonly Judgement[]): string | undefined => {
    for (const [i, judgement] of judgements.entries()) {
      if (judgement.verdict === 'main body') {
        state = { ...state, attempts: state.attempts + 1 }
        return 'the best set was more than 99 % of the remaining tokens, the main body'
      }
      if (judgement.verdict === 'accepted') {
        accept(seeds[i], judgement)
        return undefined
      }
      state = { ...state, attempts: state.attempts + 1, rejectionsInARow: state.rejectionsInARow + 1 }
    }
    return undefined
  }
  const ended = (): string | undefined => {
    const left = rest.left.length
    if (left === 0) return 'no tokens were left'
    if (left < input.remaining * tokens) return `fewer than ${100 * input.remaining} % of the tokens were left`
    if (state.rejectionsInARow >= maxRejections) return `${maxRejections} seeds in a row gave no cluster`
    return undefined
  }

  const { left: nodeOf } = rest
  rest = removeNodes(
    rest,
    concatenate(state.clusters.map(({ members }) => members)).map((token) => nodeOf[token])
  )
  let ending = ended()
  let body = false
  const step = async (): Promise<void> => {
    const count = Math.min(width, maxRejections - state.rejectionsInARow)
    const seeds = Int32Array.from(
      { length: count },
      (_, i) => rest.left[seedNode(seed, state.attempts + i, rest.left.length)]
    )
    const known = state.clusters.length
    ending = consume(seeds, await attempt(seeds))
    body = ending !== undefined
    input.onProgress?.({
      attempts: state.attempts,
      clusters: state.clusters.length,
      remaining: rest.left.length,
      rejectionsInARow: state.rejectionsInARow
    })
    if (ending === undefined && (state.clusters.length > known || Date.now() - savedAt > 1000 * checkpointSeconds))
      await save()
    ending ??= ended()
  }
  try {
    while (ending === undefined) {
      signal?.throwIfAborted()
      await step()
    }
  } catch (error) {
    if (signal?.aborted) await save()
    throw error
  }
  const kind = body || rest.left.length > bodyShare * tokens ? 'main body' : 'unclustered'
  return {
    clusters: state.clusters,
    leftover: { kind, members: tokensOf(rest.left) },
    ending,
    attempts: state.attempts
  }
}
