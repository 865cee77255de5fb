import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { clusteringConfigurationSchema } from '../../preload/configuration'
import type { ClusteringSettings } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { ClusteringRecord, RunRecord } from '../../preload/records'
import { makeFolder, writeFileAtomically } from '../base/files'
import type { Workspace } from '../store/store'
import { matricesFolder, writeMatrix } from './cluster-matrices'
import { type MatricesOf } from './messages'
import {
  clusterSetPath,
  planClusterShards,
  readClusterSet,
  variantsOf,
  writeClusterSet,
  type ClusterSet
} from './cluster-set'
import { clusteringOrder } from './clustering-order'
import { clusterShardBytes } from './memory'
import { checkDone } from './shard-task'
import { recluster, suitedTo } from './run'
import type { RunOptions, StartOptions } from './run-options'
import { inNewProcess } from './session'
import { beginnersOf, perTaskFor, threadsOfShard, type ScriptOptions } from './shard-scripts'
import { checkBuild } from './shard-set'
import { arrayNotes } from './shard-plan'
import { checkFree, writeScripts } from './shards'
import { maxArraySize } from './slurm'
import { matrixBlocks } from './transfer'
import { fingerprintOf, buildVersion } from './versions'
import { WritingProgress } from './writing-progress'

export interface ClusterShardOptions extends ScriptOptions, Pick<RunOptions, 'onEvent' | 'signal'> {
  readonly shards: number
  /** Threads of each shard. */
  readonly threads?: number
  /** Name of the resulting clustering. */
  readonly name?: string
}

/** When a folder's set was made, where it holds the same one. Throws a `usage` error where it holds anything else. */
const checkFolder = async (folder: string, id: string): Promise<string | undefined> => {
  if (existsSync(clusterSetPath(folder))) {
    const there = await readClusterSet(folder)
    checkBuild(there, folder)
    if (there.id === id) return there.createdAt
    const what = `${folder} holds shards of another clustering, or the same one in ${beginnersOf(there)} shards`
    throw new SpectroscopeError('usage', `${what}; choose another folder.`)
  }
  await checkFree(folder, [matricesFolder])
  return undefined
}

/** Largest memory that a process needs for any of the shards, in bytes. */
export const shardBytesOf = (
  configuration: ClusterSet['configuration'],
  tokens: number,
  components: number,
  shards: ClusterSet['shards'],
  threads: number
): number => {
  const rowsOf = ({ segments, search }: ClusterSet['shards'][number]): number | null =>
    search === null ? Math.max(...segments.map(({ from, to }) => to - from)) : null
  return Math.max(
    ...shards.map((shard) => clusterShardBytes(configuration, tokens, components, rowsOf(shard), threads))
  )
}

/** Writes the matrices to cluster, and the noise from which the cloud without clusters is made. */
const writeMatrices = async (
  workspace: Workspace,
  run: RunRecord,
  columns: readonly number[],
  folder: string,
  of: MatricesOf,
  { onEvent, signal }: ClusterShardOptions
): Promise<void> => {
  const written = variantsOf(of.parts).filter(({ kind }) => kind !== 'shapeless')
  const total = 4 * written.length * of.tokens * of.components.length
  const progress = new WritingProgress('cluster', total, { onEvent, signal })
  for (const [at, variant] of written.entries()) {
    const blocks = matrixBlocks(workspace, run, columns, variant.kind === 'half' ? variant.parts : undefined)
    const detail = `writing matrix ${at + 1} of ${written.length}`
    await writeMatrix(folder, of, variant.name, progress.counted(detail, blocks))
  }
  if (of.parts === 0) return
  const noise = {
    stage: 'cluster',
    done: 0,
    total: 0,
    unit: '',
    detail: 'measuring the noise of the matrices'
  } as const
  onEvent({ type: 'progress', progress: noise })
  await inNewProcess('prepare', { signal, onNote: (message) => onEvent({ type: 'note', message }) }, (compute) =>
    compute.call('measureNoises', { folder, of })
  )
}

/**
 * Divides a further clustering of a run into shards. Writes everything needed to run them into a folder: matrices,
 * the list of shards, and scripts. If the folder already holds the same shards, replaces its files and keeps its
 * results. Throws a `usage` error if the folder holds something else or there are too many shards, and the errors of
 * `recluster`.
 */
export const shardClustering = async (
  workspace: Workspace,
  run: RunRecord,
  settings: ClusteringSettings,
  into: string,
  options: ClusterShardOptions
): Promise<ClusterSet> => {
  const folder = resolve(into)
  const {
    tokens,
    configuration: { seed }
  } = run
  const configuration = clusteringConfigurationSchema.parse(suitedTo(run, settings))
  if (configuration.neighbours >= tokens) {
    throw new SpectroscopeError(
      'usage',
      `Run ${run.id} has only ${tokens} tokens, fewer than the ${configuration.neighbours} neighbours of each; ` +
        'ask for fewer neighbours.'
    )
  }
  const { columns, parts, fingerprint, notes } = await clusteringOrder(workspace, run, configuration)
  for (const note of notes) options.onEvent({ type: 'note', ...note })
  options.onEvent({ type: 'stage', stage: 'cluster', detail: 'writing the matrices of its shards' })
  const startedAt = performance.now()
  const shards = planClusterShards(configuration, tokens, parts, options.shards)
  const mostTasks = await maxArraySize()
  const perTask = perTaskFor({ shards }, mostTasks)
  for (const message of arrayNotes({ shards }, mostTasks)) options.onEvent({ type: 'note', message })
  const id = fingerprintOf([fingerprint, shards.map(({ segments, search }) => [segments, search])])
  const createdAt = (await checkFolder(folder, id)) ?? new Date().toISOString()
  const components = columns.map((column) => run.components[column])
  const threads = options.threads ?? run.configuration.threads ?? null
  const set: ClusterSet = {
    format: 'spectroscope-clustering-shards',
    version: 2,
    id,
    fingerprint,
    createdAt,
    program: buildVersion,
    run: run.id,
    name: options.name ?? null,
    configuration,
    components,
    tokens,
    seed,
    parts,
    threads,
    ...(perTask === 1 ? {} : { perTask }),
    shards
  }
  for (const name of ['shards', 'logs', matricesFolder]) await makeFolder(join(folder, name))
  await writeMatrices(workspace, run, columns, folder, set, options)
  const memoryBytes = shardBytesOf(configuration, tokens, components.length, shards, threadsOfShard(set))
  await writeScripts(folder, set, { ...options, memoryBytes })
  await writeClusterSet(folder, set)
  const size = `${tokens.toLocaleString('en')} tokens × ${components.length} components`
  const detail = `${variantsOf(parts).length} matrices of ${size}`
  options.onEvent({ type: 'finished', stage: 'cluster', seconds: (performance.now() - startedAt) / 1000, detail })
  return set
}

const gatheredSchema = z.object({ run: z.string(), clustering: z.int() })
const gatheredPath = (folder: string): string => join(folder, 'gathered.json')

/** The clustering that was already gathered from a folder, if it still exists. */
export const gatheredAs = async (
  folder: string,
  { id, clusterings }: RunRecord
): Promise<ClusteringRecord | undefined> => {
  const content = await readFile(gatheredPath(folder), 'utf8').catch(() => 'null')
  try {
    const { run, clustering } = gatheredSchema.parse(JSON.parse(content))
    return run === id ? clusterings.find(({ number }) => number === clustering) : undefined
  } catch {
    return undefined
  }
}

/**
 * Gathers the shards of a set into a clustering, equal to what `recluster` would compute on one machine. Returns the
 * existing clustering if they were gathered before. Throws a `usage` error that names unfinished shards, an `input`
 * error that names a result that is missing, damaged or from another set, and the errors of `recluster`.
 */
export const gatherClustering = async (
  workspace: Workspace,
  into: string,
  options: StartOptions
): Promise<{ readonly run: RunRecord; readonly clustering: ClusteringRecord }> => {
  const folder = resolve(into)
  const set = await readClusterSet(folder)
  checkBuild(set, folder)
  const run = await workspace.findRun(set.run).catch((error: unknown) => {
    throw new SpectroscopeError(
      'input',
      `The clustering in ${folder} is of run ${set.run}, which this workspace does not have; ` +
        'name the one that has it with --workspace.',
      { cause: error }
    )
  })
  const known = await gatheredAs(folder, run)
  if (known !== undefined) {
    options.onEvent({
      type: 'note',
      message: `The shards in ${folder} are already gathered as clustering ${known.number} of run ${run.id}.`
    })
    return { run, clustering: known }
  }
  await checkDone(folder, set)
  const name = options.name ?? set.name
  const clustering = await recluster(
    workspace,
    run,
    set.configuration,
    { ...options, ...(name === null ? {} : { name }) },
    folder
  )
  await writeFileAtomically(gatheredPath(folder), JSON.stringify({ run: run.id, clustering: clustering.number }))
  return { run: await workspace.findRun(run.id), clustering }
}
