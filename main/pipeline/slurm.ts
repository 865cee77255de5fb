import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const askSeconds = 20

/** Output of a Slurm command; null if it is missing or fails. */
const ask = async (command: string, args: readonly string[]): Promise<string | null> => {
  const options = { timeout: 1000 * askSeconds, maxBuffer: 2 ** 26 }
  return promisify(execFile)(command, [...args], options).then(
    ({ stdout }) => stdout,
    (error: unknown) => (String((error as { readonly stderr?: unknown }).stderr).includes('Invalid job id') ? '' : null)
  )
}

/** A setting in the output of `scontrol show config`. */
const settingOf = (config: string, name: string): string | undefined =>
  new RegExp(`^${name}\\s*=\\s*(\\S+)`, 'm').exec(config)?.[1]

const configuration = (): Promise<string | null> => ask('scontrol', ['show', 'config'])

/** Slurm's MaxArraySize (array indices must be lower); null without Slurm. */
export const maxArraySize = async (): Promise<number | null> => {
  const config = await configuration()
  const size = config === null ? NaN : Number(settingOf(config, 'MaxArraySize'))
  return size > 0 ? size : null
}

const pattern = /^slurm (\S*) (\d+)(?:_(\d+))?$/

/** Readable name of a task, such as "Slurm 7_2"; unchanged for other schedulers. */
export const taskWords = (task: string): string => {
  const found = pattern.exec(task)
  if (found === null) return task
  const [, , job, index] = found
  return `Slurm ${job}${index === undefined ? '' : `_${index}`}`
}

const atWork = new Set(['RUNNING', 'COMPLETING', 'SUSPENDED', 'STOPPED', 'STAGE_OUT', 'SIGNALING', 'RESIZING'])

/** The given tasks that Slurm here says are not running. All others may be. */
export const tasksOver = async (tasks: readonly string[]): Promise<ReadonlySet<string>> => {
  const known = tasks.filter((task) => pattern.test(task))
  const config = known.length === 0 ? null : await configuration()
  if (config === null) return new Set()
  const cluster = settingOf(config, 'ClusterName')
  const own = known.filter((task) => pattern.exec(task)![1] === cluster)
  const jobs = [...new Set(own.map((task) => pattern.exec(task)![2]))]
  const queue =
    jobs.length === 0
      ? null
      : await ask('squeue', ['--noheader', '--array', '--states=all', '--format=%i %T', `--jobs=${jobs.join(',')}`])
  if (queue === null) return new Set()
  const states = new Map(queue.split('\n').map((line) => line.trim().split(' ') as [string, string]))
  return new Set(own.filter((task) => !atWork.has(states.get(task.split(' ')[2]) ?? '')))
}
