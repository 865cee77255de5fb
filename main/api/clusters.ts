import { clusteringSchema } from '../../preload/configuration'
import type { ClusteringSettings } from '../../preload/configuration'
import type { ClusterTokens, ClusteringSummary } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { leftoverCluster } from '../../preload/records'
import { recluster } from '../pipeline/run'
import type { StartOptions } from '../pipeline/run-options'
import { withWorkspace } from './workspaces'

export interface ClusterQuery {
  readonly clustering?: number
  readonly order: 'token' | 'central'
  readonly limit: number
  readonly offset: number
  readonly topTokens: number
}

/** "7" for the eighth cluster that was found, "rest" for what is left over. */
const clusterNumber = (text: string): number => {
  if (text === 'rest') return leftoverCluster
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SpectroscopeError('usage', `"${text}" is no cluster; give its number, or "rest" for the tokens in no cluster.`)
}

/** A cluster of a run and its tokens in context. */
export const showCluster = (folder: string, run: string, cluster: string, { clustering, topTokens, ...query }: ClusterQuery): Promise<ClusterTokens> => {
  const number = clusterNumber(cluster)
  return withWorkspace(folder, 'read', async (workspace) => {
    const { id, name } = await workspace.findRun(run)
    const which = clustering === undefined ? {} : { clustering }
    const summary = await workspace.getClusterSummary(id, number, { ...which, topTokens })
    const tokens = await workspace.getClusterTokens(id, number, { ...which, ...query })
    return { run: id, name, summary, tokens }
  })
}

/** Checks changes to a run's clustering settings. Throws a `usage` error that names the option. */
const changed = (base: ClusteringSettings | false, changes: Partial<ClusteringSettings>): ClusteringSettings => {
  const parsed = clusteringSchema.safeParse({ ...(base === false ? {} : base), ...changes })
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const option = String(issue.path[0] ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new SpectroscopeError('usage', `--${option}: ${issue.message}.`)
}

/** One more clustering of a run's matrix: the run's own settings with some changed. */
export const clusterAgain = (folder: string, run: string, changes: Partial<ClusteringSettings>, options: StartOptions): Promise<ClusteringSummary> =>
  withWorkspace(folder, 'write', async (workspace) => {
    const record = await workspace.findRun(run)
    const configuration = changed(record.configuration.clustering, changes)
    try {
      const clustering = await recluster(workspace, record, configuration, options)
      return { run: record.id, tokens: record.tokens, components: record.components.length, clusters: clustering.clusters, unclustered: clustering.leftoverSize, clustering }
    } catch (error) {
      if (!(error instanceof SpectroscopeError) || error.kind !== 'interrupted') throw error
      throw new SpectroscopeError('interrupted', `The clustering of run ${record.id} is interrupted; give the same command again to go on.`, { cause: error })
    }
  })
