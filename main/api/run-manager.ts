import { resolve } from 'node:path'
import type { ClusteringSettings, RunConfiguration } from '../../preload/configuration'
import type { LiveRun, Notices, NoticeName, RunEvent } from '../../preload/contract'
import { SpectroscopeError, toPlain } from '../../preload/errors'
import type { Provenance, RunRecord } from '../../preload/records'
import { checkEngine } from '../engine/engines'
import { readModelConfig } from '../models/config'
import { componentsOf } from '../pipeline/checks'
import { gatherClustering } from '../pipeline/cluster-shards'
import { recluster, resumeRun } from '../pipeline/run'
import { type Continuation, createContinuation } from '../pipeline/continuation'
import { createRun } from '../pipeline/create-run'
import type { RunOptions } from '../pipeline/run-options'
import { StoreLost } from '../store/store'
import type { Workspace } from '../store/store'
import { RunWatch } from './run-watch'
import { settled } from './runs'

export interface ManagerListener {
  readonly emit: <N extends NoticeName>(name: N, data: Notices[N]) => void
  /** A run ended without being paused: finished, or failed with `error`. */
  readonly ended: (run: RunRecord, error: unknown) => void
  /** A run has done all its stages. Called before `ended`. */
  readonly completed: (run: RunRecord) => Promise<void>
  /** Mean sampling speed of a finished run, in tokens per second. */
  readonly measured: (run: RunRecord, tokensPerSecond: number) => void
}

interface Task {
  readonly run: string
  /** A run's own stages, or a further clustering. */
  readonly kind: 'run' | 'clustering'
  readonly controller: AbortController
  readonly work: (run: RunRecord, options: RunOptions) => Promise<unknown>
  readonly fresh: boolean
  readonly done: Promise<void>
  readonly settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void }
  watch?: RunWatch
}

const secondsBetweenCheckpoints = (): number => {
  const given = Number(process.env['SPECTROSCOPE_CHECKPOINT_SECONDS'] ?? '')
  return given > 0 ? given : 30
}

const keptWatches = 20
const storeLosses = 3

/** Components that a run samples, in order. Empty if its model cannot be read now. */
const componentsSampled = async ({ configuration, baseFolder, components }: RunRecord): Promise<readonly string[]> => {
  if (components.length > 0) return components
  try {
    const { architecture } = await readModelConfig(resolve(baseFolder, configuration.model))
    return componentsOf(configuration, architecture)
  } catch {
    return []
  }
}

/** Error message of a stopped run. If its engine failed, leaves out the advice for the terminal. */
export const stoppedBy = (message: string, { provenance: { engineLost } }: RunRecord): string =>
  engineLost != null && message.startsWith(engineLost.message.replace(/\.$/, '')) ? engineLost.message : message

const isInterruption = (error: unknown): boolean => error instanceof SpectroscopeError && error.kind === 'interrupted'

/**
 * The runs of one workspace that are running, and what is known of them. Runs go one after another, and so do further
 * clusterings, beside them: whoever waits for a clustering does not wait for hours of sampling.
 */
export class RunManager {
  readonly #workspace: Workspace
  readonly #listener: ManagerListener
  readonly #queue: Task[] = []
  readonly #watches = new Map<string, RunWatch>()
  readonly #working = new Map<Task['kind'], Task>()
  #closed = false

  constructor(workspace: Workspace, listener: ManagerListener) {
    this.#workspace = workspace
    this.#listener = listener
  }

  /** Marks runs whose process died as interrupted. */
  async settle(): Promise<void> {
    if (this.#workspace.readOnly) return
    for (const { id, status } of await this.#workspace.listRuns()) {
      if (status === 'running' || status === 'pending') await this.#workspace.updateRun(id, { status: 'interrupted' })
    }
  }

  #task(run: string): Task | undefined {
    return this.#workOn(run) ?? this.#queue.find((task) => task.run === run)
  }

  #workOn(run: string): Task | undefined {
    return [...this.#working.values()].find((task) => task.run === run)
  }

  /**
   * A run as shown here: without work in progress it is not running, and while it restarts after an error it has not
   * ended.
   */
  shown(run: RunRecord): RunRecord {
    const task = this.#task(run.id)
    if (task?.kind !== 'run') return settled(run)
    return run.status === 'interrupted'
      ? { ...run, status: task === this.#workOn(run.id) ? 'running' : 'pending', error: null }
      : run
  }

  isQueued(run: string): boolean {
    return this.#queue.some((task) => task.run === run)
  }

  /** Whether a further clustering of the run is in progress or queued. */
  isReclustering(run: string): boolean {
    return this.#task(run)?.kind === 'clustering'
  }

  /** The run in progress, then the queued ones. */
  busy(): readonly string[] {
    return [...this.#working.values(), ...this.#queue].map(({ run }) => run)
  }

  #refuseTwice(run: string): void {
    if (this.#task(run) !== undefined)
      throw new SpectroscopeError('usage', `Run ${run} is running or queued; wait for it to end or pause it first.`)
  }

  #add(run: string, kind: Task['kind'], fresh: boolean, work: Task['work']): void {
    let settle: Task['settle'] | undefined
    const done = new Promise<void>((resolve, reject) => (settle = { resolve, reject }))
    done.catch(() => {})
    this.#queue.push({ run, kind, controller: new AbortController(), work, fresh, done, settle: settle! })
    this.#listener.emit('runs-changed', null)
    this.#next()
  }

  #next(): void {
    if (this.#closed) return
    for (const kind of ['run', 'clustering'] as const) {
      const at = this.#queue.findIndex((task) => task.kind === kind)
      if (at < 0 || this.#working.has(kind)) continue
      const [task] = this.#queue.splice(at, 1)
      this.#working.set(kind, task)
      void this.#work(task)
    }
  }

  async #work(task: Task): Promise<void> {
    let outcome: { readonly error?: unknown } = {}
    try {
      await this.#attempts(task)
    } catch (error) {
      outcome = { error }
    }
    task.watch?.close()
    this.#working.delete(task.kind)
    await this.#ended(task, outcome.error).catch(() => {})
    this.#listener.emit('runs-changed', null)
    if (outcome.error === undefined) task.settle.resolve()
    else task.settle.reject(outcome.error)
    this.#next()
  }

  async #ended(task: Task, error: unknown): Promise<void> {
    if (isInterruption(error)) return
    const reading = this.#workspace.getRun(task.run)
    if (error !== undefined) {
      const { kind, message: whole } = toPlain(error)
      const message = await reading.then(
        (run) => stoppedBy(whole, run),
        () => whole
      )
      task.watch?.event({ type: 'note', message })
      this.#listener.emit('problem', { kind, message, run: task.run })
    }
    const run = await reading
    if (error === undefined && task.kind === 'run') await this.#listener.completed(run)
    if (error === undefined && task.kind === 'run' && task.watch?.rate !== undefined)
      this.#listener.measured(run, task.watch.rate)
    this.#listener.ended(run, error)
  }

  /** Does a task. Restarts it from its last checkpoint when the store process dies. */
  async #attempts(task: Task): Promise<void> {
    const watch = await this.#watch(task.run)
    task.watch = watch
    for (let losses = 0; ; losses++) {
      try {
        const run = await this.#workspace.getRun(task.run)
        await task.work(run, this.#options(task, watch))
        return
      } catch (error) {
        if (!(error instanceof StoreLost) || task.controller.signal.aborted || losses === storeLosses) throw error
        watch.event({ type: 'note', message: 'The interrupted work restarts from the last checkpoint.' })
      }
    }
  }

  async #watch(id: string): Promise<RunWatch> {
    const run = await this.#workspace.getRun(id)
    const watch = new RunWatch(run, await componentsSampled(run), await this.#workspace.getTraces(id), {
      event: (event) => this.#listener.emit('run-event', { run: id, event }),
      traces: (points) => this.#listener.emit('trace', { run: id, points })
    })
    this.#watches.delete(id)
    this.#watches.set(id, watch)
    const [oldest] = this.#watches.keys()
    if (this.#watches.size > keptWatches) this.#watches.delete(oldest)
    return watch
  }

  #options({ controller, fresh }: Task, watch: RunWatch): RunOptions {
    const onEvent = (event: RunEvent): void => {
      watch.event(event.type === 'run' && fresh ? { ...event, resumed: false } : event)
      if (event.type === 'run' || event.type === 'stage' || event.type === 'finished')
        this.#listener.emit('runs-changed', null)
    }
    return {
      checkpointSeconds: secondsBetweenCheckpoints(),
      signal: controller.signal,
      onEvent,
      onTrace: (point, initialLoss) => watch.trace(point, initialLoss),
      onChainEnded: (chain) => watch.chainEnded(chain)
    }
  }

  /** Creates a run, which starts at once or after those in the queue. Returns its id. */
  async start(
    name: string,
    configuration: RunConfiguration,
    baseFolder: string,
    provenance?: Provenance
  ): Promise<string> {
    const named = name.trim() === '' ? undefined : name.trim()
    const { id } = await createRun(this.#workspace, configuration, baseFolder, named, provenance)
    this.#add(id, 'run', true, (run, options) => resumeRun(this.#workspace, run, options))
    return id
  }

  /** Creates a run that continues a finished one from its sums. Returns its id. */
  async continueRun(id: string, continuation: Continuation): Promise<string> {
    const made = await createContinuation(this.#workspace, await this.#workspace.getRun(id), continuation)
    this.#add(made.id, 'run', true, (run, options) => resumeRun(this.#workspace, run, options))
    return made.id
  }

  /** Resumes a run, on another engine if `engine` is given. */
  async resume(id: string, engine?: string): Promise<void> {
    if (engine !== undefined) checkEngine(engine)
    this.#refuseTwice(id)
    const run = await this.#workspace.getRun(id)
    if (run.status === 'finished')
      throw new SpectroscopeError('usage', `Run ${id} is finished, so there is nothing to resume.`)
    if (run.deleted) throw new SpectroscopeError('usage', `Run ${id} is deleted; undo the deletion first.`)
    await this.#workspace.updateRun(id, { status: 'pending' })
    this.#add(id, 'run', false, (record, options) => resumeRun(this.#workspace, record, { ...options, engine }))
  }

  async recluster(id: string, name: string, configuration: ClusteringSettings): Promise<void> {
    this.#refuseTwice(id)
    const run = await this.#workspace.getRun(id)
    if (!run.stages.some(({ stage }) => stage === 'sample'))
      throw new SpectroscopeError('usage', `Run ${id} has no susceptibilities yet; resume it first.`)
    const named = name.trim() === '' ? {} : { name: name.trim() }
    this.#add(id, 'clustering', true, (record, options) =>
      recluster(this.#workspace, record, configuration, { ...options, ...named })
    )
  }

  /** Gathers the shards of a folder into a clustering of a run. */
  gatherClustering(id: string, folder: string): void {
    this.#refuseTwice(id)
    this.#add(id, 'clustering', true, (_record, options) => gatherClustering(this.#workspace, folder, options))
  }

  /**
   * Stops a run with a checkpoint, or removes it from the queue. Resolves when that is done. Throws if the checkpoint
   * could not be saved.
   */
  async pause(id: string): Promise<void> {
    const task = this.#task(id)
    if (task === undefined) throw new SpectroscopeError('usage', `Run ${id} is not running.`)
    if (task !== this.#workOn(id)) {
      this.#queue.splice(this.#queue.indexOf(task), 1)
      if (task.kind === 'run') await this.#workspace.updateRun(id, { status: 'interrupted' })
      task.settle.resolve()
      this.#listener.emit('runs-changed', null)
      return
    }
    task.controller.abort()
    await task.done.catch((error: unknown) => {
      if (!isInterruption(error)) throw error
    })
  }

  /** Pauses every run, queued ones first. */
  async pauseAll(): Promise<void> {
    for (const id of this.busy().toReversed()) await this.pause(id)
  }

  /** Tells the runs at work that their store is a new process. */
  storeReopened(words: string): void {
    for (const { watch } of this.#working.values()) {
      watch?.event({
        type: 'note',
        message: `The store process died (${words}); it was restarted and the run continues.`
      })
    }
  }

  /** Resolves when no run is in progress or queued. */
  async idle(): Promise<void> {
    for (;;) {
      const [task] = [...this.#working.values(), ...this.#queue]
      if (task === undefined) return
      await task.done.catch(() => {})
    }
  }

  async live(id: string): Promise<LiveRun> {
    const watch = this.#watches.get(id)
    const task = this.#workOn(id)
    const live = watch?.live(task !== undefined, task?.controller.signal.aborted === true)
    if (live !== undefined && (task !== undefined || live.traces.length > 0)) return live
    const nothing = {
      working: task !== undefined,
      pausing: false,
      stage: null,
      progress: null,
      components: [],
      rates: new Float64Array(0),
      events: [],
      flags: []
    }
    return { ...nothing, ...live, run: id, traces: await this.#workspace.getTraces(id) }
  }

  close(): void {
    this.#closed = true
  }
}
