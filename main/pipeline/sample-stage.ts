import { join } from 'node:path'
import { samplerWords } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { GatheredProvenance, StageRecord, TracePointRecord } from '../../preload/records'
import { AbortScope } from './abort-scope'
import { diagnosticsRecords } from './diagnostics'
import { threadsThatFit } from './fitting-threads'
import { basisOf, begunPath, keptPath } from './kept-sums'
import type { Prepared, Sampled, SampleRequest } from './messages'
import { shardNotes, readyShards } from './shard-task'
import { samplingProgress } from './progress'
import type { Compute } from './session'
import { resultPath } from './shard-set'
import { storeMatrix } from './transfer'
import { fingerprintOf, programVersion } from './versions'
import { counted } from './active-run'
import type { PrepareStage } from './prepare-stage'
import type { ActiveRun } from './active-run'

/** The stage that samples a run, or gathers its shards. */
export class SampleStage {
  readonly #work: ActiveRun
  readonly #preparing: PrepareStage

  constructor(work: ActiveRun, preparing: PrepareStage) {
    this.#work = work
    this.#preparing = preparing
  }

  async run(): Promise<void> {
    const {
      configuration: { sampler },
      provenance: { gathered }
    } = this.#work.run
    await this.#work.update({ stage: 'sample' })
    const how = samplerWords(sampler)
    this.#work.begin(
      'sample',
      gathered === undefined ? `${how}, ${this.#work.threads} threads` : `${how}, gathered from ${gathered.folder}`
    )
    try {
      await this.#work.session.use('sample', (compute) =>
        gathered === undefined ? this.#sampleWith(compute) : this.#gatherWith(compute, gathered)
      )
    } catch (error) {
      if (gathered !== undefined || !(error instanceof SpectroscopeError) || error.kind !== 'engine') throw error
      const {
        id,
        provenance: { engine }
      } = this.#work.run
      await this.#work.update({ provenance: { engineLost: { at: new Date().toISOString(), message: error.message } } })
      if (/--engine /.test(error.message)) throw error
      throw new SpectroscopeError(
        'engine',
        `${error.message.replace(/\.$/, '')}; run ${id} is paused; ` +
          `to use another engine than ${engine?.name ?? 'this one'}, run \`resume --engine NAME\`.`,
        { cause: error }
      )
    }
    await this.#work.update({ stage: null })
    this.#work.finished(
      'sample',
      `${counted(this.#work.run.tokens)} tokens × ${this.#work.run.components.length} components`
    )
  }

  async #sampleWith(compute: Compute): Promise<void> {
    const { configuration } = this.#work.run
    const { sampler, seed, corpus } = configuration
    const prepared = await this.#preparing.prepared(compute)
    const { threads, warning } = await threadsThatFit(configuration, this.#work.run.baseFolder, prepared)
    if (warning !== undefined) this.#work.options.onEvent({ type: 'note', message: warning, warning: true })
    const scope = new AbortScope(this.#work.options.signal)
    const tracer = this.#tracer(scope.fail)
    let initialLoss = NaN
    const off = [
      compute.on('sampling', (report) => {
        initialLoss = report.initialLoss
        this.#work.options.onEvent({ type: 'progress', progress: samplingProgress(sampler, report) })
      }),
      compute.on('trace', (point) => {
        tracer.add(point)
        this.#work.options.onTrace?.(point, initialLoss)
      }),
      compute.on('chainEnded', (chain) => {
        this.#work.options.onEvent({ type: 'note', message: chain.message })
        this.#work.options.onChainEnded?.(chain)
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
      folder: this.#work.folder,
      everySeconds: this.#work.options.checkpointSeconds,
      fingerprint: this.#samplingFingerprint(prepared),
      begun: this.#work.run.provenance.continued === undefined ? undefined : begunPath(this.#work.folder),
      ...this.#keeping(prepared)
    }
    try {
      const sampled = await scope.during((signal) => compute.call('sample', request, { signal }))
      await tracer.end()
      await this.#keepSampled(compute, sampled, { ...this.#work.completed('sample'), threads, engine: prepared.engine })
    } finally {
      off.forEach((remove) => remove())
      await tracer.end()
    }
  }

  /** Loads shard results instead of sampling. */
  async #gatherWith(compute: Compute, gathered: GatheredProvenance): Promise<void> {
    const {
      configuration: { sampler }
    } = this.#work.run
    const prepared = await this.#preparing.prepared(compute)
    const { components, engine } = prepared
    const set = await readyShards(gathered.folder, gathered.set)
    const results = set.shards.map(({ index }) => resultPath(gathered.folder, index))
    const { sampled, shards } = await new AbortScope(this.#work.options.signal).during((signal) =>
      compute.call(
        'gather',
        { components, sampler, set: gathered.set, results, ...this.#keeping(prepared) },
        { signal }
      )
    )
    for (const { component, failedChains } of sampled.diagnostics)
      for (const { chain, message } of failedChains) this.#work.options.onChainEnded?.({ component, chain, message })
    for (const message of shardNotes(shards)) this.#work.options.onEvent({ type: 'note', message })
    await this.#work.update({
      provenance: {
        gathered: {
          ...gathered,
          shards: shards.map(({ host, processor, threads, seconds, finishedAt }) => ({
            host,
            processor,
            threads,
            seconds,
            finishedAt
          }))
        }
      }
    })
    const seconds = shards.reduce((sum, shard) => sum + shard.seconds, 0)
    await this.#keepSampled(compute, sampled, {
      ...this.#work.completed('sample'),
      seconds,
      threads: shards[0].threads,
      engine
    })
  }

  async #keepSampled(compute: Compute, sampled: Sampled, stage: Omit<StageRecord, 'finishedAt'>): Promise<void> {
    await this.#work.workspace.transaction(this.#work.run.id, async (writer) => {
      await storeMatrix(compute, writer, sampled)
      await writer.saveDiagnostics(diagnosticsRecords(sampled))
      await writer.saveTraces(sampled.traces)
      await writer.completeStage(stage)
    })
    await compute.call('dropSampled', null)
    if (sampled.keptSums !== null) await this.#work.update({ provenance: { keptSums: sampled.keptSums } })
  }

  /** File for the matrices, file for the sums if they are saved, and the hash that sums must share. */
  #keeping(prepared: Prepared): Pick<SampleRequest, 'columns' | 'keep' | 'basis'> {
    const { sampler, seed, corpus } = this.#work.run.configuration
    const keep = sampler.method !== 'psgld' && sampler.keepSums ? keptPath(this.#work.folder) : undefined
    const basis = basisOf(prepared, sampler, seed, corpus?.observationIncludesProbe ?? false)
    return { columns: join(this.#work.folder, 'columns'), keep, basis }
  }

  /**
   * Hash of everything that determines the matrix. Uses the run's first engine, because a run may be resumed on
   * another.
   */
  #samplingFingerprint({ modelHash, study, components, ...prepared }: Prepared): string {
    const engine = this.#work.run.provenance.enginesBefore?.[0] ?? prepared.engine
    const { sampler, seed, corpus } = this.#work.run.configuration
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

  /** Writes trace points to the store in batches. */
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
      writing = writing.then(() => this.#work.workspace.appendTrace(this.#work.run.id, points)).catch(fail)
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
}
