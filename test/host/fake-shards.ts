import { SpectroscopeError } from '../../preload/errors'
import type { CallName, CallParameters, CallResult } from '../../preload/contract'
import type { ShardFolder, ShardState, ShardStatus } from '../../preload/shards'

const states: readonly ShardState[] = ['done', 'running', 'interrupted', 'lost', 'damaged', 'waiting']

const statusOf = (index: number, state: ShardState): ShardStatus => ({
  index,
  share: 1 / 12,
  chains: 3,
  state,
  fraction: state === 'done' ? 1 : state === 'waiting' || state === 'damaged' ? 0 : 0.42,
  host: state === 'running' || state === 'lost' ? `node${index}` : null,
  pid: state === 'running' ? 4711 : null,
  since: state === 'running' ? '2026-01-01T00:00:00.000Z' : null,
  job: state === 'running' || state === 'lost' ? `Slurm 12_${index}` : null,
  silentSeconds: state === 'lost' ? 75 : state === 'running' ? 3 : null,
  secondsLeft: state === 'running' ? 310 : null,
  detail: null,
  memory: state === 'running' ? { mostBytes: 1.4e9, limitBytes: 4e9, ranOut: false } : null
})

/** Shards of every state; of a folder "…gone" none, and of one "…done" all are done. */
const folderOf = (folder: string): ShardFolder => {
  if (folder.endsWith('gone'))
    throw new SpectroscopeError('usage', `${folder}/shards.json does not exist; name a folder of shards.`)
  const isDone = folder.endsWith('done')
  const shards = Array.from({ length: 12 }, (_, at) => statusOf(at, isDone ? 'done' : states[at % states.length]))
  return {
    folder,
    set: 'abc',
    shards,
    fraction: shards.reduce((sum, { share, fraction }) => sum + share * fraction, 0),
    secondsLeft: isDone ? 0 : 1900,
    commands: isDone ? [] : [`sbatch --array=2-5,8-11 ${folder}/sbatch.sh`],
    here: isDone ? null : `bash ${folder}/run-all.sh 2 3 4 5 8 9 10 11`,
    kind: 'run',
    of: 'pythia-14m',
    gathered: null
  }
}

const division = { tokens: 245_760, components: 32, shards: 8, sensibleShards: 8, threads: 4, notes: [] }
const costs = {
  nodeSeconds: 52_000,
  longestSeconds: 6700,
  memoryMebibytes: [{ mebibytes: 2400, tasks: 8 }],
  diskBytes: 1.2e9,
  timeLimit: '02:50:00',
  maxArraySize: null,
  perTask: 1,
  assumption: 'Times are made up.'
}

type ShardCalls = {
  readonly [M in Extract<CallName, `shards.${string}`>]: (parameters: CallParameters<M>) => CallResult<M>
}

export const fakeShards = (run: () => string): ShardCalls => ({
  'shards.status': ({ folder }) => folderOf(folder),
  'shards.planRun': ({ shards = 8 }) => ({
    ...division,
    ...costs,
    shards,
    engine: 'onnx-cpu',
    chains: 128,
    repeatedSeconds: 500,
    secondsPerChain: 400
  }),
  'shards.planClustering': ({ run: of, shards = 8 }) => ({
    ...division,
    ...costs,
    shards,
    neighbourShards: shards,
    run: of,
    matrices: 3
  }),
  'shards.divideRun': ({ folder }) => ({ folder }),
  'shards.divideClustering': ({ folder }) => ({ folder }),
  'shards.gather': () => ({ run: run() })
})
