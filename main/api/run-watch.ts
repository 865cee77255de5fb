import type { HealthFinding, LiveRun, RunEvent, RunProgress } from '../../preload/contract'
import { stageNames } from '../../preload/records'
import type { RunRecord, StageName, TracePointRecord, TraceRecord } from '../../preload/records'
import { assessHealth, diagnose } from '../sampling/diagnostics'
import type { FailedChain } from '../sampling/diagnostics'

export interface WatchListener {
  readonly event: (event: RunEvent) => void
  readonly traces: (points: readonly TracePointRecord[]) => void
}

interface Chain {
  readonly component: string
  readonly chain: number
  readonly losses: Float64Array
  readonly distances: Float64Array
  /** Number of draws received. */
  draws: number
}

const millisecondsBetween = 200
const keptEvents = 1000
const keptRates = 2000
/** A chain's health is judged only from this many draws on. */
const leastDraws = 8

const isStage = (activity: string): activity is StageName => (stageNames as readonly string[]).includes(activity)

/** Data of a run in progress: progress, rates, traces, events and health findings. */
export class RunWatch {
  readonly #run: RunRecord
  readonly #components: readonly string[]
  readonly #listener: WatchListener
  readonly #chains = new Map<string, Chain>()
  readonly #failed: (FailedChain & { readonly component: string })[] = []
  readonly #findings = new Map<string, readonly HealthFinding[]>()
  readonly #started = performance.now()
  #events: { readonly at: string; readonly event: RunEvent }[] = []
  #rates: (readonly [seconds: number, rate: number])[] = []
  #secondsBetweenRates = 1
  #stage: StageName | null = null
  #progress: RunProgress | null = null
  #toldProgress = -Infinity
  #waiting: TracePointRecord[] = []
  #unassessed = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #initialLoss: number
  #told = ''

  /** `components` are those sampled, in order. `traces` come from earlier work on the same run. */
  constructor(run: RunRecord, components: readonly string[], traces: readonly TraceRecord[], listener: WatchListener) {
    this.#run = run
    this.#components = components
    this.#listener = listener
    this.#initialLoss = run.initialLoss ?? NaN
    for (const { component, chain, losses, distances } of traces) {
      const kept = this.#chain(component, chain)
      kept.losses.set(losses.subarray(0, kept.losses.length))
      kept.distances.set(distances.subarray(0, kept.distances.length))
      kept.draws = Math.min(losses.length, kept.losses.length)
    }
  }

  #chain(component: string, chain: number): Chain {
    const key = `${component} ${chain}`
    const present = this.#chains.get(key)
    if (present !== undefined) return present
    const { sampler } = this.#run.configuration
    const draws = sampler.method === 'psgld' ? sampler.draws : 0
    const made = {
      component,
      chain,
      losses: new Float64Array(draws).fill(NaN),
      distances: new Float64Array(draws).fill(NaN),
      draws: 0
    }
    this.#chains.set(key, made)
    return made
  }

  event(event: RunEvent): void {
    if (event.type === 'progress') return this.#advance(event.progress)
    if (event.type === 'stage') {
      this.#stage = isStage(event.stage) ? event.stage : null
      this.#progress = null
    }
    this.#events.push({ at: new Date().toISOString(), event })
    if (this.#events.length > keptEvents) this.#events = this.#events.slice(-keptEvents / 2)
    this.#listener.event(event)
  }

  #advance(progress: RunProgress): void {
    this.#progress = progress
    const now = performance.now()
    const seconds = (now - this.#started) / 1000
    const lastRate = this.#rates.at(-1)?.[0] ?? -Infinity
    if (progress.tokensPerSecond !== undefined && seconds - lastRate >= this.#secondsBetweenRates)
      this.#addRate(seconds, progress.tokensPerSecond)
    if (now - this.#toldProgress < millisecondsBetween) return
    this.#toldProgress = now
    this.#listener.event({ type: 'progress', progress })
  }

  #addRate(seconds: number, rate: number): void {
    this.#rates.push([seconds, rate])
    if (this.#rates.length <= keptRates) return
    this.#rates = this.#rates.filter((_, i) => i % 2 === 0)
    this.#secondsBetweenRates *= 2
  }

  trace(point: TracePointRecord, initialLoss: number): void {
    const chain = this.#chain(point.component, point.chain)
    chain.losses[point.draw] = point.loss
    chain.distances[point.draw] = point.distance
    chain.draws = point.draw + 1
    this.#initialLoss = initialLoss
    this.#waiting.push(point)
    this.#unassessed.add(point.component)
    this.#timer ??= setTimeout(() => this.#flush(), millisecondsBetween)
  }

  chainEnded({
    component,
    chain,
    message
  }: {
    readonly component: string
    readonly chain: number
    readonly message: string
  }): void {
    this.#failed.push({ component, chain, draw: this.#chain(component, chain).draws, step: 0, message })
    this.#unassessed.add(component)
    this.#timer ??= setTimeout(() => this.#flush(), millisecondsBetween)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const points = this.#waiting
    this.#waiting = []
    if (points.length > 0) this.#listener.traces(points)
    for (const component of this.#unassessed) this.#assess(component)
    this.#unassessed = new Set()
    const findings = this.#allFindings()
    const kinds = findings.map(({ component, kind }) => `${component} ${kind}`).join('\n')
    if (kinds === this.#told) return
    this.#told = kinds
    this.event({ type: 'health', findings })
  }

  /** Judges a component by the draws that all of its surviving chains have. */
  #assess(component: string): void {
    const { sampler } = this.#run.configuration
    if (sampler.method !== 'psgld') return
    const failed = this.#failed.filter((each) => each.component === component)
    const chains = [...this.#chains.values()].filter((each) => each.component === component)
    const alive = chains.filter(({ chain }) => !failed.some((each) => each.chain === chain))
    const draws = Math.min(...alive.map((each) => each.draws), sampler.draws)
    if (chains.length === 0 || (failed.length === 0 && draws < leastDraws)) return
    const traces = chains.map(({ chain, losses, distances }) => ({
      component,
      chain,
      losses: losses.subarray(0, draws),
      distances: distances.subarray(0, draws)
    }))
    const soFar = {
      ...diagnose(traces, failed, this.#initialLoss, sampler.nBeta),
      reliability: NaN,
      centredReliability: NaN,
      blocks: null
    }
    this.#findings.set(
      component,
      assessHealth(soFar, traces, this.#initialLoss, sampler).filter(
        ({ kind }) => kind === 'chains failed' || draws >= leastDraws
      )
    )
  }

  #allFindings(): readonly HealthFinding[] {
    return this.#order().flatMap((component) => this.#findings.get(component) ?? [])
  }

  /** Components in order, then `full` if it is sampled. */
  #order(): readonly string[] {
    const others = [...new Set([...this.#chains.values()].map(({ component }) => component))].filter(
      (component) => !this.#components.includes(component)
    )
    return [...this.#components, ...others]
  }

  #fractions(): LiveRun['components'] {
    if (this.#stage !== 'sample') return []
    const { sampler } = this.#run.configuration
    if (sampler.method !== 'psgld')
      return this.#components.map((component) => ({
        component,
        fraction: this.#progress?.reliabilities?.find((each) => each.component === component)?.done === true ? 1 : 0
      }))
    const { chains, draws } = sampler
    const stepped =
      this.#progress?.step !== undefined && this.#progress.steps !== undefined
        ? this.#progress.step / this.#progress.steps
        : 0
    const drawn = new Map<string, number>()
    for (const chain of this.#chains.values())
      drawn.set(chain.component, (drawn.get(chain.component) ?? 0) + chain.draws)
    return this.#order().map((component) => ({
      component,
      fraction: Math.min(1, Math.max(stepped, (drawn.get(component) ?? 0) / (chains * draws)))
    }))
  }

  live(working: boolean, pausing: boolean): LiveRun {
    return {
      run: this.#run.id,
      working,
      pausing,
      stage: working ? this.#stage : null,
      progress: working ? this.#progress : null,
      initialLoss: Number.isNaN(this.#initialLoss) ? null : this.#initialLoss,
      components: working ? this.#fractions() : [],
      rates: Float64Array.from(this.#rates.flat()),
      traces: [...this.#chains.values()].map(({ component, chain, losses, distances, draws }) => ({
        component,
        chain,
        losses: losses.slice(0, draws),
        distances: distances.slice(0, draws)
      })),
      events: [...this.#events],
      flags: this.#allFindings()
    }
  }

  /** Mean sampling speed in tokens per second; undefined if none was measured. */
  get rate(): number | undefined {
    return this.#rates.length === 0
      ? undefined
      : this.#rates.reduce((sum, [, rate]) => sum + rate, 0) / this.#rates.length
  }

  close(): void {
    this.#flush()
  }
}
