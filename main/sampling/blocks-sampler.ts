import { totalmem } from 'node:os'
import { join } from 'node:path'
import { type BlockConfiguration, roundsOf } from '../../preload/configuration'
import type { ComponentProgress } from '../../preload/contract-progress'
import { SpectroscopeError } from '../../preload/errors'
import { makeFolder } from '../base/files'
import { type TokensAtOnce, settleEngine } from '../engine/engines'
import { programName } from '../engine/operations'
import { prefixBytes } from '../engine/transformer'
import { componentIndex, componentSlices, flatten, sliceSize } from '../models/components'
import {
  type BlockRecord,
  type BlockSums,
  type SampledBlocks,
  blockRemedy,
  checkBlocks,
  estimateBlocks,
  meanGradientFactors
} from './block-estimates'
import { slopeSigns } from './block-work'
import { type SampledFile, joinSampled, openSampled, writeSampled } from './sampled-file'
import { CheckpointClock, readCheckpoint, readState, removeLeftovers, writeCheckpoint } from './checkpoint'
import type { FailedChain } from './diagnostics'
import { halfRemedy } from './estimates'
import { groupsOf, mostTogether } from './groups'
import {
  type BlocksInput,
  type ChainName,
  type SamplingTransport,
  chainNames,
  checkInput,
  fingerprintOf,
  observedRows
} from './input'
import { Lockstep, type StageTasks } from './lockstep'
import { Meter } from './meter'
import { Minibatches } from './philox'
import { Pool, threadLanes } from './pool'
import { reliabilityInterval } from './reliability'
import { blockTokens, cutRows, flattenTargets, targetsOf, tokensFor } from './rows'
import type { RowBlock } from './rows'
import { float32, float64, sharedCopy } from './shared-arrays'
import { lanesOf, stageBytes as usualStageBytes } from './stages'
import type { BlocksRun, DrawBlock, GradientDraw, LaneCounts, Operations, SharedSlice, SlopeFactors } from './tasks'

const progressInterval = 200

/** Passes of a block's gradients over the observation rows in one round, at most. */
const mostPasses = 4

/**
 * Pairs of gradients for each block and round, so that a block's slices are whole passes over the observation rows: what a slice has of
 * accident then goes out of the mean gradient. One pass, or more where the passes over the studied rows take longer than those. See
 * test/bench/NOTES.md for what was measured.
 */
export const pairsFor = (
  probeTargets: number,
  observedRows: number,
  observedTargets: number,
  batch: number
): number => {
  const passes = Math.max(1, Math.min(mostPasses, Math.round(probeTargets / (1.5 * observedTargets))))
  return Math.max(1, Math.round((passes * Math.floor(observedRows / batch)) / 2))
}

const targetsIn = (rows: readonly Int32Array[]): number => rows.reduce((sum, { length }) => sum + length - 1, 0)

const meanLength = (rows: readonly Int32Array[]): number => targetsIn(rows) / rows.length

/** Pairs of gradients that a run takes for each block and round; 1 stands for the single gradient of a draw. */
export const pairsOf = ({
  sampler,
  study,
  observationIncludesProbe
}: Pick<BlocksInput, 'sampler' | 'observationIncludesProbe'> & {
  readonly study: Pick<BlocksInput['study'], 'observation' | 'probe'>
}): number => {
  if (sampler.method === 'gradient') return 1
  if (sampler.pairs !== 'auto') return sampler.pairs
  const observed = observedRows({ study, observationIncludesProbe })
  return pairsFor(targetsIn(study.probe), observed.length, targetsIn(observed), sampler.observationBatch)
}

/** Draws of gradients that a block takes in a round. */
const drawsOf = (method: BlockConfiguration['method'], pairs: number): number =>
  method === 'first-order' ? 2 * pairs : 1

/** Bytes of one component's four blocks: sums over tokens, and vectors of weights with their centre. */
export const componentBytes = (weights: number, tokens: number, { method, nBeta }: BlockConfiguration): number =>
  4 * tokens * (method === 'gradient' && nBeta > 0 ? 16 : 8) +
  4 * weights * (4 * (method === 'first-order' && nBeta > 0 ? 4 : 3) + 1)

/** Bytes of blocks that are sampled together. */
export const waveBytes = (): number => Math.max(2 ** 28, Math.min(2 ** 32, totalmem() / 6))

/** Components in the order given, in waves whose blocks are held together; what shares a program stays together. The numbers do not depend on it. */
export const wavesOf = (
  components: readonly string[],
  bytesOf: (component: string) => number,
  limit: number
): string[][] => {
  const programs = new Map<string, string[]>()
  for (const component of components)
    programs.set(programName(component), [...(programs.get(programName(component)) ?? []), component])
  const waves: string[][] = []
  let held = Infinity
  for (const group of programs.values()) {
    const bytes = group.reduce((sum, component) => sum + bytesOf(component), 0)
    if (held + bytes > limit) {
      waves.push([])
      held = 0
    }
    waves[waves.length - 1].push(...group)
    held += bytes
  }
  return waves
}

interface MutableRecord {
  phis: number[]
  gradientNorms: number[]
  directionNorms: number[]
  observedSlopes: number[]
}

interface Failure extends FailedChain {
  readonly component: string
}

/** The part of a checkpoint that is not an array. */
interface SavedState {
  readonly initialLoss: number
  readonly rowLosses: readonly number[]
  readonly wave: readonly string[]
  readonly blockTokens: number
  readonly records: readonly BlockRecord[]
  readonly rounds: readonly (readonly [component: string, rounds: number])[]
  readonly failures: readonly Failure[]
  /** Operations that were done, for progress. */
  readonly operations: number
  /** Whether directions and points are part of it. */
  readonly midRound: boolean
}

/** r/(1-r) of a component after its first round, on average: test/bench/NOTES.md. */
const oddsOfRound = { 'first-order': 6, gradient: 0.35 } as const

/** Rounds that components take on average until a target is reached, from what those of the development model took; not a whole number. */
export const likelyRounds = (method: BlockConfiguration['method'], target: number): number =>
  Math.max(1, target / (1 - target) / oddsOfRound[method]) * 1.2

/** Rounds that a component of the given reliability needs in all to reach a target: r/(1-r) grows with them. */
export const roundsNeeded = (rounds: number, reliability: number, target: number): number =>
  reliability <= 0.02 ? Infinity : Math.ceil((rounds * target * (1 - reliability)) / ((1 - target) * reliability))

interface Status {
  readonly reliability: number
  readonly lower: number
}

/** One step of a round for a block: a pair or a draw of gradients, passes of a single gradient over observation rows, the direction, the slope of L, and a block of probe rows. */
interface Steps {
  readonly gradients: number
  readonly base: number
  readonly direction: number
  readonly observed: number
  readonly probe: number
  readonly all: number
}

class BlocksSampler {
  readonly #input: BlocksInput
  readonly #chosen: readonly ChainName[]
  readonly #whole: boolean
  readonly #transport: SamplingTransport
  readonly #atOnce: TokensAtOnce
  readonly #fingerprint: string
  readonly #lanes: LaneCounts
  readonly #starts: Int32Array
  readonly #positions: Int32Array
  readonly #tokens: number
  readonly #observed: readonly Int32Array[]
  readonly #observation: readonly RowBlock[]
  readonly #probe: readonly RowBlock[]
  readonly #slices: Minibatches
  readonly #pairs: number
  readonly #steps: Steps
  readonly #stageBytes: number
  readonly #meter = new Meter()
  readonly #operations = new Map<string, ReadonlyMap<number, Operations>>()

  #initialLoss = NaN
  /** Sum of the losses of every observation row at w*. */
  #rowLosses: number[] = []
  readonly #failures: Failure[] = []
  /** What waves came to that are done. */
  readonly #finished: {
    readonly names: readonly string[]
    readonly sampled: SampledBlocks
    readonly file?: SampledFile<SampledBlocks, object>
  }[] = []
  readonly #status = new Map<string, Status>()
  readonly #rounds = new Map<string, number>()

  // Of the wave at work:
  #run!: BlocksRun
  #records: MutableRecord[] = []
  /** Steps of the round at work that each block has done: [block, step]. */
  #done = new Uint8Array(0)
  #pool!: Pool
  #lockstep!: Lockstep

  #sequence = 0
  readonly #clock: CheckpointClock | undefined
  #operationsDone = 0
  #reportedAt = -Infinity
  #workingOn: { readonly component: string; readonly chain: number } | undefined

  constructor(
    input: BlocksInput,
    chosen: readonly ChainName[] | undefined,
    transport: SamplingTransport,
    atOnce: TokensAtOnce
  ) {
    const {
      study,
      sampler,
      seed,
      model: { architecture }
    } = input
    const { starts, positions } = flattenTargets(study.targets)
    checkInput(input, positions.length)
    this.#input = input
    this.#clock = input.checkpoint === undefined ? undefined : new CheckpointClock(input.checkpoint.everySeconds)
    this.#whole = chosen === undefined
    this.#chosen = chosen ?? chainNames(input)
    this.#transport = transport
    this.#atOnce = atOnce
    this.#fingerprint = fingerprintOf(input, chosen)
    this.#lanes = lanesOf(input.engine, input.threads)
    this.#stageBytes = transport.stageBytes ?? usualStageBytes
    this.#starts = starts
    this.#positions = positions
    this.#tokens = positions.length
    this.#observed = observedRows(input)
    this.#observation = cutRows(architecture, this.#observed, Array.from(this.#observed.keys()), atOnce.block)
    this.#probe = cutRows(architecture, study.probe, Array.from(study.probe.keys()), atOnce.block)
    this.#slices = new Minibatches(seed, this.#observed.length, sampler.observationBatch, 'observation')
    this.#pairs = pairsOf(input)
    const base = sampler.method === 'gradient' && sampler.nBeta > 0 ? this.#observation.length : 0
    const direction = this.#pairs + base
    this.#steps = {
      gradients: 0,
      base: this.#pairs,
      direction,
      observed: direction + 1,
      probe: direction + 2,
      all: direction + 2 + this.#probe.length
    }
  }

  async run(): Promise<SampledBlocks> {
    settleEngine(this.#input.engine)
    const components = [...new Set(this.#chosen.map(({ component }) => component))]
    const sizes = new Map(
      components.map((component) => [
        component,
        sliceSize(componentSlices(this.#input.model.architecture, this.#input.model.weights, component))
      ])
    )
    const waves = wavesOf(
      components,
      (component) => componentBytes(sizes.get(component)!, this.#tokens, this.#input.sampler),
      this.#transport.waveBytes ?? waveBytes()
    )
    const { checkpoint } = this.#input
    if (checkpoint !== undefined) await removeLeftovers(checkpoint.folder)
    try {
      for (const [at, wave] of waves.entries()) {
        const file =
          waves.length > 1 && checkpoint !== undefined ? join(checkpoint.folder, `sampled-${at}.blocks`) : undefined
        if (file !== undefined && (await this.#readFinished(file, wave))) continue
        await this.#sampleWave(wave, file)
      }
    } catch (error) {
      for (const { file } of this.#finished) await file?.close()
      throw error
    }
    return this.#sampled()
  }

  // ------------------------------------------------------------------ waves

  async #sampleWave(wave: readonly string[], file: string | undefined): Promise<void> {
    await this.#openWave(wave)
    const { openLane = threadLanes(), pick } = this.#transport
    const tasks = this.#run.replicas.length
    this.#pool = await Pool.open(
      this.#run,
      openLane,
      {
        evaluating: Math.min(this.#lanes.evaluating, Math.max(tasks, this.#probe.length)),
        updating: Math.min(this.#lanes.updating, tasks)
      },
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
      const resumed = await this.#resume(wave)
      await this.#countOperations()
      if (!Number.isFinite(this.#initialLoss)) await this.#measureInitialLosses()
      if (resumed) this.#judge()
      while (this.#pendingComponents().length > 0) {
        await this.#round()
        this.#judge()
        this.#report(true)
        this.#checkFailures()
      }
    } finally {
      this.#input.signal?.removeEventListener('abort', drop)
      await this.#pool.close()
    }
    const sampled = this.#sampledWave()
    if (file === undefined) this.#finished.push({ names: wave, sampled })
    else {
      await makeFolder(this.#input.checkpoint!.folder)
      await writeSampled(file, { fingerprint: this.#fingerprint, wave, rowLosses: this.#rowLosses }, sampled)
      await this.#readFinished(file, wave)
    }
  }

  /** Takes in a wave that was done before an interruption. */
  async #readFinished(path: string, wave: readonly string[]): Promise<boolean> {
    const file = await openSampled<
      SampledBlocks,
      { fingerprint: string; wave: readonly string[]; rowLosses: number[] }
    >(path).catch(() => undefined)
    if (file === undefined) return false
    if (file.about.fingerprint !== this.#fingerprint || JSON.stringify(file.about.wave) !== JSON.stringify(wave)) {
      await file.close()
      return false
    }
    this.#initialLoss = file.initialLoss
    this.#rowLosses = file.about.rowLosses
    for (const component of wave)
      this.#rounds.set(
        component,
        file.chains.find((block) => block.component === component)!.record.observedSlopes.length
      )
    for (const { component, failure } of file.chains)
      if (failure !== null && !this.#hasFailed(component)) this.#failures.push({ component, ...failure })
    this.#finished.push({ names: wave, sampled: file, file })
    return true
  }

  async #openWave(wave: readonly string[]): Promise<void> {
    const {
      model: { architecture, weights },
      sampler,
      seed,
      engine,
      precision,
      begun
    } = this.#input
    const ofWeights = sampler.method === 'first-order' && sampler.nBeta > 0
    const ofTokens = sampler.method === 'gradient' && sampler.nBeta > 0
    const claims = 1 + this.#probe.length
    const replicas: DrawBlock[] = []
    this.#records = []
    for (const component of wave) {
      const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
      for (const { chain } of this.#chosen.filter((each) => each.component === component)) {
        const block: DrawBlock = {
          component,
          chain,
          index: componentIndex(architecture, component),
          centre,
          gradient: float32(centre.length),
          gradientProduct: float32(ofWeights ? centre.length : 0),
          direction: float32(centre.length),
          point: float32(centre.length),
          slopes: float64(this.#tokens),
          products: float64(ofTokens ? this.#tokens : 0),
          claims: new Int32Array(new SharedArrayBuffer(4 * claims))
        }
        const record: MutableRecord = { phis: [], gradientNorms: [], directionNorms: [], observedSlopes: [] }
        const at = begun?.chains.findIndex((each) => each.component === component && each.chain === chain) ?? -1
        if (begun !== undefined && at >= 0) {
          const { failure } = begun.chains[at]
          if (failure !== null && !this.#hasFailed(component)) this.#failures.push({ component, ...failure })
          const sums = await begun.sums(at)
          for (const key of ['gradient', 'gradientProduct', 'slopes', 'products'] as const) block[key].set(sums[key])
          for (const key of ['phis', 'gradientNorms', 'directionNorms', 'observedSlopes'] as const)
            record[key] = [...begun.chains[at].record[key]]
        }
        replicas.push(block)
        this.#records.push(record)
      }
      this.#rounds.set(component, this.#records[this.#records.length - 1].observedSlopes.length)
    }
    this.#run = {
      kind: 'blocks',
      engine,
      precision,
      architecture,
      weights,
      sampler,
      seed,
      replicas,
      starts: this.#starts,
      positions: this.#positions
    }
    this.#done = new Uint8Array(replicas.length * this.#steps.all)
    if (begun !== undefined) this.#judge()
  }

  #sampledWave(): SampledBlocks {
    const { replicas } = this.#run
    return {
      tokens: this.#tokens,
      initialLoss: this.#initialLoss,
      chains: replicas.map(({ component, chain }, at) => ({
        component,
        chain,
        record: this.#records[at],
        failure: this.#failureOf(component, chain)
      })),
      sums: (at) => {
        const { slopes, products, gradient, gradientProduct } = replicas[at]
        return Promise.resolve({ slopes, products, gradient, gradientProduct } satisfies BlockSums)
      }
    }
  }

  #failureOf(component: string, chain: number): FailedChain | null {
    const found = this.#failures.find((failure) => failure.component === component && failure.chain === chain)
    if (found === undefined) return null
    const { component: _, ...failure } = found
    return failure
  }

  /** All waves as one, in the order of the run. */
  #sampled(): SampledBlocks {
    return {
      ...joinSampled(
        this.#chosen,
        this.#finished.map(({ sampled }) => sampled)
      ),
      close: async () => {
        for (const { file } of this.#finished) await file?.close()
      }
    }
  }

  // ------------------------------------------------------------------ rounds

  #hasFailed(component: string): boolean {
    return this.#failures.some((failure) => failure.component === component)
  }

  get #components(): readonly string[] {
    return [...new Set(this.#run.replicas.map(({ component }) => component))]
  }

  #isDone(component: string): boolean {
    const { sampler } = this.#input
    const rounds = this.#rounds.get(component)!
    if (rounds >= roundsOf(sampler)) return true
    const status = this.#status.get(component)
    return (
      sampler.targetReliability !== false &&
      rounds > 0 &&
      status !== undefined &&
      status.lower >= sampler.targetReliability
    )
  }

  #pendingComponents(): string[] {
    return this.#components.filter((component) => !this.#hasFailed(component) && !this.#isDone(component))
  }

  /** Reliability of each component whose blocks are all here, after the rounds that it has done. */
  #judge(): void {
    for (const component of this.#components) {
      const own = this.#run.replicas.flatMap((block, at) => (block.component === component ? [at] : []))
      if (own.length < 4 || this.#rounds.get(component) === 0 || this.#hasFailed(component)) continue
      // Within a round the sums of some rows are further than those of others.
      if (
        own.some((at) =>
          this.#done.subarray(at * this.#steps.all, (at + 1) * this.#steps.all).some((step) => step !== 0)
        )
      )
        continue
      const { splits, drawVariance } = estimateBlocks(
        own.map((at) => this.#records[at]),
        own.map((at) => this.#run.replicas[at]),
        this.#input.sampler,
        this.#starts
      )
      const { reliability, low } = reliabilityInterval(splits[0], this.#starts, drawVariance)
      this.#status.set(component, { reliability, lower: low })
    }
  }

  /** The blocks that take part in a round, the one that those of them have to do which are furthest back. */
  #active(): { readonly round: number; readonly replicas: readonly number[] } {
    const pending = this.#pendingComponents()
    const round = pending.reduce((least, component) => Math.min(least, this.#rounds.get(component)!), Infinity)
    return {
      round,
      replicas: this.#run.replicas.flatMap(({ component }, at) =>
        pending.includes(component) && this.#rounds.get(component) === round ? [at] : []
      )
    }
  }

  async #round(): Promise<void> {
    const { round, replicas } = this.#active()
    const stages = this.#stages(round, replicas)
    await this.#lockstep.run(
      () => stages.next().value ?? undefined,
      async () => {
        if (this.#clock?.isDue === true) await this.#clock.during(() => this.#save())
      }
    )
    for (const component of new Set(replicas.map((at) => this.#run.replicas[at].component)))
      if (!this.#hasFailed(component)) this.#rounds.set(component, round + 1)
    this.#done.fill(0)
  }

  #isPending(replica: number, step: number): boolean {
    return this.#done[replica * this.#steps.all + step] === 0 && !this.#hasFailed(this.#run.replicas[replica].component)
  }

  #finish(replica: number, step: number): void {
    this.#done[replica * this.#steps.all + step] = 1
  }

  /** The turn of a block in a round: t = 4 r + b. */
  #turn(replica: number, round: number): number {
    return 4 * round + this.#run.replicas[replica].chain
  }

  *#stages(round: number, replicas: readonly number[]): Generator<StageTasks, void> {
    yield* this.#gradientStages(round, replicas)
    if (this.#steps.base < this.#steps.direction) yield* this.#baseStages(replicas)
    yield this.#directionStage(round, replicas)
    yield* this.#observedStages(round, replicas)
    yield* this.#probeStages(round, replicas)
  }

  /** Blocks of draws that go through a stage together, given the rows of a turn: all, unless activations of so many rows at w* are too much. */
  *#turnsTogether(replicas: readonly number[], rowsPerTurn: number): Generator<readonly number[]> {
    const bytes = prefixBytes(this.#input.model.architecture, Math.ceil(rowsPerTurn * meanLength(this.#observed)))
    const together = Math.max(1, Math.floor(this.#stageBytes / bytes))
    const numbers = [...new Set(replicas.map((at) => this.#run.replicas[at].chain))].sort((a, b) => a - b)
    for (let first = 0; first < numbers.length; first += together) {
      const some = numbers.slice(first, first + together)
      yield replicas.filter((at) => some.includes(this.#run.replicas[at].chain))
    }
  }

  #cutSlice(slice: number): RowBlock[] {
    return cutRows(this.#input.model.architecture, this.#observed, this.#slices.at(slice), this.#atOnce.chunk)
  }

  /** Slices of observation rows as a stage's blocks, and what a task needs to know of each once their prefixes have keys. */
  #share(slices: readonly number[]): {
    readonly blocks: readonly RowBlock[]
    readonly of: (slice: number, keys: readonly number[]) => SharedSlice
    readonly cost: (replica: number, slice: number, kind: keyof Operations) => number
  } {
    const cut = slices.map((slice) => ({ slice, blocks: this.#cutSlice(slice) }))
    const all = cut.flatMap(({ blocks }) => blocks)
    const blocksOf = (slice: number): RowBlock[] => cut.find((each) => each.slice === slice)!.blocks
    return {
      blocks: all,
      cost: (replica, slice, kind) => this.#costOf(replica, blocksOf(slice), kind),
      of: (slice, keys) => {
        const blocks = blocksOf(slice)
        const targets = blocks.reduce((sum, block) => sum + targetsOf(block), 0)
        const sum = blocks.reduce(
          (total, { indices }) => indices.reduce((own, row) => own + this.#rowLosses[row], total),
          0
        )
        return { prefixes: blocks.map((block) => keys[all.indexOf(block)]), targets, initialLoss: sum / targets }
      }
    }
  }

  /** Groups of blocks that a device may compute together: those of one program, with what they all need alike. */
  #groups(
    replicas: readonly number[],
    most: number,
    alike: (replica: number) => number
  ): { readonly replicas: readonly number[]; readonly width: number }[] {
    if (!this.#pool.stacks) return replicas.map((replica) => ({ replicas: [replica], width: 1 }))
    const present = new Set(replicas)
    const keys = this.#run.replicas.map(({ component }, at) => `${programName(component)} ${alike(at)}`)
    const groups = new Map<string, number[]>()
    keys.forEach((key, at) => groups.set(key, [...(groups.get(key) ?? []), at]))
    return [...groups.values()]
      .flatMap((all) =>
        groupsOf(
          all.map((at) => this.#run.replicas[at].component),
          most
        ).map((group) => ({ replicas: group.map((i) => all[i]).filter((at) => present.has(at)), width: group.length }))
      )
      .filter((group) => group.replicas.length > 0)
  }

  *#gradientStages(round: number, replicas: readonly number[]): Generator<StageTasks, void> {
    const isPaired = this.#input.sampler.method === 'first-order'
    for (let step = this.#steps.gradients; step < this.#steps.base; step++) {
      for (const together of this.#turnsTogether(replicas, (isPaired ? 2 : 1) * this.#input.sampler.observationBatch)) {
        const pending = together.filter((replica) => this.#isPending(replica, step))
        if (pending.length === 0) continue
        const place = (replica: number): number =>
          isPaired ? this.#turn(replica, round) * this.#pairs + step : this.#turn(replica, round)
        const slicesOf = (replica: number): number[] =>
          isPaired ? [2 * place(replica), 2 * place(replica) + 1] : [place(replica)]
        const share = this.#share([...new Set(pending.flatMap(slicesOf))])
        yield {
          blocks: share.blocks,
          start: (keys) =>
            this.#groups(pending, mostTogether, (replica) => this.#run.replicas[replica].chain).map(async (group) => {
              const [first] = group.replicas
              const slices = slicesOf(first).map((slice) => share.of(slice, keys))
              const cost = group.replicas.reduce(
                (sum, replica) =>
                  sum + share.cost(replica, slicesOf(replica)[0], 'gradient') * slicesOf(replica).length,
                0
              )
              const draws: (readonly GradientDraw[])[] = isPaired
                ? [
                    ...(await this.#pool.run<'pair'>(
                      { kind: 'pair', ...group, pair: place(first), slices: [slices[0], slices[1]] },
                      cost
                    ))
                  ]
                : (
                    await this.#pool.run<'base'>({ kind: 'base', ...group, draw: place(first), slice: slices[0] }, cost)
                  ).map((draw) => [draw])
              group.replicas.forEach((replica, at) => {
                const record = this.#records[replica]
                const from = round * drawsOf(this.#input.sampler.method, this.#pairs) + (isPaired ? 2 * step : 0)
                draws[at].forEach(({ phi, norm }, i) => {
                  record.phis[from + i] = phi
                  record.gradientNorms[from + i] = norm
                  if (!Number.isFinite(phi) || !Number.isFinite(norm))
                    this.#fail(replica, `the loss is not finite at draw ${from + i}`)
                })
                this.#finish(replica, step)
              })
              this.#advance(
                first,
                cost,
                slices.reduce((sum, { targets }) => sum + targets * group.replicas.length, 0)
              )
            })
        }
      }
    }
  }

  /** Blocks of rows that go through a stage together: as many as keep all lanes at work, within memory. */
  *#spans(blocks: readonly RowBlock[], replicas: number): Generator<readonly [number, number]> {
    const bytes = prefixBytes(
      this.#input.model.architecture,
      blocks.reduce((most, block) => Math.max(most, targetsOf(block)), 1)
    )
    const wished = Math.ceil((4 * this.#lanes.evaluating) / Math.max(1, replicas))
    const together = Math.max(1, Math.min(wished, Math.floor(this.#stageBytes / bytes)))
    for (let first = 0; first < blocks.length; first += together)
      yield [first, Math.min(blocks.length, first + together)]
  }

  /** φ of single gradients over all observation rows, where draws are weighted by it. */
  *#baseStages(replicas: readonly number[]): Generator<StageTasks, void> {
    for (const [from, to] of this.#spans(this.#observation, replicas.length)) {
      const steps = Array.from({ length: to - from }, (_, i) => this.#steps.base + from + i)
      const pendingAt = steps.map((step) => replicas.filter((replica) => this.#isPending(replica, step)))
      if (pendingAt.every(({ length }) => length === 0)) continue
      const blocks = this.#observation.slice(from, to)
      yield {
        blocks,
        start: (keys) =>
          blocks.flatMap((block, i) =>
            this.#groups(pendingAt[i], mostTogether, () => 0).map(async (group) => {
              const cost = group.replicas.reduce((sum, replica) => sum + this.#costOf(replica, [block], 'losses'), 0)
              const losses = await this.#pool.run<'baseLosses'>({ kind: 'baseLosses', ...group, prefix: keys[i] }, cost)
              group.replicas.forEach((replica, at) => {
                this.#baseSums(replica)[from + i] = losses[at]
                this.#finish(replica, steps[i])
              })
              this.#advance(group.replicas[0], cost, targetsOf(block) * group.replicas.length)
            })
          )
      }
    }
  }

  /** Sums of the losses of blocks of observation rows at the weights of each draw block's base. */
  readonly #baseLosses = new Map<number, Float64Array>()

  #baseSums(replica: number): Float64Array {
    const known = this.#baseLosses.get(replica) ?? new Float64Array(this.#observation.length)
    this.#baseLosses.set(replica, known)
    return known
  }

  #directionStage(round: number, replicas: readonly number[]): StageTasks {
    return {
      blocks: [],
      start: () =>
        replicas
          .filter((replica) => this.#isPending(replica, this.#steps.direction))
          .map(async (replica) => {
            const record = this.#records[replica]
            if (this.#steps.base < this.#steps.direction) this.#takeBasePhi(replica, round)
            const { plain, product } = this.#combination(record)
            const norm = await this.#pool.run<'direction'>(
              { kind: 'direction', replica, turn: this.#turn(replica, round), plain, product },
              0
            )
            record.directionNorms[round] = norm
            if (!Number.isFinite(norm)) this.#fail(replica, `the mean gradient is not finite in round ${round + 1}`)
            this.#finish(replica, this.#steps.direction)
          })
    }
  }

  #takeBasePhi(replica: number, round: number): void {
    const sums = this.#baseSums(replica)
    const targets = this.#observation.reduce((sum, block) => sum + targetsOf(block), 0)
    const phi = sums.reduce((a, b) => a + b, 0) / targets - this.#initialLoss
    this.#records[replica].phis[round] = phi
    if (!Number.isFinite(phi)) this.#fail(replica, `the loss is not finite at draw ${round}`)
  }

  /** How the mean gradient comes out of a block's sums: docs/method.md, section 3c; a single gradient is as it is. */
  #combination({ phis }: MutableRecord): { readonly plain: number; readonly product: number } {
    const {
      sampler: { method, nBeta }
    } = this.#input
    if (method === 'gradient') return { plain: 1, product: 0 }
    return meanGradientFactors(phis, nBeta)
  }

  #factors(replica: number, round: number): SlopeFactors {
    const {
      sampler: { method, nBeta }
    } = this.#input
    const { directionNorms, phis } = this.#records[replica]
    const norm = directionNorms[round]
    if (method === 'first-order') return { norm, weight: 1, product: 0 }
    const weight = Math.exp(-nBeta * phis[round])
    return { norm, weight, product: weight * phis[round] }
  }

  /** The slice whose mean loss stands for L: the one after those of the round's gradients. */
  #observedSlice(replica: number, round: number): number {
    const turn = this.#turn(replica, round)
    return this.#input.sampler.method === 'first-order' ? 2 * this.#pairs * (turn + 1) : turn + 1
  }

  get #pointsTogether(): number {
    return Math.max(1, Math.floor(mostTogether / slopeSigns(this.#input.sampler.method).length))
  }

  *#observedStages(round: number, replicas: readonly number[]): Generator<StageTasks, void> {
    const step = this.#steps.observed
    for (const together of this.#turnsTogether(replicas, this.#input.sampler.observationBatch)) {
      const pending = together.filter((replica) => this.#isPending(replica, step))
      if (pending.length === 0) continue
      const share = this.#share([...new Set(pending.map((replica) => this.#observedSlice(replica, round)))])
      yield {
        blocks: share.blocks,
        start: (keys) =>
          this.#groups(pending, this.#pointsTogether, (replica) => this.#run.replicas[replica].chain).map(
            async (group) => {
              const slice = share.of(this.#observedSlice(group.replicas[0], round), keys)
              const cost = group.replicas.reduce(
                (sum, replica) =>
                  sum +
                  slopeSigns(this.#input.sampler.method).length *
                    share.cost(replica, this.#observedSlice(replica, round), 'losses'),
                0
              )
              const factors = group.replicas.map((replica) => this.#factors(replica, round))
              const sums = await Promise.all(
                slice.prefixes.map((prefix) =>
                  this.#pool.run<'slopes'>(
                    { kind: 'slopes', ...group, prefix, indices: null, claim: 0, factors },
                    cost / slice.prefixes.length
                  )
                )
              )
              group.replicas.forEach((replica, at) => {
                const slope = sums.reduce((sum, own) => sum + own[at], 0) / slice.targets
                this.#records[replica].observedSlopes[round] = slope
                if (!Number.isFinite(slope))
                  this.#fail(replica, `the loss is not finite at the point of round ${round + 1}`)
                this.#finish(replica, step)
              })
              this.#advance(
                group.replicas[0],
                cost,
                slice.targets * slopeSigns(this.#input.sampler.method).length * group.replicas.length
              )
            }
          )
      }
    }
  }

  *#probeStages(round: number, replicas: readonly number[]): Generator<StageTasks, void> {
    const points = slopeSigns(this.#input.sampler.method).length
    for (const [from, to] of this.#spans(this.#probe, replicas.length)) {
      const steps = Array.from({ length: to - from }, (_, i) => this.#steps.probe + from + i)
      const pendingAt = steps.map((step) => replicas.filter((replica) => this.#isPending(replica, step)))
      if (pendingAt.every(({ length }) => length === 0)) continue
      const blocks = this.#probe.slice(from, to)
      yield {
        blocks,
        start: (keys) =>
          blocks.flatMap((block, i) =>
            this.#groups(
              pendingAt[i].filter((replica) => this.#isPending(replica, steps[i])),
              this.#pointsTogether,
              () => 0
            ).map(async (group) => {
              const cost = group.replicas.reduce((sum, replica) => sum + this.#slopeCost(replica, [block]), 0)
              const factors = group.replicas.map((replica) => this.#factors(replica, round))
              const sums = await this.#pool.run<'slopes'>(
                { kind: 'slopes', ...group, prefix: keys[i], indices: block.indices, claim: 1 + from + i, factors },
                cost
              )
              group.replicas.forEach((replica, at) => {
                if (!Number.isFinite(sums[at]))
                  this.#fail(replica, `the loss is not finite at the point of round ${round + 1}`)
                this.#finish(replica, steps[i])
              })
              this.#advance(group.replicas[0], cost, targetsOf(block) * points * group.replicas.length)
            })
          )
      }
    }
  }

  // ------------------------------------------------------------------ start, failures, checkpoints

  async #countOperations(): Promise<void> {
    if (this.#operations.size > 0) return
    const components = [...new Set(this.#chosen.map(({ component }) => component))]
    const { study } = this.#input
    const lengths = [...new Set([...this.#observed, ...study.probe].map(({ length }) => length))]
    const [table] = await this.#lockstep.settled([
      this.#pool.run<'operations'>({ kind: 'operations', components, lengths }, 0)
    ])
    components.forEach((component, i) =>
      this.#operations.set(component, new Map(lengths.map((length, j) => [length, table[i][j]])))
    )
  }

  #costOfComponent(component: string, blocks: readonly RowBlock[], kind: keyof Operations): number {
    const table = this.#operations.get(component)!
    return blocks.reduce((sum, { rows: { count, length } }) => sum + count * table.get(length)![kind], 0)
  }

  #costOf(replica: number, blocks: readonly RowBlock[], kind: keyof Operations): number {
    return this.#costOfComponent(this.#run.replicas[replica].component, blocks, kind)
  }

  #slopeCost(replica: number, blocks: readonly RowBlock[]): number {
    return slopeSigns(this.#input.sampler.method).length * this.#costOf(replica, blocks, 'losses')
  }

  /** The losses of observation rows at w*, through the last component of the whole run, so that every part of it gets the same bits. */
  async #measureInitialLosses(): Promise<void> {
    const {
      model: { architecture, weights },
      components,
      threads
    } = this.#input
    const component = components[components.length - 1]
    const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
    const losses = new Array<number>(this.#observed.length).fill(NaN)
    for (let start = 0; start < this.#observation.length; start += threads) {
      await this.#lockstep.settled(
        this.#observation.slice(start, start + threads).map(async (block) => {
          const [prefix] = await this.#lockstep.openPrefixes([block])
          const sums = await this.#pool.run<'rowLosses'>({ kind: 'rowLosses', component, centre, prefix }, 0)
          this.#pool.release(prefix)
          block.indices.forEach((row, i) => (losses[row] = sums[i]))
        })
      )
    }
    const loss =
      losses.reduce((sum, own) => sum + own, 0) / this.#observed.reduce((sum, { length }) => sum + length - 1, 0)
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
    this.#rowLosses = losses
    this.#initialLoss = loss
  }

  #fail(replica: number, what: string): void {
    const { component, chain } = this.#run.replicas[replica]
    if (this.#hasFailed(component)) return
    const message = `${component}: ${what}; the component is excluded; ${blockRemedy(this.#input)}.`
    const { phis, observedSlopes } = this.#records[replica]
    this.#failures.push({ component, chain, draw: phis.length, step: observedSlopes.length, message })
    this.#input.onFlag?.({ component, chain, message })
  }

  #checkFailures(): void {
    if (!this.#whole || this.#failures.length === 0) return
    checkBlocks(
      this.#input,
      this.#input.components.filter((component) => !this.#hasFailed(component))
    )
  }

  #sections(midRound: boolean): ArrayBufferView[] {
    const blocks = this.#run.replicas.flatMap(({ gradient, gradientProduct, slopes, products, direction, point }) => [
      gradient,
      gradientProduct,
      slopes,
      products,
      ...(midRound ? [direction, point] : [])
    ])
    const base =
      this.#steps.base < this.#steps.direction ? this.#run.replicas.map((_, replica) => this.#baseSums(replica)) : []
    return [this.#done, ...base, ...blocks]
  }

  async #resume(wave: readonly string[]): Promise<boolean> {
    const { checkpoint } = this.#input
    if (checkpoint === undefined) return false
    const isOwn = (state: SavedState): boolean => JSON.stringify(state.wave) === JSON.stringify(wave)
    const header = await readCheckpoint<SavedState>(checkpoint.folder, this.#fingerprint, (state) =>
      isOwn(state) ? this.#sections(state.midRound) : []
    )
    if (header === null) return false
    const { initialLoss, rowLosses, records, failures, rounds: known } = header.state
    this.#sequence = header.sequence
    this.#operationsDone = header.state.operations
    this.#initialLoss = initialLoss
    this.#rowLosses = [...rowLosses]
    this.#records = records.map(({ phis, gradientNorms, directionNorms, observedSlopes }) => ({
      phis: [...phis],
      gradientNorms: [...gradientNorms],
      directionNorms: [...directionNorms],
      observedSlopes: [...observedSlopes]
    }))
    for (const failure of failures) if (!this.#hasFailed(failure.component)) this.#failures.push(failure)
    for (const [component, rounds] of known) this.#rounds.set(component, rounds)
    return true
  }

  async #save(): Promise<void> {
    const wave = this.#components
    const midRound = this.#done.some((step) => step !== 0)
    const state: SavedState = {
      initialLoss: this.#initialLoss,
      rowLosses: this.#rowLosses,
      wave,
      blockTokens: this.#atOnce.block,
      records: this.#records,
      failures: this.#failures,
      operations: this.#operationsDone,
      rounds: wave.map((component) => [component, this.#rounds.get(component)!] as const),
      midRound
    }
    await writeCheckpoint<SavedState>(
      this.#input.checkpoint!.folder,
      { fingerprint: this.#fingerprint, sequence: ++this.#sequence, state },
      this.#sections(midRound)
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
    const rounds = this.#components.reduce(
      (least, component) => Math.min(least, this.#rounds.get(component)!),
      Infinity
    )
    throw new SpectroscopeError('interrupted', `Sampling was interrupted in round ${rounds + 1}; ${kept}.`)
  }

  /** A checkpoint of what was done before the engine failed, unless it left a block half changed; the one before stands otherwise. */
  async #keep(): Promise<void> {
    const whole = this.#run.replicas.every(({ claims }) => claims.every((_, at) => Atomics.load(claims, at) === 0))
    if (!whole || !Number.isFinite(this.#initialLoss) || this.#input.checkpoint === undefined) return
    await this.#save().catch(() => {
      // What failed first is what the run ends with.
    })
  }

  // ------------------------------------------------------------------ progress

  /** Operations of one round of a component. */
  #roundCost(component: string): number {
    const { sampler } = this.#input
    const own = this.#run.replicas.filter((block) => block.component === component).length
    const mean = (kind: keyof Operations, blocks: readonly RowBlock[]): number =>
      this.#costOfComponent(component, blocks, kind)
    const perRow = mean('gradient', this.#observation) / this.#observed.length
    const gradients = drawsOf(sampler.method, this.#pairs) * sampler.observationBatch * perRow
    const base = this.#steps.base < this.#steps.direction ? mean('losses', this.#observation) : 0
    return own * (gradients + base + slopeSigns(sampler.method).length * mean('losses', this.#probe))
  }

  /** Rounds that a component is expected to take in all. */
  #expectedRounds(component: string): number {
    const { sampler } = this.#input
    const most = roundsOf(sampler)
    const rounds = this.#rounds.get(component) ?? 0
    const status = this.#status.get(component)
    if (sampler.targetReliability === false) return most
    if (status === undefined || rounds === 0)
      return Math.min(most, Math.ceil(likelyRounds(sampler.method, sampler.targetReliability)))
    return Math.min(most, Math.max(rounds + 1, roundsNeeded(rounds, status.reliability, sampler.targetReliability)))
  }

  #advance(replica: number, operations: number, tokens: number): void {
    this.#meter.add(operations, tokens)
    this.#operationsDone += operations
    const { component, chain } = this.#run.replicas[replica]
    this.#workingOn = { component, chain }
    this.#report(false)
  }

  #report(now: boolean): void {
    const { onProgress, sampler } = this.#input
    if (onProgress === undefined || (!now && performance.now() - this.#reportedAt < progressInterval)) return
    this.#reportedAt = performance.now()
    const all = [...new Set(this.#chosen.map(({ component }) => component))]
    const left = all.reduce((sum, component) => {
      if (!this.#components.includes(component))
        return sum + (this.#rounds.has(component) || !this.#operations.has(component) ? 0 : this.#roundCost(component))
      const isOver = this.#hasFailed(component) || this.#isDone(component)
      return (
        sum +
        (isOver ? 0 : (this.#expectedRounds(component) - this.#rounds.get(component)!) * this.#roundCost(component))
      )
    }, 0)
    const inRound = this.#run.replicas.reduce((sum, { component }, replica) => {
      const steps = this.#done.subarray(replica * this.#steps.all, (replica + 1) * this.#steps.all)
      const count = this.#run.replicas.filter((block) => block.component === component).length
      return sum + (this.#roundCost(component) / count) * (steps.reduce((a, b) => a + b, 0) / steps.length)
    }, 0)
    const rates = this.#meter.rates()
    const remaining = Math.max(0, left - inRound)
    onProgress({
      stage: 'sample',
      step: 0,
      steps: 0,
      draw: Math.min(...this.#components.map((component) => this.#rounds.get(component)!)),
      draws: roundsOf(sampler),
      component: this.#workingOn?.component ?? this.#components[0],
      chain: this.#workingOn?.chain ?? 0,
      tokensPerSecond: rates.tokens,
      fractionDone: Math.min(1, this.#operationsDone / Math.max(1, this.#operationsDone + remaining)),
      secondsLeft: remaining / rates.operations,
      initialLoss: this.#initialLoss,
      reliabilities: this.#reliabilities(all)
    })
  }

  #reliabilities(components: readonly string[]): ComponentProgress[] {
    return components.map((component) => {
      const status = this.#status.get(component)
      const known = this.#rounds.get(component)
      return {
        component,
        rounds: known ?? 0,
        reliability: status?.reliability ?? null,
        lower: status?.lower ?? null,
        done:
          known !== undefined &&
          (this.#hasFailed(component) ||
            this.#isDone(component) ||
            this.#finished.some(({ names }) => names.includes(component)))
      }
    })
  }
}

/**
 * Samples some of a run's blocks of draws, or all of them (docs/method.md, sections 3b and 3c). Errors are those of
 * `sample`.
 */
export const sampleBlocks = async (
  input: BlocksInput,
  chosen?: readonly ChainName[],
  transport: SamplingTransport = {}
): Promise<SampledBlocks> => {
  const { checkpoint, engine } = input
  const begun =
    checkpoint === undefined ? null : await readState<SavedState>(checkpoint.folder, fingerprintOf(input, chosen))
  const wished = tokensFor(engine)
  return new BlocksSampler(
    input,
    chosen,
    transport,
    begun === null ? wished : { ...wished, block: begun.blockTokens ?? blockTokens }
  ).run()
}
