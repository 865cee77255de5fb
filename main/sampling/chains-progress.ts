import { type ChainsPlan, chunksOf, stepsBefore } from './chains-plan'
import type { ChainsState } from './chains-state'
import { Meter, progressInterval } from './meter'
import type { OperationCounts } from './operation-counts'
import type { RowBlock } from './rows'
import type { Operations } from './tasks'

/** Progress of a run of chains: operations done of those planned, and speed. */
export class ChainsProgress {
  readonly #plan: ChainsPlan
  readonly #state: ChainsState
  readonly #counts: OperationCounts
  readonly #meter = new Meter()
  /** Operations of one step and of one draw, by replica. */
  readonly #costs: readonly { readonly step: number; readonly draw: number }[]
  readonly #planned: number
  #done = 0
  #reportedAt = -Infinity

  constructor(plan: ChainsPlan, state: ChainsState, counts: OperationCounts) {
    this.#plan = plan
    this.#state = state
    this.#counts = counts
    const { sampler } = plan.input
    const batch = sampler.nBeta === 0 ? [] : chunksOf(plan, 0)
    this.#costs = state.run.replicas.map((_, replica) => ({
      step: this.#cost(replica, batch, 'gradient'),
      draw: this.#cost(replica, plan.evaluated, 'losses')
    }))
    const whole = this.#costs.map(
      ({ step, draw }) => step * stepsBefore(sampler, sampler.draws - 1) + draw * sampler.draws
    )
    this.#planned = whole.reduce((sum, own) => sum + own, 0)
    for (const [replica, own] of whole.entries())
      this.#done += own - (state.hasFailed(replica) ? 0 : this.#remaining(replica))
  }

  /** Counts a finished task of `replica`: its operations, and the target positions it covered. */
  advance(replica: number, operations: number, tokens: number): void {
    this.#meter.add(operations, tokens)
    this.#done += operations
    this.#report(replica)
  }

  /** Counts the remaining operations of a failed replica as done. */
  skip(replica: number): void {
    this.#done += this.#remaining(replica)
  }

  #cost(replica: number, blocks: readonly RowBlock[], kind: keyof Operations): number {
    return this.#counts.of(this.#state.run.replicas[replica].component, blocks, kind)
  }

  /** Operations that a replica still has to do. */
  #remaining(replica: number): number {
    const { evaluated, input } = this.#plan
    const { steps, draws, blocks } = this.#state
    const { sampler } = input
    const { step, draw } = this.#costs[replica]
    return (
      step * (stepsBefore(sampler, sampler.draws - 1) - steps[replica]) +
      draw * (sampler.draws - draws[replica]) -
      this.#cost(replica, evaluated.slice(0, blocks[replica]), 'losses')
    )
  }

  #report(replica: number): void {
    const { onProgress, sampler } = this.#plan.input
    const now = performance.now()
    if (onProgress === undefined || now - this.#reportedAt < progressInterval) return
    this.#reportedAt = now
    const { component, chain } = this.#state.run.replicas[replica]
    const rates = this.#meter.rates()
    onProgress({
      stage: 'sample',
      step: this.#state.steps[replica],
      steps: stepsBefore(sampler, sampler.draws - 1),
      draw: this.#state.draws[replica],
      draws: sampler.draws,
      component,
      chain,
      tokensPerSecond: rates.tokens,
      fractionDone: Math.min(1, this.#done / this.#planned),
      secondsLeft: Math.max(0, this.#planned - this.#done) / rates.operations,
      initialLoss: this.#state.initialLoss
    })
  }
}
