import { createReadStream, existsSync } from 'node:fs'
import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { RunConfiguration } from '../../preload/configuration'
import { contentsWords } from '../../preload/corpus-contents'
import { SpectroscopeError } from '../../preload/errors'
import type { RunRecord } from '../../preload/records'
import { makeFolder, writeFileAtomically, writingError } from '../base/files'
import { outlineModel } from '../models/load'
import type { ModelOutline } from '../models/load'
import type { Workspace } from '../store/store'
import { checkNeighbours } from './checks'
import { preparedShardBytes } from './memory'
import type { Prepared } from './messages'
import { readyShards } from './shard-task'
import { preparingProgress } from './progress'
import { resumeRun, startRun } from './run'
import type { RunOptions, StartOptions } from './run-options'
import { inNewProcess } from './session'
import { checkBuild, modelFolder, dealShards, readSet, setPath, studyPath, writeSet, writeStudy } from './shard-set'
import type { ShardSet } from './shard-set'
import { perTaskFor, plainScript, sbatchScript, submitScript, threadsOfShard } from './shard-scripts'
import type { ScriptOptions, ScriptSet } from './shard-scripts'
import { arrayNotes, engineNotes } from './shard-plan'
import { maxArraySize } from './slurm'
import { buildVersion, fingerprintOf } from './versions'
import { WritingProgress } from './writing-progress'

export interface ShardOptions extends ScriptOptions, Pick<RunOptions, 'onEvent' | 'signal'> {
  readonly shards: number
  /** Threads of each shard. */
  readonly threads?: number
  /** Refer to the model in place, instead of copying it into the folder. */
  readonly linkModel?: boolean
}

/**
 * Hash of everything that determines the numbers, and of the division into shards. Clustering settings do not count.
 */
const idOf = (
  { modelHash, study, components, engine }: Prepared,
  { sampler, seed, corpus }: RunConfiguration,
  shards: ShardSet['shards']
): string =>
  fingerprintOf([
    buildVersion,
    modelHash,
    study.hash,
    components,
    { ...sampler, preset: null },
    seed,
    corpus?.observationIncludesProbe ?? false,
    engine.name,
    engine.precision,
    engine.version,
    shards.map(({ chains }) => chains.map(({ component, chain }) => [component, chain]))
  ])

const prepare = (
  configuration: RunConfiguration,
  baseFolder: string,
  { onEvent, signal }: ShardOptions
): Promise<Prepared> =>
  inNewProcess('prepare', { signal, onNote: (message) => onEvent({ type: 'note', message }) }, async (compute) => {
    const off = compute.on('preparing', ({ done, total }) =>
      onEvent({ type: 'progress', progress: preparingProgress(done, total) })
    )
    try {
      return await compute.call('prepare', { configuration, baseFolder, mayBeElsewhere: true })
    } finally {
      off()
    }
  })

const tokenizerName = 'tokenizer.json'
const blockBytes = 2 ** 22

/**
 * Copies what `loadModel` reads, and the tokenizer, so that the folder is a model of its own. Each file is there
 * whole or not at all, as shards may be at work on it already.
 */
const copyModel = async (
  from: string,
  { files }: Pick<ModelOutline, 'files'>,
  into: string,
  options: ShardOptions
): Promise<void> => {
  await mkdir(into, { recursive: true })
  const sources = [
    join(from, 'config.json'),
    ...(existsSync(join(from, tokenizerName)) ? [join(from, tokenizerName)] : []),
    ...files
  ]
  const sizes = await Promise.all(sources.map(async (source) => (await stat(source)).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const progress = new WritingProgress('prepare', total, options)
  for (const source of sources) {
    const blocks = createReadStream(source, { highWaterMark: blockBytes }) as AsyncIterable<Buffer>
    await writeFileAtomically(
      join(into, basename(source)),
      progress.counted(`copying the model: ${basename(source)}`, blocks)
    )
  }
}

/**
 * Throws a `usage` error if the folder holds anything other than remains of an interrupted division. A set's file is
 * written last.
 */
export const checkFree = async (folder: string, own: readonly string[]): Promise<void> => {
  const present = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw writingError(folder, error)
  })
  const beginnings = new Set(['logs', 'shards', 'sbatch.sh', 'submit.sh', 'run-all.sh', ...own])
  const foreign = present.find((name) => !beginnings.has(name) && !/^\..*\.tmp$/.test(name))
  if (foreign === undefined) return
  throw new SpectroscopeError('usage', `${folder} is not empty (it holds ${foreign}); choose another folder.`)
}

/** Whether the folder already holds this set. Throws a `usage` error if it holds anything else. */
const checkFolder = async (folder: string, id: string): Promise<'new' | 'same'> => {
  if (existsSync(setPath(folder))) {
    const there = await readSet(folder)
    checkBuild(there, folder)
    if (there.id === id) return 'same'
    throw new SpectroscopeError(
      'usage',
      `${folder} holds shards of another run, or the same run in ${there.shards.length} shards; choose another ` +
        'folder.'
    )
  }
  await checkFree(folder, [modelFolder, basename(studyPath(''))])
  return 'new'
}

export const writeScripts = async (folder: string, set: ScriptSet, options: ScriptOptions): Promise<void> => {
  const scripts = {
    'sbatch.sh': sbatchScript(set, options),
    'submit.sh': submitScript(set, options),
    'run-all.sh': plainScript(set, options)
  }
  for (const [name, script] of Object.entries(scripts)) {
    await writeFileAtomically(join(folder, name), script)
    await chmod(join(folder, name), 0o755)
  }
}

/**
 * Divides a run into shards. Writes everything needed to run them into a folder: packed rows, model, the list of
 * shards, and scripts. If the folder already holds the same shards, replaces its scripts and keeps its results.
 * Throws a `usage` error if the folder holds something else or the run has fewer chains than shards, and the errors
 * of preparing a run.
 */
export const shardRun = async (
  configuration: RunConfiguration,
  base: string,
  into: string,
  options: ShardOptions
): Promise<ShardSet> => {
  const folder = resolve(into)
  const { onEvent } = options
  onEvent({ type: 'stage', stage: 'prepare' })
  const start = performance.now()
  const prepared = await prepare(configuration, base, options)
  checkNeighbours(configuration, prepared.tokens)
  if (prepared.study.contents !== undefined) onEvent({ type: 'note', message: contentsWords(prepared.study.contents) })
  const modelSource = resolve(base, configuration.model)
  const outline = await outlineModel(
    modelSource,
    configuration.weights === undefined ? undefined : resolve(base, configuration.weights)
  )
  const dealt = dealShards(outline.architecture, configuration, prepared, options.shards)
  const id = idOf(prepared, configuration, dealt)
  const known = (await checkFolder(folder, id)) === 'same' ? await readSet(folder) : undefined
  const [weightsFile] = outline.files
  const usual = configuration.weights === undefined
  const own = { folder: modelFolder, weights: usual ? null : join(modelFolder, basename(weightsFile)) }
  const threads = options.threads ?? configuration.threads ?? null
  // If the user requests memory from Slurm, leave it at that.
  const saysMemory = options.sbatch?.some((option) => /^--mem\b/.test(option)) === true
  const shards = saysMemory
    ? dealt
    : await Promise.all(
        dealt.map(async (shard) => {
          const names = shard.chains.map(({ component }) => component)
          const memoryBytes = await preparedShardBytes(
            configuration,
            base,
            prepared,
            names,
            threadsOfShard({ threads })
          )
          return { ...shard, memoryBytes }
        })
      )
  const mostTasks = await maxArraySize()
  const perTask = perTaskFor({ shards }, mostTasks)
  const notes = [...engineNotes(configuration.engine, prepared.engine.name), ...arrayNotes({ shards }, mostTasks)]
  for (const message of notes) onEvent({ type: 'note', message })
  const set: ShardSet = {
    format: 'spectroscope-shards',
    version: 2,
    id,
    createdAt: known?.createdAt ?? new Date().toISOString(),
    program: buildVersion,
    configuration,
    baseFolder: base,
    ...(perTask === 1 ? {} : { perTask }),
    model: {
      ...(options.linkModel === true ? { folder: modelSource, weights: usual ? null : weightsFile } : own),
      hash: prepared.modelHash
    },
    tokenizerHash: prepared.tokenizerHash,
    studyHash: prepared.study.hash,
    engine: prepared.engine,
    components: [...prepared.components],
    tokens: prepared.tokens,
    threads,
    shards
  }
  for (const name of ['shards', 'logs']) await makeFolder(join(folder, name))
  try {
    if (options.linkModel !== true) await copyModel(modelSource, outline, join(folder, modelFolder), options)
    else await rm(join(folder, modelFolder), { recursive: true, force: true })
  } catch (error) {
    throw writingError(join(folder, modelFolder), error)
  }
  await writeStudy(folder, prepared)
  await writeScripts(folder, set, options)
  await writeSet(folder, set)
  onEvent({
    type: 'finished',
    stage: 'prepare',
    seconds: (performance.now() - start) / 1000,
    detail:
      `${prepared.tokens.toLocaleString('en')} tokens, ${prepared.components.length} components, on ` +
      prepared.engine.name
  })
  return set
}

/** The run in a workspace that is gathered from a set, if there is one. */
export const gatheredRun = async (workspace: Workspace, { id }: Pick<ShardSet, 'id'>): Promise<RunRecord | undefined> =>
  (await workspace.listRuns()).findLast(({ deleted, provenance }) => !deleted && provenance.gathered?.set === id)

/**
 * Gathers the shards of a set into a run, equal to what `startRun` would compute, and clusters it. Resumes a run that
 * was begun before, and returns one that is finished. Throws a `usage` error that names unfinished shards, and the
 * errors of a run.
 */
export const gatherRun = async (workspace: Workspace, into: string, options: StartOptions): Promise<RunRecord> => {
  const folder = resolve(into)
  const set = await readSet(folder)
  const known = await gatheredRun(workspace, set)
  if (known?.status === 'finished') {
    options.onEvent({ type: 'note', message: `The shards in ${folder} are already gathered as run ${known.id}.` })
    return known
  }
  const gathered = { folder, set: set.id, shards: [] }
  if (known !== undefined)
    return resumeRun(
      workspace,
      await workspace.updateRun(known.id, { provenance: { gathered: { ...known.provenance.gathered, ...gathered } } }),
      options
    )
  await readyShards(folder, set.id)
  return startRun(workspace, set.configuration, set.baseFolder, { ...options, provenance: { gathered } })
}

/** Default folder for the shards of a configuration file: beside it, named after it. */
export const defaultShardFolder = (file: string): string =>
  join(dirname(resolve(file)), `${basename(file).replace(/\.json$/, '')}-shards`)
