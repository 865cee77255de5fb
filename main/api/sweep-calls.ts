import { resolve } from 'node:path'
import type { ParametersOf, Calls } from '../../preload/contract'
import { exportSweep } from '../exchange/sweep-export'
import type { HandlersOf, WorkbenchContext } from './context'
import type { Estimates } from './estimates'
import { checkNamed } from './reach'
import { checked } from './run-calls'
import { settled } from './runs'
import type { SweepDriver } from './sweep-driver'
import { estimateSweep } from './sweep-estimate'
import type { PlannedSweep } from './sweep-estimate'
import { planSweep, sweepOf, usualSweepName } from './sweep-plan'
import type { SweepBase } from './sweep-plan'
import { reportOf } from './sweep-report'

type From = ParametersOf<Calls['sweeps']['start']>['from']

export const sweepCalls = (
  context: WorkbenchContext,
  driver: () => SweepDriver,
  estimates: Estimates
): HandlersOf<'sweeps'> => {
  const by = { settings: () => context.settings(), reach: context.reach }
  const baseOf = async (from: From): Promise<SweepBase> => {
    if ('run' in from) {
      const run = settled(await context.workspace().getRun(from.run))
      return { configuration: run.configuration, baseFolder: run.baseFolder, run }
    }
    const baseFolder = resolve(from.baseFolder)
    const configuration = await checked(from.configuration, baseFolder, { ...by, settings: by.settings() })
    return { configuration, baseFolder }
  }
  /** Checks the runs that a sweep makes completely, with the files that they name. */
  const checkRuns = async ({ runs }: PlannedSweep): Promise<void> => {
    for (const run of runs) {
      if (!('configuration' in run)) continue
      await checkNamed(context.reach, run.configuration, run.baseFolder)
      await checked(run.configuration, run.baseFolder, { ...by, settings: by.settings() })
    }
  }
  const changed = (): null => {
    context.emit('runs-changed', null)
    return null
  }
  return {
    list: () => driver().list(),
    plan: async ({ from, settings }) => {
      const base = await baseOf(from)
      const plan = planSweep(base, sweepOf(settings), '')
      await checkRuns(plan)
      return estimateSweep(plan, base, context.workspace(), (configuration, folder) =>
        estimates.of(configuration, folder, context.workspace())
      )
    },
    start: async ({ from, settings, name }) => {
      const base = await baseOf(from)
      const sweep = sweepOf(settings)
      const usual = usualSweepName(base.run?.name ?? 'sweep', sweep)
      const plan = planSweep(base, sweep, name.trim() === '' ? usual : name.trim())
      await checkRuns(plan)
      const id = await driver().start(plan)
      changed()
      return { sweep: id }
    },
    resume: async ({ sweep }) => {
      await driver().resume(sweep)
      return changed()
    },
    pause: async ({ sweep }) => {
      await driver().pause(sweep)
      return changed()
    },
    remove: async ({ sweep }) => {
      await driver().remove(sweep)
      return changed()
    },
    report: async ({ sweep, base }) => reportOf(context.workspace(), await driver().get(sweep), base),
    write: async ({ sweep, base, path, overwrite }) => {
      await context.reach.check(path)
      const report = await reportOf(context.workspace(), await driver().get(sweep), base)
      return { path: resolve(path), files: [...(await exportSweep(report, resolve(path), overwrite)).keys()] }
    }
  }
}
