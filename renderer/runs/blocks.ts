import type { BlockDiagnostics, ComponentProgress, RunHealth, SamplerConfiguration } from '../../preload/contract'
import { roundsOf } from '../../preload/contract'
import { percent } from '../ui/format'
import { isNoisy } from './diagnostics'

/**
 * State of a component that is sampled in rounds. Stopped: all rounds are used and the target is not reached.
 */
export type BlockState = 'waiting' | 'sampling' | 'done' | 'stopped' | 'failed'

export const stateWords: Readonly<Record<BlockState, string>> = {
  waiting: 'waiting',
  sampling: 'sampling',
  done: 'done',
  stopped: 'stopped',
  failed: 'failed'
}
/** Shapes that tell states apart without colour. */
export const stateSigns: Readonly<Record<BlockState, string>> = {
  waiting: '·',
  sampling: '○',
  done: '✓',
  stopped: '▲',
  failed: '✕'
}

export interface BlockProgress extends ComponentProgress {
  readonly state: BlockState
}

/** Target reliability and most rounds of a sampler; null for chains. */
export const goalOf = (
  sampler: SamplerConfiguration
): { readonly target: number | null; readonly rounds: number } | null =>
  sampler.method === 'psgld'
    ? null
    : { target: sampler.targetReliability === false ? null : sampler.targetReliability, rounds: roundsOf(sampler) }

const stateOf = ({ rounds, reliability, lower, done }: ComponentProgress, target: number | null): BlockState => {
  if (!done) return rounds === 0 ? 'waiting' : 'sampling'
  if (reliability === null) return 'failed'
  return target === null || (lower !== null && lower >= target) ? 'done' : 'stopped'
}

export const blockProgress = (components: readonly ComponentProgress[], target: number | null): BlockProgress[] =>
  components.map((each) => ({ ...each, state: stateOf(each, target) }))

/** Final progress of every component of a sampled run. */
export const finalProgress = ({ diagnostics }: RunHealth): ComponentProgress[] =>
  diagnostics
    .filter(({ component }) => component !== 'full')
    .map(({ component, reliability, blocks }) => ({
      component,
      rounds: blocks?.rounds ?? 0,
      reliability: blocks === null || Number.isNaN(reliability) ? null : reliability,
      lower: blocks?.reliabilityBounds[0] ?? null,
      done: true
    }))

/** In the model's order, or those furthest from their target first. */
export const orderedProgress = (
  rows: readonly BlockProgress[],
  by: 'model' | 'reliability'
): readonly BlockProgress[] => (by === 'model' ? rows : [...rows].sort((a, b) => (a.lower ?? -1) - (b.lower ?? -1)))

/** "12 of 32 done, lowest head:1.2 at 0.31" */
export const progressSummary = (rows: readonly BlockProgress[]): string => {
  const count = (state: BlockState): number => rows.filter((row) => row.state === state).length
  const judged = rows.filter(({ reliability }) => reliability !== null)
  const lowest = judged.reduce<BlockProgress | null>(
    (least, row) => (least === null || (row.reliability ?? 1) < (least.reliability ?? 1) ? row : least),
    null
  )
  const parts = [
    `${count('done')} of ${rows.length} done`,
    ...(count('stopped') === 0 ? [] : [`${count('stopped')} stopped below the target`]),
    ...(count('failed') === 0 ? [] : [`${count('failed')} failed`]),
    ...(lowest === null ? [] : [`lowest ${lowest.component} at ${reliabilityText(lowest.reliability)}`])
  ]
  return parts.join(', ')
}

/** A reliability with two decimals. */
export const reliabilityText = (value: number | null): string =>
  value === null || Number.isNaN(value) ? '–' : value.toFixed(2).replace('-', '−')

const rounds = (count: number): string => `${count} ${count === 1 ? 'round' : 'rounds'}`

/** A component's progress in words, for screen readers. */
export const blockWords = ({ component, rounds: taken, reliability, lower, state }: BlockProgress): string =>
  reliability === null
    ? `${component}: ${stateWords[state]}`
    : [
        `${component}: reliability ${reliabilityText(reliability)}`,
        lower === null ? '' : `, at least ${reliabilityText(lower)} with 90 % confidence`,
        `; ${rounds(taken)}; ${stateWords[state]}`
      ].join('')

/** Row of the diagnostics of a run in rounds; unknown values are null. */
export interface BlockRow {
  readonly component: string
  readonly reliability: number
  readonly bounds: readonly [number, number] | null
  readonly centredReliability: number
  readonly centredBounds: readonly [number, number] | null
  readonly rounds: number | null
  readonly gradientCosine: number | null
  readonly gradientNorm: number | null
  readonly effectiveShare: number | null
  readonly meanPhi: number | null
  readonly phiDeviation: number | null
  /** Null if nβ is 0, where it is undefined. */
  readonly learningCoefficient: number | null
  readonly remainder: BlockDiagnostics['remainder']
  readonly remainderShare: number | null
  readonly failed: boolean
  readonly noisy: boolean
  /** Whether the posterior is too far from the prior for weighted draws to represent it. */
  readonly far: boolean
}

export const blockColumns = [
  'component',
  'reliability',
  'centredReliability',
  'rounds',
  'gradientCosine',
  'gradientNorm',
  'effectiveShare',
  'meanPhi',
  'phiDeviation',
  'learningCoefficient',
  'remainderShare'
] as const
export type BlockColumn = (typeof blockColumns)[number]

/** Below this effective share the estimators of docs/method.md, sections 3b and 3c do not hold. */
const leastShare = 0.3
/** Above this effective share, posterior and prior are practically equal. */
const priorShare = 0.98

export const blockRows = ({ run, diagnostics, threshold }: RunHealth): BlockRow[] => {
  const { nBeta } = run.configuration.sampler
  return diagnostics.map((each) => {
    const { component, reliability, centredReliability, learningCoefficient, failedChains, blocks } = each
    return {
      component,
      reliability,
      centredReliability,
      bounds: blocks?.reliabilityBounds ?? null,
      centredBounds: blocks?.centredReliabilityBounds ?? null,
      rounds: blocks?.rounds ?? null,
      gradientCosine: blocks?.gradientCosine ?? null,
      gradientNorm: blocks?.gradientNorm ?? null,
      effectiveShare: blocks?.effectiveShare ?? null,
      meanPhi: blocks?.meanPhi ?? null,
      phiDeviation: blocks?.phiDeviation ?? null,
      learningCoefficient: nBeta === 0 ? null : learningCoefficient,
      remainder: blocks?.remainder ?? null,
      remainderShare: blocks?.remainder?.share ?? null,
      failed: blocks === null || failedChains.length > 0,
      noisy: isNoisy(each, threshold),
      far: blocks !== null && blocks.effectiveShare < leastShare
    }
  })
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`

/** The first few names, then the number of others. */
const named = (names: readonly string[], most = 8): string =>
  names.length <= most ? listed(names) : `${names.slice(0, most).join(', ')} and ${names.length - most} more`

/** Conclusion from the effective shares; null if there is none. */
export const shareWords = (
  rows: readonly BlockRow[],
  nBeta: number
): { readonly level: 'plain' | 'warn'; readonly words: string } | null => {
  const shares = rows.flatMap(({ effectiveShare }) =>
    effectiveShare === null || Number.isNaN(effectiveShare) ? [] : [effectiveShare]
  )
  if (shares.length === 0) return null
  if (nBeta === 0) return { level: 'plain', words: 'nβ is 0: draws come from the prior and have equal weight.' }
  const [least, most] = [Math.min(...shares), Math.max(...shares)]
  const far = rows.filter((row) => row.far).map(({ component }) => component)
  if (far.length > 0) {
    const they = far.length === 1 ? 'its' : 'their'
    return {
      level: 'warn',
      words:
        `The effective share of ${named(far)} is below ${leastShare}: ${they} weighted draws ` +
        'do not represent the posterior. Sample with pSGLD instead (preset "paper"). ' +
        'Clustering skips such columns unless "allColumns" is set.'
    }
  }
  if (least >= priorShare) {
    const within = Math.max(1, Math.ceil(100 * (1 - least) - 1e-9))
    return { level: 'plain', words: `The posterior equals the prior within ${within} %: nβ makes no difference here.` }
  }
  return {
    level: 'plain',
    words:
      `nβ moves the posterior away from the prior: the effective share of draws is ${percent(least)} to ` +
      `${percent(most)}.`
  }
}

/** Share of the variance from order two and up; null if it was not measured. */
export const remainderWords = (rows: readonly BlockRow[]): string | null => {
  const looked = rows.flatMap(({ component, remainder }) => (remainder === null ? [] : [{ component, ...remainder }]))
  if (looked.length === 0) return null
  const largest = looked.reduce((most, each) => (each.share > most.share ? each : most))
  const most = `${percent(Math.max(0, largest.share))} ± ${percent(largest.error)}`
  const where = `${largest.component}, the largest of ${looked.length} tested`
  return `First order misses at most ${most} of a column’s variance (${where}).`
}
