import type {
  ClusteringEstimate,
  ClusteringMethod,
  ClusteringSettings,
  ConfigurationCheck,
  RunRecord
} from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import { clusteringDefaults, clusteringMethodNames, isClusteringMethod, settingsOfMethod } from './clustering-methods'
import { problemsAt, withValue } from './draft'
import type { Draft } from './draft'
import { clusteringFields, suitedTo, valueWords } from './fields'
import type { Field } from './fields'

const pauses = { check: 150, estimate: 300 } as const

/** How settings are called in the name of a clustering; others by their key. */
const shortNames: Readonly<Record<string, string>> = { neighbours: 'k', minSize: 'min size', alpha: 'α' }

const nameOf = (field: Field, value: unknown): string =>
  field.key === 'whiten'
    ? value === true
      ? 'whitened'
      : 'not whitened'
    : `${shortNames[field.key] ?? field.key} ${valueWords(field, value)}`

/** Settings of a further clustering of a run, beginning with those of another one. */
export class ClusteringForm {
  readonly #workbench: Workbench
  readonly #record: RunRecord
  readonly #base: ClusteringSettings | undefined
  method: ClusteringMethod = $state('communities')
  /** What differs from the defaults, of any method; without the method itself. */
  given: Draft = $state.raw({})
  name = $state('')
  starting = $state(false)
  /** Null until the first answer, and where there is none. */
  estimate: ClusteringEstimate | null = $state.raw(null)
  #check: ConfigurationCheck | null = $state.raw(null)
  #asked = { check: 0, estimate: 0 }

  /** `base`: the clustering to begin with; that of the run's configuration where none is given. */
  constructor(workbench: Workbench, record: RunRecord, base?: ClusteringSettings) {
    this.#workbench = workbench
    this.#record = record
    const { clustering } = record.configuration
    this.#base = base ?? (clustering === false ? undefined : clustering)
    if (this.#base === undefined) return
    this.method = this.#base.method
    const usual = clusteringDefaults(this.method)
    this.given = Object.fromEntries(Object.entries(this.#base).filter(([key, value]) => value !== usual[key]))
  }

  // A clustering that is asked for by itself has no preset.
  readonly defaults: Draft = $derived(clusteringDefaults(this.method))
  readonly settings: Draft = $derived(settingsOfMethod(this.given, this.method).settings)
  readonly fields: readonly Field[] = $derived(clusteringFields(this.method))
  readonly configuration: Draft = $derived({
    ...(this.method === 'communities' ? {} : { method: this.method }),
    ...this.settings
  })

  /** What "auto" comes to, by key. */
  get suited(): Readonly<Record<string, unknown>> {
    return this.#record.tokens > 0 ? suitedTo(this.#record.tokens) : {}
  }

  /** What the clustering is called if nobody names it: how it differs from the one it began with. */
  readonly usualName: string = $derived.by(() => {
    const base: Draft = this.#base === undefined ? {} : { ...this.#base }
    const isSameMethod = base['method'] === this.method
    const before: Draft = isSameMethod ? base : this.defaults
    const differing = this.fields
      .filter(({ key }) => key !== 'method' && (this.settings[key] ?? this.defaults[key]) !== before[key])
      .map((field) => nameOf(field, this.settings[field.key] ?? this.defaults[field.key]))
    return [...(isSameMethod ? [] : [clusteringMethodNames[this.method]]), ...differing].join(', ') || 'again'
  })

  get finalName(): string {
    return this.name.trim() === '' ? this.usualName.slice(0, 200) : this.name.trim()
  }

  /** What is wrong with a setting, or with any. */
  problems(path = 'clustering'): readonly string[] {
    const problems = this.#check?.problems ?? []
    // A model that was moved since does not matter to a clustering.
    if (path === 'clustering') {
      return problems.flatMap(({ path: at, message }) => (at.startsWith('clustering') ? [message] : []))
    }
    return problemsAt(problems, path)
  }

  change(key: string, value: unknown): void {
    if (key !== 'method') this.given = withValue(this.given, key, value)
    else this.method = isClusteringMethod(value) ? value : 'communities'
  }

  pickResolution(resolution: number): void {
    this.method = 'communities'
    this.given = withValue(this.given, 'resolution', resolution)
  }

  /** Asks, after a pause, whether the settings are right; returns what takes that back. */
  askCheck(): () => void {
    const { client } = this.#workbench
    const { configuration, baseFolder } = this.#record
    const wanted = {
      configuration: { ...configuration, clustering: { method: this.method, ...this.settings } },
      baseFolder
    }
    const number = ++this.#asked.check
    const timer = window.setTimeout(() => {
      client.runs
        .check(wanted)
        .then((answer) => number === this.#asked.check && (this.#check = answer), this.#workbench.fail)
    }, pauses.check)
    return () => window.clearTimeout(timer)
  }

  /** Asks, after a pause, what the clustering will cost; returns what takes that back. */
  askEstimate(): () => void {
    const { client } = this.#workbench
    const wanted = { run: this.#record.id, configuration: this.configuration }
    const number = ++this.#asked.estimate
    const timer = window.setTimeout(() => {
      // Settings that are wrong are named by the check.
      client.runs.estimateClustering(wanted).then(
        (answer) => number === this.#asked.estimate && (this.estimate = answer),
        () => number === this.#asked.estimate && (this.estimate = null)
      )
    }, pauses.estimate)
    return () => window.clearTimeout(timer)
  }

  /** Starts the clustering, or queues it behind another; whether it could. */
  async start(): Promise<boolean> {
    this.starting = true
    try {
      const { id } = this.#record
      await this.#workbench.client.runs.recluster({ run: id, name: this.finalName, configuration: this.configuration })
      await this.#workbench.loadRuns()
      return true
    } catch (error) {
      this.#workbench.fail(error)
      return false
    } finally {
      this.starting = false
    }
  }
}
