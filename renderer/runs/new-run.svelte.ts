import { messageOf, presetNames, SpectroscopeError, standardPreset } from '../../preload/contract'
import type {
  ClusteringMethod,
  ConfigurationCheck,
  CorpusPreview,
  Estimate,
  ModelDescription,
  PresetName,
  SamplingMethod,
  SignalPreview
} from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import { isAbsolute, joined, lastPart } from '../ui/paths'
import { clusteringMethodNames, clusteringMethodOf, withClusteringMethod } from './clustering-methods'
import { problemsAt, valueAt, withoutDefaults, withValue } from './draft'
import type { Draft, Dropped } from './draft'
import { fallbackAt } from './fields'
import { copyName } from './listing'
import { methodOf, methodWords, presetOf, usualClustering, withPreset } from './methods'

/**
 * An answer that depends on the form: the latest answer or failure, and whether a request is pending.
 */
export interface Asked<T> {
  readonly answer: T | null
  readonly failure: string | null
  readonly asking: boolean
}
const nothing = { answer: null, failure: null, asking: false }

const pauses = { check: 150, model: 250, estimate: 350, preview: 600, presets: 500 } as const

/** Seconds of sampling in a signal preview, after the model and corpus are read. */
export const signalSeconds = 30

/** The form of a new run: its draft, and the main side's answers about it. */
export class NewRunForm {
  readonly #workbench: Workbench
  name = $state('')
  draft: Draft = $state.raw({})
  /** Base folder of the draft's relative paths. */
  baseFolder = $state('')
  /** Edited fields; problems of others are hidden until the person tries to start. */
  touched: ReadonlySet<string> = $state.raw(new Set())
  tried = $state(false)
  check: ConfigurationCheck | null = $state.raw(null)
  model: Asked<ModelDescription> = $state.raw(nothing)
  estimate: Asked<Estimate> = $state.raw(nothing)
  preview: Asked<CorpusPreview> = $state.raw(nothing)
  /** Seconds of sampling with each preset; null if an estimate failed. Outdated while new ones are requested. */
  presetSeconds: ReadonlyMap<PresetName, number | null> = $state.raw(new Map())
  presetsAsking = $state(false)
  dropped: Dropped | null = $state.raw(null)
  signal: Asked<SignalPreview> = $state.raw(nothing)
  /** Configuration of the signal preview, as JSON. */
  signalOf: string | null = $state(null)
  starting = $state(false)
  #asked = { check: 0, model: 0, estimate: 0, preview: 0 }
  #presetsAsked = 0

  constructor(workbench: Workbench) {
    this.#workbench = workbench
    this.baseFolder = workbench.state?.home ?? '/'
  }

  /** Current preset, sampling method and clustering method. */
  get preset(): PresetName {
    return presetOf(this.draft)
  }

  get method(): SamplingMethod {
    return methodOf(this.draft)
  }

  get clusteringMethod(): ClusteringMethod {
    return clusteringMethodOf(this.draft, this.preset)
  }

  get modelPath(): string {
    return this.text('model')
  }

  get files(): readonly string[] {
    const files = valueAt(this.draft, 'corpus.files')
    return Array.isArray(files) ? files.filter((file): file is string => typeof file === 'string') : []
  }

  /** The draft's components: "all", of those offered, or a list. */
  get components(): 'all' | readonly string[] {
    const given = valueAt(this.draft, 'components')
    return Array.isArray(given)
      ? given.filter((component): component is string => typeof component === 'string')
      : 'all'
  }

  /** Whether heads that share keys and values are chosen as one. */
  get grouped(): boolean {
    const given = valueAt(this.draft, 'components')
    return given === 'groups' || (Array.isArray(given) && given.some((name) => String(name).startsWith('group:')))
  }

  /** Default name of the run. */
  get usualName(): string {
    const taken = (this.#workbench.runs ?? []).map(({ name }) => name)
    const name = this.modelPath === '' ? 'new run' : lastPart(this.modelPath)
    return taken.includes(name) ? copyName(name, taken) : name
  }

  text(path: string): string {
    const value = valueAt(this.draft, path)
    return typeof value === 'string' ? value : ''
  }

  absolute(path: string): string {
    return path === '' || isAbsolute(path) ? path : joined(this.baseFolder, path)
  }

  /** Changes the preset; removes settings its method does not use. */
  setPreset(preset: PresetName): void {
    const before = this.draft
    const { draft, dropped } = withPreset(before, preset)
    this.draft = draft
    const sampling = dropped.filter((key) => valueAt(before, `sampler.${key}`) !== undefined)
    const names = [
      ...(sampling.length > 0 ? [methodWords[methodOf(draft)]] : []),
      ...(sampling.length < dropped.length ? [clusteringMethodNames[clusteringMethodOf(draft, preset)]] : [])
    ]
    this.dropped = dropped.length === 0 ? null : { in: 'sampler', keys: dropped, by: names.join(' or '), before }
  }

  /** Changes the clustering method; removes settings it does not use. */
  setClusteringMethod(method: ClusteringMethod): void {
    const before = this.draft
    const { draft, dropped } = withClusteringMethod(before, method, usualClustering(this.preset))
    this.draft = draft
    this.dropped =
      dropped.length === 0 ? null : { in: 'clustering', keys: dropped, by: clusteringMethodNames[method], before }
  }

  setMethod(method: SamplingMethod): void {
    if (method !== this.method) this.setPreset(standardPreset(method))
  }

  /** Undoes the last change of preset or method, restoring removed settings. */
  restoreDropped(): void {
    if (this.dropped !== null) this.draft = this.dropped.before
    this.dropped = null
  }

  set(path: string, value: unknown): void {
    if (this.dropped !== null && path.startsWith(`${this.dropped.in}.`)) this.dropped = null
    this.draft = withValue(this.draft, path, value)
    if (!this.touched.has(path)) this.touched = new Set([...this.touched, path])
  }

  addFiles(paths: readonly string[]): void {
    this.set('corpus.files', [...new Set([...this.files, ...paths])])
    this.set('rows', undefined)
  }

  removeFile(path: string): void {
    const files = this.files.filter((file) => file !== path)
    this.set('corpus.files', files.length === 0 ? undefined : files)
  }

  /** Whether the form differs from an empty one. */
  get isFilled(): boolean {
    return this.name !== '' || Object.keys(this.draft).length > 0
  }

  clear(): void {
    this.take({})
    this.name = ''
    this.baseFolder = this.#workbench.state?.home ?? '/'
    this.tried = false
  }

  /** Problems at a path, worded as in the terminal; empty until the person has edited it. */
  problems(path: string): readonly string[] {
    if (this.check === null) return []
    const shown = this.tried || this.touched.has(path) || valueAt(this.draft, path) !== undefined
    return shown ? problemsAt(this.check.problems, path) : []
  }

  /** Loads a whole configuration, without values that equal their defaults. */
  take(configuration: Draft): void {
    const preset = presetOf(configuration)
    const method = clusteringMethodOf(configuration, preset)
    this.draft = withoutDefaults(configuration, (path) => fallbackAt(path, preset, method))
    this.dropped = null
    this.touched = new Set()
  }

  /** Starts from the configuration of another run. */
  async from(run: string): Promise<void> {
    try {
      const record = await this.#workbench.client.runs.get({ run })
      this.take({ ...record.configuration })
      this.baseFolder = record.baseFolder
      this.name = copyName(
        record.name,
        (this.#workbench.runs ?? []).map(({ name }) => name)
      )
    } catch (error) {
      this.#workbench.fail(error)
    }
  }

  /** Loads a configuration file, a model folder, or anything else as part of the corpus. */
  async drop(path: string): Promise<void> {
    try {
      if (/\.json$/i.test(path)) {
        const { configuration, baseFolder } = await this.#workbench.client.runs.readConfiguration({ path })
        this.draft = configuration as Draft
        this.baseFolder = baseFolder
        return
      }
    } catch (error) {
      return this.#workbench.fail(error)
    }
    try {
      await this.#workbench.client.models.describe({ folder: path })
      this.set('model', path)
    } catch {
      this.addFiles([path])
    }
  }

  async #ask<T>(
    what: 'check' | 'model' | 'estimate' | 'preview',
    call: () => Promise<T>,
    settle: (asked: Asked<T>) => void,
    before: Asked<T>
  ): Promise<void> {
    const number = ++this.#asked[what]
    settle({ ...before, asking: true })
    try {
      const answer = await call()
      if (number === this.#asked[what]) settle({ answer, failure: null, asking: false })
    } catch (error) {
      if (number === this.#asked[what]) settle({ answer: null, failure: messageOf(error), asking: false })
    }
  }

  #later(what: 'check' | 'model' | 'estimate' | 'preview', ask: () => void): () => void {
    const timer = window.setTimeout(ask, pauses[what])
    return () => window.clearTimeout(timer)
  }

  /** Requests a check after a pause; returns a function that cancels it, as the next three methods do. */
  askCheck(): () => void {
    const { draft, baseFolder } = this
    return this.#later(
      'check',
      () =>
        void this.#ask<ConfigurationCheck>(
          'check',
          () => this.#workbench.client.runs.check({ configuration: draft, baseFolder }),
          ({ answer, failure }) => {
            if (answer !== null) this.check = answer
            else if (failure !== null)
              this.check = { problems: [{ path: '', message: failure.replace(/\.$/, '') }], configuration: null }
          },
          nothing
        )
    )
  }

  askModel(folder: string, weights: string): (() => void) | undefined {
    if (folder === '') {
      this.model = nothing
      return undefined
    }
    const asked = { folder: this.absolute(folder), ...(weights === '' ? {} : { weights: this.absolute(weights) }) }
    return this.#later(
      'model',
      () =>
        void this.#ask(
          'model',
          () => this.#workbench.client.models.describe(asked),
          (settled) => (this.model = settled),
          this.model
        )
    )
  }

  askEstimate(configuration: object | null, baseFolder: string): (() => void) | undefined {
    if (configuration === null) {
      this.estimate = nothing
      return undefined
    }
    return this.#later(
      'estimate',
      () =>
        void this.#ask(
          'estimate',
          () => this.#workbench.client.runs.estimate({ configuration, baseFolder }),
          (settled) => (this.estimate = settled),
          this.estimate
        )
    )
  }

  askPreview(configuration: object | null, baseFolder: string): (() => void) | undefined {
    if (configuration === null || this.files.length === 0) {
      this.preview = nothing
      return undefined
    }
    return this.#later(
      'preview',
      () =>
        void this.#ask(
          'preview',
          () => this.#workbench.client.corpora.preview({ configuration, baseFolder, rows: 12 }),
          (settled) => (this.preview = settled),
          this.preview
        )
    )
  }

  /**
   * Requests sampling times of the other presets, one at a time. Returns a function that cancels.
   */
  askPresets(): (() => void) | undefined {
    const number = ++this.#presetsAsked
    const { draft, baseFolder, preset, estimate } = this
    if (estimate.answer === null) {
      this.presetSeconds = new Map()
      this.presetsAsking = false
      return undefined
    }
    this.presetsAsking = true
    const known = estimate.answer.seconds.sample
    const ask = async (): Promise<void> => {
      const seconds = new Map<PresetName, number | null>([[preset, known]])
      for (const name of presetNames) {
        if (name === preset || number !== this.#presetsAsked) continue
        // A failed estimate is shown as unknown; problems of the draft appear elsewhere.
        const wanted = { configuration: withPreset(draft, name).draft, baseFolder }
        const answer = await this.#workbench.client.runs.estimate(wanted).catch(() => null)
        seconds.set(name, answer?.seconds.sample ?? null)
      }
      if (number !== this.#presetsAsked) return
      this.presetSeconds = seconds
      this.presetsAsking = false
    }
    const timer = window.setTimeout(() => void ask(), pauses.presets)
    return () => window.clearTimeout(timer)
  }

  get canPreviewSignal(): boolean {
    return this.method !== 'psgld' && this.check?.configuration != null && !this.signal.asking
  }

  /** Samples a few components to see how much signal there is. */
  async previewSignal(): Promise<void> {
    if (!this.canPreviewSignal) return
    const { draft, baseFolder } = this
    const of = JSON.stringify(this.check?.configuration)
    this.signal = { answer: null, failure: null, asking: true }
    this.signalOf = of
    try {
      const wanted = { configuration: draft, baseFolder, seconds: signalSeconds }
      const answer = await this.#workbench.client.runs.previewSignal(wanted)
      this.signal = { answer, failure: null, asking: false }
    } catch (error) {
      const stopped = error instanceof SpectroscopeError && error.kind === 'interrupted'
      this.signal = { answer: null, failure: stopped ? null : messageOf(error), asking: false }
    }
  }

  /** Cancels a running preview. */
  async stopPreview(): Promise<void> {
    if (!this.signal.asking) return
    await this.#workbench.client.runs.stopPreview({}).catch((error: unknown) => this.#workbench.fail(error))
  }

  /** Starts the run and shows it, or shows the problems beside their settings. */
  async start(): Promise<void> {
    this.tried = true
    if (this.starting || this.check?.configuration == null) return
    this.starting = true
    try {
      const name = this.name.trim() === '' ? this.usualName : this.name.trim()
      const { run } = await this.#workbench.client.runs.start({
        name,
        configuration: this.draft,
        baseFolder: this.baseFolder
      })
      this.clear()
      await this.#workbench.loadRuns()
      this.#workbench.go({ view: 'run', run, tab: 'progress' })
    } catch (error) {
      this.#workbench.fail(error)
    } finally {
      this.starting = false
    }
  }
}
