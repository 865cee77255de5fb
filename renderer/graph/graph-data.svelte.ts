import { untrack } from 'svelte'
import type { ClusterLayout, ClusterNumber, GroupKind, Job } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { isGroup } from '../explore/groups'
import { layoutOf } from './levels'
import { PlacedClusters, PlacedTokens, joinedPoints } from './nodes'
import { discRadius } from './places'

export type GraphMode = 'tokens' | 'clusters'
export type GraphNode =
  { readonly kind: 'token'; readonly token: number } | { readonly kind: 'cluster'; readonly cluster: ClusterNumber }

/** What the graph shows: tokens or clusters, with their places, as the store and the layout job give them. */
export class GraphData {
  readonly explore: Explore
  mode: GraphMode = $state('tokens')
  /** Whether the window is higher than wide; nodes are placed for that. */
  isTall = false
  /** Whether the graph may read: the list and the gallery come first. */
  mayLoad = $state(false)
  placed: PlacedTokens | null = $state.raw(null)
  /** The job that lays out the tokens, while it works. */
  job: Job | null = $state.raw(null)
  /** Why a mode shows nothing. */
  failures: Readonly<Record<GraphMode, string | null>> = $state.raw({ tokens: null, clusters: null })
  /** The cluster of every token. */
  membership: Int32Array | null = $state.raw(null)
  #layout: ClusterLayout | null = $state.raw(null)
  /** Level that the nodes are asked to be of, where these are groups. */
  #level: GroupKind = $state('cluster')
  readonly #ended = new Map<string, Job>()

  constructor(explore: Explore) {
    this.explore = explore
    $effect(() => untrack(() => this.#followJobs()))
    $effect(() => {
      const { mode } = this
      if (this.mayLoad) untrack(() => this.load(mode))
    })
  }

  get client() {
    return this.explore.workbench.client
  }

  #followJobs(): () => void {
    const off = [
      this.client.on('job', (job) => this.#followJob(job)),
      this.client.on('workspace', () => {
        if (this.placed === null) void this.loadTokens()
      })
    ]
    return () => off.forEach((remove) => remove())
  }

  #followJob(job: Job): void {
    if (job.kind !== 'layout') return
    if (job.state !== 'working') this.#ended.set(job.id, job)
    if (job.id !== this.job?.id) return
    if (job.state === 'working') this.job = job
    else this.#endJob(job)
  }

  #endJob({ state, error }: Job): void {
    this.job = null
    if (state === 'done') void this.loadTokens()
    else this.#fail('tokens', state === 'cancelled' ? 'Token layout cancelled.' : (error ?? 'Token layout failed.'))
  }

  #fail(mode: GraphMode, error: unknown): void {
    const words = error instanceof Error ? error.message : typeof error === 'string' ? error : null
    this.failures = { ...this.failures, [mode]: words }
  }

  async loadTokens(again = false): Promise<void> {
    this.#fail('tokens', null)
    try {
      const { where } = this.explore
      const [layout, membership] = await Promise.all([
        this.client.graph.tokens({ ...where, again }),
        this.membership ?? this.client.tokens.membership(where)
      ])
      this.membership = membership
      if (layout.state === 'working') {
        this.job = layout.job
        const ended = this.#ended.get(layout.job.id)
        if (ended !== undefined) this.#endJob(ended)
        return
      }
      this.job = null
      this.placed = new PlacedTokens(layout, membership, this.isTall)
    } catch (error) {
      this.#fail('tokens', error)
    }
  }

  async loadClusters(): Promise<void> {
    this.#fail('clusters', null)
    try {
      this.#layout = await this.client.graph.clusters(this.explore.where)
    } catch (error) {
      this.#fail('clusters', error)
    }
  }

  /** Reads what the mode shows, where it has not been read. */
  load(mode: GraphMode): void {
    if (mode === 'tokens' && this.placed === null && this.job === null) void this.loadTokens()
    if (mode === 'clusters' && this.#layout === null) void this.loadClusters()
  }

  /** Lays the tokens out anew. */
  computeAgain(): void {
    this.placed = null
    void this.loadTokens(true)
  }

  async cancel(): Promise<void> {
    if (this.job !== null) await this.client.jobs.cancel({ job: this.job.id })
  }

  /** Level of the nodes, where these are groups. */
  readonly level: GroupKind = $derived.by(() => {
    const { levels } = this.explore.groups
    return levels.includes(this.#level) ? this.#level : 'cluster'
  })

  setLevel(level: GroupKind): void {
    this.#level = level
  }

  readonly #largest: number = $derived.by(() => {
    const nodes = (this.explore.overview?.clusters ?? []).filter(({ kind }) => kind === this.level)
    return nodes.reduce((most, { size }) => Math.max(most, size), 1)
  })

  readonly clusters: PlacedClusters | null = $derived.by(() => {
    const { level, explore } = this
    if (this.#layout === null) return null
    return new PlacedClusters(
      layoutOf(this.#layout, (group) => {
        const entry = explore.entries.get(group)
        return entry !== undefined && (entry.kind === level || !isGroup(entry))
      }),
      (group) => discRadius(Math.min(explore.entries.get(group)?.size ?? 0, 3 * this.#largest), this.#largest),
      this.isTall
    )
  })

  get isReady(): boolean {
    return this.mode === 'tokens' ? this.placed !== null : this.clusters !== null
  }

  /** Points of a cluster, or of all clusters of a group. */
  pointsIn(group: ClusterNumber): Uint32Array {
    const { placed, explore } = this
    if (placed === null) return new Uint32Array(0)
    return joinedPoints(explore.groups.clustersIn(group).map((cluster) => placed.members(cluster)))
  }

  clusterOf(node: GraphNode): ClusterNumber | null {
    return node.kind === 'cluster' ? node.cluster : (this.membership?.[node.token] ?? null)
  }
}
