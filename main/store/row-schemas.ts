import { z } from 'zod'
import { clusteringMethods, samplingMethods } from '../../preload/configuration'
import { annotationBodySchema, targetSchema } from '../../preload/contract-annotations'
import { index, limits } from '../../preload/limits'
import { groupKinds, stageNames } from '../../preload/records'
import type {
  BlockDiagnostics,
  ClusteringRecord,
  DiagnosticsRecord,
  EngineProvenance,
  GatheredProvenance,
  ForeignProvenance,
  ImportedProvenance,
  LevelStability,
  Provenance,
  ResolutionPoint,
  RuleRecord,
  RunRecord,
  StabilityRecord,
  StageRecord
} from '../../preload/records'

/**
 * Schemas of records read from the database. Limits are generous, because earlier versions had none. They ensure that
 * texts are texts, numbers are numbers, and words are known.
 */

const words = z.string().max(limits.text)
/** JSON has null for numbers that are not finite. */
const real = z
  .number()
  .or(z.nan())
  .or(z.literal([Infinity, -Infinity]))
  .nullable()
const time = z.iso.datetime()
const scalar = z.union([words, z.number(), z.boolean(), z.null()])
const list = z.array(words)
/** Names of matrix columns, which become columns of tables. */
const columns = z
  .array(words.min(1))
  .refine((names) => new Set(names.map((name) => name.toLowerCase())).size === names.length, 'a name occurs twice')

const engine = z.object({
  name: words,
  device: words,
  precision: words,
  version: words
} satisfies Record<keyof EngineProvenance, z.ZodType>)
const versions = z.record(z.string(), words)

export const stageRow = z.object({
  stage: z.enum(stageNames),
  finishedAt: time,
  seconds: real,
  engine: engine.optional(),
  versions: versions.optional(),
  threads: z.number().optional()
} satisfies Record<keyof StageRecord, z.ZodType>)

const corpus = z.object({
  read: z.array(z.object({ kind: words, extension: words, files: z.number(), documents: z.number() })),
  blank: z.number(),
  leftOut: z.array(z.object({ why: words, count: z.number(), names: list }))
})

const imported = z.object({
  at: words,
  file: words,
  name: words.optional(),
  run: z.object({ id: words, createdAt: words, startedAt: words.nullable(), finishedAt: words.nullable() }),
  stages: z.array(stageRow),
  clustering: z.object({ number: z.number(), createdAt: words, clusters: z.number() }),
  selection: z.array(z.number()).nullable()
} satisfies Record<keyof ImportedProvenance, z.ZodType>)

const foreign = z.object({
  at: words,
  path: words,
  kind: words,
  settings: z.boolean(),
  notes: list
} satisfies Record<keyof ForeignProvenance, z.ZodType>)

const gathered = z.object({
  folder: words,
  set: words,
  shards: z.array(
    z.object({
      host: words,
      processor: words,
      threads: z.number(),
      seconds: z.number(),
      finishedAt: words
    })
  )
} satisfies Record<keyof GatheredProvenance, z.ZodType>)

const provenance = z
  .object({
    seed: z.number().optional(),
    modelHash: words.optional(),
    tokenizerHash: words.optional(),
    tokenizerPrefix: words.optional(),
    studyHash: words.optional(),
    corpus: corpus.optional(),
    engine: engine.nullable().optional(),
    enginesBefore: z.array(engine.extend({ until: words })).optional(),
    engineLost: z.object({ at: words, message: words }).nullable().optional(),
    versions: versions.optional(),
    platform: words.nullable().optional(),
    threads: z.number().optional(),
    imported: imported.optional(),
    foreign: foreign.optional(),
    gathered: gathered.optional(),
    continued: z.object({ run: words, name: words }).optional(),
    sweep: z.object({ sweep: words, run: z.number() }).optional(),
    keptSums: z.number().nullable().optional()
  } satisfies Record<keyof Provenance, z.ZodType>)
  .catchall(scalar)

const clusteringSettings = z.object({ method: z.enum(clusteringMethods) }).catchall(scalar)

const configuration = z
  .object({
    model: words,
    corpus: z
      .object({})
      .catchall(z.union([scalar, list]))
      .optional(),
    components: z.union([z.enum(['all', 'groups']), list]),
    sampler: z.object({ method: z.enum(samplingMethods), preset: words.optional() }).catchall(scalar),
    clustering: z.union([z.literal(false), clusteringSettings])
  })
  .catchall(scalar)

const levels = z.array(
  z.object({
    kind: z.enum(groupKinds),
    groups: index,
    stableGroups: index,
    stableShare: real,
    error: real,
    nullShare: real
  } satisfies Record<keyof LevelStability, z.ZodType>)
)

const resolution = z.object({
  resolution: real,
  groups: index,
  stableGroups: index,
  stableShare: real,
  error: real,
  nullShare: real,
  detail: real,
  modularity: real
} satisfies Record<keyof ResolutionPoint, z.ZodType>)

const groups = index.max(limits.groups)

export const clusteringRow = z.object({
  number: z.int().min(1).max(limits.number),
  name: words,
  configuration: clusteringSettings,
  seed: z.number(),
  createdAt: time,
  ending: words,
  attempts: index,
  edges: z.number(),
  volume: real,
  clusters: groups,
  groupsAbove: groups,
  leftoverKind: z.enum(['main body', 'unclustered']),
  leftoverSize: index.max(limits.tokens),
  stability: z.object({ splits: index, levels } satisfies Record<keyof StabilityRecord, z.ZodType>).nullable(),
  neighbourRecall: z.number().min(0).max(1).nullable(),
  modularity: real,
  sweep: z.array(resolution)
} satisfies Record<keyof ClusteringRecord, z.ZodType>)

/** A run without its clusterings, which are separate rows. */
export const runRow = z.object({
  id: z.string().min(1).max(limits.runName),
  name: words,
  status: z.enum(['pending', 'running', 'interrupted', 'failed', 'finished']),
  stage: z.enum(stageNames).nullable(),
  stages: z.array(stageRow),
  createdAt: time,
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
  configuration,
  baseFolder: z.string().max(limits.path),
  provenance,
  error: words.nullable(),
  tokens: index.max(limits.tokens),
  probeRows: index.max(limits.rows),
  components: columns,
  initialLoss: real,
  archived: z.boolean(),
  deleted: z.boolean()
} satisfies Record<Exclude<keyof RunRecord, 'clusterings'>, z.ZodType>)

const bounds = z.tuple([real, real])
const perChain = z.array(real)

export const diagnosticsRow = z.object({
  component: words,
  splitRHat: real,
  learningCoefficient: real,
  meanDistance: perChain,
  finalDistance: perChain,
  meanLoss: perChain,
  reliability: real,
  centredReliability: real,
  lossTrace: z.object({ first: real, last: real, min: real, max: real }),
  failedChains: z.array(z.object({ chain: index, draw: index, step: index, message: words })),
  blocks: z
    .object({
      rounds: index,
      reliabilityBounds: bounds,
      centredReliabilityBounds: bounds,
      gradientCosine: real,
      gradientNorm: real,
      effectiveShare: real,
      meanPhi: real,
      phiDeviation: real,
      remainder: z.object({ draws: index, share: real, error: real }).nullable()
    } satisfies Record<keyof BlockDiagnostics, z.ZodType>)
    .nullable()
} satisfies Record<keyof DiagnosticsRecord, z.ZodType>)

const condition = z.discriminatedUnion('on', [
  z.object({ on: z.enum(['token', 'previous', 'next']), id: index, text: words }),
  z.object({ on: z.literal('subset'), subset: words }),
  z.object({ on: z.literal('pattern'), pattern: words }),
  z.object({ on: z.literal('position'), from: index, to: index })
])

export const ruleRow = z.object({
  conditions: z.array(condition),
  recall: real,
  precision: real,
  f1: real
} satisfies Record<keyof RuleRecord, z.ZodType>)

export const annotationRow = annotationBodySchema.extend({ target: targetSchema })

const marks = z.object({ name: words, archived: z.boolean(), deleted: z.boolean() })
const step = { words, author: words, at: time, run: z.string().max(limits.runName) }

export const stepRow = z.object({ ...step, number: z.number(), clustering: index.nullable(), undone: z.boolean() })

/** Changes of a journal step: of a run, or of labels. */
export const runChanges = z.tuple([z.object({ target: z.literal('run'), before: marks, after: marks })])
export const labelChanges = z.array(
  z.object({
    target: targetSchema,
    before: annotationBodySchema.nullable(),
    after: annotationBodySchema.nullable()
  })
)
