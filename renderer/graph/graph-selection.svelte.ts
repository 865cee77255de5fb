import type { ClusterNumber } from '../../preload/contract'
import type { GraphCamera } from './graph-camera.svelte'
import type { GraphData } from './graph-data.svelte'
import { Latest, restMilliseconds } from '../ui/latest'
import { type Edges, neighboursOf } from './neighbours'

/** Tokens whose edges are asked for at most, and edges that are drawn at most. */
const mostEdgeTokens = 20_000
const mostEdges = 6000

/** How a cluster stands out: what the gallery shows, what is selected with it, what it is compared with. */
export type Role = 'current' | 'selected' | 'similar'

interface Selected {
  readonly current: ClusterNumber | null
  readonly selected: readonly ClusterNumber[]
  readonly similar: ClusterNumber | null
}

/** What of the graph is selected, and the edges and neighbours of that. */
export class GraphSelection {
  /** Whether neighbours of what is selected are picked out, and the rest dimmed. */
  ego = $state(false)
  showsEdges = $state(false)
  /** Edges of the neighbour graph at the selected tokens. */
  tokenEdges: (Edges & { readonly cut: boolean; readonly of: Int32Array }) | null = $state.raw(null)
  /** The clusters that are selected, a little later than the list and the gallery show them. */
  #selected: Selected = $state.raw({ current: null, selected: [], similar: null })
  readonly #data: GraphData
  readonly #camera: GraphCamera
  readonly #edgeWork: Latest
  #edgeTimer = 0

  constructor(data: GraphData, camera: GraphCamera) {
    this.#data = data
    this.#camera = camera
    this.#edgeWork = new Latest(data.explore.workbench.fail)
    $effect(() => this.#follow())
    $effect(() => this.#readEdges())
    $effect(() => () => {
      window.clearTimeout(this.#edgeTimer)
      this.#edgeWork.forget()
    })
  }

  /**
   * Takes what is selected once the panes that are read have been painted, and on a slow device once a person stays.
   */
  #follow(): () => void {
    const { current, selected, similar } = this.#data.explore
    const own: Selected = { current, selected: [...selected], similar }
    const take = (): void => void (this.#selected = own)
    let [timer, idle] = [0, 0]
    const frame = requestAnimationFrame(() => {
      if (this.#camera.stage?.isSlow === true) timer = window.setTimeout(take, restMilliseconds)
      else idle = requestIdleCallback(take, { timeout: restMilliseconds })
    })
    return () => {
      cancelAnimationFrame(frame)
      window.clearTimeout(timer)
      cancelIdleCallback(idle)
    }
  }

  /** What the gallery shows. */
  get current(): ClusterNumber | null {
    return this.#selected.current
  }

  readonly roles: ReadonlyMap<ClusterNumber, Role> = $derived.by(() => {
    const { current, selected, similar } = this.#selected
    const roles = new Map<ClusterNumber, Role>()
    if (current !== null) roles.set(current, 'current')
    for (const cluster of selected) if (cluster !== current) roles.set(cluster, 'selected')
    if (similar !== null && !roles.has(similar)) roles.set(similar, 'similar')
    return roles
  })

  /** Roles of the nodes, where these are groups: the group around what is selected stands for it, or those in it. */
  readonly nodeRoles: ReadonlyMap<ClusterNumber, Role> = $derived.by(() => {
    const { level, explore } = this.#data
    const ranks: readonly Role[] = ['current', 'selected', 'similar']
    const shown = new Map<ClusterNumber, Role>()
    for (const [cluster, role] of this.roles) {
      for (const node of cluster < 0 ? [cluster] : explore.groups.standIns(cluster, level)) {
        const known = shown.get(node)
        if (known === undefined || ranks.indexOf(role) < ranks.indexOf(known)) shown.set(node, role)
      }
    }
    return shown
  })

  /** Tokens whose edges are shown: those selected, or those of the current cluster. */
  readonly edgeCentres: Int32Array = $derived.by(() => {
    const { placed, mode, explore } = this.#data
    const { tokens } = explore
    const { current } = this.#selected
    if (placed === null || mode !== 'tokens') return new Int32Array(0)
    if (tokens.length > 0) return tokens.slice(0, mostEdgeTokens)
    if (!this.ego && !this.showsEdges) return new Int32Array(0)
    return current === null || current < 0
      ? new Int32Array(0)
      : placed.tokensOf(this.#data.pointsIn(current).subarray(0, mostEdgeTokens))
  })

  #readEdges(): void {
    const centres = this.edgeCentres
    window.clearTimeout(this.#edgeTimer)
    if (centres.length === 0 || !(this.showsEdges || this.ego)) {
      this.#edgeWork.ask(
        async () => null,
        () => (this.tokenEdges = null)
      )
      return
    }
    const { client, explore } = this.#data
    const { where } = explore
    const ask = (): void =>
      this.#edgeWork.ask(
        () => client.tokens.edges({ ...where, tokens: centres, most: mostEdges }),
        (edges) => (this.tokenEdges = { ...edges, of: centres })
      )
    // Whoever goes along the list quickly waits for each gallery, and for no edges.
    this.#edgeTimer = window.setTimeout(ask, restMilliseconds)
  }

  /** Edges of the tokens that are selected now; null while they are read. */
  get currentEdges(): Edges | null {
    return this.tokenEdges?.of === this.edgeCentres ? this.tokenEdges : null
  }

  /** Neighbours of the tokens or clusters that are selected; null where nothing asks for them. */
  readonly neighbours: Int32Array | null = $derived.by(() => {
    const { mode, clusters } = this.#data
    if (!this.ego) return null
    if (mode === 'tokens') {
      const edges = this.currentEdges
      return edges === null ? null : neighboursOf(edges, new Set(this.edgeCentres))
    }
    return clusters === null || this.nodeRoles.size === 0
      ? null
      : neighboursOf(clusters.edges, new Set(this.nodeRoles.keys()))
  })

  /** Clusters that the selected tokens are in, those with the most of them first. */
  readonly clustersOfTokens: readonly { readonly cluster: ClusterNumber; readonly count: number }[] = $derived.by(
    () => {
      const { membership, explore } = this.#data
      if (membership === null) return []
      const counts = new Map<ClusterNumber, number>()
      for (const token of explore.tokens) counts.set(membership[token], (counts.get(membership[token]) ?? 0) + 1)
      return [...counts]
        .map(([cluster, count]) => ({ cluster, count }))
        .sort((a, b) => b.count - a.count || a.cluster - b.cluster)
    }
  )
}
