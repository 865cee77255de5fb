import type { SamplerConfiguration } from '../../preload/configuration'
import type { Precision } from '../../preload/precisions'
import type { Prefix, Rows } from '../engine/evaluator'
import type { Architecture, Weights } from '../models/architecture'
import type { ChainState } from './psgld'

/**
 * Σδ and Σφδ of every studied token over some draws of one chain, δ = ℓ - ℓ(w*) (METHOD section 3; χ̂ is the same for any constant
 * taken from a token's losses). Two-chain estimates need only Σφδ of a component and only Σδ of `full`: the other array is empty.
 */
export interface TokenSums<A extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly loss: A
  readonly product: A
}

/** One chain of one component. Every array is backed by a SharedArrayBuffer, so that any thread can work on any replica. */
export interface Replica extends ChainState {
  readonly component: string
  readonly chain: number
  /** Index of the component in a random stream. */
  readonly index: number
  /** Losses of the studied tokens at the draw in progress [tokens]; empty where φ is known before them, as they are added up at once then. */
  readonly losses: Float32Array
  /** Sums over the draws of the half in progress: the first ⌊K/2⌋ draws, or the others. */
  readonly sums: TokenSums<Float64Array>
  /** The first half's once it is complete. Where there are both, rounded then, and Σφδ less φ̄ Σδ, so that what cancels is not rounded. */
  readonly firstHalf: TokenSums
  /** Sum of the losses' gradients over the rows of the step in progress; empty where one task takes all its rows and updates the weights. */
  readonly gradient: Float32Array
  /** Gradients over single chunks of rows, where several threads work for one replica; no array where they do not. */
  readonly parts: readonly Float32Array[]
  /** Losses of single blocks of probe rows, likewise. */
  readonly blockLosses: readonly Float32Array[]
  /**
   * Not zero from the moment a task begins to change the replica until its result has arrived: one number for each range of weights, as several
   * tasks may update them at once. Tasks for the whole replica have the first.
   */
  readonly claims: Int32Array
}

/** What every worker holds from the start. */
export interface SharedRun {
  readonly engine: string
  readonly precision?: Precision | undefined
  readonly architecture: Architecture
  readonly weights: Weights
  readonly sampler: SamplerConfiguration
  readonly seed: number
  readonly replicas: readonly Replica[]
  /** Weights of a replica's range, the last of which may be shorter: see stages.ts. */
  readonly rangeWeights: number
  /** Studied target positions of probe row i: positions[starts[i]] … positions[starts[i + 1] - 1]; their indices are the token numbers. */
  readonly starts: Int32Array
  readonly positions: Int32Array
  /** ℓ(w*) of every studied token. */
  readonly initialLosses: Float32Array
}

/** The studied tokens of a block of probe rows: which rows they are, and φ of each replica where it is known. */
export interface ProbeRows {
  readonly indices: Int32Array
  readonly phis: readonly (number | null)[]
}

/** Replicas that a task is for, of a group that shares a program (groups.ts): as many as `width` where all have it to do. */
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

export interface Operations {
  readonly gradient: number
  readonly losses: number
}

interface Calls {
  /** Operations of a row: [component][length]. */
  readonly operations: { readonly parameters: { readonly components: readonly string[]; readonly lengths: readonly number[] }; readonly result: readonly (readonly Operations[])[] }
  readonly prefix: { readonly parameters: { readonly rows: Rows }; readonly result: Prefix }
  /** A pSGLD step of each replica over chunks of the minibatch, given by the keys of their shared prefixes, or a part of one. */
  readonly step: {
    readonly parameters: Together & { readonly step: number; readonly prefixes: readonly number[] } & StepPart
    readonly result: readonly StepResult[]
  }
  /** The gradient over one chunk, as one of the replica's parts. Answers the sum of the losses. */
  readonly chunk: { readonly parameters: { readonly replica: number; readonly prefix: number; readonly part: number }; readonly result: number }
  /**
   * Ends what chunks or steps have begun, for one range of the replica's weights: adds the first `parts` of the replica's parts to what the rows
   * before have left, and updates the weights, or leaves the sum. Answers whether they are finite.
   */
  readonly update: { readonly parameters: { readonly replica: number; readonly step: number; readonly parts: number; readonly range: number } & StepPart; readonly result: boolean }
  /** A draw at nβ = 0. */
  readonly gaussian: { readonly parameters: { readonly replica: number; readonly draw: number }; readonly result: null }
  /** Sum of the losses of a block at w*, through a component with these weights; those of studied tokens are kept when `probeRows` says which rows they are. */
  readonly initial: { readonly parameters: { readonly component: string; readonly centre: Float32Array; readonly prefix: number; readonly probeRows: Int32Array | null }; readonly result: number }
  /** Sum of the losses of a block at each replica's weights; those of studied tokens are added to its sums, or kept until φ is known. */
  readonly losses: { readonly parameters: Together & { readonly prefix: number; readonly probe: ProbeRows | null }; readonly result: readonly number[] }
  /** Sum of the losses of a block of probe rows at the replica's weights, which become one of its block losses. */
  readonly block: { readonly parameters: { readonly replica: number; readonly prefix: number; readonly part: number }; readonly result: number }
  /** Takes in the block losses of studied tokens as `losses` does: those of block i are in part i. */
  readonly take: { readonly parameters: { readonly replica: number; readonly blocks: readonly { readonly indices: Int32Array; readonly targets: number }[]; readonly phi: number | null }; readonly result: null }
  /** Ends a draw: adds the losses that were kept, and closes the first half, whose mean of φ is given after its last draw. Answers ‖u - u*‖. */
  readonly commit: { readonly parameters: { readonly replica: number; readonly phi: number; readonly closing: number | null }; readonly result: number }
}

export type TaskKind = keyof Calls
export type TaskOf<K extends TaskKind> = K extends TaskKind ? { readonly kind: K } & Calls[K]['parameters'] : never
export type Task = TaskOf<TaskKind>
export type ResultOf<K extends TaskKind> = Calls[K]['result']
export type TaskResult = ResultOf<TaskKind>

/** What a lane is for: evaluating the model, or what can be done to a replica without it. */
export type LaneKind = 'evaluating' | 'updating'
export type LaneCounts = Readonly<Record<LaneKind, number>>

const updatingKinds = ['update', 'gaussian', 'take', 'commit'] as const
export type UpdatingTask = TaskOf<(typeof updatingKinds)[number]>

/** Whether a task takes no evaluator. */
export const isUpdating = (task: Task): task is UpdatingTask => (updatingKinds as readonly TaskKind[]).includes(task.kind)

/** The replicas that a task is for. */
export const replicasOf = (task: Task): readonly number[] => ('replicas' in task ? task.replicas : 'replica' in task ? [task.replica] : [])

/** Which of a replica's claims a task takes. */
export const claimOf = (task: Task): number => (task.kind === 'update' ? task.range : 0)

/** A task in words, for errors. */
export const describeTask = (task: Task, replicas: readonly Replica[]): string => {
  const [first, ...others] = replicasOf(task)
  if (first === undefined) return task.kind === 'operations' ? 'counting operations' : 'the forward pass at w*'
  const { component, chain } = replicas[first]
  return `${component}, chain ${chain + 1}${others.length === 0 ? '' : ` and ${others.length} more`}${task.kind === 'step' || task.kind === 'update' ? `, step ${task.step}` : ''}`
}
