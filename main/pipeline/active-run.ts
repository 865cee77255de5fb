import type { RunChanges, RunRecord, StageName, StageRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { interruption } from './abort-scope'
import { ComputeSession } from './session'
import type { RunOptions } from './run-options'
import { Stopwatch } from './stopwatch'
import { versions } from './versions'
import { threadsOf } from './create-run'

/** Formats a count for progress messages. */
export const counted = (count: number): string => count.toLocaleString('en')

/** A run in progress: its record, and what its stages share. */
export class ActiveRun {
  readonly workspace: Workspace
  readonly options: RunOptions
  readonly session: ComputeSession
  readonly stopwatch: Stopwatch
  run: RunRecord

  constructor(workspace: Workspace, run: RunRecord, options: RunOptions) {
    this.workspace = workspace
    this.run = run
    this.options = options
    this.session = new ComputeSession((message) => options.onEvent({ type: 'note', message }))
    this.stopwatch = new Stopwatch(workspace.runFolder(run.id), options.checkpointSeconds)
  }

  get folder(): string {
    return this.workspace.runFolder(this.run.id)
  }

  get threads(): number {
    return threadsOf(this.run.configuration)
  }

  done(stage: StageName): boolean {
    return this.run.stages.some((record) => record.stage === stage)
  }

  completed(stage: StageName): Omit<StageRecord, 'finishedAt'> {
    return { stage, seconds: this.stopwatch.seconds, versions: versions(), threads: this.threads }
  }

  async update(changes: RunChanges): Promise<void> {
    this.run = await this.workspace.updateRun(this.run.id, changes)
  }

  begin(stage: StageName, detail?: string): void {
    if (this.options.signal.aborted) throw interruption()
    this.stopwatch.start(stage)
    this.options.onEvent({ type: 'stage', stage, ...(detail === undefined ? {} : { detail }) })
  }

  finished(stage: StageName, detail: string): void {
    this.options.onEvent({ type: 'finished', stage, seconds: this.stopwatch.seconds, detail })
  }
}
