import { presets } from '../../preload/configuration'
import type { PsgldConfiguration } from '../../preload/configuration'
import type { DiagnosticsRecord } from '../../preload/records'
import { inMemory } from '../sampling/columns'
import { columnsOf, matrices, meanPhi } from '../sampling/estimates'
import type { EstimatedColumns } from '../sampling/estimates'
import type { SampledChain, SampledChains } from '../sampling/sampled'
import { forEachDraw, same, samplerOf } from './devinterp-samples'
import type { Observable, SampleSet, SampleStore } from './devinterp-samples'
import type { ForeignResults } from './foreign-run'

export interface SamplesOptions {
  readonly observation: Observable
  readonly estimator: PsgldConfiguration['estimator']
  /** L(w*) of the observation rows in nats; undefined if unknown, which only the restricted estimator allows. */
  readonly initialLoss: number | undefined
  readonly progress: (done: number, total: number) => void
  readonly signal: AbortSignal
}

const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length

const unknownDistances = (draws: number): Float64Array => new Float64Array(draws).fill(Number.NaN)

/** L of every chain and draw in nats. */
const lossesOf = async (one: SampleStore, { observation, signal }: SamplesOptions): Promise<Float64Array[]> => {
  const chains: Float64Array[] = []
  for (let chain = 0; chain < one.settings.num_chains; chain++) {
    const losses = new Float64Array(one.settings.num_draws)
    await forEachDraw(one, observation.id, chain, signal, (draw, values) => (losses[draw] = meanOf(values)))
    chains.push(losses)
  }
  return chains
}

const chainOf = (one: SampleStore, chain: number, losses: Float64Array, initialLoss: number): SampledChain => {
  const { component, settings } = one
  const draw = losses.findIndex((loss) => !Number.isFinite(loss))
  const step = settings.num_burnin_steps + draw * settings.num_steps_bw_draws
  const message = `Chain ${chain + 1} of ${component} is left out: its loss is not finite from draw ${draw + 1} on`
  return {
    component,
    chain,
    initialLoss,
    losses,
    distances: unknownDistances(losses.length),
    failure: draw < 0 ? null : { chain, draw, step, message }
  }
}

/** Throws an `input` error if no chain is left of `full`, or of any component. */
const checkDiverged = (
  stores: readonly SampleStore[],
  chains: readonly { readonly one: SampleStore; readonly chain: SampledChain }[]
): void => {
  const left = new Set(chains.filter(({ chain }) => chain.failure === null).map(({ one }) => one))
  const missing = stores.find((one) => one.component === 'full' && !left.has(one))
  if (missing === undefined && [...left].some(({ component }) => component !== 'full')) return
  const { store, component, settings } = missing ?? stores[0]
  const what = `every chain of ${component} diverged: its losses are not finite`
  throw store.fault('', what, `sample it again with a smaller lr (it was ${settings.lr}) or a larger localization`)
}

/** Means over chains of `init_loss`, the loss of sampling batches, from which devinterp measures φ. */
const ownCentre = async ({ stores }: SampleSet): Promise<number> => {
  const { store } = stores[0]
  const found = await store.find('init_loss')
  const values =
    found === undefined
      ? []
      : await store.numbers(
          found,
          found.head.shape.map(() => null)
        )
  return values.length === 0 ? Number.NaN : meanOf(Float64Array.from(values))
}

const notesOf = (
  { settings, stores }: SampleSet,
  { observation, estimator, initialLoss }: SamplesOptions,
  own: number,
  failed: readonly string[]
): string[] => {
  const centre =
    initialLoss === undefined ? '' : ` φ is measured from L(w*) = ${initialLoss.toFixed(4)} nats on the rows of L.`
  const difference =
    `devinterp measures φ from the loss of sampling batches (${own.toFixed(4)} nats), which adds one multiple of ` +
    'E[ℓ - L] to each column, so its two-chain χ differs.'
  const otherwise = stores.filter((one) => !same(one.settings, settings)).map(({ component }) => component)
  const other = settings.sampling_method === 'rmsprop_sgld' ? [] : [`It was sampled by ${settings.sampling_method}.`]
  return [
    `χ is computed here from the draws, by the ${estimator} estimator; ` +
      `L is the mean loss of ${observation.id}.${centre}`,
    difference,
    ...other,
    ...(otherwise.length === 0
      ? []
      : [`The sampler of ${otherwise.join(', ')} had other settings than that of ${stores[0].component}.`]),
    ...failed,
    ...(stores.some(({ component }) => component === 'full') || estimator === 'two-chain'
      ? []
      : ['There are no samples of full, so only the restricted estimator is possible.'])
  ]
}

/** Sums of one chain over the draws of each half, [tokens], for `columnsOf`. */
const sumsOf = async (
  one: SampleStore,
  { chain, losses, initialLoss }: SampledChain,
  probe: readonly Observable[],
  signal: AbortSignal
): ReturnType<SampledChains['sums']> => {
  const tokens = probe.reduce((sum, { rows }) => sum + rows.reduce((all, { targets }) => all + targets.length, 0), 0)
  const middle = Math.floor(losses.length / 2)
  const shift = meanPhi(losses.subarray(0, middle), initialLoss)
  const halves = [0, 1].map(() => ({ loss: new Float64Array(tokens), product: new Float64Array(tokens) }))
  let first = 0
  for (const { id, rows } of probe) {
    const start = first
    await forEachDraw(one, id, chain, signal, (draw, values) => {
      const { loss, product } = halves[draw < middle ? 0 : 1]
      const phi = losses[draw] - initialLoss - (draw < middle ? shift : 0)
      for (const [at, value] of values.entries()) {
        if (!Number.isFinite(value))
          throw one.store.fault(`loss_${id}`, `draw ${draw + 1} of chain ${chain + 1} is not finite`)
        loss[start + at] += value
        product[start + at] += phi * value
      }
    })
    first += rows.reduce((all, { targets }) => all + targets.length, 0)
  }
  return [halves[0], halves[1]]
}

/** Rows of a matrix that are read at once. */
const rowsAtOnce = 2 ** 16

const rowsOf = async function* (estimated: EstimatedColumns, matrix: number): AsyncGenerator<Float32Array> {
  for (let first = 0; first < estimated.tokens; first += rowsAtOnce)
    yield await estimated.columns.rows(matrix, first, Math.min(rowsAtOnce, estimated.tokens - first))
}

const chainMeans = ({ traces }: EstimatedColumns, component: string): number[] =>
  traces.filter((trace) => trace.component === component).map(({ losses }) => meanOf(losses))

const diagnosticsOf = (estimated: EstimatedColumns, isKnown: boolean): DiagnosticsRecord[] =>
  estimated.diagnostics.map((one) => ({
    ...one,
    learningCoefficient: isKnown ? one.learningCoefficient : Number.NaN,
    meanLoss: chainMeans(estimated, one.component)
  }))

/**
 * Computes χ, standard errors and reliabilities (docs/method.md, section 3) from the draws of a set. The tokens are
 * those of all observables but the one of L, or its own if there is no other. Throws an `input` error for samples that
 * were stopped, and a `sampling` error if too many chains diverged.
 */
export const estimateSamples = async (set: SampleSet, options: SamplesOptions): Promise<ForeignResults> => {
  const { observation, estimator, initialLoss, progress, signal } = options
  const two = estimator === 'two-chain'
  const stores = set.stores.filter(({ component }) => two || component !== 'full')
  if (two && stores.at(-1)?.component !== 'full')
    throw set.stores[0].store.fault('', 'the two-chain estimator needs samples of full', 'add them, or use restricted')
  const others = set.observables.filter((one) => one !== observation)
  const probe = others.length === 0 ? [observation] : others
  const own = await ownCentre(set)
  // The restricted estimator does not depend on where φ is measured from.
  const centre = initialLoss ?? (Number.isNaN(own) ? 0 : own)
  const chains: { readonly one: SampleStore; readonly chain: SampledChain }[] = []
  for (const one of stores)
    for (const [chain, losses] of (await lossesOf(one, options)).entries())
      chains.push({ one, chain: chainOf(one, chain, losses, centre) })
  checkDiverged(stores, chains)
  const components = stores.map(({ component }) => component).filter((component) => component !== 'full')
  const sampler: PsgldConfiguration = { ...presets.paper, preset: 'paper', ...samplerOf(set.settings, estimator) }
  const rows = probe.flatMap((one) => one.rows)
  const tokens = rows.reduce((sum, { targets }) => sum + targets.length, 0)
  const sampled: SampledChains = {
    tokens,
    initialLoss: centre,
    chains: chains.map(({ chain }) => chain),
    sums: async (at) => {
      progress(at, chains.length)
      return sumsOf(chains[at].one, chains[at].chain, probe, signal)
    }
  }
  const estimated = await columnsOf({ components, sampler }, sampled, inMemory)
  const failed = estimated.diagnostics.flatMap(({ failedChains }) => failedChains.map(({ message }) => `${message}.`))
  return {
    kind: "devinterp's samples",
    rows,
    components: estimated.components,
    sampler,
    initialLoss: initialLoss ?? Number.NaN,
    blocks: async function* () {
      const errors = rowsOf(estimated, matrices.standardErrors)
      for await (const susceptibilities of rowsOf(estimated, matrices.susceptibilities))
        yield { susceptibilities, standardErrors: (await errors.next()).value as Float32Array }
    },
    parts: estimated.parts,
    part: (part) => rowsOf(estimated, matrices.parts + part),
    diagnostics: diagnosticsOf(estimated, initialLoss !== undefined),
    traces: estimated.traces,
    notes: notesOf(set, options, own, failed),
    close: () => estimated.columns.close()
  }
}
