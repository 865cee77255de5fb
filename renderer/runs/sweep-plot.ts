import type { ResolutionPoint } from '../../preload/contract'
import { percent } from '../ui/format'

/** A share with its error: "54 % ± 2". */
export const shareText = (share: number, error: number | null): string =>
  `${percent(share)}${error === null ? '' : ` ± ${Math.max(1, Math.round(100 * error))}`}`

/** A resolution as text, for fields and axes. */
export const resolutionText = (resolution: number): string => String(Number(resolution.toPrecision(4)))

/** All results for a resolution, in a line. */
export const pointWords = ({
  resolution,
  groups,
  stableGroups,
  stableShare,
  error,
  nullShare,
  detail
}: ResolutionPoint): string => {
  const chance = nullShare === null ? '' : `, ${percent(nullShare)} by chance`
  const found = `${groups} clusters, ${stableGroups} stable`
  const share = `stable share ${shareText(stableShare, error)}${chance}`
  return `resolution ${resolutionText(resolution)}: ${found}; ${share}; ${detail.toFixed(2)} bits`
}

/** Numbers 1, 2 and 5 times a power of ten within a range; powers of ten alone where those are many. */
export const logTicks = (low: number, high: number): number[] => {
  const powers = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, index) => 10 ** (Math.floor(Math.log10(low)) + index)
  )
  const within = (ticks: readonly number[]): number[] =>
    ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001)
  const fine = within(powers.flatMap((power) => [1, 2, 5].map((times) => Number((times * power).toPrecision(1)))))
  return fine.length <= 9 ? fine : within(powers.map((power) => Number(power.toPrecision(1))))
}

export interface Panel {
  readonly top: number
  readonly bottom: number
}

export interface SweepGeometry {
  readonly shares: Panel
  readonly details: Panel
  /** Middle of each point, from the left. */
  readonly xs: readonly number[]
  readonly x: (resolution: number) => number
  /** Share 0 to 1 in the upper panel, and bits in the lower one. */
  readonly share: (share: number) => number
  readonly detail: (bits: number) => number
  readonly shareLine: string
  /** "" if chance was not measured. */
  readonly nullLine: string
  readonly detailLine: string
  /** Bars from share - error to share + error. */
  readonly errors: string
  readonly resolutions: readonly number[]
  readonly mostDetail: number
}

const margin = { left: 44, right: 14, top: 12 }
const round = (value: number): number => Math.round(10 * value) / 10

const lineThrough = (points: readonly (readonly [x: number, y: number | null])[]): string => {
  let path = ''
  let down = false
  for (const [x, y] of points) {
    if (y !== null) path += `${down ? 'L' : 'M'}${round(x)} ${round(y)}`
    down = y !== null
  }
  return path
}

/** Geometry of the plot; takes at least one point, in ascending resolution. */
export const sweepGeometry = (
  points: readonly ResolutionPoint[],
  width: number,
  shares = 150,
  details = 60,
  gap = 22
): SweepGeometry => {
  const [low, high] = [points[0].resolution, points[points.length - 1].resolution]
  const span = Math.log(high / low)
  const inner = Math.max(40, width - margin.left - margin.right)
  const x = (resolution: number): number =>
    margin.left + (span === 0 ? inner / 2 : (inner * Math.log(resolution / low)) / span)
  const upper = { top: margin.top, bottom: margin.top + shares }
  const lower = { top: upper.bottom + gap, bottom: upper.bottom + gap + details }
  const most = points.reduce((sum, { detail }) => Math.max(sum, detail), 0)
  const mostDetail = most <= 0 ? 1 : most
  const share = (value: number): number => upper.bottom - shares * Math.max(0, Math.min(1, value))
  const detail = (bits: number): number => lower.bottom - (details * bits) / mostDetail
  const xs = points.map(({ resolution }) => x(resolution))
  const cap = (x: number, y: number): string => `M${round(x - 5)} ${round(y)}h10`
  const errors = points.map(({ stableShare, error }, index) => {
    if (error === null) return ''
    const [bottom, top] = [share(stableShare - error), share(stableShare + error)]
    return `${cap(xs[index], bottom)}${cap(xs[index], top)}M${round(xs[index])} ${round(bottom)}V${round(top)}`
  })
  return {
    shares: upper,
    details: lower,
    xs,
    x,
    share,
    detail,
    mostDetail,
    resolutions: logTicks(low, high),
    errors: errors.join(''),
    shareLine: lineThrough(points.map(({ stableShare }, index) => [xs[index], share(stableShare)])),
    nullLine: lineThrough(
      points.map(({ nullShare }, index) => [xs[index], nullShare === null ? null : share(nullShare)])
    ),
    detailLine: lineThrough(points.map((point, index) => [xs[index], detail(point.detail)]))
  }
}

/** Index of the point nearest to an x position. */
export const nearestPoint = (xs: readonly number[], place: number): number =>
  xs.reduce((best, x, index) => (Math.abs(x - place) < Math.abs(xs[best] - place) ? index : best), 0)

/** Index of the point with a resolution, up to rounding; -1 if there is none. */
export const pointAt = (points: readonly ResolutionPoint[], resolution: unknown): number =>
  typeof resolution === 'number'
    ? points.findIndex((point) => Math.abs(Math.log(point.resolution / resolution)) < 1e-3)
    : -1
