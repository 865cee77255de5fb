import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { configuration, run, runName, where } from './call-parameters'
import { clusteringSchema } from './configuration'
import { clusterSchema as cluster } from './contract-annotations'
import type { RunMarks, UndoState } from './contract-annotations'
import type { Comparison, MatchedTokens } from './contract-explore'
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

const matchedTokens = z.int().min(1).max(100)

export const runsCalls = {
  list: call({}, gives<readonly RunEntry[]>()),
  get: call({ run }, gives<RunRecord>()),
  /** Content of a configuration file, and the folder to which its paths are relative. */
  readConfiguration: call({ path }, gives<{ readonly configuration: object; readonly baseFolder: string }>()),
  check: call({ configuration, baseFolder: path }, gives<ConfigurationCheck>()),
  estimate: call({ configuration, baseFolder: path }, gives<Estimate>()),
  /** Starts a run, or queues it after the one in progress. Paths are relative to the base folder. */
  start: call({ name: runName, configuration, baseFolder: path }, gives<{ readonly run: string }>()),
  /** Estimates what a run will need, by sampling a few of its components for about half a minute. */
  previewSignal: call(
    {
      configuration,
      baseFolder: path,
      seconds: z.number().min(1).max(600).default(30)
    },
    gives<SignalPreview>()
  ),
  /** Stops the preview in progress, which then fails as interrupted. */
  stopPreview: call({}, gives<null>()),
  /**
   * Creates a run that continues a finished one from its sums, with more rounds (a total, not additional ones) or a
   * higher target. Its clustering is computed again.
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
  /** Copies the finished example into the workspace unless it is there. */
  openExample: call({}, gives<{ readonly run: string }>()),
  resume: call({ run, engine: text(limits.word).optional() }, gives<null>()),
  /** Stops a run with a checkpoint. Answers once it is saved. */
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
  compare: call({ left: z.strictObject(where), right: z.strictObject(where) }, gives<Comparison>()),
  /** Tokens that two clusters have in common, that left, and that came. */
  compareMatch: call(
    { left: z.strictObject({ ...where, cluster }), right: z.strictObject({ ...where, cluster }), most: matchedTokens },
    gives<MatchedTokens>()
  )
}
