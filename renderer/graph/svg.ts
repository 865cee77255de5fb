import { escapeMarkup } from '../../preload/contract'
import { hexOf } from './colours'
import type { Rgb } from './colours'

/** What a picture in vectors is made of; places and sizes in pixels, y downwards. */
export interface Drawing {
  readonly width: number
  readonly height: number
  readonly title: string
  readonly ground: Rgb
  readonly lines: readonly {
    readonly x1: number
    readonly y1: number
    readonly x2: number
    readonly y2: number
    readonly width: number
    readonly colour: Rgb
    readonly opacity: number
  }[]
  /** Drawn in order; hollow ones as rings. */
  readonly nodes: readonly {
    readonly x: number
    readonly y: number
    readonly radius: number
    readonly colour: Rgb
    readonly outline?: Rgb
    readonly hollow?: boolean
  }[]
  readonly labels: readonly {
    readonly x: number
    readonly y: number
    readonly text: string
    readonly code: boolean
    readonly strong: boolean
    readonly size: number
    readonly colour: Rgb
  }[]
  readonly legend: readonly { readonly colour: Rgb; readonly text: string }[]
}

const short = (value: number): string => String(Math.round(100 * value) / 100)

/** The drawing as an SVG file that needs no other file, its legend below it. */
export const svgOf = ({ width, height, title, ground, lines, nodes, labels, legend }: Drawing): string => {
  const circle = ({ x, y, radius, colour, outline, hollow }: Drawing['nodes'][number]): string => {
    const at = `<circle cx="${short(x)}" cy="${short(y)}" r="${short(radius)}"`
    if (hollow === true)
      return (
        `${at} fill="${hexOf(ground)}" stroke="${hexOf(outline ?? colour)}" stroke-width="2" stroke-dasharray="4 ` +
        `2"/>`
      )
    return (
      `${at} ` +
      `fill="${hexOf(colour)}"${outline === undefined ? '' : ` stroke="${hexOf(outline)}" stroke-width="1.5"`}/>`
    )
  }
  const below = legend.length === 0 ? 0 : 16 * legend.length + 12
  const whole = height + below
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${short(width)}" height="${short(whole)}" ` +
      `viewBox="0 0 ${short(width)} ${short(whole)}" role="img">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<rect width="100%" height="100%" fill="${hexOf(ground)}"/>`,
    `<clipPath id="view"><rect width="${short(width)}" height="${short(height)}"/></clipPath>`,
    '<g fill="none" clip-path="url(#view)">',
    ...lines.map(
      (line) =>
        `<line x1="${short(line.x1)}" y1="${short(line.y1)}" x2="${short(line.x2)}" y2="${short(line.y2)}" ` +
        `stroke="${hexOf(line.colour)}" stroke-width="${short(line.width)}" ` +
        `stroke-opacity="${short(line.opacity)}"/>`
    ),
    '</g>',
    '<g clip-path="url(#view)">',
    ...nodes.map(circle),
    '</g>',
    `<g text-anchor="middle" dominant-baseline="central" paint-order="stroke" stroke="${hexOf(ground)}" ` +
      'stroke-width="3" stroke-linejoin="round">',
    ...labels.map(
      ({ x, y, text, code, strong, size, colour }) =>
        `<text x="${short(x)}" y="${short(y)}" font-family="${code ? 'monospace' : 'sans-serif'}" ` +
        `font-size="${short(size)}"${strong ? ' font-weight="600"' : ''} fill="${hexOf(colour)}" ` +
        `xml:space="preserve">${escapeMarkup(text)}</text>`
    ),
    '</g>',
    ...legend.flatMap(({ colour, text }, index) => {
      const y = height + 4 + 16 * index
      return [
        `<rect x="12" y="${short(y)}" width="9" height="9" fill="${hexOf(colour)}"/>`,
        `<text x="27" y="${short(y + 8)}" font-family="sans-serif" font-size="11" ` +
          `fill="${hexOf(ground[0] < 128 ? [230, 231, 232] : [29, 31, 33])}">${escapeMarkup(text)}</text>`
      ]
    }),
    '</svg>',
    ''
  ].join('\n')
}
