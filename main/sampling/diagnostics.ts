import type { BlockDiagnostics } from '../../preload/records'
import type { BlockConfiguration, PsgldConfiguration, SamplerConfiguration } from '../../preload/configuration'

/** A chain that ended with a non-finite number. Its draws are excluded from all estimates. */
export interface FailedChain {
  readonly chain: number
  /** Number of the draw that it failed to reach. */
  readonly draw: number
  /** Number of steps done before it failed. */
  readonly step: number
  readonly message: string
}

/** L (nats) and ‖u - u*‖ at every draw of a chain, [draws]; NaN after it failed. */
export interface ChainTrace {
  readonly component: string
  readonly chain: number
  readonly losses: Float64Array
  readonly distances: Float64Array
}

/** Diagnostics of one component, over the chains that did not fail; NaN if all failed. */
export interface ComponentDiagnostics {
  readonly component: string
  /** Split-R̂ of φ; null for fewer than four draws or if φ is constant. */
  readonly splitRHat: number | null
  /** nβ (E[L] - L(w*)); NaN at nβ = 0, see `learningCoefficient`. */
  readonly learningCoefficient: number
  /** ‖u - u*‖ of every chain: mean over draws, and at the last draw. NaN for failed chains. */
  readonly meanDistance: readonly number[]
  readonly finalDistance: readonly number[]
  readonly meanLoss: number
  /** Reliability of the column χ̂ (docs/method.md, section 3); NaN for `full` and for components without a column. */
  readonly reliability: number
  /** Reliability of the column after the preprocessing of docs/method.md, section 5.1. */
  readonly centredReliability: number
  /** L averaged over chains, in nats. */
  readonly lossTrace: { readonly first: number; readonly last: number; readonly min: number; readonly max: number }
  readonly failedChains: readonly FailedChain[]
  /** Diagnostics of the methods with draw blocks; null for chains. */
  readonly blocks: BlockDiagnostics | null
}

const mean = (values: ArrayLike<number>): number => {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]
  return sum / values.length
}

const variance = (values: ArrayLike<number>): number => {
  const centre = mean(values)
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] - centre) ** 2
  return sum / (values.length - 1)
}

/** Split-R̂ (Gelman et al. 2013). Each chain's draws are halved; the middle one of an odd number is left out. */
export const splitRHat = (chains: readonly Float64Array[]): number | null => {
  const draws = chains[0]?.length ?? 0
  const half = Math.floor(draws / 2)
  if (half < 2) return null
  const sequences = chains.flatMap((chain) => [chain.subarray(0, half), chain.subarray(draws - half)])
  const within = mean(sequences.map(variance))
  if (!(within > 0)) return null
  return Math.sqrt((half - 1) / half + variance(sequences.map(mean)) / within)
}

/** Local learning coefficient nβ (E[L] - L(w*)). NaN at nβ = 0, where it would be 0 for every model. */
export const learningCoefficient = (nBeta: number, lossRise: number): number => (nBeta === 0 ? NaN : nBeta * lossRise)

/** Computes the diagnostics of one component, except reliabilities, from the traces of its chains. */
export const diagnose = (
  traces: readonly ChainTrace[],
  failedChains: readonly FailedChain[],
  initialLoss: number,
  nBeta: number
): Omit<ComponentDiagnostics, 'reliability' | 'centredReliability' | 'blocks'> => {
  const alive = traces.filter(({ chain }) => !failedChains.some((failed) => failed.chain === chain))
  const averaged = Float64Array.from(traces[0].losses, (_, draw) => mean(alive.map(({ losses }) => losses[draw])))
  const meanLoss = mean(averaged)
  const ofChain = (value: (distances: Float64Array) => number): number[] =>
    traces.map((trace) => (alive.includes(trace) ? value(trace.distances) : NaN))
  return {
    component: traces[0].component,
    splitRHat: splitRHat(alive.map(({ losses }) => losses.map((loss) => loss - initialLoss))),
    learningCoefficient: learningCoefficient(nBeta, meanLoss - initialLoss),
    meanDistance: ofChain(mean),
    finalDistance: ofChain((distances) => distances[distances.length - 1]),
    meanLoss,
    lossTrace: {
      first: averaged[0],
      last: averaged[averaged.length - 1],
      min: alive.length === 0 ? NaN : Math.min(...averaged),
      max: alive.length === 0 ? NaN : Math.max(...averaged)
    },
    failedChains
  }
}

export type FindingKind =
  | 'chains failed'
  | 'loss not above L(w*)'
  | 'still drifting'
  | 'begins at w*'
  | 'chains disagree'
  | 'posterior too far'
  | 'mostly noise'

export interface Finding {
  readonly component: string
  readonly kind: FindingKind
  /** One sentence: the finding and what would help. */
  readonly message: string
}

/** Columns with a lower reliability are marked as mostly noise (docs/method.md, section 3). */
export const reliabilityThreshold = 0.5
/** Below this effective share, weighted draws do not represent the posterior (docs/method.md, section 3b). */
export const effectiveShareThreshold = 0.3
const rHatThreshold = 1.1

const number = (value: number): string => value.toPrecision(3).replace(/\.?0+$/, '')

/**
 * Change of mean φ from the third to the fourth quarter of the draws. 0 unless it exceeds twice its standard error
 * and a tenth of φ.
 */
const drift = (traces: readonly ChainTrace[], initialLoss: number): number => {
  const draws = traces[0].losses.length
  if (draws < 8) return 0
  const quarter = Math.floor(draws / 4)
  const third = traces.flatMap(({ losses }) => [...losses.subarray(draws - 2 * quarter, draws - quarter)])
  const fourth = traces.flatMap(({ losses }) => [...losses.subarray(draws - quarter)])
  const change = mean(fourth) - mean(third)
  const error = Math.sqrt((variance(third) + variance(fourth)) / third.length)
  return Math.abs(change) > 2 * error && Math.abs(change) > 0.1 * Math.abs(mean(fourth) - initialLoss) ? change : 0
}

/** Distance of the first draws from w*, relative to that of the second half of the draws; 1 if it cannot be told. */
const startShare = (traces: readonly ChainTrace[]): number => {
  const draws = traces[0].distances.length
  if (draws < 4) return 1
  const first = mean(traces.map(({ distances }) => distances[0]))
  const later = mean(traces.flatMap(({ distances }) => [...distances.subarray(Math.ceil(draws / 2))]))
  return later > 0 ? first / later : 1
}

/**
 * If the first draws are closer to w* than this share of the later distance, the chains had not reached the
 * posterior.
 */
const relaxedShare = 0.7

/** Advice for each finding. At nβ = 0 draws are independent and no steps are run, so it does not mention steps. */
const chainsHelp = ({ nBeta, stepSize, gamma }: PsgldConfiguration) => {
  const smaller = `a larger sampler.gamma (now ${gamma}) would help`
  return nBeta === 0
    ? {
        failed: smaller,
        near: `the draws are too close to w* (a smaller sampler.gamma, now ${gamma}, spreads them)`,
        disagreement: 'more draws would help',
        noise: 'more draws, chains or observation rows would help'
      }
    : {
        failed: `a smaller sampler.stepSize (now ${stepSize}) or ${smaller}`,
        near: 'the chains hardly moved (try a longer run or a larger sampler.stepSize)',
        disagreement: 'more draws or more steps between draws would help',
        noise: 'more draws, steps between draws, chains or observation rows would help'
      }
}

const assessChains = (
  { component, splitRHat: rHat, meanLoss, reliability, centredReliability, failedChains }: ComponentDiagnostics,
  traces: readonly ChainTrace[],
  initialLoss: number,
  sampler: PsgldConfiguration
): Finding[] => {
  const findings: Finding[] = []
  const find = (kind: FindingKind, message: string): void =>
    void findings.push({ component, kind, message: `${component}: ${message}.` })
  const help = chainsHelp(sampler)
  if (failedChains.length > 0) {
    const chains = failedChains.map(({ chain }) => chain + 1).join(', ')
    const left = failedChains.length === sampler.chains ? 'no column could be computed' : 'is left out'
    const what = `chain ${chains} of ${sampler.chains} ended with a non-finite number`
    find('chains failed', `${what} and ${left}; ${help.failed}`)
  }
  const alive = traces.filter(({ chain }) => !failedChains.some((failed) => failed.chain === chain))
  if (alive.length === 0) return findings
  if (meanLoss <= initialLoss) {
    const found = `the mean loss ${number(meanLoss)} did not rise above L(w*) ${number(initialLoss)}`
    const why = `w* may not be a minimum on these rows (check with more observation rows), or ${help.near}`
    find('loss not above L(w*)', `${found}; ${why}`)
  }
  const change = sampler.nBeta === 0 ? 0 : drift(alive, initialLoss)
  if (change !== 0)
    find(
      'still drifting',
      `the loss has not levelled off (${change > 0 ? 'up' : 'down'} ${number(Math.abs(change))} over the last ` +
        'quarter of the draws); a longer sampler.burnIn or more steps between draws would help'
    )
  const share = sampler.nBeta === 0 ? 1 : startShare(alive)
  if (share < relaxedShare) {
    find(
      'begins at w*',
      `the first draws are only ${number(100 * share)} % as far from w* as later ones, so they are not yet ` +
        `posterior samples and bias every χ; set sampler.burnIn (now ${sampler.burnIn}) to several times ` +
        'sampler.stepsBetweenDraws'
    )
  }
  if (rHat !== null && rHat > rHatThreshold) {
    find('chains disagree', `split-R̂ is ${number(rHat)} (over ${rHatThreshold}); ${help.disagreement}`)
  }
  const low = (value: number): string =>
    `the reliability of its column is ${number(value)} (below ${reliabilityThreshold})`
  if (reliability < reliabilityThreshold) find('mostly noise', `${low(reliability)}; ${help.noise}`)
  else if (centredReliability < reliabilityThreshold) {
    const centred = 'with standardised columns and centred rows, as in clustering'
    find('mostly noise', `${low(centredReliability)} ${centred}; ${help.noise}`)
  }
  return findings
}

/** Above this cosine between the halves' mean gradients, more points help more than more gradient pairs. */
const alignedGradients = 0.7

const blocksHelp = ({ gradientCosine }: BlockDiagnostics, sampler: BlockConfiguration): string => {
  if (sampler.method === 'gradient')
    return 'more draws or a larger sampler.observationBatch would help; the method "first-order" needs far fewer draws'
  return gradientCosine !== null && gradientCosine < alignedGradients
    ? 'its mean gradient is poorly estimated: more sampler.pairs or more rounds would help'
    : 'its mean gradient is well estimated: more rounds would help'
}

const assessBlocks = (
  { component, reliability, centredReliability, failedChains, blocks }: ComponentDiagnostics,
  sampler: BlockConfiguration
): Finding[] => {
  if (blocks === null) return failedChains.map(({ message }) => ({ component, kind: 'chains failed', message }))
  const findings: Finding[] = []
  const find = (kind: FindingKind, message: string): void =>
    void findings.push({ component, kind, message: `${component}: ${message}.` })
  if (blocks.effectiveShare < effectiveShareThreshold) {
    find(
      'posterior too far',
      `the effective share of its draws is ${number(blocks.effectiveShare)} (below ${effectiveShareThreshold}), so ` +
        'weighted prior draws do not represent the posterior; set "sampler.method" to "psgld", or lower ' +
        `sampler.nBeta (now ${sampler.nBeta}) or raise sampler.gamma (now ${sampler.gamma})`
    )
  }
  const help = blocksHelp(blocks, sampler)
  if (reliability < reliabilityThreshold)
    find(
      'mostly noise',
      `the reliability of its column is ${number(reliability)} (below ${reliabilityThreshold}); ${help}`
    )
  else if (centredReliability < reliabilityThreshold) {
    find(
      'mostly noise',
      `the reliability of its column is ${number(centredReliability)} (below ${reliabilityThreshold}) with ` +
        `standardised columns and centred rows, as in clustering; ${help}`
    )
  }
  return findings
}

/**
 * Lists what looks unhealthy in a component's chains or draws or makes its column mostly noise, with advice. Empty if
 * nothing does.
 */
export const assessHealth = (
  diagnostics: ComponentDiagnostics,
  traces: readonly ChainTrace[],
  initialLoss: number,
  sampler: SamplerConfiguration
): Finding[] =>
  sampler.method === 'psgld'
    ? assessChains(diagnostics, traces, initialLoss, sampler)
    : assessBlocks(diagnostics, sampler)
