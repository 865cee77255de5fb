import type { BlockConfiguration } from '../../preload/configuration'
import { mean, type Blocks, halvings } from './block-estimates'
import type { BlockRecord, BlockSums } from './sampled'

/** Effective share (Σw)²/(n Σw²) of n weighted draws (docs/method.md, section 3b). */
export const effectiveShare = (phis: readonly number[], nBeta: number): number => {
  const least = phis.reduce((smallest, phi) => Math.min(smallest, phi), Infinity)
  const weights = phis.map((phi) => Math.exp(-nBeta * (phi - least)))
  const [first, second] = [mean(weights), mean(weights.map((weight) => weight * weight))]
  return (first * first) / second
}

/** Factors of a block's plain and φ-weighted gradient sums in its mean gradient (docs/method.md, section 3c). */
export const meanGradientFactors = (
  phis: readonly number[],
  nBeta: number
): { readonly plain: number; readonly product: number } => {
  const weights = phis.map((phi) => Math.exp(-nBeta * phi))
  const weight = weights.reduce((sum, own) => sum + own, 0)
  const centre = phis.reduce((sum, phi, i) => sum + weights[i] * phi, 0) / weight
  return { plain: (1 + nBeta * centre) / weight, product: -nBeta / weight }
}

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

/**
 * Compares mean gradients of blocks: the cosine between those of the two halves, and the norm of the overall one.
 * Computed from scalar products of the blocks' sums.
 */
export const gradientsOf = (
  records: Blocks<BlockRecord>,
  sums: Blocks<BlockSums>,
  { nBeta }: BlockConfiguration
): { readonly cosine: number; readonly norm: number } => {
  const vectors = sums.flatMap(({ gradient, gradientProduct }) =>
    gradientProduct.length > 0 ? [gradient, gradientProduct] : [gradient]
  )
  const withProducts = sums[0].gradientProduct.length > 0
  const gram = vectors.map((a) => vectors.map((b) => dot(a, b)))
  const factors = (members: readonly number[]): number[] => {
    const { plain, product: weighted } = meanGradientFactors(
      members.flatMap((block) => records[block].phis),
      nBeta
    )
    return sums.flatMap((_, block) => {
      const own = members.includes(block) ? [plain, weighted] : [0, 0]
      return withProducts ? own : [own[0]]
    })
  }
  const product = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, x, i) => sum + b.reduce((own, y, j) => own + x * y * gram[i][j], 0), 0)
  const [first, second, all] = [
    factors(halvings[0][0]),
    factors(halvings[0][1]),
    factors(records.map((_, block) => block))
  ]
  const length = (of: readonly number[]): number => Math.sqrt(Math.max(0, product(of, of)))
  const cosine = product(first, second) / (length(first) * length(second))
  return { cosine: Number.isFinite(cosine) ? cosine : 0, norm: length(all) }
}
