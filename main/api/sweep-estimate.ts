import { availableParallelism } from 'node:os'
import type { RunConfiguration } from '../../preload/configuration'
import { memberWords } from '../../preload/contract-sweeps'
import type { SweepPlan } from '../../preload/contract-sweeps'
import type { Estimate } from '../../preload/contract-runs'
import { sweepNotes } from '../../preload/sweeps'
import { resolveAmong } from '../engine/engines'
import { estimateClustering } from '../pipeline/clustering-estimate'
import { estimateRun } from '../pipeline/estimate'
import { measureEnginesApart } from '../pipeline/session'
import type { Workspace } from '../store/store'
import { clusteringWith } from './sweep-plan'
import type { SweepBase } from './sweep-plan'
import type { SweepRecord } from './sweep-records'

export type PlannedSweep = Omit<SweepRecord, 'version' | 'id' | 'createdAt'>

/** Estimates a run with a configuration whose paths are relative to a folder. */
export type EstimateRun = (configuration: RunConfiguration, baseFolder: string) => Promise<Estimate>

/** Estimates by the speed of this machine's engines, which are measured now. `workspace` is where runs will lie. */
export const measuredEstimates = async (workspace: string): Promise<EstimateRun> => {
  const rates = await measureEnginesApart()
  const available = rates.flatMap(({ name, available: isThere }) => (isThere ? [name] : []))
  return (configuration, baseFolder) => {
    const engine = resolveAmong(configuration.engine, available)
    const gigaflopsPerSecond = rates.find(({ name }) => name === engine)?.gigaflopsPerSecond ?? null
    const rate = { engine, gigaflopsPerSecond, measuredAt: new Date().toISOString() }
    return estimateRun({ threads: availableParallelism(), ...configuration }, baseFolder, rate, workspace)
  }
}

/**
 * What a sweep will cost here: its runs one after another, and its further clusterings. Throws the errors of
 * `estimateRun` and `estimateClustering`.
 */
export const estimateSweep = async (
  plan: PlannedSweep,
  { run: begun, configuration }: SweepBase,
  workspace: Workspace | undefined,
  estimateOf: EstimateRun
): Promise<SweepPlan> => {
  let [seconds, diskBytes, clusterings, there] = [0, 0, 0, 0]
  for (const [place, run] of plan.runs.entries()) {
    const members = plan.members.filter((member) => member.run === place)
    if (!('run' in run)) {
      for (const [at, { clustering }] of members.entries()) {
        const cost = await estimateOf({ ...run.configuration, clustering }, run.baseFolder)
        const { prepare, sample, neighbours, cluster } = cost.seconds
        seconds += neighbours + cluster + (at === 0 ? prepare + sample : 0)
        if (at === 0) diskBytes += cost.diskBytes
        clusterings++
      }
      continue
    }
    for (const { clustering } of members) {
      if (begun === undefined || workspace === undefined) continue
      if (clusteringWith(begun, clustering) !== undefined) there++
      else {
        seconds += (await estimateClustering(workspace, begun, clustering)).seconds
        clusterings++
      }
    }
  }
  return {
    members: plan.members.map(({ values }) => memberWords(values)),
    newRuns: plan.runs.filter((run) => !('run' in run)).length,
    clusterings,
    there,
    seconds,
    diskBytes,
    notes: sweepNotes(configuration, plan.settings)
  }
}
