import { stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { ForeignAnswer, ForeignInspection, RunEvent } from '../../preload/contract'
import type { PsgldConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { estimateSamples } from '../exchange/devinterp-estimates'
import { componentOf } from '../exchange/devinterp-names'
import { isResults, readResults } from '../exchange/devinterp-results'
import { isSamples, observationOf, openSamples } from '../exchange/devinterp-samples'
import type { SampleSet } from '../exchange/devinterp-samples'
import { importForeign } from '../exchange/foreign-run'
import type { ForeignResults, ForeignRow } from '../exchange/foreign-run'
import { isMatrixFile, readMatrixFile } from '../exchange/matrix-file'
import { ZarrFolder } from '../exchange/zarr-folder'
import { loadTokenizer } from '../models/tokenizer'
import type { Tokenizer } from '../models/tokenizer'
import { meanLossApart } from '../pipeline/preview'
import type { Workspace } from '../store/store'
import { withWorkspace } from './workspaces'

export interface ForeignRequest {
  /** One tree of results, samples with one store for each restriction, or a folder of those. */
  readonly paths: readonly string[]
  /** Folder of the model or of its tokenizer, so that tokens have texts. */
  readonly model?: string | undefined
  /** Samples: the observable whose mean loss is L. */
  readonly observation?: string | undefined
  readonly estimator?: PsgldConfiguration['estimator'] | undefined
  readonly name?: string | undefined
  /** A matrix: table of its tokens. */
  readonly tokens?: string | undefined
}

export interface ForeignWatch {
  readonly signal: AbortSignal
  readonly onEvent: (event: RunEvent) => void
}

type Opened =
  | { readonly kind: 'results'; readonly store: ZarrFolder }
  | { readonly kind: 'samples'; readonly stores: readonly ZarrFolder[] }

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true

/** Whether a path is of results of another program, rather than an annotated cluster set. */
export const isForeign = async (paths: readonly string[]): Promise<boolean> =>
  paths.length > 1 || isMatrixFile(paths[0]) || isFolder(paths[0])

const isStore = /\.zarr$/i

/** The stores in a folder, if it is none itself. */
const storesIn = async (path: string): Promise<ZarrFolder[]> => {
  const folder = new ZarrFolder(path)
  if ((await folder.attributes('')) !== undefined) return [folder]
  return (await folder.names()).filter((name) => isStore.test(name)).map((name) => new ZarrFolder(join(path, name)))
}

const open = async (paths: readonly string[]): Promise<Opened> => {
  const stores: ZarrFolder[] = []
  for (const path of paths) {
    if (!(await isFolder(path)))
      throw new SpectroscopeError(
        'input',
        `${path} is not a folder of a Zarr store; give the folder, as in samples_l0h0.zarr.`
      )
    stores.push(...(await storesIn(path)))
  }
  const [first] = stores
  if (first === undefined)
    throw new SpectroscopeError(
      'input',
      `${paths[0]} is no Zarr store and has none in it; give a folder as in results.zarr.`
    )
  for (const store of stores) {
    if (await isResults(store)) {
      if (stores.length === 1) return { kind: 'results', store }
      throw store.fault('', 'these are results, which make a run of their own', 'import them by themselves')
    }
    if (!(await isSamples(store)))
      throw store.fault('', 'it has neither /susceptibilities nor loss_*', 'give what devinterp wrote')
  }
  return { kind: 'samples', stores }
}

/** Throws an `input` error if a row has an id that the tokenizer does not have. */
const checkIds = (folder: string, { vocabularySize }: Tokenizer, rows: readonly ForeignRow[]): void => {
  for (const [row, { ids }] of rows.entries()) {
    const wrong = ids.findIndex((id) => id >= vocabularySize)
    if (wrong < 0) continue
    const what = `its tokenizer has ${vocabularySize} tokens, and position ${wrong} of row ${row} has id ${ids[wrong]}`
    throw new SpectroscopeError('input', `${folder}: ${what}; give the model that the rows were made for.`)
  }
}

const nameOf = (paths: readonly string[]): string =>
  basename(resolve(paths[0])).replace(/\.(zarr|npy|safetensors)$/i, '') +
  (paths.length > 1 ? ` and ${paths.length - 1} more` : '')

const progressTo =
  ({ onEvent }: ForeignWatch, unit: string) =>
  (done: number, total: number): void =>
    onEvent({ type: 'progress', progress: { stage: 'import', done, total, unit } })

const initialLossOf = async (
  rows: readonly ForeignRow[],
  { model }: ForeignRequest,
  { signal, onEvent }: ForeignWatch
): Promise<number> => {
  if (model === undefined) {
    const what = 'The two-chain estimator needs L(w*) on the rows of L, which samples do not have'
    throw new SpectroscopeError(
      'usage',
      `${what}; give the model's folder with --model, or use the restricted estimator.`
    )
  }
  return meanLossApart(
    resolve(model),
    rows.map(({ ids }) => ids),
    {
      signal,
      onNote: (message) => onEvent({ type: 'note', message }),
      onProgress: ({ fraction, detail }) =>
        onEvent({ type: 'progress', progress: { stage: 'import', done: fraction, total: 1, unit: '', detail } })
    }
  )
}

const estimated = async (set: SampleSet, request: ForeignRequest, watch: ForeignWatch): Promise<ForeignResults> => {
  const observation = observationOf(set, request.observation)
  const estimator = request.estimator ?? 'restricted'
  const initialLoss = estimator === 'two-chain' ? await initialLossOf(observation.rows, request, watch) : undefined
  const { signal } = watch
  return estimateSamples(set, { observation, estimator, initialLoss, signal, progress: progressTo(watch, 'chains') })
}

const resultsOf = async (request: ForeignRequest, watch: ForeignWatch): Promise<ForeignResults> => {
  const { paths, tokens } = request
  if (paths.length === 1 && isMatrixFile(paths[0])) {
    if (tokens !== undefined) return readMatrixFile(paths[0], tokens)
    throw new SpectroscopeError('usage', `${paths[0]} has no tokens; give the table of them with --tokens.`)
  }
  const opened = await open(paths)
  if (opened.kind === 'samples') return estimated(await openSamples(opened.stores, watch.signal), request, watch)
  if (request.observation !== undefined || request.estimator !== undefined)
    throw opened.store.fault(
      '',
      'these are results, which are imported as they are',
      'leave out --observation and --estimator'
    )
  return readResults(opened.store)
}

/**
 * Imports results of another program into an open workspace as a new run without clusters. Throws `input` errors about
 * the files, and an `interrupted` error after `signal`; nothing is kept then.
 */
export const importResults = async (
  workspace: Workspace,
  request: ForeignRequest,
  watch: ForeignWatch
): Promise<ForeignAnswer> => {
  const { paths, model, name } = request
  watch.onEvent({ type: 'stage', stage: 'import' })
  const tokenizer = model === undefined ? undefined : await loadTokenizer(model)
  const results = await resultsOf(request, watch)
  try {
    if (tokenizer !== undefined && model !== undefined) checkIds(model, tokenizer, results.rows)
    const run = await importForeign(workspace, results, {
      path: paths[0],
      name: name ?? nameOf(paths),
      model: model === undefined ? undefined : resolve(model),
      tokenizer,
      progress: progressTo(watch, 'rows'),
      signal: watch.signal
    })
    const { id, tokens, components } = run
    return { run: id, name: run.name, kind: results.kind, tokens, components, notes: results.notes }
  } finally {
    await results.close()
  }
}

/** What a store has, and what an import needs to know of it. Throws `input` errors. */
export const inspectForeign = async (paths: readonly string[], signal: AbortSignal): Promise<ForeignInspection> => {
  const opened = await open(paths)
  if (opened.kind === 'results') {
    const { store } = opened
    const restrictions = await store.texts(await store.array('susceptibilities/wr', ['wr'], 'text'))
    const [tokens] = (await store.array('susceptibilities/sus', ['sus_flat', 'wr'])).head.shape
    return { kind: 'results', name: nameOf(paths), tokens, components: restrictions.map(componentOf), observables: [] }
  }
  const { stores, observables } = await openSamples(opened.stores, signal)
  return {
    kind: 'samples',
    name: nameOf(paths),
    tokens: null,
    components: stores.map(({ component }) => component),
    observables: observables.map(({ id, rows }) => ({
      id,
      rows: rows.length,
      tokens: rows.length * rows[0].targets.length
    }))
  }
}

/** Imports results of another program into a workspace, creating it if needed. Throws as `importResults` does. */
export const importResultsInto = (
  folder: string,
  request: ForeignRequest,
  watch: ForeignWatch
): Promise<ForeignAnswer> => withWorkspace(folder, 'create', (workspace) => importResults(workspace, request, watch))
