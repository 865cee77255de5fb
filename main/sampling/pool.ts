import { messageOf, SpectroscopeError } from '../../preload/errors'
import { type Prefix, programName } from '../engine/core'
import { Reclaimer } from './reclaim'
import { claimOf, describeTask, isUpdating, replicasOf } from './tasks'
import type { LaneCounts, LaneKind, ResultOf, SharedRun, Task, TaskKind, TaskOf, TaskResult } from './tasks'
import { type OpenLane, LaneLost, type Lane, TaskDropped } from './lane'

interface Job {
  readonly task: Task
  readonly cost: number
  /** Program that the task makes its lane compile and keep, if any. */
  readonly program: string | undefined
  readonly resolve: (result: TaskResult) => void
  readonly reject: (error: unknown) => void
  attempts: number
}

interface Slot {
  readonly kind: LaneKind
  lane: Lane
  jobs: Job[]
  /** Programs that the lane has run. */
  readonly programs: Set<string>
}

/** Lanes of one kind, and the tasks waiting for them. */
interface LaneGroup {
  readonly slots: Slot[]
  readonly queue: Job[]
  /** Error of the last lane, set when no lane is left. */
  failure: Error | undefined
}

const laneGroup = (): LaneGroup => ({ slots: [], queue: [], failure: undefined })

/** Placeholder for a dead lane until its replacement is open and takes over its tasks. */
const absent: Lane = {
  stacks: false,
  run: () => new Promise(() => {}),
  share: () => {},
  release: () => {},
  close: () => Promise.resolve()
}

/** Tasks queued at a lane, so that it never waits for a message. */
const depth = 2

const asError = (error: unknown, task: Task, run: SharedRun): unknown =>
  error instanceof SpectroscopeError
    ? error
    : new SpectroscopeError('engine', `The engine failed at ${describeTask(task, run)}: ${messageOf(error)}.`, {
        cause: error
      })

const programOf = (task: Task, { replicas }: SharedRun): string | undefined => {
  if (task.kind === 'prefix') return task.kind
  const kind = (
    {
      step: 'gradient',
      chunk: 'gradient',
      pair: 'gradient',
      base: 'gradient',
      losses: 'losses',
      block: 'losses',
      baseLosses: 'losses',
      slopes: 'losses'
    } as Partial<Record<TaskKind, string>>
  )[task.kind]
  return kind === undefined ? undefined : `${kind} ${programName(replicas[replicasOf(task)[0]].component)}`
}

/**
 * Assigns tasks to lanes in the order submitted, each to the lane with the least work. Programs use memory in every
 * lane that runs them, so a lane prefers tasks of programs it owns, then takes ownership of a new program. If there
 * are updating lanes, they do the tasks that need no evaluator, to keep the evaluators busy; an idle evaluating lane
 * helps when they are all busy.
 *
 * A dead lane is replaced. Its task is repeated once, unless it had begun to change its replica; otherwise the task
 * fails with an `engine` error.
 */
export class Pool {
  readonly #run: SharedRun
  readonly #openLane: OpenLane
  readonly #pick: ((waiting: number) => number) | undefined
  /** Owner of each program. */
  readonly #owners = new Map<string, Slot>()
  readonly #evaluating = laneGroup()
  readonly #updating: LaneGroup | undefined
  readonly #shared = new Map<number, Prefix>()
  readonly #reclaimer = new Reclaimer()
  #lastKey = 0
  #idle: (() => void)[] = []

  private constructor(
    run: SharedRun,
    openLane: OpenLane,
    { updating }: LaneCounts,
    pick: ((waiting: number) => number) | undefined
  ) {
    this.#run = run
    this.#openLane = openLane
    this.#pick = pick
    this.#updating = updating > 0 ? laneGroup() : undefined
  }

  /** Opens the given numbers of lanes. `pick` chooses among the waiting tasks, for tests. */
  static async open(
    run: SharedRun,
    openLane: OpenLane,
    counts: LaneCounts,
    pick?: (waiting: number) => number
  ): Promise<Pool> {
    const pool = new Pool(run, openLane, counts, pick)
    const kinds = (['evaluating', 'updating'] as const).flatMap((kind) => new Array<LaneKind>(counts[kind]).fill(kind))
    const opened = await Promise.allSettled(kinds.map((kind) => openLane(run, kind)))
    for (const [at, lane] of opened.entries())
      if (lane.status === 'fulfilled')
        pool.#groupOf(kinds[at]).slots.push({ kind: kinds[at], lane: lane.value, jobs: [], programs: new Set() })
    const failed = opened.find((lane) => lane.status === 'rejected')
    if (failed !== undefined) {
      await pool.close()
      throw failed.reason
    }
    return pool
  }

  /** Whether one task for several replicas is faster than one task for each. */
  get stacks(): boolean {
    return this.#evaluating.slots.every(({ lane }) => lane.stacks)
  }

  #groupOf(kind: LaneKind): LaneGroup {
    return kind === 'updating' && this.#updating !== undefined ? this.#updating : this.#evaluating
  }

  get #groups(): readonly LaneGroup[] {
    return this.#updating === undefined ? [this.#evaluating] : [this.#evaluating, this.#updating]
  }

  get #slots(): readonly Slot[] {
    return this.#groups.flatMap(({ slots }) => slots)
  }

  /** Runs a task. `cost` is in floating-point operations. */
  run<K extends TaskKind>(task: TaskOf<K>, cost: number): Promise<ResultOf<K>> {
    return new Promise<TaskResult>((resolve, reject) => {
      const { queue, failure } = this.#groupOf(isUpdating(task) ? 'updating' : 'evaluating')
      if (failure !== undefined) return reject(failure)
      queue.push({ task, cost, program: programOf(task, this.#run), resolve, reject, attempts: 0 })
      if (queue.length === 1) queueMicrotask(() => this.#assign())
    })
  }

  /** Shares a prefix with every evaluating lane. Returns its key. */
  share(prefix: Prefix): number {
    const key = ++this.#lastKey
    this.#shared.set(key, prefix)
    for (const { lane } of this.#evaluating.slots) lane.share(key, prefix)
    return key
  }

  release(key: number): void {
    const prefix = this.#shared.get(key)!
    this.#shared.delete(key)
    for (const { lane } of this.#evaluating.slots) lane.release(key)
    this.#reclaimer.dropped(prefix)
  }

  /**
   * Rejects waiting tasks with TaskDropped and lets running ones finish. Keeps updates, because other ranges of their
   * replica may be done already.
   */
  drop(): void {
    for (const { queue } of this.#groups) {
      const [left, dropped] = [
        queue.filter(({ task }) => task.kind === 'update'),
        queue.filter(({ task }) => task.kind !== 'update')
      ]
      queue.splice(0, queue.length, ...left)
      for (const job of dropped) job.reject(new TaskDropped())
    }
    this.#settle()
  }

  get #isIdle(): boolean {
    return this.#groups.every(({ queue }) => queue.length === 0) && this.#slots.every(({ jobs }) => jobs.length === 0)
  }

  /** Resolves when no task is waiting or running. */
  async idle(): Promise<void> {
    if (this.#isIdle) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async close(): Promise<void> {
    this.drop()
    await this.idle()
    await Promise.all(this.#slots.map(({ lane }) => lane.close()))
  }

  #settle(): void {
    if (!this.#isIdle) return
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  #assign(): void {
    for (const { queue, slots } of this.#groups) this.#assignTo(slots, queue, depth)
    if (this.#updating !== undefined && this.#evaluating.queue.length === 0)
      this.#assignTo(this.#evaluating.slots, this.#updating.queue, 1)
  }

  /** Assigns queued tasks to lanes that hold fewer than `most`. */
  #assignTo(slots: readonly Slot[], queue: Job[], most: number): void {
    const load = ({ jobs }: Slot): number => jobs.reduce((sum, { cost }) => sum + cost, 0)
    while (queue.length > 0) {
      const free = slots.filter(({ jobs }) => jobs.length < most)
      if (free.length === 0) return
      const slot = free.reduce((best, other) =>
        (other.jobs.length === 0 && best.jobs.length > 0) ||
        ((other.jobs.length === 0) === (best.jobs.length === 0) && load(other) < load(best))
          ? other
          : best
      )
      this.#start(slot, queue.splice(this.#pick?.(queue.length) ?? this.#choose(slot, queue), 1)[0])
    }
  }

  #choose(slot: Slot, queue: readonly Job[]): number {
    const first = (fits: (program: string) => boolean): number =>
      queue.findIndex(({ program }) => program !== undefined && fits(program))
    const preferred = [
      first((program) => this.#owners.get(program) === slot),
      first((program) => !this.#owners.has(program)),
      first((program) => slot.programs.has(program)),
      0
    ]
    const chosen = preferred.find((index) => index >= 0)!
    const { program } = queue[chosen]
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
        for (const replica of replicasOf(job.task))
          Atomics.store(this.#run.replicas[replica].claims, claimOf(job.task), 0)
        this.#finish(slot, job, () => job.resolve(result))
      },
      (error: unknown) => {
        if (error instanceof LaneLost) void this.#replace(slot, lane, error)
        else this.#finish(slot, job, () => job.reject(asError(error, job.task, this.#run)))
      }
    )
  }

  #finish(slot: Slot, job: Job, settle: () => void): void {
    slot.jobs = slot.jobs.filter((other) => other !== job)
    settle()
    this.#assign()
    this.#settle()
  }

  /** Replaces a dead lane. It died of the first of its jobs; the others had not begun. */
  async #replace(slot: Slot, dead: Lane, error: LaneLost): Promise<void> {
    if (slot.lane !== dead) return
    slot.lane = absent
    const jobs = slot.jobs
    const [first] = jobs
    first.attempts++
    const touched = replicasOf(first.task).some(
      (replica) => Atomics.load(this.#run.replicas[replica].claims, claimOf(first.task)) !== 0
    )
    const give = (failure: Error): void => {
      const group = this.#groupOf(slot.kind)
      group.slots.splice(group.slots.indexOf(slot), 1)
      if (group.slots.length === 0) group.failure = failure
      for (const job of [...jobs, ...group.queue.splice(0)]) job.reject(failure)
      slot.jobs = []
      this.#settle()
    }
    if (first.attempts > 1 || touched) {
      return give(
        new SpectroscopeError(
          'engine',
          `A sampling worker ended at ${describeTask(first.task, this.#run)} (${error.message}); resume the ` +
            'run, with fewer threads if memory was short.',
          { cause: error }
        )
      )
    }
    try {
      const lane = await this.#openLane(this.#run, slot.kind)
      if (slot.kind === 'evaluating') for (const [key, prefix] of this.#shared) lane.share(key, prefix)
      slot.lane = lane
    } catch (failure) {
      return give(failure as Error)
    }
    slot.jobs = []
    for (const job of jobs) this.#start(slot, job)
    this.#assign()
  }
}
