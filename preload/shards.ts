/**
 * How far a shard of a divided run is. `interrupted` has a checkpoint to go on from, and nobody is at it; `lost` is
 * claimed by a process that gives no sign of life, or is over as its scheduler says; a `damaged` one is sampled
 * again.
 */
export type ShardState = 'waiting' | 'at work' | 'interrupted' | 'lost' | 'done' | 'damaged'

export interface ShardStatus {
  readonly index: number
  /** Of the run's work that is divided. */
  readonly share: number
  readonly chains: number
  readonly state: ShardState
  /** Of its work, from 0 to 1. */
  readonly fraction: number
  readonly host: string | null
  readonly pid: number | null
  /** ISO 8601. */
  readonly since: string | null
  /** The scheduler's task. */
  readonly job: string | null
  /** Since its holder last gave a sign of life. */
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
  /** Commands of Slurm's for the shards that nobody is at. */
  readonly commands: readonly string[]
  /** The command for them on a machine without Slurm; null where somebody is at all of them. */
  readonly here: string | null
}

/** What the window shows of a folder of shards. */
export interface ShardFolder extends SetStatus {
  readonly kind: 'run' | 'clustering'
  /** Name of the model, or id of the run that is clustered. */
  readonly of: string
  /** What the shards were gathered as in the workspace that is open; null where they were not. */
  readonly gathered: { readonly run: string; readonly clustering: number | null; readonly finished: boolean } | null
}

/** What a division costs. Seconds are of one node at work, estimated. */
interface Division {
  readonly tokens: number
  readonly components: number
  readonly shards: number
  /** About an hour each, and few enough that what every shard does again costs little. */
  readonly sensibleShards: number
  readonly threads: number
  /** Of all shards together, with what each of them does again. */
  readonly nodeSeconds: number
  readonly longestSeconds: number
  /** What tasks are asked for, and how many of them. */
  readonly memoryMebibytes: readonly { readonly mebibytes: number; readonly tasks: number }[]
  /** Of the folder when all is done. */
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

/** What the clustering of a run will cost as shards. */
export interface ClusterShardPlan extends Division {
  readonly run: string
  /** The whole, and those that stability is measured on. */
  readonly matrices: number
  /** Shards that search for neighbours; others, of the method acl, search for local clusters and wait for these. */
  readonly neighbourShards: number
}

/** What a run will cost as shards. */
export interface ShardPlan extends Division {
  readonly engine: string
  readonly chains: number
  /** Of `nodeSeconds`, what an undivided run would not need: starts, and the passes at w* that each shard repeats. */
  readonly repeatedSeconds: number
  readonly secondsPerChain: number
}
