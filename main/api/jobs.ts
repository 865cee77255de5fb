import { randomUUID } from 'node:crypto'
import type { Job } from '../../preload/contract'
import { SpectroscopeError, toPlain } from '../../preload/errors'

export interface JobProgress {
  readonly fraction?: number
  readonly detail?: string
  readonly secondsLeft?: number
}

export interface JobControl {
  readonly signal: AbortSignal
  readonly progress: (progress: JobProgress) => void
}

export interface JobAbout {
  readonly kind: Job['kind']
  readonly title: string
  readonly run: string | null
  /** Identifies the work. A second job with the same key is not started while one is running. */
  readonly key: string
}

export interface StartedJob<T> {
  readonly job: Job
  readonly done: Promise<T>
  readonly stop: () => void
}

interface Entry {
  job: Job
  readonly key: string
  readonly controller: AbortController
  readonly done: Promise<unknown>
  toldAt: number
  /** Timer of a delayed notice. */
  telling: NodeJS.Timeout | undefined
}

const millisecondsBetween = 200
const keptEnded = 50

/** Long work besides runs, and notices about it. */
export class Jobs {
  readonly #tell: (job: Job) => void
  readonly #entries = new Map<string, Entry>()

  constructor(tell: (job: Job) => void) {
    this.#tell = tell
  }

  #change(entry: Entry, changes: Partial<Job>, always: boolean): void {
    entry.job = { ...entry.job, ...changes }
    const wait = entry.toldAt + millisecondsBetween - performance.now()
    if (always || wait <= 0) this.#tellOf(entry)
    else entry.telling ??= setTimeout(() => this.#tellOf(entry), wait).unref()
  }

  #tellOf(entry: Entry): void {
    clearTimeout(entry.telling)
    entry.telling = undefined
    entry.toldAt = performance.now()
    this.#tell(entry.job)
  }

  #end(entry: Entry, changes: Pick<Job, 'state' | 'error'>): void {
    this.#change(entry, { ...changes, secondsLeft: null, ...(changes.state === 'done' ? { fraction: 1 } : {}) }, true)
    const ended = [...this.#entries].filter(([, { job }]) => job.state !== 'working')
    for (const [id] of ended.slice(0, Math.max(0, ended.length - keptEnded))) this.#entries.delete(id)
  }

  /** Starts `work`, or joins a running job with the same key. `done` resolves to its result. */
  start<T>({ key, ...about }: JobAbout, work: (control: JobControl) => Promise<T>): StartedJob<T> {
    const present = [...this.#entries.values()].find((entry) => entry.key === key && entry.job.state === 'working')
    if (present !== undefined)
      return { job: present.job, done: present.done as Promise<T>, stop: () => present.controller.abort() }
    const controller = new AbortController()
    const job: Job = {
      id: randomUUID(),
      ...about,
      state: 'working',
      fraction: null,
      detail: '',
      secondsLeft: null,
      error: null
    }
    const progress = ({ fraction, detail, secondsLeft }: JobProgress): void => {
      if (entry.job.state !== 'working') return
      this.#change(
        entry,
        {
          ...(fraction === undefined ? {} : { fraction }),
          ...(detail === undefined ? {} : { detail }),
          secondsLeft: secondsLeft !== undefined && Number.isFinite(secondsLeft) ? secondsLeft : null
        },
        false
      )
    }
    const begin = async (): Promise<T> => {
      controller.signal.throwIfAborted()
      return work({ signal: controller.signal, progress })
    }
    const done = Promise.resolve().then(begin)
    const entry: Entry = { job, key, controller, done, toldAt: performance.now(), telling: undefined }
    this.#entries.set(job.id, entry)
    this.#tell(job)
    done.then(
      () => this.#end(entry, { state: 'done', error: null }),
      (error: unknown) =>
        this.#end(
          entry,
          controller.signal.aborted
            ? { state: 'cancelled', error: null }
            : { state: 'failed', error: toPlain(error).message }
        )
    )
    return { job, done, stop: () => controller.abort() }
  }

  /** Oldest first, including the last ones that ended. */
  list(): readonly Job[] {
    return [...this.#entries.values()].map(({ job }) => job)
  }

  cancel(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw new SpectroscopeError('usage', 'No such job; it may have ended.')
    entry.controller.abort()
  }

  /** Cancels all running jobs and waits until they have stopped. */
  async close(): Promise<void> {
    const working = [...this.#entries.values()].filter(({ job }) => job.state === 'working')
    for (const { controller } of working) controller.abort()
    await Promise.allSettled(working.map(({ done }) => done))
  }
}
