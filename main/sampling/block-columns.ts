import { setImmediate } from 'node:timers/promises'
import { blockCount } from '../../preload/configuration'
import type { BlockDiagnostics, RemainderRecord } from '../../preload/records'
import { mean, estimateBlocks, combinedColumns } from './block-estimates'
import { gradientsOf, effectiveShare } from './mean-gradient'
import { type Settings, checkBlocks } from './block-failures'
import { type OpenStorage, Columns, inMemory } from './columns'
import { type ComponentDiagnostics, learningCoefficient } from './diagnostics'
import { type EstimatedColumns, matrices, type SamplingResult, wholeOf } from './estimates'
import { reliabilityInterval } from './reliability'
import type { SampledBlocks, BlockSums } from './sampled'
import { CentredHalves } from './susceptibility'

type Numbers = Omit<
  ComponentDiagnostics,
  'component' | 'reliability' | 'centredReliability' | 'failedChains' | 'blocks'
>

/** Diagnostics that chains have too, for independent draws. Those that need a chain are null or empty. */
const numbersOf = (
  phis: readonly number[],
  initialLoss: number,
  nBeta: number
): Numbers & { readonly meanPhi: number; readonly phiDeviation: number } => {
  const weights = phis.map((phi) => Math.exp(-nBeta * phi))
  const meanPhi = mean(phis.map((phi, i) => phi * weights[i])) / mean(weights)
  const centre = mean(phis)
  const losses = phis.map((phi) => initialLoss + phi)
  return {
    splitRHat: null,
    learningCoefficient: learningCoefficient(nBeta, meanPhi),
    meanDistance: [],
    finalDistance: [],
    meanLoss: initialLoss + meanPhi,
    lossTrace: {
      first: losses[0] ?? NaN,
      last: losses.at(-1) ?? NaN,
      min: losses.length === 0 ? NaN : losses.reduce((a, b) => Math.min(a, b)),
      max: losses.length === 0 ? NaN : losses.reduce((a, b) => Math.max(a, b))
    },
    meanPhi,
    phiDeviation: Math.sqrt(mean(phis.map((phi) => (phi - centre) ** 2)))
  }
}

interface Column {
  readonly component: string
  readonly phis: readonly number[]
  readonly drawVariance: number
  readonly diagnostics: Omit<BlockDiagnostics, 'reliabilityBounds' | 'centredReliabilityBounds'>
  readonly reliability: number
  readonly reliabilityBounds: BlockDiagnostics['reliabilityBounds']
}

/** Estimate of the orders above the first in one column (remainder.ts). */
export interface Remainder {
  readonly record: RemainderRecord
  /** Added to χ̂ and to each of its parts, [tokens]; null if the remainder is reported but not added. */
  readonly column: Float64Array | null
}

/** Rounds to float32, after adding `added`. */
const rounded = (values: Float64Array, added?: Float64Array | null): Float32Array => {
  const column = new Float32Array(values.length)
  for (let token = 0; token < values.length; token++) column[token] = values[token] + (added?.[token] ?? 0)
  return column
}

/**
 * Computes susceptibilities, standard errors, reliabilities and diagnostics from all blocks of a run (docs/method.md,
 * sections 3b and 3c). `rowStarts` as for `reliabilityInterval`. Holds the sums of only one component at a time.
 * Throws a `sampling` error if every component failed.
 */
export const columnsOfBlocks = async (
  settings: Settings,
  rowStarts: Int32Array,
  sampled: SampledBlocks,
  openStorage: OpenStorage,
  remainders: ReadonlyMap<string, Remainder> = new Map()
): Promise<EstimatedColumns> => {
  const { components: asked, sampler } = settings
  const { tokens, initialLoss, chains } = sampled
  const places = (component: string): number[] =>
    chains.flatMap((block, at) => (block.component === component ? [at] : []))
  const components = asked.filter((name) => places(name).every((at) => chains[at].failure === null))
  checkBlocks(settings, components)
  const halves = matrices.parts + blockCount
  const shape = { tokens, columns: components.length, matrices: halves + 2 }
  return Columns.with(shape, openStorage, async (columns) => {
    const known: Column[] = []
    const centred = new CentredHalves(tokens, components.length)
    for (const [column, component] of components.entries()) {
      const own = places(component)
      const records = own.map((at) => chains[at].record)
      const sums: BlockSums[] = []
      for (const at of own) sums.push(await sampled.sums(at))
      const estimate = estimateBlocks(records, sums, sampler, rowStarts)
      const remainder = remainders.get(component)
      const pair = [new Float32Array(estimate.splits[0][0]), new Float32Array(estimate.splits[0][1])] as const
      await columns.put(matrices.susceptibilities, column, rounded(estimate.susceptibilities, remainder?.column))
      await columns.put(matrices.standardErrors, column, rounded(estimate.standardErrors))
      for (const block of own.keys()) {
        const part = combinedColumns(records, sums, sampler, [block])
        await columns.put(matrices.parts + block, column, rounded(part, remainder?.column))
      }
      for (const half of [0, 1] as const) await columns.put(halves + half, column, pair[half])
      const { reliability, low, high } = reliabilityInterval(estimate.splits[0], rowStarts, estimate.drawVariance)
      const phis = records.flatMap((record) => record.phis)
      const { cosine, norm } =
        sampler.method === 'first-order'
          ? gradientsOf(records, sums, sampler)
          : { cosine: null, norm: mean(records.flatMap(({ gradientNorms }) => gradientNorms)) }
      const { meanPhi, phiDeviation } = numbersOf(phis, initialLoss, sampler.nBeta)
      known.push({
        component,
        phis,
        reliability,
        reliabilityBounds: [low, high],
        drawVariance: estimate.drawVariance,
        diagnostics: {
          rounds: records[0].observedSlopes.length,
          gradientCosine: cosine,
          gradientNorm: norm,
          meanPhi,
          phiDeviation,
          effectiveShare: effectiveShare(phis, sampler.nBeta),
          remainder: remainder?.record ?? null
        }
      })
      centred.add(pair)
      await setImmediate()
    }
    const diagnosticsOf = async (component: string): Promise<ComponentDiagnostics> => {
      const failedChains = places(component).flatMap((at) => chains[at].failure ?? [])
      const at = components.indexOf(component)
      if (at < 0) {
        const none = numbersOf([], initialLoss, sampler.nBeta)
        return { component, ...none, reliability: NaN, centredReliability: NaN, failedChains, blocks: null }
      }
      const { phis, reliability, reliabilityBounds, drawVariance: ofDraws, diagnostics: own } = known[at]
      const pair = [await columns.column(halves, at), await columns.column(halves + 1, at)] as const
      // With a single column, subtracting row means leaves 0.
      const interval =
        components.length === 1
          ? { reliability: 0, low: 0, high: 0 }
          : reliabilityInterval(centred.centred(pair), rowStarts, ofDraws)
      const { meanPhi: _, phiDeviation: __, ...numbers } = numbersOf(phis, initialLoss, sampler.nBeta)
      return {
        component,
        ...numbers,
        reliability,
        centredReliability: interval.reliability,
        failedChains,
        blocks: { ...own, reliabilityBounds, centredReliabilityBounds: [interval.low, interval.high] }
      }
    }
    const diagnostics: ComponentDiagnostics[] = []
    for (const component of asked) diagnostics.push(await diagnosticsOf(component))
    return { tokens, components, columns, parts: blockCount, initialLoss, diagnostics, traces: [] }
  })
}

/** Estimates of `columnsOfBlocks`, with all matrices in memory. */
export const resultOfBlocks = async (
  settings: Settings,
  rowStarts: Int32Array,
  sampled: SampledBlocks,
  remainders?: ReadonlyMap<string, Remainder>
): Promise<SamplingResult> => wholeOf(await columnsOfBlocks(settings, rowStarts, sampled, inMemory, remainders))
