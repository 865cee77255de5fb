import { Worker } from 'node:worker_threads'
import { fromPlain, messageOf, SpectroscopeError } from '../../preload/errors'
import type { PlainError } from '../../preload/errors'
import { entryPath } from '../base/entries'
import type { Evaluator, Prefix } from '../engine/evaluator'
import { programName } from '../engine/operations'
import { Reclaimer } from './reclaim'
import { ReplicaWork } from './replica'
import { describeTask, replicasOf } from './tasks'
import type { Replica, ResultOf, SharedRun, Task, TaskKind, TaskOf, TaskResult } from './tasks'

export type ToLane =
  | { readonly type: 'task'; readonly id: number; readonly task: Task }
  | { readonly type: 'share'; readonly key: number; readonly prefix: Prefix }
  | { readonly type: 'release'; readonly key: number }
  | { readonly type: 'close' }

export type FromLane =
  | { readonly type: 'ready'; readonly stacks: boolean }
  | { readonly type: 'failed'; readonly error: PlainError }
  | { readonly type: 'result'; readonly id: number; readonly result: TaskResult }
  | { readonly type: 'error'; readonly id: number; readonly error: PlainError }

/** One worker, as the pool sees it: does its tasks in the order given. A lane that dies rejects what it has with LaneLost. */
export interface Lane {
  /** Whether its evaluator computes replicas together. */
  readonly stacks: boolean
  run(task: Task): Promise<TaskResult>
  share(key: number, prefix: Prefix): void
  release(key: number): void
  close(): Promise<void>
}

export type OpenLane = (run: SharedRun) => Promise<Lane>

export class LaneLost extends Error {}

/** Rejects tasks that were still waiting when the pool was told to drop them. */
export class TaskDropped extends Error {}

/** Lanes that are worker threads running the built `sampling/worker.ts`, or another entry that serves a lane. */
export const threadLanes = (entry = entryPath('sampling-worker')): OpenLane => async (run) => {
  const worker = new Worker(entry, { workerData: run })
  const pending = new Map<number, { readonly resolve: (result: TaskResult) => void; readonly reject: (error: Error) => void }>()
  let lastId = 0
  let lost: LaneLost | undefined
  let cause = 'it ended by itself'
  const send = (message: ToLane): void => worker.postMessage(message)
  const exited = new Promise<void>((resolve) => {
    worker.once('error', (error) => {
      cause = messageOf(error)
    })
    worker.once('exit', () => {
      lost = new LaneLost(cause)
      for (const { reject } of pending.values()) reject(lost)
      pending.clear()
      resolve()
    })
  })
  const ready = new Promise<boolean>((resolve, reject) => {
    worker.on('message', (message: FromLane) => {
      if (message.type === 'ready') return resolve(message.stacks)
      if (message.type === 'failed') return reject(fromPlain(message.error))
      const task = pending.get(message.id)
      pending.delete(message.id)
      if (message.type === 'result') task?.resolve(message.result)
      else task?.reject(fromPlain(message.error))
    })
    void exited.then(() => reject(new SpectroscopeError('engine', `A sampling worker could not start: ${cause}.`)))
  })
  const stacks = await ready
  return {
    stacks,
    run: (task) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost)
        pending.set(++lastId, { resolve, reject })
        send({ type: 'task', id: lastId, task })
      }),
    share: (key, prefix) => send({ type: 'share', key, prefix }),
    release: (key) => send({ type: 'release', key }),
    close: () => {
      send({ type: 'close' })
      return exited
    }
  }
}

/** Lanes in this thread, each with an evaluator of its own. */
export const localLane = (createEvaluator: (run: SharedRun) => Promise<Evaluator>): OpenLane => async (run) => {
  const work = new ReplicaWork(await createEvaluator(run), run)
  let last: Promise<unknown> = Promise.resolve()
  return {
    stacks: work.stacks,
    run: (task) => {
      const result = last.then(() => work.run(task))
      last = result.catch(() => {})
      return result
    },
    share: (key, prefix) => work.share(key, prefix),
    release: (key) => void last.then(() => work.release(key)),
    close: async () => {
      await last
      await work.dispose().catch(() => {})
    }
  }
}

interface Job {
  readonly task: Task
  readonly cost: number
  /** What it has its lane compile and keep, if anything. */
  readonly program: string | undefined
  readonly resolve: (result: TaskResult) => void
  readonly reject: (error: unknown) => void
  attempts: number
}

interface Slot {
  lane: Lane
  jobs: Job[]
  /** Programs that its tasks have needed. */
  readonly programs: Set<string>
}

/** Stands in for a dead lane until the new one is open: its tasks are handed on then. */
const absent: Lane = { stacks: false, run: () => new Promise(() => {}), share: () => {}, release: () => {}, close: () => Promise.resolve() }

/** Tasks that a lane holds at once, so that it never waits for a message. */
const depth = 2

const asError = (error: unknown, task: Task, replicas: readonly Replica[]): unknown =>
  error instanceof SpectroscopeError
    ? error
    : new SpectroscopeError('engine', `The engine failed at ${describeTask(task, replicas)}: ${messageOf(error)}.`, { cause: error })

const programOf = (task: Task, replicas: readonly Replica[]): string | undefined => {
  if (task.kind === 'prefix') return task.kind
  const kind = ({ step: 'gradient', chunk: 'gradient', losses: 'losses', block: 'losses' } as Partial<Record<TaskKind, string>>)[task.kind]
  return kind === undefined ? undefined : `${kind} ${programName(replicas[replicasOf(task)[0]].component)}`
}

/**
 * Hands tasks to lanes in the order submitted, each to the lane with the least work; but a lane is first given those whose program is its
 * own, then those whose program is nobody's yet, which it owns from then on, as programs hold memory in every lane that has run them. A lane that dies is replaced once a task: the task
 * is done again if it had not begun to change its replica, else it is an `engine` error.
 */
export class Pool {
  readonly #run: SharedRun
  readonly #openLane: OpenLane
  readonly #pick: ((waiting: number) => number) | undefined
  /** Which lane a program belongs to. */
  readonly #owners = new Map<string, Slot>()
  readonly #slots: Slot[] = []
  readonly #queue: Job[] = []
  readonly #shared = new Map<number, Prefix>()
  readonly #reclaimer = new Reclaimer()
  #lastKey = 0
  #idle: (() => void)[] = []

  private constructor(run: SharedRun, openLane: OpenLane, pick: ((waiting: number) => number) | undefined) {
    this.#run = run
    this.#openLane = openLane
    this.#pick = pick
  }

  /** Opens `count` lanes. `pick` chooses among the waiting tasks, for tests. */
  static async open(run: SharedRun, openLane: OpenLane, count: number, pick?: (waiting: number) => number): Promise<Pool> {
    const pool = new Pool(run, openLane, pick)
    const opened = await Promise.allSettled(Array.from({ length: count }, () => openLane(run)))
    for (const lane of opened) if (lane.status === 'fulfilled') pool.#slots.push({ lane: lane.value, jobs: [], programs: new Set() })
    const failed = opened.find((lane) => lane.status === 'rejected')
    if (failed !== undefined) {
      await pool.close()
      throw failed.reason
    }
    return pool
  }

  /** Whether tasks for several replicas are done faster than as many for one. */
  get stacks(): boolean {
    return this.#slots.every(({ lane }) => lane.stacks)
  }

  /** `cost` is in floating-point operations. */
  run<K extends TaskKind>(task: TaskOf<K>, cost: number): Promise<ResultOf<K>> {
    return new Promise<TaskResult>((resolve, reject) => {
      this.#queue.push({ task, cost, program: programOf(task, this.#run.replicas), resolve, reject, attempts: 0 })
      if (this.#queue.length === 1) queueMicrotask(() => this.#assign())
    })
  }

  /** Makes a prefix known to every lane, under the key returned. */
  share(prefix: Prefix): number {
    const key = ++this.#lastKey
    this.#shared.set(key, prefix)
    for (const { lane } of this.#slots) lane.share(key, prefix)
    return key
  }

  release(key: number): void {
    const prefix = this.#shared.get(key)!
    this.#shared.delete(key)
    for (const { lane } of this.#slots) lane.release(key)
    this.#reclaimer.dropped(prefix)
  }

  /** Rejects the waiting tasks with TaskDropped; those begun go on. */
  drop(): void {
    for (const job of this.#queue.splice(0)) job.reject(new TaskDropped())
    this.#settle()
  }

  /** Resolves when no task is waiting or at work. */
  async idle(): Promise<void> {
    if (this.#queue.length === 0 && this.#slots.every(({ jobs }) => jobs.length === 0)) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async close(): Promise<void> {
    this.drop()
    await this.idle()
    await Promise.all(this.#slots.map(({ lane }) => lane.close()))
  }

  #settle(): void {
    if (this.#queue.length > 0 || this.#slots.some(({ jobs }) => jobs.length > 0)) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #assign(): void {
    const load = ({ jobs }: Slot): number => jobs.reduce((sum, { cost }) => sum + cost, 0)
    while (this.#queue.length > 0) {
      const free = this.#slots.filter(({ jobs }) => jobs.length < depth)
      if (free.length === 0) return
      const slot = free.reduce((best, other) => (other.jobs.length === 0 && best.jobs.length > 0) || ((other.jobs.length === 0) === (best.jobs.length === 0) && load(other) < load(best)) ? other : best)
      this.#start(slot, this.#queue.splice(this.#pick?.(this.#queue.length) ?? this.#choose(slot), 1)[0])
    }
  }

  #choose(slot: Slot): number {
    const first = (fits: (program: string) => boolean): number => this.#queue.findIndex(({ program }) => program !== undefined && fits(program))
    const preferred = [first((program) => this.#owners.get(program) === slot), first((program) => !this.#owners.has(program)), first((program) => slot.programs.has(program)), 0]
    const chosen = preferred.find((index) => index >= 0)!
    const { program } = this.#queue[chosen]
    if (program !== undefined) {
      if (!this.#owners.has(program)) this.#owners.set(program, slot)
      slot.programs.add(program)
    }
    return chosen
  }

  #start(slot: Slot, job: Job): void {
    const { lane } = slot
    slot.jobs.push(job)
    lane.run(job.task).then(
      (result) => {
        for (const replica of replicasOf(job.task)) Atomics.store(this.#run.replicas[replica].claim, 0, 0)
        this.#finish(slot, job, () => job.resolve(result))
      },
      (error: unknown) => {
        if (error instanceof LaneLost) void this.#replace(slot, lane, error)
        else this.#finish(slot, job, () => job.reject(asError(error, job.task, this.#run.replicas)))
      }
    )
  }

  #finish(slot: Slot, job: Job, settle: () => void): void {
    slot.jobs = slot.jobs.filter((other) => other !== job)
    settle()
    this.#assign()
    this.#settle()
  }

  /** Puts a new lane in the place of a dead one. The first of its jobs is what it died of; the others had not begun. */
  async #replace(slot: Slot, dead: Lane, error: LaneLost): Promise<void> {
    if (slot.lane !== dead) return
    slot.lane = absent
    const jobs = slot.jobs
    const [first] = jobs
    first.attempts++
    const touched = replicasOf(first.task).some((replica) => Atomics.load(this.#run.replicas[replica].claim, 0) !== 0)
    const give = (failure: unknown): void => {
      this.#slots.splice(this.#slots.indexOf(slot), 1)
      for (const job of [...jobs, ...this.#queue.splice(0)]) job.reject(failure)
      slot.jobs = []
      this.#settle()
    }
    if (first.attempts > 1 || touched) {
      return give(new SpectroscopeError('engine', `A sampling worker ended at ${describeTask(first.task, this.#run.replicas)} (${error.message}); resume the run, with fewer threads if memory was short.`, { cause: error }))
    }
    try {
      const lane = await this.#openLane(this.#run)
      for (const [key, prefix] of this.#shared) lane.share(key, prefix)
      slot.lane = lane
    } catch (failure) {
      return give(failure)
    }
    slot.jobs = []
    for (const job of jobs) this.#start(slot, job)
    this.#assign()
  }
}
