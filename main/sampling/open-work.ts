import type { Evaluator } from '../engine/evaluator'
import { BlockUpdates, BlockWork } from './block-work'
import type { LaneWork } from './lane-work'
import { ReplicaWork } from './replica'
import type { LaneKind, SharedRun } from './tasks'
import { ReplicaUpdates } from './updates'

/** What a lane of that kind does its tasks with. */
export const openWork = async (run: SharedRun, kind: LaneKind, openEvaluator: (run: SharedRun) => Promise<Evaluator>): Promise<LaneWork> => {
  if (run.kind === 'chains') return kind === 'updating' ? new ReplicaUpdates(run) : new ReplicaWork(await openEvaluator(run), run)
  return kind === 'updating' ? new BlockUpdates(run) : new BlockWork(await openEvaluator(run), run)
}
