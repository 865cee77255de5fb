import type { Rgb } from './colours'

/** Some of the points, drawn over the rest with an outline around all of them together. */
export interface Highlight {
  readonly points: Uint32Array
  /** null: no outline, only not faded. */
  readonly outline: Rgb | null
  /** Times the size of the other points. */
  readonly growth: number
}

/** Points as buffers, drawn whole: what is changed is replaced, so that a frame knows what to send to the device. */
export interface PointLayer {
  /** Within the square from 0 to 1: [x0, y0, x1, y1, …] */
  places: Float32Array
  /** RGBA, four bytes a point. */
  colours: Uint8Array
  highlights: readonly Highlight[]
  /** How far points outside all highlights fade into the ground, 0 to 1. */
  faded: number
  ground: Rgb
  /** Draws only some of many points, for the time that the camera moves on a slow device. */
  thinned: boolean
  /** Of points that are not highlighted, 0 to 1. */
  opacity: number
  /** Diameter in pixels at a ratio of the camera. */
  sizeAt: (ratio: number) => number
}

/** A disc with an outline; a hollow one has a broken outline and the ground within. */
export interface Disc {
  readonly x: number
  readonly y: number
  /** In the plane. */
  readonly radius: number
  readonly fill: Rgb
  readonly opacity: number
  readonly outline: Rgb
  /** In pixels. */
  readonly width: number
  readonly hollow: boolean
}

export interface DiscLayer {
  discs: Float32Array
  /** Pixels that a length of 1 of radii takes at a ratio of the camera. */
  scaleAt: (ratio: number) => number
  least: number
}

export interface Line {
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
  /** In pixels. */
  readonly width: number
  readonly colour: Rgb
  readonly opacity: number
}

export interface LineLayer {
  lines: Float32Array
}

const packed = ([red, green, blue]: Rgb, opacity: number): number =>
  (red | (green << 8) | (blue << 16) | (Math.round(255 * opacity) << 24)) >>> 0

export const discNumbers = 7
export const lineNumbers = 6

/** Discs as a device takes them: x, y, radius, fill and outline as RGBA bytes, width of the outline, hollow. */
export const discNumbersOf = (discs: readonly Disc[]): Float32Array => {
  const numbers = new Float32Array(discNumbers * discs.length)
  const bytes = new Uint32Array(numbers.buffer)
  for (const [index, { x, y, radius, fill, opacity, outline, width, hollow }] of discs.entries()) {
    const at = discNumbers * index
    numbers.set([x, y, radius], at)
    bytes[at + 3] = packed(fill, opacity)
    bytes[at + 4] = packed(outline, opacity)
    numbers.set([width, hollow ? 1 : 0], at + 5)
  }
  return numbers
}

/** Lines as a device takes them: both ends, width, colour as RGBA bytes. */
export const lineNumbersOf = (lines: readonly Line[]): Float32Array => {
  const numbers = new Float32Array(lineNumbers * lines.length)
  const bytes = new Uint32Array(numbers.buffer)
  for (const [index, { x1, y1, x2, y2, width, colour, opacity }] of lines.entries()) {
    numbers.set([x1, y1, x2, y2, width], lineNumbers * index)
    bytes[lineNumbers * index + 5] = packed(colour, opacity)
  }
  return numbers
}
