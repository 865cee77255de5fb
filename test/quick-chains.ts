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

/** Local clusters of a study of some hundred tokens, without stability, which clusters the halves of the draws too. */
export const quickClustering = {
  method: 'acl',
  neighbours: 8,
  minSize: 5,
  maxRejections: 30,
  alpha: 0.05,
  epsilon: 1e-5,
  stability: false
} as const
