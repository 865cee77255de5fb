import { roundsOf } from '../../preload/configuration'
import type { ComponentProgress } from '../../preload/contract-progress'
import type { BlocksPlan } from './blocks-plan'
import type { BlocksState } from './blocks-state'
import type { Wave } from './blocks-wave'
import { Meter, progressInterval } from './meter'
import type { OperationCounts } from './operation-counts'
import { drawsOf, likelyRounds, roundsNeeded } from './rounds'
import type { RowBlock } from './rows'
import type { Operations } from './tasks'

/** Progress of a run of draw blocks: operations done and left, speed, and reliability of each component. */
export class BlocksProgress {
  /** Operations done; saved in checkpoints. */
  operations = 0
  readonly #plan: BlocksPlan
  readonly #state: BlocksState
  readonly #meter = new Meter()
  readonly #finished = new Set<string>()
  #wave!: Wave
  #counts!: OperationCounts
  #reportedAt = -Infinity
  #workingOn: { readonly component: string; readonly chain: number } | undefined

  constructor(plan: BlocksPlan, state: BlocksState) {
    this.#plan = plan
    this.#state = state
  }

  begin(wave: Wave, counts: OperationCounts): void {
    this.#wave = wave
    this.#counts = counts
  }

  finish(components: readonly string[]): void {
    for (const component of components) this.#finished.add(component)
  }

  /** Counts a finished task of `replica`: its operations, and the target positions it covered. */
  advance(replica: number, operations: number, tokens: number): void {
    this.#meter.add(operations, tokens)
    this.operations += operations
    const { component, chain } = this.#wave.run.replicas[replica]
    this.#workingOn = { component, chain }
    if (performance.now() - this.#reportedAt >= progressInterval) this.report()
  }

  report(): void {
    const { onProgress, sampler } = this.#plan.input
    if (onProgress === undefined) return
    this.#reportedAt = performance.now()
    const rates = this.#meter.rates()
    const remaining = this.#remaining()
    const { components } = this.#wave
    onProgress({
      stage: 'sample',
      step: 0,
      steps: 0,
      draw: Math.min(...components.map((component) => this.#state.rounds.get(component)!)),
      draws: roundsOf(sampler),
      component: this.#workingOn?.component ?? components[0],
      chain: this.#workingOn?.chain ?? 0,
      tokensPerSecond: rates.tokens,
      fractionDone: Math.min(1, this.operations / Math.max(1, this.operations + remaining)),
      secondsLeft: remaining / rates.operations,
      initialLoss: this.#state.initialLoss,
      reliabilities: this.#plan.components.map((component) => this.#progressOf(component))
    })
  }

  /** Operations expected to remain, in this wave and later ones. */
  #remaining(): number {
    const { run } = this.#wave
    const pending = this.#plan.components.filter(
      (component) =>
        !this.#finished.has(component) && !this.#state.hasFailed(component) && !this.#state.isDone(component)
    )
    const left = pending.reduce((sum, component) => {
      const rounds = this.#expectedRounds(component) - (this.#state.rounds.get(component) ?? 0)
      return sum + rounds * this.#roundCost(component)
    }, 0)
    const inRound = run.replicas.reduce((sum, { component }, replica) => {
      const count = this.#blocksOf(component)
      return sum + (this.#roundCost(component) / count) * this.#wave.doneOf(replica)
    }, 0)
    return Math.max(0, left - inRound)
  }

  #blocksOf(component: string): number {
    return this.#plan.chosen.filter((block) => block.component === component).length
  }

  /** Operations of one round of a component. */
  #roundCost(component: string): number {
    const { input, observation, observed, probe, pairs, slopePoints, steps } = this.#plan
    const { method, observationBatch } = input.sampler
    const cost = (kind: keyof Operations, blocks: readonly RowBlock[]): number =>
      this.#counts.of(component, blocks, kind)
    const perRow = cost('gradient', observation) / observed.length
    const gradients = drawsOf(method, pairs) * observationBatch * perRow
    const base = steps.base < steps.direction ? cost('losses', observation) : 0
    return this.#blocksOf(component) * (gradients + base + slopePoints * cost('losses', probe))
  }

  /** Rounds that a component is expected to take in total. */
  #expectedRounds(component: string): number {
    const { sampler } = this.#plan.input
    const most = roundsOf(sampler)
    const rounds = this.#state.rounds.get(component) ?? 0
    const known = this.#state.reliabilities.get(component)
    if (sampler.targetReliability === false) return most
    if (known === undefined || rounds === 0)
      return Math.min(most, Math.ceil(likelyRounds(sampler.method, sampler.targetReliability)))
    return Math.min(most, Math.max(rounds + 1, roundsNeeded(rounds, known.reliability, sampler.targetReliability)))
  }

  #progressOf(component: string): ComponentProgress {
    const known = this.#state.reliabilities.get(component)
    const rounds = this.#state.rounds.get(component)
    return {
      component,
      rounds: rounds ?? 0,
      reliability: known?.reliability ?? null,
      lower: known?.lower ?? null,
      done:
        rounds !== undefined &&
        (this.#state.hasFailed(component) || this.#state.isDone(component) || this.#finished.has(component))
    }
  }
}
