import { SpectroscopeError } from '../../preload/errors'
import { type TokensAtOnce, settleEngine } from '../engine/engines'
import { areLong } from '../engine/transformer'
import { componentIndex, componentSlices, flatten, sliceSize } from '../models/components'
import { CheckpointClock, readCheckpoint, readState, removeLeftovers, writeCheckpoint } from './checkpoint'
import { checkFailures, finiteRemedy, halfRemedy, meanPhi } from './estimates'
import type { SampledChains } from './sampled'
import type { FailedChain } from './diagnostics'
import { groupsOf } from './groups'
import { chainNames, checkInput, fingerprintOf, sampledNames } from './input'
import type { ChainName, ChainsInput, SamplingTransport } from './input'
import { Lockstep, type StageTasks } from './lockstep'
import { Meter } from './meter'
import { Minibatches } from './philox'
import { Pool } from './pool'
import { threadLanes } from './thread-lanes'
import { blockTokens, cutRows, flattenTargets, rowsAtOnce, targetsOf, tokensFor } from './rows'
import type { RowBlock } from './rows'
import { float32, float64, sharedCopy } from './shared-arrays'
import { lanesOf, partsOf, rangeWeights, stageSizes } from './stages'
import type { StageSizes } from './stages'
import type { ChainsRun, LaneCounts, Operations, Replica, StepPart, StepResult, Together, TokenSums } from './tasks'

interface Failure extends FailedChain {
  readonly replica: number
}

/** The part of a checkpoint that is not an array. */
interface SavedState {
  readonly initialLoss: number
  readonly midDraw: boolean
  /** How the rows of a draw are cut, which `blocks` counts; a run keeps to that on another engine. */
  readonly blockTokens?: number
  readonly failures: readonly Failure[]
}

/** One round of lockstep: a task for every replica that has it still to do, over rows whose forward pass at w* they share. */
interface Stage {
  readonly blocks: readonly RowBlock[]
  readonly pending: (replica: number) => boolean
  readonly cost: (replica: number) => number
  /** Weights that other lanes update once a replica's task is done. */
  readonly updates?: (replica: number) => number
  /** Whether replicas of a group may have one task. */
  readonly together: boolean
  /** Does the replicas' task and takes in its results. */
  readonly work: (replicas: Together, prefixes: readonly number[]) => Promise<void>
}

const progressInterval = 200

const stagesOf = (
  { model: { architecture, weights }, study, sampler, threads, engine }: ChainsInput,
  chains: readonly ChainName[],
  bytes: number | undefined,
  atOnce: TokensAtOnce
): StageSizes => {
  const lengths = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
  return stageSizes(
    {
      architecture,
      sampler,
      atOnce,
      lanes: lanesOf(engine, threads),
      sampling: lengths(study.sampling),
      evaluated: lengths([...study.observation, ...study.probe]),
      replicas: chains.map(({ component }) => sliceSize(componentSlices(architecture, weights, component)))
    },
    bytes
  )
}

const makeReplicas = (
  { model: { architecture, weights }, study, sampler, observationIncludesProbe }: ChainsInput,
  chains: readonly ChainName[],
  tokens: number,
  sizes: StageSizes,
  { block }: TokensAtOnce,
  range: number
): Replica[] => {
  const arrays = (count: number, length: number): Float32Array[] =>
    Array.from({ length: partsOf(sizes, count) }, () => float32(length))
  const blockLength = study.probe.reduce(
    (most, { length }) => Math.max(most, rowsAtOnce(architecture, block, length) * (length - 1)),
    0
  )
  return [...new Set(chains.map(({ component }) => component))].flatMap((component) => {
    const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
    const twoChain = sampler.estimator === 'two-chain'
    const sums = <A extends Float32Array | Float64Array>(make: (length: number) => A): TokenSums<A> => ({
      loss: make(twoChain && component !== 'full' ? 0 : tokens),
      product: make(component === 'full' ? 0 : tokens)
    })
    return chains
      .filter((each) => each.component === component)
      .map(({ chain }) => ({
        component,
        chain,
        index: componentIndex(architecture, component),
        weights: sharedCopy(centre),
        centre,
        squares: float32(sampler.nBeta === 0 ? 0 : centre.length),
        losses: float32(observationIncludesProbe ? tokens : 0),
        sums: sums(float64),
        firstHalf: twoChain ? sums(float64) : sums(float32),
        gradient: float32(sizes.waiting ? centre.length : 0),
        parts: arrays(sizes.chunks, centre.length),
        blockLosses: arrays(sizes.blocks, blockLength),
        claims: new Int32Array(new SharedArrayBuffer(4 * Math.ceil(centre.length / range)))
      }))
  })
}

class Sampler {
  readonly #input: ChainsInput
  /** Whether it is all chains of the run. */
  readonly #whole: boolean
  readonly #run: ChainsRun
  readonly #fingerprint: string
  readonly #tokens: number
  readonly #atOnce: TokensAtOnce
  readonly #lanes: LaneCounts
  readonly #sizes: StageSizes
  readonly #minibatches: Minibatches
  readonly #observation: readonly RowBlock[]
  readonly #probe: readonly RowBlock[]
  /** Target positions that L is a mean over. */
  readonly #observedTargets: number
  readonly #meter = new Meter()
  #pool!: Pool
  #lockstep!: Lockstep
  #operations = new Map<string, ReadonlyMap<number, Operations>>()

  #initialLoss = NaN
  readonly #failures: Failure[] = []
  /** Replicas of which some ranges may have been updated and others not. */
  readonly #halfUpdated = new Set<number>()
  readonly #steps: Int32Array
  readonly #draws: Int32Array
  readonly #blocks: Int32Array
  readonly #drawSums: Float64Array
  readonly #losses: Float64Array
  readonly #distances: Float64Array

  #sequence = 0
  readonly #clock: CheckpointClock | undefined
  /** Operations of a step and of a draw, by replica. */
  #costs: readonly { readonly step: number; readonly draw: number }[] = []
  #planned = 0
  #done = 0
  #reportedAt = -Infinity

  constructor(
    input: ChainsInput,
    chosen: readonly ChainName[] | undefined,
    { stageBytes, rangeWeights: range = rangeWeights }: SamplingTransport,
    atOnce: TokensAtOnce
  ) {
    this.#atOnce = atOnce
    const { study, sampler, seed, model, engine, precision } = input
    const { starts, positions } = flattenTargets(study.targets)
    this.#input = input
    this.#clock = input.checkpoint === undefined ? undefined : new CheckpointClock(input.checkpoint.everySeconds)
    this.#whole = chosen === undefined
    this.#tokens = positions.length
    checkInput(input, this.#tokens)
    const chains = chosen ?? chainNames(input)
    this.#lanes = lanesOf(engine, input.threads)
    this.#sizes = stagesOf(input, chains, stageBytes, atOnce)
    const replicas = makeReplicas(input, chains, this.#tokens, this.#sizes, atOnce, range)
    this.#run = {
      kind: 'chains',
      engine,
      precision,
      architecture: model.architecture,
      weights: model.weights,
      sampler,
      seed,
      replicas,
      rangeWeights: range,
      starts,
      positions,
      initialLosses: float32(this.#tokens)
    }
    this.#fingerprint = fingerprintOf(input, chosen)
    this.#minibatches = new Minibatches(seed, study.sampling.length, sampler.batchSize)
    this.#observation = cutRows(
      model.architecture,
      study.observation,
      Array.from(study.observation.keys()),
      atOnce.block
    )
    this.#probe = cutRows(model.architecture, study.probe, Array.from(study.probe.keys()), atOnce.block)
    this.#observedTargets = (input.observationIncludesProbe ? this.#evaluated : this.#observation).reduce(
      (sum, block) => sum + targetsOf(block),
      0
    )
    const count = replicas.length
    this.#steps = new Int32Array(count)
    this.#draws = new Int32Array(count)
    this.#blocks = new Int32Array(count)
    this.#drawSums = new Float64Array(count)
    this.#losses = new Float64Array(count * sampler.draws).fill(NaN)
    this.#distances = new Float64Array(count * sampler.draws).fill(NaN)
  }

  async run({ openLane = threadLanes(), pick }: SamplingTransport): Promise<SampledChains> {
    settleEngine(this.#run.engine)
    const { chunks, blocks, split } = this.#sizes
    const { replicas } = this.#run
    const tasks = replicas.length * (split ? Math.max(chunks, blocks) : 1)
    const ranges = replicas.reduce((sum, { claims }) => sum + claims.length, 0)
    this.#pool = await Pool.open(
      this.#run,
      openLane,
      { evaluating: Math.min(this.#lanes.evaluating, tasks), updating: Math.min(this.#lanes.updating, ranges) },
      pick
    )
    this.#lockstep = new Lockstep(this.#pool, {
      signal: this.#input.signal,
      interrupt: () => this.#interrupt(),
      keep: () => this.#keep()
    })
    const drop = (): void => this.#pool.drop()
    this.#input.signal?.addEventListener('abort', drop)
    try {
      const resumed = await this.#resume()
      await this.#countOperations()
      if (!resumed) await this.#measureInitialLoss()
      this.#plan()
      await this.#work()
    } finally {
      this.#input.signal?.removeEventListener('abort', drop)
      await this.#pool.close()
    }
    return this.#sampled()
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
    const components = sampledNames(this.#input)
    const lengths = [
      ...new Set([study.sampling, study.observation, study.probe].flatMap((rows) => rows.map(({ length }) => length)))
    ]
    const [table] = await this.#lockstep.settled([
      this.#pool.run<'operations'>({ kind: 'operations', components, lengths }, 0)
    ])
    this.#operations = new Map(
      components.map((component, i) => [component, new Map(lengths.map((length, j) => [length, table[i][j]]))])
    )
  }

  #cost(replica: number, blocks: readonly RowBlock[], kind: keyof Operations): number {
    return this.#componentCost(this.#run.replicas[replica].component, blocks, kind)
  }

  #componentCost(component: string, blocks: readonly RowBlock[], kind: keyof Operations): number {
    const table = this.#operations.get(component)!
    return blocks.reduce((sum, { rows: { count, length } }) => sum + count * table.get(length)![kind], 0)
  }

  // ------------------------------------------------------------------ stages

  *#stages(): Generator<Stage, void> {
    const { draws, nBeta } = this.#run.sampler
    let step = 0
    for (let draw = 0; draw < draws; draw++) {
      for (; step < this.#stepTarget(draw); step++) yield* this.#stepStages(step)
      if (nBeta === 0) yield this.#gaussianStage(draw)
      for (const [first, end] of this.#blockSpans()) yield this.#lossStage(draw, first, end)
      yield this.#commitStage(draw)
    }
  }

  /** A step's stages: as many as it takes for the activations of its rows at w*. A replica's step is done with the last. */
  *#stepStages(step: number): Generator<Stage, void> {
    const { study, model } = this.#input
    // Most steps of a run that is resumed are done, and their rows are not asked for.
    let cut: RowBlock[] | undefined
    const chunks = (): RowBlock[] =>
      (cut ??= cutRows(model.architecture, study.sampling, this.#minibatches.at(step), this.#atOnce.chunk))
    const pending = (replica: number): boolean => this.#steps[replica] <= step
    if (this.#pendingIn({ pending }).length === 0) return
    const targets = chunks().reduce((sum, block) => sum + targetsOf(block), 0)
    for (let first = 0; first < chunks().length; first += this.#sizes.chunks) {
      const blocks = chunks().slice(first, first + this.#sizes.chunks)
      const part = { begun: first > 0, ends: first + blocks.length === chunks().length, targets }
      yield {
        blocks,
        pending,
        together: this.#mayStack(blocks),
        cost: (replica) => this.#cost(replica, blocks, 'gradient'),
        updates: (replica) => (this.#lanes.updating > 0 ? this.#run.replicas[replica].weights.length : 0),
        work: (replicas, prefixes) => this.#stepPart(replicas, step, blocks, prefixes, part)
      }
    }
  }

  async #stepPart(
    together: Together,
    step: number,
    blocks: readonly RowBlock[],
    prefixes: readonly number[],
    part: StepPart
  ): Promise<void> {
    const { replicas } = together
    const inChunks = this.#run.replicas[replicas[0]].parts.length > 0
    const results = inChunks
      ? await Promise.all(replicas.map((replica) => this.#stepInChunks(replica, step, blocks, prefixes, part)))
      : await this.#stepTogether(together, step, blocks, prefixes, part)
    for (const [at, { lossSum, finite }] of results.entries()) {
      const replica = replicas[at]
      if (!Number.isFinite(lossSum)) this.#fail(replica, `the loss is not finite at step ${step}`)
      else if (!finite) this.#fail(replica, `the weights are not finite after step ${step}`)
      else if (part.ends) this.#steps[replica] = step + 1
      this.#advance(
        replica,
        this.#cost(replica, blocks, 'gradient'),
        blocks.reduce((sum, block) => sum + targetsOf(block), 0)
      )
    }
  }

  /** One task, and where other lanes update, their tasks. */
  async #stepTogether(
    { replicas, width }: Together,
    step: number,
    blocks: readonly RowBlock[],
    prefixes: readonly number[],
    part: StepPart
  ): Promise<readonly StepResult[]> {
    const apart = this.#lanes.updating > 0 && part.ends
    const cost = replicas.reduce((sum, replica) => sum + this.#cost(replica, blocks, 'gradient'), 0)
    const results = await this.#pool.run<'step'>(
      { kind: 'step', replicas, width, step, prefixes, ...part, ends: part.ends && !apart },
      cost
    )
    return apart
      ? Promise.all(
          results.map(async ({ lossSum }, at) => ({
            lossSum,
            finite: await this.#update(replicas[at], step, 0, { ...part, begun: true })
          }))
        )
      : results
  }

  /** A task for each chunk, and those that put them together. */
  async #stepInChunks(
    replica: number,
    step: number,
    blocks: readonly RowBlock[],
    prefixes: readonly number[],
    part: StepPart
  ): Promise<StepResult> {
    const sums = await Promise.all(
      prefixes.map((prefix, at) =>
        this.#pool.run<'chunk'>(
          { kind: 'chunk', replica, prefix, part: at },
          this.#cost(replica, [blocks[at]], 'gradient')
        )
      )
    )
    const lossSum = sums.reduce((sum, own) => sum + own, 0)
    return { lossSum, finite: await this.#update(replica, step, prefixes.length, part) }
  }

  /** A task for each range of the replica's weights. */
  async #update(replica: number, step: number, parts: number, part: StepPart): Promise<boolean> {
    const { claims } = this.#run.replicas[replica]
    this.#halfUpdated.add(replica)
    const finite = await Promise.all(
      Array.from(claims, (_, range) =>
        this.#pool.run<'update'>({ kind: 'update', replica, step, parts, range, ...part }, 0)
      )
    )
    this.#halfUpdated.delete(replica)
    return finite.every(Boolean)
  }

  #gaussianStage(draw: number): Stage {
    return {
      blocks: [],
      pending: (replica) => this.#draws[replica] <= draw,
      together: false,
      cost: (replica) => this.#run.replicas[replica].weights.length,
      work: async ({ replicas: [replica] }) => {
        await this.#pool.run<'gaussian'>({ kind: 'gaussian', replica, draw }, 0)
      }
    }
  }

  /** Blocks of each stage of a draw, first and end; none has observation and probe rows. */
  #blockSpans(): (readonly [number, number])[] {
    const observed = this.#observation.length
    const spans = (from: number, to: number): (readonly [number, number])[] =>
      Array.from(
        { length: Math.ceil((to - from) / this.#sizes.blocks) },
        (_, i) => [from + i * this.#sizes.blocks, Math.min(to, from + (i + 1) * this.#sizes.blocks)] as const
      )
    return [...spans(0, observed), ...spans(observed, this.#evaluated.length)]
  }

  #lossStage(draw: number, first: number, end: number): Stage {
    const blocks = this.#evaluated.slice(first, end)
    return {
      blocks,
      pending: (replica) =>
        this.#draws[replica] < draw || (this.#draws[replica] === draw && this.#blocks[replica] < end),
      together: this.#mayStack(blocks),
      cost: (replica) => this.#cost(replica, blocks, 'losses'),
      work: async ({ replicas, width }, prefixes) => {
        const isProbe = first >= this.#observation.length
        const phis = replicas.map((replica) =>
          this.#input.observationIncludesProbe ? null : this.#drawLoss(replica) - this.#initialLoss
        )
        const take = (replica: number, own: readonly RowBlock[], sums: readonly number[]): void => {
          if (sums.every(Number.isFinite)) {
            if (!isProbe || this.#input.observationIncludesProbe) for (const sum of sums) this.#drawSums[replica] += sum
            this.#blocks[replica] = end
          } else this.#fail(replica, `the loss is not finite at draw ${draw}`)
          this.#advance(
            replica,
            this.#cost(replica, own, 'losses'),
            own.reduce((sum, block) => sum + targetsOf(block), 0)
          )
        }
        const [replica] = replicas
        if (this.#run.replicas[replica].blockLosses.length > 0) {
          // A run that is resumed with more threads may have done the first of these.
          const done = Math.max(0, this.#blocks[replica] - first)
          const own = blocks.slice(done)
          return take(replica, own, await this.#blocksTogether(replica, own, prefixes.slice(done), isProbe, phis[0]))
        }
        const [block] = blocks
        const sums = await this.#pool.run<'losses'>(
          {
            kind: 'losses',
            replicas,
            width,
            prefix: prefixes[0],
            probe: isProbe ? { indices: block.indices, phis } : null
          },
          replicas.reduce((sum, each) => sum + this.#cost(each, [block], 'losses'), 0)
        )
        replicas.forEach((each, at) => take(each, blocks, [sums[at]]))
      }
    }
  }

  /** A task for each block, and one that takes in their losses. */
  async #blocksTogether(
    replica: number,
    blocks: readonly RowBlock[],
    prefixes: readonly number[],
    isProbe: boolean,
    phi: number | null
  ): Promise<number[]> {
    const sums = await Promise.all(
      blocks.map((block, part) =>
        this.#pool.run<'block'>(
          { kind: 'block', replica, prefix: prefixes[part], part },
          this.#cost(replica, [block], 'losses')
        )
      )
    )
    if (isProbe && sums.every(Number.isFinite)) {
      await this.#pool.run<'take'>(
        {
          kind: 'take',
          replica,
          blocks: blocks.map(({ indices, rows: { length } }) => ({ indices, targets: length - 1 })),
          phi
        },
        0
      )
    }
    return sums
  }

  #commitStage(draw: number): Stage {
    const { draws } = this.#run.sampler
    return {
      blocks: [],
      pending: (replica) => this.#draws[replica] <= draw,
      together: false,
      cost: () => 0,
      work: async ({ replicas: [replica] }) => {
        const loss = this.#drawLoss(replica)
        this.#losses[replica * draws + draw] = loss
        const firstHalf = this.#losses.subarray(replica * draws, replica * draws + Math.floor(draws / 2))
        const closing = draw + 1 === firstHalf.length ? meanPhi(firstHalf, this.#initialLoss) : null
        const distance = await this.#pool.run<'commit'>(
          { kind: 'commit', replica, phi: loss - this.#initialLoss, closing },
          0
        )
        this.#distances[replica * draws + draw] = distance
        this.#drawSums[replica] = 0
        this.#blocks[replica] = 0
        this.#draws[replica] = draw + 1
        const { component, chain } = this.#run.replicas[replica]
        this.#input.onTrace?.({ component, chain, draw, loss, distance })
      }
    }
  }

  /** L at the draw in progress, once all observation rows are through. */
  #drawLoss(replica: number): number {
    return this.#drawSums[replica] / this.#observedTargets
  }

  async #work(): Promise<void> {
    const stages = this.#stages()
    const next = (): StageTasks | undefined => {
      for (let item = stages.next(); item.done !== true; item = stages.next()) {
        const stage = item.value
        if (this.#pendingIn(stage).length > 0)
          return { blocks: stage.blocks, start: (keys) => this.#startTasks(stage, keys) }
      }
      return undefined
    }
    this.#checkFailures()
    await this.#lockstep.run(next, async () => {
      this.#checkFailures()
      if (this.#clock?.isDue === true) await this.#clock.during(() => this.#save())
    })
  }

  #pendingIn({ pending }: Pick<Stage, 'pending'>): number[] {
    return this.#run.replicas.flatMap((_, replica) => (!this.#hasFailed(replica) && pending(replica) ? [replica] : []))
  }

  /** The most work first; but before that the most weights to update, so that they are while what comes after is computed. */
  #startTasks(stage: Stage, keys: readonly number[]): Promise<void>[] {
    const pending = new Set(this.#pendingIn(stage))
    const groups = stage.together
      ? groupsOf(this.#run.replicas.map(({ component }) => component))
      : [...pending].map((replica) => [replica])
    const order = groups.flatMap((group) => {
      const replicas = group.filter((replica) => pending.has(replica))
      const all = (of: (replica: number) => number): number => replicas.reduce((sum, replica) => sum + of(replica), 0)
      return replicas.length === 0
        ? []
        : [{ replicas, width: group.length, cost: all(stage.cost), updates: all(stage.updates ?? (() => 0)) }]
    })
    return order
      .sort((a, b) => b.updates - a.updates || b.cost - a.cost || a.replicas[0] - b.replicas[0])
      .map(({ replicas, width }) => stage.work({ replicas, width }, keys))
  }

  /** Whether replicas of a group may have one task over the rows: not where their rows are shared out among threads, nor where a row goes layer by layer. */
  #mayStack(blocks: readonly RowBlock[]): boolean {
    return (
      this.#pool.stacks &&
      !this.#sizes.split &&
      blocks.every(({ rows: { length } }) => !areLong(this.#run.architecture, length - 1))
    )
  }

  async #interrupt(): Promise<never> {
    const begun = Number.isFinite(this.#initialLoss)
    if (begun && this.#input.checkpoint !== undefined) await this.#save()
    const kept =
      this.#input.checkpoint === undefined
        ? 'there is no checkpoint, so the next run starts over'
        : begun
          ? 'resume the run to continue'
          : 'nothing was sampled yet'
    throw new SpectroscopeError('interrupted', `Sampling was interrupted after ${this.#position()}; ${kept}.`)
  }

  /** A checkpoint of what was done before the engine failed, unless it left a replica half changed; the one before stands otherwise. */
  async #keep(): Promise<void> {
    const whole =
      this.#halfUpdated.size === 0 &&
      this.#run.replicas.every(({ claims }) => claims.every((_, at) => Atomics.load(claims, at) === 0))
    if (!whole || !Number.isFinite(this.#initialLoss) || this.#input.checkpoint === undefined) return
    try {
      await this.#save()
    } catch {
      // What failed first is what the run ends with.
    }
  }

  #position(): string {
    const alive = this.#run.replicas.flatMap((_, replica) => (this.#hasFailed(replica) ? [] : [replica]))
    const least = (counts: Int32Array): number =>
      alive.reduce((min, replica) => Math.min(min, counts[replica]), Infinity)
    return `step ${least(this.#steps)} and draw ${least(this.#draws)}`
  }

  // ------------------------------------------------------------------ failures

  #fail(replica: number, what: string): void {
    const { component, chain } = this.#run.replicas[replica]
    const message =
      `${component}, chain ${chain + 1}: ${what}; the chain ends here and its draws are excluded; ` +
      `${finiteRemedy(this.#input)}.`
    this.#done += this.#remaining(replica)
    this.#blocks[replica] = 0
    this.#failures.push({ replica, chain, draw: this.#draws[replica], step: this.#steps[replica], message })
    this.#losses.fill(
      NaN,
      replica * this.#run.sampler.draws + this.#draws[replica],
      (replica + 1) * this.#run.sampler.draws
    )
    this.#input.onFlag?.({ component, chain, message })
  }

  /** Ends the run when nothing can come of it. What a part of it comes to is judged with the others. */
  #checkFailures(): void {
    if (this.#failures.length > 0 && this.#whole)
      checkFailures(
        this.#input,
        this.#run.replicas.filter((_, replica) => !this.#hasFailed(replica))
      )
  }

  // ------------------------------------------------------------------ start, checkpoints, progress

  /** L(w*) and ℓ(w*), through the cheapest component of the whole run, so that every part of it gets the same bits. */
  async #measureInitialLoss(): Promise<void> {
    const { architecture, weights } = this.#run
    const names = sampledNames(this.#input)
    const costs = names.map((component) => this.#componentCost(component, this.#evaluated, 'losses'))
    const component = names[costs.indexOf(Math.min(...costs))]
    const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
    const blocks = this.#evaluated.map((block, i) => ({ block, isProbe: i >= this.#observation.length }))
    let sum = 0
    const atOnce = Math.min(this.#input.threads, this.#sizes.held)
    for (let start = 0; start < blocks.length; start += atOnce) {
      const parts = await this.#lockstep.settled(
        blocks.slice(start, start + atOnce).map(async ({ block, isProbe }) => {
          const [prefix] = await this.#lockstep.openPrefixes([block])
          const part = await this.#pool.run<'initial'>(
            { kind: 'initial', component, centre, prefix, probeRows: isProbe ? block.indices : null },
            0
          )
          this.#pool.release(prefix)
          return isProbe && !this.#input.observationIncludesProbe ? 0 : part
        })
      )
      for (const part of parts) sum += part
    }
    const loss = sum / this.#observedTargets
    if (!Number.isFinite(loss)) {
      const remedy =
        this.#input.precision === 'float16'
          ? `${halfRemedy}, or check that its weights are whole`
          : 'check that its weights are whole'
      throw new SpectroscopeError(
        'sampling',
        `The loss of the model as given is not finite on the observation rows; ${remedy}.`
      )
    }
    this.#initialLoss = loss
  }

  /** The arrays of a checkpoint, in order. Weights at nβ = 0 are not kept: a draw makes them anew. */
  #sections({ midDraw }: Pick<SavedState, 'midDraw'>): ArrayBufferView[] {
    const replicas = this.#run.replicas.flatMap(({ weights, squares, losses, sums, firstHalf }) => [
      ...(this.#run.sampler.nBeta === 0 ? [] : [weights, squares]),
      ...[sums, firstHalf].flatMap(({ loss, product }) => [loss, product]),
      ...(midDraw ? [losses] : [])
    ])
    return [
      this.#steps,
      this.#draws,
      this.#blocks,
      this.#drawSums,
      this.#losses,
      this.#distances,
      this.#run.initialLosses,
      ...replicas
    ]
  }

  async #resume(): Promise<boolean> {
    const { checkpoint } = this.#input
    if (checkpoint === undefined) return false
    await removeLeftovers(checkpoint.folder)
    const header = await readCheckpoint<SavedState>(checkpoint.folder, this.#fingerprint, (state) =>
      this.#sections(state)
    )
    if (header === null) return false
    this.#sequence = header.sequence
    this.#initialLoss = header.state.initialLoss
    this.#failures.push(...header.state.failures)
    return true
  }

  async #save(): Promise<void> {
    const state: SavedState = {
      initialLoss: this.#initialLoss,
      midDraw: this.#blocks.some((block) => block > 0),
      blockTokens: this.#atOnce.block,
      failures: this.#failures
    }
    await writeCheckpoint<SavedState>(
      this.#input.checkpoint!.folder,
      { fingerprint: this.#fingerprint, sequence: ++this.#sequence, state },
      this.#sections(state)
    )
  }

  /** Operations that a replica has still to do. */
  #remaining(replica: number): number {
    const { draws } = this.#run.sampler
    const { step, draw } = this.#costs[replica]
    const evaluated = this.#cost(replica, this.#evaluated.slice(0, this.#blocks[replica]), 'losses')
    return (
      step * (this.#stepTarget(draws - 1) - this.#steps[replica]) + draw * (draws - this.#draws[replica]) - evaluated
    )
  }

  #plan(): void {
    const { replicas, sampler } = this.#run
    const batch =
      sampler.nBeta === 0
        ? []
        : cutRows(this.#run.architecture, this.#input.study.sampling, this.#minibatches.at(0), this.#atOnce.chunk)
    this.#costs = replicas.map((_, replica) => ({
      step: this.#cost(replica, batch, 'gradient'),
      draw: this.#cost(replica, this.#evaluated, 'losses')
    }))
    replicas.forEach((_, replica) => {
      const { step, draw } = this.#costs[replica]
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
      step: this.#steps[replica],
      steps: this.#stepTarget(sampler.draws - 1),
      draw: this.#draws[replica],
      draws: sampler.draws,
      component,
      chain,
      tokensPerSecond: rates.tokens,
      fractionDone: Math.min(1, this.#done / this.#planned),
      secondsLeft: Math.max(0, this.#planned - this.#done) / rates.operations,
      initialLoss: this.#initialLoss
    })
  }

  // ------------------------------------------------------------------ result

  #failure(replica: number): FailedChain | null {
    const found = this.#failures.find((failure) => failure.replica === replica)
    if (found === undefined) return null
    const { replica: _, ...failure } = found
    return failure
  }

  #sampled(): SampledChains {
    const {
      replicas,
      sampler: { draws }
    } = this.#run
    const ofReplica = (values: Float64Array, replica: number): Float64Array =>
      values.slice(replica * draws, (replica + 1) * draws)
    return {
      tokens: this.#tokens,
      initialLoss: this.#initialLoss,
      chains: replicas.map(({ component, chain }, replica) => ({
        component,
        chain,
        initialLoss: this.#initialLoss,
        failure: this.#failure(replica),
        losses: ofReplica(this.#losses, replica),
        distances: ofReplica(this.#distances, replica)
      })),
      sums: (at) => Promise.resolve([replicas[at].firstHalf, replicas[at].sums])
    }
  }
}

/** A sampler that takes as many tokens at once as its engine wishes; but blocks of rows, which a checkpoint counts, as they were begun. */
const openSampler = async (
  input: ChainsInput,
  chosen: readonly ChainName[] | undefined,
  transport: SamplingTransport
): Promise<Sampler> => {
  const { checkpoint, engine } = input
  const begun =
    checkpoint === undefined ? null : await readState<SavedState>(checkpoint.folder, fingerprintOf(input, chosen))
  const wished = tokensFor(engine)
  return new Sampler(
    input,
    chosen,
    transport,
    begun === null ? wished : { ...wished, block: begun.blockTokens ?? blockTokens }
  )
}

/** Samples some of a run's chains, or all of them (Method, section 2), in lockstep. Errors are those of `sample`. */
export const sampleChains = async (
  input: ChainsInput,
  chosen?: readonly ChainName[],
  transport: SamplingTransport = {}
): Promise<SampledChains> => (await openSampler(input, chosen, transport)).run(transport)
