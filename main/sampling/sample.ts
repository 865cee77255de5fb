import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { SamplerConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { Study } from '../corpora/study'
import type { Model } from '../models/architecture'
import { componentIndex, componentSlices, flatten } from '../models/components'
import { readCheckpoint, removeLeftovers, writeCheckpoint } from './checkpoint'
import { diagnose } from './diagnostics'
import type { ChainTrace, ComponentDiagnostics, FailedChain } from './diagnostics'
import { Minibatches } from './philox'
import { Pool, TaskDropped, threadLane } from './pool'
import type { OpenLane } from './pool'
import { blockTokens, chunkTokens, cutRows, flattenTargets, targetsOf } from './rows'
import type { RowBlock } from './rows'
import { centredReliabilities, estimate, reliability } from './susceptibility'
import type { Group } from './susceptibility'
import type { Operations, Replica, SharedRun } from './tasks'

export type { ChainTrace, ComponentDiagnostics, FailedChain } from './diagnostics'

export interface SamplingProgress {
  readonly stage: 'sample'
  /** Steps done and to do of every chain; draws likewise. */
  readonly step: number
  readonly steps: number
  readonly draw: number
  readonly draws: number
  /** The chain last worked on. */
  readonly component: string
  readonly chain: number
  /** Target positions through a chain's gradient or losses, of all chains together, over the last seconds. */
  readonly tokensPerSecond: number
  /** Of the floating-point operations. */
  readonly fractionDone: number
  /** NaN until something has been measured. */
  readonly secondsLeft: number
  /** L(w*) on the observation rows, nats per token; NaN until it has been computed. */
  readonly initialLoss: number
}

/** L and ‖u - u*‖ of one chain at one draw. */
export interface TracePoint {
  readonly component: string
  readonly chain: number
  readonly draw: number
  readonly loss: number
  readonly distance: number
}

export interface ChainFlag {
  readonly component: string
  readonly chain: number
  readonly message: string
}

export interface SamplingInput {
  readonly model: Pick<Model, 'architecture' | 'weights'>
  readonly study: Pick<Study, 'sampling' | 'observation' | 'probe' | 'targets'>
  readonly components: readonly string[]
  readonly sampler: SamplerConfiguration
  readonly seed: number
  readonly observationIncludesProbe: boolean
  readonly engine: string
  readonly threads: number
  /** `fingerprint` stands for the model and the study; what else determines the numbers is added to it here. */
  readonly checkpoint?: { readonly folder: string; readonly everySeconds: number; readonly fingerprint: string }
  readonly onProgress?: (progress: SamplingProgress) => void
  readonly onTrace?: (point: TracePoint) => void
  readonly onFlag?: (flag: ChainFlag) => void
  readonly signal?: AbortSignal
}

export interface SamplingResult {
  readonly tokens: number
  /** Names of the columns: the components asked for, without those whose chains all failed (their diagnostics say so). */
  readonly components: readonly string[]
  /** χ̂, [tokens, components]. */
  readonly susceptibilities: Float32Array
  /** [tokens, components]. */
  readonly standardErrors: Float32Array
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** In order of the components asked for, then `full` when the estimator samples it. */
  readonly diagnostics: readonly ComponentDiagnostics[]
  readonly traces: readonly ChainTrace[]
}

/** For tests: other workers than threads, and another order of work. */
export interface SamplingTransport {
  readonly openLane?: OpenLane
  readonly pick?: (waiting: number) => number
}

interface Failure extends FailedChain {
  readonly replica: number
}

/** The part of a checkpoint that is not an array. */
interface SavedState {
  readonly initialLoss: number
  readonly midDraw: boolean
  readonly failures: readonly Failure[]
}

/** One round of lockstep: a task for every replica that has it still to do, over rows whose forward pass at w* they share. */
interface Stage {
  readonly blocks: readonly RowBlock[]
  readonly pending: (replica: number) => boolean
  readonly cost: (replica: number) => number
  /** Does the replica's task and takes in its result. */
  readonly work: (replica: number, prefixes: readonly number[]) => Promise<void>
}

const progressInterval = 200
const rateWindow = 15_000
/** A checkpoint is not begun before this many times the time that the last one took. */
const checkpointPatience = 10

const float32 = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))
const float64 = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length))

/** Speed and time left from what was done over the last seconds. */
class Meter {
  readonly #samples: { readonly at: number; readonly operations: number; readonly tokens: number }[] = []
  #operations = 0
  #tokens = 0

  add(operations: number, tokens: number): void {
    const at = performance.now()
    this.#operations += operations
    this.#tokens += tokens
    this.#samples.push({ at, operations: this.#operations, tokens: this.#tokens })
    while (this.#samples.length > 2 && this.#samples[0].at < at - rateWindow) this.#samples.shift()
  }

  /** Operations and tokens per second; NaN at first. */
  rates(): { readonly operations: number; readonly tokens: number } {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.at === first.at) return { operations: NaN, tokens: NaN }
    const seconds = (last.at - first.at) / 1000
    return { operations: (last.operations - first.operations) / seconds, tokens: (last.tokens - first.tokens) / seconds }
  }
}

const fingerprintOf = ({ checkpoint, components, sampler, seed, observationIncludesProbe, engine, study }: SamplingInput): string => {
  const { preset: _, ...settings } = sampler
  const lengths = [study.sampling, study.observation, study.probe].map((rows) => rows.map(({ length }) => length))
  return createHash('sha256')
    .update(JSON.stringify([checkpoint?.fingerprint, components, Object.entries(settings).sort(), seed, observationIncludesProbe, engine, lengths, study.targets.map(({ length }) => length)]))
    .digest('hex')
}

const makeReplicas = ({ model: { architecture, weights }, components, sampler }: SamplingInput, tokens: number): Replica[] => {
  const names = sampler.estimator === 'two-chain' ? [...components, 'full'] : components
  return names.flatMap((component) => {
    const flat = flatten(weights, componentSlices(architecture, weights, component))
    const centre = float32(flat.length)
    centre.set(flat)
    return Array.from({ length: sampler.chains }, (_, chain) => {
      const start = float32(flat.length)
      start.set(flat)
      const sums = () => ({ loss: float64(tokens), product: float64(tokens) })
      return {
        component, chain, index: componentIndex(architecture, component), weights: start, centre,
        squares: float32(sampler.nBeta === 0 ? 0 : flat.length), losses: float32(tokens), halves: [sums(), sums()] as const,
        claim: new Int32Array(new SharedArrayBuffer(4))
      }
    })
  })
}

const checkInput = ({ study, sampler, components }: SamplingInput, tokens: number): void => {
  const fail = (message: string): never => {
    throw new SpectroscopeError('configuration', message)
  }
  if (sampler.nBeta > 0 && study.sampling.length < sampler.batchSize) {
    fail(`"sampler.batchSize" is ${sampler.batchSize} but there are only ${study.sampling.length} sampling rows; give more rows or lower it.`)
  }
  if (study.observation.length === 0) fail('There are no observation rows; give at least one.')
  if (tokens === 0) fail('There are no studied tokens; give at least one probe row with a target position.')
  if (components.length === 0) fail('"components" is empty; name at least one.')
}

class Sampler {
  readonly #input: SamplingInput
  readonly #run: SharedRun
  readonly #fingerprint: string
  readonly #tokens: number
  readonly #minibatches: Minibatches
  readonly #observation: readonly RowBlock[]
  readonly #probe: readonly RowBlock[]
  readonly #meter = new Meter()
  #pool!: Pool
  #operations = new Map<string, ReadonlyMap<number, Operations>>()

  #initialLoss = NaN
  readonly #failures: Failure[] = []
  readonly #steps: Int32Array
  readonly #draws: Int32Array
  readonly #blocks: Int32Array
  readonly #drawSums: Float64Array
  readonly #losses: Float64Array
  readonly #distances: Float64Array

  #sequence = 0
  #savedAt = performance.now()
  #savingTook = 0
  /** Operations of a step and of a draw, by replica. */
  #work: readonly { readonly step: number; readonly draw: number }[] = []
  #planned = 0
  #done = 0
  #reportedAt = -Infinity

  constructor(input: SamplingInput) {
    const { study, sampler, seed, model, engine } = input
    const { starts, positions } = flattenTargets(study.targets)
    this.#input = input
    this.#tokens = positions.length
    checkInput(input, this.#tokens)
    const replicas = makeReplicas(input, this.#tokens)
    this.#run = { engine, architecture: model.architecture, weights: model.weights, sampler, seed, replicas, starts, positions }
    this.#fingerprint = fingerprintOf(input)
    this.#minibatches = new Minibatches(seed, study.sampling.length, sampler.batchSize)
    this.#observation = cutRows(study.observation, Array.from(study.observation.keys()), blockTokens)
    this.#probe = cutRows(study.probe, Array.from(study.probe.keys()), blockTokens)
    const count = replicas.length
    this.#steps = new Int32Array(count)
    this.#draws = new Int32Array(count)
    this.#blocks = new Int32Array(count)
    this.#drawSums = new Float64Array(count)
    this.#losses = new Float64Array(count * sampler.draws).fill(NaN)
    this.#distances = new Float64Array(count * sampler.draws).fill(NaN)
  }

  async run({ openLane = threadLane, pick }: SamplingTransport): Promise<SamplingResult> {
    this.#pool = await Pool.open(this.#run, openLane, Math.min(this.#input.threads, this.#run.replicas.length), pick)
    const drop = (): void => this.#pool.drop()
    this.#input.signal?.addEventListener('abort', drop)
    try {
      const resumed = await this.#resume()
      await this.#countOperations()
      if (!resumed) await this.#measureInitialLoss()
      this.#plan()
      await this.#lockstep()
    } finally {
      this.#input.signal?.removeEventListener('abort', drop)
      await this.#pool.close()
    }
    return this.#result()
  }

  get #evaluated(): readonly RowBlock[] {
    return [...this.#observation, ...this.#probe]
  }

  #hasFailed(replica: number): boolean {
    return this.#failures.some((failure) => failure.replica === replica)
  }

  #stepTarget(draw: number): number {
    const { nBeta, burnIn, stepsBetweenDraws } = this.#run.sampler
    return nBeta === 0 ? 0 : burnIn + draw * stepsBetweenDraws + 1
  }

  async #countOperations(): Promise<void> {
    const { study } = this.#input
    const components = [...new Set(this.#run.replicas.map(({ component }) => component))]
    const lengths = [...new Set([study.sampling, study.observation, study.probe].flatMap((rows) => rows.map(({ length }) => length)))]
    const [table] = await this.#settled([this.#pool.run<'operations'>({ kind: 'operations', components, lengths }, 0)])
    this.#operations = new Map(components.map((component, i) => [component, new Map(lengths.map((length, j) => [length, table[i][j]]))]))
  }

  #cost(replica: number, blocks: readonly RowBlock[], kind: keyof Operations): number {
    const table = this.#operations.get(this.#run.replicas[replica].component)!
    return blocks.reduce((sum, { rows: { count, length } }) => sum + count * table.get(length)![kind], 0)
  }

  // ------------------------------------------------------------------ stages

  *#stages(): Generator<Stage, void> {
    const { draws, nBeta } = this.#run.sampler
    let step = 0
    for (let draw = 0; draw < draws; draw++) {
      for (; step < this.#stepTarget(draw); step++) yield this.#stepStage(step)
      if (nBeta === 0) yield this.#gaussianStage(draw)
      for (let block = 0; block < this.#evaluated.length; block++) yield this.#lossStage(draw, block)
      yield this.#commitStage(draw)
    }
  }

  #stepStage(step: number): Stage {
    const { study } = this.#input
    let chunks: RowBlock[] | undefined
    const blocks = (): RowBlock[] => (chunks ??= cutRows(study.sampling, this.#minibatches.at(step), chunkTokens))
    const targets = (): number => blocks().reduce((sum, block) => sum + targetsOf(block), 0)
    return {
      get blocks() {
        return blocks()
      },
      pending: (replica) => this.#steps[replica] <= step,
      cost: (replica) => this.#cost(replica, blocks(), 'gradient'),
      work: async (replica, prefixes) => {
        const cost = this.#cost(replica, blocks(), 'gradient')
        const { lossSum, finite } = await this.#pool.run<'step'>({ kind: 'step', replica, step, prefixes, targets: targets() }, cost)
        if (!Number.isFinite(lossSum)) this.#fail(replica, `the loss is not finite at step ${step}`)
        else if (!finite) this.#fail(replica, `the weights are not finite after step ${step}`)
        else this.#steps[replica] = step + 1
        this.#advance(replica, cost, targets())
      }
    }
  }

  #gaussianStage(draw: number): Stage {
    return {
      blocks: [],
      pending: (replica) => this.#draws[replica] <= draw,
      cost: (replica) => this.#run.replicas[replica].weights.length,
      work: async (replica) => {
        await this.#pool.run<'gaussian'>({ kind: 'gaussian', replica, draw }, 0)
      }
    }
  }

  #lossStage(draw: number, block: number): Stage {
    const rows = this.#evaluated[block]
    const isProbe = block >= this.#observation.length
    return {
      blocks: [rows],
      pending: (replica) => this.#draws[replica] < draw || (this.#draws[replica] === draw && this.#blocks[replica] <= block),
      cost: (replica) => this.#cost(replica, [rows], 'losses'),
      work: async (replica, [prefix]) => {
        const cost = this.#cost(replica, [rows], 'losses')
        const lossSum = await this.#pool.run<'losses'>({ kind: 'losses', replica, prefix, probeRows: isProbe ? rows.indices : null }, cost)
        if (!Number.isFinite(lossSum)) this.#fail(replica, `the loss is not finite at draw ${draw}`)
        else {
          if (!isProbe || this.#input.observationIncludesProbe) this.#drawSums[replica] += lossSum
          this.#blocks[replica] = block + 1
        }
        this.#advance(replica, cost, targetsOf(rows))
      }
    }
  }

  #commitStage(draw: number): Stage {
    const { draws } = this.#run.sampler
    return {
      blocks: [],
      pending: (replica) => this.#draws[replica] <= draw,
      cost: () => 0,
      work: async (replica) => {
        const loss = this.#drawSums[replica] / this.#observedTargets()
        const half = draw < Math.floor(draws / 2) ? 0 : 1
        const distance = await this.#pool.run<'commit'>({ kind: 'commit', replica, phi: loss - this.#initialLoss, half }, 0)
        this.#losses[replica * draws + draw] = loss
        this.#distances[replica * draws + draw] = distance
        this.#drawSums[replica] = 0
        this.#blocks[replica] = 0
        this.#draws[replica] = draw + 1
        const { component, chain } = this.#run.replicas[replica]
        this.#input.onTrace?.({ component, chain, draw, loss, distance })
      }
    }
  }

  #observedBlocks(): readonly RowBlock[] {
    return this.#input.observationIncludesProbe ? this.#evaluated : this.#observation
  }

  #observedTargets(): number {
    return this.#observedBlocks().reduce((sum, block) => sum + targetsOf(block), 0)
  }

  /** All stages in turn; while one ends, the forward passes of the next fill the threads that have run out of its tasks. */
  async #lockstep(): Promise<void> {
    const stages = this.#stages()
    const next = (): Stage | undefined => {
      for (let item = stages.next(); item.done !== true; item = stages.next()) if (this.#pendingIn(item.value).length > 0) return item.value
      return undefined
    }
    this.#checkFailures()
    let stage = next()
    let prefixes = stage && this.#openPrefixes(stage.blocks)
    while (stage !== undefined && prefixes !== undefined) {
      const [keys] = await this.#settled([prefixes])
      const jobs = this.#startTasks(stage, keys)
      stage = next()
      prefixes = stage && this.#openPrefixes(stage.blocks)
      await this.#settled(jobs)
      for (const key of keys) this.#pool.release(key)
      this.#checkFailures()
      if (this.#isCheckpointDue()) await this.#save()
    }
  }

  #pendingIn({ pending }: Stage): number[] {
    return this.#run.replicas.flatMap((_, replica) => (!this.#hasFailed(replica) && pending(replica) ? [replica] : []))
  }

  #startTasks(stage: Stage, keys: readonly number[]): Promise<void>[] {
    const order = this.#pendingIn(stage).map((replica) => ({ replica, cost: stage.cost(replica) }))
    return order.sort((a, b) => b.cost - a.cost || a.replica - b.replica).map(({ replica }) => stage.work(replica, keys))
  }

  #openPrefixes(blocks: readonly RowBlock[]): Promise<number[]> {
    const keys = Promise.all(blocks.map(async ({ rows }) => this.#pool.share(await this.#pool.run<'prefix'>({ kind: 'prefix', rows }, 0))))
    keys.catch(() => {})
    return keys
  }

  /** Waits for all. The first error stops what has not begun; an abort ends in a checkpoint and an `interrupted` error. */
  async #settled<T>(jobs: readonly Promise<T>[]): Promise<T[]> {
    if (this.#input.signal?.aborted) this.#pool.drop()
    for (const job of jobs) job.catch(() => this.#pool.drop())
    const settled = await Promise.allSettled(jobs)
    const errors = settled.flatMap((job) => (job.status === 'rejected' ? [job.reason as Error] : []))
    const error = errors.find((reason) => !(reason instanceof TaskDropped))
    if (error !== undefined) throw error
    if (this.#input.signal?.aborted) await this.#interrupt()
    return settled.map((job) => (job as PromiseFulfilledResult<T>).value)
  }

  async #interrupt(): Promise<never> {
    await this.#pool.idle()
    const begun = Number.isFinite(this.#initialLoss)
    if (begun && this.#input.checkpoint !== undefined) await this.#save()
    const kept = this.#input.checkpoint === undefined ? 'no checkpoint was asked for, so it starts anew next time' : begun ? 'resume the run to go on from there' : 'nothing was sampled yet'
    throw new SpectroscopeError('interrupted', `Sampling was interrupted after ${this.#position()}; ${kept}.`)
  }

  #position(): string {
    const alive = this.#run.replicas.flatMap((_, replica) => (this.#hasFailed(replica) ? [] : [replica]))
    const least = (counts: Int32Array): number => alive.reduce((min, replica) => Math.min(min, counts[replica]), Infinity)
    return `step ${least(this.#steps)} and draw ${least(this.#draws)}`
  }

  // ------------------------------------------------------------------ failures

  #fail(replica: number, what: string): void {
    const { component, chain } = this.#run.replicas[replica]
    const { stepSize, gamma } = this.#run.sampler
    const message = `${component}, chain ${chain + 1}: ${what}; the chain ends here and its draws are left out. Lower sampler.stepSize (now ${stepSize}) or raise sampler.gamma (now ${gamma}).`
    this.#done += this.#remaining(replica)
    this.#blocks[replica] = 0
    this.#failures.push({ replica, chain, draw: this.#draws[replica], step: this.#steps[replica], message })
    this.#losses.fill(NaN, replica * this.#run.sampler.draws + this.#draws[replica], (replica + 1) * this.#run.sampler.draws)
    this.#input.onFlag?.({ component, chain, message })
  }

  /** Ends the run when nothing can come of it: no chain of `full` left where the estimator needs it, or none of any component. */
  #checkFailures(): void {
    if (this.#failures.length === 0) return
    const { estimator, stepSize, gamma } = this.#run.sampler
    const alive = this.#run.replicas.filter((_, replica) => !this.#hasFailed(replica))
    const remedy = `lower sampler.stepSize (now ${stepSize}) or raise sampler.gamma (now ${gamma})`
    if (estimator === 'two-chain' && !alive.some(({ component }) => component === 'full')) {
      throw new SpectroscopeError('sampling', `Every chain of full ended with a number that is not finite, and the two-chain estimator needs one: ${remedy}, or set sampler.estimator to "restricted".`)
    }
    if (!alive.some(({ component }) => component !== 'full')) {
      throw new SpectroscopeError('sampling', `Every chain of every component (${this.#input.components.join(', ')}) ended with a number that is not finite: ${remedy}.`)
    }
  }

  // ------------------------------------------------------------------ start, checkpoints, progress

  async #measureInitialLoss(): Promise<void> {
    const costs = this.#run.replicas.map((_, replica) => this.#cost(replica, this.#evaluated, 'losses'))
    const replica = costs.indexOf(Math.min(...costs))
    const blocks = this.#observedBlocks()
    let sum = 0
    for (let start = 0; start < blocks.length; start += this.#input.threads) {
      const parts = await this.#settled(blocks.slice(start, start + this.#input.threads).map(async (block) => {
        const [prefix] = await this.#openPrefixes([block])
        const part = await this.#pool.run<'initial'>({ kind: 'initial', replica, prefix }, 0)
        this.#pool.release(prefix)
        return part
      }))
      for (const part of parts) sum += part
    }
    const loss = sum / this.#observedTargets()
    if (!Number.isFinite(loss)) throw new SpectroscopeError('sampling', 'The loss of the model as given is not finite on the observation rows; check that its weights are whole.')
    this.#initialLoss = loss
  }

  /** The arrays of a checkpoint, in order. Weights at nβ = 0 are not kept: a draw makes them anew. */
  #sections({ midDraw }: Pick<SavedState, 'midDraw'>): ArrayBufferView[] {
    const replicas = this.#run.replicas.flatMap(({ weights, squares, losses, halves }) => [
      ...(this.#run.sampler.nBeta === 0 ? [] : [weights, squares]),
      ...halves.flatMap(({ loss, product }) => [loss, product]),
      ...(midDraw ? [losses] : [])
    ])
    return [this.#steps, this.#draws, this.#blocks, this.#drawSums, this.#losses, this.#distances, ...replicas]
  }

  async #resume(): Promise<boolean> {
    const { checkpoint } = this.#input
    if (checkpoint === undefined) return false
    await removeLeftovers(checkpoint.folder)
    const header = await readCheckpoint<SavedState>(checkpoint.folder, this.#fingerprint, (state) => this.#sections(state))
    if (header === null) return false
    this.#sequence = header.sequence
    this.#initialLoss = header.state.initialLoss
    this.#failures.push(...header.state.failures)
    return true
  }

  #isCheckpointDue(): boolean {
    const { checkpoint } = this.#input
    return checkpoint !== undefined && performance.now() - this.#savedAt >= Math.max(checkpoint.everySeconds * 1000, checkpointPatience * this.#savingTook)
  }

  async #save(): Promise<void> {
    const start = performance.now()
    const state: SavedState = { initialLoss: this.#initialLoss, midDraw: this.#blocks.some((block) => block > 0), failures: this.#failures }
    await writeCheckpoint<SavedState>(this.#input.checkpoint!.folder, { fingerprint: this.#fingerprint, sequence: ++this.#sequence, state }, this.#sections(state))
    this.#savedAt = performance.now()
    this.#savingTook = this.#savedAt - start
  }

  /** Operations that a replica has still to do. */
  #remaining(replica: number): number {
    const { draws } = this.#run.sampler
    const { step, draw } = this.#work[replica]
    const evaluated = this.#cost(replica, this.#evaluated.slice(0, this.#blocks[replica]), 'losses')
    return step * (this.#stepTarget(draws - 1) - this.#steps[replica]) + draw * (draws - this.#draws[replica]) - evaluated
  }

  #plan(): void {
    const { replicas, sampler } = this.#run
    const batch = sampler.nBeta === 0 ? [] : cutRows(this.#input.study.sampling, this.#minibatches.at(0), chunkTokens)
    this.#work = replicas.map((_, replica) => ({ step: this.#cost(replica, batch, 'gradient'), draw: this.#cost(replica, this.#evaluated, 'losses') }))
    replicas.forEach((_, replica) => {
      const { step, draw } = this.#work[replica]
      const whole = step * this.#stepTarget(sampler.draws - 1) + draw * sampler.draws
      const left = this.#hasFailed(replica) ? 0 : this.#remaining(replica)
      this.#planned += whole
      this.#done += whole - left
    })
  }

  #advance(replica: number, operations: number, tokens: number): void {
    this.#meter.add(operations, tokens)
    this.#done += operations
    const now = performance.now()
    if (this.#input.onProgress === undefined || now - this.#reportedAt < progressInterval) return
    this.#reportedAt = now
    const { sampler, replicas } = this.#run
    const { component, chain } = replicas[replica]
    const rates = this.#meter.rates()
    this.#input.onProgress({
      stage: 'sample',
      step: this.#steps[replica], steps: this.#stepTarget(sampler.draws - 1),
      draw: this.#draws[replica], draws: sampler.draws,
      component, chain,
      tokensPerSecond: rates.tokens,
      fractionDone: Math.min(1, this.#done / this.#planned),
      secondsLeft: Math.max(0, this.#planned - this.#done) / rates.operations,
      initialLoss: this.#initialLoss
    })
  }

  // ------------------------------------------------------------------ result

  #failuresOf(component: string): FailedChain[] {
    return this.#failures.filter(({ replica }) => this.#run.replicas[replica].component === component).map(({ replica: _, ...failed }) => failed)
  }

  #trace(replica: number): ChainTrace {
    const { draws } = this.#run.sampler
    const { component, chain } = this.#run.replicas[replica]
    return { component, chain, losses: this.#losses.slice(replica * draws, (replica + 1) * draws), distances: this.#distances.slice(replica * draws, (replica + 1) * draws) }
  }

  /** The two groups of draws of each chain of a component that did not fail. */
  #groups(component: string): Group[] {
    const { draws } = this.#run.sampler
    const middle = Math.floor(draws / 2)
    return this.#run.replicas.flatMap((state, replica) => {
      if (state.component !== component || this.#hasFailed(replica)) return []
      return ([0, 1] as const).map((half): Group => {
        const losses = this.#losses.subarray(replica * draws + (half === 0 ? 0 : middle), replica * draws + (half === 0 ? middle : draws))
        const sum = (value: (loss: number) => number): number => losses.reduce((total, loss) => total + value(loss), 0)
        return {
          ...state.halves[half], half, draws: losses.length,
          phi: sum((loss) => loss - this.#initialLoss), observed: sum((loss) => loss), phiObserved: sum((loss) => (loss - this.#initialLoss) * loss)
        }
      })
    })
  }

  async #result(): Promise<SamplingResult> {
    const { replicas, sampler } = this.#run
    const full = sampler.estimator === 'two-chain' ? this.#groups('full') : null
    const components = this.#input.components.filter((component) => this.#groups(component).length > 0)
    const susceptibilities = new Float32Array(this.#tokens * components.length)
    const standardErrors = new Float32Array(this.#tokens * components.length)
    const halves: [Float32Array, Float32Array][] = []
    const reliabilities = new Map<string, number>()
    for (const [column, component] of components.entries()) {
      const result = estimate(this.#groups(component), full)
      for (let token = 0; token < this.#tokens; token++) {
        susceptibilities[token * components.length + column] = result.susceptibilities[token]
        standardErrors[token * components.length + column] = result.standardErrors[token]
      }
      reliabilities.set(component, reliability(...result.halves))
      halves.push([Float32Array.from(result.halves[0]), Float32Array.from(result.halves[1])])
      await setImmediate()
    }
    const centred = centredReliabilities(halves)
    const traces = replicas.map((_, replica) => this.#trace(replica))
    const diagnostics = [...new Set(replicas.map(({ component }) => component))].map((component) => ({
      ...diagnose(traces.filter((trace) => trace.component === component), this.#failuresOf(component), this.#initialLoss, sampler.nBeta),
      reliability: reliabilities.get(component) ?? NaN,
      centredReliability: centred[components.indexOf(component)] ?? NaN
    }))
    return { tokens: this.#tokens, components, susceptibilities, standardErrors, initialLoss: this.#initialLoss, diagnostics, traces }
  }
}

/**
 * Samples every component's localised posterior and estimates the susceptibilities of the studied tokens (METHOD sections 2 and 3). All
 * chains go in lockstep; the numbers do not depend on the number of threads. Goes on from `checkpoint.folder` when it holds a checkpoint
 * of the same run. A chain that turns non-finite is flagged and left out; a component without any chain left has no column.
 * Throws SpectroscopeError of kind `configuration` (rows and settings do not fit), `sampling` (no component can be computed), `engine`,
 * `storage` (a checkpoint cannot be written; the one before it is kept), or `interrupted` (after writing a checkpoint).
 */
export const sample = (input: SamplingInput, transport: SamplingTransport = {}): Promise<SamplingResult> => new Sampler(input).run(transport)
