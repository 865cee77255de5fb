export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** One pair of axes, both logarithmic. */
export interface Panel {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
}

const panelWidth = 420
const panelHeight = 280
const margin = { left: 62, right: 28, top: 34, bottom: 46 }
const colours = ['#1f6fb2', '#c2571a', '#2f8f4e', '#7a4fb5']

const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
const short = (value: number): string =>
  value >= 1e6
    ? `${Number((value / 1e6).toPrecision(3))} M`
    : value >= 10_000
      ? `${Number((value / 1000).toPrecision(3))} k`
      : value.toLocaleString('en')

/** Marks 1, 2, 5 × 10ⁿ within a range, fewer where there would be more than eight. */
const marks = (low: number, high: number): number[] => {
  for (const steps of [[1, 2, 5], [1, 3], [1]]) {
    const found: number[] = []
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const step of steps) {
        const value = step * 10 ** power
        if (value >= low * 0.999 && value <= high * 1.001) found.push(value)
      }
    }
    if (found.length <= 8) return found
  }
  return []
}

/**
 * From the least to the greatest with something to spare on both sides, `least` times as much at the end as at the
 * beginning or more.
 */
const rangeOf = (values: readonly number[], spare: number, least: number): readonly [number, number] => {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value))
  const [low, high] = [Math.min(...positive) / spare, Math.max(...positive) * spare]
  const missing = Math.max(1, Math.sqrt((least * low) / high))
  return [low / missing, high * missing]
}

const panelSvg = ({ title, x, y, series }: Panel, left: number, top: number): string => {
  const all = series.flatMap(({ points }) => points)
  const [xLow, xHigh] = rangeOf(
    all.map(([value]) => value),
    1.15,
    1
  )
  const [yLow, yHigh] = rangeOf(
    all.map(([, value]) => value),
    1.3,
    8
  )
  const [width, height] = [panelWidth - margin.left - margin.right, panelHeight - margin.top - margin.bottom]
  const across = (value: number): number =>
    left + margin.left + (Math.log(value / xLow) / Math.log(xHigh / xLow)) * width
  const up = (value: number): number =>
    top + margin.top + height - (Math.log(value / yLow) / Math.log(yHigh / yLow)) * height
  const at = (value: number): string => value.toFixed(1)
  const xMarks = [...new Set(all.map(([value]) => value))].sort((a, b) => a - b)
  const shownMarks = xMarks.length <= 8 ? xMarks : marks(xLow, xHigh)
  const parts = [
    `<text x="${left + margin.left}" y="${top + 20}" class="title">${escaped(title)}</text>`,
    ...marks(yLow, yHigh).map(
      (value) =>
        `<line x1="${left + margin.left}" x2="${left + margin.left + width}" y1="${at(up(value))}" ` +
        `y2="${at(up(value))}" class="grid"/><text x="${left + margin.left - 7}" y="${at(up(value) + 4)}" ` +
        `text-anchor="end">${short(value)}</text>`
    ),
    ...shownMarks.map(
      (value) =>
        `<line x1="${at(across(value))}" x2="${at(across(value))}" y1="${top + margin.top}" ` +
        `y2="${top + margin.top + height}" class="grid"/><text x="${at(across(value))}" ` +
        `y="${top + margin.top + height + 17}" text-anchor="middle">${short(value)}</text>`
    ),
    `<rect x="${left + margin.left}" y="${top + margin.top}" width="${width}" height="${height}" class="frame"/>`,
    `<text x="${left + margin.left + width / 2}" y="${top + panelHeight - 10}" text-anchor="middle">` +
      `${escaped(x)}</text>`,
    `<text transform="translate(${left + 14} ${top + margin.top + height / 2}) rotate(-90)" ` +
      `text-anchor="middle">${escaped(y)}</text>`
  ]
  series.forEach(({ name, points }, i) => {
    const shown = points.filter(([, value]) => value > 0 && Number.isFinite(value))
    const colour = colours[i % colours.length]
    parts.push(
      `<polyline points="${shown.map(([a, b]) => `${at(across(a))},${at(up(b))}`).join(' ')}" fill="none" ` +
        `stroke="${colour}" stroke-width="2"/>`
    )
    for (const [a, b] of shown) parts.push(`<circle cx="${at(across(a))}" cy="${at(up(b))}" r="3.5" fill="${colour}"/>`)
    if (series.length > 1) {
      parts.push(
        `<text x="${left + panelWidth - margin.right - (series.length - 1 - i) * 50}" y="${top + 20}" ` +
          `text-anchor="end" class="name" style="fill: ${colour}">${escaped(name)}</text>`
      )
    }
  })
  return parts.join('\n')
}

/**
 * Panels in rows of `columns`, as one SVG document that needs nothing else. `title` and `words` say what is shown,
 * above them all.
 */
export const logPlot = (title: string, words: string, panels: readonly Panel[], columns: number): string => {
  const head = 52
  const [width, height] = [columns * panelWidth, head + Math.ceil(panels.length / columns) * panelHeight]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
      `height="${height}" role="img" aria-label="${escaped(title)}">`,
    '<style>text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 13px } ' +
      '.grid { stroke: #e3e3e3 } .frame { fill: none; stroke: #999 } .name { font-weight: 600 }</style>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="22" style="font-size: 15px; font-weight: 600">${escaped(title)}</text>`,
    `<text x="16" y="41">${escaped(words)}</text>`,
    ...panels.map((panel, i) =>
      panelSvg(panel, (i % columns) * panelWidth, head + Math.floor(i / columns) * panelHeight)
    ),
    '</svg>',
    ''
  ].join('\n')
}
