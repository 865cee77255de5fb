import type { Evaluator } from '../engine/core'
import { BlockUpdates, BlockWork } from './block-work'
import { EvaluatingLane, HeldPrefixes, type LaneWork } from './lane-work'
import { ReplicaWork } from './replica'
import type { LaneKind, SharedRun } from './tasks'
import { ReplicaUpdates } from './updates'

/** Opens the work of a lane of the given kind. */
export const openWork = async (
  run: SharedRun,
  kind: LaneKind,
  openEvaluator: (run: SharedRun) => Promise<Evaluator>
): Promise<LaneWork> => {
  if (kind === 'updating') return run.kind === 'chains' ? new ReplicaUpdates(run) : new BlockUpdates(run)
  const evaluator = await openEvaluator(run)
  const prefixes = new HeldPrefixes(evaluator)
  return new EvaluatingLane(
    evaluator,
    prefixes,
    run.kind === 'chains' ? new ReplicaWork(evaluator, prefixes, run) : new BlockWork(evaluator, prefixes, run)
  )
}
