import { setImmediate } from 'node:timers/promises'
import type { PsgldConfiguration } from '../../preload/configuration'
import { SpectroscopeError } from '../../preload/errors'
import type { Precision } from '../../preload/precisions'
import { Columns, inMemory } from './columns'
import type { OpenStorage } from './columns'
import { diagnose } from './diagnostics'
import type { ChainTrace, ComponentDiagnostics } from './diagnostics'
import { CentredHalves, estimate, reliability } from './susceptibility'
import type { Group } from './susceptibility'
import type { SampledChains } from './sampled'

/** Results of a run, without the matrices. */
export interface Estimated {
  readonly tokens: number
  /** Names of the columns: the requested components, except those whose chains all failed (see their diagnostics). */
  readonly components: readonly string[]
  /** L(w*) in nats. */
  readonly initialLoss: number
  /** In the order of the requested components, then `full` if the estimator samples it. */
  readonly diagnostics: readonly ComponentDiagnostics[]
  readonly traces: readonly ChainTrace[]
}

/** Index of each matrix in `Columns`. Parts follow one another. */
export const matrices = { susceptibilities: 0, standardErrors: 1, parts: 2 }

/** Results of a run, with matrices that are read by rows. */
export interface EstimatedColumns extends Estimated {
  /** Number of parts. */
  readonly parts: number
  readonly columns: Columns
}

export interface SamplingResult extends Estimated {
  /** χ̂ in nats², [tokens, components]. */
  readonly susceptibilities: Float32Array
  /** Standard errors of χ̂ in nats², [tokens, components]. */
  readonly standardErrors: Float32Array
  /**
   * χ̂ in nats² from each independent part of the draws, each [tokens, components]: from each of the four blocks, or
   * from the first and second half of every chain's draws. Their mean is χ̂ up to rounding with `first-order`, and
   * with `gradient` at nβ = 0. Otherwise it differs slightly, because each part normalises weights and centres φ by
   * itself.
   */
  readonly parts: readonly Float32Array[]
}

/** Reads all matrices into memory. */
export const wholeOf = async ({ columns, parts: count, ...estimated }: EstimatedColumns): Promise<SamplingResult> => {
  const whole = (matrix: number): Promise<Float32Array> => columns.rows(matrix, 0, estimated.tokens)
  const parts: Float32Array[] = []
  for (let part = 0; part < count; part++) parts.push(await whole(matrices.parts + part))
  const susceptibilities = await whole(matrices.susceptibilities)
  return { ...estimated, susceptibilities, standardErrors: await whole(matrices.standardErrors), parts }
}

interface Settings {
  readonly components: readonly string[]
  readonly sampler: PsgldConfiguration
  readonly precision?: Precision | undefined
}

/** Advice for when numbers exceed the range of float16. */
export const halfRemedy = 'set "precision" to "bfloat16" or "float32", as float16 has no numbers above 65,504'

/** Advice for when a chain ended with a non-finite number. At nβ = 0 there is no step size to lower. */
export const finiteRemedy = ({
  sampler: { nBeta, stepSize, gamma },
  precision
}: Omit<Settings, 'components'>): string => {
  const shorter = nBeta === 0 ? '' : `lower sampler.stepSize (now ${stepSize}) or `
  return `${shorter}raise sampler.gamma (now ${gamma})${precision === 'float16' ? `, or ${halfRemedy}` : ''}`
}

/**
 * Throws a `sampling` error if the surviving chains allow no estimate: no component is left, or no chain of `full`
 * when the estimator needs one.
 */
export const checkFailures = (settings: Settings, alive: readonly { readonly component: string }[]): void => {
  const {
    components,
    sampler: { estimator }
  } = settings
  const remedy = finiteRemedy(settings)
  if (estimator === 'two-chain' && !alive.some(({ component }) => component === 'full')) {
    throw new SpectroscopeError(
      'sampling',
      `Every chain of full ended with a non-finite number, and the two-chain estimator needs one: ${remedy}, ` +
        'or set ' +
        'sampler.estimator to "restricted".'
    )
  }
  if (!alive.some(({ component }) => component !== 'full')) {
    throw new SpectroscopeError(
      'sampling',
      `Every chain of every component (${components.join(', ')}) ended with a non-finite number: ${remedy}.`
    )
  }
}

/** Mean φ over some draws, in nats. */
export const meanPhi = (losses: Float64Array, initialLoss: number): number =>
  losses.reduce((sum, loss) => sum + (loss - initialLoss), 0) / losses.length

/** The two halves of the draws of each of a component's chains, without failed chains. */
const drawGroupsOf = async ({ chains, sums }: SampledChains, component: string): Promise<Group[]> => {
  const groups: Group[] = []
  for (const [at, { component: own, failure, initialLoss, losses }] of chains.entries()) {
    if (own !== component || failure !== null) continue
    const halves = await sums(at)
    const middle = Math.floor(losses.length / 2)
    for (const half of [0, 1] as const) {
      const drawn = losses.subarray(half === 0 ? 0 : middle, half === 0 ? middle : losses.length)
      const sum = (value: (loss: number) => number): number => drawn.reduce((total, loss) => total + value(loss), 0)
      const { loss, product } = halves[half]
      groups.push({
        loss,
        product,
        productShift: half === 0 && loss.length > 0 && product.length > 0 ? meanPhi(drawn, initialLoss) : 0,
        half,
        draws: drawn.length,
        phi: sum((loss) => loss - initialLoss),
        observed: sum((loss) => loss),
        phiObserved: sum((loss) => (loss - initialLoss) * loss)
      })
    }
  }
  return groups
}

/**
 * Computes susceptibilities, standard errors, reliabilities and diagnostics from all chains of a run (docs/method.md,
 * section 3). Holds the sums of only one component and `full` at a time. Throws a `sampling` error if too many chains
 * failed.
 */
export const columnsOf = async (
  settings: Settings,
  sampled: SampledChains,
  openStorage: OpenStorage
): Promise<EstimatedColumns> => {
  const { components: asked, sampler } = settings
  const { tokens, initialLoss, chains } = sampled
  const alive = chains.filter(({ failure }) => failure === null)
  checkFailures(settings, alive)
  const full = sampler.estimator === 'two-chain' ? await drawGroupsOf(sampled, 'full') : null
  const components = asked.filter((name) => alive.some(({ component }) => component === name))
  const parts = 2
  const shape = { tokens, columns: components.length, matrices: matrices.parts + parts }
  return Columns.with(shape, openStorage, async (columns) => {
    const reliabilities: number[] = []
    const centred = new CentredHalves(tokens, components.length)
    for (const [column, component] of components.entries()) {
      const { susceptibilities, standardErrors, halves } = estimate(await drawGroupsOf(sampled, component), full)
      const rounded = [new Float32Array(halves[0]), new Float32Array(halves[1])] as const
      const values = [new Float32Array(susceptibilities), new Float32Array(standardErrors), ...rounded]
      for (const [matrix, own] of values.entries()) await columns.put(matrix, column, own)
      reliabilities.push(reliability(...halves))
      centred.add(rounded)
      await setImmediate()
    }
    const centredReliabilities: number[] = []
    for (const column of components.keys()) {
      const first = await columns.column(matrices.parts, column)
      const halves = [first, await columns.column(matrices.parts + 1, column)] as const
      // With a single column, subtracting row means leaves 0.
      centredReliabilities.push(components.length === 1 ? 0 : reliability(...centred.centred(halves)))
    }
    const diagnostics = [...new Set(chains.map(({ component }) => component))].map((component) => {
      const own = chains.filter((chain) => chain.component === component)
      const at = components.indexOf(component)
      return {
        ...diagnose(
          own,
          own.flatMap(({ failure }) => failure ?? []),
          initialLoss,
          sampler.nBeta
        ),
        reliability: reliabilities[at] ?? NaN,
        centredReliability: centredReliabilities[at] ?? NaN,
        blocks: null
      }
    })
    const traces = chains.map(({ component, chain, losses, distances }) => ({ component, chain, losses, distances }))
    return { tokens, components, columns, parts, initialLoss, diagnostics, traces }
  })
}

/** Estimates of `columnsOf`, with all matrices in memory. */
export const resultOf = async (settings: Settings, sampled: SampledChains): Promise<SamplingResult> =>
  wholeOf(await columnsOf(settings, sampled, inMemory))
