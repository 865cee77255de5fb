import { z } from 'zod'
import { limits } from './limits'
import { plural } from './plural'
import { count, factor } from './setting-bounds'

/** Estimators of susceptibilities: docs/method.md, sections 2 (psgld), 3b (gradient) and 3c (first-order). */
export const samplingMethods = ['first-order', 'gradient', 'psgld'] as const
export type SamplingMethod = (typeof samplingMethods)[number]

/** Settings of each preset. The first preset of a method provides its defaults. */
export const presets = {
  'first-order': {
    method: 'first-order',
    nBeta: 3,
    gamma: 300,
    pairs: 'auto',
    rounds: 16,
    observationBatch: 16,
    targetReliability: 0.8,
    remainderDraws: 0,
    keepSums: true
  },
  quick: {
    method: 'first-order',
    nBeta: 0,
    gamma: 300,
    pairs: 'auto',
    rounds: 8,
    observationBatch: 16,
    targetReliability: 0.6,
    remainderDraws: 0,
    keepSums: true
  },
  'all-orders': {
    method: 'gradient',
    nBeta: 3,
    gamma: 300,
    draws: 256,
    observationBatch: 16,
    targetReliability: 0.8,
    keepSums: true
  },
  paper: {
    method: 'psgld',
    nBeta: 3,
    gamma: 300,
    stepSize: 1e-5,
    rmsDecay: 0.99,
    rmsEpsilon: 0.1,
    batchSize: 16,
    burnIn: 0,
    draws: 100,
    stepsBetweenDraws: 55,
    chains: 4,
    estimator: 'two-chain'
  }
} as const

export type PresetName = keyof typeof presets
export const presetNames = Object.keys(presets) as [PresetName, ...PresetName[]]

/** The preset that provides a method's defaults. */
export const standardPreset = (method: SamplingMethod): PresetName =>
  presetNames.find((name) => presets[name].method === method)!

/** Keys of `sampler` that belong to a method. */
export const samplerKeys = (method: SamplingMethod): readonly string[] => [
  'preset',
  ...Object.keys(presets[standardPreset(method)])
]

/** Independent blocks of draws (docs/method.md, sections 3b and 3c). */
export const blockCount = 4

const samplerFields = z.strictObject({
  preset: z
    .enum(presetNames)
    .optional()
    .describe('source of the defaults in this section; "first-order" unless "method" is set')
    .meta({ default: 'first-order' }),
  method: z
    .enum(samplingMethods)
    .optional()
    .describe(
      'first-order: mean gradients and slopes along them; gradient: all orders, from single gradients; psgld: ' +
        'chains, as published'
    ),
  nBeta: z
    .number()
    .min(0)
    .max(1e12)
    .optional()
    .describe('inverse temperature times number of samples, nβ; 0 is the Gaussian prior'),
  gamma: factor.optional().describe('localisation γ: strength of the pull towards w*'),
  pairs: z
    .union([z.literal('auto'), count(limits.draws)])
    .optional()
    .meta({ unit: 'pairs' })
    .describe('first-order: antithetic gradient pairs per block and round; "auto" depends on the number of tokens'),
  rounds: count(limits.draws)
    .optional()
    .describe('first-order: maximum rounds; each has four points, one per block')
    .meta({ unit: 'rounds' }),
  observationBatch: count(limits.rows)
    .optional()
    .describe('first-order and gradient: observation rows per gradient')
    .meta({ unit: 'rows' }),
  targetReliability: z
    .union([z.literal(false), z.number().gt(0).lt(1)])
    .optional()
    .describe('first-order and gradient: stop a component at this reliability, with 90 % confidence; false: never'),
  remainderDraws: z
    .int()
    .min(0)
    .max(limits.draws)
    .multipleOf(blockCount)
    .optional()
    .meta({ unit: 'draws' })
    .describe('first-order: draws of the gradient method, to measure what first order misses'),
  keepSums: z
    .boolean()
    .optional()
    .describe('first-order and gradient: save the sums so that the run can be continued with more rounds or draws'),
  stepSize: factor.optional().describe('psgld: SGLD step size η'),
  rmsDecay: z.number().min(0).lt(1).optional().describe('psgld: decay a of the squared-gradient average'),
  rmsEpsilon: factor.optional().describe('psgld: ε added to the root of the squared-gradient average'),
  batchSize: count(limits.rows).optional().describe('psgld: rows per minibatch').meta({ unit: 'rows' }),
  burnIn: z
    .int()
    .min(0)
    .max(limits.steps)
    .optional()
    .describe('psgld: steps before the first draw')
    .meta({ unit: 'steps' }),
  draws: z
    .int()
    .min(2)
    .max(limits.draws)
    .optional()
    .describe('psgld: draws per chain; gradient: maximum draws, a multiple of four')
    .meta({ unit: 'draws' }),
  stepsBetweenDraws: count(limits.draws).optional().describe('psgld: steps between draws').meta({ unit: 'steps' }),
  chains: count(limits.chains).optional().describe('psgld: independent chains per component').meta({ unit: 'chains' }),
  estimator: z
    .enum(['two-chain', 'restricted'])
    .optional()
    .describe('psgld: how the last bracket of the covariance is estimated')
})

export type SamplerFields = z.output<typeof samplerFields>

const methodOf = ({ preset, method }: SamplerFields): SamplingMethod =>
  method ?? presets[preset ?? 'first-order'].method

export const samplerSchema = samplerFields.superRefine((sampler, context) => {
  const method = methodOf(sampler)
  const issue = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
  if (sampler.preset !== undefined && presets[sampler.preset].method !== method) {
    return issue(
      'preset',
      `the preset "${sampler.preset}" belongs to the method "${presets[sampler.preset].method}" and "method" ` +
        `is "${method}"; remove one of them`
    )
  }
  for (const [key, value] of Object.entries(sampler)) {
    if (value === undefined || samplerKeys(method).includes(key)) continue
    const others = samplingMethods.filter((other) => samplerKeys(other).includes(key))
    const owners = `${others.length > 1 ? 'methods' : 'method'} ${others.map((other) => `"${other}"`).join(' and ')}`
    issue(
      key,
      `this setting belongs to the ${owners}, and this run's method is "${method}"; remove it, or set ` +
        `"sampler.method" to "${others[0]}"`
    )
  }
  if (method === 'psgld') {
    const { burnIn = 0, draws = presets.paper.draws, stepsBetweenDraws = presets.paper.stepsBetweenDraws } = sampler
    const steps = burnIn + draws * stepsBetweenDraws
    const what = `${draws} draws, ${stepsBetweenDraws} steps apart after ${burnIn}, are ${steps} steps of a chain`
    if (steps > limits.integer) issue('stepsBetweenDraws', `${what}, but it must be at most ${limits.integer}`)
  }
  if (method === 'gradient' && sampler.draws !== undefined && sampler.draws % blockCount !== 0) {
    issue(
      'draws',
      `the gradient method takes draws in rounds of ${blockCount}, but ${sampler.draws} is not a multiple of ` +
        `${blockCount}; give one`
    )
  }
})

interface CommonSettings {
  readonly preset: PresetName
  readonly nBeta: number
  readonly gamma: number
}

/** Settings of preconditioned SGLD, with all defaults filled in (docs/method.md, section 2). */
export interface PsgldConfiguration extends CommonSettings {
  readonly method: 'psgld'
  readonly stepSize: number
  readonly rmsDecay: number
  readonly rmsEpsilon: number
  readonly batchSize: number
  readonly burnIn: number
  readonly draws: number
  readonly stepsBetweenDraws: number
  readonly chains: number
  readonly estimator: 'two-chain' | 'restricted'
}

interface BlockSettings extends CommonSettings {
  readonly observationBatch: number
  readonly targetReliability: number | false
  readonly keepSums: boolean
}

/** Settings of the first-order estimator (docs/method.md, section 3c). */
export interface FirstOrderConfiguration extends BlockSettings {
  readonly method: 'first-order'
  readonly pairs: number | 'auto'
  readonly rounds: number
  readonly remainderDraws: number
}

/** Settings of the gradient estimator (docs/method.md, section 3b). */
export interface GradientConfiguration extends BlockSettings {
  readonly method: 'gradient'
  readonly draws: number
}

/** Settings of the methods whose draws form four independent blocks. */
export type BlockConfiguration = FirstOrderConfiguration | GradientConfiguration

/** Sampler settings with all defaults filled in. */
export type SamplerConfiguration = PsgldConfiguration | BlockConfiguration

/** Maximum number of rounds, each with one turn of every block. */
export const roundsOf = (sampler: BlockConfiguration): number =>
  sampler.method === 'first-order' ? sampler.rounds : sampler.draws / blockCount

/** Fills in the defaults of a sampler's preset, or of its method. */
export const completeSampler = (sampler: SamplerFields): SamplerConfiguration => {
  const preset = sampler.preset ?? standardPreset(methodOf(sampler))
  const given = Object.fromEntries(Object.entries(sampler).filter(([, value]) => value !== undefined))
  return { ...presets[preset], ...given, preset }
}

/** Describes sampler settings, for reports and the terminal. */
export const samplerWords = (sampler: SamplerConfiguration): string => {
  const { nBeta, gamma } = sampler
  const common = `nβ ${nBeta}, γ ${gamma}`
  if (sampler.method === 'psgld') {
    const { chains, draws, stepsBetweenDraws, burnIn, stepSize, batchSize, estimator } = sampler
    const steps =
      nBeta === 0
        ? ''
        : `, ${stepsBetweenDraws} steps apart after ${burnIn} of burn-in, step size ${stepSize}, batch ${batchSize}`
    return (
      `pSGLD, ${common}, ${chains} ${chains === 1 ? 'chain' : 'chains'} of ${draws} draws${steps}, ${estimator} ` +
      'estimator'
    )
  }
  const { observationBatch, targetReliability } = sampler
  const until = targetReliability === false ? '' : `, until every reliability reaches ${targetReliability}`
  const rows = `gradients over ${observationBatch} observation rows`
  return sampler.method === 'first-order'
    ? `first order, ${common}, ${sampler.pairs === 'auto' ? '' : `${plural(sampler.pairs, 'pair')} of `}${rows}, ` +
        `at most ${plural(sampler.rounds, 'round')}${until}`
    : `all orders, ${common}, ${rows}, at most ${sampler.draws} draws${until}`
}
