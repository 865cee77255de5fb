import { type RunRecord, type StageName, stageNames } from '../../preload/records'

/** The next stage that a run has to do; undefined when all are done. */
export const nextStage = ({ configuration, stages }: RunRecord): StageName | undefined =>
  stageNames.find(
    (stage) =>
      !(configuration.clustering === false && (stage === 'neighbours' || stage === 'cluster')) &&
      !stages.some((done) => done.stage === stage)
  )
