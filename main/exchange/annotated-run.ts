import { z } from 'zod'
import { corpusKinds, type CorpusFiles, type LeftOut, type CorpusContents } from '../../preload/corpus-contents'
import { index, limits } from '../../preload/limits'
import { stageNames } from '../../preload/records'
import { word, time, real, text, componentName, realOrNull, ofChain, bounds } from './annotated-values'

export const seedSchema = z.int().min(0)

const engineSchema = z.strictObject({ name: word, device: word, precision: word, version: word })

const versionsSchema = z.record(word, word).describe('of the program and its libraries')

export const stageSchema = z.strictObject({
  stage: z.enum(stageNames),
  finishedAt: time,
  seconds: real,
  engine: engineSchema.optional(),
  versions: versionsSchema.optional(),
  threads: index.optional()
})

const corpusSchema = z.strictObject({
  read: z
    .array(
      z.strictObject({
        kind: z.enum(corpusKinds),
        extension: text,
        files: index,
        documents: index
      } satisfies Record<keyof CorpusFiles, z.ZodType>)
    )
    .describe('files that were read alike'),
  blank: index.describe('records and files of nothing but white space'),
  leftOut: z.array(
    z.strictObject({
      why: text,
      count: index,
      names: z.array(text).describe('paths of the first of them')
    } satisfies Record<keyof LeftOut, z.ZodType>)
  )
} satisfies Record<keyof CorpusContents, z.ZodType>)

/** Provenance in a file. Anything else known about a run stays in its workspace. */
export const provenanceSchema = z.object({
  seed: seedSchema.optional(),
  modelHash: text.optional().describe("SHA-256 of the model's files"),
  tokenizerHash: text.optional().describe('SHA-256 of the tokenizer'),
  tokenizerPrefix: text.optional().describe('what the tokenizer puts before every document, such as a space'),
  studyHash: text
    .optional()
    .describe(
      'SHA-256 of all rows of the corpus that were used: ' +
        'sampling, observation and probe rows with their studied positions'
    ),
  corpus: corpusSchema.optional().describe('what the files of the corpus gave, and what of its folders was left out'),
  engine: engineSchema.optional(),
  versions: versionsSchema.optional(),
  platform: text.optional(),
  threads: index.optional()
})

export const diagnosticsSchema = z.strictObject({
  component: componentName,
  splitRHat: realOrNull,
  learningCoefficient: realOrNull,
  meanDistance: ofChain,
  finalDistance: ofChain,
  meanLoss: ofChain,
  reliability: realOrNull,
  centredReliability: realOrNull,
  lossTrace: z.strictObject({ first: realOrNull, last: realOrNull, min: realOrNull, max: realOrNull }),
  failedChains: z.array(z.strictObject({ chain: index, draw: index, step: index, message: text })).max(limits.chains),
  blocks: z
    .strictObject({
      rounds: index,
      reliabilityBounds: bounds,
      centredReliabilityBounds: bounds,
      gradientCosine: realOrNull,
      gradientNorm: realOrNull,
      effectiveShare: realOrNull,
      meanPhi: realOrNull,
      phiDeviation: realOrNull,
      remainder: z.strictObject({ draws: index, share: realOrNull, error: realOrNull }).nullable()
    })
    .nullable()
    .default(null)
    .describe('of methods that go in rounds; null for chains')
})
