import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { ClusteringSummary, RunSummary } from '../../preload/contract'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { ClusterShardPlan, SetStatus, ShardPlan } from '../../preload/shards'
import { checkConfiguration, readConfiguration } from '../pipeline/checks'
import { clusterResultState } from '../pipeline/cluster-results'
import { planClustering } from '../pipeline/cluster-shard-plan'
import { runClusterShard } from '../pipeline/cluster-shard-task'
import type { ClusterTaskSummary } from '../pipeline/cluster-shard-task'
import { clusterSetPath, readClusterSet } from '../pipeline/cluster-set'
import { gatherClustering, shardClustering } from '../pipeline/cluster-shards'
import type { ClusterShardOptions } from '../pipeline/cluster-shards'
import { runShard } from '../pipeline/shard-task'
import type { ShardTaskOptions, ShardTaskSummary } from '../pipeline/shard-task'
import type { StartOptions } from '../pipeline/run-options'
import { checkThreads } from '../pipeline/room'
import { measureEnginesApart } from '../pipeline/session'
import { planShards } from '../pipeline/shard-plan'
import type { PlanOptions } from '../pipeline/shard-plan'
import { beginnersOf } from '../pipeline/shard-scripts'
import { readSet } from '../pipeline/shard-set'
import { setStatus } from '../pipeline/shard-status'
import { defaultShardFolder, gatherRun, shardRun } from '../pipeline/shards'
import type { ShardOptions } from '../pipeline/shards'
import { changedClustering, withResumeAdvice, summaryOf } from './clusters'
import type { ClusteringChanges } from './clusters'
import { working } from './runs'
import { withWorkspace } from './workspaces'

export type { ClusterTaskSummary } from '../pipeline/cluster-shard-task'
export type { ShardTaskSummary } from '../pipeline/shard-task'

/** The shards of a run. */
export interface ShardSummary {
  readonly folder: string
  readonly set: string
  readonly tokens: number
  readonly components: number
  readonly engine: string
  /** Script that queues all shards on Slurm. */
  readonly script: string
  readonly shards: readonly { readonly index: number; readonly chains: number; readonly share: number }[]
}

const named = (folder: string): string => {
  if (folder.trim() === '') throw new SpectroscopeError('usage', 'No shard folder given; give its path.')
  return resolve(folder)
}

/** Configuration of a file, with another engine if given. */
const configurationOf = async (file: string, engine: string | undefined): Promise<RunConfiguration> => {
  const configuration = await readConfiguration(file)
  return engine === undefined ? configuration : { ...configuration, engine }
}

/**
 * Estimates the cost of a configuration file's run in shards, after measuring this machine's engines. See
 * `planShards`.
 */
export const planFromFile = async (
  file: string,
  engine: string | undefined,
  options: PlanOptions
): Promise<ShardPlan> => {
  checkThreads(options.threads, '--threads')
  const configuration = await configurationOf(file, engine)
  return planShards(configuration, dirname(resolve(file)), await measureEnginesApart(), options)
}

/** Divides the run of a configuration file into shards, by default beside the file. */
export const shardFromFile = async (
  file: string,
  into: string | undefined,
  { engine: chosen, ...options }: ShardOptions & { readonly engine?: string }
): Promise<ShardSummary> => {
  const configuration = await configurationOf(file, chosen)
  const baseFolder = dirname(resolve(file))
  await checkConfiguration(configuration, baseFolder)
  const folder = into === undefined ? defaultShardFolder(file) : named(into)
  const { id, tokens, components, engine, shards } = await shardRun(configuration, baseFolder, folder, options)
  return {
    folder,
    set: id,
    tokens,
    components: components.length,
    engine: engine.name,
    script: resolve(folder, 'submit.sh'),
    shards: shards.map(({ index, chains, share }) => ({ index, chains: chains.length, share }))
  }
}

/** The shards of a clustering. */
export interface ClusterShardSummary {
  readonly folder: string
  readonly set: string
  readonly run: string
  readonly tokens: number
  readonly components: number
  /** Queues all shards on Slurm. */
  readonly script: string
  /**
   * Number of shards that search for neighbours; they come first. The others search for local clusters and need their
   * results.
   */
  readonly neighbourShards: number
  readonly shards: readonly { readonly index: number; readonly share: number }[]
}

/** Estimates the cost of a further clustering of a run in shards. See `planClustering`. */
export const planClusters = (
  workspaceFolder: string,
  run: string,
  changes: ClusteringChanges,
  options: PlanOptions
): Promise<ClusterShardPlan> => {
  checkThreads(options.threads, '--threads')
  return withWorkspace(workspaceFolder, 'read', async (workspace) => {
    const record = await workspace.findRun(run)
    const configuration = changedClustering(record.configuration.clustering, changes)
    return planClustering(workspace, record, configuration, options)
  })
}

/** Divides a further clustering of a run into shards, by default beside the workspace. */
export const shardClusters = (
  workspaceFolder: string,
  run: string,
  changes: ClusteringChanges,
  into: string | undefined,
  options: ClusterShardOptions
): Promise<ClusterShardSummary> => {
  checkThreads(options.threads, '--threads')
  return withWorkspace(workspaceFolder, 'read', async (workspace) => {
    const record = await workspace.findRun(run)
    const configuration = changedClustering(record.configuration.clustering, changes)
    const usual = `${basename(workspace.folder)}-${record.id}-clustering`
    const folder = into === undefined ? join(dirname(workspace.folder), usual) : named(into)
    const set = await shardClustering(workspace, record, configuration, folder, options)
    return {
      folder,
      set: set.id,
      run: record.id,
      tokens: set.tokens,
      components: set.components.length,
      script: resolve(folder, 'submit.sh'),
      neighbourShards: beginnersOf(set),
      shards: set.shards.map(({ index, share }) => ({ index, share }))
    }
  })
}

/** Whether the shards of a folder belong to a clustering rather than a run. */
export const holdsClustering = (folder: string): boolean => existsSync(clusterSetPath(folder))

/** State of the shards in a folder. See `setStatus`. */
export const statusOfShards = async (folder: string): Promise<SetStatus> => {
  const path = named(folder)
  if (!holdsClustering(path)) return setStatus(path, await readSet(path))
  return setStatus(path, await readClusterSet(path), clusterResultState)
}

/** Runs one shard. See `runShard` and `runClusterShard`. */
export const workOnShard = async (
  folder: string,
  index: number,
  options: ShardTaskOptions
): Promise<ShardTaskSummary | ClusterTaskSummary> => {
  checkThreads(options.threads, '--threads')
  const path = named(folder)
  return holdsClustering(path) ? runClusterShard(path, index, options) : runShard(path, index, options)
}

/** Gathers finished shards into a run or a clustering. Creates the workspace for a run if needed. */
export const gather = async (
  workspaceFolder: string,
  folder: string,
  options: StartOptions
): Promise<RunSummary | ClusteringSummary> => {
  const path = named(folder)
  if (holdsClustering(path)) {
    const { run: id } = await readClusterSet(path)
    return withWorkspace(workspaceFolder, 'write', (workspace) =>
      withResumeAdvice(id, async () => {
        const { run, clustering } = await gatherClustering(workspace, path, options)
        return summaryOf(run, clustering)
      })
    )
  }
  await readSet(path)
  return withWorkspace(workspaceFolder, 'create', (workspace) =>
    working(workspace, workspaceFolder, options, (relayed) => gatherRun(workspace, path, { ...options, ...relayed }))
  )
}
