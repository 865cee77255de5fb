import type { GraphCamera } from './graph-camera.svelte'
import type { GraphData, GraphNode } from './graph-data.svelte'
import type { GraphFollowing } from './graph-following.svelte'
import type { GraphScene } from './graph-scene.svelte'
import type { GraphSelection } from './graph-selection.svelte'
import { levelWords } from '../explore/groups'
import type { Point } from './names-layer'
import type { Ring } from './stage'

/** What is under the pointer or in the lasso, and what a click on it selects. */
export class GraphPicking {
  lassoing = $state(false)
  /** Node under the pointer and where the pointer is. */
  pointed: { readonly node: GraphNode; readonly at: Point } | null = $state.raw(null)
  readonly #data: GraphData
  readonly #camera: GraphCamera
  readonly #selection: GraphSelection
  readonly #scene: GraphScene
  readonly #following: GraphFollowing

  constructor(
    data: GraphData,
    camera: GraphCamera,
    selection: GraphSelection,
    scene: GraphScene,
    following: GraphFollowing
  ) {
    this.#data = data
    this.#camera = camera
    this.#selection = selection
    this.#scene = scene
    this.#following = following
    $effect(() => this.#camera.stage?.ring(this.#rings))
    $effect(() => {
      if (this.#camera.stage !== null) this.#camera.stage.draggable = !this.lassoing
    })
  }

  /** The node at a point of the view. */
  nodeAt(at: Point): GraphNode | null {
    const { stage } = this.#camera
    const { placed, mode } = this.#data
    if (stage === null) return null
    const place = stage.toPlane(at)
    if (mode === 'tokens') {
      const reach = (stage.points.sizeAt(stage.view.ratio) / 2 + 5) / stage.scale
      const point = placed?.nearest(place.x, place.y, reach) ?? null
      return point === null || placed === null ? null : { kind: 'token', token: placed.tokenOf(point) }
    }
    // The topmost is the last one that was drawn.
    const disc = this.#scene.discs.findLast(
      (each) => Math.hypot(each.x - place.x, each.y - place.y) * stage.scale <= stage.radiusOf(each.radius) + 2
    )
    return disc === undefined ? null : { kind: 'cluster', cluster: disc.cluster }
  }

  point(at: Point | null): void {
    const node = at === null ? null : this.nodeAt(at)
    if (at === null || node === null) return this.pointAway()
    if (JSON.stringify(node) === JSON.stringify(this.pointed?.node ?? null)) return
    this.pointed = { node, at }
    this.#data.explore.hovered = node.kind === 'token' ? node.token : null
  }

  pointAway(): void {
    const { explore } = this.#data
    const node = this.pointed?.node
    if (node?.kind === 'token' && explore.hovered === node.token) explore.hovered = null
    if (node !== undefined) this.pointed = null
  }

  /** Rings around what is pointed at, here or in another pane. */
  readonly #rings: readonly Ring[] = $derived.by(() => {
    const { mode, placed, clusters, explore } = this.#data
    const { theme } = this.#scene
    const { hovered } = explore
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
              radius: Math.max(8, (this.#camera.stage?.points.sizeAt(this.#camera.view.ratio) ?? 0) / 2 + 4),
              colour: theme.accent
            }
          ]
    }
    const place = node === null || mode !== 'clusters' ? undefined : clusters?.placeOf(node.cluster)
    if (node === null || place === undefined) return []
    const radius = this.#camera.stage?.radiusOf(clusters?.radiusOf(node.cluster) ?? 0) ?? 4
    return [{ ...place, radius: radius + 4, colour: theme.accent }]
  })

  /** Makes a node the selected one, or adds it to those that are. */
  select(node: GraphNode, adding: boolean): void {
    const { explore } = this.#data
    const cluster = this.#data.clusterOf(node)
    if (node.kind === 'token') {
      const chosen = new Set(adding ? explore.tokens : [])
      if (!chosen.delete(node.token)) chosen.add(node.token)
      explore.tokens = Int32Array.from(chosen).sort()
    } else if (!adding) explore.tokens = new Int32Array(0)
    if (cluster === null || (node.kind === 'token' && adding && this.#selection.roles.has(cluster))) return
    this.#following.stay(cluster)
    if (adding) explore.toggle(cluster)
    else explore.open(cluster)
  }

  /** Selects what lies in a closed path of the view; returns in words what that was. */
  lasso(path: readonly number[], adding: boolean): string {
    const { stage } = this.#camera
    const { explore, placed, clusters, mode, level } = this.#data
    if (stage === null) return ''
    const inPlane: number[] = []
    for (let at = 0; at < path.length; at += 2) {
      const { x, y } = stage.toPlane({ x: path[at], y: path[at + 1] })
      inPlane.push(x, y)
    }
    if (mode === 'clusters') {
      const found = clusters?.inside(inPlane) ?? []
      explore.select(adding ? new Set([...explore.selected, ...found]) : found)
      const { one, several } = levelWords[level]
      return `${found.length} ${found.length === 1 ? one : several} selected.`
    }
    if (placed === null) return ''
    const found = placed.tokensOf(placed.inside(inPlane))
    explore.tokens = adding ? Int32Array.from(new Set([...explore.tokens, ...found])).sort() : found
    return `${found.length} ${found.length === 1 ? 'token' : 'tokens'} selected.`
  }
}
