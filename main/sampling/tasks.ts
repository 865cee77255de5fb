import type { BlockConfiguration, PsgldConfiguration } from '../../preload/configuration'
import type { Precision } from '../../preload/precisions'
import type { Prefix, Rows } from '../engine/core'
import type { Architecture, Weights } from '../models/architecture'
import type { ChainState } from './psgld'

/**
 * Σδ and Σφδ of every studied token over some draws of one chain, where δ = ℓ - ℓ(w*) (docs/method.md, section 3; χ̂
 * does not depend on the constant subtracted from a token's losses). [tokens]. Two-chain estimates need only Σφδ of a
 * component and only Σδ of `full`; the other array is empty.
 */
export interface TokenSums<A extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly loss: A
  readonly product: A
}

/** One chain of one component. All arrays are in shared memory, so any thread can work on any replica. */
export interface Replica extends ChainState {
  readonly component: string
  readonly chain: number
  /** Index of the component in random streams. */
  readonly index: number
  /**
   * Losses of the studied tokens at the current draw, [tokens]. Empty if φ is known before them, because they are
   * then added up at once.
   */
  readonly losses: Float32Array
  /** Sums over the draws of the current half: the first ⌊K/2⌋ draws, or the others. */
  readonly sums: TokenSums<Float64Array>
  /**
   * Sums of the first half, once it is complete. If both arrays are present, they are rounded to float32 and the
   * product is Σφδ less φ̄ Σδ, because large terms that cancel would lose precision.
   */
  readonly firstHalf: TokenSums
  /**
   * Gradient of the summed loss over the rows of the current step so far. Empty if one task does all rows and updates
   * the weights.
   */
  readonly gradient: Float32Array
  /** Gradients over single chunks of rows, if several threads share this replica; else no arrays. */
  readonly parts: readonly Float32Array[]
  /** Losses of single blocks of probe rows, if several threads share this replica; else no arrays. */
  readonly blockLosses: readonly Float32Array[]
  /**
   * Nonzero from when a task begins to change the replica until its result arrives. One entry per range of weights,
   * as ranges are updated in parallel. Tasks for the whole replica use the first.
   */
  readonly claims: Int32Array
}

/**
 * One block of draws of one component (docs/method.md, sections 3b and 3c). The four blocks of a component are
 * independent. All arrays are in shared memory, so any thread can work on any block.
 */
export interface DrawBlock {
  readonly component: string
  /** Number of the block, 0 to 3. */
  readonly chain: number
  /** Index of the component in random streams. */
  readonly index: number
  /** u*, [weights], shared by the component's blocks. */
  readonly centre: Float32Array
  /** Σ w v over the block's gradients v of φ, [weights]. With single gradients, that of the current draw. */
  readonly gradient: Float32Array
  /** Σ w φ v, [weights]; empty at nβ = 0 and with single gradients. */
  readonly gradientProduct: Float32Array
  /** Unit vector q along which slopes are taken, [weights]. */
  readonly direction: Float32Array
  /**
   * Point at which slopes are taken, less u*, [weights]. Holds the weights of a single gradient's draw until q is
   * known.
   */
  readonly point: Float32Array
  /** Σ w s over the block's points, where s is the slope of a token's loss, [tokens]. With mean gradients, w = 1. */
  readonly slopes: Float64Array
  /** Σ w φ s, [tokens]; empty at nβ = 0 and with mean gradients. */
  readonly products: Float64Array
  /** As in `Replica`: the first entry is for the weights, the others are for spans of probe rows. */
  readonly claims: Int32Array
}

interface CommonRun {
  readonly engine: string
  readonly precision?: Precision | undefined
  readonly architecture: Architecture
  readonly weights: Weights
  readonly seed: number
  /**
   * positions[starts[i]] … positions[starts[i + 1] - 1] are the studied target positions of probe row i. Their
   * indices are the token numbers.
   */
  readonly starts: Int32Array
  readonly positions: Int32Array
}

/** Data of a run of chains that every worker has from the start. */
export interface ChainsRun extends CommonRun {
  readonly kind: 'chains'
  readonly sampler: PsgldConfiguration
  readonly replicas: readonly Replica[]
  /** Weights in a replica's range (stages.ts). The last range may be shorter. */
  readonly rangeWeights: number
  /** ℓ(w*) of every studied token in nats, [tokens]. */
  readonly initialLosses: Float32Array
}

/** Data of a run of draw blocks that every worker has from the start. */
export interface BlocksRun extends CommonRun {
  readonly kind: 'blocks'
  readonly sampler: BlockConfiguration
  readonly replicas: readonly DrawBlock[]
}

export type SharedRun = ChainsRun | BlocksRun

/** Studied tokens of a block of probe rows: the indices of the rows, and φ of each replica if it is known. */
export interface ProbeRows {
  readonly indices: Int32Array
  readonly phis: readonly (number | null)[]
}

/**
 * Replicas of one task. They share a program and belong to a group of `width` replicas (groups.ts), of which the task
 * may have only some.
 */
export interface ReplicaGroup {
  readonly replicas: readonly number[]
  readonly width: number
}

export interface StepResult {
  readonly lossSum: number
  readonly finite: boolean
}

/** Position of a stage's rows in their step: whether rows came before, and whether these are the last. */
export interface StepPart {
  readonly begun: boolean
  readonly ends: boolean
  /** Target positions of the whole step. */
  readonly targets: number
}

/**
 * A slice of observation rows: keys of its chunks' shared prefixes, number of target positions, and mean loss at w*
 * in nats.
 */
export interface SharedSlice {
  readonly prefixes: readonly number[]
  readonly targets: number
  readonly initialLoss: number
}

/** φ (nats) over a slice and the norm of its gradient; not finite if the losses are not. */
export interface GradientDraw {
  readonly phi: number
  readonly norm: number
}

/** Factors of a block's slopes: ‖g‖, and the draw's w and wφ. */
export interface SlopeFactors {
  readonly norm: number
  readonly weight: number
  readonly product: number
}

export interface Operations {
  readonly gradient: number
  readonly losses: number
}

interface Calls {
  /** Floating-point operations of a row, [component][length]. */
  readonly operations: {
    readonly parameters: { readonly components: readonly string[]; readonly lengths: readonly number[] }
    readonly result: readonly (readonly Operations[])[]
  }
  readonly prefix: { readonly parameters: { readonly rows: Rows }; readonly result: Prefix }
  /**
   * A pSGLD step of each replica, or a part of one, over chunks of the minibatch. `prefixes` are the keys of the
   * chunks.
   */
  readonly step: {
    readonly parameters: ReplicaGroup & { readonly step: number; readonly prefixes: readonly number[] } & StepPart
    readonly result: readonly StepResult[]
  }
  /** Computes the gradient over one chunk into `parts[part]` of the replica. Returns the summed loss. */
  readonly chunk: {
    readonly parameters: { readonly replica: number; readonly prefix: number; readonly part: number }
    readonly result: number
  }
  /**
   * Completes chunks or steps for one range of the replica's weights: adds the first `parts` of its partial gradients
   * to the sum of earlier rows, then updates the weights or stores the sum. Returns whether the weights are finite.
   */
  readonly update: {
    readonly parameters: {
      readonly replica: number
      readonly step: number
      readonly parts: number
      readonly range: number
    } & StepPart
    readonly result: boolean
  }
  /** A draw at nβ = 0. */
  readonly gaussian: { readonly parameters: { readonly replica: number; readonly draw: number }; readonly result: null }
  /**
   * Returns the summed loss of a block at w*, computed through a component with the weights `centre`. Stores the
   * losses of studied tokens if `probeRows` has the indices of the rows.
   */
  readonly initial: {
    readonly parameters: {
      readonly component: string
      readonly centre: Float32Array
      readonly prefix: number
      readonly probeRows: Int32Array | null
    }
    readonly result: number
  }
  /**
   * Returns the summed loss of a block at each replica's weights. Adds the losses of studied tokens to the replica's
   * sums, or stores them until φ is known.
   */
  readonly losses: {
    readonly parameters: ReplicaGroup & { readonly prefix: number; readonly probe: ProbeRows | null }
    readonly result: readonly number[]
  }
  /**
   * Computes the losses of a block of probe rows into `blockLosses[part]` of the replica. Returns the summed loss.
   */
  readonly block: {
    readonly parameters: { readonly replica: number; readonly prefix: number; readonly part: number }
    readonly result: number
  }
  /** Adds or stores the losses of studied tokens as `losses` does, from the replica's `blockLosses`. */
  readonly take: {
    readonly parameters: {
      readonly replica: number
      readonly blocks: readonly { readonly indices: Int32Array; readonly targets: number }[]
      readonly phi: number | null
    }
    readonly result: null
  }
  /**
   * Ends a draw: adds the stored losses, and closes the first half after its last draw (`closing` is then its mean
   * φ). Returns ‖u - u*‖.
   */
  readonly commit: {
    readonly parameters: { readonly replica: number; readonly phi: number; readonly closing: number | null }
    readonly result: number
  }

  /** Summed loss of each row of a block at w*, computed through a component with the weights `centre`. */
  readonly rowLosses: {
    readonly parameters: { readonly component: string; readonly centre: Float32Array; readonly prefix: number }
    readonly result: readonly number[]
  }
  /**
   * Adds the weighted gradients of φ at u* ± z/√γ, each over its own slice, to the blocks' sums. Returns both draws
   * of each block.
   */
  readonly pair: {
    readonly parameters: ReplicaGroup & { readonly pair: number; readonly slices: readonly [SharedSlice, SharedSlice] }
    readonly result: readonly (readonly [GradientDraw, GradientDraw])[]
  }
  /** Sets the blocks' `gradient` to that of φ at u* + z/√γ over a slice, and leaves the weights in their `point`. */
  readonly base: {
    readonly parameters: ReplicaGroup & { readonly draw: number; readonly slice: SharedSlice }
    readonly result: readonly GradientDraw[]
  }
  /** Summed loss of a block of observation rows at the weights left by `base`. */
  readonly baseLosses: {
    readonly parameters: ReplicaGroup & { readonly prefix: number }
    readonly result: readonly number[]
  }
  /**
   * Sets a block's direction and point for a turn, from g = plain · gradient + product · gradientProduct. Returns
   * ‖g‖.
   */
  readonly direction: {
    readonly parameters: {
      readonly replica: number
      readonly turn: number
      readonly plain: number
      readonly product: number
    }
    readonly result: number
  }
  /**
   * Slopes of the losses of a block of rows. Adds those of studied tokens to the draw blocks' sums if `indices` has
   * the indices of the rows. Returns the slopes summed over all target positions.
   */
  readonly slopes: {
    readonly parameters: ReplicaGroup & {
      readonly prefix: number
      readonly indices: Int32Array | null
      readonly claim: number
      readonly factors: readonly SlopeFactors[]
    }
    readonly result: readonly number[]
  }
}

export type TaskKind = keyof Calls
export type TaskOf<K extends TaskKind> = K extends TaskKind ? { readonly kind: K } & Calls[K]['parameters'] : never
export type Task = TaskOf<TaskKind>
export type ResultOf<K extends TaskKind> = Calls[K]['result']
export type TaskResult = ResultOf<TaskKind>

/** Kinds of lanes: with an evaluator, or only for tasks that need none. */
export type LaneKind = 'evaluating' | 'updating'
export type LaneCounts = Readonly<Record<LaneKind, number>>

const updatingKinds = ['update', 'gaussian', 'take', 'commit', 'direction'] as const
export type UpdatingTask = TaskOf<(typeof updatingKinds)[number]>

/** Whether a task needs no evaluator. */
export const isUpdating = (task: Task): task is UpdatingTask =>
  (updatingKinds as readonly TaskKind[]).includes(task.kind)

/** Replicas of a task. */
export const replicasOf = (task: Task): readonly number[] =>
  'replicas' in task ? task.replicas : 'replica' in task ? [task.replica] : []

/** Index of the claim that a task sets. */
export const claimOf = (task: Task): number =>
  task.kind === 'update' ? task.range : task.kind === 'slopes' ? task.claim : 0

/** Describes a task for error messages. */
export const describeTask = (task: Task, { kind, replicas }: SharedRun): string => {
  const [first, ...others] = replicasOf(task)
  if (first === undefined) return task.kind === 'operations' ? 'counting operations' : 'the forward pass at w*'
  const { component, chain } = replicas[first]
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  const step = task.kind === 'step' || task.kind === 'update' ? `, step ${task.step}` : ''
  return `${component}, ${kind === 'chains' ? 'chain' : 'block'} ${chain + 1}${more}${step}`
}
