import { z } from 'zod'
import { blindScoreSchema, labelFields } from './contract-annotations'
import { index, limits, text } from './limits'

/** Blind tests that a suggested name is scored by. */
export const namingTrials = 5

/** Where models are asked for names. */
export const namingServerSchema = z.strictObject({
  /** Address to which `/chat/completions` is appended, as in "http://127.0.0.1:11434/v1". */
  address: text(limits.path).default(''),
  model: text(limits.word).default('')
})
export type NamingServer = z.output<typeof namingServerSchema>

/** A name that a model gave to a cluster. It is no label until a person accepts it. */
export const suggestedNameSchema = z.strictObject({
  cluster: index,
  name: labelFields.name.min(1),
  description: text(limits.note),
  model: text(limits.word),
  /** When it was given, ISO 8601 in UTC. */
  at: z.iso.datetime(),
  /** Whether the model insisted on a name that was taken; it ends in the cluster's number then. */
  repeated: z.boolean(),
  /** Whether a person did not want it. It stays dismissed until the model is asked for this cluster again. */
  dismissed: z.boolean().default(false),
  /** Blind tests that the model passed by this name; null for a cluster that is too small for one. */
  score: blindScoreSchema.nullable()
})
export type SuggestedName = z.output<typeof suggestedNameSchema>

export interface SuggestedNames {
  readonly run: string
  readonly clustering: number
  /** By cluster, ascending. */
  readonly names: readonly SuggestedName[]
}

/** What would be sent for a cluster, and where. */
export interface NamingPreview {
  readonly url: string
  readonly model: string
  /** Whether a key goes with it. */
  readonly hasKey: boolean
  /** The request for a name, as text. */
  readonly naming: string
  /** The request of the first blind test with a stand-in for the name; null for a cluster that is too small. */
  readonly test: string | null
  /** Clusters without a label or a suggestion. */
  readonly unnamed: number
}
