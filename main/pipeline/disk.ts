import { type RunConfiguration, type SamplerConfiguration, suitClustering } from '../../preload/configuration'
import { waveBytes } from '../sampling/waves'
import { sumsBytes, sizesOf, blocksBytes, partsBytes, type Sizes } from './memory'
import { type Plan, chainsOf, sum, includesProbe } from './plan'

/** Bytes in the folder of a divided run when finished, without its model: the rows, and the results of all chains. */
export const diskOfShards = (plan: Plan, { sampler, corpus }: RunConfiguration, shards: number): number => {
  const { rows } = plan
  const chains = chainsOf(plan, sampler)
  const ids = sum([...rows.sampling, ...rows.observation, ...rows.probe])
  const sums =
    sampler.method === 'psgld'
      ? sumsBytes(sizesOf(plan, chains), rows.tokens, sampler, includesProbe(corpus))
      : blocksBytes(plan, chains, sampler)
  return 4 * (ids + rows.tokens * shards) + sums
}

/** Bytes of the matrices until they are stored: χ̂, its errors and parts, and with draw blocks two halves. */
const columnsBytes = (plan: Plan, sampler: SamplerConfiguration): number =>
  partsBytes(plan, sampler) + 4 * (sampler.method === 'psgld' ? 2 : 4) * plan.rows.tokens * plan.components.length

/**
 * Bytes that a run needs on disk: what stays in the workspace, plus matrices and two checkpoints until they are
 * deleted.
 */
export const diskOf = (plan: Plan, { sampler, clustering, corpus }: RunConfiguration, sizes: Sizes): number => {
  const { rows, components } = plan
  const ids = sum([...rows.sampling, ...rows.observation, ...rows.probe])
  const stored = rows.tokens * (components.length * 8 + 20) + partsBytes(plan, sampler) + ids * 4
  const results = stored + columnsBytes(plan, sampler)
  const clusters =
    clustering === false ? 0 : rows.tokens * (suitClustering(clustering, rows.tokens).neighbours * 8 + 40)
  if (sampler.method !== 'psgld') {
    const sums = blocksBytes(plan, chainsOf(plan, sampler), sampler)
    return results + clusters + 2 * Math.min(waveBytes(), sums) + (sampler.keepSums ? sums : 0)
  }
  const checkpoint =
    (sampler.nBeta === 0 ? 0 : 8 * sizes.replicaWeights) +
    sumsBytes(sizes, rows.tokens, sampler, includesProbe(corpus)) +
    4 * rows.tokens
  return results + clusters + 2 * checkpoint
}
