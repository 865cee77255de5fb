import { SpectroscopeError } from '../../preload/errors'
import { describeEngine, resolveEngine, unknownVersion } from '../engine/engines'
import type { Model } from '../models/architecture'
import { loadModel } from '../models/load'
import { chainNames } from '../sampling/input'
import { estimatesOf, sampleSome } from '../sampling/sample'
import { type Sampled } from '../sampling/sampled'
import { type SampledFile, joinSampled, openSampled, writeSampled } from '../sampling/sampled-file'
import { inFile } from '../sampling/columns'
import type { EstimatedColumns } from '../sampling/estimates'
import type { SamplingInput } from '../sampling/input'
import type { EngineProvenance } from '../../preload/records'
import type { Gathered, GatherRequest, OpenSetRequest, ShardAbout, ShardRequest, Prepared } from './messages'
import { keepSums } from './kept-sums'
import { checkBuild, modelOf, readSet, readStudy } from './shard-set'
import type { ShardSet } from './shard-set'

/** This machine's engine. Throws an `engine` error unless it is that of the set. */
const checkEngine = async ({ engine, configuration: { precision } }: ShardSet): Promise<EngineProvenance> => {
  const own = await describeEngine(await resolveEngine(engine.name, precision), precision)
  const words = ({ name, version, precision }: typeof own): string =>
    `${name} ${engine.version === unknownVersion ? '' : version}, ${precision}`
  if (words(own) !== words(engine))
    throw new SpectroscopeError(
      'engine',
      `The shards need the engine ${words(engine)}, but this machine has ${words(own)}; install the same ` +
        'version of ' +
        'the program everywhere.'
    )
  return own
}

const openModel = async (folder: string, set: ShardSet): Promise<Model> => {
  const { folder: files, weights } = modelOf(folder, set)
  const model = await loadModel(files, weights)
  if (model.hash !== set.model.hash)
    throw new SpectroscopeError(
      'input',
      `The model in ${files} is not the one that the shards were made for; restore it or create the shards again.`
    )
  return model
}

/**
 * Opens the rows of a set, and with `withModel` its model. Throws an `input`, `engine` or `usage` error if they do
 * not belong together.
 */
export const openSet = async ({
  folder,
  withModel
}: OpenSetRequest): Promise<{ readonly prepared: Prepared; readonly model: Model | undefined }> => {
  const set = await readSet(folder)
  checkBuild(set, folder)
  const own = withModel ? await checkEngine(set) : set.engine
  const [packed, model] = [await readStudy(folder, set), withModel ? await openModel(folder, set) : undefined]
  const { tokenizerHash, components, tokens } = set
  return { model, prepared: { ...packed, modelHash: set.model.hash, tokenizerHash, engine: own, components, tokens } }
}

/** Samples a shard's chains and writes the result. */
export const sampleShard = async (
  { chains, result, about, ...request }: ShardRequest,
  input: Pick<SamplingInput, 'model' | 'study' | 'onProgress' | 'onTrace' | 'onFlag' | 'signal'>
) => {
  const { folder, everySeconds, fingerprint, secondsBefore, ...settings } = request
  const start = performance.now()
  const sampled = await sampleSome({ ...settings, ...input, checkpoint: { folder, everySeconds, fingerprint } }, chains)
  const seconds = secondsBefore + (performance.now() - start) / 1000
  try {
    await writeSampled<ShardAbout>(result, { ...about, finishedAt: new Date().toISOString(), seconds }, sampled)
  } finally {
    if ('close' in sampled) await sampled.close?.()
  }
  return {
    failed: sampled.chains.flatMap(({ component, failure }) =>
      failure === null ? [] : [{ component, chain: failure.chain, message: failure.message }]
    )
  }
}

interface GatheredColumns extends Pick<Gathered, 'shards'> {
  readonly estimated: EstimatedColumns
  readonly keptSums: number | null
}

/**
 * Throws an `engine` error unless all shards used the same engine version. Needed for sets made without the engine at
 * hand.
 */
const checkOneEngine = (abouts: readonly ShardAbout[]): void => {
  const versions = [...new Set(abouts.map(({ engine: { name, version } }) => `${name} ${version}`))]
  if (versions.length < 2) return
  const what = `The shards were sampled by different versions of the engine (${versions.join('; ')})`
  throw new SpectroscopeError('engine', `${what}; run them with one, after deleting the results of the others.`)
}

/**
 * Combines the results of all shards into the result of the run. Each is checked as it is read. Throws an `input`
 * error that names a result that is missing, damaged or from another set, and the errors of `sample`.
 */
export const gatherShards = async (
  { set, results, keep, basis, columns, ...settings }: GatherRequest,
  rowStarts: Int32Array,
  signal: AbortSignal
): Promise<GatheredColumns> => {
  const files: SampledFile<Sampled, ShardAbout>[] = []
  try {
    for (const [shard, path] of results.entries()) {
      signal.throwIfAborted()
      const file = await openSampled<Sampled, ShardAbout>(path, 'as read')
      files.push(file)
      if (file.about.set !== set || file.about.shard !== shard)
        throw new SpectroscopeError(
          'input',
          `${path} is the result of another shard or set; delete it and run shard ${shard} again.`
        )
    }
    checkOneEngine(files.map(({ about }) => about))
    const joined = joinSampled<Sampled>(chainNames(settings), files)
    const sums = (at: number): ReturnType<Sampled['sums']> => {
      signal.throwIfAborted()
      return joined.sums(at)
    }
    const sampled = { ...joined, sums } as Sampled
    const keptSums = keep === undefined ? null : await keepSums(keep, basis, sampled)
    const estimated = await estimatesOf(settings, rowStarts, sampled, inFile(columns, signal))
    return { estimated, keptSums, shards: files.map(({ about }) => about) }
  } finally {
    for (const file of files) await file.close()
  }
}
