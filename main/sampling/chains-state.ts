import type { ChainsPlan } from './chains-plan'
import type { FailedChain } from './diagnostics'
import { finiteRemedy, meanPhi } from './estimates'
import { makeReplicas } from './replicas'
import type { SampledChains } from './sampled'
import { float32 } from './shared-arrays'
import type { ChainsRun } from './tasks'

export interface ChainFailure extends FailedChain {
  readonly replica: number
}

/** State of a run of chains: replicas, progress of each, traces and failures. */
export class ChainsState {
  readonly run: ChainsRun
  /** L(w*) in nats; NaN until it is measured. */
  initialLoss = NaN
  /** Replicas with an update in progress: some ranges may be new and others old. */
  readonly halfUpdated = new Set<number>()
  /** Steps and draws done by each replica, and blocks of rows done within its current draw. */
  readonly steps: Int32Array
  readonly draws: Int32Array
  readonly blocks: Int32Array
  /** Summed loss of the observation rows at the current draw, by replica. */
  readonly drawSums: Float64Array
  /** L and ‖u - u*‖, [replica, draw]. */
  readonly #losses: Float64Array
  readonly #distances: Float64Array
  readonly #plan: ChainsPlan
  readonly #failures: ChainFailure[] = []

  constructor(plan: ChainsPlan) {
    const {
      input: { model, engine, precision, sampler, seed },
      tokens,
      starts,
      positions,
      rangeWeights
    } = plan
    const replicas = makeReplicas(plan)
    this.#plan = plan
    this.run = {
      kind: 'chains',
      engine,
      precision,
      architecture: model.architecture,
      weights: model.weights,
      sampler,
      seed,
      replicas,
      rangeWeights,
      starts,
      positions,
      initialLosses: float32(tokens)
    }
    const count = replicas.length
    this.steps = new Int32Array(count)
    this.draws = new Int32Array(count)
    this.blocks = new Int32Array(count)
    this.drawSums = new Float64Array(count)
    this.#losses = new Float64Array(count * sampler.draws).fill(NaN)
    this.#distances = new Float64Array(count * sampler.draws).fill(NaN)
  }

  get failures(): readonly ChainFailure[] {
    return this.#failures
  }

  hasFailed(replica: number): boolean {
    return this.#failures.some((failure) => failure.replica === replica)
  }

  /** L at the current draw, after all observation rows. */
  drawLoss(replica: number): number {
    return this.drawSums[replica] / this.#plan.observedTargets
  }

  /** Stores the loss of a draw. Returns the mean φ of the first half of the draws if this is its last, else null. */
  closeLosses(replica: number, draw: number, loss: number): number | null {
    const { draws } = this.run.sampler
    this.#losses[replica * draws + draw] = loss
    const firstHalf = this.#losses.subarray(replica * draws, replica * draws + Math.floor(draws / 2))
    return draw + 1 === firstHalf.length ? meanPhi(firstHalf, this.initialLoss) : null
  }

  endDraw(replica: number, draw: number, distance: number): void {
    this.#distances[replica * this.run.sampler.draws + draw] = distance
    this.drawSums[replica] = 0
    this.blocks[replica] = 0
    this.draws[replica] = draw + 1
  }

  /** Ends a chain and excludes its draws. */
  fail(replica: number, what: string): void {
    const { component, chain } = this.run.replicas[replica]
    const { draws } = this.run.sampler
    const { input } = this.#plan
    const message =
      `${component}, chain ${chain + 1}: ${what}; the chain ends here and its draws are excluded; ` +
      `${finiteRemedy(input)}.`
    this.blocks[replica] = 0
    this.#failures.push({ replica, chain, draw: this.draws[replica], step: this.steps[replica], message })
    this.#losses.fill(NaN, replica * draws + this.draws[replica], (replica + 1) * draws)
    input.onFlag?.({ component, chain, message })
  }

  /** False if a task was changing a replica when its lane died. */
  get isWhole(): boolean {
    return (
      this.halfUpdated.size === 0 &&
      this.run.replicas.every(({ claims }) => claims.every((_, at) => Atomics.load(claims, at) === 0))
    )
  }

  /** Position of the slowest chain, as text. */
  get position(): string {
    const alive = this.run.replicas.flatMap((_, replica) => (this.hasFailed(replica) ? [] : [replica]))
    const least = (counts: Int32Array): number =>
      alive.reduce((min, replica) => Math.min(min, counts[replica]), Infinity)
    return `step ${least(this.steps)} and draw ${least(this.draws)}`
  }

  get isMidDraw(): boolean {
    return this.blocks.some((block) => block > 0)
  }

  /** Arrays of a checkpoint, in order. Weights at nβ = 0 are left out, because each draw computes them anew. */
  sections(midDraw: boolean): ArrayBufferView[] {
    const replicas = this.run.replicas.flatMap(({ weights, squares, losses, sums, firstHalf }) => [
      ...(this.run.sampler.nBeta === 0 ? [] : [weights, squares]),
      ...[sums, firstHalf].flatMap(({ loss, product }) => [loss, product]),
      ...(midDraw ? [losses] : [])
    ])
    return [
      this.steps,
      this.draws,
      this.blocks,
      this.drawSums,
      this.#losses,
      this.#distances,
      this.run.initialLosses,
      ...replicas
    ]
  }

  /** Restores the other fields of a checkpoint whose arrays have been read into `sections`. */
  restore(initialLoss: number, failures: readonly ChainFailure[]): void {
    this.initialLoss = initialLoss
    this.#failures.push(...failures)
  }

  sampled(): SampledChains {
    const {
      replicas,
      sampler: { draws }
    } = this.run
    const ofReplica = (values: Float64Array, replica: number): Float64Array =>
      values.slice(replica * draws, (replica + 1) * draws)
    return {
      tokens: this.#plan.tokens,
      initialLoss: this.initialLoss,
      chains: replicas.map(({ component, chain }, replica) => ({
        component,
        chain,
        initialLoss: this.initialLoss,
        failure: this.#failureOf(replica),
        losses: ofReplica(this.#losses, replica),
        distances: ofReplica(this.#distances, replica)
      })),
      sums: (at) => Promise.resolve([replicas[at].firstHalf, replicas[at].sums])
    }
  }

  #failureOf(replica: number): FailedChain | null {
    const found = this.#failures.find((failure) => failure.replica === replica)
    if (found === undefined) return null
    const { replica: _, ...failure } = found
    return failure
  }
}
