import { z } from 'zod'
import { SpectroscopeError } from './errors'
import { precisions } from './precisions'

const positive = z.number().positive()
const count = z.int().min(1)

export const corpusSchema = z.strictObject({
  files: z.array(z.string().min(1)).min(1).describe('jsonl or Parquet files, plain text files, or folders of them'),
  textField: z.string().default('text').describe('where a jsonl or Parquet record keeps its text; dots go into objects'),
  subsetField: z.string().default('meta.subset').describe('where a record names its subset; the file name is used where it is missing'),
  rowLength: z.int().min(2).default(128).describe('token ids in a row').meta({ unit: 'token ids' }),
  sampling: count.default(2048).describe('rows that the sampler draws minibatches from').meta({ unit: 'rows' }),
  observation: count.default(512).describe('rows whose mean loss is the observable').meta({ unit: 'rows' }),
  probe: count.default(1024).describe('rows whose tokens are studied').meta({ unit: 'rows' }),
  probeTokensPerRow: count.optional().describe('studied target positions of each probe row, spread evenly; all of them by default').meta({ unit: 'positions' }),
  observationIncludesProbe: z.boolean().default(false).describe('let the probe rows count as observation rows too')
})

export const presets = {
  paper: { nBeta: 3, gamma: 300, stepSize: 1e-5, rmsDecay: 0.99, rmsEpsilon: 0.1, batchSize: 16, burnIn: 0, draws: 100, stepsBetweenDraws: 55, chains: 4, estimator: 'two-chain' },
  quick: { nBeta: 3, gamma: 300, stepSize: 1e-5, rmsDecay: 0.99, rmsEpsilon: 0.1, batchSize: 8, burnIn: 20, draws: 20, stepsBetweenDraws: 10, chains: 2, estimator: 'restricted' }
} as const

export const samplerSchema = z.strictObject({
  preset: z.enum(['paper', 'quick']).default('paper').describe('where the other keys of this section take their defaults from'),
  nBeta: z.number().min(0).optional().describe('inverse temperature times number of samples, nβ; 0 samples the Gaussian prior'),
  gamma: positive.optional().describe('localisation γ: strength of the pull towards w*'),
  stepSize: positive.optional().describe('SGLD step size η'),
  rmsDecay: z.number().min(0).lt(1).optional().describe('decay a of the squared-gradient average'),
  rmsEpsilon: positive.optional().describe('ε added to the root of that average'),
  batchSize: count.optional().describe('rows in a minibatch').meta({ unit: 'rows' }),
  burnIn: z.int().min(0).optional().describe('steps before the first draw').meta({ unit: 'steps' }),
  draws: z.int().min(2).optional().describe('draws of a chain').meta({ unit: 'draws' }),
  stepsBetweenDraws: count.optional().describe('steps from one draw to the next').meta({ unit: 'steps' }),
  chains: count.optional().describe('independent chains of each component').meta({ unit: 'chains' }),
  estimator: z.enum(['two-chain', 'restricted']).optional().describe('how the last bracket of the covariance is estimated')
})

export const clusteringSchema = z.strictObject({
  neighbours: z.int().min(2).default(45).describe('k of the nearest-neighbour graph').meta({ unit: 'neighbours' }),
  symmetrize: z.enum(['union', 'mutual']).default('union').describe('keep an edge if either, or both, of its ends list the other'),
  whiten: z.boolean().default(false).describe('PCA whitening instead of standardised columns and centred rows'),
  alpha: z.number().gt(0).lt(1).default(0.001).describe('teleport probability of the personalised PageRank').meta({ unit: 'probability' }),
  epsilon: positive.default(1e-7).describe('bound on the residual of a node over its degree'),
  rule: z.enum(['local', 'global']).default('local').describe('which prefixes of a sweep count'),
  minSize: count.default(20).describe('smallest cluster that is accepted').meta({ unit: 'tokens' }),
  maxRejections: count.default(200).describe('rejections in a row that end the search').meta({ unit: 'attempts' }),
  remaining: z.number().min(0).lt(1).default(0.001).describe('share of tokens left at which the search ends').meta({ unit: 'share' })
})

export const configurationSchema = z
  .strictObject({
    model: z.string().min(1).describe('folder with config.json, model.safetensors (or shards with an index) and tokenizer.json'),
    weights: z.string().min(1).optional().describe('another checkpoint of the same model'),
    corpus: corpusSchema.optional(),
    rows: z.string().min(1).optional().describe('file {"sampling": [[ids]], "observation": …, "probe": …}, instead of corpus'),
    components: z.union([z.literal('all'), z.array(z.string()).min(1)]).default('all').describe('"all", or a list such as ["head:2.1", "mlp:3"]'),
    sampler: samplerSchema.prefault({}),
    clustering: z.union([z.literal(false), clusteringSchema]).prefault({}),
    seed: z.int().min(0).default(1).describe('seed of every random number'),
    engine: z.string().default('auto').describe('"auto", or one that Settings or `spectroscope engines` lists'),
    precision: z.enum(precisions).optional().describe('what matrix products are computed in; other than float32 it is for onnx-cuda, and less accurate (see Engines)').meta({ default: 'float32' }),
    threads: count.optional().describe('worker threads; all cores by default. The numbers do not depend on it').meta({ unit: 'threads' })
  })
  .refine((value) => (value.corpus === undefined) !== (value.rows === undefined), {
    path: ['corpus'],
    message: 'give either "corpus" or "rows", and not both'
  })

export type CorpusConfiguration = z.output<typeof corpusSchema>
export type ClusteringConfiguration = z.output<typeof clusteringSchema>

/** Sampler settings with every default filled in. METHOD.md section 2 says what each one does. */
export interface SamplerConfiguration {
  readonly preset: 'paper' | 'quick'
  readonly nBeta: number
  readonly gamma: number
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

export type RunConfiguration = Omit<z.output<typeof configurationSchema>, 'sampler'> & { readonly sampler: SamplerConfiguration }

/** The bounds of a number in a JSON schema, as a table or a form shows them: "≥ 0, < 1"; "" where it has none. */
export const rangeWords = ({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: {
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
}): string =>
  [
    exclusiveMinimum !== undefined ? `> ${exclusiveMinimum}` : minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? `≥ ${minimum}` : '',
    exclusiveMaximum !== undefined ? `< ${exclusiveMaximum}` : maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? `≤ ${maximum}` : ''
  ].filter((part) => part !== '').join(', ')

const where = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`), '')

/** The issue that says most: of a union, that of the alternative which the value agrees with furthest. */
const telling = (issue: z.core.$ZodIssue): z.core.$ZodIssue => {
  if (issue.code !== 'invalid_union') return issue
  const [deepest] = issue.errors.flat().map(telling).sort((a, b) => b.path.length - a.path.length)
  return deepest === undefined || (deepest.path.length === 0 && deepest.code !== 'unrecognized_keys') ? issue : { ...deepest, path: [...issue.path, ...deepest.path] }
}

/** What is wrong with one place of a configuration: `path` as in "corpus.files[0]", "" for the whole; `message` a sentence without its end. */
export interface ConfigurationIssue {
  readonly path: string
  readonly message: string
}

const withUnknownKeys = (issue: z.core.$ZodIssue, place: string): ConfigurationIssue => {
  if (issue.code === 'invalid_type' && /received undefined$/.test(issue.message)) return { path: place, message: `"${place}" is missing; give it` }
  if (issue.code !== 'unrecognized_keys') return { path: place, message: place === '' ? issue.message : `"${place}": ${issue.message}` }
  const keys = issue.keys.map((key) => `${place === '' ? '' : `${place}.`}${key}`)
  return { path: keys[0], message: `unknown key ${keys.map((key) => `"${key}"`).join(', ')}; remove it or correct its spelling` }
}

/** Checks a configuration and fills in its defaults, or lists all that is wrong with it, in the words of the terminal. */
export const checkedConfiguration = (value: unknown): { readonly configuration: RunConfiguration; readonly issues: readonly [] } | { readonly configuration: null; readonly issues: readonly ConfigurationIssue[] } => {
  const parsed = configurationSchema.safeParse(value)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(telling)
    return { configuration: null, issues: issues.map((issue) => withUnknownKeys(issue, where(issue.path))) }
  }
  const { sampler, ...rest } = parsed.data
  const defaults = presets[sampler.preset]
  return { configuration: { ...rest, sampler: { ...defaults, ...Object.fromEntries(Object.entries(sampler).filter(([, given]) => given !== undefined)), preset: sampler.preset } }, issues: [] }
}

/** Checks a configuration and fills in its defaults. `name` is the file, for the message. Throws a `configuration` error that names the key. */
export const parseConfiguration = (value: unknown, name: string): RunConfiguration => {
  const { configuration, issues } = checkedConfiguration(value)
  if (configuration === null) throw new SpectroscopeError('configuration', `${name}: ${issues[0].message}.`)
  return configuration
}
