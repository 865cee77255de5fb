import type { Extent, View } from './places'

/** A rectangle of the window in pixels, y downwards. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

export interface Size {
  readonly width: number
  readonly height: number
}

const splits = 16

/** Coordinates of an axis in order, and the shortest stretch of it that leaves out some of them. */
class Axis {
  readonly #sorted: Float32Array

  constructor(places: Float32Array, axis: 0 | 1) {
    this.#sorted = places.filter((value, at) => at % 2 === axis && Number.isFinite(value)).sort()
  }

  get count(): number {
    return this.#sorted.length
  }

  /** `left`: how many are left out. Without any, 0 to 1. */
  stretch(left: number): readonly [low: number, high: number] {
    const sorted = this.#sorted
    if (sorted.length === 0) return [0, 1]
    let first = 0
    const last = sorted.length - 1 - left
    for (let at = 1; at <= left; at++)
      if (sorted[at + last] - sorted[at] < sorted[first + last] - sorted[first]) first = at
    return [sorted[first], sorted[first + last]]
  }
}

/** Where nearly all of some points lie, so that a few strays do not make the rest small. */
export class MainExtent {
  readonly #axes: readonly [Axis, Axis]

  /** Places are [x0, y0, x1, y1, …]; those that are not finite do not count. */
  constructor(places: Float32Array) {
    this.#axes = [new Axis(places, 0), new Axis(places, 1)]
  }

  /**
   * The extent of at least `share` of the points that is shown largest in a window `aspect` times as wide as high.
   */
  of(aspect: number, share = 0.98): Extent {
    const [xs, ys] = this.#axes
    const most = Math.floor((1 - share) * Math.min(xs.count, ys.count) + 1e-9)
    const options = Array.from({ length: splits + 1 }, (_, split) => {
      const ofX = Math.round((most * split) / splits)
      const [[left, right], [bottom, top]] = [xs.stretch(ofX), ys.stretch(most - ofX)]
      return { extent: { left, right, bottom, top }, size: Math.max((right - left) / aspect, top - bottom) }
    })
    return options.reduce((best, option) => (option.size < best.size ? option : best)).extent
  }
}

/**
 * Positions turned by a quarter where that brings their longer side along the longer side of the window: a layout
 * says nothing by its direction.
 */
export const turnedFor = (positions: Float32Array, isTall: boolean): Float32Array => {
  const { left, bottom, right, top } = new MainExtent(positions).of(1)
  const [along, across] = isTall ? [top - bottom, right - left] : [right - left, top - bottom]
  if (across < 1.15 * along) return positions
  return positions.map((_, at) => (at % 2 === 0 ? positions[at + 1] : -positions[at - 1]))
}

/**
 * The part of a window that is clear of what lies over it, in which something `aspect` times as wide as high is shown
 * largest. Each overlay is passed on the side that leaves most.
 */
export const clearBox = ({ width, height }: Size, overlays: readonly Box[], aspect: number, margin = 24): Box => {
  const room = ({ left, top, right, bottom }: Box): number => Math.min((right - left) / aspect, bottom - top)
  const whole: Box = { left: margin, top: margin, right: width - margin, bottom: height - margin }
  const gap = Math.min(margin, 10)
  const around = (box: Box, [over, ...rest]: readonly Box[]): Box => {
    if (over === undefined) return box
    const apart = over.left >= box.right || over.right <= box.left || over.top >= box.bottom || over.bottom <= box.top
    if (apart) return around(box, rest)
    return [
      { ...box, left: Math.max(box.left, over.right + gap) },
      { ...box, right: Math.min(box.right, over.left - gap) },
      { ...box, top: Math.max(box.top, over.bottom + gap) },
      { ...box, bottom: Math.min(box.bottom, over.top - gap) }
    ]
      .map((smaller) => around(smaller, rest))
      .reduce((best, other) => (room(other) > room(best) ? other : best))
  }
  const found = around(whole, overlays)
  // Where a window has hardly any room, what is shown lies under the overlays.
  return found.right - found.left < width / 4 || found.bottom - found.top < height / 4 ? whole : found
}

/**
 * The view that shows an extent whole in the clear part of a window. At ratio 1 the shorter side of the window shows
 * a length of 1; `least` is the nearest that the camera comes.
 */
export const viewOf = (
  { left, bottom, right, top }: Extent,
  size: Size,
  { overlays = [], margin = 24, least = 0.002 }: FitOptions = {}
): View => {
  const unit = Math.min(size.width, size.height)
  const [wide, high] = [Math.max(right - left, 1e-9), Math.max(top - bottom, 1e-9)]
  const clear = clearBox(size, overlays, Math.min(4, Math.max(0.25, wide / high)), margin)
  const inner = Math.max(clear.right - clear.left, size.width / 8)
  const outer = Math.max(clear.bottom - clear.top, size.height / 8)
  const ratio = Math.max((wide * unit) / inner, (high * unit) / outer, least)
  const scale = unit / ratio
  return {
    x: (left + right) / 2 - (clear.left + clear.right - size.width) / 2 / scale,
    y: (bottom + top) / 2 + (clear.top + clear.bottom - size.height) / 2 / scale,
    ratio
  }
}

export interface FitOptions {
  readonly overlays?: readonly Box[]
  /** Pixels. */
  readonly margin?: number
  readonly least?: number
}
