import { describe, expect, it, vi } from 'vitest'
import { Jobs } from '../../main/api/jobs'
import type { JobControl } from '../../main/api/jobs'
import type { Job } from '../../preload/contract'

const about = { kind: 'layout', title: 'Laying out', run: 'r', key: 'layout r' } as const
const endless = ({ signal }: JobControl): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))

const started = (): { jobs: Jobs; told: Job[] } => {
  const told: Job[] = []
  return { jobs: new Jobs((job) => told.push(job)), told }
}

describe('a job', () => {
  it('is told from its start to its end, and gives what it came to', async () => {
    const { jobs, told } = started()
    const { job, done } = jobs.start(about, async ({ progress }) => {
      progress({ fraction: 0.5, secondsLeft: NaN })
      return 7
    })
    expect(await done).toBe(7)
    expect(told[0]).toEqual(job)
    expect(told.at(-1)).toMatchObject({ id: job.id, state: 'done', fraction: 1, secondsLeft: null, error: null })
    expect(jobs.list()).toMatchObject([{ id: job.id, state: 'done' }])
  })

  it('is told of last by what it said last, however soon after what came before', async () => {
    const { jobs, told } = started()
    const { job } = jobs.start(about, async (control) => {
      control.progress({ fraction: 0.2 })
      control.progress({ fraction: 0.4, detail: 'half the way' })
      return endless(control)
    })
    await vi.waitFor(() => expect(told.at(-1)).toMatchObject({ id: job.id, fraction: 0.4, detail: 'half the way' }))
    expect(told).toHaveLength(2)
    await jobs.close()
  })

  it('is joined by others with its key while it is at work, and begun anew after it', async () => {
    const { jobs } = started()
    const first = jobs.start(about, endless)
    const second = jobs.start(about, endless)
    const other = jobs.start({ ...about, key: 'another' }, async () => 1)
    expect(second.job.id).toBe(first.job.id)
    expect(other.job.id).not.toBe(first.job.id)
    jobs.cancel(first.job.id)
    await expect(second.done).rejects.toThrow()
    expect(jobs.start(about, async () => 2).job.id).not.toBe(first.job.id)
  })

  it('ends as failed with its sentence, or as cancelled', async () => {
    const { jobs, told } = started()
    const failing = jobs.start(about, async () => {
      throw new Error('The disk is full.')
    })
    await expect(failing.done).rejects.toThrow()
    expect(told.at(-1)).toMatchObject({ state: 'failed', error: 'The disk is full.' })
    const cancelled = jobs.start(about, endless)
    jobs.cancel(cancelled.job.id)
    await expect(cancelled.done).rejects.toThrow()
    expect(told.at(-1)).toMatchObject({ id: cancelled.job.id, state: 'cancelled', error: null })
    expect(() => jobs.cancel('none')).toThrow('No such job')
  })

  it('is stopped and waited for when all is closed', async () => {
    const { jobs, told } = started()
    jobs.start(about, endless).done.catch(() => {})
    await jobs.close()
    expect(told.at(-1)).toMatchObject({ state: 'cancelled' })
  })
})
