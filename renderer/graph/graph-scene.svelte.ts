import { untrack } from 'svelte'
import type { ClusterNumber } from '../../preload/contract'
import type { Colouring } from '../explore/colouring'
import { isGroup } from '../explore/groups'
import { type GraphTheme, type Rgb, mixed, plainColour } from './colours'
import type { GraphCamera } from './graph-camera.svelte'
import type { GraphColours } from './graph-colours.svelte'
import type { GraphData } from './graph-data.svelte'
import type { GraphNames } from './graph-names.svelte'
import type { GraphSelection, Role } from './graph-selection.svelte'
import { type Disc, type Highlight, type Line, discNumbersOf, lineNumbersOf } from './layers'
import { drawnEdges } from './neighbours'
import { joinedPoints } from './nodes'
import type { GraphLook } from './graph-look.svelte'
import { discShrink, leastRadius } from './places'

/** Edges between clusters that are drawn at most. */
const mostClusterEdges = 1500
/** Points that are outlined at most: the outlines of more would be all that is seen. */
const mostOutlined = 400
const none: ReadonlySet<number> = new Set()

type ClusterDisc = Disc & { readonly cluster: ClusterNumber }

const joined = (first: Float32Array, second: Float32Array): Float32Array => {
  const all = new Float32Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}

/**
 * What is drawn: points with their highlights, discs, lines and names; given to the stage as each of them changes.
 */
export class GraphScene {
  /** The kind of the legend that is picked out. */
  emphasised: number | null = $state(null)
  readonly #data: GraphData
  readonly #camera: GraphCamera
  readonly #selection: GraphSelection
  readonly #colours: GraphColours
  readonly #names: GraphNames
  readonly #look: GraphLook

  constructor(
    data: GraphData,
    camera: GraphCamera,
    selection: GraphSelection,
    colours: GraphColours,
    names: GraphNames,
    look: GraphLook
  ) {
    this.#data = data
    this.#camera = camera
    this.#selection = selection
    this.#colours = colours
    this.#names = names
    this.#look = look
    $effect(() => this.#forgetEmphasis(data.explore.colouring))
    $effect(() => this.#drawPoints())
    $effect(() => this.#drawHighlights())
    $effect(() => this.#drawDiscs())
    $effect(() => this.#drawLines())
    $effect(() => this.#drawNames())
  }

  /** A kind is picked out only in the legend of one colouring. */
  #forgetEmphasis(_: Colouring): void {
    untrack(() => (this.emphasised = null))
  }

  get theme(): GraphTheme | null {
    return this.#colours.theme
  }

  readonly #emphasisedPoints: Uint32Array | null = $derived.by(() => {
    const { placed } = this.#data
    const { emphasised } = this
    const kinds = this.#colours.kinds
    if (placed === null || emphasised === null || kinds === null) return null
    const byCluster = kinds.of === 'clusters'
    const found: number[] = []
    for (let point = 0; point < placed.count; point++)
      if (kinds.kinds[byCluster ? placed.clusterOf[point] + 1 : placed.tokenOf(point)] === emphasised) found.push(point)
    return Uint32Array.from(found)
  })

  readonly highlights: readonly Highlight[] = $derived.by(() => {
    const { placed } = this.#data
    const { theme } = this.#colours
    const { roles } = this.#selection
    if (placed === null || theme === null) return []
    const { tokens } = this.#data.explore
    const groups: Highlight[] = []
    const add = (points: Uint32Array, outline: Rgb | null, growth: number): void => {
      if (points.length === 0) return
      const isPlain = outline === null || points.length > mostOutlined || placed.isLarge(points)
      groups.push({ points, outline: isPlain ? null : outline, growth: isPlain ? 1 : growth })
    }
    if (this.#emphasisedPoints !== null) add(this.#emphasisedPoints, null, 1)
    const addMembers = (role: Role, outline: Rgb, growth: number): void => {
      const own = [...roles].filter(([, other]) => other === role).map(([cluster]) => cluster)
      // What is in no cluster is no group to be outlined.
      add(joinedPoints(own.filter((cluster) => cluster < 0).map((cluster) => this.#data.pointsIn(cluster))), null, 1)
      add(
        joinedPoints(own.filter((cluster) => cluster >= 0).map((cluster) => this.#data.pointsIn(cluster))),
        outline,
        growth
      )
    }
    if (!this.#selection.ego || tokens.length === 0) {
      addMembers('similar', theme.warn, 1.2)
      addMembers('selected', theme.soft, 1.2)
      addMembers('current', theme.text, 1.25)
    }
    if (this.#selection.neighbours !== null) add(placed.pointsOf(this.#selection.neighbours), theme.warn, 1.5)
    add(placed.pointsOf(tokens), theme.accent, tokens.length > 2000 ? 1.1 : tokens.length > 100 ? 1.4 : 1.8)
    return groups
  })

  /** Clusters that are picked out in their mode; null where none is, so that none is dimmed. */
  readonly #chosenClusters: ReadonlySet<number> | null = $derived.by(() => {
    const { emphasised } = this
    const { neighbours } = this.#selection
    const { mode } = this.#data
    const kinds = this.#colours.kinds
    const chosen = new Set<number>(this.#selection.nodeRoles.keys())
    if (mode === 'clusters' && neighbours !== null) for (const cluster of neighbours) chosen.add(cluster)
    if (emphasised !== null && kinds !== null) {
      const subsets = this.#data.explore.overview?.subsets ?? []
      for (const { cluster, subset } of this.#data.explore.overview?.clusters ?? []) {
        if ((kinds.of === 'clusters' ? kinds.kinds[cluster + 1] : subsets.indexOf(subset)) === emphasised)
          chosen.add(cluster)
      }
    }
    return chosen.size === 0 ? null : chosen
  })

  readonly #dims: boolean = $derived(this.#chosenClusters !== null)

  #discOf(cluster: ClusterNumber, role: Role | undefined, isNear: boolean, dimmed: boolean): ClusterDisc {
    const { clusters } = this.#data
    const { theme } = this.#colours
    if (clusters === null || theme === null) throw new Error('the cluster graph is not loaded yet')
    const outlines: Readonly<Record<Role, Rgb>> = { current: theme.text, selected: theme.soft, similar: theme.warn }
    const entry = this.#data.explore.entries.get(cluster)
    const hollow = entry === undefined || !isGroup(entry)
    const place = clusters.placeOf(cluster) ?? { x: 0.5, y: 0.5 }
    const colour = this.#colours.colourOf(cluster)
    return {
      cluster,
      ...place,
      radius: clusters.radiusOf(cluster),
      fill: hollow ? theme.surface : dimmed ? mixed(colour, theme.surface, 0.55) : colour,
      opacity: hollow ? 0.85 : 1,
      outline:
        role === undefined ? (isNear ? theme.warn : hollow ? plainColour(theme) : theme.surface) : outlines[role],
      width: role === 'current' ? 3 : role !== undefined || isNear ? 2.5 : hollow ? 2 : 0.8,
      hollow: hollow && role === undefined
    }
  }

  /**
   * All discs as they are where none of them is picked out: made once for many selections, as there may be ten
   * thousand.
   */
  readonly #plainDiscs: readonly ClusterDisc[] = $derived.by(() => {
    const { clusters } = this.#data
    const { theme } = this.#colours
    if (clusters === null || theme === null) return []
    const dims = this.#dims
    return Array.from(clusters.clusters, (cluster) => this.#discOf(cluster, undefined, false, dims)).sort(
      (a, b) => b.radius - a.radius
    )
  })
  readonly #plainDiscNumbers: Float32Array = $derived(discNumbersOf(this.#plainDiscs))

  /** Those that are picked out once more, to be drawn over the others; what is selected last. */
  readonly #pickedDiscs: readonly ClusterDisc[] = $derived.by(() => {
    const { clusters } = this.#data
    const { theme } = this.#colours
    const { nodeRoles: roles, neighbours } = this.#selection
    const chosen = this.#chosenClusters
    if (clusters === null || theme === null || chosen === null) return []
    const near = neighbours === null || this.#data.mode !== 'clusters' ? none : new Set(neighbours)
    const discs = Array.from(chosen)
      .filter((cluster) => clusters.placeOf(cluster) !== undefined)
      .map((cluster) => this.#discOf(cluster, roles.get(cluster), near.has(cluster), false))
    const rank = ({ cluster }: ClusterDisc): number => (roles.has(cluster) ? 1 : 0)
    return discs.sort((a, b) => rank(a) - rank(b) || b.radius - a.radius)
  })

  /** In the order in which they are drawn. */
  readonly discs: readonly ClusterDisc[] = $derived([...this.#plainDiscs, ...this.#pickedDiscs])

  readonly lines: readonly Line[] = $derived.by(() => {
    const { theme } = this.#colours
    const { mode, clusters, placed } = this.#data
    const tokenEdges = this.#selection.currentEdges
    if (theme === null) return []
    if (mode === 'tokens') {
      if (placed === null || tokenEdges === null) return []
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
    if (clusters === null || !this.#selection.showsEdges) return []
    const { edges, heaviest, order } = clusters
    const chosen = new Set(this.#selection.nodeRoles.keys())
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

  // Each of these is an effect of its own, so that a change sends only what it changed.

  #drawPoints(): void {
    const { stage } = this.#camera
    const { placed, mode } = this.#data
    const { theme } = this.#colours
    const { points } = this.#colours
    if (stage === null || theme === null) return
    stage.points.ground = theme.surface
    stage.names.inks = { text: theme.text, soft: theme.soft, halo: theme.surface }
    if (mode !== 'tokens' || placed === null) stage.points.places = new Float32Array(0)
    else if (points !== null) {
      stage.points.places = placed.places
      stage.points.colours = points
      stage.points.opacity = this.#look.opacityOf(placed.count)
      const diameter = this.#look.diameterOf(placed.count)
      stage.points.sizeAt = (ratio) => diameter(ratio / this.#camera.fittedRatio, stage.size.width * stage.size.height)
    }
    stage.draw()
  }

  #drawHighlights(): void {
    const { stage } = this.#camera
    const { highlights } = this
    const { mode } = this.#data
    if (stage === null) return
    stage.points.highlights = mode === 'tokens' ? highlights : []
    stage.points.faded =
      mode !== 'tokens' || highlights.length === 0
        ? 0
        : this.#selection.ego || this.emphasised !== null
          ? 0.82
          : highlights.every(({ outline }) => outline === null)
            ? 0.58
            : 0.6
    stage.draw()
  }

  #drawDiscs(): void {
    const { stage } = this.#camera
    const { mode } = this.#data
    if (stage === null) return
    stage.discs.discs =
      mode === 'clusters' ? joined(this.#plainDiscNumbers, discNumbersOf(this.#pickedDiscs)) : new Float32Array(0)
    stage.discs.scaleAt = (ratio) => stage.scaleAt(ratio) * discShrink(ratio / this.#camera.fittedRatio)
    stage.discs.least = leastRadius
    stage.draw()
  }

  #drawLines(): void {
    const { stage } = this.#camera
    if (stage === null) return
    stage.lines.lines = lineNumbersOf(this.lines)
    stage.draw()
  }

  #drawNames(): void {
    const { stage } = this.#camera
    if (stage === null) return
    stage.names.names = this.#names.shown
    stage.draw()
  }
}
