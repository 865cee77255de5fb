import { areLong } from '../engine/core'
import type { ChainsPlan } from './chains-plan'
import type { ChainsProgress } from './chains-progress'
import { type ChainsStage, pendingIn } from './chains-schedule'
import type { ChainsState } from './chains-state'
import { programGroups } from './groups'
import type { OperationCounts } from './operation-counts'
import type { Pool } from './pool'
import { type RowBlock, targetsOf } from './rows'
import type { Operations, StepPart, StepResult, ReplicaGroup } from './tasks'

type StageOf<K extends ChainsStage['kind']> = Extract<ChainsStage, { readonly kind: K }>

const targetsIn = (blocks: readonly RowBlock[]): number => blocks.reduce((sum, block) => sum + targetsOf(block), 0)

/** Submits the tasks of a stage to the pool and stores their results in the state. */
export class ChainsTasks {
  readonly #plan: ChainsPlan
  readonly #state: ChainsState
  readonly #pool: Pool
  readonly #counts: OperationCounts
  readonly #progress: ChainsProgress

  constructor(plan: ChainsPlan, state: ChainsState, pool: Pool, counts: OperationCounts, progress: ChainsProgress) {
    this.#plan = plan
    this.#state = state
    this.#pool = pool
    this.#counts = counts
    this.#progress = progress
  }

  /**
   * Starts all tasks of a stage, those with the most weights to update first, so that other tasks run during the
   * updates; then by amount of work. `keys` identify the shared prefixes of the stage's row blocks.
   */
  start(stage: ChainsStage, keys: readonly number[]): Promise<void>[] {
    const pending = new Set(pendingIn(stage, this.#state))
    const groups = this.#mayStack(stage)
      ? programGroups(this.#state.run.replicas.map(({ component }) => component))
      : [...pending].map((replica) => [replica])
    const order = groups.flatMap((group) => {
      const replicas = group.filter((replica) => pending.has(replica))
      const all = (of: (replica: number) => number): number => replicas.reduce((sum, replica) => sum + of(replica), 0)
      return replicas.length === 0
        ? []
        : [
            {
              replicas,
              width: group.length,
              cost: all((replica) => this.#costOf(stage, replica)),
              updates: all((replica) => this.#updatesOf(stage, replica))
            }
          ]
    })
    return order
      .sort((a, b) => b.updates - a.updates || b.cost - a.cost || a.replicas[0] - b.replicas[0])
      .map(({ replicas, width }) => this.#work(stage, { replicas, width }, keys))
  }

  /**
   * Whether one task may compute several replicas: not if threads share the rows of a replica, or if rows are long
   * and computed layer by layer.
   */
  #mayStack({ kind, blocks }: ChainsStage): boolean {
    return (
      (kind === 'step' || kind === 'losses') &&
      this.#pool.stacks &&
      !this.#plan.sizes.split &&
      blocks.every(({ rows: { length } }) => !areLong(this.#state.run.architecture, length - 1))
    )
  }

  #costOf(stage: ChainsStage, replica: number): number {
    switch (stage.kind) {
      case 'step':
        return this.#cost(replica, stage.blocks, 'gradient')
      case 'losses':
        return this.#cost(replica, stage.blocks, 'losses')
      case 'gaussian':
        return this.#state.run.replicas[replica].weights.length
      case 'commit':
        return 0
    }
  }

  #cost(replica: number, blocks: readonly RowBlock[], kind: keyof Operations): number {
    return this.#counts.of(this.#state.run.replicas[replica].component, blocks, kind)
  }

  /** Weights that updating lanes change after a replica's task. */
  #updatesOf({ kind }: ChainsStage, replica: number): number {
    return kind === 'step' && this.#plan.lanes.updating > 0 ? this.#state.run.replicas[replica].weights.length : 0
  }

  async #work(stage: ChainsStage, group: ReplicaGroup, keys: readonly number[]): Promise<void> {
    const [replica] = group.replicas
    switch (stage.kind) {
      case 'step':
        return this.#step(stage, group, keys)
      case 'gaussian':
        await this.#pool.run<'gaussian'>({ kind: 'gaussian', replica, draw: stage.draw }, 0)
        return
      case 'losses':
        return this.#losses(stage, group, keys)
      case 'commit':
        return this.#commit(stage.draw, replica)
    }
  }

  #fail(replica: number, what: string): void {
    this.#progress.skip(replica)
    this.#state.fail(replica, what)
  }

  async #step(
    { step, blocks, part }: StageOf<'step'>,
    group: ReplicaGroup,
    prefixes: readonly number[]
  ): Promise<void> {
    const { replicas } = group
    const inChunks = this.#state.run.replicas[replicas[0]].parts.length > 0
    const results = inChunks
      ? await Promise.all(replicas.map((replica) => this.#stepInChunks(replica, step, blocks, prefixes, part)))
      : await this.#stepAsOneTask(group, step, blocks, prefixes, part)
    for (const [at, { lossSum, finite }] of results.entries()) {
      const replica = replicas[at]
      if (!Number.isFinite(lossSum)) this.#fail(replica, `the loss is not finite at step ${step}`)
      else if (!finite) this.#fail(replica, `the weights are not finite after step ${step}`)
      else if (part.ends) this.#state.steps[replica] = step + 1
      this.#progress.advance(replica, this.#cost(replica, blocks, 'gradient'), targetsIn(blocks))
    }
  }

  /** One task for all replicas, then the updates if updating lanes do them. */
  async #stepAsOneTask(
    { replicas, width }: ReplicaGroup,
    step: number,
    blocks: readonly RowBlock[],
    prefixes: readonly number[],
    part: StepPart
  ): Promise<readonly StepResult[]> {
    const apart = this.#plan.lanes.updating > 0 && part.ends
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

  /** One task per chunk, then the updates, which sum the chunks' gradients. */
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

  /** One task for each range of the replica's weights. */
  async #update(replica: number, step: number, parts: number, part: StepPart): Promise<boolean> {
    const { claims } = this.#state.run.replicas[replica]
    this.#state.halfUpdated.add(replica)
    const finite = await Promise.all(
      Array.from(claims, (_, range) =>
        this.#pool.run<'update'>({ kind: 'update', replica, step, parts, range, ...part }, 0)
      )
    )
    this.#state.halfUpdated.delete(replica)
    return finite.every(Boolean)
  }

  async #losses(
    stage: StageOf<'losses'>,
    { replicas, width }: ReplicaGroup,
    prefixes: readonly number[]
  ): Promise<void> {
    const { blocks, first } = stage
    const { observation, input } = this.#plan
    const isProbe = first >= observation.length
    const phis = replicas.map((replica) =>
      input.observationIncludesProbe ? null : this.#state.drawLoss(replica) - this.#state.initialLoss
    )
    const [replica] = replicas
    if (this.#state.run.replicas[replica].blockLosses.length > 0) {
      // With more threads than before, a resumed stage has more blocks and may be partly done.
      const done = Math.max(0, this.#state.blocks[replica] - first)
      const own = blocks.slice(done)
      const sums = await this.#lossesByBlock(replica, own, prefixes.slice(done), isProbe, phis[0])
      return this.#takeLosses(stage, replica, own, sums)
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
    replicas.forEach((each, at) => this.#takeLosses(stage, each, blocks, [sums[at]]))
  }

  #takeLosses(
    { draw, first, end }: StageOf<'losses'>,
    replica: number,
    blocks: readonly RowBlock[],
    sums: readonly number[]
  ): void {
    const { observation, input } = this.#plan
    if (sums.every(Number.isFinite)) {
      if (first < observation.length || input.observationIncludesProbe)
        for (const sum of sums) this.#state.drawSums[replica] += sum
      this.#state.blocks[replica] = end
    } else this.#fail(replica, `the loss is not finite at draw ${draw}`)
    this.#progress.advance(replica, this.#cost(replica, blocks, 'losses'), targetsIn(blocks))
  }

  /** One task per block, then one that adds up their losses. */
  async #lossesByBlock(
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
      const taken = blocks.map(({ indices, rows: { length } }) => ({ indices, targets: length - 1 }))
      await this.#pool.run<'take'>({ kind: 'take', replica, blocks: taken, phi }, 0)
    }
    return sums
  }

  async #commit(draw: number, replica: number): Promise<void> {
    const loss = this.#state.drawLoss(replica)
    const closing = this.#state.closeLosses(replica, draw, loss)
    const phi = loss - this.#state.initialLoss
    const distance = await this.#pool.run<'commit'>({ kind: 'commit', replica, phi, closing }, 0)
    this.#state.endDraw(replica, draw, distance)
    const { component, chain } = this.#state.run.replicas[replica]
    this.#plan.input.onTrace?.({ component, chain, draw, loss, distance })
  }
}
