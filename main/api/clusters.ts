import { clusteringSchema, keysOfMethod } from '../../preload/configuration'
import type { ClusteringMethod, ClusteringSettings } from '../../preload/configuration'
import type { ClusterTokens, ClusteringSummary } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { issueWords, telling } from '../../preload/issues'
import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterSummary, GroupKind, RunRecord } from '../../preload/records'
import { GroupTree } from '../base/group-tree'
import { clusteringOf } from '../exchange/selection'
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

/** Parses a cluster number, or "rest" for the unclustered tokens. Throws a `usage` error. */
const clusterNumber = (text: string): number => {
  if (text === 'rest') return leftoverCluster
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new SpectroscopeError(
    'usage',
    `"${text}" is not a cluster; give a cluster number, or "rest" for unclustered tokens.`
  )
}

/**
 * Clusters in the order of terminal lists: each group above is followed by its contents, largest first. Unclustered
 * tokens last.
 */
export const inTreeOrder = (summaries: readonly ClusterSummary[]): ClusterSummary[] => {
  const known = new Map(summaries.map((summary) => [summary.cluster, summary]))
  const groups = summaries.filter(({ cluster }) => cluster !== leftoverCluster).sort((a, b) => a.cluster - b.cluster)
  const tree = new GroupTree(groups.map(({ kind, parent }) => ({ kind: kind as GroupKind, parent })))
  const order = [...tree.inOrder((group) => known.get(group)?.size ?? 0).map(({ cluster }) => cluster), leftoverCluster]
  return order.flatMap((cluster) => known.get(cluster) ?? [])
}

/** Answer of `clusters`. */
export interface ClusterList {
  readonly run: string
  readonly name: string
  readonly tokens: number
  readonly clustering: ClusteringRecord
  /** In tree order, or those of one level from the largest. Unclustered tokens last. */
  readonly clusters: readonly ClusterSummary[]
}

export interface ListQuery {
  readonly clustering?: number
  /** All levels by default. */
  readonly level?: GroupKind
  readonly topTokens: number
}

/** Lists the clusters of a run's clustering (the latest by default) and the groups above them. */
export const listClusters = (
  folder: string,
  text: string,
  { clustering: number, level, topTokens }: ListQuery
): Promise<ClusterList> =>
  withWorkspace(folder, 'read', async (workspace) => {
    const run = await workspace.findRun(text)
    const { id, name, tokens } = run
    const clustering = clusteringOf(run, number)
    const all = inTreeOrder(await workspace.getClusterSummaries(id, { clustering: clustering.number, topTokens }))
    const isLeftover = ({ cluster }: ClusterSummary): boolean => cluster === leftoverCluster
    const ofLevel = all
      .filter((summary) => summary.kind === level || (level === 'cluster' && isLeftover(summary)))
      .sort((a, b) => Number(isLeftover(a)) - Number(isLeftover(b)) || b.size - a.size || a.cluster - b.cluster)
    return { run: id, name, tokens, clustering, clusters: level === undefined ? all : ofLevel }
  })

/** A cluster of a run, or a group above, and its tokens in context. */
export const showCluster = (
  folder: string,
  run: string,
  cluster: string,
  { clustering, topTokens, ...query }: ClusterQuery
): Promise<ClusterTokens> => {
  const number = clusterNumber(cluster)
  return withWorkspace(folder, 'read', async (workspace) => {
    const { id, name } = await workspace.findRun(run)
    const which = clustering === undefined ? {} : { clustering }
    const summary = await workspace.getClusterSummary(id, number, { ...which, topTokens })
    const tokens = await workspace.getClusterTokens(id, number, { ...which, ...query })
    return { run: id, name, summary, tokens }
  })
}

/** Changed settings, of any method. */
export type ClusteringChanges = Partial<Omit<Extract<ClusteringSettings, { method: 'communities' }>, 'method'>> &
  Partial<Omit<Extract<ClusteringSettings, { method: 'acl' }>, 'method'>> & { readonly method?: ClusteringMethod }

const optionOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/**
 * Applies changes to a run's own settings. When the method changes, drops settings of the other method. Throws a
 * `usage` error that names the wrong option.
 */
export const changedClustering = (base: ClusteringSettings | false, changes: ClusteringChanges): ClusteringSettings => {
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  const own = base === false ? {} : base
  const method = changes.method ?? (base === false ? 'communities' : base.method)
  const other = method === 'acl' ? 'communities' : 'acl'
  const kept = Object.fromEntries(Object.entries(own).filter(([key]) => !keysOfMethod[other].includes(key)))
  const foreign = Object.keys(given).find((key) => keysOfMethod[other].includes(key))
  if (foreign !== undefined) {
    const what = `${optionOf(foreign)} is a setting of the method ${other}, but this clustering uses ${method}`
    throw new SpectroscopeError('usage', `${what}; add --method ${other}, or omit the option.`)
  }
  const parsed = clusteringSchema.safeParse({ ...kept, ...given, method }, { reportInput: true })
  if (parsed.success) return parsed.data
  const issue = telling(parsed.error.issues[0])
  throw new SpectroscopeError('usage', `${optionOf(String(issue.path[0] ?? ''))}: ${issueWords(issue)}.`)
}

export const summaryOf = ({ id, tokens, components }: RunRecord, clustering: ClusteringRecord): ClusteringSummary => ({
  run: id,
  tokens,
  components: components.length,
  clusters: clustering.clusters,
  unclustered: clustering.leftoverSize,
  clustering
})

/** Runs `work` on a clustering of a run. An `interrupted` error says how to resume. */
export const withResumeAdvice = async <T>(run: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof SpectroscopeError) || error.kind !== 'interrupted') throw error
    const message = `The clustering of run ${run} was interrupted; run the same command again to resume it.`
    throw new SpectroscopeError('interrupted', message, { cause: error })
  }
}

/** Clusters a run's matrix again with some settings changed. */
export const clusterAgain = (
  folder: string,
  run: string,
  changes: ClusteringChanges,
  options: StartOptions
): Promise<ClusteringSummary> =>
  withWorkspace(folder, 'write', async (workspace) => {
    const record = await workspace.findRun(run)
    const configuration = changedClustering(record.configuration.clustering, changes)
    return withResumeAdvice(record.id, async () =>
      summaryOf(record, await recluster(workspace, record, configuration, options))
    )
  })
