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
import { ActiveRun } from './active-run'
import { createRun } from './create-run'

/** Errors after which a new run is deleted if it fails during preparation. */
const refusals = new Set(['usage', 'configuration', 'input', 'engine', 'network'])

/** Errors that would recur if the run were resumed. */
const failures = new Set(['sampling', 'clustering', 'internal'])

/** Runs the stages of one run, or clusters it again. */
class Runner {
  readonly #work: ActiveRun
  readonly #preparing: PrepareStage
  readonly #sampling: SampleStage
  readonly #clustering: ClusterStage

  constructor(workspace: Workspace, run: RunRecord, options: RunOptions, gathered?: string) {
    this.#work = new ActiveRun(workspace, run, options)
    this.#preparing = new PrepareStage(this.#work)
    this.#sampling = new SampleStage(this.#work, this.#preparing)
    this.#clustering = new ClusterStage(this.#work, gathered)
  }

  /** Runs the remaining stages of the run. */
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

  /** Records the state of the run after an error. */
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
      // If the store itself failed, it marks the abandoned run as interrupted when reopened.
    }
  }

  /** Runs `work` with a folder for checkpoints and a stopwatch, and closes the compute process after it. */
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

  /** Deletes the remaining checkpoints of a finished run. */
  async #removeFolder(): Promise<void> {
    await removeCheckpoints(this.#work.folder)
  }
}

/**
 * Creates a run in the workspace and runs its stages: prepare, sample, neighbours, cluster. Each stage's results are
 * stored in one transaction. A run with an unusable configuration or files is deleted. Throws the errors of the
 * stages, and an `interrupted` error when stopped; the run can then be resumed.
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
 * Resumes a run after its last finished stage, from the checkpoint within a stage. Returns a finished run unchanged.
 */
export const resumeRun = async (workspace: Workspace, run: RunRecord, options: RunOptions): Promise<RunRecord> => {
  if (run.status === 'finished') return run
  options.onEvent({ type: 'run', run: run.id, name: run.name, resumed: true })
  return new Runner(workspace, run, options).work(false)
}

/**
 * Settings for a further clustering of a run, with defaults for its size. Throws a `usage` error if the run has no
 * matrix yet.
 */
export const suitedTo = ({ id, stages, tokens }: RunRecord, settings: ClusteringSettings): ClusteringConfiguration => {
  if (stages.some(({ stage }) => stage === 'sample')) return suitClustering(settings, tokens)
  throw new SpectroscopeError('usage', `Run ${id} has no susceptibilities yet; resume it first.`)
}

/**
 * Clusters a run's matrix again and stores the result beside earlier clusterings. Reuses stored neighbours for the
 * same k and preprocessing, and the results of shards in the folder `gathered`. Throws a `usage` error if the run has
 * no matrix yet.
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
