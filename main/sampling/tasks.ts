import type { BlockConfiguration, PsgldConfiguration } from '../../preload/configuration'
import type { Precision } from '../../preload/precisions'
import type { Prefix, Rows } from '../engine/core'
import type { Architecture, Weights } from '../models/architecture'
import type { ChainState } from './psgld'

/**
 * Σδ and Σφδ of every studied token over some draws of one chain, δ = ℓ - ℓ(w*) (docs/method.md, section 3; χ̂ is the
 * same for any constant taken from a token's losses). Two-chain estimates need only Σφδ of a component and only Σδ of
 * `full`: the other array is empty.
 */
export interface TokenSums<A extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly loss: A
  readonly product: A
}

/**
 * One chain of one component. Every array is backed by a SharedArrayBuffer, so that any thread can work on any
 * replica.
 */
export interface Replica extends ChainState {
  readonly component: string
  readonly chain: number
  /** Index of the component in a random stream. */
  readonly index: number
  /**
   * Losses of the studied tokens at the draw in progress [tokens]; empty where φ is known before them, as they are
   * added up at once then.
   */
  readonly losses: Float32Array
  /** Sums over the draws of the half in progress: the first ⌊K/2⌋ draws, or the others. */
  readonly sums: TokenSums<Float64Array>
  /**
   * The first half's once it is complete. Where there are both, rounded then, and Σφδ less φ̄ Σδ, so that what
   * cancels is not rounded.
   */
  readonly firstHalf: TokenSums
  /**
   * Sum of the losses' gradients over the rows of the step in progress; empty where one task takes all its rows and
   * updates the weights.
   */
  readonly gradient: Float32Array
  /** Gradients over single chunks of rows, where several threads work for one replica; no array where they do not. */
  readonly parts: readonly Float32Array[]
  /** Losses of single blocks of probe rows, likewise. */
  readonly blockLosses: readonly Float32Array[]
  /**
   * Not zero from the moment a task begins to change the replica until its result has arrived: one number for each
   * range of weights, as several tasks may update them at once. Tasks for the whole replica have the first.
   */
  readonly claims: Int32Array
}

/**
 * One block of draws of one component (docs/method.md, sections 3b and 3c). The four blocks of a component are
 * independent of one another. Every array is backed by a SharedArrayBuffer, so that any thread can work on any block.
 */
export interface DrawBlock {
  readonly component: string
  /** Number of the block, 0 to 3. */
  readonly chain: number
  /** Index of the component in a random stream. */
  readonly index: number
  /** u* [weights], shared by the component's blocks. */
  readonly centre: Float32Array
  /** Σ w v over the block's gradients v of φ [weights]; with single gradients, that of the draw at work. */
  readonly gradient: Float32Array
  /** Σ w φ v [weights]; empty at nβ = 0 and with single gradients. */
  readonly gradientProduct: Float32Array
  /**
   * Unit vector q that slopes are taken along [weights]. Before it is known, `point` holds the weights of a single
   * gradient's draw.
   */
  readonly direction: Float32Array
  /** The point that slopes are taken at, less u* [weights]. */
  readonly point: Float32Array
  /** Σ w s over the block's points [tokens], s the slope of a token's loss; w is 1 with mean gradients. */
  readonly slopes: Float64Array
  /** Σ w φ s [tokens]; empty at nβ = 0 and with mean gradients. */
  readonly products: Float64Array
  /** As of a replica: the first for its weights, the others for spans of probe rows. */
  readonly claims: Int32Array
}

interface CommonRun {
  readonly engine: string
  readonly precision?: Precision | undefined
  readonly architecture: Architecture
  readonly weights: Weights
  readonly seed: number
  /**
   * Studied target positions of probe row i: positions[starts[i]] … positions[starts[i + 1] - 1]; their indices are
   * the token numbers.
   */
  readonly starts: Int32Array
  readonly positions: Int32Array
}

/** What every worker of a run of chains holds from the start. */
export interface ChainsRun extends CommonRun {
  readonly kind: 'chains'
  readonly sampler: PsgldConfiguration
  readonly replicas: readonly Replica[]
  /** Weights of a replica's range, the last of which may be shorter: see stages.ts. */
  readonly rangeWeights: number
  /** ℓ(w*) of every studied token. */
  readonly initialLosses: Float32Array
}

/** What every worker of a run of draw blocks holds from the start. */
export interface BlocksRun extends CommonRun {
  readonly kind: 'blocks'
  readonly sampler: BlockConfiguration
  readonly replicas: readonly DrawBlock[]
}

export type SharedRun = ChainsRun | BlocksRun

/** The studied tokens of a block of probe rows: which rows they are, and φ of each replica where it is known. */
export interface ProbeRows {
  readonly indices: Int32Array
  readonly phis: readonly (number | null)[]
}

/**
 * Replicas that a task is for, of a group that shares a program (groups.ts): as many as `width` where all have it to
 * do.
 */
export interface Together {
  readonly replicas: readonly number[]
  readonly width: number
}

export interface StepResult {
  readonly lossSum: number
  readonly finite: boolean
}

/** Where the rows of a stage stand in their step: whether others came before them, and whether others follow. */
export interface StepPart {
  readonly begun: boolean
  readonly ends: boolean
  /** Target positions of the whole step. */
  readonly targets: number
}

/**
 * A slice of observation rows: the keys of its chunks' shared prefixes, its target positions, and its mean loss at
 * w*.
 */
export interface SharedSlice {
  readonly prefixes: readonly number[]
  readonly targets: number
  readonly initialLoss: number
}

/** A gradient of φ over a slice: φ, and the gradient's norm; not finite where the losses are not. */
export interface GradientDraw {
  readonly phi: number
  readonly norm: number
}

/** What the slopes of a block are multiplied by before they are added: ‖g‖, and the draw's w and wφ. */
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
  /** Operations of a row: [component][length]. */
  readonly operations: {
    readonly parameters: { readonly components: readonly string[]; readonly lengths: readonly number[] }
    readonly result: readonly (readonly Operations[])[]
  }
  readonly prefix: { readonly parameters: { readonly rows: Rows }; readonly result: Prefix }
  /**
   * A pSGLD step of each replica over chunks of the minibatch, given by the keys of their shared prefixes, or a part
   * of one.
   */
  readonly step: {
    readonly parameters: Together & { readonly step: number; readonly prefixes: readonly number[] } & StepPart
    readonly result: readonly StepResult[]
  }
  /** The gradient over one chunk, as one of the replica's parts. Answers the sum of the losses. */
  readonly chunk: {
    readonly parameters: { readonly replica: number; readonly prefix: number; readonly part: number }
    readonly result: number
  }
  /**
   * Ends what chunks or steps have begun, for one range of the replica's weights: adds the first `parts` of the
   * replica's parts to what the rows before have left, and updates the weights, or leaves the sum. Answers whether
   * they are finite.
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
   * Sum of the losses of a block at w*, through a component with these weights; those of studied tokens are kept when
   * `probeRows` says which rows they are.
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
   * Sum of the losses of a block at each replica's weights; those of studied tokens are added to its sums, or kept
   * until φ is known.
   */
  readonly losses: {
    readonly parameters: Together & { readonly prefix: number; readonly probe: ProbeRows | null }
    readonly result: readonly number[]
  }
  /** Sum of the losses of a block of probe rows at the replica's weights, which become one of its block losses. */
  readonly block: {
    readonly parameters: { readonly replica: number; readonly prefix: number; readonly part: number }
    readonly result: number
  }
  /** Takes in the block losses of studied tokens as `losses` does: those of block i are in part i. */
  readonly take: {
    readonly parameters: {
      readonly replica: number
      readonly blocks: readonly { readonly indices: Int32Array; readonly targets: number }[]
      readonly phi: number | null
    }
    readonly result: null
  }
  /**
   * Ends a draw: adds the losses that were kept, and closes the first half, whose mean of φ is given after its last
   * draw. Answers ‖u - u*‖.
   */
  readonly commit: {
    readonly parameters: { readonly replica: number; readonly phi: number; readonly closing: number | null }
    readonly result: number
  }

  /** Sums of the losses at w* of each row of a block, through a component with these weights. */
  readonly rowLosses: {
    readonly parameters: { readonly component: string; readonly centre: Float32Array; readonly prefix: number }
    readonly result: readonly number[]
  }
  /**
   * Gradients of φ at u* ± z/√γ, each over a slice of its own, weighted and added to the blocks' sums. Answers both
   * draws of each block.
   */
  readonly pair: {
    readonly parameters: Together & { readonly pair: number; readonly slices: readonly [SharedSlice, SharedSlice] }
    readonly result: readonly (readonly [GradientDraw, GradientDraw])[]
  }
  /**
   * The gradient of φ at u* + z/√γ over a slice, in place of the blocks' gradient; the weights stay in their `point`.
   */
  readonly base: {
    readonly parameters: Together & { readonly draw: number; readonly slice: SharedSlice }
    readonly result: readonly GradientDraw[]
  }
  /** Sum of the losses of a block of observation rows at the weights that `base` has left. */
  readonly baseLosses: {
    readonly parameters: Together & { readonly prefix: number }
    readonly result: readonly number[]
  }
  /** Sets a block's direction and point for a turn: g = plain · gradient + product · gradientProduct. Answers ‖g‖. */
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
   * Slopes of the losses of a block of rows; those of studied tokens are added to the draw blocks' sums where
   * `indices` says which rows they are. Answers the sums of slopes over all target positions.
   */
  readonly slopes: {
    readonly parameters: Together & {
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

/** What a lane is for: evaluating the model, or what can be done to a replica without it. */
export type LaneKind = 'evaluating' | 'updating'
export type LaneCounts = Readonly<Record<LaneKind, number>>

const updatingKinds = ['update', 'gaussian', 'take', 'commit', 'direction'] as const
export type UpdatingTask = TaskOf<(typeof updatingKinds)[number]>

/** Whether a task takes no evaluator. */
export const isUpdating = (task: Task): task is UpdatingTask =>
  (updatingKinds as readonly TaskKind[]).includes(task.kind)

/** The replicas that a task is for. */
export const replicasOf = (task: Task): readonly number[] =>
  'replicas' in task ? task.replicas : 'replica' in task ? [task.replica] : []

/** Which of a replica's claims a task takes. */
export const claimOf = (task: Task): number =>
  task.kind === 'update' ? task.range : task.kind === 'slopes' ? task.claim : 0

/** A task in words, for errors. */
export const describeTask = (task: Task, { kind, replicas }: SharedRun): string => {
  const [first, ...others] = replicasOf(task)
  if (first === undefined) return task.kind === 'operations' ? 'counting operations' : 'the forward pass at w*'
  const { component, chain } = replicas[first]
  return (
    `${component}, ${kind === 'chains' ? 'chain' : 'block'} ` +
    `${chain + 1}${others.length === 0 ? '' : ` and ${others.length} more`}${task.kind === 'step' || task.kind === 'update' ? `, step ${task.step}` : ''}`
  )
}
