import { visibleText } from '../../preload/contract'
import { hexOf } from './colours'
import type { Rgb } from './colours'
import type { Box, Size } from './fitting'
import { largeNameSize, nameSize, placeLabels } from './label-placement'

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
  /** Radius of the disc that it stands below, in the plane; 0 where it stands at the place itself. */
  readonly radius: number | 'point'
}

export interface PlacedName extends Name {
  /** Middle of the text in the view. */
  readonly at: Point
}

export interface NameInks {
  /** Of names that are picked out. */
  readonly text: Rgb
  readonly soft: Rgb
  readonly halo: Rgb
}

interface Camera {
  readonly size: Size
  /** Pixels that a length of 1 takes. */
  readonly scale: number
  readonly toView: (point: Point) => Point
  /** How far below its place the name of something with this radius stands, in pixels. */
  readonly below: (radius: Name['radius']) => number
}

const nameReach = 14
const mostNames = 70
/** Pixels of the view for each name. */
const areaOfName = 5200
/** Of what is too small for a name, this many of the first in view have one all the same. */
const alwaysNamed = 16
const edge = 5

/** Names over the graph: which of them have room, and how they are drawn. */
export class NamesLayer {
  names: readonly Name[] = []
  inks: NameInks = { text: [0, 0, 0], soft: [80, 80, 80], halo: [255, 255, 255] }
  placed: readonly PlacedName[] = []
  readonly #context: CanvasRenderingContext2D
  readonly #fonts: { readonly plain: string; readonly code: string }
  readonly #widths = new Map<string, number>()

  constructor(context: CanvasRenderingContext2D, fonts: { readonly plain: string; readonly code: string }) {
    this.#context = context
    this.#fonts = fonts
  }

  #font({ code, strong, large }: Pick<Name, 'code' | 'strong' | 'large'>): string {
    const size = large === true ? largeNameSize : nameSize
    return `${strong || large === true ? '600 ' : ''}${size}px ${code ? this.#fonts.code : this.#fonts.plain}`
  }

  #widthOf(text: string, font: string): number {
    const key = `${font} ${text}`
    const known = this.#widths.get(key)
    if (known !== undefined) return known
    this.#context.font = font
    const width = this.#context.measureText(visibleText(text)).width
    if (this.#widths.size > 20_000) this.#widths.clear()
    this.#widths.set(key, width)
    return width
  }

  /** Chooses the names that have room beside one another and the overlays, the first ones first, and draws them. */
  draw({ size: { width, height }, scale, toView, below }: Camera, overlays: readonly Box[]): void {
    let first = 0
    const near = this.names.flatMap((name) => {
      const at = toView(name)
      if (at.x < 0 || at.x > width || at.y < 0 || at.y > height) return []
      if (!name.strong && name.reach * scale < nameReach && ++first > alwaysNamed) return []
      const half = this.#widthOf(name.text, this.#font(name)) / 2 + edge
      const lines = (name.large === true ? largeNameSize : nameSize) / 2 + edge
      const [x, y] = [Math.min(at.x, width - half), Math.min(at.y + below(name.radius), height - lines)]
      return [{ ...name, at: { x: Math.max(x, half), y: Math.max(y, lines) } }]
    })
    const boxes = near.map((name) => ({
      ...name.at,
      width: this.#widthOf(name.text, this.#font(name)),
      height: (name.large === true ? largeNameSize : nameSize) + 3
    }))
    const most = Math.min(mostNames, Math.max(alwaysNamed, (width * height) / areaOfName))
    this.placed = placeLabels(boxes, { width, height, most, overlays }).map((index) => near[index])
    const context = this.#context
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.direction = 'ltr'
    context.lineJoin = 'round'
    context.strokeStyle = hexOf(this.inks.halo)
    for (const name of this.placed) {
      const { at, text, strong, large } = name
      context.lineWidth = strong || large === true ? 4.5 : 3.5
      context.fillStyle = hexOf(strong ? this.inks.text : this.inks.soft)
      context.font = this.#font(name)
      context.strokeText(visibleText(text), at.x, at.y)
      context.fillText(visibleText(text), at.x, at.y)
    }
  }
}
