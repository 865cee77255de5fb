import { clusteringConfigurationSchema } from '../../preload/configuration'
import type { ClusteringSettings } from '../../preload/configuration'
import type { RunRecord } from '../../preload/records'
import type { ClusterShardPlan } from '../../preload/shards'
import type { Workspace } from '../store/store'
import { mostNeighbourShards, pairsOf, planClusterShards, variantsOf, type ClusterShard } from './cluster-set'
import { shardBytesOf } from './cluster-shards'
import { clusteringOrder } from './clustering-order'
import { neighbourSeconds, searchSeconds } from './estimate'
import { suitedTo } from './run'
import { aimedSeconds, arrayNotes, limitFor, slurmTime, startSeconds, type PlanOptions } from './shard-plan'
import { beginnersOf, perTaskFor, taskMemory, threadsOfShard } from './shard-scripts'
import { maxArraySize } from './slurm'

/**
 * What a further clustering of a run will cost as shards, before anything is written. `mostTasks`: tasks that an
 * array may have, by default what Slurm says here. Throws the errors of `shardClustering`.
 */
export const planClustering = async (
  workspace: Workspace,
  run: RunRecord,
  settings: ClusteringSettings,
  { shards, threads }: PlanOptions,
  mostTasks?: number | null
): Promise<ClusterShardPlan> => {
  const { tokens } = run
  const configuration = clusteringConfigurationSchema.parse(suitedTo(run, settings))
  const { columns, parts, notes } = await clusteringOrder(workspace, run, configuration)
  const variants = variantsOf(parts)
  const each = threadsOfShard({ threads: threads ?? run.configuration.threads ?? null })
  const matrix = neighbourSeconds(configuration, tokens, columns.length, each)
  const most = mostNeighbourShards(tokens, parts)
  const sensible = Math.max(1, Math.min(most, Math.ceil((variants.length * matrix) / aimedSeconds)))
  const divided = planClusterShards(configuration, tokens, parts, shards ?? sensible)
  const secondsOf = ({ segments, search }: ClusterShard): number => {
    if (search !== null) return startSeconds + searchSeconds(configuration, tokens, each)
    const pairs = segments.reduce((sum, segment) => sum + pairsOf(segment, tokens), 0)
    return startSeconds + (2 * pairs * matrix) / (tokens * tokens)
  }
  const seconds = divided.map(secondsOf)
  const longest = Math.max(...seconds)
  const memoryBytes = shardBytesOf(configuration, tokens, columns.length, divided, each)
  const array = mostTasks === undefined ? await maxArraySize() : mostTasks
  const perTask = perTaskFor({ shards: divided }, array)
  const asked = taskMemory({ threads: each, perTask, shards: divided.map((shard) => ({ ...shard, memoryBytes })) })
  const written = variants.filter(({ kind }) => kind !== 'shapeless').length
  return {
    run: run.id,
    tokens,
    components: columns.length,
    matrices: variants.length,
    shards: divided.length,
    neighbourShards: beginnersOf({ shards: divided }),
    sensibleShards: sensible,
    threads: each,
    nodeSeconds: seconds.reduce((sum, one) => sum + one, 0),
    longestSeconds: longest,
    memoryMebibytes: [{ mebibytes: asked.get(0)!, tasks: asked.size }],
    diskBytes: 4 * tokens * (written * columns.length + 2 * variants.length * configuration.neighbours),
    timeLimit: slurmTime(limitFor(longest * perTask)),
    maxArraySize: array,
    perTask,
    notes: [...notes.map(({ message }) => message), ...arrayNotes({ shards: divided }, array)],
    assumption: `Times assume speeds measured on another machine, and ${startSeconds} s for each start.`
  }
}
