import Graph from 'graphology'
import Sigma from 'sigma'
import { visibleText } from '../../preload/contract'
import { hexOf, parseColour } from './colours'
import type { Rgb } from './colours'
import { largeNameSize, nameSize, placeLabels } from './label-placement'
import type { DiscLayer, LineLayer, PointLayer } from './layers'
import { viewOf } from './places'
import type { Extent, View } from './places'
import { discProgram, lineProgram, nothingProgram, pointProgram } from './programs'

export interface Point {
  readonly x: number
  readonly y: number
}

/** A name at a place of the plane. */
export interface Name {
  readonly x: number
  readonly y: number
  readonly text: string
  /** Text of a token: in the code face. */
  readonly code: boolean
  /** Of what is selected: bold, and first among those that would lie on one another. */
  readonly strong: boolean
  /** Of what holds the others, as of a country on a map. */
  readonly large?: boolean
  /**
   * Shown where this length of the plane takes at least `nameReach` pixels: of what is small, only the first have a
   * name from afar.
   */
  readonly reach: number
  /**
   * Radius of the disc that it stands below, before the camera comes nearer; 0 where it stands at the place itself.
   */
  readonly radius: number | 'point'
}

/** A ring around a place, in pixels. */
export interface Ring extends Point {
  readonly radius: number
  readonly colour: Rgb
}

export interface PlacedName extends Name {
  /** Middle of the text in the view. */
  readonly at: Point
}

interface StageEvents {
  /** The camera moved, or the size of the window changed. */
  readonly moved: () => void
  readonly lost: () => void
}

const nameReach = 14
const restMilliseconds = 180
const slowFrame = 60
/** Milliseconds that a frame of all points may take until the next one. */
const slowRest = 120
/** Milliseconds for which nothing has to change before a slow device draws. */
const calmMilliseconds = 400
const mostNames = 70
/** Of what is too small for a name, this many of the first in view have one all the same. */
const alwaysNamed = 9
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
    sizeAt: () => 2
  }
  readonly discs: DiscLayer = { discs: empty, scaleAt: () => 1, least: 1 }
  readonly lines: LineLayer = { lines: empty }
  names: readonly Name[] = []
  /** Of names that are picked out, of the others, and around both. */
  inks: { readonly text: Rgb; readonly soft: Rgb; readonly halo: Rgb } = {
    text: [0, 0, 0],
    soft: [80, 80, 80],
    halo: [255, 255, 255]
  }
  placed: readonly PlacedName[] = []
  readonly #sigma: Sigma
  readonly #rings: CanvasRenderingContext2D
  readonly #labels: CanvasRenderingContext2D
  readonly #widths = new Map<string, number>()
  readonly #fonts: { readonly plain: string; readonly code: string }
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
    this.#fonts = { plain: style.getPropertyValue('--font'), code: style.getPropertyValue('--code') }
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
    this.#labels = canvases['labels'].getContext('2d')!
    this.#rings = canvases['hovers'].getContext('2d')!
    this.#sigma.getCamera().on('updated', () => this.#follow())
    this.#sigma.on('afterRender', () => {
      this.#time()
      this.#drawNames()
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
    const { width, height } = this.size
    return Math.min(width, height) / this.view.ratio
  }

  /** A place of the plane in pixels of the view, y downwards. */
  toView({ x, y }: Point): Point {
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

  show(extent: Extent, { least = 0.002, animated = true } = {}): void {
    const { width, height } = this.size
    this.go(viewOf(extent, width, height, 24, least), animated)
  }

  go(view: Partial<View>, animated = true): void {
    const camera = this.#sigma.getCamera()
    if (animated && !matchMedia('(prefers-reduced-motion: reduce)').matches)
      void camera.animate(view, { duration: 260 })
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

  /** Radius of a disc in pixels, as near as the camera is. */
  radiusOf(radius: number): number {
    return Math.max(this.discs.least, radius * this.discs.scaleAt(this.view.ratio))
  }

  #belowOf(radius: Name['radius']): number {
    if (radius === 0) return 0
    return (radius === 'point' ? this.points.sizeAt(this.view.ratio) / 2 + 3 : this.radiusOf(radius)) + 9
  }

  font({ code, strong, large }: Pick<Name, 'code' | 'strong' | 'large'>): string {
    const size = large === true ? largeNameSize : nameSize
    return `${strong || large === true ? '600 ' : ''}${size}px ${code ? this.#fonts.code : this.#fonts.plain}`
  }

  #widthOf(text: string, font: string): number {
    const key = `${font} ${text}`
    const known = this.#widths.get(key)
    if (known !== undefined) return known
    this.#labels.font = font
    const width = this.#labels.measureText(visibleText(text)).width
    if (this.#widths.size > 20_000) this.#widths.clear()
    this.#widths.set(key, width)
    return width
  }

  #drawNames(): void {
    const { width, height } = this.size
    const { scale } = this
    let first = 0
    const near = this.names.flatMap((name) => {
      const at = this.toView(name)
      if (at.x < -40 || at.x > width + 40 || at.y < -20 || at.y > height + 20) return []
      return !name.strong && name.reach * scale < nameReach && ++first > alwaysNamed
        ? []
        : [{ ...name, at: { x: at.x, y: at.y + this.#belowOf(name.radius) } }]
    })
    const boxes = near.map((name) => ({
      ...name.at,
      width: this.#widthOf(name.text, this.font(name)),
      height: (name.large === true ? largeNameSize : nameSize) + 3
    }))
    this.placed = placeLabels(boxes, width, height, mostNames).map((index) => near[index])
    const context = this.#labels
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.direction = 'ltr'
    context.lineJoin = 'round'
    context.lineWidth = 3
    context.strokeStyle = hexOf(this.inks.halo)
    for (const name of this.placed) {
      const { at, text, strong } = name
      context.fillStyle = hexOf(strong ? this.inks.text : this.inks.soft)
      context.font = this.font(name)
      context.strokeText(visibleText(text), at.x, at.y)
      context.fillText(visibleText(text), at.x, at.y)
    }
  }

  #drawRings(): void {
    const { width, height } = this.size
    const context = this.#rings
    context.clearRect(0, 0, width, height)
    for (const ring of this.#ringed) {
      const at = this.toView(ring)
      for (const [lineWidth, colour] of [
        [5, this.inks.halo],
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
