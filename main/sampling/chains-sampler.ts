import { SpectroscopeError } from '../../preload/errors'
import { settleEngine } from '../engine/engines'
import { ChainsCheckpoint, begunBlockTokens } from './chains-checkpoint'
import { type ChainsPlan, planChains } from './chains-plan'
import { ChainsProgress } from './chains-progress'
import { scheduleChains } from './chains-schedule'
import { ChainsState } from './chains-state'
import { ChainsTasks } from './chains-tasks'
import { CheckpointClock } from './checkpoint'
import { checkFailures } from './estimates'
import { checkInitialLoss, measureLossSum } from './initial-loss'
import { type ChainName, type ChainsInput, type SamplingTransport, fingerprintOf, sampledNames } from './input'
import { Lockstep } from './lockstep'
import { OperationCounts } from './operation-counts'
import { Pool } from './pool'
import { blockTokens, tokensFor } from './rows'
import type { SampledChains } from './sampled'
import { threadLanes } from './thread-lanes'

/** Samples the chosen chains of a run in lockstep until each has all its draws. */
class ChainsSampler {
  readonly #plan: ChainsPlan
  readonly #state: ChainsState
  readonly #checkpoint: ChainsCheckpoint | undefined
  readonly #clock: CheckpointClock | undefined

  constructor(plan: ChainsPlan) {
    const { checkpoint } = plan.input
    this.#plan = plan
    this.#state = new ChainsState(plan)
    this.#clock = checkpoint === undefined ? undefined : new CheckpointClock(checkpoint.everySeconds)
    this.#checkpoint = checkpoint === undefined ? undefined : new ChainsCheckpoint(checkpoint.folder, plan, this.#state)
  }

  async run({ openLane = threadLanes(), pick }: SamplingTransport): Promise<SampledChains> {
    const {
      input,
      lanes,
      sizes: { chunks, blocks, split }
    } = this.#plan
    const { replicas } = this.#state.run
    settleEngine(input.engine)
    const tasks = replicas.length * (split ? Math.max(chunks, blocks) : 1)
    const ranges = replicas.reduce((sum, { claims }) => sum + claims.length, 0)
    const pool = await Pool.open(
      this.#state.run,
      openLane,
      { evaluating: Math.min(lanes.evaluating, tasks), updating: Math.min(lanes.updating, ranges) },
      pick
    )
    const lockstep = new Lockstep(pool, {
      signal: input.signal,
      interrupt: () => this.#interrupt(),
      keep: () => this.#keep()
    })
    const drop = (): void => pool.drop()
    input.signal?.addEventListener('abort', drop)
    try {
      const resumed = (await this.#checkpoint?.resume()) === true
      const counts = await this.#countOperations(pool, lockstep)
      if (!resumed) await this.#measureInitialLoss(pool, lockstep, counts)
      await this.#sample(pool, lockstep, counts)
    } finally {
      input.signal?.removeEventListener('abort', drop)
      await pool.close()
    }
    return this.#state.sampled()
  }

  #countOperations(pool: Pool, lockstep: Lockstep): Promise<OperationCounts> {
    const { input } = this.#plan
    const { sampling, observation, probe } = input.study
    const lengths = [...sampling, ...observation, ...probe].map(({ length }) => length)
    return OperationCounts.count(pool, lockstep, sampledNames(input), lengths)
  }

  async #measureInitialLoss(pool: Pool, lockstep: Lockstep, counts: OperationCounts): Promise<void> {
    const loss = (await measureLossSum(this.#plan, pool, lockstep, counts)) / this.#plan.observedTargets
    checkInitialLoss(loss, this.#plan.input.precision)
    this.#state.initialLoss = loss
  }

  async #sample(pool: Pool, lockstep: Lockstep, counts: OperationCounts): Promise<void> {
    const progress = new ChainsProgress(this.#plan, this.#state, counts)
    const tasks = new ChainsTasks(this.#plan, this.#state, pool, counts, progress)
    const stages = scheduleChains(this.#plan, this.#state)
    this.#checkFailures()
    await lockstep.run(
      () => {
        const stage = stages.next().value ?? undefined
        return stage && { blocks: stage.blocks, start: (keys) => tasks.start(stage, keys) }
      },
      async () => {
        this.#checkFailures()
        if (this.#clock?.isDue === true) await this.#clock.during(async () => this.#checkpoint!.save())
      }
    )
  }

  /**
   * Throws if no estimate is possible any more. A part of a run is not judged alone, because other parts may succeed.
   */
  #checkFailures(): void {
    if (this.#state.failures.length > 0 && this.#plan.whole)
      checkFailures(
        this.#plan.input,
        this.#state.run.replicas.filter((_, replica) => !this.#state.hasFailed(replica))
      )
  }

  async #interrupt(): Promise<never> {
    const begun = Number.isFinite(this.#state.initialLoss)
    if (begun) await this.#checkpoint?.save()
    const kept =
      this.#checkpoint === undefined
        ? 'there is no checkpoint, so the next run starts over'
        : begun
          ? 'resume the run to continue'
          : 'nothing was sampled yet'
    throw new SpectroscopeError('interrupted', `Sampling was interrupted after ${this.#state.position}; ${kept}.`)
  }

  /** Saves progress after an engine failure. If a task was changing a replica, the previous checkpoint stays. */
  async #keep(): Promise<void> {
    if (!this.#state.isWhole || !Number.isFinite(this.#state.initialLoss)) return
    await this.#checkpoint?.save().catch(() => {
      // The engine failure is reported instead.
    })
  }
}

/**
 * Samples chains of a run, all or only `chosen`, in lockstep (docs/method.md, section 2). Throws the errors of
 * `sample`.
 */
export const sampleChains = async (
  input: ChainsInput,
  chosen?: readonly ChainName[],
  transport: SamplingTransport = {}
): Promise<SampledChains> => {
  const { checkpoint, engine } = input
  const begun =
    checkpoint === undefined ? null : await begunBlockTokens(checkpoint.folder, fingerprintOf(input, chosen))
  const wished = tokensFor(engine)
  const atOnce = begun === null ? wished : { ...wished, block: begun ?? blockTokens }
  return new ChainsSampler(planChains(input, chosen, transport, atOnce)).run(transport)
}
