import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { blockCount, modernised, parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { issueWords, pathText, telling } from '../../preload/issues'
import { index, limits, path as pathOf, text as textOf } from '../../preload/limits'
import type { StudyRecord } from '../../preload/records'
import { decode, encode } from '../../preload/wire'
import { readingFault } from '../base/faults'
import { writeFileAtomically } from '../base/files'
import { checkFile, readSection, sectionBlocks, withFile } from '../base/section-file'
import { pieceOperations } from '../engine/core'
import type { Architecture } from '../models/architecture'
import { chainNames } from '../sampling/input'
import type { ChainName } from '../sampling/input'
import { samplingWork } from './work'
import type { Prepared } from './messages'
import { buildVersion } from './versions'

const format = 'spectroscope-shards'
const version = 2
const studyFormat = { magic: 'SPECROWS', version: 1 }

const text = textOf(limits.word)

const chainSchema = z.strictObject({ component: text, chain: index })

const shardSchema = z.strictObject({
  index,
  chains: z
    .array(chainSchema)
    .min(1)
    .max(limits.components * limits.chains),
  /** Share of the run's floating-point operations, without those shared by all chains. */
  share: z.number().min(0).max(1),
  /** Estimated memory of its processes in bytes. */
  memoryBytes: z.number().min(0).optional()
})

const setSchema = z.strictObject({
  format: z.literal(format),
  version: z.literal(version),
  /** SHA-256 of everything that determines the numbers, and of the division into shards. */
  id: text,
  createdAt: text,
  program: text,
  configuration: z.unknown(),
  baseFolder: pathOf,
  /** Paths relative to the set's folder, or absolute. `weights` is null for the default file in the model folder. */
  model: z.strictObject({ folder: pathOf, weights: pathOf.nullable(), hash: text }),
  tokenizerHash: text.nullable(),
  studyHash: text,
  engine: z.strictObject({ name: text, device: text, precision: text, version: text }),
  components: z.array(text).min(1).max(limits.components),
  tokens: index.max(limits.tokens),
  threads: z.int().min(1).max(limits.threads).nullable(),
  /** Shards that one Slurm task runs in turn, if an array may not have a task for each. */
  perTask: z.int().min(1).max(limits.shards).optional(),
  shards: z.array(shardSchema).min(1).max(limits.shards)
})

export type Shard = z.output<typeof shardSchema>

/** A run divided into shards, as stored in `shards.json` in its folder. */
export interface ShardSet extends Omit<z.output<typeof setSchema>, 'configuration'> {
  readonly configuration: RunConfiguration
}

export const setPath = (folder: string): string => join(folder, 'shards.json')
export const studyPath = (folder: string): string => join(folder, 'study')
export const modelFolder = 'model'
export const shardFolder = (folder: string, shard: number): string => join(folder, 'shards', String(shard))
export const resultPath = (folder: string, shard: number): string => join(shardFolder(folder, shard), 'result')
export const claimPath = (folder: string, shard: number): string => join(shardFolder(folder, shard), 'claim')

const mean = (lengths: readonly number[], cost: (length: number) => number): number =>
  lengths.reduce((sum, length) => sum + cost(length), 0) / Math.max(1, lengths.length)

/** Floating-point operations of one chain of a component, without the forward passes at w*, which are shared. */
const chainOperations = (
  architecture: Architecture,
  { sampler }: RunConfiguration,
  { sampling, observation, probe }: StudyRecord
): ((component: string) => number) => {
  if (sampler.method !== 'psgld') {
    const lengthsOf = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
    const rows = { sampling: [], observation: lengthsOf(observation), probe: lengthsOf(probe) }
    const work = (component: string): number => samplingWork(architecture, [component], sampler, rows, 0).operations
    return (component) => work(component) / blockCount
  }
  const { nBeta, burnIn, draws, stepsBetweenDraws, batchSize } = sampler
  const lengths = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
  const steps = nBeta === 0 ? 0 : burnIn + (draws - 1) * stepsBetweenDraws + 1
  const evaluated = lengths([...observation, ...probe])
  return (component) =>
    steps * batchSize * mean(lengths(sampling), (length) => pieceOperations(architecture, component, length).gradient) +
    draws * evaluated.length * mean(evaluated, (length) => pieceOperations(architecture, component, length).losses)
}

/**
 * Divides chains among `count` shards of nearly equal cost: the most expensive chain first, each to the cheapest
 * shard. Chains of a shard stay in the run's order. With `together`, all chains of a component stay in one shard.
 * Throws a `usage` error if there are more shards than that allows.
 */
export const dealChains = (
  chains: readonly ChainName[],
  costOf: (component: string) => number,
  count: number,
  together = false
): Shard[] => {
  const parts = together
    ? [...new Set(chains.map(({ component }) => component))].map((name) =>
        chains.filter(({ component }) => component === name)
      )
    : chains.map((chain) => [chain])
  if (count > parts.length) {
    throw new SpectroscopeError(
      'usage',
      together
        ? `With a target for the reliability the ${parts.length} components are all there is to divide, not into ` +
            `${count} shards; ask for at most ${parts.length} or set "sampler.targetReliability" to false.`
        : `The run has only ${parts.length} chains or blocks to divide, not into ${count} shards; ` +
            `ask for at most ${parts.length}.`
    )
  }
  const order = parts
    .map((own, at) => ({ own, at, cost: own.length * costOf(own[0].component) }))
    .sort((a, b) => b.cost - a.cost || a.at - b.at)
  const shards = Array.from({ length: count }, () => ({ cost: 0, dealt: [] as typeof order }))
  for (const item of order) {
    const least = shards.reduce((best, shard) =>
      (shard.dealt.length === 0 && best.dealt.length > 0) ||
      (shard.cost < best.cost && (shard.dealt.length === 0) === (best.dealt.length === 0))
        ? shard
        : best
    )
    least.dealt.push(item)
    least.cost += item.cost
  }
  const total = order.reduce((sum, { cost }) => sum + cost, 0)
  return shards.map(({ cost, dealt }, at) => ({
    index: at,
    chains: dealt.sort((a, b) => a.at - b.at).flatMap(({ own }) => own),
    share: total > 0 ? cost / total : 1 / count
  }))
}

/** Whether blocks of a component may go to different shards. Not if its number of rounds depends on all of them. */
export const mayDivideComponents = (sampler: RunConfiguration['sampler']): boolean =>
  sampler.method === 'psgld' || sampler.targetReliability === false

/**
 * Divides the chains of a run among shards. Throws a `configuration` error if the run cannot be divided, and the
 * errors of `dealChains`.
 */
export const dealShards = (
  architecture: Architecture,
  configuration: RunConfiguration,
  { study, components }: Pick<Prepared, 'study' | 'components'>,
  count: number
): Shard[] => {
  const { sampler } = configuration
  if (sampler.method === 'first-order' && sampler.remainderDraws > 0) {
    throw new SpectroscopeError(
      'configuration',
      '"sampler.remainderDraws" cannot be computed in shards, because it needs all samples; set it to 0 to divide ' +
        'the run.'
    )
  }
  const costOf = chainOperations(architecture, configuration, study)
  return dealChains(chainNames({ components, sampler }), costOf, count, !mayDivideComponents(sampler))
}

export const writeSet = (folder: string, set: ShardSet): Promise<void> =>
  writeFileAtomically(setPath(folder), JSON.stringify(set, null, 1))

/** Words for the error messages of one kind of set. */
interface SetWords {
  /** Command that creates such a set. */
  readonly command: string
  /** Says what a damaged file is not, such as "not a shard set of this version". */
  readonly otherwise: string
  readonly remedy: string
}

/**
 * Reads and checks the file of a set. Throws a `usage` error if it is missing, and an `input` error if it is damaged
 * or from another version.
 */
export const readSetFile = async <T>(path: string, schema: z.ZodType<T>, words: SetWords): Promise<T> => {
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new SpectroscopeError(
      'usage',
      `${path} ${readingFault(error)}; name a folder that \`${words.command}\` has written.`,
      { cause: error }
    )
  })
  const damaged = (why: string, cause: unknown): SpectroscopeError =>
    new SpectroscopeError('input', `${path} is ${words.otherwise} (${why}); ${words.remedy}.`, { cause })
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (error) {
    throw damaged('no valid JSON', error)
  }
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  const issue = telling(parsed.error.issues[0])
  throw damaged(`"${pathText(issue.path)}": ${issueWords(issue)}`, parsed.error)
}

/** Reads the shard set in a folder. Throws the errors of `readSetFile`. */
export const readSet = async (folder: string): Promise<ShardSet> => {
  const path = setPath(folder)
  const { configuration, ...set } = await readSetFile(path, setSchema, {
    command: 'spectroscope shard',
    otherwise: 'not a shard set of this version',
    remedy: 'create it again with `spectroscope shard`'
  })
  return { ...set, configuration: parseConfiguration(modernised(configuration), path) }
}

/**
 * Throws a `usage` error if the set was made by another build, because results of different builds must not be mixed.
 */
export const checkBuild = ({ program }: { readonly program: string }, folder: string): void => {
  if (program === buildVersion) return
  const what = `The shards in ${folder} were made by build ${program} of the program, and this is ${buildVersion}`
  throw new SpectroscopeError('usage', `${what}; use that build, or create them again in another folder.`)
}

/** Folder and weights file of a set's model, for `loadModel`. */
export const modelOf = (
  folder: string,
  { model }: ShardSet
): { readonly folder: string; readonly weights: string | undefined } => ({
  folder: resolve(folder, model.folder),
  weights: model.weights === null ? undefined : resolve(folder, model.weights)
})

/** The rows of a set, and the texts of their tokens. */
export type PackedStudy = Pick<Prepared, 'study' | 'texts' | 'parameters'>

export const writeStudy = (folder: string, { study, texts, parameters }: PackedStudy): Promise<void> => {
  const packed = encode({ study, parameters, texts })
  return writeFileAtomically(studyPath(folder), sectionBlocks(studyFormat, { hash: study.hash }, [packed]))
}

/** Reads the rows of a set. Throws an `input` error if the file is missing, damaged, or has other rows. */
export const readStudy = async (folder: string, { studyHash }: ShardSet): Promise<PackedStudy> => {
  const path = studyPath(folder)
  const packed = await withFile(path, async (file) => {
    const { start, end } = await checkFile(file, studyFormat)
    const bytes = new Uint8Array(end - start)
    await readSection(file, start, bytes)
    return decode(bytes) as PackedStudy
  })
  if (packed === null || packed.study.hash !== studyHash)
    throw new SpectroscopeError(
      'input',
      `${path} is missing, damaged or from another set; create the set again with \`spectroscope shard\`.`
    )
  return packed
}
