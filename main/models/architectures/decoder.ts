import { z } from 'zod'
import type { Architecture, AttentionKind, Rotary } from '../architecture'
import {
  activationOf,
  check,
  checkHeadCount,
  checkHeads,
  endOfTextOf,
  endOfTextSchema,
  refusal,
  refuse,
  refuseOddRotation,
  refuseParticular,
  remedy,
  size
} from './configuration'
import type { BlockNames, Family } from './family'
import { ropeSchema, rotaryOf } from './rotary'

/** What the configurations of Llama and its relatives have in common, by the names that all of them use. */

export const decoderSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive().optional(),
  hidden_act: z.string().default('silu'),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.number().min(0).max(1).nullish(),
  rope_parameters: ropeSchema,
  rope_scaling: ropeSchema,
  tie_word_embeddings: z.boolean().optional(),
  eos_token_id: endOfTextSchema
})

/** The setting that gives attention's four products biases, of families that have it. */
export const attentionBias = { attention_bias: z.boolean().default(false) }

/** Biases by that setting, in families whose MLPs have none. */
export const biasesOf = ({
  attention_bias: qkv
}: z.output<z.ZodObject<typeof attentionBias>>): Architecture['biases'] => ({
  qkv,
  projection: qkv,
  mlp: false
})

export type DecoderConfig = z.output<typeof decoderSchema>

/** What a family has in place of what most have: no biases, one kind of attention over all before, no caps. */
interface Particulars extends Partial<Architecture> {
  /** Settings of other families that this one has too. */
  readonly reads?: readonly string[]
  /** Share of a head's width that is rotated, where the configuration does not say. */
  readonly rotated?: number
  /** Base of the rotation, where the configuration does not say. */
  readonly rotaryBase?: number
  /** Width of a head where the configuration does not say; that of the stream divided by the heads if absent. */
  readonly usualHeadWidth?: number
  /** End-of-text token where the configuration names none. */
  readonly usualEndOfText?: number
}

const rotaryIn = (file: string, title: string, config: DecoderConfig, width: number, given: Particulars): Rotary => {
  const { rotated = 1, rotaryBase = 10000 } = given
  const asked = config.rope_parameters?.partial_rotary_factor ?? config.partial_rotary_factor ?? undefined
  if (given.rotated === undefined && asked !== undefined && asked !== 1)
    refuse(file, title, 'partial_rotary_factor', asked)
  const share = asked ?? rotated
  const dimensions = Math.floor(width * share)
  refuseOddRotation(file, 'partial_rotary_factor', share, dimensions)
  return rotaryOf(file, title, config, { dimensions, base: config.rope_theta ?? rotaryBase })
}

/** The architecture of a configuration. Throws an `input` error that names the file and the key. */
export const decoderOf = (
  file: string,
  title: string,
  family: string,
  config: DecoderConfig,
  given: Particulars = {}
): Architecture => {
  const { reads, rotated: _rotated, rotaryBase: _base, usualHeadWidth, usualEndOfText = 0, ...further } = given
  refuseParticular(file, title, config, reads)
  const { hidden_size: hidden, num_attention_heads: heads, num_hidden_layers: layers } = config
  const ownWidth = config.head_dim ?? usualHeadWidth
  if (ownWidth === undefined) checkHeads(file, hidden, layers, heads)
  else checkHeadCount(file, layers, heads)
  const headWidth = ownWidth ?? hidden / heads
  const groups = config.num_key_value_heads ?? heads
  if (heads % groups !== 0)
    throw refusal(
      file,
      `${heads} heads cannot share ${groups} heads of keys and values ("num_key_value_heads"); ${remedy}`
    )
  return {
    family,
    layers,
    heads,
    groups,
    headWidth,
    hidden,
    intermediate: config.intermediate_size,
    vocabulary: config.vocab_size,
    contextLength: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps ?? 1e-6,
    activation: activationOf(file, 'hidden_act', config.hidden_act),
    biases: { qkv: false, projection: false, mlp: false },
    attention: [{ rotary: rotaryIn(file, title, config, headWidth, given) }],
    pattern: [0],
    scoreWidth: headWidth,
    embeddingScale: 1,
    parallelResidual: false,
    tiedEmbeddings: config.tie_word_embeddings ?? false,
    endOfText: endOfTextOf(config.eos_token_id, usualEndOfText, config.vocab_size),
    ...further
  }
}

const layerTypes = ['full_attention', 'sliding_attention'] as const

export const windowSchema = {
  sliding_window: size.nullish(),
  layer_types: z.array(z.string()).nullish()
}

/** The shortest list that gives `all` when it is repeated. */
export const shortest = (all: readonly number[]): readonly number[] => {
  const length = all.findIndex((_, period) => period > 0 && all.every((kind, i) => kind === all[i % period]))
  return length < 0 ? all : all.slice(0, length)
}

/**
 * Kinds of attention where some layers see a window only: by `layer_types`, or else by `usual`. Throws an `input` error
 * if there is another type of layer.
 */
export const attentionOf = (
  file: string,
  title: string,
  config: { readonly num_hidden_layers: number; readonly layer_types?: readonly string[] | null | undefined },
  kinds: Readonly<Record<(typeof layerTypes)[number], AttentionKind>>,
  usual: (layer: number) => (typeof layerTypes)[number]
): Pick<Architecture, 'attention' | 'pattern'> => {
  const layers = config.num_hidden_layers
  const types = config.layer_types ?? Array.from({ length: layers }, (_, layer) => usual(layer))
  const foreign = types.find((type) => !(layerTypes as readonly string[]).includes(type))
  if (foreign !== undefined) refuse(file, title, 'layer_types', foreign, `${layerTypes.join(' and ')} are`)
  if (types.length !== layers)
    throw refusal(file, `"layer_types" has ${types.length} layers, and "num_hidden_layers" is ${layers}; ${remedy}`)
  const used = layerTypes.filter((type) => types.includes(type))
  return {
    attention: used.map((type) => kinds[type]),
    pattern: shortest(types.map((type) => (used as readonly string[]).indexOf(type)))
  }
}

/** Names that Llama and its relatives share. */
export const decoderBlock: BlockNames = {
  attentionNorm: 'input_layernorm',
  mlpNorm: 'post_attention_layernorm',
  qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  projection: 'self_attn.o_proj',
  mlpGate: 'mlp.gate_proj',
  mlpIn: 'mlp.up_proj',
  mlpOut: 'mlp.down_proj'
}

const embedding = 'model.embed_tokens.weight'

/** The plan of Llama: RMSNorm before attention and MLP, a gated MLP, three products of queries, keys and values. */
export const decoder: Pick<Family, 'root' | 'outer' | 'blockPrefix' | 'block' | 'parts' | 'components'> = {
  root: 'model.',
  outer: { embeddings: [embedding], unembedding: 'lm_head.weight', finalNorm: 'model.norm' },
  blockPrefix: (layer) => `model.layers.${layer}.`,
  block: decoderBlock,
  parts: { norm: 'rms', matrices: 'out, in', qkv: 'apart' },
  components: { embed: [embedding], unembed: true, biases: false }
}

/** Checks a configuration with further settings, and gives it with the title's other settings refused. */
export const checkDecoder = <T extends z.ZodRawShape>(
  further: T,
  value: unknown,
  file: string
): DecoderConfig & z.output<z.ZodObject<T>> =>
  check(decoderSchema.extend(further), value, file) as DecoderConfig & z.output<z.ZodObject<T>>
