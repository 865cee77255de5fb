import { availableParallelism } from 'node:os'
import { clusteringConfigurationSchema } from '../../preload/configuration'
import type { ClusteringSettings } from '../../preload/configuration'
import type { ClusteringEstimate } from '../../preload/contract'
import type { RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { variantsOf } from './cluster-set'
import { clusteringOrder } from './clustering-order'
import { clusterSeconds } from './estimate'
import { suitedTo } from './run'

/**
 * Seconds that a further clustering of a run will take on this machine, by rates measured on another one, and what is
 * to be said of it. Throws a `usage` error if the run has no matrix, and the errors of `clusteringOrder`.
 */
export const estimateClustering = async (
  workspace: Workspace,
  run: RunRecord,
  settings: ClusteringSettings
): Promise<ClusteringEstimate> => {
  const { tokens } = run
  const configuration = clusteringConfigurationSchema.parse(suitedTo(run, settings))
  const { columns, parts, notes } = await clusteringOrder(workspace, run, configuration)
  const cores = availableParallelism()
  const threads = Math.min(run.configuration.threads ?? cores, cores)
  const matrices = variantsOf(parts).length
  const { neighbours, cluster } = clusterSeconds(configuration, matrices, tokens, columns.length, threads)
  return { seconds: neighbours + cluster, matrices, notes: notes.map(({ message }) => message) }
}
