import { lines, Visible } from '../base/printed'
import { clip, padEnd, padStart, textWidth, visibleText } from './text'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** May be cut, with an ellipsis, on a narrow terminal. */
  readonly flexible?: boolean
}

const gap = '  '
const leastFlexible = 8

const fit = (columns: readonly Column[], natural: readonly number[], width: number): number[] => {
  const widths = [...natural]
  let excess = widths.reduce((sum, each) => sum + each, 0) + gap.length * (widths.length - 1) - width
  while (excess > 0) {
    const shrinkable = columns.map(({ flexible }, i) =>
      flexible === true && widths[i] > leastFlexible ? widths[i] : 0
    )
    const widest = Math.max(...shrinkable)
    if (widest === 0) break
    const i = shrinkable.indexOf(widest)
    const cut = Math.min(
      excess,
      widest - Math.max(leastFlexible, ...shrinkable.filter((_, other) => other !== i && shrinkable[other] < widest)) ||
        1
    )
    widths[i] -= cut
    excess -= cut
  }
  return widths
}

/** Aligned columns with titles. `width` is that of the terminal; with Infinity nothing is cut. */
export const renderTable = (
  columns: readonly Column[],
  given: readonly (readonly string[])[],
  width = Infinity,
  bold: (text: string) => Visible = Visible.of
): Visible => {
  const rows = given.map((cells) => cells.map(visibleText))
  const natural = columns.map(({ title }, i) =>
    rows.reduce((most, row) => Math.max(most, textWidth(row[i])), textWidth(title))
  )
  const widths = fit(columns, natural, width)
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const text = clip(cell, widths[i])
        return columns[i].align === 'right' ? padStart(text, widths[i]) : padEnd(text, widths[i])
      })
      .join(gap)
      .trimEnd()
  return lines(bold(lineOf(columns.map(({ title }) => title))), rows.map(lineOf))
}
