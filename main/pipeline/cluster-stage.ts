import { type ClusteringConfiguration } from '../../preload/configuration'
import type { ClusteringRecord, StageName } from '../../preload/records'
import { wholeVariant } from '../clustering/variants'
import { checkGathered } from './cluster-set'
import { clusteringOrder } from './clustering-order'
import { AbortScope } from './abort-scope'
import { compareWith } from './comparisons'
import { describeWith } from './describe'
import type { PartProgress } from './describe'
import { clusteringProgress, describingProgress } from './progress'
import type { Compute } from './session'
import { sendMatrix, storeNeighbours } from './transfer'
import { counted } from './active-run'
import type { ActiveRun } from './active-run'

/** The stages that cluster a run's matrix and describe the clusters. */
export class ClusterStage {
  readonly #work: ActiveRun
  /** Folder of the shards being gathered, if any. */
  readonly #gathered: string | undefined
  /** The compute process that holds the matrix and the neighbours of the current clustering. */
  #clusteredBy: Compute | undefined

  constructor(work: ActiveRun, gathered: string | undefined) {
    this.#work = work
    this.#gathered = gathered
  }

  async run(configuration: ClusteringConfiguration, name: string, own: boolean): Promise<ClusteringRecord> {
    const record = await this.#work.session.use('cluster', (compute) =>
      this.#clusterWith(compute, configuration, name, own)
    )
    await this.#describe(record)
    this.#work.finished(
      'cluster',
      `${counted(record.clusters)} clusters, ${counted(record.leftoverSize)} tokens unclustered`
    )
    return record
  }

  /**
   * Searches for neighbours, unless the store has them for these settings, then clusters. `own` marks the clustering
   * that belongs to the run itself.
   */
  async #clusterWith(
    compute: Compute,
    configuration: ClusteringConfiguration,
    name: string,
    own: boolean
  ): Promise<ClusteringRecord> {
    const {
      id,
      components,
      tokens,
      configuration: { seed }
    } = this.#work.run
    const { neighbours: k } = configuration
    const { columns, parts, fingerprint, notes } = await clusteringOrder(
      this.#work.workspace,
      this.#work.run,
      configuration
    )
    for (const note of notes) this.#work.options.onEvent({ type: 'note', ...note })
    if (this.#gathered !== undefined) await checkGathered(this.#gathered, fingerprint)
    const reused = await sendMatrix(this.#work.workspace, this.#work.run, compute, configuration)
    const scope = new AbortScope(this.#work.options.signal)
    let stage: StageName = 'neighbours'
    const next = async (detail?: string): Promise<void> => {
      stage = 'cluster'
      if (own) await this.#work.update({ stage })
      this.#work.begin(stage, detail)
    }
    const keep = async (): Promise<void> => {
      await this.#work.workspace.transaction(id, async (writer) => {
        await storeNeighbours(compute, writer, tokens, configuration)
        if (own) await writer.completeStage(this.#work.completed('neighbours'))
      })
      this.#work.finished('neighbours', `${k} per token`)
      await next()
    }
    if (own) await this.#work.update({ stage })
    if (reused && own)
      await this.#work.workspace.transaction(id, (writer) => writer.completeStage(this.#work.completed('neighbours')))
    if (!reused) this.#work.begin(stage, this.#gathered === undefined ? undefined : `gathered from ${this.#gathered}`)
    else await next(`with the ${k} saved neighbours`)
    let kept = Promise.resolve()
    const off = [
      compute.on('clustering', (report) =>
        this.#work.options.onEvent({ type: 'progress', progress: clusteringProgress(report) })
      ),
      compute.on('neighbours', () => {
        if (!reused) kept = keep().catch(scope.fail)
      })
    ]
    const request = {
      configuration,
      columns,
      components,
      seed,
      threads: this.#work.threads,
      folder: this.#work.folder,
      everySeconds: this.#work.options.checkpointSeconds,
      fingerprint,
      parts,
      gathered: this.#gathered
    }
    try {
      const structure = await scope.during(async (signal) => {
        await compute.call('cluster', { ...request, variant: wholeVariant }, { signal })
        await kept
        off.splice(0).forEach((remove) => remove())
        await compareWith(compute, this.#work.workspace, this.#work.run, request, {
          signal,
          onProgress: (progress) => this.#work.options.onEvent({ type: 'progress', progress })
        })
        return compute.call('finishClustering', request, { signal })
      })
      this.#clusteredBy = compute
      return await this.#work.workspace.transaction(id, async (writer) => {
        const saved = await writer.saveClustering({ ...structure, name, seed })
        if (own) await writer.completeStage(this.#work.completed('cluster'))
        return saved
      })
    } finally {
      off.forEach((remove) => remove())
      await kept
    }
  }

  /** Describes a clustering. It is stored already, so after a failure only the description is repeated. */
  async #describe(record: ClusteringRecord): Promise<void> {
    const scope = new AbortScope(this.#work.options.signal)
    const onProgress = (part: PartProgress): void =>
      this.#work.options.onEvent({ type: 'progress', progress: describingProgress(part) })
    await this.#work.session.use('describe', (compute) =>
      scope.during((signal) =>
        describeWith(compute, this.#work.workspace, this.#work.run, record, this.#clusteredBy === compute, {
          signal,
          onProgress
        })
      )
    )
  }

  /** Describes the clusterings that an interrupted run left without a description. */
  async describeRest(): Promise<void> {
    const { clusterings } = await this.#work.workspace.getRun(this.#work.run.id)
    for (const record of clusterings) {
      if (await this.#work.workspace.isDescribed(this.#work.run.id, record.number)) continue
      this.#work.begin('cluster', `describing "${record.name}"`)
      this.#clusteredBy = undefined
      await this.#describe(record)
      this.#work.finished('cluster', `${counted(record.clusters)} clusters are described`)
    }
  }
}
