import type { Prefix } from '../engine/core'
import type { Task, TaskResult, SharedRun, LaneKind } from './tasks'

/**
 * A worker as the pool sees it. It does tasks in the order given. When it dies, all its unfinished tasks reject with
 * LaneLost.
 */
export interface Lane {
  /** Whether its evaluator computes several replicas together. */
  readonly stacks: boolean
  run(task: Task): Promise<TaskResult>
  share(key: number, prefix: Prefix): void
  release(key: number): void
  close(): Promise<void>
}

export type OpenLane = (run: SharedRun, kind: LaneKind) => Promise<Lane>

export class LaneLost extends Error {}

/** Error of tasks that were still waiting when the pool dropped them. */
export class TaskDropped extends Error {}
