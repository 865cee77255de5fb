import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { configuration, run, runName, where } from './call-parameters'
import { clusteringSchema } from './configuration'
import type { RunMarks, UndoState } from './contract-annotations'
import type { Comparison } from './contract-explore'
import type { RunHealth } from './contract-progress'
import type {
  ClusteringEstimate,
  ConfigurationCheck,
  Estimate,
  HeatMap,
  LiveRun,
  RunEntry,
  SignalPreview
} from './contract-runs'
import { index, limits, path, text } from './limits'
import type { RunRecord, TraceRecord } from './records'

export const runsCalls = {
  list: call({}, gives<readonly RunEntry[]>()),
  get: call({ run }, gives<RunRecord>()),
  /** A configuration file as it is, and the folder that its relative paths start from. */
  readConfiguration: call({ path }, gives<{ readonly configuration: object; readonly baseFolder: string }>()),
  check: call({ configuration, baseFolder: path }, gives<ConfigurationCheck>()),
  estimate: call({ configuration, baseFolder: path }, gives<Estimate>()),
  /** Starts at once, or waits for the run at work to end. Relative paths start from the base folder. */
  start: call({ name: runName, configuration, baseFolder: path }, gives<{ readonly run: string }>()),
  /** What a run is likely to need: samples a few of its components for about half a minute. */
  previewSignal: call(
    {
      configuration,
      baseFolder: path,
      seconds: z.number().min(1).max(600).default(30)
    },
    gives<SignalPreview>()
  ),
  /** Ends the preview that is at work, which then fails as interrupted. */
  stopPreview: call({}, gives<null>()),
  /**
   * A new run that begins with the sums of a finished one, with more rounds (of all, not further ones) or a higher
   * target; its clustering is made anew.
   */
  continue: call(
    {
      run,
      name: runName.min(1).optional(),
      rounds: z.int().min(1).max(limits.draws).optional(),
      reliability: z.number().gt(0).lt(1).optional()
    },
    gives<{ readonly run: string }>()
  ),
  startDemo: call({}, gives<{ readonly run: string }>()),
  /** The demonstration as the program ships it, finished: copied into the workspace where it is not there yet. */
  openExample: call({}, gives<{ readonly run: string }>()),
  resume: call({ run, engine: text(limits.word).optional() }, gives<null>()),
  /** Stops with a checkpoint; answers once it is written. */
  pause: call({ run }, gives<null>()),
  /** What one more clustering of a run will cost on this machine. */
  estimateClustering: call({ run, configuration: clusteringSchema }, gives<ClusteringEstimate>()),
  recluster: call({ run, name: runName, configuration: clusteringSchema }, gives<{ readonly run: string }>()),
  change: callInOrder(
    {
      run,
      changes: z.strictObject({
        name: runName.min(1).optional(),
        archived: z.boolean().optional(),
        deleted: z.boolean().optional()
      })
    },
    gives<{ readonly marks: RunMarks; readonly undo: UndoState }>()
  ),
  live: call({ run }, gives<LiveRun>()),
  health: call({ run }, gives<RunHealth>()),
  traces: call({ run }, gives<readonly TraceRecord[]>()),
  heatMap: call({ ...where, most: index.max(100_000).default(2000) }, gives<HeatMap>()),
  compare: call({ left: z.strictObject(where), right: z.strictObject(where) }, gives<Comparison>())
}
