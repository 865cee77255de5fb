import { z } from 'zod'
import { call, gives } from './call'
import { configuration, run, runName } from './call-parameters'
import { clusteringSchema } from './configuration'
import { limits, path } from './limits'
import type { ClusterShardPlan, ShardFolder, ShardPlan } from './shards'

const shards = z.int().min(1).max(limits.shards)
const ofRun = { configuration, baseFolder: path }
const ofClustering = { run, configuration: clusteringSchema }
/** `time` is the value of sbatch's --time, such as "04:00:00". */
const division = {
  shards,
  folder: path,
  time: z
    .string()
    .regex(/^[\d:-]{1,20}$/)
    .optional()
}

export const shardsCalls = {
  /** State of the shards in a folder, and their result in the workspace. */
  status: call({ folder: path }, gives<ShardFolder>()),
  planRun: call({ ...ofRun, shards: shards.optional() }, gives<ShardPlan>()),
  planClustering: call({ ...ofClustering, shards: shards.optional() }, gives<ClusterShardPlan>()),
  divideRun: call({ ...ofRun, ...division }, gives<{ readonly folder: string }>()),
  divideClustering: call(
    { ...ofClustering, ...division, name: runName.optional() },
    gives<{ readonly folder: string }>()
  ),
  /** Gathers finished shards into a run or a clustering. Returns the existing one if they were gathered before. */
  gather: call({ folder: path, name: runName.default('') }, gives<{ readonly run: string }>())
}
