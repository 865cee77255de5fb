/** Rows under a heading, of which the first are shown. */
export interface PlannedGroup {
  readonly total: number
  /** Rows that are shown; the rest are behind a "more" line. */
  readonly shown: number
  readonly heading: boolean
}

export type PlannedLine =
  | { readonly kind: 'heading'; readonly group: number }
  | { readonly kind: 'row'; readonly group: number; readonly place: number }
  | { readonly kind: 'more'; readonly group: number }

/** Maps lines of a list to rows and headings, without an object for each line. */
export interface RowPlan {
  readonly length: number
  readonly at: (line: number) => PlannedLine
}

/** Groups in sequence: a heading, rows, and a "more" line if some rows are hidden. */
export const planGroups = (groups: readonly PlannedGroup[]): RowPlan => {
  const sizes = groups.map(
    ({ total, shown, heading }) => (heading ? 1 : 0) + Math.min(total, shown) + (total > shown ? 1 : 0)
  )
  const starts: number[] = []
  let length = 0
  for (const size of sizes) {
    starts.push(length)
    length += size
  }
  const groupOf = (line: number): number => {
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle] <= line) low = middle
      else high = middle - 1
    }
    return low
  }
  return {
    length,
    at: (line) => {
      const group = groupOf(line)
      const { heading, shown, total } = groups[group]
      const place = line - starts[group] - (heading ? 1 : 0)
      if (place < 0) return { kind: 'heading', group }
      return place >= Math.min(shown, total) ? { kind: 'more', group } : { kind: 'row', group, place }
    }
  }
}

/** Interleaves rows of several sources: the first of each, the second of each, … */
export const planInTurn = (totals: readonly number[]): RowPlan => {
  const length = totals.reduce((sum, total) => sum + total, 0)
  const steps = [...new Set(totals)].sort((a, b) => a - b).filter((total) => total > 0)
  /** Points where a source runs out, with the sources that remain. */
  const stretches: { readonly line: number; readonly place: number; readonly sources: readonly number[] }[] = []
  let line = 0
  let place = 0
  for (const step of steps) {
    const sources = [...totals.keys()].filter((source) => totals[source] >= step)
    stretches.push({ line, place, sources })
    line += (step - place) * sources.length
    place = step
  }
  return {
    length,
    at: (asked) => {
      const {
        line: from,
        place: start,
        sources
      } = stretches.findLast((stretch) => stretch.line <= asked) ?? { line: 0, place: 0, sources: [0] }
      return {
        kind: 'row',
        group: sources[(asked - from) % sources.length],
        place: start + Math.floor((asked - from) / sources.length)
      }
    }
  }
}
