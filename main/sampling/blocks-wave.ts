import { componentIndex, componentSlices, flatten } from '../models/components'
import { estimateBlocks } from './block-estimates'
import { blockRemedy } from './block-failures'
import type { BlocksPlan } from './blocks-plan'
import type { BlocksState } from './blocks-state'
import { reliabilityInterval } from './reliability'
import { targetsOf } from './rows'
import type { BlockRecord, BlockSums, SampledBlocks } from './sampled'
import { float32, float64, sharedCopy } from './shared-arrays'
import type { BlocksRun, DrawBlock } from './tasks'

interface MutableRecord {
  phis: number[]
  gradientNorms: number[]
  directionNorms: number[]
  observedSlopes: number[]
}

const copyOf = ({ phis, gradientNorms, directionNorms, observedSlopes }: BlockRecord): MutableRecord => ({
  phis: [...phis],
  gradientNorms: [...gradientNorms],
  directionNorms: [...directionNorms],
  observedSlopes: [...observedSlopes]
})

const newBlock = (plan: BlocksPlan, component: string, chain: number, centre: Float32Array): DrawBlock => {
  const {
    input: { sampler, model },
    tokens,
    probe
  } = plan
  const ofWeights = sampler.method === 'first-order' && sampler.nBeta > 0
  const ofTokens = sampler.method === 'gradient' && sampler.nBeta > 0
  return {
    component,
    chain,
    index: componentIndex(model.architecture, component),
    centre,
    gradient: float32(centre.length),
    gradientProduct: float32(ofWeights ? centre.length : 0),
    direction: float32(centre.length),
    point: float32(centre.length),
    slopes: float64(tokens),
    products: float64(ofTokens ? tokens : 0),
    claims: new Int32Array(new SharedArrayBuffer(4 * (1 + probe.length)))
  }
}

/** Draw blocks sampled together: their sums and records, and the steps of the round that each has done. */
export class Wave {
  readonly components: readonly string[]
  readonly run: BlocksRun
  #records: MutableRecord[]
  /** 1 for each step of the round that a block has done, [block, step]. */
  readonly #done: Uint8Array
  /** For each draw block, the summed loss of each observation-row block at the draw of its single gradient. */
  readonly #baseLosses: readonly Float64Array[]
  readonly #plan: BlocksPlan
  readonly #state: BlocksState

  private constructor(
    plan: BlocksPlan,
    state: BlocksState,
    components: readonly string[],
    replicas: readonly DrawBlock[],
    records: MutableRecord[]
  ) {
    const {
      input: {
        model: { architecture, weights },
        sampler,
        seed,
        engine,
        precision
      },
      starts,
      positions
    } = plan
    this.#plan = plan
    this.#state = state
    this.components = components
    this.run = {
      kind: 'blocks',
      engine,
      precision,
      architecture,
      weights,
      sampler,
      seed,
      replicas,
      starts,
      positions
    }
    this.#records = records
    this.#done = new Uint8Array(replicas.length * plan.steps.all)
    this.#baseLosses = replicas.map(() => new Float64Array(plan.observation.length))
  }

  /** Starts a wave, from the sums of the run being continued if there is one. */
  static async open(plan: BlocksPlan, state: BlocksState, components: readonly string[]): Promise<Wave> {
    const {
      model: { architecture, weights },
      begun
    } = plan.input
    const replicas: DrawBlock[] = []
    const records: MutableRecord[] = []
    for (const component of components) {
      const centre = sharedCopy(flatten(weights, componentSlices(architecture, weights, component)))
      for (const { chain } of plan.chosen.filter((each) => each.component === component)) {
        const block = newBlock(plan, component, chain, centre)
        let record: MutableRecord = { phis: [], gradientNorms: [], directionNorms: [], observedSlopes: [] }
        const at = begun?.chains.findIndex((each) => each.component === component && each.chain === chain) ?? -1
        if (begun !== undefined && at >= 0) {
          const { failure } = begun.chains[at]
          if (failure !== null) state.addFailure({ component, ...failure })
          const sums = await begun.sums(at)
          for (const key of ['gradient', 'gradientProduct', 'slopes', 'products'] as const) block[key].set(sums[key])
          record = copyOf(begun.chains[at].record)
        }
        replicas.push(block)
        records.push(record)
      }
      state.rounds.set(component, records[records.length - 1].observedSlopes.length)
    }
    const wave = new Wave(plan, state, components, replicas, records)
    if (begun !== undefined) wave.judge()
    return wave
  }

  get records(): readonly MutableRecord[] {
    return this.#records
  }

  isPending(replica: number, step: number): boolean {
    return (
      this.#done[replica * this.#plan.steps.all + step] === 0 &&
      !this.#state.hasFailed(this.run.replicas[replica].component)
    )
  }

  finish(replica: number, step: number): void {
    this.#done[replica * this.#plan.steps.all + step] = 1
  }

  /** Fraction of the round's steps that a block has done. */
  doneOf(replica: number): number {
    const steps = this.#stepsOf(replica)
    return steps.reduce((a, b) => a + b, 0) / steps.length
  }

  get isMidRound(): boolean {
    return this.#done.some((step) => step !== 0)
  }

  get pending(): readonly string[] {
    return this.components.filter((component) => !this.#state.hasFailed(component) && !this.#state.isDone(component))
  }

  /** The earliest unfinished round, and the blocks that have not done it. */
  nextRound(): { readonly round: number; readonly replicas: readonly number[] } {
    const { rounds } = this.#state
    const { pending } = this
    const round = pending.reduce((least, component) => Math.min(least, rounds.get(component)!), Infinity)
    return {
      round,
      replicas: this.run.replicas.flatMap(({ component }, at) =>
        pending.includes(component) && rounds.get(component) === round ? [at] : []
      )
    }
  }

  endRound(round: number, replicas: readonly number[]): void {
    for (const component of new Set(replicas.map((at) => this.run.replicas[at].component)))
      if (!this.#state.hasFailed(component)) this.#state.rounds.set(component, round + 1)
    this.#done.fill(0)
  }

  /** Turn t = 4 r + b of block b in round r (docs/method.md, section 3c). */
  turn(replica: number, round: number): number {
    return 4 * round + this.run.replicas[replica].chain
  }

  baseLosses(replica: number): Float64Array {
    return this.#baseLosses[replica]
  }

  /** Records φ of a single gradient's draw, once the losses of all observation rows are known. */
  takeBasePhi(replica: number, round: number): void {
    const targets = this.#plan.observation.reduce((sum, block) => sum + targetsOf(block), 0)
    const phi = this.#baseLosses[replica].reduce((a, b) => a + b, 0) / targets - this.#state.initialLoss
    this.#records[replica].phis[round] = phi
    if (!Number.isFinite(phi)) this.fail(replica, `the loss is not finite at draw ${round}`)
  }

  /** Excludes a block's component from the run. */
  fail(replica: number, what: string): void {
    const { component, chain } = this.run.replicas[replica]
    if (this.#state.hasFailed(component)) return
    const { input } = this.#plan
    const message = `${component}: ${what}; the component is excluded; ${blockRemedy(input)}.`
    const { phis, observedSlopes } = this.#records[replica]
    this.#state.addFailure({ component, chain, draw: phis.length, step: observedSlopes.length, message })
    input.onFlag?.({ component, chain, message })
  }

  /** Updates the reliability of each component whose four blocks are in this wave and between rounds. */
  judge(): void {
    const { starts, input } = this.#plan
    for (const component of this.components) {
      const own = this.run.replicas.flatMap((block, at) => (block.component === component ? [at] : []))
      if (own.length < 4 || this.#state.rounds.get(component) === 0 || this.#state.hasFailed(component)) continue
      // Within a round, some rows have more slopes in their sums than others.
      if (own.some((at) => this.#stepsOf(at).some((step) => step !== 0))) continue
      const { splits, drawVariance } = estimateBlocks(
        own.map((at) => this.#records[at]),
        own.map((at) => this.run.replicas[at]),
        input.sampler,
        starts
      )
      const { reliability, low } = reliabilityInterval(splits[0], starts, drawVariance)
      this.#state.reliabilities.set(component, { reliability, lower: low })
    }
  }

  /** False if a task was changing a block when its lane died. */
  get isWhole(): boolean {
    return this.run.replicas.every(({ claims }) => claims.every((_, at) => Atomics.load(claims, at) === 0))
  }

  /** Arrays of a checkpoint, in order. Directions and points are included only within a round. */
  sections(midRound: boolean): ArrayBufferView[] {
    const { base, direction: afterBase } = this.#plan.steps
    return [
      this.#done,
      ...(base < afterBase ? this.#baseLosses : []),
      ...this.run.replicas.flatMap(({ gradient, gradientProduct, slopes, products, direction, point }) => [
        gradient,
        gradientProduct,
        slopes,
        products,
        ...(midRound ? [direction, point] : [])
      ])
    ]
  }

  /** Restores the records of a checkpoint whose arrays have been read into `sections`. */
  restore(records: readonly BlockRecord[]): void {
    this.#records = records.map(copyOf)
  }

  sampled(): SampledBlocks {
    const { replicas } = this.run
    return {
      tokens: this.#plan.tokens,
      initialLoss: this.#state.initialLoss,
      chains: replicas.map(({ component, chain }, at) => ({
        component,
        chain,
        record: this.#records[at],
        failure: this.#state.failureOf(component, chain)
      })),
      sums: (at) => {
        const { slopes, products, gradient, gradientProduct } = replicas[at]
        return Promise.resolve({ slopes, products, gradient, gradientProduct } satisfies BlockSums)
      }
    }
  }

  #stepsOf(replica: number): Uint8Array {
    const { all } = this.#plan.steps
    return this.#done.subarray(replica * all, (replica + 1) * all)
  }
}
