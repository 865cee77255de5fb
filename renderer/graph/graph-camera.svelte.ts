import { untrack } from 'svelte'
import type { ClusterNumber } from '../../preload/contract'
import type { GraphData, GraphMode, GraphNode } from './graph-data.svelte'
import { restMilliseconds } from '../ui/latest'
import type { Box } from './fitting'
import { type Extent, type View, extentOf, grown, innerExtentOf } from './places'
import type { Stage } from './stage'

const isWithin = (
  { left, bottom, right, top }: Extent,
  { x, y }: { readonly x: number; readonly y: number },
  margin: number
): boolean => {
  const [wide, high] = [margin * (right - left), margin * (top - bottom)]
  return x > left + wide && x < right - wide && y > bottom + high && y < top - high
}

/** Where the graph is looked at, and the stage that it is drawn on. */
export class GraphCamera {
  stage: Stage | null = $state.raw(null)
  /** 'missing': this machine cannot draw; 'lost': the device was taken away too often. */
  graphics: 'starting' | 'there' | 'lost' | 'missing' = $state('starting')
  /** Where the camera looks; follows it. */
  view: View = $state.raw({ x: 0.5, y: 0.5, ratio: 1 })
  /** The part of the plane in view, once the camera has come to rest. */
  rested: Extent | null = $state.raw(null)
  readonly #data: GraphData
  /** What was shown whole: the tokens as they were placed, and whether the clusters were. */
  readonly #fitted: { tokens: unknown; clusters: boolean } = { tokens: null, clusters: false }
  /** Cameras of the modes are apart: each comes back to where it was. */
  readonly #views: Partial<Record<GraphMode, View | undefined>> = {}
  /** The views that show all. */
  #fits: Partial<Record<GraphMode, View>> = $state.raw({})
  #size = ''
  #restTimer = 0

  constructor(data: GraphData) {
    this.#data = data
    $effect(() => this.#fitFirst())
    $effect(() => this.#goWhereAsked())
    $effect(() => () => window.clearTimeout(this.#restTimer))
  }

  /** How much of the plane is shown where all is. */
  get fittedRatio(): number {
    return this.#fits[this.#data.mode]?.ratio ?? 1
  }

  /** Whether only a part of what there is is in view. */
  get isNear(): boolean {
    return this.view.ratio < 0.75 * this.fittedRatio
  }

  /** Called after every frame. */
  readonly moved = (): void => {
    const { stage } = this
    if (stage === null) return
    const { x, y, ratio } = stage.view
    const { view } = this
    const { width, height } = stage.size
    if (view.x === x && view.y === y && view.ratio === ratio && this.#size === `${width} ${height}`) return
    const resized = this.#size !== `${width} ${height}`
    this.#size = `${width} ${height}`
    this.view = { x, y, ratio }
    if (resized) this.#fitAgain()
    window.clearTimeout(this.#restTimer)
    this.#restTimer = window.setTimeout(() => (this.rested = this.stage?.extent ?? null), restMilliseconds)
  }

  /** Shows all once, when a mode has something to show. */
  #fitFirst(): void {
    const { placed, mode, isReady } = this.#data
    if (this.stage === null || !isReady) return
    if (mode === 'tokens' ? this.#fitted.tokens === placed : this.#fitted.clusters) return
    if (mode === 'tokens') this.#fitted.tokens = placed
    else this.#fitted.clusters = true
    this.fit(false)
  }

  /** Shows all clusters once more, wherever the camera was in them. */
  forgetClusters(): void {
    this.#fitted.clusters = false
    this.#views.clusters = undefined
  }

  fit(animated = true): void {
    const { placed, clusters, mode } = this.#data
    const shown = mode === 'tokens' ? placed : clusters
    if (this.stage === null || shown === null || shown.count === 0) return
    const fit = this.stage.viewOf(shown.extentFor(this.stage.aspect))
    this.#fits = { ...this.#fits, [mode]: fit }
    this.stage.go(fit, animated)
  }

  /** Shows all again where all was shown: the window, or what lies over it, has another size. */
  #fitAgain(): void {
    const [fit, now] = [this.#fits[this.#data.mode], this.stage?.view]
    if (fit !== undefined && now !== undefined && fit.x === now.x && fit.y === now.y && fit.ratio === now.ratio)
      this.fit(false)
  }

  /** Keeps clear of what lies over the window. */
  cover(overlays: readonly Box[]): void {
    if (this.stage === null) return
    this.stage.overlays = overlays
    this.#fitAgain()
    this.stage.draw()
  }

  /** Remembers where the camera looks, for another mode or for a stage that takes the place of this one. */
  keep(): void {
    if (this.stage !== null) this.#views[this.#data.mode] = this.stage.view
  }

  /** Looks where the camera was in this mode. */
  restore(): void {
    const view = this.#views[this.#data.mode]
    if (view !== undefined) this.stage?.go(view, false)
  }

  /** Draws on a stage from now on, where the one before it looked; on none where it is null. */
  take(stage: Stage | null): void {
    const view = this.#views[this.#data.mode]
    if (stage !== null && view !== undefined) stage.view = view
    this.stage = stage
  }

  /** Moves where another pane asked to. */
  #goWhereAsked(): void {
    const { explore, isReady } = this.#data
    const { shown } = explore
    if (shown === null || this.stage === null || !isReady) return
    untrack(() => {
      this.goTo('token' in shown ? { kind: 'token', token: shown.token } : { kind: 'cluster', cluster: shown.cluster })
      explore.shown = null
    })
  }

  /** Goes to a cluster, unless it is seen well from here. */
  follow(cluster: ClusterNumber): void {
    const { stage } = this
    const { placed, mode, clusters, explore, level } = this.#data
    if (stage === null) return
    if (mode === 'clusters') {
      const nodes = cluster < 0 ? [cluster] : explore.groups.standIns(cluster, level)
      const places = nodes.map((node) => clusters?.placeOf(node)).filter((place) => place !== undefined)
      if (places.some((place) => !isWithin(stage.extent, place, 0.06))) this.#goToNodes(stage, nodes)
      return
    }
    const members = this.#data.pointsIn(cluster)
    if (placed === null || members.length === 0) return
    if (placed.isLarge(members)) return this.fit(!stage.isSlow)
    const inner = innerExtentOf(placed.places, members)
    const target = stage.viewOf(grown(inner, 3), { least: 0.22 * this.fittedRatio })
    const corners = [
      { x: inner.left, y: inner.bottom },
      { x: inner.right, y: inner.top }
    ]
    const isSeen = corners.every((corner) => isWithin(stage.extent, corner, 0.06))
    if (isSeen && stage.view.ratio < 1.7 * target.ratio) return
    stage.go(target, !stage.isSlow, 420)
  }

  goTo(node: GraphNode): void {
    const { stage } = this
    const { placed, mode, membership } = this.#data
    if (stage === null) return
    if (node.kind === 'cluster') return this.#goToCluster(stage, node.cluster)
    const point = placed?.pointOf(node.token)
    if (mode === 'clusters' && membership !== null) this.#goToCluster(stage, membership[node.token])
    else if (placed !== null && point !== undefined)
      stage.go({
        x: placed.places[2 * point],
        y: placed.places[2 * point + 1],
        ratio: Math.min(stage.view.ratio, 0.12)
      })
  }

  #goToCluster(stage: Stage, cluster: ClusterNumber): void {
    const { placed, mode, level, explore } = this.#data
    if (mode === 'clusters')
      return this.#goToNodes(stage, cluster < 0 ? [cluster] : explore.groups.standIns(cluster, level))
    const members = this.#data.pointsIn(cluster)
    if (placed !== null && members.length > 0)
      stage.show(grown(innerExtentOf(placed.places, members), 2), { least: 0.03 })
  }

  #goToNodes(stage: Stage, nodes: readonly ClusterNumber[]): void {
    const { clusters } = this.#data
    const places = nodes.map((node) => clusters?.placeOf(node)).filter((place) => place !== undefined)
    const [first] = places
    if (first === undefined) return
    if (places.length === 1) stage.go({ ...first, ratio: Math.min(stage.view.ratio, 0.4) })
    else stage.show(grown(extentOf(Float32Array.from(places.flatMap(({ x, y }) => [x, y]))), 1.3), { least: 0.1 })
  }

  goToTokens(tokens: Int32Array): void {
    const { placed } = this.#data
    if (placed === null || this.stage === null) return
    const points = placed.pointsOf(tokens)
    if (points.length > 0) this.stage.show(extentOf(placed.places, points), { least: 0.03 })
  }
}
