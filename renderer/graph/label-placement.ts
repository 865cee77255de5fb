import type { Box } from './fitting'

/** A name that could stand in the view: where its middle would be, in pixels, and how large it is. */
export interface LabelCandidate {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** Shown even where it lies on others. */
  readonly always?: boolean
}

/** Pixels; names of what holds others are larger. */
export const nameSize = 11.5
export const largeNameSize = 14

const overlaps = (a: LabelCandidate, b: LabelCandidate, gap: number): boolean =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 + gap && Math.abs(a.y - b.y) < (a.height + b.height) / 2 + gap

const liesOn = ({ x, y, width, height }: LabelCandidate, { left, top, right, bottom }: Box): boolean =>
  x + width / 2 > left && x - width / 2 < right && y + height / 2 > top && y - height / 2 < bottom

const cellSize = 96

interface PlacementOptions {
  /** Of the view, in pixels. */
  readonly width: number
  readonly height: number
  readonly most?: number
  readonly gap?: number
  /** What no name is shown under. */
  readonly overlays?: readonly Box[]
}

/**
 * Indices of the candidates that can be shown without lying on one another, in the order given: those that matter
 * most come first. A grid of cells keeps it to a few comparisons a name.
 */
export const placeLabels = (
  candidates: readonly LabelCandidate[],
  { width, height, most = 80, gap = 4, overlays = [] }: PlacementOptions
): number[] => {
  const cells = new Map<number, LabelCandidate[]>()
  const placed: number[] = []
  for (const [index, candidate] of candidates.entries()) {
    if (placed.length >= most) break
    if (candidate.x < 0 || candidate.x > width || candidate.y < 0 || candidate.y > height) continue
    const [left, right] = [candidate.x - candidate.width / 2 - gap, candidate.x + candidate.width / 2 + gap].map((x) =>
      Math.floor(x / cellSize)
    )
    const [top, bottom] = [candidate.y - candidate.height / 2 - gap, candidate.y + candidate.height / 2 + gap].map(
      (y) => Math.floor(y / cellSize)
    )
    const keys: number[] = []
    for (let column = left; column <= right; column++)
      for (let row = top; row <= bottom; row++) keys.push(column * 4096 + row)
    if (candidate.always !== true && overlays.some((over) => liesOn(candidate, over))) continue
    if (
      candidate.always !== true &&
      keys.some((key) => cells.get(key)?.some((other) => overlaps(candidate, other, gap)) === true)
    )
      continue
    placed.push(index)
    for (const key of keys) {
      const there = cells.get(key)
      if (there === undefined) cells.set(key, [candidate])
      else there.push(candidate)
    }
  }
  return placed
}

/** A text of at most `most` characters, the last one an ellipsis where something was left out. */
export const shortened = (text: string, most: number): string => {
  const characters = Array.from(text.slice(0, 4 * most))
  return characters.length <= most ? characters.join('') : `${characters.slice(0, most - 1).join('')}…`
}
