import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { parseConfiguration } from '../../preload/configuration'
import { sweepSchema } from '../../preload/contract-sweeps'
import type { Sweep, SweepEntry, SweepPlan, SweepPreset, SweepReport } from '../../preload/contract-sweeps'
import { SpectroscopeError, toPlain } from '../../preload/errors'
import { issueAt, telling } from '../../preload/issues'
import { briefly } from '../../preload/quoting'
import { checkConfiguration, readConfigurationFile } from '../pipeline/checks'
import { checkThreads } from '../pipeline/room'
import { recluster, resumeRun, startRun } from '../pipeline/run'
import type { RunOptions } from '../pipeline/run-options'
import { quoted } from '../pipeline/shard-scripts'
import type { Workspace } from '../store/store'
import { settled } from './runs'
import { estimateSweep, measuredEstimates } from './sweep-estimate'
import type { PlannedSweep } from './sweep-estimate'
import { clusteringWith, planSweep, sweepOf, usualSweepName } from './sweep-plan'
import type { SweepBase } from './sweep-plan'
import { SweepRecords } from './sweep-records'
import type { SweepRecord } from './sweep-records'
import { reportOf } from './sweep-report'
import { entryOf, runsOf } from './sweep-state'
import { withWorkspace } from './workspaces'

/** A sweep as it is asked for in the terminal: what it starts from, and its settings where the file has none. */
export interface AskedSweep {
  /** A configuration file, or a run of the workspace. */
  readonly from: string
  readonly settings?: SweepPreset | Sweep | undefined
  readonly name?: string | undefined
}

interface Based {
  readonly base: SweepBase
  readonly settings: Sweep | undefined
  readonly name: string
}

const sectionSchema = z.strictObject({ sweep: sweepSchema })

/** Reads a configuration and its section "sweep". Throws a `configuration` error that names the file. */
const fromFile = async (file: string): Promise<Based> => {
  const { sweep, ...rest } = (await readConfigurationFile(file)) as Readonly<Record<string, unknown>>
  const configuration = parseConfiguration(rest, file)
  const baseFolder = dirname(resolve(file))
  checkThreads(configuration.threads)
  await checkConfiguration(configuration, baseFolder)
  const base = { configuration, baseFolder }
  if (sweep === undefined) return { base, settings: undefined, name: 'sweep' }
  const parsed = sectionSchema.safeParse({ sweep }, { reportInput: true })
  if (parsed.success) return { base, settings: parsed.data.sweep, name: 'sweep' }
  throw new SpectroscopeError('configuration', `${file}: ${issueAt(telling(parsed.error.issues[0])).message}.`)
}

const fromRun = async (workspace: Workspace, words: string): Promise<Based> => {
  const run = settled(await workspace.findRun(words))
  const { configuration, baseFolder, name } = run
  return { base: { configuration, baseFolder, run }, settings: undefined, name }
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false
  )

/** Checks the files of the runs that a sweep makes, before anything is made. */
const checkRuns = async ({ runs }: PlannedSweep): Promise<void> => {
  for (const run of runs) if ('configuration' in run) await checkConfiguration(run.configuration, run.baseFolder)
}

const planned = async ({ base, settings, name: usual }: Based, asked: AskedSweep): Promise<PlannedSweep> => {
  const wanted = asked.settings ?? settings
  if (wanted === undefined) {
    const what = `${asked.from} has no "sweep"`
    throw new SpectroscopeError('usage', `${what}; give values with --set, as in --set k=30,45,60, or --preset.`)
  }
  const sweep = sweepOf(wanted)
  const plan = planSweep(base, sweep, asked.name ?? usualSweepName(usual, sweep))
  await checkRuns(plan)
  return plan
}

/** What a sweep will cost here. Measures the engines first if it samples. */
export const estimateAsked = async (folder: string, asked: AskedSweep): Promise<SweepPlan> => {
  const estimate = async (based: Based, workspace?: Workspace): Promise<SweepPlan> => {
    const plan = await planned(based, asked)
    const samples = plan.runs.some((run) => 'configuration' in run)
    const estimateOf = samples ? await measuredEstimates(folder) : () => Promise.reject(new Error('nothing to sample'))
    return estimateSweep(plan, based.base, workspace, estimateOf)
  }
  if (await isFile(asked.from)) return estimate(await fromFile(asked.from))
  return withWorkspace(folder, 'read', async (workspace) => estimate(await fromRun(workspace, asked.from), workspace))
}

const memberKinds = new Set(['sampling', 'clustering'])

/** Works through the runs and clusterings that a sweep misses. Returns what failed, by run. */
const workThrough = async (workspace: Workspace, record: SweepRecord, options: RunOptions): Promise<string[]> => {
  const failures: string[] = []
  const note = (message: string): void => options.onEvent({ type: 'note', message })
  for (const [at, plan] of record.runs.entries()) {
    const there = runsOf(record, await workspace.listRuns())[at]
    if (there === undefined && 'run' in plan)
      throw new SpectroscopeError(
        'input',
        `Run ${plan.run} of the sweep "${record.name}" was deleted; start a new sweep.`
      )
    note(`Run ${at + 1} of ${record.runs.length} of the sweep.`)
    try {
      const run =
        there === undefined && 'configuration' in plan
          ? await startRun(workspace, plan.configuration, plan.baseFolder, {
              ...options,
              name: plan.name,
              provenance: { sweep: { sweep: record.id, run: at } }
            })
          : await resumeRun(workspace, there!, options)
      for (const { run: place, clustering } of record.members) {
        const now = await workspace.getRun(run.id)
        if (place === at && clusteringWith(now, clustering) === undefined)
          await recluster(workspace, now, clustering, options)
      }
    } catch (error) {
      const { kind, message } = toPlain(error)
      if (!memberKinds.has(kind)) throw error
      failures.push(message)
      note(`Failed: ${message}`)
    }
  }
  return failures
}

const worked = async (
  workspace: Workspace,
  folder: string,
  record: SweepRecord,
  options: RunOptions
): Promise<SweepReport> => {
  let failures: string[]
  try {
    failures = await workThrough(workspace, record, options)
  } catch (error) {
    const command = `spectroscope sweep resume ${record.id} --workspace ${quoted(folder)}`
    if (!(error instanceof SpectroscopeError)) throw error
    if (error.kind === 'interrupted')
      throw new SpectroscopeError('interrupted', `The sweep is interrupted; resume with: ${command}`, { cause: error })
    options.onEvent({ type: 'note', message: `The sweep keeps its finished members; resume with: ${command}` })
    throw error
  }
  if (failures.length > 0) {
    const what = `${failures.length} of ${record.runs.length} runs of the sweep failed`
    throw new SpectroscopeError('sampling', `${what}; the first with: ${failures[0]}`)
  }
  return reportOf(workspace, entryOf(record, await workspace.listRuns()))
}

/** Keeps a new sweep and works through it. Creates the workspace for a configuration file. */
export const startSweep = async (folder: string, asked: AskedSweep, options: RunOptions): Promise<SweepReport> => {
  const begin = async (workspace: Workspace, plan: PlannedSweep): Promise<SweepReport> => {
    const record = await new SweepRecords(workspace.folder).keep(plan)
    options.onEvent({ type: 'note', message: `Sweep ${record.id} "${record.name}" started.` })
    return worked(workspace, folder, record, options)
  }
  if (await isFile(asked.from)) {
    const plan = await planned(await fromFile(asked.from), asked)
    return withWorkspace(folder, 'create', (workspace) => begin(workspace, plan))
  }
  return withWorkspace(folder, 'write', async (workspace) =>
    begin(workspace, await planned(await fromRun(workspace, asked.from), asked))
  )
}

const noSweep = (words: string): SpectroscopeError =>
  new SpectroscopeError('input', `There is no sweep "${briefly(words)}"; \`spectroscope sweep status\` lists them.`)

const found = async (workspace: Workspace, words: string): Promise<SweepRecord> => {
  const record = await new SweepRecords(workspace.folder).find(words)
  if (record === undefined) throw noSweep(words)
  return record
}

const entryIn = async (workspace: Workspace, record: SweepRecord): Promise<SweepEntry> =>
  entryOf(record, (await workspace.listRuns()).map(settled))

export const resumeSweep = (folder: string, words: string, options: RunOptions): Promise<SweepReport> =>
  withWorkspace(folder, 'write', async (workspace) => worked(workspace, folder, await found(workspace, words), options))

/** All sweeps, oldest first. */
export const listSweeps = (folder: string): Promise<SweepEntry[]> =>
  withWorkspace(folder, 'read', async (workspace) => {
    const runs = (await workspace.listRuns()).map(settled)
    return (await new SweepRecords(workspace.folder).list()).map((record) => entryOf(record, runs))
  })

/** The report on a sweep; `base` is the place of the member whose clusters are listed. */
export const showSweep = (folder: string, words: string, base?: number): Promise<SweepReport> =>
  withWorkspace(folder, 'read', async (workspace) =>
    reportOf(workspace, await entryIn(workspace, await found(workspace, words)), base)
  )

/** Whether words name a sweep and no run. */
export const isSweep = (folder: string, words: string): Promise<boolean> =>
  withWorkspace(folder, 'read', async (workspace) => {
    if (words === 'latest' || (await new SweepRecords(workspace.folder).find(words)) === undefined) return false
    return workspace.findRun(words).then(
      () => false,
      () => true
    )
  })

/** Forgets a sweep. Its runs stay. */
export const deleteSweep = (folder: string, words: string): Promise<SweepEntry> =>
  withWorkspace(folder, 'write', async (workspace) => {
    const record = await found(workspace, words)
    const entry = await entryIn(workspace, record)
    await new SweepRecords(workspace.folder).remove(record.id)
    return entry
  })
