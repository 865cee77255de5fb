import { SvelteMap } from 'svelte/reactivity'
import { messageOf } from '../../preload/contract'
import type {
  ComponentProgress,
  HealthFinding,
  LiveRun,
  RunEvent,
  RunProgress,
  StageName
} from '../../preload/contract'
import type { Client } from '../client'
import { Traces } from './traces'

const keptEvents = 1000
const keptRates = 4000

/** State of a run in progress: read with `runs.live`, then updated by notices. */
export class Live {
  readonly #client: Client
  readonly run: string
  /** Null until the first answer. */
  snapshot: LiveRun | null = $state.raw(null)
  failure: string | null = $state(null)
  working = $state(false)
  pausing = $state(false)
  stage: StageName | null = $state(null)
  progress: RunProgress | null = $state.raw(null)
  /** Latest progress of each component, for methods with rounds. */
  reliabilities: readonly ComponentProgress[] = $state.raw([])
  events: LiveRun['events'] = $state.raw([])
  flags: readonly HealthFinding[] = $state.raw([])
  /** Fraction done, by component. */
  readonly fractions = new SvelteMap<string, number>()
  /** Seconds since the start, and tokens per second then. */
  rates: { readonly seconds: number[]; readonly rates: number[] } = $state.raw({ seconds: [], rates: [] })
  traces = new Traces()
  /** Increases whenever `traces` grows. */
  drawn = $state(0)
  #components: readonly string[] = []
  #rateClock = { at: 0, seconds: 0 }
  #load = 0

  constructor(client: Client, run: string) {
    this.#client = client
    this.run = run
  }

  /** Reads the run's state and follows it; returns a function that stops following. */
  follow(): () => void {
    const off = [
      this.#client.on('run-event', ({ run, event }) => {
        if (run === this.run && this.snapshot !== null) this.#take(event)
      }),
      this.#client.on('trace', ({ run, points }) => {
        if (run !== this.run) return
        this.traces.add(points)
        this.#measure(new Set(points.map(({ component }) => component)))
        this.drawn++
      })
    ]
    void this.load()
    return () => off.forEach((remove) => remove())
  }

  async load(): Promise<void> {
    const load = ++this.#load
    try {
      const live = await this.#client.runs.live({ run: this.run })
      if (load !== this.#load) return
      this.snapshot = live
      this.failure = null
      this.working = live.working
      this.pausing = live.pausing
      this.stage = live.stage
      this.progress = live.progress
      if (live.progress?.reliabilities !== undefined) this.reliabilities = live.progress.reliabilities
      this.events = live.events
      this.flags = live.flags
      this.traces = Traces.of(live.traces)
      this.#components = live.components.map(({ component }) => component)
      for (const component of this.fractions.keys())
        if (!this.#components.includes(component)) this.fractions.delete(component)
      for (const { component, fraction } of live.components) this.fractions.set(component, fraction)
      const pairs = Array.from(live.rates)
      this.rates = {
        seconds: pairs.filter((_, index) => index % 2 === 0),
        rates: pairs.filter((_, index) => index % 2 === 1)
      }
      this.#rateClock = { at: performance.now(), seconds: this.rates.seconds.at(-1) ?? 0 }
      this.drawn++
    } catch (error) {
      if (load === this.#load) this.failure = messageOf(error)
    }
  }

  #take(event: RunEvent): void {
    if (event.type === 'progress') return this.#advance(event.progress)
    this.events = [...this.events.slice(-keptEvents), { at: new Date().toISOString(), event }]
    if (event.type === 'health') this.flags = event.findings
    // The components are known only when their stage begins.
    if (event.type === 'stage' || event.type === 'run') void this.load()
  }

  #advance(progress: RunProgress): void {
    this.progress = progress
    if (progress.stage !== 'download' && progress.stage !== 'import') this.stage = progress.stage
    if (progress.stage !== 'sample') return
    if (progress.reliabilities !== undefined) this.reliabilities = progress.reliabilities
    if (progress.tokensPerSecond !== undefined) this.#addRate(progress.tokensPerSecond)
    if (progress.step !== undefined) this.#measure(new Set(this.#components))
  }

  #addRate(rate: number): void {
    const seconds = this.#rateClock.seconds + (performance.now() - this.#rateClock.at) / 1000
    if (seconds - (this.rates.seconds.at(-1) ?? -Infinity) < 1) return
    const thin = this.rates.seconds.length > keptRates
    const kept = (values: number[]): number[] => (thin ? values.filter((_, index) => index % 2 === 0) : values)
    this.rates = { seconds: [...kept(this.rates.seconds), seconds], rates: [...kept(this.rates.rates), rate] }
  }

  /** Fractions done, from draws or, if all components step together, from steps. */
  #measure(components: ReadonlySet<string>): void {
    const { progress } = this
    if (progress?.stage !== 'sample' || progress.chains === undefined || progress.draws === undefined) return
    const stepped =
      progress.step !== undefined && progress.steps !== undefined && progress.steps > 0
        ? progress.step / progress.steps
        : 0
    for (const component of components) {
      const fraction = Math.min(
        1,
        Math.max(
          stepped,
          this.traces.draws(component) / (progress.chains * progress.draws),
          this.fractions.get(component) ?? 0
        )
      )
      if (this.fractions.get(component) !== fraction) this.fractions.set(component, fraction)
    }
  }
}
