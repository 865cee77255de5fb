import type { BlocksPlan } from './blocks-plan'
import type { BlocksProgress } from './blocks-progress'
import { type BlocksStage, gradientPlace, gradientSlices, observedSlice } from './blocks-schedule'
import type { BlocksState } from './blocks-state'
import type { Wave } from './blocks-wave'
import { taskGroups, mostInTask } from './groups'
import { meanGradientFactors } from './mean-gradient'
import type { OperationCounts } from './operation-counts'
import type { Pool } from './pool'
import { drawsOf } from './rounds'
import { type RowBlock, targetsOf } from './rows'
import type { GradientDraw, Operations, SlopeFactors, ReplicaGroup } from './tasks'

type StageOf<K extends BlocksStage['kind']> = Extract<BlocksStage, { readonly kind: K }>

/** Submits the tasks of a stage to the pool and stores their results in the wave. */
export class BlocksTasks {
  readonly #plan: BlocksPlan
  readonly #state: BlocksState
  readonly #wave: Wave
  readonly #pool: Pool
  readonly #counts: OperationCounts
  readonly #progress: BlocksProgress

  constructor(
    plan: BlocksPlan,
    state: BlocksState,
    wave: Wave,
    pool: Pool,
    counts: OperationCounts,
    progress: BlocksProgress
  ) {
    this.#plan = plan
    this.#state = state
    this.#wave = wave
    this.#pool = pool
    this.#counts = counts
    this.#progress = progress
  }

  /** Starts all tasks of a stage. `keys` identify the shared prefixes of the stage's row blocks. */
  start(stage: BlocksStage, keys: readonly number[]): readonly Promise<void>[] {
    switch (stage.kind) {
      case 'gradients':
        return this.#groups(stage.replicas, mostInTask, (replica) => this.#chain(replica)).map((group) =>
          this.#gradients(stage, keys, group)
        )
      case 'base':
        return stage.blocks.flatMap((block, i) =>
          this.#groups(stage.replicas[i], mostInTask, () => 0).map((group) =>
            this.#baseLosses(block, stage.first + i, keys[i], group)
          )
        )
      case 'direction':
        return stage.replicas
          .filter((replica) => this.#wave.isPending(replica, this.#plan.steps.direction))
          .map((replica) => this.#direction(replica, stage.round))
      case 'observed':
        return this.#groups(stage.replicas, this.#mostInSlopeTask, (replica) => this.#chain(replica)).map((group) =>
          this.#observedSlope(stage, keys, group)
        )
      case 'probe':
        return stage.blocks.flatMap((block, i) => {
          const step = this.#plan.steps.probe + stage.first + i
          const pending = stage.replicas[i].filter((replica) => this.#wave.isPending(replica, step))
          return this.#groups(pending, this.#mostInSlopeTask, () => 0).map((group) =>
            this.#probeSlopes(block, stage.first + i, stage.round, keys[i], group)
          )
        })
    }
  }

  #chain(replica: number): number {
    return this.#wave.run.replicas[replica].chain
  }

  /** Limit of replicas in a slope task, which computes several points for each. */
  get #mostInSlopeTask(): number {
    return Math.max(1, Math.floor(mostInTask / this.#plan.slopePoints))
  }

  #groups(replicas: readonly number[], most: number, alike: (replica: number) => number): readonly ReplicaGroup[] {
    if (!this.#pool.stacks) return replicas.map((replica) => ({ replicas: [replica], width: 1 }))
    const components = this.#wave.run.replicas.map(({ component }) => component)
    return taskGroups(components, replicas, most, alike)
  }

  #cost(replica: number, blocks: readonly RowBlock[], kind: keyof Operations): number {
    return this.#counts.of(this.#wave.run.replicas[replica].component, blocks, kind)
  }

  async #gradients(
    { round, step, slices }: StageOf<'gradients'>,
    keys: readonly number[],
    group: ReplicaGroup
  ): Promise<void> {
    const [first] = group.replicas
    const { method } = this.#plan.input.sampler
    const isPaired = method === 'first-order'
    const slicesOf = (replica: number): readonly number[] =>
      gradientSlices(this.#plan, this.#wave.turn(replica, round), step)
    const place = gradientPlace(this.#plan, this.#wave.turn(first, round), step)
    const shared = slicesOf(first).map((slice) => slices.of(slice, keys, this.#state.rowLosses))
    const cost = group.replicas.reduce((sum, replica) => {
      const own = slicesOf(replica)
      return sum + this.#cost(replica, slices.blocksOf(own[0]), 'gradient') * own.length
    }, 0)
    const draws: readonly (readonly GradientDraw[])[] = isPaired
      ? await this.#pool.run<'pair'>({ kind: 'pair', ...group, pair: place, slices: [shared[0], shared[1]] }, cost)
      : (await this.#pool.run<'base'>({ kind: 'base', ...group, draw: place, slice: shared[0] }, cost)).map((draw) => [
          draw
        ])
    const from = round * drawsOf(method, this.#plan.pairs) + (isPaired ? 2 * step : 0)
    group.replicas.forEach((replica, at) => {
      const record = this.#wave.records[replica]
      draws[at].forEach(({ phi, norm }, i) => {
        record.phis[from + i] = phi
        record.gradientNorms[from + i] = norm
        if (!Number.isFinite(phi) || !Number.isFinite(norm))
          this.#wave.fail(replica, `the loss is not finite at draw ${from + i}`)
      })
      this.#wave.finish(replica, step)
    })
    this.#progress.advance(
      first,
      cost,
      shared.reduce((sum, { targets }) => sum + targets * group.replicas.length, 0)
    )
  }

  async #baseLosses(block: RowBlock, number: number, prefix: number, group: ReplicaGroup): Promise<void> {
    const cost = group.replicas.reduce((sum, replica) => sum + this.#cost(replica, [block], 'losses'), 0)
    const losses = await this.#pool.run<'baseLosses'>({ kind: 'baseLosses', ...group, prefix }, cost)
    group.replicas.forEach((replica, at) => {
      this.#wave.baseLosses(replica)[number] = losses[at]
      this.#wave.finish(replica, this.#plan.steps.base + number)
    })
    this.#progress.advance(group.replicas[0], cost, targetsOf(block) * group.replicas.length)
  }

  async #direction(replica: number, round: number): Promise<void> {
    const { input, steps } = this.#plan
    const { method, nBeta } = input.sampler
    if (steps.base < steps.direction) this.#wave.takeBasePhi(replica, round)
    const record = this.#wave.records[replica]
    const factors = method === 'gradient' ? { plain: 1, product: 0 } : meanGradientFactors(record.phis, nBeta)
    const norm = await this.#pool.run<'direction'>(
      { kind: 'direction', replica, turn: this.#wave.turn(replica, round), ...factors },
      0
    )
    record.directionNorms[round] = norm
    if (!Number.isFinite(norm)) this.#wave.fail(replica, `the mean gradient is not finite in round ${round + 1}`)
    this.#wave.finish(replica, steps.direction)
  }

  #slopeFactors(replica: number, round: number): SlopeFactors {
    const { method, nBeta } = this.#plan.input.sampler
    const { directionNorms, phis } = this.#wave.records[replica]
    const norm = directionNorms[round]
    if (method === 'first-order') return { norm, weight: 1, product: 0 }
    const weight = Math.exp(-nBeta * phis[round])
    return { norm, weight, product: weight * phis[round] }
  }

  #checkSlope(replica: number, round: number, slope: number): void {
    if (!Number.isFinite(slope)) this.#wave.fail(replica, `the loss is not finite at the point of round ${round + 1}`)
  }

  async #observedSlope(
    { round, slices }: StageOf<'observed'>,
    keys: readonly number[],
    group: ReplicaGroup
  ): Promise<void> {
    const [first] = group.replicas
    const sliceOf = (replica: number): number => observedSlice(this.#plan, this.#wave.turn(replica, round))
    const points = this.#plan.slopePoints
    const slice = slices.of(sliceOf(first), keys, this.#state.rowLosses)
    const cost = group.replicas.reduce(
      (sum, replica) => sum + points * this.#cost(replica, slices.blocksOf(sliceOf(replica)), 'losses'),
      0
    )
    const factors = group.replicas.map((replica) => this.#slopeFactors(replica, round))
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
      this.#wave.records[replica].observedSlopes[round] = slope
      this.#checkSlope(replica, round, slope)
      this.#wave.finish(replica, this.#plan.steps.observed)
    })
    this.#progress.advance(first, cost, slice.targets * points * group.replicas.length)
  }

  async #probeSlopes(
    block: RowBlock,
    number: number,
    round: number,
    prefix: number,
    group: ReplicaGroup
  ): Promise<void> {
    const points = this.#plan.slopePoints
    const cost = group.replicas.reduce((sum, replica) => sum + points * this.#cost(replica, [block], 'losses'), 0)
    const factors = group.replicas.map((replica) => this.#slopeFactors(replica, round))
    const sums = await this.#pool.run<'slopes'>(
      { kind: 'slopes', ...group, prefix, indices: block.indices, claim: 1 + number, factors },
      cost
    )
    group.replicas.forEach((replica, at) => {
      this.#checkSlope(replica, round, sums[at])
      this.#wave.finish(replica, this.#plan.steps.probe + number)
    })
    this.#progress.advance(group.replicas[0], cost, targetsOf(block) * points * group.replicas.length)
  }
}
