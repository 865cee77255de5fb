import { untrack } from 'svelte'
import type { ClusterLayout, ClusterNumber, GroupKind, Job } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { capital, isGroup, levelWords } from '../explore/groups'
import { mixed, plainColour, readTheme } from './colours'
import type { GraphTheme, Rgb } from './colours'
import { GraphColours } from './graph-colours.svelte'
import { GraphNames } from './graph-names.svelte'
import { Latest } from './latest'
import { discNumbersOf, lineNumbersOf } from './layers'
import type { Disc, Highlight, Line } from './layers'
import { layoutOf } from './levels'
import { drawnEdges, neighboursOf } from './neighbours'
import type { Edges } from './neighbours'
import { PlacedClusters, PlacedTokens } from './nodes'
import { discRadius, discScale, extentOf, grown, innerExtentOf, leastRadius, pointSize } from './places'
import type { Extent, View } from './places'
import type { Point, Ring, Stage } from './stage'

export type GraphMode = 'tokens' | 'clusters'
export type GraphNode =
  { readonly kind: 'token'; readonly token: number } | { readonly kind: 'cluster'; readonly cluster: ClusterNumber }

/** Tokens whose edges are asked for at most, and edges that are drawn at most. */
const mostEdgeTokens = 20_000
const mostEdges = 6000
const mostClusterEdges = 1500
const none: ReadonlySet<number> = new Set()

const restMilliseconds = 160

type ClusterDisc = Disc & { readonly cluster: ClusterNumber }

/** How a cluster stands out: what the gallery shows, what is selected with it, what it is compared with. */
type Role = 'current' | 'selected' | 'similar'

const joined = (first: Float32Array, second: Float32Array): Float32Array => {
  const all = new Float32Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}

const joinedPoints = (parts: readonly Uint32Array[]): Uint32Array => {
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

interface Selection {
  readonly current: ClusterNumber | null
  readonly selected: readonly ClusterNumber[]
  readonly similar: ClusterNumber | null
}

/** What the graph shows, how it is coloured and what in it is picked out; the stage draws it. */
export class GraphView {
  readonly explore: Explore
  mode: GraphMode = $state('tokens')
  theme: GraphTheme | null = $state.raw(null)
  stage: Stage | null = $state.raw(null)
  /** 'missing': this machine cannot draw; 'lost': the device was taken away too often. */
  graphics: 'starting' | 'there' | 'lost' | 'missing' = $state('starting')

  placed: PlacedTokens | null = $state.raw(null)
  #layout: ClusterLayout | null = $state.raw(null)
  /** Level that the nodes are asked to be of, where these are groups. */
  #level: GroupKind = $state('cluster')
  job: Job | null = $state.raw(null)
  /** Why a mode shows nothing. */
  failures: Readonly<Record<GraphMode, string | null>> = $state.raw({ tokens: null, clusters: null })

  membership: Int32Array | null = $state.raw(null)
  readonly colours: GraphColours
  readonly naming: GraphNames

  /** Whether neighbours of what is selected are picked out, and the rest dimmed. */
  ego = $state(false)
  lassoing = $state(false)
  listing = $state(false)
  showsEdges = $state(true)
  showsNames = $state(true)
  /** The kind of the legend that is picked out. */
  emphasised: number | null = $state(null)
  /** Edges of the neighbour graph at the selected tokens. */
  tokenEdges: (Edges & { readonly cut: boolean; readonly of: Int32Array }) | null = $state.raw(null)
  /** Where the camera looks; follows it. */
  camera: View = $state.raw({ x: 0.5, y: 0.5, ratio: 1 })
  /** The part of the plane in view, once the camera has come to rest. */
  rested: Extent | null = $state.raw(null)
  /** Node under the pointer and where the pointer is. */
  pointed: { readonly node: GraphNode; readonly at: Point } | null = $state.raw(null)
  /** The clusters that are selected, a little later than the list and the gallery show them. */
  #selection: Selection = $state.raw({ current: null, selected: [], similar: null })

  readonly #ended = new Map<string, Job>()
  readonly #edgeWork: Latest
  #restTimer = 0
  #edgeTimer = 0
  readonly #fitted: Record<GraphMode, boolean> = { tokens: false, clusters: false }

  constructor(explore: Explore) {
    this.explore = explore
    this.#edgeWork = new Latest(explore.workbench.fail)
    this.colours = new GraphColours(this)
    this.naming = new GraphNames(this)
  }

  readTheme(element: Element): void {
    const style = getComputedStyle(element)
    this.theme = readTheme((name) => style.getPropertyValue(name))
  }

  // ── What is shown ──────────────────────────────────────────────────────────────────────────────────────────────

  get client() {
    return this.explore.workbench.client
  }

  /** Follows the job that lays out the tokens; returns the end of that. */
  follow(): () => void {
    const off = [
      this.client.on('job', (job) => this.#followJob(job)),
      this.client.on('workspace', () => {
        if (this.placed === null) void this.loadTokens()
      })
    ]
    return () => {
      off.forEach((remove) => remove())
      window.clearTimeout(this.#restTimer)
      window.clearTimeout(this.#edgeTimer)
      for (const work of [this.#edgeWork, this.colours, this.naming]) work.end()
    }
  }

  /** Follows what is selected, once the panes that are read have been painted, and on a slow device once a person stays; to be called in an effect. */
  followSelection(): () => void {
    const { current, selected, similar } = this.explore
    const selection: Selection = { current, selected: [...selected], similar }
    const take = (): void => void (this.#selection = selection)
    let [timer, idle] = [0, 0]
    const frame = requestAnimationFrame(() => {
      if (this.stage?.isSlow === true) timer = window.setTimeout(take, restMilliseconds)
      else idle = requestIdleCallback(take, { timeout: restMilliseconds })
    })
    return () => {
      cancelAnimationFrame(frame)
      window.clearTimeout(timer)
      cancelIdleCallback(idle)
    }
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
      this.#fitted.tokens = false
      this.placed = new PlacedTokens(layout, membership)
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

  /** Shows the groups of another level. */
  showLevel(level: GroupKind): void {
    if (level === this.level) return
    this.#pointAway()
    this.#level = level
    this.#fitted.clusters = false
    this.#views.clusters = undefined
  }

  readonly clusters: PlacedClusters | null = $derived.by(() => {
    const { level, explore } = this
    if (this.#layout === null) return null
    return new PlacedClusters(
      layoutOf(this.#layout, (group) => {
        const entry = explore.entries.get(group)
        return entry !== undefined && (entry.kind === level || !isGroup(entry))
      })
    )
  })

  get isReady(): boolean {
    return this.mode === 'tokens' ? this.placed !== null : this.clusters !== null
  }

  // ── What is picked out ─────────────────────────────────────────────────────────────────────────────────────────

  readonly roles: ReadonlyMap<ClusterNumber, Role> = $derived.by(() => {
    const { current, selected, similar } = this.#selection
    const roles = new Map<ClusterNumber, Role>()
    if (current !== null) roles.set(current, 'current')
    for (const cluster of selected) if (cluster !== current) roles.set(cluster, 'selected')
    if (similar !== null && !roles.has(similar)) roles.set(similar, 'similar')
    return roles
  })

  /** Roles of the nodes, where these are groups: the group around what is selected stands for it, or those in it. */
  readonly nodeRoles: ReadonlyMap<ClusterNumber, Role> = $derived.by(() => {
    const { roles, level, explore } = this
    const ranks: readonly Role[] = ['current', 'selected', 'similar']
    const shown = new Map<ClusterNumber, Role>()
    for (const [cluster, role] of roles) {
      for (const node of cluster < 0 ? [cluster] : explore.groups.standIns(cluster, level)) {
        const known = shown.get(node)
        if (known === undefined || ranks.indexOf(role) < ranks.indexOf(known)) shown.set(node, role)
      }
    }
    return shown
  })

  /** Points of a cluster, or of all clusters of a group. */
  pointsIn(group: ClusterNumber): Uint32Array {
    const { placed, explore } = this
    if (placed === null) return new Uint32Array(0)
    return joinedPoints(explore.groups.clustersIn(group).map((cluster) => placed.members(cluster)))
  }

  /** Tokens whose edges are shown: those selected, or those of the current cluster. */
  readonly edgeCentres: Int32Array = $derived.by(() => {
    const { placed } = this
    const { tokens } = this.explore
    const { current } = this.#selection
    if (placed === null || this.mode !== 'tokens') return new Int32Array(0)
    if (tokens.length > 0) return tokens.slice(0, mostEdgeTokens)
    if (!this.ego && !this.showsEdges) return new Int32Array(0)
    return current === null || current < 0
      ? new Int32Array(0)
      : placed.tokensOf(this.pointsIn(current).subarray(0, mostEdgeTokens))
  })

  readEdges(): void {
    const centres = this.edgeCentres
    window.clearTimeout(this.#edgeTimer)
    if (centres.length === 0 || !(this.showsEdges || this.ego)) {
      this.#edgeWork.ask(
        async () => null,
        () => (this.tokenEdges = null)
      )
      return
    }
    const { where } = this.explore
    const ask = (): void =>
      this.#edgeWork.ask(
        () => this.client.tokens.edges({ ...where, tokens: centres, most: mostEdges }),
        (edges) => (this.tokenEdges = { ...edges, of: centres })
      )
    // Whoever goes along the list quickly waits for each gallery, and for no edges.
    this.#edgeTimer = window.setTimeout(ask, restMilliseconds)
  }

  /** Neighbours of the tokens or clusters that are selected; null where nothing asks for them. */
  readonly neighbours: Int32Array | null = $derived.by(() => {
    if (!this.ego) return null
    if (this.mode === 'tokens')
      return this.tokenEdges === null || this.tokenEdges.of !== this.edgeCentres
        ? null
        : neighboursOf(this.tokenEdges, new Set(this.edgeCentres))
    return this.clusters === null || this.nodeRoles.size === 0
      ? null
      : neighboursOf(this.clusters.edges, new Set(this.nodeRoles.keys()))
  })

  readonly #emphasisedPoints: Uint32Array | null = $derived.by(() => {
    const { placed, emphasised } = this
    const kinds = this.colours.kinds
    if (placed === null || emphasised === null || kinds === null) return null
    const byCluster = kinds.of === 'clusters'
    const found: number[] = []
    for (let point = 0; point < placed.count; point++)
      if (kinds.kinds[byCluster ? placed.clusterOf[point] + 1 : placed.tokenOf(point)] === emphasised) found.push(point)
    return Uint32Array.from(found)
  })

  readonly highlights: readonly Highlight[] = $derived.by(() => {
    const { placed, theme, roles } = this
    if (placed === null || theme === null) return []
    const { tokens } = this.explore
    const groups: Highlight[] = []
    const add = (points: Uint32Array, outline: Rgb, growth: number): void => {
      if (points.length > 0) groups.push({ points, outline, growth })
    }
    if (this.#emphasisedPoints !== null) add(this.#emphasisedPoints, theme.soft, 1.1)
    const membersOf = (role: Role): Uint32Array =>
      joinedPoints([...roles].filter(([, other]) => other === role).map(([cluster]) => this.pointsIn(cluster)))
    if (!this.ego || tokens.length === 0) {
      add(membersOf('similar'), theme.warn, 1.2)
      add(membersOf('selected'), theme.soft, 1.2)
      add(membersOf('current'), theme.text, 1.25)
    }
    if (this.neighbours !== null) add(placed.pointsOf(this.neighbours), theme.warn, 1.5)
    add(placed.pointsOf(tokens), theme.accent, tokens.length > 2000 ? 1.1 : tokens.length > 100 ? 1.4 : 1.8)
    return groups
  })

  /** Clusters that are picked out in their mode; null where none is, so that none is dimmed. */
  readonly #chosenClusters: ReadonlySet<number> | null = $derived.by(() => {
    const { emphasised, neighbours, mode } = this
    const kinds = this.colours.kinds
    const chosen = new Set<number>(this.nodeRoles.keys())
    if (mode === 'clusters' && neighbours !== null) for (const cluster of neighbours) chosen.add(cluster)
    if (emphasised !== null && kinds !== null) {
      const subsets = this.explore.overview?.subsets ?? []
      for (const { cluster, subset } of this.explore.overview?.clusters ?? []) {
        if ((kinds.of === 'clusters' ? kinds.kinds[cluster + 1] : subsets.indexOf(subset)) === emphasised)
          chosen.add(cluster)
      }
    }
    return chosen.size === 0 ? null : chosen
  })

  readonly #largest: number = $derived.by(() => {
    const nodes = (this.explore.overview?.clusters ?? []).filter(({ kind }) => kind === this.level)
    return nodes.reduce((most, { size }) => Math.max(most, size), 1)
  })

  radiusOf(cluster: ClusterNumber): number {
    const entry = this.explore.entries.get(cluster)
    return entry === undefined ? 1 : discRadius(Math.min(entry.size, 3 * this.#largest), this.#largest)
  }

  readonly #dims: boolean = $derived(this.#chosenClusters !== null)

  #discOf(cluster: ClusterNumber, role: Role | undefined, isNear: boolean, dimmed: boolean): ClusterDisc {
    const { clusters, theme } = this
    if (clusters === null || theme === null) throw new Error('the cluster graph is not loaded yet')
    const outlines: Readonly<Record<Role, Rgb>> = { current: theme.text, selected: theme.soft, similar: theme.warn }
    const entry = this.explore.entries.get(cluster)
    const hollow = entry === undefined || !isGroup(entry)
    const place = clusters.placeOf(cluster) ?? { x: 0.5, y: 0.5 }
    const colour = this.colours.colourOf(cluster)
    return {
      cluster,
      ...place,
      radius: this.radiusOf(cluster),
      fill: hollow ? theme.surface : dimmed ? mixed(colour, theme.surface, 0.66) : colour,
      opacity: hollow ? 0.85 : 1,
      outline:
        role === undefined ? (isNear ? theme.warn : hollow ? plainColour(theme) : theme.surface) : outlines[role],
      width: role === 'current' ? 3 : role !== undefined || isNear ? 2.5 : hollow ? 2 : 0.8,
      hollow: hollow && role === undefined
    }
  }

  /** All discs as they are where none of them is picked out: made once for many selections, as there may be ten thousand. */
  readonly #plainDiscs: readonly ClusterDisc[] = $derived.by(() => {
    const { clusters, theme } = this
    if (clusters === null || theme === null) return []
    const dims = this.#dims
    return Array.from(clusters.clusters, (cluster) => this.#discOf(cluster, undefined, false, dims)).sort(
      (a, b) => b.radius - a.radius
    )
  })
  readonly #plainDiscNumbers: Float32Array = $derived(discNumbersOf(this.#plainDiscs))

  /** Those that are picked out once more, to be drawn over the others; what is selected last. */
  readonly #pickedDiscs: readonly ClusterDisc[] = $derived.by(() => {
    const { clusters, theme, nodeRoles: roles, neighbours } = this
    const chosen = this.#chosenClusters
    if (clusters === null || theme === null || chosen === null) return []
    const near = neighbours === null || this.mode !== 'clusters' ? none : new Set(neighbours)
    const discs = Array.from(chosen)
      .filter((cluster) => clusters.placeOf(cluster) !== undefined)
      .map((cluster) => this.#discOf(cluster, roles.get(cluster), near.has(cluster), false))
    const rank = ({ cluster }: ClusterDisc): number => (roles.has(cluster) ? 1 : 0)
    return discs.sort((a, b) => rank(a) - rank(b) || b.radius - a.radius)
  })

  /** In the order in which they are drawn. */
  readonly discs: readonly ClusterDisc[] = $derived([...this.#plainDiscs, ...this.#pickedDiscs])

  readonly lines: readonly Line[] = $derived.by(() => {
    const { theme, mode, clusters, placed, tokenEdges } = this
    if (theme === null) return []
    if (mode === 'tokens') {
      if (placed === null || tokenEdges === null || tokenEdges.of !== this.edgeCentres) return []
      const opacity = Math.min(0.65, Math.max(0.06, 7 / Math.sqrt(tokenEdges.from.length)))
      const lines: Line[] = []
      for (let edge = 0; edge < tokenEdges.from.length; edge++) {
        const [from, to] = [placed.pointOf(tokenEdges.from[edge]), placed.pointOf(tokenEdges.to[edge])]
        if (from === undefined || to === undefined) continue
        lines.push({
          x1: placed.places[2 * from],
          y1: placed.places[2 * from + 1],
          x2: placed.places[2 * to],
          y2: placed.places[2 * to + 1],
          width: 0.8,
          colour: theme.soft,
          opacity
        })
      }
      return lines
    }
    if (clusters === null || !this.showsEdges) return []
    const { edges, heaviest, order } = clusters
    const chosen = new Set(this.nodeRoles.keys())
    const { others, own } = drawnEdges(edges, chosen, mostClusterEdges, order)
    const drawn = (indices: Uint32Array, colour: Rgb, opacity: number): Line[] =>
      [...indices].flatMap((edge) => {
        const [from, to] = [clusters.placeOf(edges.from[edge]), clusters.placeOf(edges.to[edge])]
        if (from === undefined || to === undefined) return []
        return [
          {
            x1: from.x,
            y1: from.y,
            x2: to.x,
            y2: to.y,
            width: 0.4 + 3 * Math.sqrt(edges.weights[edge] / heaviest),
            colour,
            opacity
          }
        ]
      })
    return [
      ...drawn(
        others,
        theme.line,
        Math.min(0.55, Math.max(0.15, 10 / Math.sqrt(others.length))) * (this.#chosenClusters === null ? 1 : 0.75)
      ),
      ...drawn(own, theme.accent, 0.75)
    ]
  })

  // ── The stage ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Called after every frame. */
  readonly moved = (): void => {
    const { stage } = this
    if (stage === null) return
    const { x, y, ratio } = stage.view
    const { camera } = this
    const { width, height } = stage.size
    if (camera.x === x && camera.y === y && camera.ratio === ratio && this.#shape === `${width} ${height}`) return
    this.#shape = `${width} ${height}`
    this.camera = { x, y, ratio }
    this.#rest()
  }
  #shape = ''

  #rest(): void {
    window.clearTimeout(this.#restTimer)
    this.#restTimer = window.setTimeout(() => (this.rested = this.stage?.extent ?? null), restMilliseconds)
  }

  /** Gives the stage what it draws; each of these is an effect of its own, so that a change sends only what it changed. */
  drawPoints(): void {
    const { stage, placed, theme, mode } = this
    const { points } = this.colours
    if (stage === null || theme === null) return
    stage.points.ground = theme.surface
    stage.inks = { text: theme.text, soft: theme.soft, halo: theme.surface }
    if (mode !== 'tokens' || placed === null) stage.points.places = new Float32Array(0)
    else if (points !== null) {
      stage.points.places = placed.places
      stage.points.colours = points
      stage.points.sizeAt = (ratio) => pointSize(placed.count, ratio)
    }
    stage.draw()
  }

  drawHighlights(): void {
    const { stage, highlights, mode } = this
    if (stage === null) return
    stage.points.highlights = mode === 'tokens' ? highlights : []
    stage.points.faded =
      mode !== 'tokens' || highlights.length === 0 ? 0 : this.ego || this.emphasised !== null ? 0.8 : 0.5
    stage.draw()
  }

  drawDiscs(): void {
    const { stage, mode } = this
    if (stage === null) return
    stage.discs.discs =
      mode === 'clusters' ? joined(this.#plainDiscNumbers, discNumbersOf(this.#pickedDiscs)) : new Float32Array(0)
    stage.discs.scaleAt = discScale
    stage.discs.least = leastRadius
    stage.draw()
  }

  drawLines(): void {
    const { stage } = this
    if (stage === null) return
    stage.lines.lines = lineNumbersOf(this.lines)
    stage.draw()
  }

  drawNames(): void {
    const { stage } = this
    if (stage === null) return
    stage.names = this.naming.shown
    stage.draw()
  }

  readonly rings: readonly Ring[] = $derived.by(() => {
    const { theme, mode, placed } = this
    const { hovered } = this.explore
    if (theme === null) return []
    const node: GraphNode | null =
      mode === 'tokens' && hovered !== null ? { kind: 'token', token: hovered } : (this.pointed?.node ?? null)
    if (node?.kind === 'token') {
      const point = placed?.pointOf(node.token)
      return mode !== 'tokens' || placed === null || point === undefined
        ? []
        : [
            {
              x: placed.places[2 * point],
              y: placed.places[2 * point + 1],
              radius: Math.max(8, pointSize(placed.count, this.camera.ratio) / 2 + 4),
              colour: theme.accent
            }
          ]
    }
    const place = node === null || mode !== 'clusters' ? undefined : this.clusters?.placeOf(node.cluster)
    return node === null || place === undefined
      ? []
      : [{ ...place, radius: (this.stage?.radiusOf(this.radiusOf(node.cluster)) ?? 4) + 4, colour: theme.accent }]
  })

  /** Shows all once, when a mode has something to show. */
  fitFirst(): void {
    const { stage, mode } = this
    if (stage === null || !this.isReady || this.#fitted[mode]) return
    this.#fitted[mode] = true
    this.fit(false)
  }

  fit(animated = true): void {
    const { placed, clusters, mode } = this
    if (mode === 'tokens' && placed !== null && placed.count > 0)
      this.stage?.show(extentOf(placed.places), { animated })
    // A few large nodes need room for themselves and their names.
    if (mode === 'clusters' && clusters !== null && clusters.count > 0)
      this.stage?.show(grown(extentOf(clusters.places), 1 + 0.35 / Math.sqrt(clusters.count / 8 + 1)), { animated })
  }

  /** Cameras of the modes are apart: each comes back to where it was. */
  readonly #views: Partial<Record<GraphMode, View | undefined>> = {}

  /** Remembers where the camera looks, for a stage that takes the place of this one. */
  keepView(): void {
    if (this.stage !== null) this.#views[this.mode] = this.stage.view
  }

  /** Draws on a stage from now on, where the one before it looked; on none where it is null. */
  take(stage: Stage | null): void {
    const view = this.#views[this.mode]
    if (stage !== null && view !== undefined) stage.view = view
    this.stage = stage
  }

  change(mode: GraphMode): void {
    if (mode === this.mode) return
    this.keepView()
    this.#pointAway()
    this.mode = mode
    const view = this.#views[mode]
    if (view !== undefined) this.stage?.go(view, false)
  }

  /** Moves to a token or a cluster. */
  goTo(node: GraphNode): void {
    const { stage, placed } = this
    if (stage === null) return
    if (node.kind === 'cluster') {
      if (this.mode === 'clusters')
        return this.#goToNodes(
          node.cluster < 0 ? [node.cluster] : this.explore.groups.standIns(node.cluster, this.level)
        )
      const members = this.pointsIn(node.cluster)
      if (placed !== null && members.length > 0)
        stage.show(grown(innerExtentOf(placed.places, members), 2), { least: 0.03 })
      return
    }
    const point = placed?.pointOf(node.token)
    if (this.mode === 'clusters' && this.membership !== null)
      this.goTo({ kind: 'cluster', cluster: this.membership[node.token] })
    else if (placed !== null && point !== undefined)
      stage.go({
        x: placed.places[2 * point],
        y: placed.places[2 * point + 1],
        ratio: Math.min(stage.view.ratio, 0.12)
      })
  }

  #goToNodes(nodes: readonly ClusterNumber[]): void {
    const { stage, clusters } = this
    const places = nodes.map((node) => clusters?.placeOf(node)).filter((place) => place !== undefined)
    const [first] = places
    if (stage === null || first === undefined) return
    if (places.length === 1) stage.go({ ...first, ratio: Math.min(stage.view.ratio, 0.4) })
    else stage.show(grown(extentOf(Float32Array.from(places.flatMap(({ x, y }) => [x, y]))), 1.3), { least: 0.1 })
  }

  goToTokens(tokens: Int32Array): void {
    const { placed, stage } = this
    if (placed === null || stage === null) return
    const points = placed.pointsOf(tokens)
    if (points.length > 0) stage.show(extentOf(placed.places, points), { least: 0.03 })
  }

  // ── The pointer ────────────────────────────────────────────────────────────────────────────────────────────────

  /** The node at a point of the view. */
  nodeAt(at: Point): GraphNode | null {
    const { stage, placed, mode } = this
    if (stage === null) return null
    const place = stage.toPlane(at)
    if (mode === 'tokens') {
      const reach = (stage.points.sizeAt(stage.view.ratio) / 2 + 5) / stage.scale
      const point = placed?.nearest(place.x, place.y, reach) ?? null
      return point === null || placed === null ? null : { kind: 'token', token: placed.tokenOf(point) }
    }
    // The topmost is the last one that was drawn.
    const disc = this.discs.findLast(
      (each) => Math.hypot(each.x - place.x, each.y - place.y) * stage.scale <= stage.radiusOf(each.radius) + 2
    )
    return disc === undefined ? null : { kind: 'cluster', cluster: disc.cluster }
  }

  clusterOf(node: GraphNode): ClusterNumber | null {
    return node.kind === 'cluster' ? node.cluster : (this.membership?.[node.token] ?? null)
  }

  point(at: Point | null): void {
    const node = at === null ? null : this.nodeAt(at)
    if (at === null || node === null) return this.#pointAway()
    if (JSON.stringify(node) === JSON.stringify(this.pointed?.node ?? null)) return
    this.pointed = { node, at }
    this.explore.hovered = node.kind === 'token' ? node.token : null
  }

  #pointAway(): void {
    const node = this.pointed?.node
    if (node?.kind === 'token' && this.explore.hovered === node.token) this.explore.hovered = null
    if (node !== undefined) this.pointed = null
  }

  /** Makes a node the selected one, or adds it to those that are. */
  select(node: GraphNode, adding: boolean): void {
    const { explore } = this
    const cluster = this.clusterOf(node)
    if (node.kind === 'token') {
      const chosen = new Set(adding ? explore.tokens : [])
      if (!chosen.delete(node.token)) chosen.add(node.token)
      explore.tokens = Int32Array.from(chosen).sort()
    } else if (!adding) explore.tokens = new Int32Array(0)
    if (cluster === null || (node.kind === 'token' && adding && this.roles.has(cluster))) return
    if (adding) explore.toggle(cluster)
    else explore.open(cluster)
  }

  /** Selects what lies in a closed path of the view; returns in words what that was. */
  lasso(path: readonly number[], adding: boolean): string {
    const { stage, explore, placed, clusters } = this
    if (stage === null) return ''
    const inPlane: number[] = []
    for (let at = 0; at < path.length; at += 2) {
      const { x, y } = stage.toPlane({ x: path[at], y: path[at + 1] })
      inPlane.push(x, y)
    }
    if (this.mode === 'clusters') {
      const found = clusters?.inside(inPlane) ?? []
      explore.select(adding ? new Set([...explore.selected, ...found]) : found)
      const { one, several } = levelWords[this.level]
      return `${found.length} ${found.length === 1 ? one : several} selected.`
    }
    if (placed === null) return ''
    const found = placed.tokensOf(placed.inside(inPlane))
    explore.tokens = adding ? Int32Array.from(new Set([...explore.tokens, ...found])).sort() : found
    return `${found.length} ${found.length === 1 ? 'token' : 'tokens'} selected.`
  }

  /** Clusters that the selected tokens are in, those with the most of them first. */
  readonly clustersOfTokens: readonly { readonly cluster: ClusterNumber; readonly count: number }[] = $derived.by(
    () => {
      const { membership } = this
      if (membership === null) return []
      const counts = new Map<ClusterNumber, number>()
      for (const token of this.explore.tokens) counts.set(membership[token], (counts.get(membership[token]) ?? 0) + 1)
      return [...counts]
        .map(([cluster, count]) => ({ cluster, count }))
        .sort((a, b) => b.count - a.count || a.cluster - b.cluster)
    }
  )

  // ── Pictures ───────────────────────────────────────────────────────────────────────────────────────────────────

  get title(): string {
    const { overview } = this.explore
    const nodes = this.mode === 'tokens' ? 'Tokens' : capital(levelWords[this.level].several)
    return `${nodes} of ${overview?.run.name ?? ''}, clustering ${overview?.clustering.number ?? ''}`
  }

  /** Moves where another pane asked to. */
  answerShown(): void {
    const { shown } = this.explore
    if (shown === null || this.stage === null || !this.isReady) return
    untrack(() => {
      this.goTo('token' in shown ? { kind: 'token', token: shown.token } : { kind: 'cluster', cluster: shown.cluster })
      this.explore.shown = null
    })
  }
}
