import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { entryPath } from '../base/entries'
import type { ShardSet } from './shard-set'

/** A word of a command line for a POSIX shell. */
export const quoted = (word: string): string => (/^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** What scripts are made of. */
export type ScriptSet = Pick<ShardSet, 'threads'> & { readonly pieces: readonly object[] }

export interface ScriptOptions {
  /** Pieces that need not wait for others: the first ones, and all by default. */
  readonly beginners?: number
  /** Pieces of the array at work at once; all by default. */
  readonly atOnce?: number
  /** Memory that a piece needs, as estimated; without it Slurm gives what is usual there. */
  readonly memoryBytes?: number
  /** Further lines for sbatch: "--partition=long". */
  readonly sbatch?: readonly string[]
}

/** A batch script's own retries of a piece whose process was killed. */
const retries = 3

/** What is asked of Slurm over the estimate, as it kills what takes more. */
const memoryMargin = 1.25

const program = `# The program that made these pieces; SPECTROSCOPE names another command.
program=(${quoted(process.execPath)} ${quoted(entryPath('cli'))})
if [ -n "\${SPECTROSCOPE:-}" ]; then program=("$SPECTROSCOPE"); fi`

/** Threads of a piece: those of the configuration, or up to four. */
export const threadsOfPiece = ({ threads }: Pick<ShardSet, 'threads'>): number => threads ?? Math.min(4, availableParallelism())

/** The array script for Slurm: a task a piece, requeued on preemption, near its time limit, and (so many times) when it is killed. */
export const sbatchScript = (folder: string, set: ScriptSet, options: ScriptOptions): string => {
  const { beginners = set.pieces.length, atOnce = beginners, memoryBytes, sbatch = [] } = options
  const threads = threadsOfPiece(set)
  const lines = [
    '--job-name=spectroscope', `--array=0-${beginners - 1}%${Math.min(atOnce, beginners)}`,
    '--nodes=1', '--ntasks=1', `--cpus-per-task=${threads}`,
    ...(memoryBytes === undefined ? [] : [`--mem=${Math.ceil((memoryBytes * memoryMargin) / 2 ** 20)}M`]),
    '--requeue', '--open-mode=append', '--signal=B:USR1@120', `--output="${join(folder.replaceAll('%', '%%'), 'logs', '%a.log')}"`, ...sbatch
  ]
  return `#!/bin/bash
# Works on the ${set.pieces.length} pieces of ${folder.replaceAll(/[\r\n]/g, ' ')}: sbatch ${quoted(join(folder, 'sbatch.sh'))}
# Some of them only: sbatch --array=2,5 …  Options of the command line count more than these.
${lines.map((line) => `#SBATCH ${line}`).join('\n')}

${program}
folder=${quoted(folder)}

"\${program[@]}" piece "$folder" "$SLURM_ARRAY_TASK_ID" --threads "\${SLURM_CPUS_PER_TASK:-${threads}}" &
piece=$!

# USR1 comes before the time limit, TERM before Slurm ends the job for another reason: both end the piece with a checkpoint.
again=
trap 'again=limit; kill -TERM "$piece" 2>/dev/null' USR1
trap 'kill -TERM "$piece" 2>/dev/null' TERM INT
wait "$piece"
while kill -0 "$piece" 2>/dev/null; do wait "$piece"; done
wait "$piece"
status=$?

# A process that was killed goes on from its checkpoint, but not for ever.
if [ "$status" -gt 130 ] && [ "\${SLURM_RESTART_COUNT:-0}" -lt ${retries} ]; then again=killed; fi
if [ "$status" -ne 0 ] && [ -n "$again" ]; then
  echo "Piece $SLURM_ARRAY_TASK_ID ended with $status ($again); it is queued again."
  scontrol requeue "\${SLURM_ARRAY_JOB_ID}_\${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
`
}

/** The same without Slurm: pieces one after another; those that another machine has are left to it. */
export const plainScript = (folder: string, set: ScriptSet): string => `#!/bin/bash
# Works on all pieces of ${folder.replaceAll(/[\r\n]/g, ' ')} in turn, or on those given: run-all.sh 0 3. Start it on as many machines as there
# are: each takes pieces that no other has, and ends when all are done. What was stopped goes on from its checkpoint when this is started again.
${program}
folder=${quoted(folder)}

failed=0
busy=()
for index in \${@:-${Array.from({ length: set.pieces.length }, (_, i) => i).join(' ')}}; do
  "\${program[@]}" piece "$folder" "$index" --no-wait
  status=$?
  case "$status" in 0) ;; 130) exit 130 ;; 5) busy+=("$index") ;; *) failed=$status ;; esac
done
# Those that others had: done by now, waited for, or gone on with where the other died.
for index in "\${busy[@]}"; do
  "\${program[@]}" piece "$folder" "$index"
  status=$?
  case "$status" in 0) ;; 130) exit 130 ;; *) failed=$status ;; esac
done
exit "$failed"
`
