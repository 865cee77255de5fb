/**
 * State of a shard. `interrupted`: has a checkpoint, and no process is running it. `lost`: its process gives no sign
 * of life, or its scheduler says that it has ended. `damaged`: its result is damaged and must be computed again.
 */
export type ShardState = 'waiting' | 'running' | 'interrupted' | 'lost' | 'done' | 'damaged'

export interface ShardStatus {
  readonly index: number
  /** Share of the divided work of the run. */
  readonly share: number
  readonly chains: number
  readonly state: ShardState
  /** Fraction of its work that is done. */
  readonly fraction: number
  readonly host: string | null
  readonly pid: number | null
  /** ISO 8601. */
  readonly since: string | null
  /** Task of the scheduler. */
  readonly job: string | null
  /** Seconds since its process gave a sign of life. */
  readonly silentSeconds: number | null
  readonly secondsLeft: number | null
  /** What a search whose end can't be told has come to, and what will end it. */
  readonly detail: string | null
  /** What its processes used at most, and may use; `ranOut` where they ended for it. */
  readonly memory: { readonly mostBytes: number; readonly limitBytes: number | null; readonly ranOut: boolean } | null
}

export interface SetStatus {
  readonly folder: string
  readonly set: string
  readonly shards: readonly ShardStatus[]
  readonly fraction: number
  /** If as many shards go on being worked on as are now; null where that can't be told. */
  readonly secondsLeft: number | null
  /** Slurm commands for the shards that no process is running. */
  readonly commands: readonly string[]
  /** Command for them on a machine without Slurm; null if all are running. */
  readonly here: string | null
}

/** State of a shard folder for the window. */
export interface ShardFolder extends SetStatus {
  readonly kind: 'run' | 'clustering'
  /** Name of the model, or id of the clustered run. */
  readonly of: string
  /** Result in the open workspace; null if not gathered there. */
  readonly gathered: { readonly run: string; readonly clustering: number | null; readonly finished: boolean } | null
}

/** Estimated cost of a division. Seconds are of one node. */
interface Division {
  readonly tokens: number
  readonly components: number
  readonly shards: number
  /** Suggested number of shards: about an hour each, with little repeated work. */
  readonly sensibleShards: number
  readonly threads: number
  /** Over all shards, including work that each of them repeats. */
  readonly nodeSeconds: number
  readonly longestSeconds: number
  /** Memory requests, and the number of tasks with each. */
  readonly memoryMebibytes: readonly { readonly mebibytes: number; readonly tasks: number }[]
  /** Size of the folder when all is done. */
  readonly diskBytes: number
  /** For sbatch's --time. */
  readonly timeLimit: string
  /** Tasks that an array may have; null where there is no Slurm to ask. */
  readonly maxArraySize: number | null
  /** Shards that a task works on in turn. */
  readonly perTask: number
  readonly notes: readonly string[]
  readonly assumption: string
}

/** Estimated cost of clustering a run in shards. */
export interface ClusterShardPlan extends Division {
  readonly run: string
  /** Number of matrices: the whole one and the comparisons for stability. */
  readonly matrices: number
  /**
   * Shards that search for neighbours. With `acl`, further shards search for local clusters and need their results.
   */
  readonly neighbourShards: number
}

/** Estimated cost of a run in shards. */
export interface ShardPlan extends Division {
  readonly engine: string
  readonly chains: number
  /** Part of `nodeSeconds` that an undivided run would not need: starts, and passes at w* repeated by each shard. */
  readonly repeatedSeconds: number
  readonly secondsPerChain: number
}
