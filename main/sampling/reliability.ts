import { reliabilityOf } from './susceptibility'

/** Reliability with an 80 % confidence interval, so the true value exceeds `low` with 90 % confidence. */
export interface ReliabilityInterval {
  readonly reliability: number
  readonly low: number
  readonly high: number
}

/** 90 % quantiles of the normal distribution and of Student's t with two degrees of freedom. */
const [normalQuantile, studentQuantile] = [1.2816, 1.8856]
const groups = 20

const fisher = (r: number): number => Math.atanh(Math.max(-1 + 1e-12, Math.min(1 - 1e-12, r)))

/** Sums that define a correlation. */
type Sums = readonly [count: number, a: number, b: number, aa: number, bb: number, ab: number]

const correlation = ([n, a, b, aa, bb, ab]: Sums): number => {
  const r = (ab - (a * b) / n) / Math.sqrt((aa - (a * a) / n) * (bb - (b * b) / n))
  return Number.isFinite(r) ? r : 0
}

const meanOf = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}

/** Sums over the tokens of each group of rows: 20 groups, or one per row if there are fewer rows. */
const sumsByGroup = (a: ArrayLike<number>, b: ArrayLike<number>, rowStarts: Int32Array): Sums[] => {
  const rows = rowStarts.length - 1
  const [meanA, meanB] = [meanOf(a), meanOf(b)]
  const count = Math.min(groups, rows)
  return Array.from({ length: count }, (_, group) => {
    const [from, to] = [
      rowStarts[Math.floor((group * rows) / count)],
      rowStarts[Math.floor(((group + 1) * rows) / count)]
    ]
    const sums = [to - from, 0, 0, 0, 0, 0] as [number, number, number, number, number, number]
    for (let i = from; i < to; i++) {
      const [x, y] = [a[i] - meanA, b[i] - meanB]
      sums[1] += x
      sums[2] += y
      sums[3] += x * x
      sums[4] += y * y
      sums[5] += x * y
    }
    return sums
  })
}

const total = (parts: readonly Sums[]): Sums =>
  parts.reduce<number[]>((all, part) => all.map((value, i) => value + part[i]), [0, 0, 0, 0, 0, 0]) as unknown as Sums

/**
 * Correlation of two columns over tokens, and its sampling variance in Fisher's z. Tokens of a row are not
 * independent, so the variance is by jackknife over groups of rows. `rowStarts` has the first token of each row, then
 * the number of tokens.
 */
export const correlationOverRows = (
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  rowStarts: Int32Array
): { readonly r: number; readonly variance: number } => {
  const parts = sumsByGroup(a, b, rowStarts).filter(([count]) => count > 0)
  const all = total(parts)
  const without = parts.map((part) => fisher(correlation(all.map((value, i) => value - part[i]) as unknown as Sums)))
  const mean = meanOf(without)
  const variance =
    parts.length < 2
      ? Infinity
      : ((parts.length - 1) / parts.length) * without.reduce((sum, z) => sum + (z - mean) ** 2, 0)
  return { r: correlation(all), variance }
}

/**
 * Variance over the draws of the correlation of two halves, in Fisher's z. `splits` are the correlations of the three
 * ways to halve four independent blocks. These share half of their block pairs, so the variance of one is twice the
 * variance between them.
 */
export const drawVariance = (splits: readonly number[]): number => {
  const z = splits.map(fisher)
  const mean = meanOf(z)
  return (2 * z.reduce((sum, each) => sum + (each - mean) ** 2, 0)) / (z.length - 1)
}

/**
 * Reliability of a column from its halves, with a confidence interval in Fisher's z. Combines two independent errors:
 * over rows (normal quantile), and over draws (`ofDraws`; Student's t, as there are only three splits).
 */
export const reliabilityInterval = (
  halves: readonly [ArrayLike<number>, ArrayLike<number>],
  rowStarts: Int32Array,
  ofDraws: number
): ReliabilityInterval => {
  const { r, variance } = correlationOverRows(halves[0], halves[1], rowStarts)
  const width = Math.sqrt(normalQuantile ** 2 * variance + studentQuantile ** 2 * ofDraws)
  const z = fisher(r)
  return {
    reliability: reliabilityOf(r),
    low: reliabilityOf(Math.tanh(z - width)),
    high: reliabilityOf(Math.tanh(z + width))
  }
}
