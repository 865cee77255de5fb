import { permutation } from '../../main/base/philox'
import { componentIndex } from '../../main/models/components'
import type { BlocksInput } from '../../main/sampling/input'
import { normals } from '../../main/sampling/philox'
import { type Loss, type Losses, addGradient, centre, valueAt } from './blocks-fake'

// Method, sections 3b and 3c once more, as plainly as can be: float64, one draw after the other, nothing shared.

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
const mean = (values: readonly number[]): number => sum(values) / values.length
const combined = (x: number, a: Float64Array, y: number, b: Float64Array): Float64Array =>
  a.map((value, i) => x * value + y * b[i])
const dot = (a: Float64Array, b: Float64Array): number => sum(Array.from(a, (value, i) => value * b[i]))
const norm = (a: Float64Array): number => Math.sqrt(dot(a, a))
const scaled = (x: number, a: Float64Array): Float64Array => a.map((value) => x * value)

/** Losses of all pairs of a row. */
const pairsOf = (losses: Losses, size: number, ids: Int32Array): Loss[] =>
  Array.from({ length: ids.length - 1 }, (_, t) => losses.of(size, ids[t], ids[t + 1]))

const meanLoss = (pairs: readonly Loss[], d: Float64Array): number => mean(pairs.map((loss) => valueAt(loss, d)))

const meanGradient = (pairs: readonly Loss[], d: Float64Array): Float64Array => {
  const total = new Float64Array(d.length)
  for (const loss of pairs) addGradient(loss, d, total)
  return scaled(1 / pairs.length, total)
}

/**
 * What a component's losses are over: pairs of all observation rows, of a slice of them, and of the studied tokens.
 */
export interface Study {
  readonly size: number
  readonly observed: readonly Loss[]
  readonly slice: (k: number) => Loss[]
  readonly tokens: readonly Loss[]
}

export const studyOf = (
  { study, observationIncludesProbe, seed, sampler: { observationBatch } }: BlocksInput,
  component: string,
  losses: Losses
): Study => {
  const size = centre(component).length
  const rows = observationIncludesProbe ? [...study.observation, ...study.probe] : study.observation
  const of = rows.map((ids) => pairsOf(losses, size, ids))
  const perEpoch = Math.floor(rows.length / observationBatch)
  return {
    size,
    observed: of.flat(),
    slice: (k) => {
      const order = permutation(seed, rows.length, Math.floor(k / perEpoch), 2 * 2 ** 24 + 1)
      const first = (k % perEpoch) * observationBatch
      return Array.from(order.slice(first, first + observationBatch)).flatMap((row) => of[row])
    },
    tokens: study.probe.flatMap((ids, row) =>
      Array.from(study.targets[row], (t) => losses.of(size, ids[t - 1], ids[t]))
    )
  }
}

/** What the plain form comes to; draws and turns in the order of docs/method.md. */
export interface Plain {
  readonly susceptibilities: number[]
  /** From even and from odd turns. */
  readonly halves: readonly [number[], number[]]
  /** From all turns but those of one block. */
  readonly without: readonly number[][]
  /** From the turns of one block. */
  readonly alone: readonly number[][]
  readonly phis: number[]
  readonly effectiveShare: number
  /** Of every turn: the direction, times its norm. */
  readonly directions: Float64Array[]
}

const effectiveShareOf = (phis: readonly number[], nBeta: number): number => {
  const weights = phis.map((phi) => Math.exp(-nBeta * phi))
  return sum(weights) ** 2 / (phis.length * sum(weights.map((w) => w * w)))
}

const partsOf = (
  chi: (isOf: (turn: number) => boolean) => number[]
): Pick<Plain, 'susceptibilities' | 'halves' | 'without' | 'alone'> => ({
  susceptibilities: chi(() => true),
  halves: [chi((t) => t % 2 === 0), chi((t) => t % 2 === 1)],
  without: [0, 1, 2, 3].map((block) => chi((t) => t % 4 !== block)),
  alone: [0, 1, 2, 3].map((block) => chi((t) => t % 4 === block))
})

/** χ̂ = -(1/γ) Σ_k a_k (s_xy,k - s_L,k) over some draws of section 3b. */
const weighted = (
  draws: readonly { readonly phi: number; readonly slopes: readonly number[] }[],
  nBeta: number,
  gamma: number
): number[] => {
  const weights = draws.map(({ phi }) => Math.exp(-nBeta * phi))
  const c = sum(draws.map(({ phi }, k) => weights[k] * phi)) / sum(weights)
  const a = draws.map(({ phi }, k) => (weights[k] * (1 - nBeta * (phi - c))) / sum(weights))
  return draws[0].slopes.map((_, token) => -sum(draws.map(({ slopes }, k) => a[k] * slopes[token])) / gamma)
}

export const plainGradient = (input: BlocksInput, component: string, losses: Losses): Plain => {
  const {
    sampler,
    seed,
    model: { architecture }
  } = input
  if (sampler.method !== 'gradient') throw new Error('not this method')
  const { nBeta, gamma, draws: count } = sampler
  const { size, observed, slice, tokens } = studyOf(input, component, losses)
  const stream = 7 * 2 ** 24 + componentIndex(architecture, component)
  const origin = new Float64Array(size)
  const directions: Float64Array[] = []
  const draws = Array.from({ length: count }, (_, k) => {
    const z = normals(size, { seed, step: k, chain: 0, stream })
    const other = normals(size, { seed, step: k, chain: 1, stream })
    const t = (((k + 0.5) * (Math.sqrt(5) - 1)) / 2) % 1
    const base = scaled(1 / Math.sqrt(gamma), z)
    const v = meanGradient(slice(k), base)
    directions.push(v)
    const step = scaled(1 / (norm(v) * Math.sqrt(gamma)), v)
    const x = combined(t / Math.sqrt(gamma), z, Math.sqrt((1 - t * t) / gamma), other)
    const [above, below] = [combined(1, x, 1, step), combined(1, x, -1, step)]
    const slope = (value: (d: Float64Array) => number): number =>
      (norm(v) * Math.sqrt(gamma) * (value(above) - value(below))) / 2
    const own = slope((d) => meanLoss(slice(k + 1), d))
    const over = nBeta > 0 ? observed : slice(k)
    return {
      phi: meanLoss(over, base) - meanLoss(over, origin),
      slopes: tokens.map((loss) => slope((d) => valueAt(loss, d)) - own)
    }
  })
  const chi = (isOf: (k: number) => boolean): number[] =>
    weighted(
      draws.filter((_, k) => isOf(k)),
      nBeta,
      gamma
    )
  const phis = draws.map(({ phi }) => phi)
  return {
    ...partsOf(chi),
    phis,
    effectiveShare: effectiveShareOf(phis, nBeta),
    directions
  }
}

export const plainFirstOrder = (input: BlocksInput, component: string, losses: Losses): Plain => {
  const {
    sampler,
    seed,
    model: { architecture }
  } = input
  if (sampler.method !== 'first-order' || sampler.pairs === 'auto')
    throw new Error('not this method, or no number of pairs')
  const { nBeta, gamma, pairs: count, rounds } = sampler
  const { size, slice, tokens } = studyOf(input, component, losses)
  const index = componentIndex(architecture, component)
  const origin = new Float64Array(size)
  const gradients: { readonly phi: number; readonly v: Float64Array }[][] = [[], [], [], []]
  const directions: Float64Array[] = []
  const turns: number[][] = []
  const phis: number[] = []
  for (let t = 0; t < 4 * rounds; t++) {
    const own = gradients[t % 4]
    for (let p = t * count; p < (t + 1) * count; p++) {
      const z = normals(size, { seed, step: p, chain: 0, stream: 7 * 2 ** 24 + index })
      for (const [j, sign] of [
        [2 * p, 1],
        [2 * p + 1, -1]
      ] as const) {
        const d = scaled(sign / Math.sqrt(gamma), z)
        const phi = meanLoss(slice(j), d) - meanLoss(slice(j), origin)
        own.push({ phi, v: meanGradient(slice(j), d) })
        phis.push(phi)
      }
    }
    const weights = own.map(({ phi }) => Math.exp(-nBeta * phi))
    const c = sum(own.map(({ phi }, j) => weights[j] * phi)) / sum(weights)
    const g = own.reduce<Float64Array>(
      (total, { phi, v }, j) => combined(1, total, (weights[j] * (1 - nBeta * (phi - c))) / sum(weights), v),
      new Float64Array(size)
    )
    directions.push(g)
    const q = scaled(1 / norm(g), g)
    const y = normals(size, { seed, step: t, chain: 0, stream: 8 * 2 ** 24 + index })
    const x = scaled(1 / Math.sqrt(gamma), combined(1, y, -dot(y, q), q))
    const h = 1 / Math.sqrt(gamma)
    const slope = (value: (d: Float64Array) => number): number =>
      (norm(g) / (4 * h)) * sum([1, -1].map((e) => value(combined(e, x, h, q)) - value(combined(e, x, -h, q))))
    const ofL = slope((d) => meanLoss(slice(2 * count * (t + 1)), d))
    turns.push(tokens.map((loss) => slope((d) => valueAt(loss, d)) - ofL))
  }
  const chi = (isOf: (t: number) => boolean): number[] =>
    tokens.map((_, token) => -mean(turns.filter((_own, t) => isOf(t)).map((slopes) => slopes[token])) / gamma)
  return { ...partsOf(chi), phis, effectiveShare: effectiveShareOf(phis, nBeta), directions }
}

export const plain = (input: BlocksInput, component: string, losses: Losses): Plain =>
  input.sampler.method === 'first-order'
    ? plainFirstOrder(input, component, losses)
    : plainGradient(input, component, losses)

/** A quadratic form about u*: mean of some losses, whose gradient at u* is b and whose Hessian is A (row-major). */
export interface Quadratic {
  readonly b: Float64Array
  readonly A: Float64Array
}

export const quadraticOf = (pairs: readonly Loss[]): Quadratic => {
  const size = pairs[0].b.length
  const b = new Float64Array(size)
  const A = new Float64Array(size * size)
  for (const loss of pairs) {
    for (let i = 0; i < size; i++) {
      b[i] += loss.b[i] / pairs.length
      A[i * size + i] += loss.a[i] / pairs.length
      for (let j = 0; j < size; j++) A[i * size + j] += (loss.k[i] * loss.k[j]) / pairs.length
    }
  }
  return { b, A }
}

/** The inverse of a symmetric positive definite matrix. */
const inverse = (matrix: Float64Array, size: number): Float64Array => {
  const left = matrix.slice()
  const right = new Float64Array(size * size)
  for (let i = 0; i < size; i++) right[i * size + i] = 1
  for (let pivot = 0; pivot < size; pivot++) {
    const scale = 1 / left[pivot * size + pivot]
    for (let j = 0; j < size; j++) {
      left[pivot * size + j] *= scale
      right[pivot * size + j] *= scale
    }
    for (let i = 0; i < size; i++) {
      const factor = i === pivot ? 0 : left[i * size + pivot]
      if (factor === 0) continue
      for (let j = 0; j < size; j++) {
        left[i * size + j] -= factor * left[pivot * size + j]
        right[i * size + j] -= factor * right[pivot * size + j]
      }
    }
  }
  return right
}

const times = (matrix: Float64Array, vector: Float64Array): Float64Array =>
  vector.map((_, i) => dot(matrix.subarray(i * vector.length, (i + 1) * vector.length), vector))

const product = (a: Float64Array, b: Float64Array, size: number): Float64Array => {
  const out = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < size; k++) {
      const factor = a[i * size + k]
      for (let j = 0; j < size; j++) out[i * size + j] += factor * b[k * size + j]
    }
  }
  return out
}

/**
 * χ = -Cov(φ, ℓ - L) of quadratic losses under the localised posterior, which is Gaussian: all, and first order. The
 * posterior's precision is P = γ + nβ A and its mean m = -nβ P⁻¹ b; Cov(φ, ℓ) = (b + A m)·P⁻¹(c + B m) + ½ tr(A P⁻¹ B
 * P⁻¹).
 */
export const exactSusceptibilities = (
  { size, observed, tokens }: Study,
  nBeta: number,
  gamma: number
): { readonly all: number[]; readonly first: number[] } => {
  const phi = quadraticOf(observed)
  const covariance = inverse(
    phi.A.map((value, at) => nBeta * value + (at % (size + 1) === 0 ? gamma : 0)),
    size
  )
  const m = scaled(-nBeta, times(covariance, phi.b))
  const left = times(covariance, combined(1, phi.b, 1, times(phi.A, m)))
  const half = product(product(covariance, phi.A, size), covariance, size)
  const covariances = ({ b, A }: Quadratic): { readonly all: number; readonly first: number } => ({
    all: dot(left, combined(1, b, 1, times(A, m))) + dot(half, A) / 2,
    first: dot(left, b)
  })
  const ofL = covariances(phi)
  const ofTokens = tokens.map((loss) => covariances(quadraticOf([loss])))
  return { all: ofTokens.map(({ all }) => ofL.all - all), first: ofTokens.map(({ first }) => ofL.first - first) }
}
