import type { Architecture } from '../architecture'
import type { BlockTensors, Family, Layout, OuterTensors } from './family'
import { gpt2 } from './gpt2'
import { gptNeox } from './gpt-neox'

export { check, refusal, remedy } from './configuration'
export type { BlockTensors, Family, Layout, OuterTensors }

/** Every family that is read, by the `model_type` of its config.json. */
export const families: Readonly<Record<Architecture['family'], Family>> = { gpt_neox: gptNeox, gpt2 }

export const familyOf = ({ family }: Pick<Architecture, 'family'>): Family => families[family]

/** Shapes of all tensors of a model, by canonical name; `lm_head.weight` is among them unless embeddings are tied. */
export const tensorShapes = (architecture: Architecture): ReadonlyMap<string, readonly number[]> =>
  familyOf(architecture).tensorShapes(architecture)

/** The tensor that logits are products with. */
export const unembeddingWeight = (architecture: Architecture): string =>
  familyOf(architecture).outerTensors(architecture).unembedding

/**
 * The tensors whose rows the stream before the first layer is made of: one for a token's id, and one for its position
 * where positions are learned.
 */
export const embeddingTables = (architecture: Architecture): readonly string[] =>
  familyOf(architecture).outerTensors(architecture).embeddings
