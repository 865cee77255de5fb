import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { entryPath } from '../base/entries'
import { nodeProgram } from '../base/processes'
import type { ShardSet } from './shard-set'

/** Quotes a word for a POSIX shell. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

export interface ScriptOptions {
  /** Memory that a shard needs, where its set does not say so for each. */
  readonly memoryBytes?: number
  /** Limit of array tasks running at once; by default none. */
  readonly atOnce?: number
  /** Further options for sbatch, such as "--partition=long". */
  readonly sbatch?: readonly string[]
  /** Shell lines to run before the program, such as "module load cuda". */
  readonly setup?: readonly string[]
  /** Shell words that start the program, in place of this program's path. */
  readonly launcher?: string
  /** Seconds between checkpoints of a shard. */
  readonly checkpointSeconds?: number
}

/** How often a batch script retries a shard whose process was killed. */
const retries = 3

/** Memory requested from Slurm, relative to the estimate. Slurm kills tasks that exceed it. */
const memoryMargin = 1.25

/** A shard that needs more than this multiple of a class's smallest starts another memory class. */
const classSpread = 1.5

/** Threads of a shard: as configured, else up to four. */
export const threadsOfShard = ({ threads }: Pick<ShardSet, 'threads'>): number =>
  threads ?? Math.min(4, availableParallelism())

/** Formats indices for sbatch: "0-3,7". */
export const indexRanges = (indices: readonly number[]): string => {
  const ranges: [number, number][] = []
  for (const index of indices.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] >= index - 1) last[1] = index
    else ranges.push([index, index])
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}

/** What scripts are made of. */
export type ScriptSet = { readonly perTask?: number | undefined } & Pick<ShardSet, 'threads'> & {
    readonly shards: readonly {
      readonly index: number
      readonly memoryBytes?: number | undefined
      /** Not null for a shard of a clustering that waits for all of those before it that have null. */
      readonly search?: string | null
    }[]
  }

/** Shards that wait for no others; they come first. */
export const beginnersOf = ({ shards }: Pick<ScriptSet, 'shards'>): number =>
  shards.filter(({ search = null }) => search === null).length

const perTaskOf = ({ perTask = 1 }: ScriptSet): number => perTask

const beginnerTasks = (set: ScriptSet): number => Math.ceil(beginnersOf(set) / perTaskOf(set))

/** The task that works on a shard. No task has shards of which some wait for others and some do not. */
const taskOf = (set: ScriptSet, shard: number): number => {
  const beginners = beginnersOf(set)
  return shard < beginners
    ? Math.floor(shard / perTaskOf(set))
    : beginnerTasks(set) + Math.floor((shard - beginners) / perTaskOf(set))
}

/** Shards that each task works on in turn, so that Slurm takes the array: the fewest. */
export const perTaskFor = (set: Pick<ScriptSet, 'shards'>, mostTasks: number | null): number => {
  if (mostTasks === null) return 1
  const beginners = beginnersOf(set)
  const waiting = set.shards.length - beginners
  const tasks = (perTask: number): number => Math.ceil(beginners / perTask) + Math.ceil(waiting / perTask)
  let perTask = Math.max(1, Math.ceil(set.shards.length / mostTasks))
  while (tasks(perTask) > mostTasks && perTask < set.shards.length) perTask++
  return perTask
}

const mebibytes = (bytes: number): number => Math.ceil(bytes / 2 ** 20)

/**
 * Memory to request for each task, in MiB: the maximum of its memory class. Empty if the set has no memory estimates.
 */
export const taskMemory = (set: ScriptSet): ReadonlyMap<number, number> => {
  const most = new Map<number, number>()
  for (const { index, memoryBytes = NaN } of set.shards) {
    const task = taskOf(set, index)
    most.set(task, Math.max(most.get(task) ?? 0, memoryBytes))
  }
  const needs = [...most].map(([task, bytes]) => ({ task, bytes }))
  if (needs.some(({ bytes }) => Number.isNaN(bytes))) return new Map()
  const classes: { least: number; tasks: number[]; most: number }[] = []
  for (const { task, bytes } of needs.toSorted((a, b) => a.bytes - b.bytes)) {
    const last = classes.at(-1)
    if (last === undefined || bytes > classSpread * last.least)
      classes.push({ least: bytes, tasks: [task], most: bytes })
    else {
      last.tasks.push(task)
      last.most = bytes
    }
  }
  return new Map(
    classes.flatMap(({ tasks, most }) => tasks.map((task) => [task, mebibytes(most * memoryMargin)] as const))
  )
}

/** Groups tasks with equal memory requests. `memory` is null if the batch script already requests enough. */
const memoryGroups = (
  set: ScriptSet,
  shards: readonly number[],
  asked: ReadonlyMap<number, number>
): { readonly tasks: number[]; readonly memory: number | null }[] => {
  const usual = taskMemory(set)
  const isOneClass = new Set(usual.values()).size < 2
  const memory = new Map<number, number | null>()
  for (const shard of shards) {
    const task = taskOf(set, shard)
    const own = asked.get(shard)
    const needed = own === undefined ? null : Math.max(mebibytes(own), usual.get(task) ?? 0)
    const before = memory.get(task) ?? (isOneClass ? null : (usual.get(task) ?? null))
    memory.set(task, needed === null ? before : Math.max(needed, before ?? 0))
  }
  const values = [...new Set(memory.values())].sort((a, b) => (a ?? 0) - (b ?? 0))
  return values.map((value) => ({
    tasks: [...memory].flatMap(([task, own]) => (own === value ? [task] : [])),
    memory: value
  }))
}

const memoryWord = (memory: number | null): string => (memory === null ? '' : ` --mem=${memory}M`)

/**
 * Commands that queue the tasks of some shards, one a class of memory; a single one where some of them wait for
 * others. `asked`: bytes over the estimate, by shard.
 */
export const runCommands = (
  folder: string,
  set: ScriptSet,
  shards: readonly number[],
  asked: ReadonlyMap<number, number> = new Map()
): string[] => {
  const beginners = beginnersOf(set)
  const commandsOf = (own: readonly number[], options: string): string[] =>
    memoryGroups(set, own, asked).map(
      ({ tasks, memory }) =>
        `sbatch ${options}--array=${indexRanges(tasks)}${memoryWord(memory)} ${quoted(join(folder, 'sbatch.sh'))}`
    )
  const first = shards.filter((shard) => shard < beginners)
  const waiting = shards.filter((shard) => shard >= beginners)
  if (first.length === 0 || waiting.length === 0) return commandsOf(shards, '')
  const jobs = commandsOf(first, '--parsable ').map((command) => `$(${command})`)
  return [`jobs=${jobs.join(':')} && ${commandsOf(waiting, '--dependency=afterok:$jobs ').join(' && ')}`]
}

/** Command that runs the given shards one after another without a scheduler; null for none. */
export const hereCommand = (folder: string, { shards }: ScriptSet, indices: readonly number[]): string | null => {
  if (indices.length === 0) return null
  const script = `bash ${quoted(join(folder, 'run-all.sh'))}`
  return indices.length === shards.length ? script : `${script} ${indices.join(' ')}`
}

const startOf = ({ setup = [], launcher, checkpointSeconds }: ScriptOptions): string => {
  const lines = [
    ...setup,
    ...(checkpointSeconds === undefined
      ? []
      : [`export SPECTROSCOPE_CHECKPOINT_SECONDS="\${SPECTROSCOPE_CHECKPOINT_SECONDS:-${checkpointSeconds}}"`]),
    '# Command that starts the program, in one or more words. SPECTROSCOPE overrides it.',
    launcher === undefined
      ? `program=(${quoted(nodeProgram())} ${quoted(entryPath('cli'))})\n` +
        'if ! [ -e "${program[1]}" ]; then program=(spectroscope); fi'
      : `program=(${launcher})`,
    'if [ -n "${SPECTROSCOPE:-}" ]; then',
    '  if command -v "$SPECTROSCOPE" >/dev/null; then program=("$SPECTROSCOPE")',
    '  else eval "program=($SPECTROSCOPE)"; fi',
    'fi'
  ]
  return lines.join('\n')
}

const ownFolder = 'folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd) || exit 2'

/** Where tasks begin whose shards wait for others. */
const tasksAfter = (set: ScriptSet): string => {
  const [tasks, beginners] = [beginnerTasks(set), beginnersOf(set)]
  if (beginners === set.shards.length) return ''
  return `if (( SLURM_ARRAY_TASK_ID >= ${tasks} )); then
  first=$(( ${beginners} + (SLURM_ARRAY_TASK_ID - ${tasks}) * ${perTaskOf(set)} )) end=${set.shards.length}
fi
`
}

/** The array script for Slurm: tasks are queued again on preemption, near their time limit, and when killed. */
export const sbatchScript = (set: ScriptSet, options: ScriptOptions): string => {
  const { atOnce, sbatch = [], memoryBytes = 0, ...start } = options
  const threads = threadsOfShard(set)
  const [tasks, perTask, beginners] = [beginnerTasks(set), perTaskOf(set), beginnersOf(set)]
  const memory = Math.max(mebibytes(memoryBytes * memoryMargin), ...taskMemory(set).values())
  const lines = [
    '--job-name=spectroscope',
    `--array=0-${tasks - 1}%${Math.min(atOnce ?? tasks, tasks)}`,
    '--nodes=1',
    '--ntasks=1',
    `--cpus-per-task=${threads}`,
    ...(memory > 0 ? [`--mem=${memory}M`] : []),
    '--requeue',
    '--open-mode=append',
    '--signal=B:USR1@120',
    '--output=/dev/null',
    ...sbatch
  ]
  return `#!/bin/bash
# Runs ${set.shards.length} shards of a run, ${perTask === 1 ? 'one' : perTask} per task. submit.sh queues all of them.
# To queue some: sbatch --array=2,5 sbatch.sh. Options on the command line override these.
# The folder may be moved or mounted elsewhere, because nothing here names it.
${lines.map((line) => `#SBATCH ${line}`).join('\n')}

# USR1 arrives before the time limit, TERM before any other end of the job. Both stop the shard with a checkpoint.
again= stopped= process= status=0
stop() { stopped=1; if [ -n "$process" ]; then kill -TERM "$process" 2>/dev/null; fi; }
trap 'again=limit; stop' USR1
trap stop TERM INT

# Slurm runs a copy of this script and knows the path of the original.
place() {
  local found
  local pattern='s|^ *Command=\\(.*\\)/[^/]*$|\\1|p'
  local command=$(scontrol show job "$SLURM_JOB_ID" 2>/dev/null | sed -n "$pattern")
  for found in "$command" "\${SPECTROSCOPE_FOLDER:-}" "$(dirname -- "$0")"; do
    if [ -d "$found/shards" ]; then printf '%s' "$found"; return; fi
  done
  return 1
}
if ! folder=$(place); then
  exec >>"\${SLURM_SUBMIT_DIR:-.}/spectroscope-$SLURM_JOB_ID.log"
  echo "The folder of the shards was not found from job $SLURM_JOB_ID; queue it with submit.sh in that folder."
  exit 2
fi
mkdir -p "$folder/logs"
exec >>"$folder/logs/$SLURM_ARRAY_TASK_ID.log" 2>&1

${startOf(start)}

first=$(( SLURM_ARRAY_TASK_ID * ${perTask} )) end=${beginners}
${tasksAfter(set)}for (( shard = first; shard < first + ${perTask} && shard < end; shard++ )); do
  "\${program[@]}" shards run "$folder" "$shard" --threads "\${SLURM_CPUS_PER_TASK:-${threads}}" &
  process=$!
  if [ -n "$stopped" ]; then kill -TERM "$process"; fi
  wait "$process"
  while kill -0 "$process" 2>/dev/null; do wait "$process"; done
  wait "$process"
  code=$?
  if [ "$code" -ne 0 ]; then status=$code ended=$shard; fi
  # A killed shard resumes from its checkpoint, a limited number of times.
  if [ "$code" -gt 130 ] && [ -z "$again" ] && [ "\${SLURM_RESTART_COUNT:-0}" -lt ${retries} ]; then again=killed; fi
  if [ "$code" -ge 130 ] || [ -n "$stopped" ]; then break; fi
done

if [ "$status" -ne 0 ] && [ -n "$again" ]; then
  echo "Shard $ended ended with $status ($again); it is queued again."
  scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
`
}

/** Queues all shards: a line for each class of memory. Further options of sbatch may be given to it. */
export const submitScript = (set: ScriptSet, { atOnce }: ScriptOptions): string => {
  const linesOf = (shards: ScriptSet['shards'], options: string): string[] => {
    const indices = shards.map(({ index }) => index)
    return memoryGroups(set, indices, new Map()).map(({ tasks, memory }) => {
      const limit = atOnce === undefined ? '' : `%${atOnce}`
      const output = '--output="${folder//%/%%}/logs/%a.log"'
      const asked = `${options}--array=${indexRanges(tasks)}${limit}${memoryWord(memory)} ${output}`
      return `sbatch ${asked} "$@" "$folder/sbatch.sh"`
    })
  }
  const [first, waiting] = [set.shards.slice(0, beginnersOf(set)), set.shards.slice(beginnersOf(set))]
  const queued =
    waiting.length === 0
      ? linesOf(first, '').map((line) => `${line} || exit`)
      : [
          'jobs=',
          ...linesOf(first, '--parsable ').map((line) => `job=$(${line}) || exit\njobs=$jobs:\${job%%;*}`),
          'echo "Submitted batch job ${jobs#:}; the search for local clusters waits for it."',
          ...linesOf(waiting, '--dependency=afterok$jobs ').map((line) => `${line} || exit`)
        ]
  return `#!/bin/bash
# Queues all shards on Slurm. Finished ones end at once. Passes its arguments to sbatch: submit.sh --partition=long
${ownFolder}
mkdir -p "$folder/logs"
export SPECTROSCOPE_FOLDER=$folder
${queued.join('\n')}
`
}

/**
 * Script that runs shards one after another without Slurm. It skips shards that another machine is running, then
 * waits for them.
 */
export const plainScript = (set: ScriptSet, start: ScriptOptions): string => `#!/bin/bash
# Runs all shards one after another, or those given: run-all.sh 0 3. Start it on as many machines as you have:
# each takes shards that no other is running, and ends when all are done. Run again, it resumes from checkpoints.
${ownFolder}
${startOf(start)}

failed=0
busy=()
for index in \${@:-$(seq 0 ${set.shards.length - 1})}; do
  "\${program[@]}" shards run "$folder" "$index" --no-wait
  status=$?
  case "$status" in 0) ;; 130) exit 130 ;; 5) busy+=("$index") ;; *) failed=$status ;; esac
done
# Shards that other machines were running: wait for them, or take them over if their process died.
for index in "\${busy[@]}"; do
  "\${program[@]}" shards run "$folder" "$index"
  status=$?
  case "$status" in 0) ;; 130) exit 130 ;; *) failed=$status ;; esac
done
exit "$failed"
`
