import { z } from 'zod'
import { SpectroscopeError } from './errors'
import { isOutOfBounds, issueAt, telling } from './issues'
import type { ConfigurationIssue } from './issues'
import { limits, path, text } from './limits'
import { clusteringSchema, modernisedClustering, paperClustering } from './clustering-configuration'
import { precisions } from './precisions'
import { completeSampler, samplerSchema } from './sampler-configuration'
import type { SamplerConfiguration } from './sampler-configuration'
import { count } from './setting-bounds'

export * from './clustering-configuration'
export * from './sampler-configuration'
export { rangeWords } from './setting-bounds'

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
  prependBos: z
    .union([z.literal('auto'), z.boolean()])
    .default('auto')
    .describe('begin every row with the tokenizer\'s first token; "auto" does if tokenizer.json puts one before texts'),
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

export const configurationSchema = z
  .strictObject({
    model: path.describe(
      'folder with config.json, tokenizer.json and weights: model.safetensors or pytorch_model.bin, or shards of either'
    ),
    weights: path.optional().describe('another checkpoint of the same model'),
    corpus: corpusSchema.optional(),
    rows: path
      .optional()
      .describe('file {"observation": [[ids]], "probe": …} instead of corpus; psgld needs "sampling" as well'),
    components: z
      .union([z.enum(['all', 'groups']), z.array(text(limits.word)).min(1).max(limits.components)])
      .default('all')
      .describe('"all"; "groups": heads that share keys and values as one; or a list such as ["head:2.1", "mlp:3"]'),
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
    message: 'give either "corpus" or "rows", but not both'
  })

export type CorpusConfiguration = z.output<typeof corpusSchema>
export type RunConfiguration = Omit<z.output<typeof configurationSchema>, 'sampler'> & {
  readonly sampler: SamplerConfiguration
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Adds the published clustering settings if the sampler settings are the published ones. */
const withPublishedClustering = (value: unknown): unknown => {
  if (!isRecord(value)) return value
  const { sampler, clustering = {} } = value
  const published =
    isRecord(sampler) && (sampler.preset === 'paper' || (sampler.preset === undefined && sampler.method === 'psgld'))
  return published && isRecord(clustering) ? { ...value, clustering: { ...paperClustering, ...clustering } } : value
}

/** Limit of reported problems. */
const mostIssues = 100

/** Checks a configuration and fills in defaults, or lists all its problems as sentences. */
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

/**
 * Updates a complete configuration of an earlier version: before 0.2 there were only chains, and clusterings only by
 * `acl`.
 */
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

/**
 * Checks a configuration and fills in defaults. `name` is the file, for messages. Throws a `configuration` error that
 * names the key.
 */
export const parseConfiguration = (value: unknown, name: string): RunConfiguration => {
  const { configuration, issues } = checkedConfiguration(value)
  if (configuration === null) throw new SpectroscopeError('configuration', `${name}: ${issues[0].message}.`)
  return configuration
}
