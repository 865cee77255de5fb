import { basename, dirname, resolve } from 'node:path'
import { z } from 'zod'
import { checkedConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import type { ConfigurationCheck, ConfigurationProblem, RunEntry, Settings } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { resourcePath } from '../base/entries'
import { estimateClustering } from '../pipeline/clustering-estimate'
import { previewSignalApart } from '../pipeline/preview'
import { checkConfiguration, readConfiguration, readConfigurationFile } from '../pipeline/checks'
import { checkThreads } from '../pipeline/room'
import type { LabelCounts } from '../store/annotations'
import type { Workspace } from '../store/store'
import { compareClusterings, compareMatch } from './compare'
import type { HandlersOf, WorkbenchContext } from './context'
import type { Estimates } from './estimates'
import type { Jobs } from './jobs'
import { checkNamed } from './reach'
import type { Reach } from './reach'
import { type RunManager, stoppedBy } from './run-manager'
import { healthOf, latest, settled } from './runs'
import { entriesOf } from './settings'

/** Fills in engine and threads from the settings if the configuration has none. */
const withSettings = (configuration: object, { engine, threads }: Settings): object => ({
  engine,
  ...(threads === null ? {} : { threads }),
  ...configuration
})

/** The configuration key that an error message names first, as in `"corpus.files[0]": …`. */
const keyNamedFirst = (sentence: string): string => /^"([\w.[\]]+)"/.exec(sentence)?.[1] ?? 'model'

export interface CheckedBy {
  readonly settings: Settings
  readonly reach: Reach
}

/** The first problem with the files named by a configuration. */
const fileProblems = async (
  configuration: RunConfiguration,
  baseFolder: string,
  reach: Reach
): Promise<ConfigurationProblem[]> => {
  try {
    checkThreads(configuration.threads)
    await checkNamed(reach, configuration, resolve(baseFolder))
    await checkConfiguration(configuration, baseFolder)
    return []
  } catch (error) {
    if (!(error instanceof SpectroscopeError)) throw error
    return [{ path: keyNamedFirst(error.message), message: error.message }]
  }
}

/** Checks a configuration completely and lists the problems of every key. */
export const checkAll = async (
  value: object,
  baseFolder: string,
  { settings, reach }: CheckedBy
): Promise<ConfigurationCheck> => {
  const { configuration, issues } = checkedConfiguration(withSettings(value, settings))
  if (configuration === null)
    return { problems: issues.map(({ path, message }) => ({ path, message: `${message}.` })), configuration }
  const problems = await fileProblems(configuration, baseFolder, reach)
  return { problems, configuration: problems.length === 0 ? configuration : null }
}

/** Checks a configuration. Throws the first problem as a `configuration` error. */
export const checked = async (value: object, baseFolder: string, by: CheckedBy): Promise<RunConfiguration> => {
  const { problems, configuration } = await checkAll(value, baseFolder, by)
  if (configuration === null) throw new SpectroscopeError('configuration', problems[0].message)
  return configuration
}

const foreignName = ({ provenance: { foreign } }: RunRecord): string | null =>
  foreign === undefined ? null : basename(foreign.path)

const modelWords = ({ configuration: { model, weights }, baseFolder }: RunRecord): string =>
  [basename(resolve(baseFolder, model)), ...(weights === undefined ? [] : [basename(weights)])].join(' · ')

const entryOf = (manager: RunManager, record: RunRecord, counts: readonly LabelCounts[]): RunEntry => {
  const run = manager.shown(record)
  const clustering = latest(run)
  return {
    id: run.id,
    name: run.name,
    model: modelWords(run),
    tokens: run.tokens,
    components: run.components.length,
    engine: run.provenance.engine?.name ?? run.configuration.engine,
    status: run.status,
    stage: run.stage,
    error: run.error === null ? null : stoppedBy(run.error, run),
    engineLost: run.status === 'interrupted' && Boolean(run.provenance.engineLost),
    clusters: clustering?.clusters ?? null,
    clustering: clustering?.number ?? null,
    clusterings: run.clusterings.map(({ number, name, clusters }) => ({ number, name, clusters })),
    labels: counts.find((each) => each.run === run.id && each.clustering === clustering?.number)?.counts ?? {},
    createdAt: run.createdAt,
    finishedAt: run.finishedAt,
    archived: run.archived,
    deleted: run.deleted,
    queued: manager.isQueued(run.id),
    reclustering: manager.isReclustering(run.id),
    keptSums: run.status === 'finished' ? (run.provenance.keptSums ?? null) : null,
    imported: run.provenance.imported?.file ?? foreignName(run)
  }
}

const exploredSchema = z.object({ run: z.string(), clustering: z.number() })

/**
 * Preloads into the store the clustering likely to be opened next, while the user looks at the list of runs: the one
 * explored last, or else the latest.
 */
const readerAhead = (context: WorkbenchContext): ((workspace: Workspace, entries: readonly RunEntry[]) => void) => {
  let read = ''
  return (workspace, entries) => {
    const there = entries.filter(({ archived, deleted }) => !archived && !deleted)
    const last = exploredSchema.safeParse(entriesOf(context.environment.views)['explored']).data
    const known =
      last !== undefined &&
      there.some(
        ({ id, clusterings }) => id === last.run && clusterings.some(({ number }) => number === last.clustering)
      )
    const latest = there.findLast(({ clustering }) => clustering !== null)
    const [run, clustering] = known ? [last.run, last.clustering] : [latest?.id, latest?.clustering]
    if (run === undefined || clustering === undefined || clustering === null || read === `${run} ${clustering}`) return
    read = `${run} ${clustering}`
    // If this fails, opening the clustering reports the error.
    workspace.readAhead(run, clustering).catch(() => {})
  }
}

export const runCalls = (
  context: WorkbenchContext,
  managed: () => RunManager,
  estimates: Estimates,
  jobs: Jobs
): HandlersOf<'runs'> => {
  const readAhead = readerAhead(context)
  const by = (): CheckedBy => ({ settings: context.settings(), reach: context.reach })
  /** Checks that this window may access the files of a run, which may come from another window or the terminal. */
  const checkReach = async (run: string): Promise<void> => {
    const { configuration, baseFolder } = await context.workspace().getRun(run)
    await checkNamed(context.reach, configuration, baseFolder)
  }
  let stopPreview = (): void => {}
  let previews = 0
  return {
    list: async () => {
      const workspace = context.workspace()
      const manager = managed()
      const [runs, counts] = [await workspace.listRuns(), await workspace.countLabels()]
      const entries = runs.map((run) => entryOf(manager, run, counts))
      readAhead(workspace, entries)
      return entries
    },
    get: async ({ run }) => managed().shown(await context.workspace().getRun(run)),
    readConfiguration: async ({ path }) => {
      await context.reach.check(path)
      return { configuration: await readConfigurationFile(resolve(path)), baseFolder: dirname(resolve(path)) }
    },
    check: ({ configuration, baseFolder }) => checkAll(configuration, baseFolder, by()),
    estimate: async ({ configuration, baseFolder }) => {
      const full = await checked(configuration, baseFolder, by())
      return estimates.of(full, resolve(baseFolder), context.workspace())
    },
    start: async ({ name, configuration, baseFolder }) => {
      const full = await checked(configuration, baseFolder, by())
      return { run: await managed().start(name, full, resolve(baseFolder)) }
    },
    /** A new preview cancels the previous one, whose configuration is outdated. */
    previewSignal: async ({ configuration, baseFolder, seconds }) => {
      const full = await checked(configuration, baseFolder, by())
      stopPreview()
      const key = `signal ${previews++}`
      const about = { kind: 'preview', title: 'Previewing the signal', run: null, key } as const
      const { done, stop } = jobs.start(about, ({ signal, progress }) =>
        previewSignalApart(full, resolve(baseFolder), seconds, { signal, onProgress: progress })
      )
      stopPreview = stop
      return done
    },
    stopPreview: () => {
      stopPreview()
      return null
    },
    continue: async ({ run, ...continuation }) => {
      await checkReach(run)
      return { run: await managed().continueRun(run, continuation) }
    },
    openExample: async () => {
      const { id } = await context.workspace().copyRun(resourcePath('demo', 'example.duckdb'), resourcePath('demo'))
      await context.workspace().changeRun(id, { deleted: false, archived: false }, context.author())
      context.emit('runs-changed', null)
      return { run: id }
    },
    startDemo: async () => {
      const { engine, threads } = context.settings()
      const demo = await readConfiguration(resourcePath('demo', 'demo.json'))
      return {
        run: await managed().start(
          'demo',
          { ...demo, engine, ...(threads === null ? {} : { threads }) },
          resourcePath('demo')
        )
      }
    },
    resume: async ({ run, engine }) => {
      await checkReach(run)
      await managed().resume(run, engine)
      return null
    },
    pause: async ({ run }) => {
      await managed().pause(run)
      return null
    },
    estimateClustering: async ({ run, configuration }) =>
      estimateClustering(context.workspace(), settled(await context.workspace().getRun(run)), configuration),
    recluster: async ({ run, name, configuration }) => {
      await managed().recluster(run, name, configuration)
      return { run }
    },
    change: async ({ run, changes }) => {
      if (changes.deleted === true && managed().busy().includes(run)) await managed().pause(run)
      const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
      const changed = await context.workspace().changeRun(run, given, context.author())
      context.emit('runs-changed', null)
      context.emit('undo', changed.undo)
      return changed
    },
    live: async ({ run }) => {
      await context.workspace().getRun(run)
      return managed().live(run)
    },
    health: async ({ run }) => healthOf(context.workspace(), settled(await context.workspace().getRun(run))),
    traces: ({ run }) => context.workspace().getTraces(run),
    heatMap: ({ run, clustering, most }) => context.workspace().getHeatMap(run, clustering, most),
    compare: ({ left, right }) => compareClusterings(context.workspace(), left, right),
    compareMatch: ({ left, right, most }) => compareMatch(context.workspace(), left, right, most)
  }
}
