import { dirname, resolve } from 'node:path'
import { parseConfiguration } from '../../preload/configuration'
import type { PsgldConfiguration, SamplerFields } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import type { DiagnosticsRecord, ForeignProvenance, RunRecord, StudyRecord, TraceRecord } from '../../preload/records'
import { hashStudy } from '../corpora/study'
import type { Tokenizer } from '../models/tokenizer'
import type { RunWriter, Workspace } from '../store/store'
import { markedName } from './annotated-set'

/** Rows of χ̂ and its standard errors, both [n, components]; errors are NaN where they are unknown. */
export interface ForeignBlock {
  readonly susceptibilities: Float32Array
  readonly standardErrors: Float32Array
}

/** Studied rows of token ids: a row's subset, its ids, and its studied target positions, ascending from 1. */
export interface ForeignRow {
  readonly subset: string
  readonly ids: Int32Array
  readonly targets: Int32Array
}

/** Results of another program, before they become a run. */
export interface ForeignResults {
  /** Program and form of the file, as in "devinterp's samples". */
  readonly kind: string
  /** Tokens are numbered by row, then by position. */
  readonly rows: readonly ForeignRow[]
  readonly components: readonly string[]
  /** Settings that the file gives; undefined if it gives none. */
  readonly sampler: Partial<Omit<PsgldConfiguration, 'preset'>> | undefined
  /** L(w*) in nats; NaN if unknown. */
  readonly initialLoss: number
  /** All rows of the matrix, in order of tokens. */
  readonly blocks: () => AsyncIterable<ForeignBlock>
  /** χ̂ from each part of the draws: their number, and the rows of one, [n, components]. */
  readonly parts: number
  readonly part: (part: number) => AsyncIterable<Float32Array>
  readonly diagnostics: readonly DiagnosticsRecord[]
  readonly traces: readonly TraceRecord[]
  /** Sentences about how the numbers were made, and about what was left out. */
  readonly notes: readonly string[]
  readonly close: () => Promise<void>
}

export interface ForeignOptions {
  /** First file or folder of the import. */
  readonly path: string
  readonly name: string
  /** The model's folder, which the run is said to be of; undefined if it was not given. */
  readonly model: string | undefined
  readonly tokenizer: Tokenizer | undefined
  readonly progress: (done: number, total: number) => void
  readonly signal: AbortSignal
}

/** Stands for the model of a run that was imported without one. */
export const noModel = 'not given'

/** Throws an `input` error if a row has an id that is no token's, or more tokens than a study can have. */
const checkRows = (path: string, rows: readonly ForeignRow[]): number => {
  const tokens = rows.reduce((sum, { targets }) => sum + targets.length, 0)
  if (tokens === 0) throw new SpectroscopeError('input', `${path}: it has no tokens; export it again.`)
  if (tokens > limits.tokens || rows.length > limits.rows) {
    const most = `${limits.tokens.toLocaleString('en')} tokens in ${limits.rows.toLocaleString('en')} rows`
    throw new SpectroscopeError('input', `${path}: it has more than ${most}; import a part of it.`)
  }
  return tokens
}

const studyOf = (rows: readonly ForeignRow[]): StudyRecord => {
  const study = {
    sampling: [],
    observation: [],
    probe: rows.map(({ ids }) => ids),
    targets: rows.map(({ targets }) => targets),
    provenance: rows.map(({ subset }) => ({ subset, segments: [] })),
    documents: []
  }
  return { ...study, hash: hashStudy(study) }
}

const samplerOf = (known: ForeignResults['sampler']): SamplerFields => ({ ...known, method: 'psgld' })

/** `name`, marked as imported if a run here already has it. */
const nameHere = async (workspace: Workspace, name: string): Promise<string> => {
  const taken = new Set((await workspace.listRuns()).map((run) => run.name))
  for (let number = 0, next = name; ; number++, next = markedName(name, number)) if (!taken.has(next)) return next
}

const store = async (
  writer: RunWriter,
  results: ForeignResults,
  study: StudyRecord,
  { tokenizer, progress, signal }: ForeignOptions
): Promise<void> => {
  const width = results.components.length
  const total = study.targets.reduce((sum, { length }) => sum + length, 0) * (1 + results.parts)
  let done = 0
  const advance = (values: Float32Array): void => {
    if (signal.aborted) throw new SpectroscopeError('interrupted', 'The import was stopped; nothing was kept of it.')
    progress((done += values.length / width), total)
  }
  await writer.saveStudy(study, tokenizer === undefined ? null : (id) => tokenizer.tokenText(id))
  await writer.beginSusceptibilities(results.components, results.initialLoss)
  for await (const { susceptibilities, standardErrors } of results.blocks()) {
    await writer.appendSusceptibilities(susceptibilities, standardErrors)
    advance(susceptibilities)
  }
  if (results.parts > 0) await writer.beginParts(results.parts)
  for (let part = 0; part < results.parts; part++) {
    for await (const values of results.part(part)) {
      await writer.appendPart(part, values)
      advance(values)
    }
  }
  await writer.saveDiagnostics(results.diagnostics)
  await writer.saveTraces(results.traces)
  for (const stage of ['prepare', 'sample'] as const) await writer.completeStage({ stage, seconds: 0 })
}

/**
 * Makes a finished run of another program's results, which can be clustered, labelled and exported. It has no
 * clustering yet. Nothing is left of it if anything fails.
 */
export const importForeign = async (
  workspace: Workspace,
  results: ForeignResults,
  options: ForeignOptions
): Promise<RunRecord> => {
  const { path, model, name, tokenizer } = options
  checkRows(path, results.rows)
  const study = studyOf(results.rows)
  const foreign: ForeignProvenance = {
    at: new Date().toISOString(),
    path: resolve(path),
    kind: results.kind,
    settings: results.sampler !== undefined,
    notes: results.notes
  }
  const { id } = await workspace.createRun({
    name: await nameHere(workspace, name.slice(0, limits.runName)),
    configuration: parseConfiguration(
      { model: model ?? noModel, rows: resolve(path), sampler: samplerOf(results.sampler), clustering: false },
      path
    ),
    baseFolder: dirname(resolve(path)),
    provenance: {
      foreign,
      studyHash: study.hash,
      ...(tokenizer === undefined ? {} : { tokenizerHash: tokenizer.hash })
    }
  })
  try {
    await workspace.transaction(id, (writer) => store(writer, results, study, options))
    const now = new Date().toISOString()
    return await workspace.updateRun(id, { status: 'finished', stage: null, startedAt: now, finishedAt: now })
  } catch (error) {
    await workspace.deleteRun(id).catch(() => {})
    throw error
  }
}
