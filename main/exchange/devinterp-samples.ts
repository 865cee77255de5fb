import { z } from 'zod'
import type { PsgldConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import { limits } from '../../preload/limits'
import { brieflyAll } from '../../preload/quoting'
import { byColumn, componentOfFolder, observableId } from './devinterp-names'
import type { ForeignRow } from './foreign-run'
import type { ZarrArray, ZarrFolder } from './zarr-folder'

const count = z.int().min(0).max(limits.steps)
const factor = z.number().min(0)

const attributesSchema = z.object({
  completed: z.number().optional(),
  metadata: z.object({
    config: z.object({
      sampler: z.object({
        lr: factor,
        n_beta: factor,
        localization: factor,
        batch_size: count.min(1),
        gradient_accumulation_steps: count.min(1).default(1),
        num_chains: count.min(1).max(limits.chains),
        num_draws: count.min(2).max(limits.draws),
        num_burnin_steps: count.default(0),
        num_steps_bw_draws: count.min(1),
        sampling_method: z.string().default('rmsprop_sgld'),
        sampling_method_kwargs: z.object({ eps: factor.optional(), alpha: factor.optional() }).nullish()
      })
    })
  })
})

type SamplerAttributes = z.output<typeof attributesSchema>['metadata']['config']['sampler']

/** Samples of one restriction. */
export interface SampleStore {
  readonly store: ZarrFolder
  readonly component: string
  readonly settings: SamplerAttributes
  readonly completed: boolean
  /** Arrays of losses (chain, draw, batch, token_pos), by the observable's identifier. */
  readonly losses: ReadonlyMap<string, ZarrArray>
}

const lossPrefix = 'loss_'

/** Whether a store has samples of one restriction. */
export const isSamples = async (store: ZarrFolder): Promise<boolean> =>
  (await store.names()).some((name) => name.startsWith(lossPrefix))

const openOne = async (store: ZarrFolder): Promise<SampleStore> => {
  const parsed = attributesSchema.safeParse(await store.attributes(''))
  if (!parsed.success) {
    const place = `"${parsed.error.issues[0].path.join('.')}"`
    throw store.fault('zarr.json', `its attribute ${place} is not what devinterp 2 writes`, 'sample it again')
  }
  const settings = parsed.data.metadata.config.sampler
  const losses = new Map<string, ZarrArray>()
  for (const name of (await store.names()).filter((one) => one.startsWith(lossPrefix))) {
    const id = name.slice(lossPrefix.length)
    const loss = await store.array(name, ['chain', 'draw', `batch_${id}`, 'token_pos'])
    const [chains, draws] = loss.head.shape
    if (chains !== settings.num_chains || draws !== settings.num_draws) {
      const asked = `${settings.num_chains} × ${settings.num_draws}`
      throw store.fault(name, `it has ${chains} chains × ${draws} draws, and its settings say ${asked}`)
    }
    losses.set(id, loss)
  }
  const completed = parsed.data.completed === 1
  return { store, component: componentOfFolder(store.name), settings, completed, losses }
}

/** Losses of a stretch of draws of one chain, [draws, rows × positions] row-major. */
const drawsAtOnce = 2 ** 22

/** Calls `take` with the losses of each draw, [rows × positions], in order. */
export const forEachDraw = async (
  { store, losses, settings }: SampleStore,
  id: string,
  chain: number,
  signal: AbortSignal,
  take: (draw: number, losses: Float64Array) => void
): Promise<void> => {
  const array = losses.get(id)!
  const [, , rows, positions] = array.head.shape
  const width = rows * positions
  const step = Math.max(1, Math.min(array.head.chunkShape[1], Math.floor(drawsAtOnce / width)))
  for (let first = 0; first < settings.num_draws; first += step) {
    if (signal.aborted) throw new SpectroscopeError('interrupted', 'The import was stopped; nothing was kept of it.')
    const last = Math.min(first + step, settings.num_draws)
    const values = await store.numbers(array, [chain, [first, last], null, null])
    for (let draw = first; draw < last; draw++)
      take(draw, values.subarray((draw - first) * width, (draw - first + 1) * width))
  }
}

/** Throws an `input` error if the sampling was stopped before its end, as a killed process leaves it. */
const checkCompleted = async (one: SampleStore, signal: AbortSignal): Promise<void> => {
  if (one.completed) return
  const [id] = one.losses.keys()
  let there = 0
  for (let chain = 0; chain < one.settings.num_chains; chain++) {
    const add = (_: number, losses: Float64Array): void => void (there += Number(losses.every(Number.isFinite)))
    await forEachDraw(one, id, chain, signal, add)
  }
  const all = one.settings.num_chains * one.settings.num_draws
  const what = `its sampling was stopped before the end: ${there} of ${all} draws are there`
  throw one.store.fault('', what, 'sample this restriction again, or leave it out')
}

/** Ids of an observable's rows, [batch × token] row-major, and their length. */
const readIds = async ({ store }: SampleStore, id: string): Promise<{ ids: Int32Array; length: number }> => {
  const path = `input_ids_${id}`
  const array = await store.find(path)
  if (array === undefined) throw store.fault(path, 'this array is missing', 'sample it again')
  const { shape } = array.head
  // Some versions repeat the rows for every chain.
  if (shape.length < 2 || array.head.kind !== 'number')
    throw store.fault(path, 'it must have the dimensions batch, token')
  const [rows, length] = shape.slice(-2)
  if (rows * length > limits.tokens) throw store.fault(path, 'it has more tokens than a study can have')
  const values = await store.numbers(
    array,
    shape.map((_, at) => (at < shape.length - 2 ? 0 : null))
  )
  const wrong = values.findIndex((value) => !Number.isInteger(value) || value < 0 || value > limits.integer)
  if (wrong >= 0) throw store.fault(path, `element ${wrong} is ${values[wrong]}, which is no token id`)
  return { ids: Int32Array.from(values), length }
}

/** One observable's rows of token ids, and its rows of losses. */
export interface Observable {
  readonly id: string
  readonly rows: readonly ForeignRow[]
}

/** Samples of one study: all restrictions have the same observables, rows and settings. */
export interface SampleSet {
  /** In the order of columns; `full` last. */
  readonly stores: readonly SampleStore[]
  readonly observables: readonly Observable[]
  readonly settings: SamplerAttributes
}

const observableOf = async (first: SampleStore, id: string): Promise<Observable> => {
  const { ids, length } = await readIds(first, id)
  const [, , batch, positions] = first.losses.get(id)!.head.shape
  if (ids.length !== batch * length || positions !== length - 1) {
    const sizes = `${batch} × ${positions} losses of each draw for ${ids.length / length} × ${length} ids`
    throw first.store.fault(`input_ids_${id}`, `it does not fit the losses: ${sizes}`)
  }
  const targets = Int32Array.from({ length: positions }, (_, at) => at + 1)
  const row = (at: number): ForeignRow => ({ subset: id, ids: ids.slice(at * length, (at + 1) * length), targets })
  return { id, rows: Array.from({ length: batch }, (_, at) => row(at)) }
}

/** Whether two values have the same content. */
export const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right)

/** Settings that must be alike: those of the posterior, and the number of chains and draws. */
const posteriorOf = ({ settings }: SampleStore): unknown => [
  settings.n_beta,
  settings.localization,
  settings.num_chains,
  settings.num_draws
]

/** Throws if a store does not belong to the same study as the first. */
const checkAlike = async (first: SampleStore, other: SampleStore): Promise<void> => {
  const foreign = (what: string): SpectroscopeError =>
    other.store.fault('', `its ${what} are not those of ${first.store.path}`, 'import them as two runs')
  if (!same([...other.losses.keys()], [...first.losses.keys()])) throw foreign('observables')
  if (!same(posteriorOf(other), posteriorOf(first))) throw foreign('nβ, localization, chains or draws')
  for (const id of first.losses.keys()) {
    const [mine, theirs] = [await readIds(first, id), await readIds(other, id)]
    if (mine.length !== theirs.length || Buffer.compare(bytesOf(mine.ids), bytesOf(theirs.ids)) !== 0)
      throw foreign(`rows of ${id}`)
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/**
 * Opens samples, one store a restriction, named by the end of its folder's name. Throws an `input` error if two are of
 * one restriction, or if they are not of one study.
 */
export const openSamples = async (folders: readonly ZarrFolder[], signal: AbortSignal): Promise<SampleSet> => {
  const stores: SampleStore[] = []
  for (const folder of folders) stores.push(await openOne(folder))
  for (const one of stores) await checkCompleted(one, signal)
  stores.sort((a, b) => byColumn(a.component, b.component))
  stores.sort((a, b) => Number(a.component === 'full') - Number(b.component === 'full'))
  const twice = stores.find(({ component }, at) => at > 0 && stores[at - 1].component === component)
  if (twice !== undefined)
    throw twice.store.fault(
      '',
      `two stores are of ${twice.component}, by the ends of their names`,
      'leave one of them out'
    )
  const [first, ...rest] = stores
  for (const other of rest) await checkAlike(first, other)
  const observables: Observable[] = []
  for (const id of first.losses.keys()) observables.push(await observableOf(first, id))
  return { stores, observables, settings: first.settings }
}

/** The observable of that name, whose mean loss is L; the only one by default. Throws a `usage` error. */
export const observationOf = ({ observables, stores }: SampleSet, name: string | undefined): Observable => {
  const names = brieflyAll(observables.map(({ id }) => id))
  const found = name === undefined ? undefined : observables.find(({ id }) => id === observableId(name))
  if (found !== undefined) return found
  if (name === undefined && observables.length === 1) return observables[0]
  const told = name === undefined ? 'It has several observables' : `It has no observable "${name}"`
  throw new SpectroscopeError(
    'usage',
    `${stores[0].store.path}: ${told}; name with --observation the one whose mean loss is L, of ${names}.`
  )
}

/** devinterp's settings by the program's own names. */
export const samplerOf = (
  settings: SamplerAttributes,
  estimator: PsgldConfiguration['estimator']
): Omit<PsgldConfiguration, 'preset' | 'method'> => ({
  nBeta: settings.n_beta,
  gamma: settings.localization,
  stepSize: settings.lr,
  rmsDecay: settings.sampling_method_kwargs?.alpha ?? 0.99,
  rmsEpsilon: settings.sampling_method_kwargs?.eps ?? 0.1,
  batchSize: settings.batch_size * settings.gradient_accumulation_steps,
  burnIn: settings.num_burnin_steps,
  draws: settings.num_draws,
  stepsBetweenDraws: settings.num_steps_bw_draws,
  chains: settings.num_chains,
  estimator
})
