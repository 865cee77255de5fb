import type { Architecture } from '../architecture'
import type { BlockParts, Family } from './family'
import { gemma } from './gemma'
import { gemma2 } from './gemma2'
import { gemma3 } from './gemma3'
import { gpt2 } from './gpt2'
import { gptNeo } from './gpt-neo'
import { gptNeox } from './gpt-neox'
import { llama } from './llama'
import { mistral } from './mistral'
import { olmo } from './olmo'
import { olmo2 } from './olmo2'
import { phi } from './phi'
import { qwen2 } from './qwen2'
import { qwen3 } from './qwen3'
import { type BlockTensors, type OuterTensors, blockTensors, outerTensors, planShapes } from './plan'

export { check, refusal, remedy } from './configuration'
export { canonicalName, componentsBy, headCount, mlpTensors, normParts, slicesBy, unitIn } from './plan'
export type { BlockParts, BlockTensors, Family, OuterTensors }

/** Every family that is read, by the `model_type` of its config.json. */
export const families: Readonly<Record<string, Family>> = Object.fromEntries(
  [gptNeox, gpt2, gptNeo, llama, mistral, qwen2, qwen3, olmo, olmo2, phi, gemma, gemma2, gemma3].map((family) => [
    family.name,
    family
  ])
)

export const familyOf = ({ family }: Pick<Architecture, 'family'>): Family => families[family]

/** Shapes of all tensors of a model, by canonical name. A tied unembedding is not among them. */
export const tensorShapes = (architecture: Architecture): ReadonlyMap<string, readonly number[]> =>
  planShapes(familyOf(architecture), architecture)

/** Names of the tensors outside of the blocks. */
export const outerTensorsOf = (architecture: Architecture): OuterTensors =>
  outerTensors(familyOf(architecture), architecture)

/** Names of a block's tensors. */
export const blockTensorsOf = (architecture: Architecture, layer: number): BlockTensors =>
  blockTensors(familyOf(architecture), layer)

/** Whether the hidden layer of its MLPs is a product of two. */
export const isGated = (architecture: Architecture): boolean => familyOf(architecture).block.mlpGate !== undefined

/** The tensor that logits are products with. */
export const unembeddingWeight = (architecture: Architecture): string => outerTensorsOf(architecture).unembedding

/**
 * The tensors whose rows the stream before the first layer is made of: one for a token's id, and one for its position
 * where positions are learned.
 */
export const embeddingTables = (architecture: Architecture): readonly string[] =>
  familyOf(architecture).outer.embeddings
