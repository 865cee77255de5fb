import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const askSeconds = 20

/** What a command of Slurm's answers; null where there is none, or it has no answer. */
const ask = async (command: string, args: readonly string[]): Promise<string | null> => {
  const options = { timeout: 1000 * askSeconds, maxBuffer: 2 ** 26 }
  return promisify(execFile)(command, [...args], options).then(
    ({ stdout }) => stdout,
    (error: unknown) => (String((error as { readonly stderr?: unknown }).stderr).includes('Invalid job id') ? '' : null)
  )
}

/** A setting of the cluster that this machine belongs to; undefined where there is no Slurm. */
const settingOf = (config: string, name: string): string | undefined =>
  new RegExp(`^${name}\\s*=\\s*(\\S+)`, 'm').exec(config)?.[1]

const configuration = (): Promise<string | null> => ask('scontrol', ['show', 'config'])

/** The first index that an array may not have; null where there is no Slurm to ask. */
export const maxArraySize = async (): Promise<number | null> => {
  const config = await configuration()
  const size = config === null ? NaN : Number(settingOf(config, 'MaxArraySize'))
  return size > 0 ? size : null
}

const pattern = /^slurm (\S*) (\d+)(?:_(\d+))?$/

/** A task's name for people, as in "Slurm 7_2"; as it is where its scheduler is another. */
export const taskWords = (task: string): string => {
  const found = pattern.exec(task)
  if (found === null) return task
  const [, , job, index] = found
  return `Slurm ${job}${index === undefined ? '' : `_${index}`}`
}

const atWork = new Set(['RUNNING', 'COMPLETING', 'SUSPENDED', 'STOPPED', 'STAGE_OUT', 'SIGNALING', 'RESIZING'])

/** Those of the tasks that this machine's Slurm says are not at work. All others may be. */
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
