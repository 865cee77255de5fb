import { z } from 'zod'
import { clusteringConfigurationSchema, configurationSchema, modernisedClustering } from '../../preload/configuration'
import {
  blindScoreSchema,
  clusterSchema as cluster,
  confidences,
  labelFields,
  labelStatuses
} from '../../preload/contract-annotations'
import { index, limits, text as textOf } from '../../preload/limits'
import { groupKinds } from '../../preload/records'
import type { LevelStability, ResolutionPoint, StabilityRecord } from '../../preload/records'
import { time, word, real, text, realOrNull, runName, column, number, runId, componentNames } from './annotated-values'
import { seedSchema, provenanceSchema, stageSchema, diagnosticsSchema } from './annotated-run'

/** Value of the file's first key. */
export const setFormat = 'spectroscope annotated cluster set'
/** Increased whenever a reader of the previous version would not understand the file. */
export const setVersion = 3

/** Name of an imported run, to distinguish it from a run of the same name: "first, imported", "first, imported 2". */
export const markedName = (name: string, number: number): string =>
  number < 2 ? `${name}, imported` : `${name}, imported ${number}`

const labelSchema = z.strictObject({
  name: labelFields.name,
  note: labelFields.note,
  tags: labelFields.tags,
  confidence: z.enum(confidences).nullable(),
  status: z.enum(labelStatuses),
  blindTest: blindScoreSchema.nullable().describe('of how many blind tests the context from elsewhere was told apart'),
  author: labelFields.author,
  changedAt: time
})

const shareSchema = real.min(0).max(1)

const stabilitySchema = z.strictObject({
  splits: index.describe('ways in which the draws were split in halves'),
  levels: z
    .array(
      z.strictObject({
        kind: z.enum(groupKinds),
        groups: index,
        stableGroups: index,
        stableShare: shareSchema.describe('share of all tokens that is in stable groups'),
        error: real.nullable().describe('standard error over the splits; null where there is one'),
        nullShare: shareSchema
          .nullable()
          .describe('stable share of a Gaussian matrix of the same tokens, covariance and reliabilities')
      } satisfies Record<keyof LevelStability, z.ZodType>)
    )
    .max(groupKinds.length)
} satisfies Record<keyof StabilityRecord, z.ZodType>)

const resolutionSchema = z.strictObject({
  resolution: real,
  groups: index,
  stableGroups: index,
  stableShare: shareSchema,
  error: real.nullable(),
  nullShare: shareSchema.nullable(),
  detail: real.describe('what the stable clusters say of a token, in bits'),
  modularity: real
} satisfies Record<keyof ResolutionPoint, z.ZodType>)

const mostResolutions = 200

const clusteringRecordSchema = z.strictObject({
  number,
  name: runName,
  configuration: clusteringConfigurationSchema,
  seed: seedSchema,
  createdAt: time,
  ending: word.describe('why the search for clusters ended'),
  attempts: index,
  edges: z.int().min(0),
  volume: real,
  clusters: index.describe('of the whole clustering, exported or not'),
  groupsAbove: index.describe('regions and neighbourhoods of the whole clustering'),
  leftoverKind: z.enum(['main body', 'unclustered']),
  leftoverSize: index,
  stability: stabilitySchema.nullable().describe('of the whole clustering; null where the draws were not split'),
  neighbourRecall: shareSchema
    .nullable()
    .default(null)
    .describe('share of the nearest neighbours found on a sample; null where they are exact'),
  modularity: real.nullable().describe('of the finest level; null for acl'),
  sweep: z.array(resolutionSchema).max(mostResolutions).describe('resolutions that were tried, ascending')
})

const conditionSchema = z.discriminatedUnion('on', [
  z.strictObject({ on: z.enum(['token', 'previous', 'next']), id: index, text }),
  z.strictObject({ on: z.literal('subset'), subset: text }),
  z.strictObject({ on: z.literal('pattern'), pattern: text }),
  z.strictObject({ on: z.literal('position'), from: index, to: index })
])

const mostConditions = 16

const ruleSchema = z.strictObject({
  conditions: z
    .array(conditionSchema)
    .min(1)
    .max(mostConditions)
    .describe(
      'all must hold: of the token itself, its neighbours in the row, its subset, a pattern, its position in the row'
    ),
  recall: shareSchema.describe('share of the group that the rule selects'),
  precision: shareSchema.describe('share of what the rule selects that is in the group'),
  f1: shareSchema
})

export const documentSchema = z.strictObject({ id: index, file: text, record: index, subset: text })
export const vocabularySchema = z.strictObject({ id: index, text })
export const rowSchema = z.strictObject({
  row: index.max(limits.rows - 1),
  subset: text,
  ids: z.array(index).max(limits.rowLength),
  segments: z
    .array(z.strictObject({ start: index, document: index, offset: index }))
    .max(limits.rowLength)
    .describe('parts of the row by document: its first column, and the index of that token in the document')
})

export const memberSchema = z.strictObject({
  token: index.describe('number of the token: row by row, then by position'),
  row: index,
  position: index.describe('column of the row'),
  id: index.describe('token id'),
  text,
  before: text,
  after: text,
  subset: text,
  document: z.strictObject({ file: text, record: index }).nullable(),
  strength: shareSchema
    .nullable()
    .describe(
      'share of the halves of the draws in which the token is with its cluster; null where they were not split'
    ),
  strengthsAbove: z
    .array(shareSchema)
    .max(groupKinds.length)
    .describe(
      'the same in the groups above, by their order from parent to parent; empty where the draws were not split'
    )
})

/** A cluster without its members, which are read one at a time. */
export const clusterSchema = z.strictObject({
  cluster: cluster.describe('number: clusters come first, then the groups above them; -1 is what is left over'),
  kind: z.enum([...groupKinds, 'main body', 'unclustered']),
  parent: index.nullable().describe('number of the smallest group above that is in this file'),
  size: index,
  conductance: z.number().nullable(),
  conductanceWhenCut: z.number().nullable(),
  seed: index.nullable().describe('token that the search started from; null for communities'),
  stability: shareSchema
    .nullable()
    .describe(
      'Jaccard index of the group where the draws are split; below 0.5 it may not be there. null where they were not'
    ),
  rule: ruleSchema
    .nullable()
    .describe(
      'the rule that predicts the group best; ' + 'null where none is known, as before the clustering is described'
    ),
  uncaught: index.nullable().describe('tokens of the group that the rule does not select'),
  label: labelSchema.nullable(),
  distinctTokens: index,
  topTokens: z
    .array(z.strictObject({ id: index, text, count: index, lift: real }))
    .max(limits.vocabulary)
    .describe('lift: share in the cluster over share in the study'),
  subsets: z.array(z.strictObject({ subset: text, count: index, lift: real })).max(limits.documents),
  profile: z
    .strictObject({ mean: column, standardDeviation: column })
    .describe('susceptibility χ per component, in the order of components; nats²')
})

export const blockSchema = z.strictObject({
  first: index.describe('number of the first token'),
  count: z.int().min(1).max(limits.tokens),
  susceptibilities: textOf(limits.blocks).describe('base64 of float32, little-endian, [count, components] row by row'),
  standardErrors: textOf(limits.blocks).describe('as susceptibilities')
})

export const mergeSchema = z.strictObject({ merge: number, clusters: labelFields.clusters, label: labelSchema })
export const partSchema = z.strictObject({ part: number, cluster, tokens: labelFields.tokens, label: labelSchema })
export const selectionSchema = z.strictObject({ selection: number, tokens: labelFields.tokens, label: labelSchema })

const mostStages = 100

/** Keys of the file that are read whole. The others are long lists. */
export const headSchemas = {
  format: z.literal(setFormat),
  version: z.literal(setVersion),
  exportedAt: time,
  program: word,
  run: z.strictObject({
    id: runId,
    name: runName,
    createdAt: time,
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    tokens: index.max(limits.tokens).describe('of the run; those of this file are the members of its clusters'),
    probeRows: index.max(limits.rows),
    initialLoss: realOrNull.describe('mean loss of the trained weights, nats per token')
  }),
  provenance: provenanceSchema,
  stages: z.array(stageSchema).max(mostStages),
  configuration: configurationSchema,
  components: componentNames,
  diagnostics: z.array(diagnosticsSchema).max(limits.components),
  clustering: clusteringRecordSchema,
  selection: z
    .array(cluster)
    .max(limits.groups)
    .nullable()
    .describe(
      'groups that were chosen, with what is below them; null for the whole clustering, with what is left over'
    ),
  columns: z
    .strictObject({ mean: column, standardDeviation: column })
    .describe('of χ per component over all tokens of the run'),
  context: z.strictObject({ before: index, after: index }).describe('token ids on either side of each member'),
  merges: z.array(mergeSchema).max(limits.groups),
  parts: z.array(partSchema).max(limits.groups),
  selections: z
    .array(selectionSchema)
    .max(limits.groups)
    .describe('labelled sets of any tokens of this file, in ascending order, whatever clusters they are in')
} as const

/**
 * Maximum lengths of the lists that are read one entry at a time: `members` of all clusters, `blocks` of the matrix.
 */
export const listLimits = {
  documents: limits.documents,
  vocabulary: limits.vocabulary,
  rows: limits.rows,
  clusters: limits.groups,
  members: limits.tokens,
  blocks: limits.tokens
} as const

export const annotatedSetSchema = z.strictObject({
  ...headSchemas,
  documents: z.array(documentSchema).max(listLimits.documents),
  vocabulary: z
    .array(vocabularySchema)
    .max(listLimits.vocabulary)
    .describe('texts of the token ids; empty where the run had no tokenizer'),
  rows: z.array(rowSchema).max(listLimits.rows).describe('rows of token ids that have members, ascending'),
  clusters: z
    .array(
      z.strictObject({
        ...clusterSchema.shape,
        members: z
          .array(memberSchema)
          .max(listLimits.members)
          .describe('empty for regions and neighbourhoods, whose members are those of the clusters below them')
      })
    )
    .max(listLimits.clusters),
  matrix: z
    .strictObject({ blocks: z.array(blockSchema).max(listLimits.blocks) })
    .describe('χ and its standard errors of all members in order of tokens, nats²')
})

type Values = Readonly<Record<string, unknown>>

const withDefaults = (value: unknown, defaults: Values): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...defaults, ...value } : value

/** Upgrades pieces of a version 1 file. Its clusters came from ACL, without a tree or stabilities. */
export const sinceVersion1 = {
  clustering: (value: unknown): unknown => {
    const { configuration, ...record } = (typeof value === 'object' && value !== null ? value : {}) as Values
    const isObject = typeof configuration === 'object' && configuration !== null
    const modern = isObject ? modernisedClustering(configuration) : configuration
    return withDefaults(
      { ...record, configuration: modern },
      { groupsAbove: 0, stability: null, modularity: null, sweep: [] }
    )
  },
  cluster: (value: unknown): unknown =>
    withDefaults(value, { parent: null, stability: null, rule: null, uncaught: null }),
  member: (value: unknown): unknown => withDefaults(value, { strength: null, strengthsAbove: [] })
}

export type AnnotatedSet = z.output<typeof annotatedSetSchema>
export type SetHead = { readonly [K in keyof typeof headSchemas]: z.output<(typeof headSchemas)[K]> }
export type SetLabel = z.output<typeof labelSchema>
export type SetCluster = z.output<typeof clusterSchema>
export type SetMember = z.output<typeof memberSchema>
export type SetBlock = z.output<typeof blockSchema>

/** The published schema: resources/schemas/annotated-cluster-set.schema.json. */
export const annotatedSetJsonSchema = (): object => ({
  $id: 'annotated-cluster-set.schema.json',
  title: 'Spectroscope annotated cluster set',
  description: [
    `Version ${setVersion}: clusters of tokens by their susceptibilities, in a tree, with what people say of them,`,
    'how well they recur, their tokens in context, and where the numbers come from.',
    'Version 1 had neither a tree nor stability, and version 2 no selections.'
  ].join(' '),
  ...z.toJSONSchema(annotatedSetSchema, { io: 'input' })
})
