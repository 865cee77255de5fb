import { clusteringProgress } from './progress'
import { readClusterSet, type ClusterShard, type ClusterSet } from './cluster-set'
import type { Companion } from './companion'
import { aboutShard, checkDone, chooseShard, withShard, type ShardTaskOptions } from './shard-task'
import { mostThreadsHere } from './room'
import { ComputeSession } from './session'
import { checkBuild, shardFolder } from './shard-set'
import { threadsOfShard } from './shard-scripts'
import { Stopwatch } from './stopwatch'

export interface ClusterTaskSummary {
  readonly folder: string
  readonly shard: number
  readonly shards: number
  readonly finds: 'neighbours' | 'local clusters'
  /** Whether it had been done before. */
  readonly already: boolean
  readonly seconds: number
}

const workWith = async (
  folder: string,
  set: ClusterSet,
  shard: ClusterShard,
  options: ShardTaskOptions,
  companion: Companion
): Promise<number> => {
  const { onEvent, checkpointSeconds, threads = Math.min(threadsOfShard(set), mostThreadsHere()) } = options
  const own = shardFolder(folder, shard.index)
  const session = new ComputeSession((message) => onEvent({ type: 'note', message }))
  const stopwatch = new Stopwatch(own, checkpointSeconds)
  await stopwatch.open()
  const stage = shard.search === null ? 'neighbours' : 'cluster'
  onEvent({ type: 'stage', stage, detail: `shard ${shard.index} of ${set.shards.length}, ${threads} threads` })
  stopwatch.start(stage)
  try {
    return await session.use('shard', async (compute) => {
      const off = compute.on('clustering', (report) =>
        onEvent({ type: 'progress', progress: clusteringProgress(report) })
      )
      try {
        const about = aboutShard(set, shard.index, threads)
        const request = {
          folder,
          shard: shard.index,
          threads,
          everySeconds: checkpointSeconds,
          about,
          secondsBefore: stopwatch.seconds
        }
        await companion.during((signal) => compute.call('clusterShard', request, { signal }))
        return stopwatch.seconds
      } finally {
        off()
      }
    })
  } finally {
    await session.close()
    await stopwatch.close()
  }
}

/** The shards whose results one of local clusters begins with. */
const neededBy = ({ shards }: ClusterSet, { search }: ClusterShard): ClusterShard[] =>
  search === null ? [] : shards.filter(({ segments }) => segments.some(({ variant }) => variant === search))

/**
 * Works on one shard of a clustering, from its checkpoint where there is one, and writes its result. Does nothing
 * where that is there already. Throws a `usage` error where it needs other shards that are not done, a `workspace`
 * error while another process is at it, and an `interrupted` error after a checkpoint when it is stopped.
 */
export const runClusterShard = async (
  folder: string,
  index: number,
  options: ShardTaskOptions
): Promise<ClusterTaskSummary> => {
  const set = await readClusterSet(folder)
  checkBuild(set, folder)
  const shard = chooseShard(folder, set.shards, index)
  await checkDone(folder, neededBy(set, shard))
  const summary = {
    folder,
    shard: index,
    shards: set.shards.length,
    finds: shard.search === null ? 'neighbours' : 'local clusters'
  } as const
  const seconds = await withShard(folder, index, options, (companion) =>
    workWith(folder, set, shard, options, companion)
  )
  if (seconds === null) return { ...summary, already: true, seconds: 0 }
  options.onEvent({
    type: 'finished',
    stage: shard.search === null ? 'neighbours' : 'cluster',
    seconds,
    detail: `shard ${index} of ${set.shards.length}`
  })
  return { ...summary, already: false, seconds }
}
