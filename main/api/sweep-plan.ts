import { isDeepStrictEqual } from 'node:util'
import { checkedConfiguration, suitClustering } from '../../preload/configuration'
import type { ClusteringSettings, RunConfiguration } from '../../preload/configuration'
import { memberWords, sweepPresets, sweepSettings } from '../../preload/contract-sweeps'
import type { Sweep, SweepPreset, SweepSetting, SweepValues } from '../../preload/contract-sweeps'
import { limits } from '../../preload/limits'
import type { ClusteringRecord, RunRecord } from '../../preload/records'
import { membersOf } from '../../preload/sweeps'
import type { SweepRecord } from './sweep-records'

/** What a sweep starts from: a configuration, or a run, which is one of its members if its settings are. */
export interface SweepBase {
  readonly configuration: RunConfiguration
  readonly baseFolder: string
  readonly run?: RunRecord
}

export const sweepOf = (asked: SweepPreset | Sweep): Sweep =>
  typeof asked === 'string' ? sweepPresets[asked].sweep : asked

/** The usual name of a sweep: that of what it starts from, and the settings that vary. */
export const usualSweepName = (from: string, sweep: Sweep): string => `${from}: ${Object.keys(sweep).join(', ')}`

/** The settings that decide what is sampled, with defaults that older versions left out. */
const sampled = (configuration: RunConfiguration): object => {
  const { clustering: _, ...rest } = checkedConfiguration(configuration).configuration ?? configuration
  return rest
}

const ofRun = (values: SweepValues): SweepValues =>
  Object.fromEntries(Object.entries(values).filter(([name]) => sweepSettings[name as SweepSetting].part === 'run'))

/**
 * Plans a sweep: one run for each combination of sampling settings, and one clustering of it for each combination of
 * clustering settings. Throws a `configuration` error for settings that a member cannot have.
 */
export const planSweep = (
  { configuration, baseFolder, run: begun }: SweepBase,
  settings: Sweep,
  name: string
): Omit<SweepRecord, 'version' | 'id' | 'createdAt'> => {
  const planned = membersOf(configuration, settings)
  const runs: SweepRecord['runs'] = []
  const sampledBy: object[] = []
  const members = planned.map(({ values, configuration: own }): SweepRecord['members'][number] => {
    const settingsOfRun = sampled(own)
    const known = sampledBy.findIndex((other) => isDeepStrictEqual(other, settingsOfRun))
    if (known >= 0) return { values, run: known, clustering: own.clustering }
    sampledBy.push(settingsOfRun)
    const isThere = begun !== undefined && isDeepStrictEqual(sampled(begun.configuration), settingsOfRun)
    const words = memberWords(ofRun(values))
    const runName = [name, ...(words === '' ? [] : [words])].join(' · ').slice(0, limits.runName)
    runs.push(isThere ? { run: begun.id } : { name: runName, baseFolder, configuration: own })
    return { values, run: runs.length - 1, clustering: own.clustering }
  })
  const { clustering } = checkedConfiguration(configuration).configuration ?? configuration
  const usual = planned.findIndex(
    (member) =>
      isDeepStrictEqual(sampled(member.configuration), sampled(configuration)) &&
      isDeepStrictEqual(member.configuration.clustering, clustering)
  )
  // Checkpoints are compared with the last one, from which one looks back to where its clusters appear.
  const fallback = (settings.checkpoint?.length ?? 0) > 1 ? members.length - 1 : 0
  return { name, settings, base: usual < 0 ? fallback : usual, runs, members }
}

/**
 * The clustering of a run that has a member's settings; undefined if there is none yet. A clustering depends on its
 * run and its settings alone, so it does not matter who made it. One whose resolution was chosen automatically has the
 * list of those that were tried.
 */
export const clusteringWith = (run: RunRecord, settings: ClusteringSettings): ClusteringRecord | undefined => {
  if (run.tokens === 0) return undefined
  const { resolution, ...wanted } = { resolution: undefined, ...suitClustering(settings, run.tokens) }
  return run.clusterings.find(({ configuration, sweep }) => {
    const { resolution: chosen, ...own } = { resolution: undefined, ...configuration }
    const isResolution = resolution === 'auto' ? sweep.length > 0 : sweep.length === 0 && resolution === chosen
    return isResolution && isDeepStrictEqual({ ...own }, { ...wanted })
  })
}
