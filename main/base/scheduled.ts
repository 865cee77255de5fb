import { hostname } from 'node:os'
import { z } from 'zod'

/** One go of a scheduler at a task that it starts again when it ends before its time. */
export interface Attempt {
  /** The same for all attempts of a task, and for no other task. */
  readonly task: string
  /** Rises from one attempt to the next; null where the scheduler does not count. */
  readonly number: number | null
}

export const attemptSchema = z.object({ task: z.string(), number: z.int().nullable() })

type Environment = Readonly<Record<string, string | undefined>>

const counted = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null

/**
 * The task that a process with these variables is an attempt of; null outside of a scheduler that is known. Slurm, Kubernetes (indexed
 * jobs, whose pods keep the name of their host), SkyPilot (managed jobs) and AWS Batch say so themselves; others, and retries of a
 * script's own, set SPECTROSCOPE_TASK to a name of the task.
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
 * Whether `earlier` is a go at the task of `later` that was over when `later` began. Where attempts are not counted, another process of
 * the task is taken for one: a scheduler has one of them at a time.
 */
export const precedes = (earlier: Attempt | null, later: Attempt | null): boolean => {
  if (earlier === null || later === null || earlier.task !== later.task) return false
  return earlier.number === null || later.number === null || earlier.number < later.number
}
