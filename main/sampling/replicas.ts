import { componentIndex, componentSlices, flatten } from '../models/components'
import type { ChainsPlan } from './chains-plan'
import { rowsAtOnce } from './rows'
import { float32, float64, sharedCopy } from './shared-arrays'
import { partsOf } from './stages'
import type { Replica, TokenSums } from './tasks'

/** Creates replicas of the chosen chains at w*, in shared memory, ordered by component, then chain. */
export const makeReplicas = ({ input, chosen, tokens, sizes, atOnce, rangeWeights }: ChainsPlan): Replica[] => {
  const {
    model: { architecture, weights },
    study,
    sampler,
    observationIncludesProbe
  } = input
  const arrays = (count: number, length: number): Float32Array[] =>
    Array.from({ length: partsOf(sizes, count) }, () => float32(length))
  const blockLength = study.probe.reduce(
    (most, { length }) => Math.max(most, rowsAtOnce(architecture, atOnce.block, length) * (length - 1)),
    0
  )
  return [...new Set(chosen.map(({ component }) => component))].flatMap((component) => {
    const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
    const twoChain = sampler.estimator === 'two-chain'
    const sums = <A extends Float32Array | Float64Array>(make: (length: number) => A): TokenSums<A> => ({
      loss: make(twoChain && component !== 'full' ? 0 : tokens),
      product: make(component === 'full' ? 0 : tokens)
    })
    return chosen
      .filter((each) => each.component === component)
      .map(({ chain }) => ({
        component,
        chain,
        index: componentIndex(architecture, component),
        weights: sharedCopy(centre),
        centre,
        squares: float32(sampler.nBeta === 0 ? 0 : centre.length),
        losses: float32(observationIncludesProbe ? tokens : 0),
        sums: sums(float64),
        firstHalf: twoChain ? sums(float64) : sums(float32),
        gradient: float32(sizes.waiting ? centre.length : 0),
        parts: arrays(sizes.chunks, centre.length),
        blockLosses: arrays(sizes.blocks, blockLength),
        claims: new Int32Array(new SharedArrayBuffer(4 * Math.ceil(centre.length / rangeWeights)))
      }))
  })
}
