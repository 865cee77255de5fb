import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { CorpusPreview } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { documentStarts, wholeCharacters, withoutPrefix } from '../../preload/tokens-in-context'
import { packCorpus } from '../corpora/packing'
import type { PackedCorpus } from '../corpora/packing'
import { listCorpusFiles } from '../corpora/files'
import { evenShares, selectRows } from '../corpora/selection'
import type { RowPlace } from '../corpora/selection'
import { boundariesOf, prepareStudy } from '../corpora/study'
import type { Architecture } from '../models/architecture'
import { readModelConfig } from '../models/config'
import { loadTokenizer } from '../models/tokenizer'
import type { Tokenizer } from '../models/tokenizer'
import type { PreviewRequest } from './messages'

const nothing: CorpusPreview = {
  files: 0,
  documents: 0,
  complete: true,
  contents: null,
  rowsWanted: 0,
  rowsThere: 0,
  subsets: [],
  rows: [],
  beginOfRow: null,
  problem: null
}

/** Kinds of errors that the user can fix in the configuration. They become part of the preview. */
const telling = new Set(['input', 'configuration'])

/** `count` of the items, evenly spaced. */
const spread = <T>(items: readonly T[], count: number): T[] =>
  Array.from(
    { length: Math.min(count, items.length) },
    (_, i) => items[Math.floor(((i + 0.5) * items.length) / Math.min(count, items.length))]
  )

type CorpusRequest = PreviewRequest & {
  readonly configuration: { readonly corpus: NonNullable<PreviewRequest['configuration']['corpus']> }
}

/** Rows that a run would study. If too little was read to choose them, some rows of each subset. */
const choose = (
  { subsets, complete }: PackedCorpus,
  { configuration: { corpus, seed }, rows }: CorpusRequest
): { readonly places: readonly RowPlace[]; readonly problem: string | null } => {
  const available = subsets.map((subset) => subset.rows)
  try {
    return {
      places: spread(
        selectRows(
          available,
          subsets.map(({ name }) => name),
          corpus,
          seed
        ).probe,
        rows
      ),
      problem: null
    }
  } catch (error) {
    if (!(error instanceof SpectroscopeError)) throw error
    const places = evenShares(available, rows).flatMap((share, subset) =>
      Array.from({ length: share }, (_, i) => ({ subset, row: Math.floor(((i + 0.5) * available[subset]) / share) }))
    )
    return { places, problem: complete ? error.message : null }
  }
}

const problemOf = (
  { corpus, sampler }: CorpusRequest['configuration'],
  { contextLength }: Architecture
): string | null => {
  if (corpus.rowLength > contextLength)
    return `"corpus.rowLength" is ${corpus.rowLength}, but the model takes at most ${contextLength} tokens; lower it.`
  if (sampler.method === 'psgld' && sampler.nBeta > 0 && corpus.sampling < sampler.batchSize)
    return (
      `"sampler.batchSize" is ${sampler.batchSize}, but there are only ${corpus.sampling} sampling rows; lower ` +
      'it or add rows.'
    )
  return null
}

const previewOfCorpus = async (
  request: CorpusRequest,
  architecture: Architecture,
  tokenizer: Tokenizer,
  onProgress: (fraction: number) => void
): Promise<CorpusPreview> => {
  const { configuration, baseFolder, seconds } = request
  const { corpus } = configuration
  const end = performance.now() + 1000 * seconds
  const { files } = await listCorpusFiles(corpus.files, baseFolder)
  const { endOfText, beginOfRow } = boundariesOf(corpus, tokenizer, architecture)
  const packed = await packCorpus({
    corpus,
    baseFolder,
    tokenizer,
    vocabulary: architecture.vocabulary,
    endOfText,
    beginOfRow,
    onProgress: (done, total) => onProgress(total === 0 ? 1 : done / total),
    enough: () => performance.now() > end
  })
  const { places, problem } = choose(packed, request)
  return {
    files: files.length,
    documents: packed.subsets.reduce((sum, { documents }) => sum + documents, 0),
    complete: packed.complete,
    contents: packed.contents,
    rowsWanted: corpus.sampling + corpus.observation + corpus.probe,
    rowsThere: packed.subsets.reduce((sum, { rows }) => sum + rows, 0),
    subsets: packed.subsets.map(({ name, documents, tokens, rows }) => ({ subset: name, documents, tokens, rows })),
    rows: places.map(({ subset, row }) => {
      const { segments } = packed.subsets[subset].provenance(row)
      const begins = documentStarts(segments)
      const texts = Array.from(packed.subsets[subset].row(row), (id, at) =>
        withoutPrefix(tokenizer.tokenText(id), begins.has(at) ? tokenizer.prefix : '')
      )
      return { subset: packed.subsets[subset].name, tokens: wholeCharacters(texts) }
    }),
    beginOfRow: beginOfRow === undefined ? null : tokenizer.tokenText(beginOfRow),
    problem: problemOf(configuration, architecture) ?? problem
  }
}

const previewOfRows = async (
  { configuration, baseFolder, rows }: PreviewRequest,
  folder: string,
  architecture: Architecture
): Promise<CorpusPreview> => {
  const tokenizer = existsSync(join(folder, 'tokenizer.json')) ? await loadTokenizer(folder) : null
  const { sampling, observation, probe } = await prepareStudy(
    configuration,
    baseFolder,
    { architecture, folder },
    tokenizer
  )
  const there = sampling.length + observation.length + probe.length
  const shown = spread(probe, rows).map((row) => ({
    subset: '',
    tokens: wholeCharacters(Array.from(row, (id) => tokenizer?.tokenText(id) ?? `<${id}>`))
  }))
  return { ...nothing, files: 1, rowsWanted: there, rowsThere: there, rows: shown }
}

/**
 * Computes a corpus preview in this process; see `previewCorpus`. `onProgress` gets the fraction of the corpus read.
 */
export const previewOf = async (
  request: PreviewRequest,
  onProgress: (fraction: number) => void
): Promise<CorpusPreview> => {
  const { configuration, baseFolder } = request
  const folder = resolve(baseFolder, configuration.model)
  try {
    const { architecture } = await readModelConfig(folder)
    if (configuration.corpus === undefined) return await previewOfRows(request, folder, architecture)
    return await previewOfCorpus(
      { ...request, configuration: { ...configuration, corpus: configuration.corpus } },
      architecture,
      await loadTokenizer(folder),
      onProgress
    )
  } catch (error) {
    if (error instanceof SpectroscopeError && telling.has(error.kind)) return { ...nothing, problem: error.message }
    throw error
  }
}
