import { visibleText, visibleToken } from '../../preload/visible'
import type { Moments } from './moments'

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

/** Text that is nothing but text on a page, whatever it holds: markup is escaped, and what would not be seen is shown by a sign. */
export const escapeHtml = (text: string): string => visibleText(text).replace(/[&<>"']/g, (character) => entities[character])

/** As `escapeHtml`, but line breaks stay. */
export const escapeLines = (text: string): string => text.split(/\r\n|\r|\n/).map(escapeHtml).join('\n')

const signs = /[⏎⇥␍␣]+/g

/** A stretch of text with its line ends and tabs as signs that stand back. */
export const contextHtml = (text: string): string => escapeHtml(text).replace(signs, (found) => `<i>${found}</i>`)

/** A token with all of its white space visible. */
export const tokenHtml = (text: string): string => visibleToken(text).replace(/[&<>"']/g, (character) => entities[character]).replace(/[⏎⇥␍␣·]+/g, (found) => `<i>${found}</i>`)

/** A number of three significant digits, or a dash. */
export const figureHtml = (value: number | null): string => {
  if (value === null || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2)
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size === 0 ? 1 : size))))
}

export const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')

const [barHeight, labelWidth, chartWidth, rightMargin] = [13, 90, 420, 110]

/** Columns below this reliability are mostly noise. */
const noisyBelow = 0.5

/**
 * A cluster's mean χ per component as horizontal bars, each in units of its column's standard deviation, with the cluster's own spread
 * as a line: negative is expression, positive suppression. Drawn as SVG, readable without colours by its numbers.
 */
export const profileSvg = (components: readonly string[], { mean, standardDeviation }: Moments, columns: Moments, reliabilities: readonly number[]): string => {
  const scaled = components.map((_, i) => {
    const deviation = columns.standardDeviation[i]
    return deviation > 0 ? { value: (mean[i] - columns.mean[i]) / deviation, spread: standardDeviation[i] / deviation } : { value: 0, spread: 0 }
  })
  const most = scaled.reduce((largest, { value, spread }) => Math.max(largest, Number.isFinite(value) ? Math.abs(value) + (Number.isFinite(spread) ? spread : 0) : 0), 0.5)
  const x = (value: number): number => Number((labelWidth + (chartWidth / 2) * (1 + Math.max(-most, Math.min(most, value)) / most)).toFixed(1))
  const bars = scaled.map(({ value, spread }, i) => {
    const y = 4 + i * barHeight
    const label = `<text x="${labelWidth - 6}" y="${y + 9}" text-anchor="end"${reliabilities[i] < noisyBelow ? ' class="noisy"' : ''}>${escapeHtml(components[i])}${reliabilities[i] < noisyBelow ? ' (noise)' : ''}</text>`
    if (!Number.isFinite(value)) return `${label}<text x="${x(0) + 4}" y="${y + 9}">not a number</text>`
    const [from, to] = [Math.min(x(0), x(value)), Math.max(x(0), x(value))]
    const line = Number.isFinite(spread) ? `<line class="spread" x1="${x(value - spread)}" x2="${x(value + spread)}" y1="${y + 5}" y2="${y + 5}"/>` : ''
    return `${label}<rect class="${value < 0 ? 'down' : 'up'}" x="${from}" y="${y + 1}" width="${Number((to - from).toFixed(1))}" height="${barHeight - 5}"/>${line}`
      + `<text x="${labelWidth + chartWidth + 6}" y="${y + 9}">${figureHtml(value)}${Number.isFinite(reliabilities[i]) ? ` <tspan class="soft">r ${reliabilities[i].toFixed(2)}</tspan>` : ''}</text>`
  })
  const height = 8 + components.length * barHeight
  const words = 'Mean susceptibility per component, in standard deviations of the component over all tokens'
  return `<svg viewBox="0 0 ${labelWidth + chartWidth + rightMargin} ${height}" width="${labelWidth + chartWidth + rightMargin}" height="${height}" role="img" aria-label="${words}">`
    + `<line class="axis" x1="${x(0)}" x2="${x(0)}" y1="0" y2="${height}"/>${bars.join('')}</svg>`
}
