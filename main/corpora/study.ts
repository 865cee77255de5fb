import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { CorpusConfiguration, RunConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { StudyRecord as Study } from '../../preload/records'
import { faultCode } from '../base/faults'
import { isLfsPointer, pointerRemedy } from '../base/git-lfs'
import { parseJson } from '../base/json-text'
import type { Architecture, Model } from '../models/architecture'
import type { Tokenizer } from '../models/tokenizer'
import { packCorpus, type PackedCorpus } from './packing'
import { selectRows, type RowPlace } from './selection'

export type { DocumentRecord, RowProvenance, Segment, StudyRecord as Study } from '../../preload/records'

/** Picks `count` of the target positions 1 … length-1, evenly spaced, or all if there are not more. */
export const spreadTargets = (length: number, count: number = length - 1): Int32Array => {
  const positions = Math.min(count, length - 1)
  return Int32Array.from({ length: positions }, (_, i) => 1 + Math.floor(((i + 0.5) * (length - 1)) / positions))
}

/** SHA-256 of all ids and targets of a study, in hexadecimal. */
export const hashStudy = (study: Omit<Study, 'hash'>): string => {
  const hash = createHash('sha256')
  for (const part of [study.sampling, study.observation, study.probe, study.targets]) {
    hash.update(Int32Array.from([part.length, ...part.map(({ length }) => length)]))
    for (const row of part) hash.update(row)
  }
  return hash.digest('hex')
}

const rowsSchema = z.strictObject({
  sampling: z.array(z.array(z.int())).optional(),
  observation: z.array(z.array(z.int())).min(1),
  probe: z.array(z.array(z.int())).min(1)
})

const checkRow = (place: string, ids: readonly number[], { vocabulary, contextLength }: Architecture): Int32Array => {
  if (ids.length < 2)
    throw new SpectroscopeError(
      'input',
      `${place} has ${ids.length} token ids; a row needs at least 2, so that one of them can be predicted.`
    )
  if (ids.length > contextLength)
    throw new SpectroscopeError(
      'input',
      `${place} has ${ids.length} token ids, but the model takes at most ${contextLength}; shorten the row.`
    )
  const foreign = ids.findIndex((id) => id < 0 || id >= vocabulary)
  if (foreign >= 0)
    throw new SpectroscopeError(
      'input',
      `${place}[${foreign}] is ${ids[foreign]}, and the model's token ids are 0 to ${vocabulary - 1}; ` +
        "make the rows with the model's own tokenizer."
    )
  return Int32Array.from(ids)
}

const rowsForm =
  'the file must be {"observation": [[ids]], "probe": [[ids]]}, with "sampling": [[ids]] for the method "psgld"'

const studyOfRows = async (path: string, architecture: Architecture): Promise<Omit<Study, 'hash'>> => {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new SpectroscopeError('input', `${path}: the rows cannot be read (${faultCode(error)}); correct "rows".`, {
      cause: error
    })
  })
  if (isLfsPointer(bytes, bytes.length)) throw new SpectroscopeError('input', `${path} is ${pointerRemedy}.`)
  let value: unknown
  try {
    value = parseJson(bytes)
  } catch (error) {
    throw new SpectroscopeError('input', `${path}: ${(error as Error).message}; ${rowsForm}.`, { cause: error })
  }
  const parsed = rowsSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const [set, ...indices] = issue.path.map(String)
    const place = set === undefined ? '' : `"${set}"${indices.map((index) => `[${index}]`).join('')}: `
    throw new SpectroscopeError('input', `${path}: ${place}${issue.message}; ${rowsForm}.`)
  }
  const rows = (set: keyof typeof parsed.data): Int32Array[] =>
    (parsed.data[set] ?? []).map((ids, i) => checkRow(`${path}: "${set}"[${i}]`, ids, architecture))
  const probe = rows('probe')
  return {
    sampling: rows('sampling'),
    observation: rows('observation'),
    probe,
    targets: probe.map(({ length }) => spreadTargets(length)),
    provenance: probe.map(() => ({ subset: '', segments: [] })),
    documents: []
  }
}

/** Throws a `configuration` error if rows are longer than the model accepts. */
export const checkRowLength = (corpus: Pick<CorpusConfiguration, 'rowLength'>, model: Architecture): void => {
  const [{ rowLength }, { contextLength }] = [corpus, model]
  if (rowLength <= contextLength) return
  const fault = `"corpus.rowLength" is ${rowLength}, but the model takes at most ${contextLength} tokens`
  throw new SpectroscopeError('configuration', `${fault}; lower it.`)
}

type CorpusRun = RunConfiguration & { readonly corpus: NonNullable<RunConfiguration['corpus']> }

const studyOfCorpus = ({ corpus, seed, sampler }: CorpusRun, packed: PackedCorpus): Omit<Study, 'hash'> => {
  const { subsets } = packed
  // Observation rows come before sampling rows, so that they are the same for every method.
  const counts = { ...corpus, sampling: sampler.method === 'psgld' ? corpus.sampling : 0 }
  const chosen = selectRows(
    subsets.map(({ rows }) => rows),
    subsets.map(({ name }) => name),
    counts,
    seed
  )
  const rows = (places: readonly RowPlace[]): Int32Array[] => places.map(({ subset, row }) => subsets[subset].row(row))
  const provenance = chosen.probe.map(({ subset, row }) => subsets[subset].provenance(row))
  const documents = [...new Set(provenance.flatMap(({ segments }) => segments.map(({ document }) => document)))].sort(
    (a, b) => a - b
  )
  return {
    sampling: rows(chosen.sampling),
    observation: rows(chosen.observation),
    probe: rows(chosen.probe),
    targets: chosen.probe.map(() => spreadTargets(corpus.rowLength, corpus.probeTokensPerRow)),
    provenance,
    documents: documents.map((id) => packed.document(id)),
    contents: packed.contents
  }
}

/**
 * Ids of the tokens that stand between documents and, if any, before every row: by "prependBos", or else as the
 * tokenizer's file puts one before texts. A tokenizer without one uses the token between documents, as GPT-2's does.
 */
export const boundariesOf = (
  { prependBos }: Pick<CorpusConfiguration, 'prependBos'>,
  tokenizer: Pick<Tokenizer, 'beginOfText' | 'endOfText'>,
  architecture: Pick<Architecture, 'endOfText'>
): { readonly endOfText: number; readonly beginOfRow: number | undefined } => {
  const endOfText = tokenizer.endOfText ?? architecture.endOfText
  const begin =
    prependBos === 'auto' ? tokenizer.beginOfText : prependBos ? (tokenizer.beginOfText ?? endOfText) : undefined
  return { endOfText, beginOfRow: begin }
}

/**
 * Prepares the study of a configuration. Rows come from its rows file, or from its corpus by packing (`packCorpus`)
 * and selection (`selectRows`). Paths are relative to `baseFolder`; `onProgress` gets the bytes of the corpus read.
 * Throws an `input` or `configuration` error that names the file and place, or the key.
 */
export const prepareStudy = async (
  configuration: RunConfiguration,
  baseFolder: string,
  model: Pick<Model, 'architecture' | 'folder'>,
  tokenizer: Tokenizer | null,
  onProgress?: (done: number, total: number) => void
): Promise<Study> => {
  const { corpus, rows, sampler } = configuration
  const { architecture } = model
  const prepare = async (): Promise<Omit<Study, 'hash'>> => {
    if (corpus === undefined) {
      const path = resolve(baseFolder, rows!)
      const study = await studyOfRows(path, architecture)
      if (sampler.method !== 'psgld') return { ...study, sampling: [] }
      if (study.sampling.length === 0)
        throw new SpectroscopeError(
          'input',
          `${path}: "sampling" is missing or empty, and the method "psgld" draws its minibatches from it; ` +
            'give those rows, or set "sampler.method" to "first-order".'
        )
      return study
    }
    checkRowLength(corpus, architecture)
    if (tokenizer === null)
      throw new SpectroscopeError(
        'input',
        `${model.folder}: a corpus needs the model's tokenizer.json; put it there, or give "rows".`
      )
    return studyOfCorpus(
      { ...configuration, corpus },
      await packCorpus({
        corpus,
        baseFolder,
        tokenizer,
        vocabulary: architecture.vocabulary,
        ...boundariesOf(corpus, tokenizer, architecture),
        onProgress
      })
    )
  }
  const study = await prepare()
  if (sampler.method === 'psgld' && sampler.nBeta > 0 && study.sampling.length < sampler.batchSize) {
    throw new SpectroscopeError(
      'configuration',
      `"sampler.batchSize" is ${sampler.batchSize}, but there are only ${study.sampling.length} sampling rows; ` +
        'lower it or give more rows.'
    )
  }
  return { ...study, hash: hashStudy(study) }
}
