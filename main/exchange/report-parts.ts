import { visibleText, visibleToken } from '../../preload/visible'
import { html, nothing } from './html'
import type { Html } from './html'
import type { Moments } from './moments'

const withSigns = (visible: string, signs: RegExp): Html =>
  html`${visible.split(signs).map((part, at) => (at % 2 === 0 ? part : html`<i>${part}</i>`))}`

/** A piece of text with line breaks and tabs shown as muted symbols. */
export const contextHtml = (text: string): Html => withSigns(visibleText(text), /([⏎⇥␍␣]+)/)

/** A token with all its white space visible. */
export const tokenHtml = (text: string): Html => withSigns(visibleToken(text), /([⏎⇥␍␣·]+)/)

/** A number with three significant digits, or a dash. */
export const figureWords = (value: number | null): string => {
  if (value === null || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2)
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size === 0 ? 1 : size))))
}

export const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

const [barHeight, labelWidth, chartWidth, rightMargin] = [13, 90, 420, 110]

/** Columns of lower reliability are mostly noise. */
const noisyBelow = 0.5

/**
 * A cluster's mean χ per component as horizontal bars, in units of the column's standard deviation, with a line for
 * the spread within the cluster. Negative means expression, positive suppression. Drawn as SVG; the numbers make it
 * readable without colours.
 */
export const profileSvg = (
  components: readonly string[],
  { mean, standardDeviation }: Moments,
  columns: Moments,
  reliabilities: readonly number[]
): Html => {
  const scaled = components.map((_, i) => {
    const deviation = columns.standardDeviation[i]
    if (!(deviation > 0)) return { value: 0, spread: 0 }
    return { value: (mean[i] - columns.mean[i]) / deviation, spread: standardDeviation[i] / deviation }
  })
  const reachOf = ({ value, spread }: { readonly value: number; readonly spread: number }): number =>
    Number.isFinite(value) ? Math.abs(value) + (Number.isFinite(spread) ? spread : 0) : 0
  const most = scaled.reduce((largest, each) => Math.max(largest, reachOf(each)), 0.5)
  const x = (value: number): number => {
    const share = Math.max(-most, Math.min(most, value)) / most
    return Number((labelWidth + (chartWidth / 2) * (1 + share)).toFixed(1))
  }
  const bars = scaled.map(({ value, spread }, i) => {
    const y = 4 + i * barHeight
    const noisy = reliabilities[i] < noisyBelow
    const words = `${components[i]}${noisy ? ' (noise)' : ''}`
    const emphasis = noisy ? html` class="noisy"` : nothing
    const label = html`<text x="${labelWidth - 6}" y="${y + 9}" text-anchor="end"${emphasis}>${words}</text>`
    if (!Number.isFinite(value)) return html`${label}<text x="${x(0) + 4}" y="${y + 9}">not a number</text>`
    const [from, to] = [Math.min(x(0), x(value)), Math.max(x(0), x(value))]
    const ends = html`x1="${x(value - spread)}" x2="${x(value + spread)}" y1="${y + 5}" y2="${y + 5}"`
    const line = Number.isFinite(spread) ? html`<line class="spread" ${ends}/>` : nothing
    const place = html`x="${from}" y="${y + 1}" width="${Number((to - from).toFixed(1))}" height="${barHeight - 5}"`
    const bar = html`<rect class="${value < 0 ? 'down' : 'up'}" ${place}/>`
    const reliability = Number.isFinite(reliabilities[i])
      ? html` <tspan class="soft">r ${reliabilities[i].toFixed(2)}</tspan>`
      : nothing
    const figure = html`${figureWords(value)}${reliability}`
    return html`${label}${bar}${line}<text x="${labelWidth + chartWidth + 6}" y="${y + 9}">${figure}</text>`
  })
  const [width, height] = [labelWidth + chartWidth + rightMargin, 8 + components.length * barHeight]
  const size = html`viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`
  const words = 'Mean susceptibility per component, in standard deviations of the component over all tokens'
  const axis = html`<line class="axis" x1="${x(0)}" x2="${x(0)}" y1="0" y2="${height}"/>`
  return html`<svg ${size} role="img" aria-label="${words}">${axis}${bars}</svg>`
}
