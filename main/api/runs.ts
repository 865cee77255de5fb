import { dirname, resolve } from 'node:path'
import type { RunConfiguration } from '../../preload/configuration'
import type { RunDetails, RunHealth, RunSummary, SignalPreview } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { ClusteringRecord, DiagnosticsRecord, RunRecord } from '../../preload/records'
import { checkConfiguration, readConfiguration } from '../pipeline/checks'
import type { PartOptions } from '../pipeline/describe'
import { componentDiagnostics } from '../pipeline/diagnostics'
import { previewSignalApart } from '../pipeline/preview'
import { resumeRun, startRun } from '../pipeline/run'
import { nextStage } from '../pipeline/run-stages'
import { type Continuation, createContinuation } from '../pipeline/continuation'
import type { RunOptions, StartOptions } from '../pipeline/run-options'
import { checkThreads } from '../pipeline/room'
import { quoted } from '../pipeline/shard-scripts'
import { assessHealth, reliabilityThreshold } from '../sampling/diagnostics'
import type { Workspace } from '../store/store'
import { inTreeOrder } from './clusters'
import { transferLabels } from './label-transfer'
import { accountName } from './run-labels'
import { withWorkspace } from './workspaces'

/** A run as shown when nothing works on it: interrupted, if its process died while running. */
export const settled = (run: RunRecord): RunRecord =>
  run.status === 'running' || run.status === 'pending' ? { ...run, status: 'interrupted' } : run

const failedChains = (diagnostics: readonly DiagnosticsRecord[]): string[] =>
  diagnostics.flatMap(({ component, failedChains: failed }) =>
    failed.map(({ chain, message }) => `${component}, chain ${chain}: ${message}`)
  )

const isNoisy = ({ reliability, centredReliability }: DiagnosticsRecord): boolean =>
  reliability < reliabilityThreshold || centredReliability < reliabilityThreshold

/** The latest clustering. */
export const latest = ({ clusterings }: RunRecord): ClusteringRecord | undefined =>
  clusterings.reduce<ClusteringRecord | undefined>(
    (last, each) => (last === undefined || each.number > last.number ? each : last),
    undefined
  )

/** Summary of a run and its latest clustering. */
export const summarise = async (workspace: Workspace, run: RunRecord): Promise<RunSummary> => {
  const sampled = run.stages.some(({ stage }) => stage === 'sample')
  const diagnostics = sampled ? await workspace.getDiagnostics(run.id) : []
  const clustering = latest(run)
  return {
    run: run.id,
    name: run.name,
    workspace: workspace.folder,
    status: run.status,
    tokens: run.tokens,
    components: run.components.length,
    clusters: clustering?.clusters ?? null,
    unclustered: clustering?.leftoverSize ?? null,
    leftover: clustering?.leftoverKind ?? null,
    clustering: clustering?.number ?? null,
    ending: clustering?.ending ?? null,
    engine: run.provenance.engine?.name ?? '',
    corpus: run.provenance.corpus ?? null,
    seconds: Object.fromEntries(run.stages.map(({ stage, seconds }) => [stage, seconds])),
    failedChains: failedChains(diagnostics),
    noisyComponents: diagnostics.filter(isNoisy).map(({ component }) => component)
  }
}

/** Errors after which a run can be resumed once the cause is fixed. */
const passing = new Set(['storage', 'engine', 'workspace'])

/** Runs `work`. If it stops early, the error says how to resume. */
export const working = async (
  workspace: Workspace,
  folder: string,
  options: RunOptions,
  work: (options: RunOptions) => Promise<RunRecord>
): Promise<RunSummary> => {
  let id = ''
  let kept = false
  const onEvent: RunOptions['onEvent'] = (event) => {
    if (event.type === 'run') id = event.run
    kept ||= event.type === 'finished' || (event.type === 'run' && event.resumed)
    options.onEvent(event)
  }
  try {
    return await summarise(workspace, await work({ ...options, onEvent }))
  } catch (error) {
    const command = `spectroscope resume ${id} --workspace ${quoted(folder)}`
    if (!(error instanceof SpectroscopeError)) throw error
    if (error.kind === 'interrupted')
      throw new SpectroscopeError('interrupted', `Run ${id} is interrupted; resume with: ${command}`, { cause: error })
    if (kept && passing.has(error.kind))
      options.onEvent({ type: 'note', message: `Run ${id} keeps its finished work; resume with: ${command}` })
    throw error
  }
}

/** Starts a run from a configuration file. Creates the workspace if needed, after checking the configuration. */
export const startFromFile = async (folder: string, file: string, options: StartOptions): Promise<RunSummary> => {
  const configuration = await readConfiguration(file)
  const baseFolder = dirname(resolve(file))
  checkThreads(configuration.threads)
  await checkConfiguration(configuration, baseFolder)
  return withWorkspace(folder, 'create', (workspace) =>
    working(workspace, folder, options, (relayed) =>
      startRun(workspace, configuration, baseFolder, { ...options, ...relayed })
    )
  )
}

export const resume = (folder: string, text: string, options: RunOptions): Promise<RunSummary> =>
  withWorkspace(folder, 'write', async (workspace) => {
    const run = await workspace.findRun(text)
    return working(workspace, folder, options, (relayed) =>
      withLabels(workspace, resumeRun(workspace, run, { ...relayed, engine: options.engine }))
    )
  })

/** Waits for a run, then transfers the labels of the run that it continues, if any. */
const withLabels = async (workspace: Workspace, working: Promise<RunRecord>): Promise<RunRecord> => {
  const run = await working
  await transferLabels(workspace, run, accountName())
  return run
}

/** Creates a run that continues a finished one from its sums, and runs it. */
export const continueRun = (
  folder: string,
  text: string,
  continuation: Continuation,
  options: RunOptions
): Promise<RunSummary> =>
  withWorkspace(folder, 'write', async (workspace) => {
    const made = await createContinuation(workspace, await workspace.findRun(text), continuation)
    return working(workspace, folder, options, (relayed) => withLabels(workspace, resumeRun(workspace, made, relayed)))
  })

/** Previews the signal of a configuration file's run: see `previewSignalApart`. */
export const previewFile = async (file: string, seconds: number, options: PartOptions): Promise<SignalPreview> => {
  const configuration = await readConfiguration(file)
  const baseFolder = dirname(resolve(file))
  checkThreads(configuration.threads)
  await checkConfiguration(configuration, baseFolder)
  return previewSignalApart(configuration, baseFolder, seconds, options)
}

/** All runs, oldest first. */
export const listRuns = (folder: string): Promise<RunRecord[]> =>
  withWorkspace(folder, 'read', async (workspace) => (await workspace.listRuns()).map(settled))

/**
 * A run and one of its clusterings (the latest by default), with its clusters as a tree, largest first, and the
 * unclustered tokens last.
 */
export const showRun = (
  folder: string,
  text: string,
  options: { readonly clustering?: number; readonly topTokens: number }
): Promise<RunDetails> =>
  withWorkspace(folder, 'read', async (workspace) => {
    const run = settled(await workspace.findRun(text))
    const summary = await summarise(workspace, run)
    const clustering =
      options.clustering === undefined
        ? latest(run)
        : run.clusterings.find(({ number }) => number === options.clustering)
    if (clustering === undefined && options.clustering !== undefined) {
      const there = run.clusterings.map(({ number }) => number).join(', ')
      throw new SpectroscopeError(
        'usage',
        `Run ${run.id} has no clustering ${options.clustering}; it has ${there === '' ? 'none' : there}.`
      )
    }
    const clusters =
      clustering === undefined
        ? []
        : await workspace.getClusterSummaries(run.id, { clustering: clustering.number, topTokens: options.topTokens })
    return {
      run,
      summary,
      next: nextStage(run) ?? null,
      clustering: clustering ?? null,
      clusters: inTreeOrder(clusters)
    }
  })

/** Health of a run's chains and columns by component. Throws a `usage` error before sampling is done. */
export const healthOf = async (workspace: Workspace, run: RunRecord): Promise<RunHealth> => {
  if (!run.stages.some(({ stage }) => stage === 'sample'))
    throw new SpectroscopeError('usage', `Run ${run.id} has not been sampled yet; resume it first.`)
  const [diagnostics, traces] = [await workspace.getDiagnostics(run.id), await workspace.getTraces(run.id)]
  const { sampler }: RunConfiguration = run.configuration
  const initialLoss = run.initialLoss ?? NaN
  const findings = diagnostics.flatMap((each) =>
    assessHealth(
      componentDiagnostics(each),
      traces.filter(({ component }) => component === each.component),
      initialLoss,
      sampler
    )
  )
  return {
    run,
    initialLoss,
    threshold: reliabilityThreshold,
    diagnostics,
    findings,
    columns: await workspace.getColumnSpreads(run.id)
  }
}

export const diagnoseRun = (folder: string, text: string): Promise<RunHealth> =>
  withWorkspace(folder, 'read', async (workspace) => healthOf(workspace, settled(await workspace.findRun(text))))

export const deleteRun = (
  folder: string,
  text: string,
  confirm: (run: RunRecord) => Promise<boolean>
): Promise<{ readonly run: string; readonly deleted: boolean }> =>
  withWorkspace(folder, 'write', async (workspace) => {
    const run = settled(await workspace.findRun(text))
    const deleted = await confirm(run)
    if (deleted) await workspace.deleteRun(run.id)
    return { run: run.id, deleted }
  })
