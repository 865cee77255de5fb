import { basename, resolve } from 'node:path'
import type { RunProgress } from '../../preload/contract'
import type { ShardFolder } from '../../preload/shards'
import { readClusterSet } from '../pipeline/cluster-set'
import { gatheredAs, shardClustering } from '../pipeline/cluster-shards'
import { planClustering } from '../pipeline/cluster-shard-plan'
import { planShards } from '../pipeline/shard-plan'
import { modelFolder, readSet } from '../pipeline/shard-set'
import { checkDone, readyShards } from '../pipeline/shard-task'
import { gatheredRun, shardRun } from '../pipeline/shards'
import type { RunOptions } from '../pipeline/run-options'
import type { HandlersOf, WorkbenchContext } from './context'
import type { Estimates } from './estimates'
import type { JobProgress, Jobs } from './jobs'
import { checked } from './run-calls'
import type { CheckedBy } from './run-calls'
import type { RunManager } from './run-manager'
import { holdsClustering, statusOfShards } from './shards'

/** Nothing but the start of a folder has no detail: the reading of its rows. */
const jobProgress = ({ done, total, detail = 'reading the corpus', secondsLeft }: RunProgress): JobProgress => ({
  ...(total > 0 ? { fraction: done / total } : {}),
  detail,
  ...(secondsLeft === undefined ? {} : { secondsLeft })
})

export const shardCalls = (
  context: WorkbenchContext,
  managed: () => RunManager,
  estimates: Estimates,
  jobs: Jobs
): HandlersOf<'shards'> => {
  const by = (): CheckedBy => ({ settings: context.settings(), reach: context.reach })
  const within = async (given: string): Promise<string> => {
    const folder = resolve(given)
    await context.reach.check(folder)
    return folder
  }
  /** Work of the shards in a folder, and their result in this workspace. */
  const aboutFolder = async (folder: string): Promise<Pick<ShardFolder, 'kind' | 'of' | 'gathered'>> => {
    const workspace = context.workspace()
    if (holdsClustering(folder)) {
      const { run } = await readClusterSet(folder)
      const record = (await workspace.listRuns()).find(({ id, deleted }) => id === run && !deleted)
      const clustering = record === undefined ? undefined : await gatheredAs(folder, record)
      const gathered = clustering === undefined ? null : { run, clustering: clustering.number, finished: true }
      return { kind: 'clustering', of: run, gathered }
    }
    const set = await readSet(folder)
    const run = await gatheredRun(workspace, set)
    const gathered = run === undefined ? null : { run: run.id, clustering: null, finished: run.status === 'finished' }
    const name = basename(set.model.folder === modelFolder ? set.configuration.model : set.model.folder)
    return { kind: 'run', of: name, gathered }
  }

  /** Writes a division as a job that can be cancelled. */
  const written = async <T>(
    folder: string,
    time: string | undefined,
    write: (options: { sbatch?: string[] } & Pick<RunOptions, 'onEvent' | 'signal'>) => Promise<T>
  ): Promise<{ readonly folder: string }> => {
    const about = { kind: 'shards', title: `Writing shards to ${folder}`, run: null, key: `shards ${folder}` } as const
    const sbatch = time === undefined ? {} : { sbatch: [`--time=${time}`] }
    const { done } = jobs.start(about, ({ signal, progress }) =>
      write({
        ...sbatch,
        signal,
        onEvent: (event) => event.type === 'progress' && progress(jobProgress(event.progress))
      })
    )
    await done
    return { folder }
  }

  return {
    status: async ({ folder }) => {
      const path = await within(folder)
      return { ...(await statusOfShards(path)), ...(await aboutFolder(path)) }
    },
    planRun: async ({ configuration, baseFolder, shards }) => {
      const full = await checked(configuration, baseFolder, by())
      const options = { reader: 'window', ...(shards === undefined ? {} : { shards }) } as const
      return planShards(full, resolve(baseFolder), await estimates.rates(), options)
    },
    planClustering: async ({ run, configuration, shards }) => {
      const record = await context.workspace().getRun(run)
      return planClustering(context.workspace(), record, configuration, shards === undefined ? {} : { shards })
    },
    divideRun: async ({ configuration, baseFolder, shards, folder, time }) => {
      const path = await within(folder)
      const full = await checked(configuration, baseFolder, by())
      return written(path, time, (options) => shardRun(full, resolve(baseFolder), path, { ...options, shards }))
    },
    divideClustering: async ({ run, configuration, shards, folder, time, name = '' }) => {
      const path = await within(folder)
      const record = await context.workspace().getRun(run)
      const named = name.trim() === '' ? {} : { name: name.trim() }
      return written(path, time, (options) =>
        shardClustering(context.workspace(), record, configuration, path, { ...options, shards, ...named })
      )
    },
    gather: async ({ folder, name }) => {
      const path = await within(folder)
      if (holdsClustering(path)) {
        const set = await readClusterSet(path)
        await checkDone(path, set)
        const { id } = await context.workspace().findRun(set.run)
        managed().gatherClustering(id, path)
        return { run: id }
      }
      const set = await readyShards(path)
      const known = await gatheredRun(context.workspace(), set)
      if (known !== undefined) {
        const isBusy = managed().busy().includes(known.id)
        if (known.status !== 'finished' && !isBusy) await managed().resume(known.id)
        return { run: known.id }
      }
      const gathered = { folder: path, set: set.id, shards: [] }
      const run = await managed().start(name, set.configuration, set.baseFolder, { gathered })
      return { run }
    }
  }
}
