import { type RunRecord, type StageName, stageNames } from '../../preload/records'

/** The next stage of a run; undefined when all are done. */
export const nextStage = ({ configuration, stages }: RunRecord): StageName | undefined =>
  stageNames.find(
    (stage) =>
      !(configuration.clustering === false && (stage === 'neighbours' || stage === 'cluster')) &&
      !stages.some((done) => done.stage === stage)
  )
