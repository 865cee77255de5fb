import type { ClusterNumber } from '../../preload/contract'
import { visible, visibleString } from '../ui/visible-text'
import type { GraphCamera } from './graph-camera.svelte'
import type { GraphColours } from './graph-colours.svelte'
import type { GraphData } from './graph-data.svelte'
import type { GraphSelection } from './graph-selection.svelte'
import { shortened } from './label-placement'
import { Latest } from '../ui/latest'
import { groupsAt } from './levels'
import type { Name, Point } from './names-layer'
import { groupsOf } from './places'
import type { Extent } from './places'

/** Tokens in view up to which their texts are shown. */
const mostTokenNames = 140
const nameLength = 28

/** Names that stand in the graph: of groups, and of tokens where these are few. */
export class GraphNames {
  /** Whether names are shown. */
  shows = $state(true)
  readonly #data: GraphData
  readonly #camera: GraphCamera
  readonly #selection: GraphSelection
  readonly #colours: GraphColours
  #tokenNames: readonly Name[] = $state.raw([])
  readonly #nameWork: Latest

  constructor(data: GraphData, camera: GraphCamera, selection: GraphSelection, colours: GraphColours) {
    this.#data = data
    this.#camera = camera
    this.#selection = selection
    this.#colours = colours
    this.#nameWork = new Latest(data.explore.workbench.fail)
    $effect(() => this.#nameTokens())
    $effect(() => () => this.#nameWork.forget())
  }

  /** What the graph calls a cluster: the name that a person gave, or its number with its most frequent token. */
  nameOf(cluster: ClusterNumber): { readonly text: string; readonly code: boolean } {
    const given = this.#data.explore.givenNameOf(cluster)
    if (given === '') return this.#plainNameOf(cluster)
    return {
      text: shortened(
        visible(given)
          .map((stretch) => stretch.text)
          .join(''),
        nameLength
      ),
      code: false
    }
  }

  #plainNameOf(cluster: ClusterNumber): { readonly text: string; readonly code: boolean } {
    const { explore } = this.#data
    const entry = explore.entries.get(cluster)
    if (entry === undefined) return { text: `Cluster ${cluster}`, code: false }
    if (entry.kind !== 'cluster') return { text: explore.plainNameOf(cluster), code: false }
    const [top] = entry.topTokens
    const text = top === undefined ? '' : ` ${shortened(visibleString(top.text), 14)}`
    return { text: `${cluster}${text}`, code: true }
  }

  /**
   * Names of all clusters as nobody has said anything of them, the largest first: made once, as ten thousand of them
   * would hold up every label.
   */
  readonly #plainNames: readonly { readonly cluster: ClusterNumber; readonly name: Name }[] = $derived.by(() => {
    const { mode, placed, clusters, explore } = this.#data
    const { entries } = explore
    const bySize = <T extends { readonly cluster: ClusterNumber }>(all: readonly T[]): T[] => {
      const sizes = new Map(all.map(({ cluster }) => [cluster, entries.get(cluster)?.size ?? 0]))
      return [...all].sort((a, b) => (sizes.get(b.cluster) ?? 0) - (sizes.get(a.cluster) ?? 0))
    }
    if (mode === 'tokens') {
      const groups = bySize((placed?.groups ?? []).filter(({ cluster }) => cluster >= 0))
      return groups.map(({ cluster, x, y, spread }) => ({
        cluster,
        name: { ...this.#plainNameOf(cluster), x, y, reach: spread, strong: false, radius: 0 }
      }))
    }
    if (clusters === null) return []
    return bySize(Array.from(clusters.clusters, (cluster) => ({ cluster }))).flatMap(({ cluster }) => {
      const place = clusters.placeOf(cluster)
      const radius = clusters.radiusOf(cluster)
      if (place === undefined) return []
      return [{ cluster, name: { ...this.#plainNameOf(cluster), ...place, reach: 2 * radius, strong: false, radius } }]
    })
  })

  /** Names of the coarsest groups, on what they hold: as those of countries on a map. */
  readonly #largeNames: readonly Name[] = $derived.by(() => {
    const { mode, explore } = this.#data
    const { roles } = this.#selection
    const [level] = explore.groups.levels
    if (!explore.groups.isTree || (mode === 'clusters' && level === this.#data.level)) return []
    const places = mode === 'tokens' ? this.#largePlaces : this.#largeNodePlaces
    return places.map(({ cluster, ...place }) => ({
      ...this.nameOf(cluster),
      ...place,
      reach: Infinity,
      strong: roles.has(cluster) || explore.givenNameOf(cluster) !== '',
      large: true,
      radius: 0
    }))
  })

  readonly #largePlaces: readonly (Point & { readonly cluster: ClusterNumber })[] = $derived.by(() => {
    const { placed, explore } = this.#data
    const [level] = explore.groups.levels
    if (placed === null || !explore.groups.isTree) return []
    const table = groupsAt(explore.groups, level, this.#colours.mostCluster)
    const groups = groupsOf(
      placed.places,
      placed.clusterOf.map((cluster) => table[cluster + 1])
    )
    return groups
      .filter(({ cluster }) => cluster >= 0)
      .sort((a, b) => b.size - a.size)
      .map(({ cluster, x, y }) => ({ cluster, x, y }))
  })

  readonly #largeNodePlaces: readonly (Point & { readonly cluster: ClusterNumber })[] = $derived.by(() => {
    const { clusters, explore, level } = this.#data
    const [top] = explore.groups.levels
    if (clusters === null || !explore.groups.isTree) return []
    return (explore.overview?.clusters ?? [])
      .filter(({ kind }) => kind === top)
      .sort((a, b) => b.size - a.size)
      .flatMap(({ cluster }) => {
        const places = explore.groups
          .standIns(cluster, level)
          .map((node) => clusters.placeOf(node))
          .filter((place) => place !== undefined)
        if (places.length === 0) return []
        const mean = (of: (place: Point) => number): number =>
          places.reduce((sum, place) => sum + of(place), 0) / places.length
        return [{ cluster, x: mean(({ x }) => x), y: mean(({ y }) => y) }]
      })
  })

  /** In order, as they take their places: what is selected, the coarsest groups, what has a name, the largest. */
  readonly #clusterNames: readonly Name[] = $derived.by(() => {
    const { explore, mode } = this.#data
    const roles = mode === 'tokens' ? this.#selection.roles : this.#selection.nodeRoles
    const [picked, given, plain]: Name[][] = [[], [], []]
    for (const { cluster, name } of this.#plainNames) {
      if (roles.has(cluster)) picked.push({ ...name, ...this.nameOf(cluster), strong: true })
      else if (explore.givenNameOf(cluster) !== '') given.push({ ...name, ...this.nameOf(cluster) })
      else plain.push(name)
    }
    return [...picked, ...this.#largeNames, ...given, ...plain]
  })

  /** In the order in which they take their places. */
  readonly shown: readonly Name[] = $derived.by(() => {
    const { mode } = this.#data
    if (!this.shows) return []
    return mode === 'tokens' ? [...this.#clusterNames, ...this.#tokenNames] : this.#clusterNames
  })

  /** Shows the texts of the tokens in view where these are few. */
  #nameTokens(): void {
    const { placed, mode, explore } = this.#data
    const { rested } = this.#camera
    // From afar all are in view: not worth looking.
    const isNear = (count: number, { left, right, top, bottom }: Extent): boolean =>
      (right - left) * (top - bottom) * count < 30 * mostTokenNames
    const wanted = rested !== null && placed !== null && mode === 'tokens' && this.shows
    const inView =
      wanted && isNear(placed.count, rested)
        ? placed.index.range(rested.left, rested.bottom, rested.right, rested.top)
        : []
    if (placed === null || inView.length === 0 || inView.length > mostTokenNames) {
      this.#nameWork.ask(
        async () => null,
        () => (this.#tokenNames = [])
      )
      return
    }
    this.#nameWork.ask(
      () =>
        explore.contexts(
          Int32Array.from(inView, (point) => placed.tokenOf(point)),
          0,
          0
        ),
      (contexts) =>
        (this.#tokenNames = contexts.map(({ text }, index) => ({
          text: shortened(visibleString(text), 16),
          code: true,
          x: placed.places[2 * inView[index]],
          y: placed.places[2 * inView[index] + 1],
          reach: Infinity,
          strong: false,
          radius: 'point' as const
        })))
    )
  }
}
