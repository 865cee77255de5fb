import {
  type ClusteringConfiguration,
  type ClusteringSettings,
  type RunConfiguration,
  suitClustering
} from '../../preload/configuration'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import type { ClusteringRecord, RunRecord } from '../../preload/records'
import { makePlainFolder } from '../base/plain-files'
import type { Workspace } from '../store/store'
import { removeCheckpoints } from './kept-sums'
import { ComputeFailed } from './session'
import type { RunOptions, StartOptions } from './run-options'
import { programVersion } from './versions'
import { clusteringName } from './clustering-name'
import { ClusterStage } from './cluster-stage'
import { PrepareStage } from './prepare-stage'
import { SampleStage } from './sample-stage'
import { WorkedRun } from './worked-run'
import { createRun } from './create-run'

/** Kinds of errors that a new run which never got past its preparation is not kept for. */
const refusals = new Set(['usage', 'configuration', 'input', 'engine', 'network'])

/** Kinds of errors after which going on would fail again. */
const failures = new Set(['sampling', 'clustering', 'internal'])

/** Works through the stages of one run, or clusters it once more. */
class Runner {
  readonly #work: WorkedRun
  readonly #preparing: PrepareStage
  readonly #sampling: SampleStage
  readonly #clustering: ClusterStage

  constructor(workspace: Workspace, run: RunRecord, options: RunOptions, gathered?: string) {
    this.#work = new WorkedRun(workspace, run, options)
    this.#preparing = new PrepareStage(this.#work)
    this.#sampling = new SampleStage(this.#work, this.#preparing)
    this.#clustering = new ClusterStage(this.#work, gathered)
  }

  /** The run's own stages, from the first one that is not done. */
  async work(isNew: boolean): Promise<RunRecord> {
    const run = await this.#framed(() => this.#stages()).catch(async (error: unknown) => {
      await this.#leave(error, isNew)
      throw error
    })
    await this.#removeFolder()
    return run
  }

  async recluster(configuration: ClusteringConfiguration, name: string): Promise<ClusteringRecord> {
    const record = await this.#framed(() => this.#clustering.run(configuration, name, false))
    if (this.#work.run.status === 'finished') await this.#removeFolder()
    return record
  }

  async #stages(): Promise<RunRecord> {
    const {
      startedAt,
      configuration: { clustering },
      provenance: { engineLost }
    } = this.#work.run
    await this.#work.update({
      status: 'running',
      startedAt: startedAt ?? new Date().toISOString(),
      error: null,
      ...(engineLost ? { provenance: { engineLost: null } } : {})
    })
    this.#noteVersion()
    if (!this.#work.done('prepare')) await this.#preparing.run()
    if (!this.#work.done('sample')) await this.#sampling.run()
    if (clustering !== false && !this.#work.done('cluster')) {
      const suited = suitClustering(clustering, this.#work.run.tokens)
      await this.#clustering.run(suited, clusteringName(suited), true)
    }
    await this.#clustering.describeRest()
    await this.#work.update({ status: 'finished', stage: null, finishedAt: new Date().toISOString() })
    return this.#work.run
  }

  #noteVersion(): void {
    const before = this.#work.run.provenance.versions?.['spectroscope']
    if (before !== undefined && before !== programVersion && !this.#work.done('sample')) {
      this.#work.options.onEvent({
        type: 'note',
        message:
          `Run ${this.#work.run.id} was started by version ${before} and continues with ${programVersion}; ` +
          'sampling starts over.'
      })
    }
  }

  /** Leaves the run as its error asks for. */
  async #leave(error: unknown, isNew: boolean): Promise<void> {
    const kind = error instanceof SpectroscopeError ? error.kind : 'internal'
    try {
      if (isNew && !this.#work.done('prepare') && refusals.has(kind) && !(error instanceof ComputeFailed))
        await this.#work.workspace.deleteRun(this.#work.run.id)
      else
        await this.#work.update({
          status: failures.has(kind) ? 'failed' : 'interrupted',
          ...(kind === 'interrupted' ? {} : { error: messageOf(error) })
        })
    } catch {
      // The store is what failed; it lists a run that nobody works on as interrupted when it is opened again.
    }
  }

  /** Does `work` with a folder for its checkpoints, a stopwatch, and an end to the compute process. */
  async #framed<T>(work: () => Promise<T>): Promise<T> {
    await makePlainFolder(this.#work.folder)
    await this.#work.stopwatch.open()
    try {
      return await work()
    } finally {
      await this.#work.session.close()
      await this.#work.stopwatch.close()
    }
  }

  /** What is left of the checkpoints of a finished run. */
  async #removeFolder(): Promise<void> {
    await removeCheckpoints(this.#work.folder)
  }
}

/**
 * Makes a run in the workspace and works through its stages: prepare, sample, neighbours, cluster. Each stage's
 * results are stored in one transaction when it is done. A run whose configuration or files turn out to be unusable
 * is not kept. Throws an `interrupted` error when stopped; the run can then be resumed.
 */
export const startRun = async (
  workspace: Workspace,
  configuration: RunConfiguration,
  baseFolder: string,
  options: StartOptions
): Promise<RunRecord> => {
  const run = await createRun(workspace, configuration, baseFolder, options.name, options.provenance)
  options.onEvent({ type: 'run', run: run.id, name: run.name, resumed: false })
  return new Runner(workspace, run, options).work(true)
}

/**
 * Goes on with a run after its last finished stage, and within a stage from its checkpoint. A finished run is
 * returned as it is.
 */
export const resumeRun = async (workspace: Workspace, run: RunRecord, options: RunOptions): Promise<RunRecord> => {
  if (run.status === 'finished') return run
  options.onEvent({ type: 'run', run: run.id, name: run.name, resumed: true })
  return new Runner(workspace, run, options).work(false)
}

/** Settings of a further clustering of a run. Throws a `usage` error where the run has no matrix yet. */
export const suitedTo = ({ id, stages, tokens }: RunRecord, settings: ClusteringSettings): ClusteringConfiguration => {
  if (stages.some(({ stage }) => stage === 'sample')) return suitClustering(settings, tokens)
  throw new SpectroscopeError('usage', `Run ${id} has no susceptibilities yet; resume it first.`)
}

/**
 * Clusters a run's matrix once more, beside the clusterings there are; neighbours that are kept for the same k and
 * preprocessing are reused, and from a folder of shards (`gathered`) what was found there.
 */
export const recluster = async (
  workspace: Workspace,
  run: RunRecord,
  settings: ClusteringSettings,
  options: StartOptions,
  gathered?: string
): Promise<ClusteringRecord> => {
  const configuration = suitedTo(run, settings)
  const runner = new Runner(workspace, run, options, gathered)
  return runner.recluster(configuration, options.name ?? clusteringName(configuration))
}
