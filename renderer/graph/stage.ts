import Graph from 'graphology'
import Sigma from 'sigma'
import { hexOf, parseColour } from './colours'
import type { Rgb } from './colours'
import { clearBox, viewOf } from './fitting'
import type { Box, FitOptions } from './fitting'
import type { DiscLayer, LineLayer, PointLayer } from './layers'
import { NamesLayer } from './names-layer'
import type { Name, Point } from './names-layer'
import type { Extent, View } from './places'
import { discProgram, lineProgram, nothingProgram, pointProgram } from './programs'

/** A ring around a place, in pixels. */
export interface Ring extends Point {
  readonly radius: number
  readonly colour: Rgb
}

interface StageEvents {
  /** The camera moved, or the size of the window changed. */
  readonly moved: () => void
  readonly lost: () => void
}

const restMilliseconds = 180
const slowFrame = 60
/** Milliseconds that a frame of all points may take until the next one. */
const slowRest = 120
/** Milliseconds for which nothing has to change before a slow device draws. */
const calmMilliseconds = 400
const empty = new Float32Array(0)

/** Whether this machine can draw with WebGL 2 at all. */
export const canDraw = (): boolean => {
  const gl = document.createElement('canvas').getContext('webgl2')
  gl?.getExtension('WEBGL_lose_context')?.loseContext()
  return gl !== null
}

/**
 * The drawn graph. Sigma has the camera, the gestures, the canvases and the loop that draws; the graph that it is
 * given is only the frame of the plane, the square from 0 to 1. Points, discs and lines are programs of Sigma with
 * buffers of their own: an object for each of 300,000 nodes would take a second to make and a frame's time to send.
 */
export class Stage {
  readonly points: PointLayer = {
    places: empty,
    colours: new Uint8Array(0),
    highlights: [],
    faded: 0,
    ground: [255, 255, 255],
    thinned: false,
    opacity: 0.9,
    sizeAt: () => 2
  }
  readonly discs: DiscLayer = { discs: empty, scaleAt: () => 1, least: 1 }
  readonly lines: LineLayer = { lines: empty }
  readonly names: NamesLayer
  /** What lies over the window: what is fitted and names keep clear of it. */
  overlays: readonly Box[] = []
  readonly #sigma: Sigma
  readonly #rings: CanvasRenderingContext2D
  readonly #resized: ResizeObserver
  #ringed: readonly Ring[] = []
  #lastMove = 0
  /** Milliseconds from one move of the camera to the next, while it moves. */
  #pace = 16
  #slow = false
  #rest = 0
  #drawing = 0
  /** Frames of all points in turn that took long. */
  #late = 0
  #alive = true

  /** Throws where WebGL is not there. */
  constructor(container: HTMLElement, events: StageEvents) {
    const style = getComputedStyle(container)
    const frame = new Graph()
    frame.addNode('first corner', { x: 0, y: 0, type: 'points' })
    frame.addNode('last corner', { x: 1, y: 1, type: 'discs' })
    frame.addEdge('first corner', 'last corner', { type: 'lines' })
    this.#sigma = new Sigma(frame, container, {
      nodeProgramClasses: { points: pointProgram(this.points), discs: discProgram(this.discs) },
      nodeHoverProgramClasses: { points: nothingProgram, discs: nothingProgram },
      edgeProgramClasses: { lines: lineProgram(this.lines) },
      renderLabels: false,
      enableEdgeEvents: false,
      zIndex: false,
      enableCameraRotation: false,
      allowInvalidContainer: true,
      stagePadding: 0,
      minCameraRatio: 0.0005,
      maxCameraRatio: 4,
      hideEdgesOnMove: false,
      doubleClickZoomingRatio: 1.8
    })
    // Sigma would read a pixel back from the device at every move of the pointer to find a node there; nodes are
    // found by place here.
    this.#sigma.getMouseCaptor().removeAllListeners()
    this.#sigma.getTouchCaptor().removeAllListeners()
    const canvases = this.#sigma.getCanvases()
    // What stays empty need not be laid over the rest sixty times a second.
    for (const id of ['hoverNodes', 'edgeLabels']) canvases[id].style.display = 'none'
    this.names = new NamesLayer(canvases['labels'].getContext('2d')!, {
      plain: style.getPropertyValue('--font'),
      code: style.getPropertyValue('--code')
    })
    this.#rings = canvases['hovers'].getContext('2d')!
    this.#sigma.getCamera().on('updated', () => this.#follow())
    this.#sigma.on('afterRender', () => {
      this.#time()
      this.names.draw(this, this.overlays)
      this.#drawRings()
      events.moved()
    })
    for (const id of ['nodes', 'edges', 'hoverNodes']) {
      canvases[id].addEventListener('webglcontextlost', () => {
        if (this.#alive) events.lost()
      })
    }
    this.#resized = new ResizeObserver(() => {
      if (this.#alive) this.#sigma.scheduleRender()
    })
    this.#resized.observe(container)
  }

  /** Thins the points while the camera moves where frames have been slow to follow it; draws all once it rests. */
  #follow(): void {
    const now = performance.now()
    const between = now - this.#lastMove
    this.#lastMove = now
    if (between < restMilliseconds) this.#pace = 0.7 * this.#pace + 0.3 * between
    this.#slow ||= this.#pace > slowFrame
    this.points.thinned = this.#slow
    window.clearTimeout(this.#rest)
    if (this.#slow) {
      this.#rest = window.setTimeout(() => {
        this.points.thinned = false
        this.#sigma.scheduleRender()
      }, restMilliseconds)
    }
  }

  /** Whether the device has been found slow to draw all that there is. */
  get isSlow(): boolean {
    return this.#slow
  }

  /**
   * Notes whether the device is slow to draw all points and discs: the frame after the next comes late then, and not
   * only once.
   */
  #time(): void {
    if (this.#slow || this.points.thinned || this.points.places.length + this.discs.discs.length === 0) return
    const begun = performance.now()
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        this.#late = performance.now() - begun > slowRest ? this.#late + 1 : 0
        this.#slow ||= this.#late > 1
      })
    )
  }

  /**
   * Draws what was changed with the next frame; where that takes long, once nothing has changed for a while, so that
   * the rest of the window need not wait for each.
   */
  draw(): void {
    window.clearTimeout(this.#drawing)
    if (!this.#alive) return
    if (this.#slow) this.#drawing = window.setTimeout(() => this.#sigma.scheduleRender(), calmMilliseconds)
    else this.#sigma.scheduleRender()
  }

  /** Rings around places: what is under the pointer. Drawn at once, without the rest. */
  ring(rings: readonly Ring[]): void {
    this.#ringed = rings
    this.#drawRings()
  }

  get size(): { readonly width: number; readonly height: number } {
    return this.#sigma.getDimensions()
  }

  get view(): View {
    return this.#sigma.getCamera().getState()
  }

  set view(view: View) {
    this.#sigma.getCamera().setState(view)
  }

  /** Pixels that a length of 1 takes. */
  get scale(): number {
    return this.scaleAt(this.view.ratio)
  }

  scaleAt(ratio: number): number {
    const { width, height } = this.size
    return Math.min(width, height) / ratio
  }

  /** A place of the plane in pixels of the view, y downwards. */
  readonly toView = ({ x, y }: Point): Point => {
    const { width, height } = this.size
    const { view, scale } = this
    return { x: width / 2 + (x - view.x) * scale, y: height / 2 - (y - view.y) * scale }
  }

  toPlane({ x, y }: Point): Point {
    const { width, height } = this.size
    const { view, scale } = this
    return { x: view.x + (x - width / 2) / scale, y: view.y - (y - height / 2) / scale }
  }

  /** The part of the plane that is in view. */
  get extent(): Extent {
    const { width, height } = this.size
    const [first, last] = [this.toPlane({ x: 0, y: height }), this.toPlane({ x: width, y: 0 })]
    return { left: first.x, bottom: first.y, right: last.x, top: last.y }
  }

  /** The view that shows an extent whole, clear of the overlays. */
  viewOf(extent: Extent, options: FitOptions = {}): View {
    return viewOf(extent, this.size, { overlays: this.overlays, ...options })
  }

  /** Width of the window over its height, without what lies over it. */
  get aspect(): number {
    const { left, top, right, bottom } = clearBox(this.size, this.overlays, 1)
    return (right - left) / (bottom - top)
  }

  show(extent: Extent, { least = 0.002, animated = true } = {}): void {
    this.go(this.viewOf(extent, { least }), animated)
  }

  /** `milliseconds`: how long the motion takes, for those who have not asked for less motion. */
  go(view: Partial<View>, animated = true, milliseconds = 260): void {
    const camera = this.#sigma.getCamera()
    if (animated && !matchMedia('(prefers-reduced-motion: reduce)').matches)
      void camera.animate(view, { duration: milliseconds, easing: 'cubicInOut' })
    else camera.setState(view)
  }

  /** Moves the camera by shares of what is in view. */
  pan(right: number, up: number): void {
    const { width, height } = this.size
    this.go({ x: this.view.x + (right * width) / this.scale, y: this.view.y + (up * height) / this.scale }, false)
  }

  zoom(factor: number): void {
    this.go({ ratio: this.#sigma.getCamera().getBoundedRatio(this.view.ratio / factor) })
  }

  /** Whether dragging moves the camera. */
  set draggable(draggable: boolean) {
    this.#sigma.setSetting('enableCameraPanning', draggable)
  }

  /** Pixels of a disc's radius in the plane, as near as the camera is. */
  radiusOf(radius: number): number {
    return Math.max(this.discs.least, radius * this.discs.scaleAt(this.view.ratio))
  }

  readonly below = (radius: Name['radius']): number => {
    if (radius === 0) return 0
    return (radius === 'point' ? this.points.sizeAt(this.view.ratio) / 2 + 3 : this.radiusOf(radius)) + 9
  }

  #drawRings(): void {
    const { width, height } = this.size
    const context = this.#rings
    context.clearRect(0, 0, width, height)
    for (const ring of this.#ringed) {
      const at = this.toView(ring)
      for (const [lineWidth, colour] of [
        [5, this.names.inks.halo],
        [2.2, ring.colour]
      ] as const) {
        context.lineWidth = lineWidth
        context.strokeStyle = hexOf(colour)
        context.beginPath()
        context.arc(at.x, at.y, ring.radius, 0, 2 * Math.PI)
        context.stroke()
      }
    }
  }

  /** The view as it is, in a canvas; what the device drew is there only until the task that drew it ends. */
  #copy(ground: string): HTMLCanvasElement {
    this.points.thinned = false
    this.#sigma.refresh({ skipIndexation: true })
    const canvases = this.#sigma.getCanvases()
    const copy = document.createElement('canvas')
    copy.width = canvases['nodes'].width
    copy.height = canvases['nodes'].height
    const context = copy.getContext('2d')!
    context.fillStyle = ground
    context.fillRect(0, 0, copy.width, copy.height)
    for (const id of ['edges', 'nodes', 'labels']) context.drawImage(canvases[id], 0, 0)
    return copy
  }

  /** The view as a PNG in a data URL. */
  picture(ground = hexOf(parseColour('#ffffff'))): string {
    return this.#copy(ground).toDataURL('image/png')
  }

  /** Lets go of the device. */
  kill(): void {
    if (!this.#alive) return
    this.#alive = false
    window.clearTimeout(this.#rest)
    window.clearTimeout(this.#drawing)
    this.#resized.disconnect()
    // The camera outlives Sigma: it would go on with a motion, and have what is gone drawn.
    const camera = this.#sigma.getCamera()
    camera.removeAllListeners()
    camera.disable()
    this.#sigma.kill()
  }
}
