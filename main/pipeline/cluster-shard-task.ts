import type { ClusteringProgress } from '../clustering/cluster'
import { clusterResultState } from './cluster-results'
import { clusteringProgress } from './progress'
import { readClusterSet, type ClusterShard, type ClusterSet } from './cluster-set'
import type { AbortScope } from './abort-scope'
import { aboutShard, checkDone, chooseShard, reporting, withShard, type ShardTaskOptions } from './shard-task'
import { mostThreadsHere } from './room'
import { checkBuild } from './shard-set'
import { threadsOfShard } from './shard-scripts'

export interface ClusterTaskSummary {
  readonly folder: string
  readonly shard: number
  readonly shards: number
  readonly finds: 'neighbours' | 'local clusters'
  /** Whether it was already done. */
  readonly already: boolean
  readonly seconds: number
}

/**
 * Share of a shard's work that is done. A search for local clusters ends when few tokens remain, or none is found for
 * long, so the share of the tokens that it has to take is all that can be told.
 */
const fractionOf = (report: ClusteringProgress, { tokens, configuration }: ClusterSet): number =>
  report.stage === 'cluster' && configuration.method === 'acl'
    ? Math.min(1, (1 - report.remaining / tokens) / (1 - configuration.remaining))
    : report.stage === 'cluster'
      ? 0
      : report.fraction

const grouped = (count: number): string => count.toLocaleString('en')

/** What a search for local clusters has come to, and what will end it; null for work whose end can be told. */
const detailOf = (report: ClusteringProgress, { tokens, configuration }: ClusterSet): string | null => {
  if (report.stage !== 'cluster' || configuration.method !== 'acl') return null
  const { clusters, remaining, rejectionsInARow } = report
  const { remaining: share, maxRejections } = configuration
  const found = `${grouped(clusters)} clusters; ${grouped(remaining)} of ${grouped(tokens)} tokens remain`
  const ends = `ends below ${grouped(Math.ceil(share * tokens))}, or at ${grouped(maxRejections)} rejections in a row`
  return `${found}; ${ends}, now ${grouped(rejectionsInARow)}`
}

const workWith = (
  folder: string,
  set: ClusterSet,
  shard: ClusterShard,
  options: ShardTaskOptions,
  scope: AbortScope
): Promise<number> => {
  const { onEvent, checkpointSeconds, threads = Math.min(threadsOfShard(set), mostThreadsHere()) } = options
  const stage = shard.search === null ? 'neighbours' : 'cluster'
  onEvent({ type: 'stage', stage, detail: `shard ${shard.index} of ${set.shards.length}, ${threads} threads` })
  return reporting(folder, set, shard.index, options, scope, async ({ compute, stopwatch, reporter }) => {
    stopwatch.start(stage)
    const off = compute.on('clustering', (report) => {
      const left = report.stage === 'cluster' ? undefined : report.secondsLeft
      reporter.progress(fractionOf(report, set), left, detailOf(report, set))
      onEvent({ type: 'progress', progress: clusteringProgress(report) })
    })
    try {
      const request = {
        folder,
        shard: shard.index,
        threads,
        everySeconds: checkpointSeconds,
        about: aboutShard(set, shard.index, threads),
        secondsBefore: stopwatch.seconds
      }
      await scope.during((signal) => compute.call('clusterShard', request, { signal }))
      return stopwatch.seconds
    } finally {
      off()
    }
  })
}

/** Shards whose results a local-cluster shard needs. */
const neededBy = ({ shards }: ClusterSet, { search }: ClusterShard): ClusterShard[] =>
  search === null ? [] : shards.filter(({ segments }) => segments.some(({ variant }) => variant === search))

/**
 * Runs one shard of a clustering, resuming from a checkpoint if there is one, and writes its result. Does nothing if
 * the result exists. Throws a `usage` error if it needs unfinished shards, a `workspace` error if another process
 * runs it, and an `interrupted` error after saving a checkpoint when stopped.
 */
export const runClusterShard = async (
  folder: string,
  index: number,
  options: ShardTaskOptions
): Promise<ClusterTaskSummary> => {
  const set = await readClusterSet(folder)
  checkBuild(set, folder)
  const shard = chooseShard(folder, set.shards, index)
  await checkDone(folder, set, neededBy(set, shard))
  const summary = {
    folder,
    shard: index,
    shards: set.shards.length,
    finds: shard.search === null ? 'neighbours' : 'local clusters'
  } as const
  const work = (scope: AbortScope): Promise<number> => workWith(folder, set, shard, options, scope)
  const isDone = async (): Promise<boolean> => (await clusterResultState(folder, set, index)) === 'done'
  const seconds = await withShard(folder, index, options, work, isDone)
  if (seconds === null) return { ...summary, already: true, seconds: 0 }
  options.onEvent({
    type: 'finished',
    stage: shard.search === null ? 'neighbours' : 'cluster',
    seconds,
    detail: `shard ${index} of ${set.shards.length}`
  })
  return { ...summary, already: false, seconds }
}
