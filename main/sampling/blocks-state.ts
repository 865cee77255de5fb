import { roundsOf } from '../../preload/configuration'
import type { BlocksPlan } from './blocks-plan'
import type { FailedChain } from './diagnostics'

export interface BlockFailure extends FailedChain {
  readonly component: string
}

interface Reliability {
  readonly reliability: number
  readonly lower: number
}

/** State of a run of draw blocks over all its components: losses at w*, rounds, reliabilities and failures. */
export class BlocksState {
  /** L(w*) in nats; NaN until it is measured. */
  initialLoss = NaN
  /** Summed loss of each observation row at w*, in nats. */
  rowLosses: readonly number[] = []
  /** Rounds done by each component. */
  readonly rounds = new Map<string, number>()
  readonly reliabilities = new Map<string, Reliability>()
  readonly #plan: BlocksPlan
  readonly #failures: BlockFailure[] = []

  constructor(plan: BlocksPlan) {
    this.#plan = plan
  }

  get failures(): readonly BlockFailure[] {
    return this.#failures
  }

  hasFailed(component: string): boolean {
    return this.#failures.some((failure) => failure.component === component)
  }

  /** Records the failure, unless the component has failed before. */
  addFailure(failure: BlockFailure): void {
    if (!this.hasFailed(failure.component)) this.#failures.push(failure)
  }

  failureOf(component: string, chain: number): FailedChain | null {
    const found = this.#failures.find((failure) => failure.component === component && failure.chain === chain)
    if (found === undefined) return null
    const { component: _, ...failure } = found
    return failure
  }

  /** Whether a component has done all rounds or reached the target reliability. */
  isDone(component: string): boolean {
    const { sampler } = this.#plan.input
    const rounds = this.rounds.get(component)!
    if (rounds >= roundsOf(sampler)) return true
    const known = this.reliabilities.get(component)
    return (
      sampler.targetReliability !== false &&
      rounds > 0 &&
      known !== undefined &&
      known.lower >= sampler.targetReliability
    )
  }
}
