import { hostname } from 'node:os'
import { z } from 'zod'

/** One attempt by a scheduler to run a task. The scheduler restarts a task that ends too early. */
export interface Attempt {
  /** The same for all attempts of one task, and different from every other task. */
  readonly task: string
  /** Increases with each attempt; null if the scheduler does not count attempts. */
  readonly number: number | null
}

export const attemptSchema = z.object({ task: z.string(), number: z.int().nullable() })

type Environment = Readonly<Record<string, string | undefined>>

const counted = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null

/**
 * The attempt that a process with these environment variables belongs to; null outside a known scheduler. Slurm,
 * Kubernetes (indexed jobs, whose pods keep their host name), SkyPilot (managed jobs) and AWS Batch are recognised.
 * For other schedulers, or retries by a script, set SPECTROSCOPE_TASK to a name for the task.
 */
export const attemptIn = (environment: Environment, host: string): Attempt | null => {
  const {
    SPECTROSCOPE_TASK: named,
    SPECTROSCOPE_ATTEMPT: namedAttempt,
    SLURM_JOB_ID: job,
    SLURM_ARRAY_JOB_ID: array,
    SLURM_ARRAY_TASK_ID: arrayTask,
    SLURM_CLUSTER_NAME: cluster,
    SLURM_RESTART_COUNT: restarts,
    JOB_COMPLETION_INDEX: completion,
    SKYPILOT_TASK_ID: sky,
    SKYPILOT_NODE_RANK: rank,
    AWS_BATCH_JOB_ID: batch,
    AWS_BATCH_JOB_ATTEMPT: batchAttempt
  } = environment
  if (named !== undefined && named !== '') return { task: `named ${named}`, number: counted(namedAttempt) }
  if (array !== undefined && arrayTask !== undefined)
    return { task: `slurm ${cluster ?? ''} ${array}_${arrayTask}`, number: counted(restarts) ?? 0 }
  if (job !== undefined) return { task: `slurm ${cluster ?? ''} ${job}`, number: counted(restarts) ?? 0 }
  if (completion !== undefined) return { task: `kubernetes ${host} ${completion}`, number: null }
  if (sky !== undefined) return { task: `skypilot ${sky} ${rank ?? ''}`, number: null }
  if (batch !== undefined) return { task: `batch ${batch}`, number: counted(batchAttempt) }
  return null
}

export const thisAttempt = (): Attempt | null => attemptIn(process.env, hostname())

/**
 * Whether `earlier` is an attempt at the same task as `later` and had ended when `later` began. If attempts are not
 * counted, any other process of the task counts as earlier, since a scheduler runs only one at a time.
 */
export const precedes = (earlier: Attempt | null, later: Attempt | null): boolean => {
  if (earlier === null || later === null || earlier.task !== later.task) return false
  return earlier.number === null || later.number === null || earlier.number < later.number
}
