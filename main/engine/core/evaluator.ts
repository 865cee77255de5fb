/** Token ids of rows of one length, row-major. */
export interface Rows {
  readonly ids: Int32Array
  readonly count: number
  /** Token ids per row, T; each row has T-1 target positions. */
  readonly length: number
}

/**
 * Activations of some rows at w*, computed once and shared by every replica (component, chain) of a step or draw.
 * Named arrays, backed by SharedArrayBuffer so that they pass between worker threads without copying.
 */
export interface Prefix {
  readonly rows: Rows
  readonly activations: Readonly<Record<string, Float32Array>>
}

/** A component at weights of a replica's own, in their flattened order. */
export interface OwnWeights {
  readonly component: string
  readonly weights: Float32Array
}

/**
 * Replicas whose components share a program (`programName`), computed together from one prefix. `width` is the number
 * of such replicas that are computed together when all are there: programs are made for it, so that a replica's
 * numbers do not depend on which of the others still have something to do. Numbers are those of one replica alone
 * within rounding.
 */
export interface StackedEvaluator {
  /** `losses` of each. */
  losses(replicas: readonly OwnWeights[], width: number, prefix: Prefix): Promise<Float32Array[]>
  /** `gradient` of each: what is added to which of `gradients`, and the sums of losses. */
  gradient(
    replicas: readonly OwnWeights[],
    width: number,
    prefix: Prefix,
    gradients: readonly Float32Array[]
  ): Promise<number[]>
}

/**
 * The transformer as a sampler sees it, bound to one model at w* and to one executor. A component is a name of
 * `models/components.ts`, `full` included; its weights are one flat vector in the order of docs/method.md, section 1.
 * Results do not depend on which thread or evaluator computes them.
 */
export interface Evaluator {
  /** Forward at w* over the rows: everything that a replica's piece and the layers above it start from. */
  prefix(rows: Rows): Promise<Prefix>
  /**
   * Many runs will take the prefix, until it is released: where the executor has a memory of its own and room in it,
   * its activations go there once.
   */
  hold?(prefix: Prefix): void
  release?(prefix: Prefix): void
  /**
   * Losses ℓ in nats of every target position, row by row: [rows.count × (rows.length - 1)], at w* with the
   * component's weights replaced.
   */
  losses(component: string, weights: Float32Array, prefix: Prefix): Promise<Float32Array>
  /**
   * Sum of ℓ over all target positions of the rows, and its gradient with respect to the component's weights, added
   * to `gradient` [weights.length]: every element is summed over the rows first and added then (long rows: one row
   * after the other), so that it does not matter to the result whether `gradient` began with zeros.
   */
  gradient(
    component: string,
    weights: Float32Array,
    prefix: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }>
  /** For replicas together, where a device computes them faster than one by one. */
  readonly stacked?: StackedEvaluator | undefined
  /**
   * Floating-point operations of one row of `length` tokens: through `gradient`, and through `losses`.
   */
  operations(component: string, length: number): { readonly gradient: number; readonly losses: number }
  dispose(): Promise<void>
}

export type { EngineDescription } from './executor'

/** Replicas one after another, by an evaluator of one. */
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
