import { availableParallelism } from 'node:os'
import type { RunConfiguration } from '../../preload/configuration'
import type { Provenance, RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'
import { mostThreadsHere } from './room'
import { versions, platformWords } from './versions'

export const threadsOf = ({ threads }: RunConfiguration): number =>
  Math.min(threads ?? availableParallelism(), mostThreadsHere())

/** Creates a run in the workspace; `resumeRun` then runs it. */
export const createRun = async (
  workspace: Workspace,
  configuration: RunConfiguration,
  baseFolder: string,
  name?: string,
  provenance: Provenance = {}
): Promise<RunRecord> =>
  workspace.createRun({
    name: name ?? `run ${(await workspace.listRuns()).length + 1}`,
    configuration,
    baseFolder,
    provenance: {
      seed: configuration.seed,
      versions: versions(),
      platform: platformWords(),
      threads: threadsOf(configuration),
      ...provenance
    }
  })
