import type { SweepEntry } from '../../preload/contract-sweeps'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import type { RunManager } from './run-manager'
import type { PlannedSweep } from './sweep-estimate'
import { clusteringWith } from './sweep-plan'
import { SweepRecords } from './sweep-records'
import type { SweepRecord } from './sweep-records'
import { atRest, entryOf, runsOf } from './sweep-state'
import type { SweepActivity } from './sweep-state'

/** Work on one sweep since it was started or resumed. */
interface Working {
  readonly tried: Set<string>
  readonly clustering: Map<string, number>
  readonly failures: Map<number, string>
  isActive: boolean
}

/**
 * Drives the sweeps of one workspace: hands their runs and clusterings to the manager of runs, one clustering of a run
 * after another. A sweep that nothing drives, such as after a crash, is paused, and resuming it starts what is missing.
 */
export class SweepDriver {
  readonly #workspace: () => Workspace
  readonly #manager: RunManager
  readonly #working = new Map<string, Working>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(workspace: () => Workspace, manager: RunManager) {
    this.#workspace = workspace
    this.#manager = manager
  }

  get records(): SweepRecords {
    return new SweepRecords(this.#workspace().folder)
  }

  #activity(sweep: string): SweepActivity {
    const working = this.#working.get(sweep)
    if (working === undefined) return atRest
    const clustering = [...working.clustering].flatMap(([run, at]) => (this.#manager.isReclustering(run) ? [at] : []))
    return { ...working, clustering: new Set(clustering) }
  }

  async #runs(): Promise<readonly RunRecord[]> {
    return (await this.#workspace().listRuns()).map((run) => this.#manager.shown(run))
  }

  async list(): Promise<SweepEntry[]> {
    const runs = await this.#runs()
    return (await this.records.list()).map((record) => entryOf(record, runs, this.#activity(record.id)))
  }

  async get(sweep: string): Promise<SweepEntry> {
    return entryOf(await this.records.get(sweep), await this.#runs(), this.#activity(sweep))
  }

  /** Keeps a new sweep and starts it. Returns its id. */
  async start(plan: PlannedSweep): Promise<string> {
    const record = await this.records.keep(plan)
    await this.#drive(record)
    return record.id
  }

  /** Starts what is missing, and what failed or was paused. */
  async resume(sweep: string): Promise<void> {
    await this.#drive(await this.records.get(sweep))
  }

  async #drive(record: SweepRecord): Promise<void> {
    this.#working.set(record.id, { tried: new Set(), clustering: new Map(), failures: new Map(), isActive: true })
    await this.#inTurn(() => this.#advance(record))
  }

  /** Stops the members in progress with a checkpoint, and starts no others. */
  async pause(sweep: string): Promise<void> {
    const record = await this.records.get(sweep)
    const working = this.#working.get(sweep)
    if (working !== undefined) working.isActive = false
    const own = runsOf(record, await this.#runs()).flatMap((run) => run?.id ?? [])
    for (const id of this.#manager.busy().toReversed()) if (own.includes(id)) await this.#manager.pause(id)
    working?.clustering.clear()
  }

  /** Goes on after the end of a run or clustering. */
  async ended(run: RunRecord, error: unknown): Promise<void> {
    await this.#inTurn(async () => {
      for (const [sweep, working] of this.#working) {
        const member = working.clustering.get(run.id)
        working.clustering.delete(run.id)
        if (member !== undefined && error !== undefined) working.failures.set(member, messageOf(error))
        if (working.isActive) await this.#advance(await this.records.get(sweep))
      }
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }

  /** Starts the runs that a sweep misses, and the next clustering of those that are sampled. */
  async #advance(record: SweepRecord): Promise<void> {
    const working = this.#working.get(record.id)
    if (working === undefined) return
    const runs = runsOf(record, await this.#runs())
    const once = (what: string): boolean => !working.tried.has(what) && working.tried.add(what).size > 0
    for (const [at, planned] of record.runs.entries()) {
      const run = runs[at]
      if (run === undefined) {
        if ('run' in planned || !once(`run ${at}`)) continue
        const provenance = { sweep: { sweep: record.id, run: at } }
        await this.#manager.start(planned.name, planned.configuration, planned.baseFolder, provenance)
      } else if (this.#manager.busy().includes(run.id)) continue
      else if (run.status !== 'finished') {
        if (once(`run ${at}`)) await this.#manager.resume(run.id)
      } else await this.#clusterNext(record, working, run, at, once)
    }
    const own = runsOf(record, await this.#runs())
    working.isActive = this.#manager.busy().some((id) => own.some((run) => run?.id === id))
  }

  async #clusterNext(
    { members }: SweepRecord,
    working: Working,
    run: RunRecord,
    place: number,
    once: (what: string) => boolean
  ): Promise<void> {
    for (const [at, member] of members.entries()) {
      if (member.run !== place || clusteringWith(run, member.clustering) !== undefined) continue
      if (!once(`member ${at}`)) continue
      try {
        await this.#manager.recluster(run.id, '', member.clustering)
        working.clustering.set(run.id, at)
        return
      } catch (error) {
        if (!(error instanceof SpectroscopeError)) throw error
        working.failures.set(at, error.message)
      }
    }
  }

  /** Forgets a sweep that nothing works on. Its runs stay. */
  async remove(sweep: string): Promise<void> {
    await this.pause(sweep)
    this.#working.delete(sweep)
    await this.records.remove(sweep)
  }
}
