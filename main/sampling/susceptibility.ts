/**
 * Sums over a group of draws of one chain: φ = L - L(w*), L, φL, and for every token ℓ and φℓ (docs/method.md,
 * section 3). ℓ may be relative to any constant per token. Token sums are [tokens]. With groups of `full`, a
 * component's `loss` may be empty; the `product` of `full` always may.
 */
export interface Group {
  readonly loss: Float32Array | Float64Array
  /** Σφℓ, less `productShift` times Σℓ. */
  readonly product: Float32Array | Float64Array
  readonly productShift: number
  readonly draws: number
  readonly phi: number
  readonly observed: number
  readonly phiObserved: number
  /** Half of the chain's draws that the group is from. */
  readonly half: 0 | 1
}

export interface Estimate {
  /** χ̂ in nats² from all draws, float64 [tokens]. */
  readonly susceptibilities: Float64Array
  /** Standard errors by delete-one-group jackknife over all groups, float64 [tokens]. */
  readonly standardErrors: Float64Array
  /** χ̂ from the first and from the second half of every chain's draws. */
  readonly halves: readonly [Float64Array, Float64Array]
}

interface Moments {
  readonly draws: number
  readonly phi: number
  readonly observed: number
  readonly phiObserved: number
}

const moments = (groups: readonly Group[]): Moments => {
  const draws = groups.reduce((sum, group) => sum + group.draws, 0)
  const mean = (value: (group: Group) => number): number => groups.reduce((sum, group) => sum + value(group), 0) / draws
  return {
    draws,
    phi: mean(({ phi }) => phi),
    observed: mean(({ observed }) => observed),
    phiObserved: mean(({ phiObserved }) => phiObserved)
  }
}

const without = (groups: readonly Group[]): (readonly Group[])[] =>
  groups.map((group) => groups.filter((other) => other !== group))

/** Standard error by delete-one-group jackknife, from the values with each group left out. */
const jackknife = (values: Float64Array): number => {
  const count = values.length
  let mean = 0
  for (let g = 0; g < count; g++) mean += values[g]
  mean /= count
  let square = 0
  for (let g = 0; g < count; g++) square += (values[g] - mean) ** 2
  return Math.sqrt(((count - 1) / count) * square)
}

/**
 * χ̂ of every token from the groups of one component (docs/method.md, section 3): the restricted estimator, or with
 * `full` the two-chain one. Each chain gives two groups, its halves, so the jackknife errors cover both the spread
 * over chains and slow drift within them. The errors of the component and of `full` are independent and add in
 * squares. Needs at least two groups of each, from both halves.
 */
export const estimate = (groups: readonly Group[], full: readonly Group[] | null): Estimate => {
  const tokens = groups[0].product.length
  const count = groups.length
  const gapGroups = full ?? groups
  const gapCount = gapGroups.length
  const all = moments(groups)
  const leftOut = without(groups).map(moments)
  const inHalf = ([0, 1] as const).map((half) => moments(groups.filter((group) => group.half === half)))
  const gapAll = moments(gapGroups)
  const gapLeftOut = without(gapGroups).map(moments)
  const gapInHalf = ([0, 1] as const).map((half) => moments(gapGroups.filter((group) => group.half === half)))
  const chi = (of: Moments, product: number, gap: Moments, loss: number): number =>
    of.phiObserved - product / of.draws - of.phi * (gap.observed - loss / gap.draws)

  const susceptibilities = new Float64Array(tokens)
  const standardErrors = new Float64Array(tokens)
  const halves = [new Float64Array(tokens), new Float64Array(tokens)] as const
  const [product, loss] = [new Float64Array(2), new Float64Array(2)]
  const products = new Float64Array(count)
  const losses = new Float64Array(gapCount)
  const deleted = new Float64Array(count)
  const gapDeleted = new Float64Array(gapCount)
  for (let token = 0; token < tokens; token++) {
    product.fill(0)
    for (let g = 0; g < count; g++) {
      const group = groups[g]
      products[g] = group.product[token] + (group.productShift === 0 ? 0 : group.productShift * group.loss[token])
      product[group.half] += products[g]
    }
    loss.fill(0)
    for (let g = 0; g < gapCount; g++) {
      losses[g] = gapGroups[g].loss[token]
      loss[gapGroups[g].half] += losses[g]
    }
    const productAll = product[0] + product[1]
    const lossAll = loss[0] + loss[1]
    susceptibilities[token] = chi(all, productAll, gapAll, lossAll)
    for (let half = 0; half < 2; half++)
      halves[half][token] = chi(inHalf[half], product[half], gapInHalf[half], loss[half])
    for (let g = 0; g < count; g++) {
      const left = productAll - products[g]
      deleted[g] =
        full === null ? chi(leftOut[g], left, leftOut[g], lossAll - losses[g]) : chi(leftOut[g], left, gapAll, lossAll)
    }
    let error = jackknife(deleted)
    if (full !== null) {
      for (let g = 0; g < gapCount; g++) gapDeleted[g] = chi(all, productAll, gapLeftOut[g], lossAll - losses[g])
      error = Math.hypot(error, jackknife(gapDeleted))
    }
    standardErrors[token] = error
  }
  return { susceptibilities, standardErrors, halves }
}

const meanAndDeviation = (values: ArrayLike<number>): { readonly mean: number; readonly deviation: number } => {
  let mean = 0
  for (let i = 0; i < values.length; i++) mean += values[i]
  mean /= values.length
  let square = 0
  for (let i = 0; i < values.length; i++) square += (values[i] - mean) ** 2
  return { mean, deviation: Math.sqrt(square / values.length) }
}

/**
 * Spearman-Brown: reliability 2r/(1+r) of the whole from the correlation r of two halves. Negative r is returned
 * unchanged.
 */
export const reliabilityOf = (r: number): number => (r < 0 ? r : (2 * r) / (1 + r))

/**
 * Reliability of a column: the correlation over tokens of its two half estimates, stepped up by Spearman-Brown. 0 if
 * either is constant.
 */
export const reliability = (first: ArrayLike<number>, second: ArrayLike<number>): number => {
  const a = meanAndDeviation(first)
  const b = meanAndDeviation(second)
  let product = 0
  for (let i = 0; i < first.length; i++) product += (first[i] - a.mean) * (second[i] - b.mean)
  const r = product / (first.length * a.deviation * b.deviation)
  return Number.isFinite(r) ? reliabilityOf(r) : 0
}

/** Scales a column to mean 0 and standard deviation 1, in place. A constant column becomes 0. */
const standardise = (column: Float32Array): void => {
  const { mean, deviation } = meanAndDeviation(column)
  const scale = deviation > 0 ? 1 / deviation : 0
  for (let i = 0; i < column.length; i++) column[i] = (column[i] - mean) * scale
}

const addShare = (sums: Float64Array, column: Float32Array, columns: number): void => {
  for (let i = 0; i < column.length; i++) sums[i] += column[i] / columns
}

const centre = (column: Float32Array, rowMeans: Float64Array): void => {
  for (let i = 0; i < column.length; i++) column[i] -= rowMeans[i]
}

type Halves = readonly [Float32Array, Float32Array]

/**
 * Halves of columns preprocessed as for clustering: each half's columns standardised, then its rows centred
 * (docs/method.md, section 5.1). All columns must be added in order before any is requested. Only one column is held
 * at a time.
 */
export class CentredHalves {
  readonly #rowMeans: readonly [Float64Array, Float64Array]

  constructor(
    tokens: number,
    private readonly columns: number
  ) {
    this.#rowMeans = [new Float64Array(tokens), new Float64Array(tokens)]
  }

  add(halves: Halves): void {
    for (const half of [0, 1] as const) {
      const column = halves[half].slice()
      standardise(column)
      addShare(this.#rowMeans[half], column, this.columns)
    }
  }

  /** Standardises and centres the halves of one column in place, and returns them. */
  centred(halves: Halves): Halves {
    for (const half of [0, 1] as const) {
      standardise(halves[half])
      centre(halves[half], this.#rowMeans[half])
    }
    return halves
  }
}
