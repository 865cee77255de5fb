import { messageOf } from '../../preload/contract'
import type { ConfigurationCheck, CorpusPreview, Estimate, ModelDescription } from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import { isAbsolute, joined, lastPart } from '../ui/paths'
import { isDraft, problemsAt, valueAt, withoutDefaults, withValue } from './draft'
import type { Draft } from './draft'
import { fallbackAt } from './fields'
import { copyName } from './listing'

/** An answer that depends on what is typed: the last one that came, what went wrong, and whether another is on its way. */
export interface Asked<T> {
  readonly answer: T | null
  readonly failure: string | null
  readonly asking: boolean
}
const nothing = { answer: null, failure: null, asking: false }

const pauses = { check: 150, model: 250, estimate: 350, preview: 600 } as const

/** A run that is being written: its configuration so far, and what the main side says to it. */
export class NewRunForm {
  readonly #workbench: Workbench
  name = $state('')
  draft: Draft = $state.raw({})
  /** The folder that relative paths of the draft start from. */
  baseFolder = $state('')
  /** Fields that a person has been at; the others keep their problems to themselves until it is tried to start. */
  touched: ReadonlySet<string> = $state.raw(new Set())
  tried = $state(false)
  check: ConfigurationCheck | null = $state.raw(null)
  model: Asked<ModelDescription> = $state.raw(nothing)
  estimate: Asked<Estimate> = $state.raw(nothing)
  preview: Asked<CorpusPreview> = $state.raw(nothing)
  starting = $state(false)
  #asked = { check: 0, model: 0, estimate: 0, preview: 0 }

  constructor(workbench: Workbench) {
    this.#workbench = workbench
    this.baseFolder = workbench.state?.home ?? '/'
  }

  get preset(): unknown {
    return valueAt(this.draft, 'sampler.preset')
  }

  get modelPath(): string {
    return this.text('model')
  }

  get files(): readonly string[] {
    const files = valueAt(this.draft, 'corpus.files')
    return Array.isArray(files) ? files.filter((file): file is string => typeof file === 'string') : []
  }

  /** "all" or a list, as the draft has it. */
  get components(): 'all' | readonly string[] {
    const given = valueAt(this.draft, 'components')
    return Array.isArray(given) ? given.filter((component): component is string => typeof component === 'string') : 'all'
  }

  /** The name that the run gets where none is typed. */
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

  set(path: string, value: unknown): void {
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

  /** What is wrong at a place, in the words of the terminal; nothing before a person has been there. */
  problems(path: string): readonly string[] {
    if (this.check === null) return []
    const shown = this.tried || this.touched.has(path) || valueAt(this.draft, path) !== undefined
    return shown ? problemsAt(this.check.problems, path) : []
  }

  /** Takes over a whole configuration, less what would be so anyway. */
  take(configuration: Draft): void {
    const preset = valueAt(configuration, 'sampler.preset')
    this.draft = withoutDefaults(configuration, (path) => fallbackAt(path, preset))
    this.touched = new Set()
  }

  /** Starts from the configuration of another run. */
  async from(run: string): Promise<void> {
    try {
      const record = await this.#workbench.client.call('runs.get', { run })
      this.take({ ...record.configuration })
      this.baseFolder = record.baseFolder
      this.name = copyName(record.name, (this.#workbench.runs ?? []).map(({ name }) => name))
    } catch (error) {
      this.#workbench.fail(error)
    }
  }

  /** Takes over a configuration file, a model folder as the model, and anything else as part of the corpus. */
  async drop(path: string): Promise<void> {
    try {
      if (/\.json$/i.test(path)) {
        const { configuration, baseFolder } = await this.#workbench.client.call('runs.readConfiguration', { path })
        this.draft = configuration as Draft
        this.baseFolder = baseFolder
        return
      }
    } catch (error) {
      return this.#workbench.fail(error)
    }
    try {
      await this.#workbench.client.call('models.describe', { folder: path })
      this.set('model', path)
    } catch {
      this.addFiles([path])
    }
  }

  async #ask<T>(what: 'check' | 'model' | 'estimate' | 'preview', call: () => Promise<T>, settle: (asked: Asked<T>) => void, before: Asked<T>): Promise<void> {
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

  /** Asks for the check of what is there now, after a pause; returns what takes that back. So do the next three. */
  askCheck(): () => void {
    const { draft, baseFolder } = this
    return this.#later('check', () => void this.#ask<ConfigurationCheck>('check', () => this.#workbench.client.call('runs.check', { configuration: draft, baseFolder }), ({ answer, failure }) => {
      if (answer !== null) this.check = answer
      else if (failure !== null) this.check = { problems: [{ path: '', message: failure.replace(/\.$/, '') }], configuration: null }
    }, nothing))
  }

  askModel(folder: string, weights: string): (() => void) | undefined {
    if (folder === '') {
      this.model = nothing
      return undefined
    }
    const asked = { folder: this.absolute(folder), ...(weights === '' ? {} : { weights: this.absolute(weights) }) }
    return this.#later('model', () => void this.#ask('model', () => this.#workbench.client.call('models.describe', asked), (settled) => (this.model = settled), this.model))
  }

  askEstimate(configuration: object | null, baseFolder: string): (() => void) | undefined {
    if (configuration === null) {
      this.estimate = nothing
      return undefined
    }
    return this.#later('estimate', () => void this.#ask('estimate', () => this.#workbench.client.call('runs.estimate', { configuration, baseFolder }), (settled) => (this.estimate = settled), this.estimate))
  }

  askPreview(configuration: object | null, baseFolder: string): (() => void) | undefined {
    if (configuration === null || this.files.length === 0) {
      this.preview = nothing
      return undefined
    }
    return this.#later('preview', () => void this.#ask('preview', () => this.#workbench.client.call('corpora.preview', { configuration, baseFolder, rows: 12 }), (settled) => (this.preview = settled), this.preview))
  }

  /** Starts the run and shows it; where something is wrong, says what at its place instead. */
  async start(): Promise<void> {
    this.tried = true
    if (this.starting || this.check?.configuration == null) return
    this.starting = true
    try {
      const name = this.name.trim() === '' ? this.usualName : this.name.trim()
      const { run } = await this.#workbench.client.call('runs.start', { name, configuration: this.draft, baseFolder: this.baseFolder })
      await this.#workbench.loadRuns()
      this.#workbench.go({ view: 'run', run, tab: 'progress' })
    } catch (error) {
      this.#workbench.fail(error)
    } finally {
      this.starting = false
    }
  }
}

/** Whether a JSON object looks like a configuration rather than another file. */
export const isConfiguration = (value: unknown): value is Draft => isDraft(value) && ('model' in value || 'corpus' in value || 'sampler' in value)
