/** Sampler settings with which chains of a small model take seconds. Others are those of the paper preset. */
export const quickChains = {
  method: 'psgld',
  batchSize: 8,
  burnIn: 20,
  draws: 20,
  stepsBetweenDraws: 10,
  chains: 2,
  estimator: 'restricted'
} as const
