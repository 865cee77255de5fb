import type { LabelStatus } from '../../preload/contract'

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number]

/** "#rgb" or "#rrggbb", as the theme writes its colours. */
export const parseColour = (text: string): Rgb => {
  const digits = text.trim().replace('#', '')
  const wide = digits.length === 3 ? digits.replace(/./g, '$&$&') : digits
  const value = Number.parseInt(wide, 16)
  if (wide.length !== 6 || Number.isNaN(value)) throw new Error(`"${text}" is not a colour of the form #rrggbb.`)
  return [value >> 16, (value >> 8) & 255, value & 255]
}

export const hexOf = (colour: Rgb): string =>
  `#${colour.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`

/** `share` of `second`, the rest of `first`. */
export const mixed = (first: Rgb, second: Rgb, share: number): Rgb =>
  [0, 1, 2].map((part) => first[part] + share * (second[part] - first[part])) as unknown as Rgb

const linear = (part: number): number => (part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4)
const encoded = (part: number): number => 255 * (part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055)

/** The relative luminance that contrast is told by, 0 to 1. */
export const luminance = ([red, green, blue]: Rgb): number =>
  0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)

export const contrast = (first: Rgb, second: Rgb): number => {
  const [light, dark] = [luminance(first), luminance(second)].sort((a, b) => b - a)
  return (light + 0.05) / (dark + 0.05)
}

const isShown = (parts: readonly number[]): boolean => parts.every((part) => part >= -1e-4 && part <= 1.0001)

/**
 * A colour of equal lightness to the eye whatever its hue (OKLCH): lightness 0 to 1, chroma 0 to 0.3, hue in degrees.
 * Chroma gives way where a screen cannot show it.
 */
export const fromLightness = (lightness: number, chroma: number, hue: number): Rgb => {
  const [cos, sin] = [Math.cos((hue * Math.PI) / 180), Math.sin((hue * Math.PI) / 180)]
  for (let given = chroma; ; given -= 0.01) {
    const [a, b] = [Math.max(0, given) * cos, Math.max(0, given) * sin]
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
    const parts = [
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s
    ]
    if (given <= 0 || isShown(parts))
      return parts.map((part) => Math.round(encoded(Math.min(1, Math.max(0, part))))) as unknown as Rgb
  }
}

/** What the graph takes from the theme. */
export interface GraphTheme {
  readonly dark: boolean
  readonly surface: Rgb
  readonly text: Rgb
  readonly soft: Rgb
  readonly line: Rgb
  readonly accent: Rgb
  readonly warn: Rgb
  readonly negative: Rgb
  readonly positive: Rgb
}

export const readTheme = (of: (name: string) => string): GraphTheme => {
  const colour = (name: string): Rgb => parseColour(of(name))
  const surface = colour('--surface')
  return {
    surface,
    dark: luminance(surface) < 0.4,
    text: colour('--text'),
    soft: colour('--text-soft'),
    line: colour('--line-strong'),
    accent: colour('--accent'),
    warn: colour('--warn'),
    negative: colour('--negative'),
    positive: colour('--positive')
  }
}

/**
 * Twelve colours, found by search: each stands out from its ground by 3 : 1, and any two are apart for those without
 * the cones for long or middle waves as well.
 */
const categories: Readonly<Record<'light' | 'dark', readonly Rgb[]>> = {
  light: [
    '#0072b2',
    '#d55e00',
    '#399d57',
    '#700048',
    '#4b8efe',
    '#4b3b05',
    '#341a9c',
    '#a43c2f',
    '#884b75',
    '#7a8fd0',
    '#276ee1',
    '#b76c84'
  ].map(parseColour),
  dark: [
    '#56b4e9',
    '#e69f00',
    '#20c45f',
    '#d48aad',
    '#ede091',
    '#8264e7',
    '#da4433',
    '#b6e6ff',
    '#bb4cb5',
    '#cfef46',
    '#17eace',
    '#8ece34'
  ].map(parseColour)
}

const faces = (theme: GraphTheme): readonly Rgb[] => categories[theme.dark ? 'dark' : 'light']

/** Of tokens that stand for nothing in a colouring: what is in no cluster, what was not seen. */
export const plainColour = (theme: GraphTheme): Rgb => (theme.dark ? [112, 119, 128] : [158, 161, 164])

/** The colour of the n-th of some kinds of things; from the thirteenth on, they come again nearer to the text's. */
export const categoryColour = (theme: GraphTheme, index: number): Rgb => {
  const colours = faces(theme)
  return mixed(colours[index % colours.length], theme.text, Math.min(0.6, 0.45 * Math.floor(index / colours.length)))
}

const turn = 137.50776
const lightnesses = { light: [0.55, 0.66, 0.45], dark: [0.74, 0.84, 0.65] } as const
const chroma = 0.115
/** Degrees of hue between members of a family. */
const shades = [0, 13, -13]

/**
 * The colour of a cluster among any number. Neighbouring families are far apart in hue; the members of one are near
 * in hue, and three lightnesses tell apart what hue does not.
 */
export const clusterColour = (theme: GraphTheme, family: number, member = 0): Rgb => {
  if (family < 0) return plainColour(theme)
  const steps = lightnesses[theme.dark ? 'dark' : 'light']
  const hue = 29 + family * turn + shades[Math.floor(member / 3) % 3] + 360
  return fromLightness(steps[(family + member) % 3], chroma, hue % 360)
}

export const statusColour = (theme: GraphTheme, status: LabelStatus): Rgb => {
  const order: Readonly<Record<Exclude<LabelStatus, 'unseen'>, number>> = { labelled: 0, unsure: 1, skipped: 3 }
  return status === 'unseen' ? plainColour(theme) : categoryColour(theme, order[status])
}

/**
 * Values that a diverging scale runs between, the same on both sides of 0, and the percentiles that it is clipped at.
 */
export interface DivergingScale {
  readonly limit: number
  /** In percent: [2, 98]. */
  readonly percentiles: readonly [number, number]
}

/**
 * A scale that shows the values between the `lower`-th and the `100 - lower`-th percentile apart, and those beyond as
 * its ends. NaN is left out.
 */
export const scaleOf = (values: Float32Array, lower = 2): DivergingScale => {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort()
  const at = (percent: number): number =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.round((percent / 100) * (sorted.length - 1))))] ?? 0
  const limit = Math.max(Math.abs(at(lower)), Math.abs(at(100 - lower)))
  return { limit: limit > 0 ? limit : Math.abs(sorted.at(-1) ?? 0) || 1, percentiles: [lower, 100 - lower] }
}

/**
 * The colour of a value on a diverging scale: `position` is -1 at its lower end, 0 in the middle, 1 at its upper end.
 */
export const divergingColour = (theme: GraphTheme, position: number): Rgb => {
  const bounded = Math.min(1, Math.max(-1, position))
  const middle: Rgb = theme.dark ? [78, 83, 89] : [205, 205, 200]
  return mixed(middle, bounded < 0 ? theme.negative : theme.positive, Math.abs(bounded) ** 0.8)
}

/** Steps of a diverging scale in a table: faster than a colour computed for every token. */
export const scaleSteps = 255

export const divergingTable = (theme: GraphTheme): Uint8Array => {
  const table = new Uint8Array(4 * scaleSteps)
  for (let step = 0; step < scaleSteps; step++)
    table.set([...divergingColour(theme, (2 * step) / (scaleSteps - 1) - 1), 255], 4 * step)
  return table
}

/** Colours of points by value: RGBA, four bytes a point; NaN is plain. */
export const coloursByValue = (
  theme: GraphTheme,
  values: Float32Array,
  tokens: Int32Array | null,
  scale: DivergingScale
): Uint8Array => {
  const table = new Uint32Array(divergingTable(theme).buffer)
  const plain = new Uint32Array(new Uint8Array([...plainColour(theme), 255]).buffer)[0]
  const count = tokens?.length ?? values.length
  const colours = new Uint32Array(count)
  const factor = (scaleSteps - 1) / 2 / scale.limit
  for (let point = 0; point < count; point++) {
    const value = values[tokens === null ? point : tokens[point]]
    const step = Math.round((value + scale.limit) * factor)
    colours[point] = step >= 0 ? table[Math.min(step, scaleSteps - 1)] : step < 0 ? table[0] : plain
  }
  return new Uint8Array(colours.buffer)
}

/**
 * Colours of points by the kind that each token is of: RGBA, four bytes a point. Kinds go from -1 to `colours.length
 * - 2`.
 */
export const coloursByKind = (kinds: Int32Array, tokens: Int32Array | null, colours: readonly Rgb[]): Uint8Array => {
  const table = new Uint32Array(new Uint8Array(colours.flatMap((colour) => [...colour, 255])).buffer)
  const count = tokens?.length ?? kinds.length
  const points = new Uint32Array(count)
  for (let point = 0; point < count; point++) points[point] = table[kinds[tokens === null ? point : tokens[point]] + 1]
  return new Uint8Array(points.buffer)
}
