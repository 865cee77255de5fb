import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import {
  type BlockConfiguration,
  type ClusteringConfiguration,
  type ClusteringSettings,
  type RunConfiguration,
  blockCount,
  roundsOf,
  samplerWords,
  suitClustering
} from '../../preload/configuration'
import { contentsWords } from '../../preload/corpus-contents'
import { messageOf, SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import { stageNames } from '../../preload/records'
import type {
  ClusteringRecord,
  EngineProvenance,
  GatheredProvenance,
  Provenance,
  RunChanges,
  RunRecord,
  StageName,
  StageRecord,
  TracePointRecord
} from '../../preload/records'
import { makePlainFolder } from '../base/plain-files'
import { wholeVariant } from '../clustering/variants'
import type { Workspace } from '../store/store'
import { checkNeighbours } from './checks'
import { checkGathered } from './cluster-set'
import { clusteringOrder } from './clustering-order'
import { Companion, interruption } from './companion'
import { compareWith } from './comparisons'
import { describeWith } from './describe'
import type { PartProgress } from './describe'
import { diagnosticsRecords } from './diagnostics'
import { threadsThatFit } from './estimate'
import { adoptSums, basisOf, begunPath, keptPath, removeCheckpoints } from './kept-sums'
import type { Prepared, Sampled, SampleRequest } from './messages'
import { pieceNotes, readyPieces } from './pieces'
import { clusteringProgress, describingProgress, preparingProgress, samplingProgress } from './progress'
import { ComputeFailed, ComputeSession } from './session'
import type { Compute } from './session'
import { mostThreadsHere } from './room'
import type { RunOptions, StartOptions } from './run-options'
import { resultPath } from './shard-set'
import { Stopwatch } from './stopwatch'
import { sendMatrix, storeMatrix, storeNeighbours } from './transfer'
import { fingerprintOf, platformWords, programVersion, versions } from './versions'

const threadsOf = ({ threads }: RunConfiguration): number =>
  Math.min(threads ?? availableParallelism(), mostThreadsHere())

const counted = (count: number): string => count.toLocaleString('en')

/** Kinds of errors that a new run which never got past its preparation is not kept for. */
const refusals = new Set(['usage', 'configuration', 'input', 'engine', 'network'])

/** Kinds of errors after which going on would fail again. */
const failures = new Set(['sampling', 'clustering', 'internal'])

/** Works through the stages of one run, or clusters it once more. */
class Runner {
  readonly #workspace: Workspace
  readonly #options: RunOptions
  readonly #session: ComputeSession
  readonly #stopwatch: Stopwatch
  #run: RunRecord
  #prepared: { readonly by: Compute; readonly what: Prepared } | undefined
  /** Folder of the pieces that a clustering is gathered from. */
  readonly #gathered: string | undefined
  /** The compute process that has the matrix and the neighbours of the clustering at work. */
  #clusteredBy: Compute | undefined

  constructor(workspace: Workspace, run: RunRecord, options: RunOptions, gathered?: string) {
    this.#gathered = gathered
    this.#workspace = workspace
    this.#run = run
    this.#options = options
    this.#session = new ComputeSession((message) => options.onEvent({ type: 'note', message }))
    this.#stopwatch = new Stopwatch(workspace.runFolder(run.id), options.checkpointSeconds)
  }

  get #folder(): string {
    return this.#workspace.runFolder(this.#run.id)
  }

  get #threads(): number {
    return threadsOf(this.#run.configuration)
  }

  #done(stage: StageName): boolean {
    return this.#run.stages.some((record) => record.stage === stage)
  }

  #completed(stage: StageName): Omit<StageRecord, 'finishedAt'> {
    return { stage, seconds: this.#stopwatch.seconds, versions: versions(), threads: this.#threads }
  }

  async #update(changes: RunChanges): Promise<void> {
    this.#run = await this.#workspace.updateRun(this.#run.id, changes)
  }

  #begin(stage: StageName, detail?: string): void {
    if (this.#options.signal.aborted) throw interruption()
    this.#stopwatch.start(stage)
    this.#options.onEvent({ type: 'stage', stage, ...(detail === undefined ? {} : { detail }) })
  }

  #finished(stage: StageName, detail: string): void {
    this.#options.onEvent({ type: 'finished', stage, seconds: this.#stopwatch.seconds, detail })
  }

  /** The model and the rows in a compute process; read again where that process is a new one. */
  async #prepare(compute: Compute): Promise<Prepared> {
    if (this.#prepared?.by === compute) return this.#prepared.what
    const { signal, onEvent } = this.#options
    const off = compute.on('preparing', ({ done, total }) =>
      onEvent({ type: 'progress', progress: preparingProgress(done, total) })
    )
    const stop = (): void => void compute.kill()
    signal.addEventListener('abort', stop, { once: true })
    try {
      const {
        configuration,
        baseFolder,
        provenance: { gathered, engine: known }
      } = this.#run
      const what =
        gathered === undefined
          ? await compute.call('prepare', { configuration, baseFolder, engine: this.#options.engine ?? known?.name })
          : await compute.call('openSet', { folder: gathered.folder, withModel: false })
      this.#checkUnchanged(what)
      await this.#noteEngine(what)
      this.#prepared = { by: compute, what }
      return what
    } catch (error) {
      throw signal.aborted ? interruption(error) : this.#withWayOut(error)
    } finally {
      off()
      signal.removeEventListener('abort', stop)
    }
  }

  #checkUnchanged({ modelHash, tokenizerHash, study, engine }: Prepared): void {
    const { id, provenance: known } = this.#run
    const changes = [
      ['The files of the model', known.modelHash, modelHash],
      ['The tokenizer', known.tokenizerHash, tokenizerHash],
      ['The files of the corpus or rows', known.studyHash, study.hash]
    ] as const
    for (const [what, before, now] of changes) {
      if (before !== undefined && before !== now) {
        throw new SpectroscopeError(
          'input',
          `${what} changed since run ${id} started, so it cannot continue; restore the original or start a new run.`
        )
      }
    }
    if (known.engine !== undefined && known.engine.name !== engine.name && this.#options.engine === undefined) {
      throw new SpectroscopeError(
        'engine',
        `Run ${id} was started on the engine ${known.engine.name} and would now use ${engine.name}; ` +
          `to accept that, resume it with \`--engine ${engine.name}\`.`
      )
    }
  }

  /** Says and records where a run goes on that was begun elsewhere. */
  async #noteEngine({ engine }: Prepared): Promise<void> {
    const {
      id,
      provenance: { engine: known, enginesBefore = [] }
    } = this.#run
    if (known === undefined || this.#done('sample')) return
    const words = ({ name, device }: EngineProvenance): string => `${name} (${device})`
    if (words(known) === words(engine)) return
    this.#options.onEvent({
      type: 'note',
      message: `Run ${id} started on ${words(known)} and continues on ${words(engine)}.`
    })
    await this.#update({
      provenance: { engine, enginesBefore: [...enginesBefore, { ...known, until: new Date().toISOString() }] }
    })
  }

  /** What failed, with the other way on where the run's own engine can't be had. */
  #withWayOut(error: unknown): unknown {
    const {
      id,
      provenance: { engine }
    } = this.#run
    if (
      !(error instanceof SpectroscopeError) ||
      error.kind !== 'engine' ||
      engine === undefined ||
      this.#options.engine !== undefined ||
      this.#done('sample')
    )
      return error
    if (/--engine /.test(error.message)) return error
    return new SpectroscopeError(
      'engine',
      `Run ${id} needs ${engine.name}, which is not available (${error.message.replace(/\.$/, '')}); ` +
        'fix that and resume, or use another engine with `resume --engine NAME`.',
      { cause: error }
    )
  }

  async #prepareStage(): Promise<void> {
    await this.#update({ stage: 'prepare' })
    this.#begin('prepare')
    const { modelHash, tokenizerHash, engine, study, texts, tokens, components } = await this.#session.use(
      'prepare',
      (compute) => this.#prepare(compute)
    )
    checkNeighbours(this.#run.configuration, tokens)
    const { hash: studyHash, contents } = study
    if (contents !== undefined) this.#options.onEvent({ type: 'note', message: contentsWords(contents) })
    await this.#update({
      provenance: {
        modelHash,
        studyHash,
        engine,
        ...(tokenizerHash === null ? {} : { tokenizerHash }),
        ...(contents === undefined ? {} : { corpus: contents })
      }
    })
    await this.#workspace.transaction(this.#run.id, async (writer) => {
      await writer.saveStudy(study, texts === null ? null : (id) => texts.get(id) ?? `<${id}>`)
      await writer.completeStage(this.#completed('prepare'))
    })
    await this.#update({ stage: 'sample' })
    this.#finished(
      'prepare',
      `${counted(tokens)} tokens in ${counted(study.probe.length)} probe rows, ${components.length} components, on ${engine.name}`
    )
  }

  /** Everything that decides the numbers of the matrix; of engines the first, as a person may have the run go on elsewhere. */
  #samplingFingerprint({ modelHash, study, components, ...prepared }: Prepared): string {
    const engine = this.#run.provenance.enginesBefore?.[0] ?? prepared.engine
    const { sampler, seed, corpus } = this.#run.configuration
    return fingerprintOf([
      programVersion,
      modelHash,
      study.hash,
      components,
      sampler,
      seed,
      corpus?.observationIncludesProbe ?? false,
      engine.name,
      engine.precision,
      engine.version
    ])
  }

  /** Writes trace points as they come, some at a time. */
  #tracer(fail: (error: unknown) => void): {
    readonly add: (point: TracePointRecord) => void
    readonly end: () => Promise<void>
  } {
    let waiting: TracePointRecord[] = []
    let writing = Promise.resolve()
    const flush = (): void => {
      if (waiting.length === 0) return
      const points = waiting
      waiting = []
      writing = writing.then(() => this.#workspace.appendTrace(this.#run.id, points)).catch(fail)
    }
    const timer = setInterval(flush, 2000)
    return {
      add: (point) => waiting.push(point),
      end: async () => {
        clearInterval(timer)
        flush()
        await writing
      }
    }
  }

  async #keepSampled(compute: Compute, sampled: Sampled, stage: Omit<StageRecord, 'finishedAt'>): Promise<void> {
    await this.#workspace.transaction(this.#run.id, async (writer) => {
      await storeMatrix(compute, writer, sampled)
      await writer.saveDiagnostics(diagnosticsRecords(sampled))
      await writer.saveTraces(sampled.traces)
      await writer.completeStage(stage)
    })
    await compute.call('dropSampled', null)
    if (sampled.keptSums !== null) await this.#update({ provenance: { keptSums: sampled.keptSums } })
  }

  /** Where matrices lie until they are stored, where sums are kept, if they are, and what they must have in common. */
  #keeping(prepared: Prepared): Pick<SampleRequest, 'columns' | 'keep' | 'basis'> {
    const { sampler, seed, corpus } = this.#run.configuration
    const keep = sampler.method !== 'psgld' && sampler.keepSums ? keptPath(this.#folder) : undefined
    const basis = basisOf(prepared, sampler, seed, corpus?.observationIncludesProbe ?? false)
    return { columns: join(this.#folder, 'columns'), keep, basis }
  }

  /** Takes what the pieces of the run came to, in place of sampling. */
  async #gatherWith(compute: Compute, gathered: GatheredProvenance): Promise<void> {
    const {
      configuration: { sampler }
    } = this.#run
    const prepared = await this.#prepare(compute)
    const { components, engine } = prepared
    const set = await readyPieces(gathered.folder, gathered.set)
    const results = set.pieces.map(({ index }) => resultPath(gathered.folder, index))
    const { sampled, pieces } = await new Companion(this.#options.signal).during((signal) =>
      compute.call(
        'gather',
        { components, sampler, set: gathered.set, results, ...this.#keeping(prepared) },
        { signal }
      )
    )
    for (const { component, failedChains } of sampled.diagnostics)
      for (const { chain, message } of failedChains) this.#options.onChainEnded?.({ component, chain, message })
    for (const message of pieceNotes(pieces)) this.#options.onEvent({ type: 'note', message })
    await this.#update({
      provenance: {
        gathered: {
          ...gathered,
          pieces: pieces.map(({ host, processor, threads, seconds, finishedAt }) => ({
            host,
            processor,
            threads,
            seconds,
            finishedAt
          }))
        }
      }
    })
    const seconds = pieces.reduce((sum, piece) => sum + piece.seconds, 0)
    await this.#keepSampled(compute, sampled, {
      ...this.#completed('sample'),
      seconds,
      threads: pieces[0].threads,
      engine
    })
  }

  async #sampleWith(compute: Compute): Promise<void> {
    const { configuration } = this.#run
    const { sampler, seed, corpus } = configuration
    const prepared = await this.#prepare(compute)
    const { threads, warning } = await threadsThatFit(configuration, this.#run.baseFolder, prepared)
    if (warning !== undefined) this.#options.onEvent({ type: 'note', message: warning, warning: true })
    const companion = new Companion(this.#options.signal)
    const tracer = this.#tracer(companion.fail)
    let initialLoss = NaN
    const off = [
      compute.on('sampling', (report) => {
        initialLoss = report.initialLoss
        this.#options.onEvent({ type: 'progress', progress: samplingProgress(sampler, report) })
      }),
      compute.on('trace', (point) => {
        tracer.add(point)
        this.#options.onTrace?.(point, initialLoss)
      }),
      compute.on('chainEnded', (chain) => {
        this.#options.onEvent({ type: 'note', message: chain.message })
        this.#options.onChainEnded?.(chain)
      })
    ]
    const request = {
      components: prepared.components,
      sampler,
      seed,
      threads,
      engine: prepared.engine.name,
      precision: configuration.precision,
      observationIncludesProbe: corpus?.observationIncludesProbe ?? false,
      folder: this.#folder,
      everySeconds: this.#options.checkpointSeconds,
      fingerprint: this.#samplingFingerprint(prepared),
      begun: this.#run.provenance.continued === undefined ? undefined : begunPath(this.#folder),
      ...this.#keeping(prepared)
    }
    try {
      const sampled = await companion.during((signal) => compute.call('sample', request, { signal }))
      await tracer.end()
      await this.#keepSampled(compute, sampled, { ...this.#completed('sample'), threads, engine: prepared.engine })
    } finally {
      off.forEach((remove) => remove())
      await tracer.end()
    }
  }

  async #sampleStage(): Promise<void> {
    const {
      configuration: { sampler },
      provenance: { gathered }
    } = this.#run
    await this.#update({ stage: 'sample' })
    const how = samplerWords(sampler)
    this.#begin(
      'sample',
      gathered === undefined ? `${how}, ${this.#threads} threads` : `${how}, gathered from ${gathered.folder}`
    )
    try {
      await this.#session.use('sample', (compute) =>
        gathered === undefined ? this.#sampleWith(compute) : this.#gatherWith(compute, gathered)
      )
    } catch (error) {
      if (gathered !== undefined || !(error instanceof SpectroscopeError) || error.kind !== 'engine') throw error
      const {
        id,
        provenance: { engine }
      } = this.#run
      await this.#update({ provenance: { engineLost: { at: new Date().toISOString(), message: error.message } } })
      if (/--engine /.test(error.message)) throw error
      throw new SpectroscopeError(
        'engine',
        `${error.message.replace(/\.$/, '')}; run ${id} is paused; ` +
          `to use another engine than ${engine?.name ?? 'this one'}, run \`resume --engine NAME\`.`,
        { cause: error }
      )
    }
    await this.#update({ stage: null })
    this.#finished('sample', `${counted(this.#run.tokens)} tokens × ${this.#run.components.length} components`)
  }

  /** Neighbours, where none are kept for these settings, then clusters; `own` for the clustering that is a part of the run. */
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
    } = this.#run
    const { neighbours: k, whiten } = configuration
    const { columns, parts, fingerprint, notes } = await clusteringOrder(this.#workspace, this.#run, configuration)
    for (const note of notes) this.#options.onEvent({ type: 'note', ...note })
    if (this.#gathered !== undefined) await checkGathered(this.#gathered, fingerprint)
    const reused = await sendMatrix(this.#workspace, this.#run, compute, configuration)
    const companion = new Companion(this.#options.signal)
    let stage: StageName = 'neighbours'
    const next = async (detail?: string): Promise<void> => {
      stage = 'cluster'
      if (own) await this.#update({ stage })
      this.#begin(stage, detail)
    }
    const keep = async (): Promise<void> => {
      await this.#workspace.transaction(id, async (writer) => {
        await storeNeighbours(compute, writer, tokens, k, whiten)
        if (own) await writer.completeStage(this.#completed('neighbours'))
      })
      this.#finished('neighbours', `${k} per token`)
      await next()
    }
    if (own) await this.#update({ stage })
    if (reused && own)
      await this.#workspace.transaction(id, (writer) => writer.completeStage(this.#completed('neighbours')))
    if (!reused) this.#begin(stage, this.#gathered === undefined ? undefined : `gathered from ${this.#gathered}`)
    else await next(`with the ${k} saved neighbours`)
    let kept = Promise.resolve()
    const off = [
      compute.on('clustering', (report) =>
        this.#options.onEvent({ type: 'progress', progress: clusteringProgress(report) })
      ),
      compute.on('neighbours', () => {
        if (!reused) kept = keep().catch(companion.fail)
      })
    ]
    const request = {
      configuration,
      columns,
      components,
      seed,
      threads: this.#threads,
      folder: this.#folder,
      everySeconds: this.#options.checkpointSeconds,
      fingerprint,
      parts,
      gathered: this.#gathered
    }
    try {
      const structure = await companion.during(async (signal) => {
        await compute.call('cluster', { ...request, variant: wholeVariant }, { signal })
        await kept
        off.splice(0).forEach((remove) => remove())
        await compareWith(compute, this.#workspace, this.#run, request, {
          signal,
          onProgress: (progress) => this.#options.onEvent({ type: 'progress', progress })
        })
        return compute.call('finishClustering', request, { signal })
      })
      this.#clusteredBy = compute
      return await this.#workspace.transaction(id, async (writer) => {
        const saved = await writer.saveClustering({ ...structure, name, seed })
        if (own) await writer.completeStage(this.#completed('cluster'))
        return saved
      })
    } finally {
      off.forEach((remove) => remove())
      await kept
    }
  }

  async #cluster(configuration: ClusteringConfiguration, name: string, own: boolean): Promise<ClusteringRecord> {
    const record = await this.#session.use('cluster', (compute) => this.#clusterWith(compute, configuration, name, own))
    await this.#describe(record)
    this.#finished(
      'cluster',
      `${counted(record.clusters)} clusters, ${counted(record.leftoverSize)} tokens unclustered`
    )
    return record
  }

  /** The clustering is stored by then: whatever ends this, it is only the description that is made anew. */
  async #describe(record: ClusteringRecord): Promise<void> {
    const companion = new Companion(this.#options.signal)
    const onProgress = (part: PartProgress): void =>
      this.#options.onEvent({ type: 'progress', progress: describingProgress(part) })
    await this.#session.use('describe', (compute) =>
      companion.during((signal) =>
        describeWith(compute, this.#workspace, this.#run, record, this.#clusteredBy === compute, { signal, onProgress })
      )
    )
  }

  /** Describes what an interrupted run has clustered and not described. */
  async #describeRest(): Promise<void> {
    const { clusterings } = await this.#workspace.getRun(this.#run.id)
    for (const record of clusterings) {
      if (await this.#workspace.isDescribed(this.#run.id, record.number)) continue
      this.#begin('cluster', `describing "${record.name}"`)
      this.#clusteredBy = undefined
      await this.#describe(record)
      this.#finished('cluster', `${counted(record.clusters)} clusters are described`)
    }
  }

  #noteVersion(): void {
    const before = this.#run.provenance.versions?.['spectroscope']
    if (before !== undefined && before !== programVersion && !this.#done('sample')) {
      this.#options.onEvent({
        type: 'note',
        message:
          `Run ${this.#run.id} was started by version ${before} and continues with ${programVersion}; ` +
          'sampling starts over.'
      })
    }
  }

  async #stages(): Promise<RunRecord> {
    const {
      startedAt,
      configuration: { clustering },
      provenance: { engineLost }
    } = this.#run
    await this.#update({
      status: 'running',
      startedAt: startedAt ?? new Date().toISOString(),
      error: null,
      ...(engineLost ? { provenance: { engineLost: null } } : {})
    })
    this.#noteVersion()
    if (!this.#done('prepare')) await this.#prepareStage()
    if (!this.#done('sample')) await this.#sampleStage()
    if (clustering !== false && !this.#done('cluster')) {
      const suited = suitClustering(clustering, this.#run.tokens)
      await this.#cluster(suited, clusteringName(suited), true)
    }
    await this.#describeRest()
    await this.#update({ status: 'finished', stage: null, finishedAt: new Date().toISOString() })
    return this.#run
  }

  /** Leaves the run as its error asks for. */
  async #leave(error: unknown, isNew: boolean): Promise<void> {
    const kind = error instanceof SpectroscopeError ? error.kind : 'internal'
    try {
      if (isNew && !this.#done('prepare') && refusals.has(kind) && !(error instanceof ComputeFailed))
        await this.#workspace.deleteRun(this.#run.id)
      else
        await this.#update({
          status: failures.has(kind) ? 'failed' : 'interrupted',
          ...(kind === 'interrupted' ? {} : { error: messageOf(error) })
        })
    } catch {
      // The store is what failed; it lists a run that nobody works on as interrupted when it is opened again.
    }
  }

  /** Does `work` with a folder for its checkpoints, a stopwatch, and an end to the compute process. */
  async #framed<T>(work: () => Promise<T>): Promise<T> {
    await makePlainFolder(this.#folder)
    await this.#stopwatch.open()
    try {
      return await work()
    } finally {
      await this.#session.close()
      await this.#stopwatch.close()
    }
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

  /** What is left of the checkpoints of a finished run. */
  async #removeFolder(): Promise<void> {
    await removeCheckpoints(this.#folder)
  }

  async recluster(configuration: ClusteringConfiguration, name: string): Promise<ClusteringRecord> {
    const record = await this.#framed(() => this.#cluster(configuration, name, false))
    if (this.#run.status === 'finished') await this.#removeFolder()
    return record
  }
}

const usualAcl = { alpha: 0.001, rule: 'local' }

/** What tells a clustering from others of its run, where nobody gave it a name. */
const clusteringName = (configuration: ClusteringConfiguration): string => {
  const { method, neighbours, symmetrize, whiten } = configuration
  const own =
    method === 'acl'
      ? [
          ...(configuration.alpha === usualAcl.alpha ? [] : [`alpha ${configuration.alpha}`]),
          ...(configuration.rule === usualAcl.rule ? [] : [configuration.rule])
        ]
      : configuration.resolution === 'auto'
        ? []
        : [`resolution ${configuration.resolution}`]
  return [
    method === 'acl' ? 'ACL' : 'communities',
    `k ${neighbours}`,
    ...(symmetrize === 'union' ? [] : [symmetrize]),
    ...(whiten ? ['whitened'] : []),
    ...own
  ].join(', ')
}

/** Makes a run in the workspace that nobody works on yet; `resumeRun` does. */
export const createRun = async (
  workspace: Workspace,
  configuration: RunConfiguration,
  baseFolder: string,
  name?: string,
  provenance: Provenance = {}
): Promise<RunRecord> =>
  workspace.createRun({
    name: name ?? `run ${(await workspace.listRuns()).length + 1}`,
    configuration,
    baseFolder,
    provenance: {
      seed: configuration.seed,
      versions: versions(),
      platform: platformWords(),
      threads: threadsOf(configuration),
      ...provenance
    }
  })

/**
 * Makes a run in the workspace and works through its stages: prepare, sample, neighbours, cluster. Each stage's results are stored in
 * one transaction when it is done. A run whose configuration or files turn out to be unusable is not kept. Throws an `interrupted`
 * error when stopped; the run can then be resumed.
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

/** Goes on with a run after its last finished stage, and within a stage from its checkpoint. A finished run is returned as it is. */
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
 * preprocessing are reused, and from a folder of pieces (`gathered`) what was found there.
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

/** How far a run is to be continued: to so many rounds in all, or until every reliability reaches a target (within so many rounds, if given). */
export interface Continuation {
  readonly rounds?: number | undefined
  readonly reliability?: number | undefined
  readonly name?: string | undefined
}

const continuedSampler = (
  { configuration: { sampler }, id }: RunRecord,
  { rounds, reliability }: Continuation
): BlockConfiguration => {
  if (sampler.method === 'psgld')
    throw new SpectroscopeError(
      'usage',
      `Run ${id} uses the method "psgld", but only "first-order" and "gradient" can be continued; start a new run.`
    )
  if (rounds === undefined && reliability === undefined)
    throw new SpectroscopeError('usage', 'Give a target: --rounds N (in total) or --reliability R.')
  const most = Math.max(rounds ?? 0, roundsOf(sampler))
  const targetReliability = reliability ?? false
  const limit = reliability === undefined ? rounds! : most
  return sampler.method === 'first-order'
    ? { ...sampler, targetReliability, rounds: limit }
    : { ...sampler, targetReliability, draws: blockCount * limit }
}

const continued = ', continued'

/**
 * Makes a run that begins with the sums of a finished one and nobody works on yet; it comes to the numbers of a run that had been made at
 * once, bit for bit. Throws a `usage` error where the run can't be continued, or has as many rounds already.
 */
export const createContinuation = async (
  workspace: Workspace,
  run: RunRecord,
  continuation: Continuation
): Promise<RunRecord> => {
  const sampler = continuedSampler(run, continuation)
  if (!run.stages.some(({ stage }) => stage === 'sample'))
    throw new SpectroscopeError('usage', `Run ${run.id} is not fully sampled; resume it first.`)
  if (run.provenance.keptSums == null || !existsSync(keptPath(workspace.runFolder(run.id)))) {
    throw new SpectroscopeError(
      'usage',
      `The sums of run ${run.id} were not saved, so it cannot be continued; start a new run with ` +
        '"sampler.keepSums": true.'
    )
  }
  const done = (await workspace.getDiagnostics(run.id)).reduce(
    (most, { blocks }) => Math.max(most, blocks?.rounds ?? 0),
    0
  )
  if (continuation.reliability === undefined && roundsOf(sampler) <= done)
    throw new SpectroscopeError('usage', `Run ${run.id} already has ${done} rounds; ask for more.`)
  const engine = run.provenance.engine?.name ?? run.configuration.engine
  const configuration: RunConfiguration = { ...run.configuration, sampler, engine }
  const name = continuation.name ?? `${run.name.slice(0, limits.runName - continued.length)}${continued}`
  const provenance = { continued: { run: run.id, name: run.name } }
  const made = await createRun(workspace, configuration, run.baseFolder, name, provenance)
  try {
    await adoptSums(workspace.runFolder(run.id), workspace.runFolder(made.id))
  } catch (error) {
    await workspace.deleteRun(made.id)
    throw error
  }
  return made
}

/** The next stage that a run has to do; undefined when all are done. */
export const nextStage = ({ configuration, stages }: RunRecord): StageName | undefined =>
  stageNames.find(
    (stage) =>
      !(configuration.clustering === false && (stage === 'neighbours' || stage === 'cluster')) &&
      !stages.some((done) => done.stage === stage)
  )
