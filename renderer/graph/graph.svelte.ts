import { untrack } from 'svelte'
import type { ClusterNumber, Job, LabelStatus } from '../../preload/contract'
import { labelStatuses } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { visible, visibleString } from '../ui/visible-text'
import { categoryColour, clusterColour, coloursByKind, coloursByValue, divergingColour, mixed, plainColour, readTheme, scaleOf, statusColour } from './colours'
import type { DivergingScale, GraphTheme, Rgb } from './colours'
import { shortened } from './label-placement'
import { Latest } from './latest'
import { discNumbersOf, lineNumbersOf } from './layers'
import type { Disc, Highlight, Line } from './layers'
import { countKinds, meansByCluster } from './legend'
import type { Legend } from './legend'
import { drawnEdges, neighboursOf } from './neighbours'
import type { Edges } from './neighbours'
import { PlacedClusters, PlacedTokens } from './nodes'
import { discRadius, discScale, extentOf, grown, innerExtentOf, leastRadius, pointSize } from './places'
import type { Extent, View } from './places'
import type { Name, PlacedName, Point, Ring, Stage } from './stage'
import type { Drawing } from './svg'

export type GraphMode = 'tokens' | 'clusters'
export type GraphNode = { readonly kind: 'token'; readonly token: number } | { readonly kind: 'cluster'; readonly cluster: ClusterNumber }

/** Tokens whose edges are asked for at most, and edges that are drawn at most. */
const mostEdgeTokens = 20_000
const mostEdges = 6000
const mostClusterEdges = 1500
/** Tokens in view up to which their texts are shown. */
const mostTokenNames = 140
const nameLength = 28
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
  clusters: PlacedClusters | null = $state.raw(null)
  job: Job | null = $state.raw(null)
  /** Why a mode shows nothing. */
  failures: Readonly<Record<GraphMode, string | null>> = $state.raw({ tokens: null, clusters: null })

  membership: Int32Array | null = $state.raw(null)
  #subsets: Int32Array | null = $state.raw(null)
  #column: { readonly component: string; readonly values: Float32Array; readonly scale: DivergingScale; readonly means: Float32Array } | null = $state.raw(null)

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
  #tokenNames: readonly Name[] = $state.raw([])
  /** The clusters that are selected, a little later than the list and the gallery show them. */
  #selection: Selection = $state.raw({ current: null, selected: [], similar: null })

  readonly #ended = new Map<string, Job>()
  readonly #edgeWork: Latest
  readonly #nameWork: Latest
  readonly #columnWork: Latest
  #restTimer = 0
  #edgeTimer = 0
  readonly #fitted: Record<GraphMode, boolean> = { tokens: false, clusters: false }

  constructor(explore: Explore) {
    this.explore = explore
    this.#edgeWork = new Latest(explore.workbench.fail)
    this.#nameWork = new Latest(explore.workbench.fail)
    this.#columnWork = new Latest((error) => {
      explore.colouring = { by: 'cluster' }
      explore.workbench.fail(error)
    })
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
      for (const work of [this.#edgeWork, this.#nameWork, this.#columnWork]) work.end()
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
    else this.#fail('tokens', state === 'cancelled' ? 'The layout of the tokens was cancelled.' : (error ?? 'The layout of the tokens failed.'))
  }

  #fail(mode: GraphMode, error: unknown): void {
    const words = error instanceof Error ? error.message : typeof error === 'string' ? error : null
    this.failures = { ...this.failures, [mode]: words }
  }

  async loadTokens(again = false): Promise<void> {
    this.#fail('tokens', null)
    try {
      const { where } = this.explore
      const [layout, membership] = await Promise.all([this.client.call('graph.tokens', { ...where, again }), this.membership ?? this.client.call('tokens.membership', where)])
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
      this.clusters = new PlacedClusters(await this.client.call('graph.clusters', this.explore.where))
    } catch (error) {
      this.#fail('clusters', error)
    }
  }

  /** Reads what the mode shows, where it has not been read. */
  load(mode: GraphMode): void {
    if (mode === 'tokens' && this.placed === null && this.job === null) void this.loadTokens()
    if (mode === 'clusters' && this.clusters === null) void this.loadClusters()
  }

  /** Lays the tokens out anew. */
  computeAgain(): void {
    this.placed = null
    void this.loadTokens(true)
  }

  async cancel(): Promise<void> {
    if (this.job !== null) await this.client.call('jobs.cancel', { job: this.job.id })
  }

  get isReady(): boolean {
    return this.mode === 'tokens' ? this.placed !== null : this.clusters !== null
  }

  // ── Colours ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads what the colouring needs, where it has not been read. */
  readForColouring(): void {
    const { colouring, where, run } = this.explore
    const membership = async (): Promise<Int32Array> => (this.membership ??= await this.client.call('tokens.membership', where))
    if (colouring.by === 'subset' && this.#subsets === null) this.#columnWork.ask(() => this.client.call('tokens.subsets', where), (subsets) => (this.#subsets = subsets))
    if (colouring.by !== 'component' || this.#column?.component === colouring.component) return
    const { component } = colouring
    this.#columnWork.ask(
      async () => ({ values: await this.client.call('tokens.column', { run, component }), membership: await membership() }),
      ({ values, membership }) => (this.#column = { component, values, scale: scaleOf(values), means: meansByCluster(values, membership, this.#mostCluster) })
    )
  }

  readonly #mostCluster: number = $derived.by(() => (this.explore.overview?.clusters ?? []).reduce((most, { cluster }) => Math.max(most, cluster), -1))

  /** A colour for every cluster, at cluster + 1, where the colouring goes by cluster or by what is said of it. */
  readonly #byCluster: readonly Rgb[] = $derived.by(() => {
    const { theme, explore } = this
    if (theme === null) return []
    const clusters = Array.from({ length: this.#mostCluster + 2 }, (_, at) => at - 1)
    if (explore.colouring.by === 'status') return clusters.map((cluster) => statusColour(theme, explore.statusOf(cluster)))
    return clusters.map((cluster) => clusterColour(theme, cluster))
  })

  /** Colours of all points, RGBA; null while what they need is read. */
  readonly pointColours: Uint8Array | null = $derived.by(() => {
    const { theme, placed } = this
    const { colouring, overview } = this.explore
    if (theme === null || placed === null || overview === null) return null
    if (colouring.by === 'component') {
      const column = this.#column
      return column?.component === colouring.component ? coloursByValue(theme, column.values, placed.tokens, column.scale) : null
    }
    if (colouring.by === 'subset') {
      if (this.#subsets === null) return null
      return coloursByKind(this.#subsets, placed.tokens, [plainColour(theme), ...overview.subsets.map((_, index) => categoryColour(theme, index))])
    }
    return coloursByKind(placed.clusterOf, null, this.#byCluster)
  })

  colourOf(cluster: ClusterNumber): Rgb {
    const { theme, explore } = this
    if (theme === null) return [128, 128, 128]
    const { colouring } = explore
    if (colouring.by === 'subset') {
      const index = explore.overview?.subsets.indexOf(explore.entries.get(cluster)?.subset ?? '') ?? -1
      return index < 0 ? plainColour(theme) : categoryColour(theme, index)
    }
    if (colouring.by === 'component') {
      const mean = this.#column?.means[cluster + 1] ?? NaN
      return this.#column === null || Number.isNaN(mean) ? plainColour(theme) : divergingColour(theme, mean / this.#column.scale.limit)
    }
    return this.#byCluster[cluster + 1] ?? plainColour(theme)
  }

  /** Kinds of the legend by token, or by cluster where a colouring goes by that. */
  readonly #kinds: { readonly kinds: Int32Array; readonly counts: Int32Array } | null = $derived.by(() => {
    const { colouring, overview } = this.explore
    if (overview === null) return null
    if (colouring.by === 'subset' && this.#subsets !== null) return { kinds: this.#subsets, counts: countKinds(this.#subsets, overview.subsets.length) }
    if (colouring.by === 'status') {
      const kinds = Int32Array.from({ length: this.#mostCluster + 2 }, (_, at) => labelStatuses.indexOf(this.explore.statusOf(at - 1)))
      return { kinds, counts: countKinds(overview.clusters.filter(({ kind }) => kind === 'cluster').map(({ cluster }) => kinds[cluster + 1]), labelStatuses.length) }
    }
    return null
  })

  readonly legend: Legend | null = $derived.by(() => {
    const { theme, explore } = this
    const { overview, colouring } = explore
    if (theme === null || overview === null) return null
    if (colouring.by === 'component') {
      if (this.#column?.component !== colouring.component) return null
      const title = this.mode === 'tokens' ? `χ of ${colouring.component}` : `mean χ of ${colouring.component}`
      return { form: 'scale', title, scale: this.#column.scale, colours: Array.from({ length: 25 }, (_, step) => divergingColour(theme, step / 12 - 1)) }
    }
    if (colouring.by === 'subset') {
      const ofTokens = this.mode === 'tokens'
      const counts = ofTokens ? this.#kinds?.counts : countKinds(overview.clusters.map(({ subset }) => overview.subsets.indexOf(subset)), overview.subsets.length)
      const kinds = overview.subsets.map((text, key) => ({ key, text: text === '' ? 'no subset' : text, colour: categoryColour(theme, key), count: counts?.[key + 1] ?? 0 }))
      return { form: 'kinds', title: ofTokens ? 'Subset (tokens)' : 'Main subset (clusters)', kinds: kinds.sort((a, b) => b.count - a.count) }
    }
    if (colouring.by === 'status') {
      const words: Readonly<Record<LabelStatus, string>> = { unseen: 'unseen', skipped: 'skipped', unsure: 'unsure', labelled: 'labelled' }
      const counts = this.#kinds?.counts
      return { form: 'kinds', title: 'Label status (clusters)', kinds: labelStatuses.map((status, key) => ({ key, text: words[status], colour: statusColour(theme, status), count: counts?.[key + 1] ?? 0 })) }
    }
    const leftover = overview.clusters.find(({ kind }) => kind !== 'cluster')
    return {
      form: 'clusters',
      clusters: [...this.roles].slice(0, 8).map(([cluster, role]) => ({ cluster, role, text: explore.nameOf(cluster), colour: clusterColour(theme, cluster) })),
      plain: leftover === undefined ? null : { text: leftover.kind, colour: plainColour(theme) }
    }
  })

  // ── What is picked out ─────────────────────────────────────────────────────────────────────────────────────────

  readonly roles: ReadonlyMap<ClusterNumber, Role> = $derived.by(() => {
    const { current, selected, similar } = this.#selection
    const roles = new Map<ClusterNumber, Role>()
    if (current !== null) roles.set(current, 'current')
    for (const cluster of selected) if (cluster !== current) roles.set(cluster, 'selected')
    if (similar !== null && !roles.has(similar)) roles.set(similar, 'similar')
    return roles
  })

  /** Tokens whose edges are shown: those selected, or those of the current cluster. */
  readonly edgeCentres: Int32Array = $derived.by(() => {
    const { placed } = this
    const { tokens } = this.explore
    const { current } = this.#selection
    if (placed === null || this.mode !== 'tokens') return new Int32Array(0)
    if (tokens.length > 0) return tokens.slice(0, mostEdgeTokens)
    if (!this.ego && !this.showsEdges) return new Int32Array(0)
    return current === null || current < 0 ? new Int32Array(0) : placed.tokensOf(placed.members(current).subarray(0, mostEdgeTokens))
  })

  readEdges(): void {
    const centres = this.edgeCentres
    window.clearTimeout(this.#edgeTimer)
    if (centres.length === 0 || !(this.showsEdges || this.ego)) {
      this.#edgeWork.ask(async () => null, () => (this.tokenEdges = null))
      return
    }
    const { where } = this.explore
    const ask = (): void => this.#edgeWork.ask(() => this.client.call('tokens.edges', { ...where, tokens: centres, most: mostEdges }), (edges) => (this.tokenEdges = { ...edges, of: centres }))
    // Whoever goes along the list quickly waits for each gallery, and for no edges.
    this.#edgeTimer = window.setTimeout(ask, restMilliseconds)
  }

  /** Neighbours of the tokens or clusters that are selected; null where nothing asks for them. */
  readonly neighbours: Int32Array | null = $derived.by(() => {
    if (!this.ego) return null
    if (this.mode === 'tokens') return this.tokenEdges === null || this.tokenEdges.of !== this.edgeCentres ? null : neighboursOf(this.tokenEdges, new Set(this.edgeCentres))
    return this.clusters === null || this.roles.size === 0 ? null : neighboursOf(this.clusters.edges, new Set(this.roles.keys()))
  })

  readonly #emphasisedPoints: Uint32Array | null = $derived.by(() => {
    const { placed, emphasised } = this
    const kinds = this.#kinds
    if (placed === null || emphasised === null || kinds === null) return null
    const byCluster = this.explore.colouring.by === 'status'
    const found: number[] = []
    for (let point = 0; point < placed.count; point++) if (kinds.kinds[byCluster ? placed.clusterOf[point] + 1 : placed.tokenOf(point)] === emphasised) found.push(point)
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
    const membersOf = (role: Role): Uint32Array => {
      const all = [...roles].filter(([, other]) => other === role).map(([cluster]) => placed.members(cluster))
      const joined = new Uint32Array(all.reduce((sum, { length }) => sum + length, 0))
      let at = 0
      for (const members of all) {
        joined.set(members, at)
        at += members.length
      }
      return joined
    }
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
    const kinds = this.#kinds
    const chosen = new Set<number>(this.roles.keys())
    if (mode === 'clusters' && neighbours !== null) for (const cluster of neighbours) chosen.add(cluster)
    if (emphasised !== null && kinds !== null) {
      const subsets = this.explore.overview?.subsets ?? []
      for (const { cluster, subset } of this.explore.overview?.clusters ?? []) {
        if ((this.explore.colouring.by === 'status' ? kinds.kinds[cluster + 1] : subsets.indexOf(subset)) === emphasised) chosen.add(cluster)
      }
    }
    return chosen.size === 0 ? null : chosen
  })

  readonly #largest: number = $derived.by(() => (this.explore.overview?.clusters ?? []).reduce((most, { size, kind }) => (kind === 'cluster' ? Math.max(most, size) : most), 1))

  radiusOf(cluster: ClusterNumber): number {
    const entry = this.explore.entries.get(cluster)
    return entry === undefined ? 1 : discRadius(Math.min(entry.size, 3 * this.#largest), this.#largest)
  }

  readonly #dims: boolean = $derived(this.#chosenClusters !== null)

  #discOf(cluster: ClusterNumber, role: Role | undefined, isNear: boolean, dimmed: boolean): ClusterDisc {
    const { clusters, theme } = this
    if (clusters === null || theme === null) throw new Error('the graph of the clusters is not there yet')
    const outlines: Readonly<Record<Role, Rgb>> = { current: theme.text, selected: theme.soft, similar: theme.warn }
    const hollow = this.explore.entries.get(cluster)?.kind !== 'cluster'
    const place = clusters.placeOf(cluster) ?? { x: 0.5, y: 0.5 }
    const colour = this.colourOf(cluster)
    return {
      cluster, ...place, radius: this.radiusOf(cluster), fill: hollow ? theme.surface : dimmed ? mixed(colour, theme.surface, 0.66) : colour, opacity: hollow ? 0.85 : 1,
      outline: role === undefined ? (isNear ? theme.warn : hollow ? plainColour(theme) : theme.surface) : outlines[role],
      width: role === 'current' ? 3 : role !== undefined || isNear ? 2.5 : hollow ? 2 : 0.8, hollow: hollow && role === undefined
    }
  }

  /** All discs as they are where none of them is picked out: made once for many selections, as there may be ten thousand. */
  readonly #plainDiscs: readonly ClusterDisc[] = $derived.by(() => {
    const { clusters, theme } = this
    if (clusters === null || theme === null) return []
    const dims = this.#dims
    return Array.from(clusters.clusters, (cluster) => this.#discOf(cluster, undefined, false, dims)).sort((a, b) => b.radius - a.radius)
  })
  readonly #plainDiscNumbers: Float32Array = $derived(discNumbersOf(this.#plainDiscs))

  /** Those that are picked out once more, to be drawn over the others; what is selected last. */
  readonly #pickedDiscs: readonly ClusterDisc[] = $derived.by(() => {
    const { clusters, theme, roles, neighbours } = this
    const chosen = this.#chosenClusters
    if (clusters === null || theme === null || chosen === null) return []
    const near = neighbours === null || this.mode !== 'clusters' ? none : new Set(neighbours)
    const discs = Array.from(chosen).filter((cluster) => clusters.placeOf(cluster) !== undefined).map((cluster) => this.#discOf(cluster, roles.get(cluster), near.has(cluster), false))
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
          x1: placed.places[2 * from], y1: placed.places[2 * from + 1], x2: placed.places[2 * to], y2: placed.places[2 * to + 1], width: 0.8, colour: theme.soft, opacity
        })
      }
      return lines
    }
    if (clusters === null || !this.showsEdges) return []
    const { edges, heaviest, order } = clusters
    const chosen = new Set(this.roles.keys())
    const { others, own } = drawnEdges(edges, chosen, mostClusterEdges, order)
    const drawn = (indices: Uint32Array, colour: Rgb, opacity: number): Line[] =>
      [...indices].flatMap((edge) => {
        const [from, to] = [clusters.placeOf(edges.from[edge]), clusters.placeOf(edges.to[edge])]
        if (from === undefined || to === undefined) return []
        return [{ x1: from.x, y1: from.y, x2: to.x, y2: to.y, width: 0.4 + 3 * Math.sqrt(edges.weights[edge] / heaviest), colour, opacity }]
      })
    return [...drawn(others, theme.line, Math.min(0.55, Math.max(0.15, 10 / Math.sqrt(others.length))) * (this.#chosenClusters === null ? 1 : 0.75)), ...drawn(own, theme.accent, 0.75)]
  })

  // ── Names ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the graph calls a cluster: the name that a person gave, or its number with its most frequent token. */
  nameOf(cluster: ClusterNumber): { readonly text: string; readonly code: boolean } {
    const given = this.explore.givenNameOf(cluster)
    return given === '' ? this.#plainNameOf(cluster) : { text: shortened(visible(given).map((stretch) => stretch.text).join(''), nameLength), code: false }
  }

  #plainNameOf(cluster: ClusterNumber): { readonly text: string; readonly code: boolean } {
    const entry = this.explore.entries.get(cluster)
    if (entry === undefined) return { text: `Cluster ${cluster}`, code: false }
    if (entry.kind !== 'cluster') return { text: entry.kind === 'main body' ? 'Main body' : 'Unclustered', code: false }
    const [top] = entry.topTokens
    return top === undefined ? { text: String(cluster), code: true } : { text: `${cluster} ${shortened(visibleString(top.text), 14)}`, code: true }
  }

  /** Names of all clusters as nobody has said anything of them, the largest first: made once, as ten thousand of them would hold up every label. */
  readonly #plainNames: readonly { readonly cluster: ClusterNumber; readonly name: Name }[] = $derived.by(() => {
    const { mode, placed, clusters, explore } = this
    const { entries } = explore
    const bySize = <T extends { readonly cluster: ClusterNumber }>(all: readonly T[]): T[] => {
      const sizes = new Map(all.map(({ cluster }) => [cluster, entries.get(cluster)?.size ?? 0]))
      return [...all].sort((a, b) => (sizes.get(b.cluster) ?? 0) - (sizes.get(a.cluster) ?? 0))
    }
    if (mode === 'tokens') {
      const groups = bySize((placed?.groups ?? []).filter(({ cluster }) => cluster >= 0))
      return groups.map(({ cluster, x, y, spread }) => ({ cluster, name: { ...this.#plainNameOf(cluster), x, y, reach: spread, strong: false, radius: 0 } }))
    }
    if (clusters === null) return []
    const spacing = 0.6 / Math.sqrt(Math.max(1, clusters.count))
    return bySize(Array.from(clusters.clusters, (cluster) => ({ cluster }))).flatMap(({ cluster }) => {
      const place = clusters.placeOf(cluster)
      const radius = this.radiusOf(cluster)
      return place === undefined ? [] : [{ cluster, name: { ...this.#plainNameOf(cluster), ...place, reach: spacing * (0.5 + radius / 6), strong: false, radius } }]
    })
  })

  /** In the order in which they take their places: what is selected, then what a person named, then the largest. */
  readonly #clusterNames: readonly Name[] = $derived.by(() => {
    const { roles, explore } = this
    const [picked, given, plain]: Name[][] = [[], [], []]
    for (const { cluster, name } of this.#plainNames) {
      if (roles.has(cluster)) picked.push({ ...name, ...this.nameOf(cluster), strong: true })
      else if (explore.givenNameOf(cluster) !== '') given.push({ ...name, ...this.nameOf(cluster) })
      else plain.push(name)
    }
    return [...picked, ...given, ...plain]
  })

  readonly names: readonly Name[] = $derived(this.showsNames ? [...this.#clusterNames, ...(this.mode === 'tokens' ? this.#tokenNames : [])] : [])

  /** Shows the texts of the tokens in view where these are few. */
  nameTokens(): void {
    const { placed, rested } = this
    // From afar all are in view: not worth looking.
    const near = rested !== null && placed !== null && this.mode === 'tokens' && this.showsNames && (rested.right - rested.left) * (rested.top - rested.bottom) * placed.count < 30 * mostTokenNames
    const inView = near ? placed.index.range(rested.left, rested.bottom, rested.right, rested.top) : []
    if (placed === null || inView.length === 0 || inView.length > mostTokenNames) {
      this.#nameWork.ask(async () => null, () => (this.#tokenNames = []))
      return
    }
    this.#nameWork.ask(
      () => this.explore.contexts(Int32Array.from(inView, (point) => placed.tokenOf(point)), 0, 0),
      (contexts) =>
        (this.#tokenNames = contexts.map(({ text }, index) => ({
          text: shortened(visibleString(text), 16), code: true, x: placed.places[2 * inView[index]], y: placed.places[2 * inView[index] + 1], reach: Infinity, strong: false, radius: 'point' as const
        })))
    )
  }

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
    const { stage, placed, pointColours, theme, mode } = this
    if (stage === null || theme === null) return
    stage.points.ground = theme.surface
    stage.inks = { text: theme.text, soft: theme.soft, halo: theme.surface }
    if (mode !== 'tokens' || placed === null) stage.points.places = new Float32Array(0)
    else if (pointColours !== null) {
      stage.points.places = placed.places
      stage.points.colours = pointColours
      stage.points.sizeAt = (ratio) => pointSize(placed.count, ratio)
    }
    stage.draw()
  }

  drawHighlights(): void {
    const { stage, highlights, mode } = this
    if (stage === null) return
    stage.points.highlights = mode === 'tokens' ? highlights : []
    stage.points.faded = mode !== 'tokens' || highlights.length === 0 ? 0 : this.ego || this.emphasised !== null ? 0.8 : 0.5
    stage.draw()
  }

  drawDiscs(): void {
    const { stage, mode } = this
    if (stage === null) return
    stage.discs.discs = mode === 'clusters' ? joined(this.#plainDiscNumbers, discNumbersOf(this.#pickedDiscs)) : new Float32Array(0)
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
    stage.names = this.names
    stage.draw()
  }

  readonly rings: readonly Ring[] = $derived.by(() => {
    const { theme, mode, placed } = this
    const { hovered } = this.explore
    if (theme === null) return []
    const node: GraphNode | null = mode === 'tokens' && hovered !== null ? { kind: 'token', token: hovered } : (this.pointed?.node ?? null)
    if (node?.kind === 'token') {
      const point = placed?.pointOf(node.token)
      return mode !== 'tokens' || placed === null || point === undefined ? [] : [{ x: placed.places[2 * point], y: placed.places[2 * point + 1], radius: Math.max(8, pointSize(placed.count, this.camera.ratio) / 2 + 4), colour: theme.accent }]
    }
    const place = node === null || mode !== 'clusters' ? undefined : this.clusters?.placeOf(node.cluster)
    return node === null || place === undefined ? [] : [{ ...place, radius: (this.stage?.radiusOf(this.radiusOf(node.cluster)) ?? 4) + 4, colour: theme.accent }]
  })

  /** Shows all once, when a mode has something to show. */
  fitFirst(): void {
    const { stage, mode } = this
    if (stage === null || !this.isReady || this.#fitted[mode]) return
    this.#fitted[mode] = true
    this.fit(false)
  }

  fit(animated = true): void {
    const places = this.mode === 'tokens' ? this.placed?.places : this.clusters?.places
    if (places !== undefined && places.length > 0) this.stage?.show(extentOf(places), { animated })
  }

  /** Cameras of the modes are apart: each comes back to where it was. */
  readonly #views: Partial<Record<GraphMode, View>> = {}

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
      const place = this.clusters?.placeOf(node.cluster)
      if (this.mode === 'clusters' && place !== undefined) stage.go({ ...place, ratio: Math.min(stage.view.ratio, 0.4) })
      const members = placed?.members(node.cluster)
      if (this.mode === 'tokens' && placed !== null && members !== undefined && members.length > 0) stage.show(grown(innerExtentOf(placed.places, members), 2), { least: 0.03 })
      return
    }
    const point = placed?.pointOf(node.token)
    if (this.mode === 'clusters' && this.membership !== null) this.goTo({ kind: 'cluster', cluster: this.membership[node.token] })
    else if (placed !== null && point !== undefined) stage.go({ x: placed.places[2 * point], y: placed.places[2 * point + 1], ratio: Math.min(stage.view.ratio, 0.12) })
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
    const disc = this.discs.findLast((each) => Math.hypot(each.x - place.x, each.y - place.y) * stage.scale <= stage.radiusOf(each.radius) + 2)
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
      return `${found.length} ${found.length === 1 ? 'cluster' : 'clusters'} in the lasso.`
    }
    if (placed === null) return ''
    const found = placed.tokensOf(placed.inside(inPlane))
    explore.tokens = adding ? Int32Array.from(new Set([...explore.tokens, ...found])).sort() : found
    return `${found.length} ${found.length === 1 ? 'token' : 'tokens'} in the lasso.`
  }

  /** Clusters that the selected tokens are in, those with the most of them first. */
  readonly clustersOfTokens: readonly { readonly cluster: ClusterNumber; readonly count: number }[] = $derived.by(() => {
    const { membership } = this
    if (membership === null) return []
    const counts = new Map<ClusterNumber, number>()
    for (const token of this.explore.tokens) counts.set(membership[token], (counts.get(membership[token]) ?? 0) + 1)
    return [...counts].map(([cluster, count]) => ({ cluster, count })).sort((a, b) => b.count - a.count || a.cluster - b.cluster)
  })

  // ── Pictures ───────────────────────────────────────────────────────────────────────────────────────────────────

  get title(): string {
    const { overview } = this.explore
    return `${this.mode === 'tokens' ? 'Tokens' : 'Clusters'} of ${overview?.run.name ?? ''}, clustering ${overview?.clustering.number ?? ''}`
  }

  /** The nodes in view as shapes, with the names as they are placed. */
  drawing(): Drawing | null {
    const { stage, theme, placed } = this
    if (stage === null || theme === null) return null
    const { width, height } = stage.size
    const { legend } = this
    const nodes: Drawing['nodes'][number][] = []
    const seen = ({ x, y }: Point, margin: number): boolean => x > -margin && x < width + margin && y > -margin && y < height + margin
    if (this.mode === 'clusters') {
      for (const disc of this.discs) {
        const at = stage.toView(disc)
        const radius = stage.radiusOf(disc.radius)
        if (seen(at, radius)) nodes.push({ ...at, radius, colour: disc.fill, outline: disc.outline, hollow: disc.hollow })
      }
    } else if (placed !== null) {
      const { colours, faded, highlights } = stage.points
      const radius = stage.points.sizeAt(stage.view.ratio) / 2
      const add = (point: number, size: number, share: number, outline?: Rgb): void => {
        const at = stage.toView({ x: placed.places[2 * point], y: placed.places[2 * point + 1] })
        if (!seen(at, size)) return
        const own: Rgb = [colours[4 * point], colours[4 * point + 1], colours[4 * point + 2]]
        const colour = [0, 1, 2].map((part) => own[part] + share * (theme.surface[part] - own[part])) as unknown as Rgb
        nodes.push({ ...at, radius: size, colour, ...(outline === undefined ? {} : { outline }) })
      }
      for (let point = 0; point < placed.count; point++) add(point, faded > 0 ? 0.8 * radius : radius, faded)
      for (const { points, growth, outline } of highlights) for (const point of points) add(point, growth * radius, 0, outline)
    }
    const lines = this.lines.flatMap(({ x1, y1, x2, y2, ...line }) => {
      const [first, last] = [stage.toView({ x: x1, y: y1 }), stage.toView({ x: x2, y: y2 })]
      const outside = Math.max(first.x, last.x) < 0 || Math.min(first.x, last.x) > width || Math.max(first.y, last.y) < 0 || Math.min(first.y, last.y) > height
      return outside ? [] : [{ x1: first.x, y1: first.y, x2: last.x, y2: last.y, ...line }]
    })
    return {
      width, height, title: this.title, ground: theme.surface, lines, nodes,
      labels: stage.placed.map(({ at, text, code, strong }: PlacedName) => ({ ...at, text, code, strong, size: 11.5, colour: theme.text })),
      legend: legend?.form === 'kinds' ? legend.kinds.map(({ colour, text }) => ({ colour, text })) : legend?.form === 'clusters' ? legend.clusters.map(({ colour, text }) => ({ colour, text })) : []
    }
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
