import type { Prefix } from '../engine/core'
import type { Task, TaskResult, SharedRun, LaneKind } from './tasks'

/**
 * One worker, as the pool sees it: does its tasks in the order given. A lane that dies rejects what it has with
 * LaneLost.
 */
export interface Lane {
  /** Whether its evaluator computes replicas together. */
  readonly stacks: boolean
  run(task: Task): Promise<TaskResult>
  share(key: number, prefix: Prefix): void
  release(key: number): void
  close(): Promise<void>
}

export type OpenLane = (run: SharedRun, kind: LaneKind) => Promise<Lane>

export class LaneLost extends Error {}

/** Rejects tasks that were still waiting when the pool was told to drop them. */
export class TaskDropped extends Error {}
