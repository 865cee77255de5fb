/** Token ids of rows of equal length, row-major. */
export interface Rows {
  readonly ids: Int32Array
  readonly count: number
  /** Token ids per row, T. Each row has T-1 target positions. */
  readonly length: number
}

/**
 * Activations of some rows at w*, computed once and shared by every replica (component, chain) of a step or draw. The
 * arrays are in shared memory, so worker threads exchange them without copying.
 */
export interface Prefix {
  readonly rows: Rows
  readonly activations: Readonly<Record<string, Float32Array>>
}

/** A component with a replica's own weights, flattened. */
export interface OwnWeights {
  readonly component: string
  readonly weights: Float32Array
}

/**
 * Computes replicas whose components share a program (`programName`) together from one prefix. `width` is the number
 * of such replicas in the whole run. Programs are compiled for it, so a replica's numbers do not depend on which
 * others are still running. They equal those of the replica alone up to rounding.
 */
export interface StackedEvaluator {
  /** `losses` of each replica. */
  losses(replicas: readonly OwnWeights[], width: number, prefix: Prefix): Promise<Float32Array[]>
  /** `gradient` of each replica, added to the corresponding entry of `gradients`. Returns the summed losses. */
  gradient(
    replicas: readonly OwnWeights[],
    width: number,
    prefix: Prefix,
    gradients: readonly Float32Array[]
  ): Promise<number[]>
}

/**
 * The transformer for a sampler: one model at w* on one executor. A component is a name in `models/components.ts`,
 * including `full`. Its weights are a flat vector in the order of docs/method.md, section 1. Results do not depend on
 * the thread or evaluator.
 */
export interface Evaluator {
  /** Forward pass at w* over the rows: all activations from which replicas of any component start. */
  prefix(rows: Rows): Promise<Prefix>
  /**
   * Announces that many runs will use the prefix until it is released. An executor with its own memory may then keep
   * the activations there.
   */
  hold?(prefix: Prefix): void
  release?(prefix: Prefix): void
  /**
   * Loss ℓ in nats at every target position, row by row, [rows.count × (rows.length - 1)], at w* with the component's
   * weights replaced.
   */
  losses(component: string, weights: Float32Array, prefix: Prefix): Promise<Float32Array>
  /**
   * Sum of ℓ over all target positions, and its gradient with respect to the component's weights, added to `gradient`
   * [weights.length]. Each element is first summed over the rows, then added (long rows: one row after another), so
   * that the result does not depend on whether `gradient` began as zeros.
   */
  gradient(
    component: string,
    weights: Float32Array,
    prefix: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }>
  /** Set only where running several replicas together pays. */
  readonly stacked?: StackedEvaluator | undefined
  /** Floating-point operations of one row of `length` tokens in `gradient` and in `losses`. */
  operations(component: string, length: number): { readonly gradient: number; readonly losses: number }
  dispose(): Promise<void>
}

export type { EngineDescription } from './executor'

/** Computes replicas one after another with a plain evaluator. */
export const oneByOne = (evaluator: Pick<Evaluator, 'losses' | 'gradient'>): StackedEvaluator => ({
  losses: async (replicas, _, prefix) => {
    const losses: Float32Array[] = []
    for (const { component, weights } of replicas) losses.push(await evaluator.losses(component, weights, prefix))
    return losses
  },
  gradient: async (replicas, _, prefix, gradients) => {
    const sums: number[] = []
    for (const [at, { component, weights }] of replicas.entries())
      sums.push((await evaluator.gradient(component, weights, prefix, gradients[at])).lossSum)
    return sums
  }
})
