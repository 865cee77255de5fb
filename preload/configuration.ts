import { z } from 'zod'
import { SpectroscopeError } from './errors'
import { isOutOfBounds, issueAt, telling } from './issues'
import type { ConfigurationIssue } from './issues'
import { limits, path, text } from './limits'
import { precisions } from './precisions'

const count = (most: number) => z.int().min(1).max(most)
/** A factor that neither vanishes nor overflows in float32. */
const factor = z.number().min(1e-12).max(1e30)

export const corpusSchema = z.strictObject({
  files: z
    .array(path)
    .min(1)
    .max(limits.files)
    .describe('jsonl, JSON, CSV or Parquet files, plain text files, or folders of them'),
  textField: text(limits.name).default('text').describe('text field of a record; dots enter nested objects'),
  subsetField: text(limits.name)
    .default('meta.subset')
    .describe('subset field of a record; the file name is used if missing'),
  rowLength: z
    .int()
    .min(2)
    .max(limits.rowLength)
    .default(128)
    .describe('token ids per row')
    .meta({ unit: 'token ids' }),
  sampling: count(limits.rows)
    .default(2048)
    .describe('psgld: rows that minibatches are drawn from')
    .meta({ unit: 'rows' }),
  observation: count(limits.rows)
    .default(512)
    .describe('rows whose mean loss is the observable')
    .meta({ unit: 'rows' }),
  probe: count(limits.rows).default(1024).describe('rows whose tokens are studied').meta({ unit: 'rows' }),
  probeTokensPerRow: count(limits.rowLength)
    .optional()
    .describe('studied target positions of each probe row, spread evenly; all of them by default')
    .meta({ unit: 'positions' }),
  observationIncludesProbe: z.boolean().default(false).describe('also use the probe rows as observation rows')
})

/** How susceptibilities are estimated: docs of the method, sections 2 (psgld), 3b (gradient) and 3c (first-order). */
export const samplingMethods = ['first-order', 'gradient', 'psgld'] as const
export type SamplingMethod = (typeof samplingMethods)[number]

/** Settings of each preset; the first of a method is what its keys default to where no preset is named. */
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

/** The preset that a method's settings default to. */
export const standardPreset = (method: SamplingMethod): PresetName =>
  presetNames.find((name) => presets[name].method === method)!

/** The keys of `sampler` that a method has. */
export const samplerKeys = (method: SamplingMethod): readonly string[] => [
  'preset',
  ...Object.keys(presets[standardPreset(method)])
]

/** Blocks of draws that are independent of one another: docs/method.md, sections 3b and 3c. */
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
      'first-order: mean gradients and slopes along them; gradient: all orders, from single gradients; psgld: chains, as published'
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

type SamplerFields = z.output<typeof samplerFields>

const methodOf = ({ preset, method }: SamplerFields): SamplingMethod =>
  method ?? presets[preset ?? 'first-order'].method

export const samplerSchema = samplerFields.superRefine((sampler, context) => {
  const method = methodOf(sampler)
  const issue = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
  if (sampler.preset !== undefined && presets[sampler.preset].method !== method) {
    return issue(
      'preset',
      `the preset "${sampler.preset}" belongs to the method "${presets[sampler.preset].method}" and "method" is "${method}"; remove one of them`
    )
  }
  for (const [key, value] of Object.entries(sampler)) {
    if (value === undefined || samplerKeys(method).includes(key)) continue
    const others = samplingMethods.filter((other) => samplerKeys(other).includes(key))
    const owners = `${others.length > 1 ? 'methods' : 'method'} ${others.map((other) => `"${other}"`).join(' and ')}`
    issue(
      key,
      `this setting belongs to the ${owners}, and this run's method is "${method}"; remove it, or set "sampler.method" to "${others[0]}"`
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
      `the gradient method takes draws in rounds of ${blockCount}, and ${sampler.draws} is no multiple of ${blockCount}; give one`
    )
  }
})

const suited = z.literal('auto')
const neighbours = z.int().min(2).max(limits.neighbours)

export const clusteringMethods = ['communities', 'acl'] as const
export type ClusteringMethod = (typeof clusteringMethods)[number]

/** Settings that belong to one method, with their defaults. */
const clusteringDefaults = {
  communities: { resolution: 'auto', levels: 3, seeds: 4 },
  acl: { alpha: 0.001, epsilon: 1e-7, rule: 'local', maxRejections: 200, remaining: 0.001 }
} as const

/** The coarsest resolution that is taken: below it all tokens are one community. */
export const coarsestResolution = 1e-6
/** The finest resolution that is taken: beyond it every token is a community of its own. */
export const finestResolution = 10_000

const commonClustering = {
  neighbours: z
    .union([suited, neighbours])
    .default('auto')
    .describe('k of the nearest-neighbour graph; "auto" depends on the number of tokens')
    .meta({ unit: 'neighbours' }),
  symmetrize: z
    .enum(['union', 'mutual'])
    .default('union')
    .describe('keep an edge if either end (union) or both ends (mutual) list the other'),
  whiten: z
    .union([suited, z.boolean()])
    .default('auto')
    .describe('PCA whitening instead of standardised columns and centred rows'),
  allColumns: z
    .boolean()
    .default(false)
    .describe('include columns with an unreliable estimate (effective share of draws below 0.3)'),
  minSize: z
    .union([suited, count(limits.tokens)])
    .default('auto')
    .describe('minimum cluster size; "auto" depends on the number of tokens')
    .meta({ unit: 'tokens' }),
  stability: z.boolean().default(true).describe('also cluster each half of the draws, to measure which clusters recur')
}
const communityFields = {
  resolution: z
    .union([suited, z.number().min(coarsestResolution).max(finestResolution)])
    .describe('communities: modularity resolution of the finest level; "auto" picks the one that explains most')
    .meta({ default: clusteringDefaults.communities.resolution }),
  levels: z
    .int()
    .min(1)
    .max(3)
    .describe('communities: levels of the tree, each four times coarser than the one below')
    .meta({ unit: 'levels', default: clusteringDefaults.communities.levels }),
  seeds: z
    .int()
    .min(1)
    .max(100)
    .describe('communities: partitions in the consensus')
    .meta({ unit: 'partitions', default: clusteringDefaults.communities.seeds })
}
const aclFields = {
  alpha: z
    .number()
    .min(1e-9)
    .lt(1)
    .describe('acl: teleport probability of the personalised PageRank')
    .meta({ unit: 'probability', default: clusteringDefaults.acl.alpha }),
  epsilon: z
    .number()
    .min(1e-12)
    .max(1)
    .describe('acl: bound on the residual of a node over its degree')
    .meta({ default: clusteringDefaults.acl.epsilon }),
  rule: z
    .enum(['local', 'global'])
    .describe('acl: which prefixes of a sweep are considered')
    .meta({ default: clusteringDefaults.acl.rule }),
  maxRejections: count(limits.tokens)
    .describe('acl: consecutive rejections that end the search')
    .meta({ unit: 'attempts', default: clusteringDefaults.acl.maxRejections }),
  remaining: z
    .number()
    .min(0)
    .lt(1)
    .describe('acl: share of remaining tokens that ends the search')
    .meta({ unit: 'share', default: clusteringDefaults.acl.remaining })
}

/** The keys of `clustering` that only one method has. */
export const keysOfMethod: Readonly<Record<ClusteringMethod, readonly string[]>> = {
  communities: Object.keys(communityFields),
  acl: Object.keys(aclFields)
}

const clusteringFields = z.strictObject({
  method: z
    .enum(clusteringMethods)
    .optional()
    .describe('communities: a tree by modularity (Leiden); acl: local clusters, as published')
    .meta({ default: 'communities' }),
  ...commonClustering,
  ...z.object(communityFields).partial().shape,
  ...z.object(aclFields).partial().shape
})

const common = z.strictObject(commonClustering)
const communitySettings = common.extend({ method: z.literal('communities'), ...communityFields })
const aclSettings = common.extend({ method: z.literal('acl'), ...aclFields })

/** Settings of a clustering as they are given: some may be "auto". */
export type ClusteringSettings = z.output<typeof communitySettings> | z.output<typeof aclSettings>

const completeClustering = (given: z.output<typeof clusteringFields>): ClusteringSettings => {
  const { method = 'communities' } = given
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return { ...clusteringDefaults[method], ...present, method } as ClusteringSettings
}

export const clusteringSchema = clusteringFields
  .superRefine((clustering, context) => {
    const method = clustering.method ?? 'communities'
    const other = method === 'acl' ? 'communities' : 'acl'
    for (const [key, value] of Object.entries(clustering)) {
      if (value === undefined || !keysOfMethod[other].includes(key)) continue
      const message = `this setting belongs to the method "${other}", and this clustering's method is "${method}"; remove it, or set "clustering.method" to "${other}"`
      context.addIssue({ code: 'custom', path: [key], message })
    }
  })
  .transform(completeClustering)

const decided = { neighbours, minSize: count(limits.tokens), whiten: z.boolean() }

/** A clustering's settings with what suits its study in place of "auto"; a resolution that was "auto" is the one that was found. */
export const clusteringConfigurationSchema = z.discriminatedUnion('method', [
  communitySettings.extend(decided),
  aclSettings.extend(decided)
])

/** What the preset `paper` has in place of the defaults. */
const paperClustering = { method: 'acl', neighbours: 45, minSize: 20, whiten: false }

export const configurationSchema = z
  .strictObject({
    model: path.describe('folder with config.json, model.safetensors (or shards with an index) and tokenizer.json'),
    weights: path.optional().describe('another checkpoint of the same model'),
    corpus: corpusSchema.optional(),
    rows: path
      .optional()
      .describe('file {"observation": [[ids]], "probe": …} instead of corpus; psgld needs "sampling" as well'),
    components: z
      .union([z.literal('all'), z.array(text(limits.word)).min(1).max(limits.components)])
      .default('all')
      .describe('"all", or a list such as ["head:2.1", "mlp:3"]'),
    sampler: samplerSchema.prefault({}),
    clustering: z.union([z.literal(false), clusteringSchema]).prefault({}),
    seed: z.int().min(0).default(1).describe('random seed'),
    engine: text(limits.word)
      .default('auto')
      .describe('"auto", or an engine listed by Settings or `spectroscope engines`'),
    precision: z
      .enum(precisions)
      .optional()
      .describe('precision of matrix products; other than float32 needs onnx-cuda and is less accurate (see Engines)')
      .meta({ default: 'float32' }),
    threads: count(limits.threads)
      .optional()
      .describe('worker threads; all cores by default. Results do not depend on it')
      .meta({ unit: 'threads' })
  })
  .refine((value) => (value.corpus === undefined) !== (value.rows === undefined), {
    path: ['corpus'],
    message: 'give either "corpus" or "rows", and not both'
  })

export type CorpusConfiguration = z.output<typeof corpusSchema>
export type ClusteringConfiguration = z.output<typeof clusteringConfigurationSchema>

/** Neighbours that gave most clusters, and most that recur, on parts of the development corpus of 5,000 to 100,000 tokens: see test/bench/NOTES.md. */
const suitedNeighbours = (tokens: number): number =>
  Math.max(
    2,
    Math.min(tokens - 1, Math.max(5, Math.round(10 * (tokens / 13_000) ** (tokens < 13_000 ? 1 / 3 : 1 / 10))))
  )

/** Settings for a study of so many tokens. */
export const suitClustering = (settings: ClusteringSettings, tokens: number): ClusteringConfiguration => {
  const { neighbours, minSize, whiten } = settings
  return {
    ...settings,
    neighbours: neighbours === 'auto' ? suitedNeighbours(tokens) : neighbours,
    minSize: minSize === 'auto' ? (tokens < 50_000 ? 10 : 20) : minSize,
    whiten: whiten === 'auto' ? true : whiten
  }
}

interface CommonSettings {
  readonly preset: PresetName
  readonly nBeta: number
  readonly gamma: number
}

/** Chains of RMSprop-SGLD, with every default filled in: docs/method.md, section 2. */
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

/** docs/method.md, section 3c. */
export interface FirstOrderConfiguration extends BlockSettings {
  readonly method: 'first-order'
  readonly pairs: number | 'auto'
  readonly rounds: number
  readonly remainderDraws: number
}

/** docs/method.md, section 3b. */
export interface GradientConfiguration extends BlockSettings {
  readonly method: 'gradient'
  readonly draws: number
}

/** The methods whose draws go to four independent blocks. */
export type BlockConfiguration = FirstOrderConfiguration | GradientConfiguration

/** Sampler settings with every default filled in. */
export type SamplerConfiguration = PsgldConfiguration | BlockConfiguration

/** Rounds of four blocks, at most. */
export const roundsOf = (sampler: BlockConfiguration): number =>
  sampler.method === 'first-order' ? sampler.rounds : sampler.draws / blockCount

const completeSampler = (sampler: SamplerFields): SamplerConfiguration => {
  const preset = sampler.preset ?? standardPreset(methodOf(sampler))
  const given = Object.fromEntries(Object.entries(sampler).filter(([, value]) => value !== undefined))
  return { ...presets[preset], ...given, preset }
}

export type RunConfiguration = Omit<z.output<typeof configurationSchema>, 'sampler'> & {
  readonly sampler: SamplerConfiguration
}

/** A sampler's settings in words, as reports and the terminal show them. */
export const samplerWords = (sampler: SamplerConfiguration): string => {
  const { nBeta, gamma } = sampler
  const common = `nβ ${nBeta}, γ ${gamma}`
  if (sampler.method === 'psgld') {
    const { chains, draws, stepsBetweenDraws, burnIn, stepSize, batchSize, estimator } = sampler
    const steps =
      nBeta === 0
        ? ''
        : `, ${stepsBetweenDraws} steps apart after ${burnIn} of burn-in, step size ${stepSize}, batch ${batchSize}`
    return `pSGLD, ${common}, ${chains} ${chains === 1 ? 'chain' : 'chains'} of ${draws} draws${steps}, ${estimator} estimator`
  }
  const { observationBatch, targetReliability } = sampler
  const until = targetReliability === false ? '' : `, until every reliability reaches ${targetReliability}`
  const rows = `gradients over ${observationBatch} observation rows`
  return sampler.method === 'first-order'
    ? `first order, ${common}, ${sampler.pairs === 'auto' ? '' : `${sampler.pairs} pairs of `}${rows}, at most ${sampler.rounds} ${sampler.rounds === 1 ? 'round' : 'rounds'}${until}`
    : `all orders, ${common}, ${rows}, at most ${sampler.draws} draws${until}`
}

const boundWords = (bound: number): string => {
  if (Math.abs(bound) >= 1e9) return bound.toExponential().replace('e+', 'e')
  return Math.abs(bound) < 0.001 ? String(bound) : bound.toLocaleString('en', { maximumFractionDigits: 20 })
}

/** The bounds of a number in a JSON schema, as a table or a form shows them: "0 to 1", "≥ 0, < 1"; "" without bounds. */
export const rangeWords = ({
  minimum,
  maximum,
  exclusiveMinimum,
  exclusiveMaximum
}: {
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}): string => {
  const least = minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? boundWords(minimum) : undefined
  const most = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? boundWords(maximum) : undefined
  if (least !== undefined && most !== undefined) return `${least} to ${most}`
  return [
    exclusiveMinimum !== undefined ? `> ${boundWords(exclusiveMinimum)}` : least === undefined ? '' : `≥ ${least}`,
    exclusiveMaximum !== undefined ? `< ${boundWords(exclusiveMaximum)}` : most === undefined ? '' : `≤ ${most}`
  ]
    .filter((part) => part !== '')
    .join(', ')
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** With the published clustering where the sampler's settings are the published ones. */
const withPublishedClustering = (value: unknown): unknown => {
  if (!isRecord(value)) return value
  const { sampler, clustering = {} } = value
  const published =
    isRecord(sampler) && (sampler.preset === 'paper' || (sampler.preset === undefined && sampler.method === 'psgld'))
  return published && isRecord(clustering) ? { ...value, clustering: { ...paperClustering, ...clustering } } : value
}

/** Problems of a configuration that are told at once. */
const mostIssues = 100

/** Checks a configuration and fills in its defaults, or lists all that is wrong with it, in the words of the terminal. */
export const checkedConfiguration = (
  value: unknown
):
  | { readonly configuration: RunConfiguration; readonly issues: readonly [] }
  | { readonly configuration: null; readonly issues: readonly ConfigurationIssue[] } => {
  const parsed = configurationSchema.safeParse(withPublishedClustering(value), { reportInput: true })
  if (!parsed.success) {
    const issues = parsed.error.issues.map(telling).sort((a, b) => Number(isOutOfBounds(b)) - Number(isOutOfBounds(a)))
    const told = issues.slice(0, mostIssues).map((issue) => issueAt(issue))
    return { configuration: null, issues: told }
  }
  const { sampler, ...rest } = parsed.data
  const complete = completeSampler(sampler)
  return { configuration: { ...rest, sampler: complete }, issues: [] }
}

/** A complete configuration as earlier versions wrote it, in today's words: before 0.2 there were chains only, and until then ACL only. */
export const modernised = (value: unknown): unknown => {
  if (!isRecord(value)) return value
  const { sampler, clustering } = value
  const chains = isRecord(sampler) && !('method' in sampler) && 'stepsBetweenDraws' in sampler && 'chains' in sampler
  const local = isRecord(clustering) && !('method' in clustering) && 'alpha' in clustering
  return {
    ...value,
    ...(chains ? { sampler: { ...sampler, method: 'psgld', preset: 'paper' } } : {}),
    ...(local ? { clustering: modernisedClustering(clustering) } : {})
  }
}

/** The settings of a clustering as versions wrote them that had no method but ACL, and no stability. */
export const modernisedClustering = (clustering: object): object =>
  'method' in clustering ? clustering : { stability: false, ...clustering, method: 'acl' }

/** Checks a configuration and fills in its defaults. `name` is the file, for the message. Throws a `configuration` error that names the key. */
export const parseConfiguration = (value: unknown, name: string): RunConfiguration => {
  const { configuration, issues } = checkedConfiguration(value)
  if (configuration === null) throw new SpectroscopeError('configuration', `${name}: ${issues[0].message}.`)
  return configuration
}
