import { z } from 'zod'
import { call, gives } from './call'
import { configuration, run, runName } from './call-parameters'
import { askedSweepSchema } from './contract-sweeps'
import type { SweepEntry, SweepPlan, SweepReport } from './contract-sweeps'
import { limits, path, text } from './limits'

const sweep = text(limits.word).min(1)
/** A run of the workspace, or a configuration. Paths are relative to the base folder. */
const from = z.union([z.strictObject({ run }), z.strictObject({ configuration, baseFolder: path })])
const base = z
  .int()
  .min(0)
  .max(limits.sweepMembers - 1)
  .optional()

export const sweepsCalls = {
  list: call({}, gives<readonly SweepEntry[]>()),
  /** What a sweep will cost on this machine. */
  plan: call({ from, settings: askedSweepSchema }, gives<SweepPlan>()),
  /** Starts a sweep, or queues its members behind what is in progress. */
  start: call({ from, settings: askedSweepSchema, name: runName }, gives<{ readonly sweep: string }>()),
  /** Starts the members that are missing, paused or failed. */
  resume: call({ sweep }, gives<null>()),
  /** Stops the members in progress with a checkpoint, and starts no others. */
  pause: call({ sweep }, gives<null>()),
  /** Forgets a sweep. Its runs stay, and are in the list of runs again. */
  remove: call({ sweep }, gives<null>()),
  /** Compares the members that are done with the member at the place `base`. */
  report: call({ sweep, base }, gives<SweepReport>()),
  /** Writes the report into a folder, as CSV and JSON. */
  write: call(
    { sweep, base, path, overwrite: z.boolean().default(false) },
    gives<{ readonly path: string; readonly files: readonly string[] }>()
  )
}
