import { stageNames } from '../../preload/contract'
import type { RunRecord, StageName } from '../../preload/contract'

/** Stages that a run goes through, in order: it may end before clustering. */
export const wantedStages = ({ configuration }: RunRecord): readonly StageName[] =>
  stageNames.filter((stage) => configuration.clustering !== false || stage !== 'cluster')

/** The first stage that is not done; undefined once all are. */
export const nextStageOf = (record: RunRecord): StageName | undefined =>
  wantedStages(record).find((wanted) => !record.stages.some(({ stage }) => stage === wanted))
