import { join } from 'node:path'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { parseJson } from '../base/json-text'
import type { Architecture } from './architecture'
import { readModelText } from './files'

/** Limits far above any trained model, and low enough that the names and shapes alone cannot fill memory. */
const most = { size: 2 ** 24, heads: 2 ** 17 } as const

const size = z
  .int()
  .min(1)
  .max(most.size, `must be ${most.size.toLocaleString('en')} at most`)
const ropeSchema = z
  .looseObject({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    rope_theta: z.number().positive().optional(),
    partial_rotary_factor: z.number().min(0).max(1).optional()
  })
  .nullish()
const endOfTextSchema = z.union([z.int(), z.array(z.int()).min(1)]).nullish()

const neoxSchema = z.looseObject({
  hidden_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  intermediate_size: size,
  vocab_size: size,
  max_position_embeddings: size,
  layer_norm_eps: z.number().positive().default(1e-5),
  hidden_act: z.string().default('gelu'),
  rotary_pct: z.number().min(0).max(1).optional(),
  partial_rotary_factor: z.number().min(0).max(1).optional(),
  rotary_emb_base: z.number().positive().optional(),
  rope_theta: z.number().positive().optional(),
  rope_parameters: ropeSchema,
  rope_scaling: ropeSchema,
  use_parallel_residual: z.boolean().default(true),
  attention_bias: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
  eos_token_id: endOfTextSchema
})

const gpt2Schema = z.looseObject({
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: size.nullish(),
  n_positions: size.optional(),
  n_ctx: size.optional(),
  vocab_size: size,
  layer_norm_epsilon: z.number().positive().default(1e-5),
  activation_function: z.string().default('gelu_new'),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
  eos_token_id: endOfTextSchema
})

const activations: Readonly<Record<string, Architecture['activation']>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh'
}

const remedy = 'use the config.json that came with the model'

const refusal = (name: string, what: string): SpectroscopeError => new SpectroscopeError('input', `${name}: ${what}.`)

const check = <T extends z.ZodType>(schema: T, value: unknown, name: string): z.output<T> => {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const key = String(issue.path[0])
  const given = (value as Readonly<Record<string, unknown>>)[key]
  const asked = typeof given === 'number' ? ` is ${given}` : ''
  throw refusal(name, `"${issue.path.join('.')}"${asked}: ${briefly(issue.message)}; ${remedy}`)
}

const activationOf = (name: string, key: string, given: string): Architecture['activation'] => {
  const activation = activations[given]
  if (activation === undefined) {
    const supported = Object.keys(activations).join(', ')
    throw refusal(name, `"${key}": the activation "${briefly(given)}" is not supported; ${supported} are`)
  }
  return activation
}

/** End-of-text token as the file gives it, or else `usual`, the family's default. Only a corpus needs it. */
const endOfTextOf = (given: z.output<typeof endOfTextSchema>, usual: number, vocabulary: number): number =>
  (Array.isArray(given) ? given[0] : given) ?? Math.min(usual, vocabulary - 1)

const checkHeads = (name: string, hidden: number, layers: number, heads: number): void => {
  if (layers * heads > most.heads) {
    const [asked, there] = [layers * heads, most.heads].map((count) => count.toLocaleString('en'))
    const fault = `${layers} layers of ${heads} heads are ${asked} heads, and ${there} at most are read`
    throw refusal(name, `${fault}; ${remedy}`)
  }
  if (hidden % heads !== 0)
    throw refusal(
      name,
      `a width of ${hidden} cannot be divided among ${heads} heads; use the config.json that came with the model`
    )
}

const neox = (value: unknown, name: string): Architecture => {
  const config = check(neoxSchema, value, name)
  const rope = config.rope_parameters ?? {}
  const scaling =
    rope.rope_type ?? rope.type ?? config.rope_scaling?.rope_type ?? config.rope_scaling?.type ?? 'default'
  if (scaling !== 'default') {
    const fault = `rotary scaling of type "${briefly(scaling)}" is not supported`
    throw refusal(name, `${fault}; only unscaled rotary embeddings are`)
  }
  if (!config.attention_bias)
    throw refusal(name, '"attention_bias": GPT-NeoX without attention biases is not supported')
  if (config.tie_word_embeddings)
    throw refusal(name, '"tie_word_embeddings": tied embeddings are supported only for GPT-2')
  checkHeads(name, config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
  const share = rope.partial_rotary_factor ?? config.rotary_pct ?? config.partial_rotary_factor ?? 0.25
  const rotaryDimensions = Math.floor((config.hidden_size / config.num_attention_heads) * share)
  if (rotaryDimensions % 2 !== 0)
    throw refusal(
      name,
      `"rotary_pct" of ${share} rotates ${rotaryDimensions} dimensions of a head, and they must be even in number`
    )
  return {
    family: 'gpt_neox',
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    hidden: config.hidden_size,
    intermediate: config.intermediate_size,
    vocabulary: config.vocab_size,
    contextLength: config.max_position_embeddings,
    layerNormEpsilon: config.layer_norm_eps,
    activation: activationOf(name, 'hidden_act', config.hidden_act),
    rotaryDimensions,
    rotaryBase: rope.rope_theta ?? config.rotary_emb_base ?? config.rope_theta ?? 10000,
    parallelResidual: config.use_parallel_residual,
    tiedEmbeddings: false,
    endOfText: endOfTextOf(config.eos_token_id, 0, config.vocab_size)
  }
}

const gpt2 = (value: unknown, name: string): Architecture => {
  const config = check(gpt2Schema, value, name)
  const contextLength = config.n_positions ?? config.n_ctx
  if (contextLength === undefined)
    throw refusal(name, '"n_positions" is missing; use the config.json that came with the model')
  if (!config.scale_attn_weights)
    throw refusal(name, '"scale_attn_weights": attention without scaling is not supported')
  if (config.scale_attn_by_inverse_layer_idx) throw refusal(name, '"scale_attn_by_inverse_layer_idx" is not supported')
  if (config.add_cross_attention) throw refusal(name, '"add_cross_attention" is not supported')
  checkHeads(name, config.n_embd, config.n_layer, config.n_head)
  return {
    family: 'gpt2',
    layers: config.n_layer,
    heads: config.n_head,
    hidden: config.n_embd,
    intermediate: config.n_inner ?? 4 * config.n_embd,
    vocabulary: config.vocab_size,
    contextLength,
    layerNormEpsilon: config.layer_norm_epsilon,
    activation: activationOf(name, 'activation_function', config.activation_function),
    rotaryDimensions: 0,
    rotaryBase: 10000,
    parallelResidual: false,
    tiedEmbeddings: config.tie_word_embeddings,
    endOfText: endOfTextOf(config.eos_token_id, 50256, config.vocab_size)
  }
}

/**
 * Parses a Hugging Face config.json into an architecture: GPT-NeoX or GPT-2. `name` is the file's name for messages.
 * Throws an `input` error if the file is not such a configuration or asks for something that the engine does not
 * compute.
 */
export const parseModelConfig = (text: string, name: string): Architecture => {
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    throw new SpectroscopeError('input', `${name}: ${(error as Error).message}; ${remedy}.`, { cause: error })
  }
  const type = z.looseObject({ model_type: z.string() }).safeParse(value).data?.model_type
  if (type === 'gpt_neox') return neox(value, name)
  if (type === 'gpt2') return gpt2(value, name)
  if (type === undefined) throw refusal(name, `no "model_type"; ${remedy}`)
  throw refusal(name, `models of type "${briefly(type)}" are not supported; "gpt_neox" (Pythia) and "gpt2" are`)
}

export interface ModelConfig {
  /** Text of config.json, without a byte order mark. */
  readonly text: string
  readonly architecture: Architecture
}

/**
 * Reads and parses the config.json of a model folder. Throws as `parseModelConfig` does, and if the file cannot be
 * read.
 */
export const readModelConfig = async (folder: string): Promise<ModelConfig> => {
  const path = join(folder, 'config.json')
  const files = 'config.json, model.safetensors and tokenizer.json'
  const text = await readModelText(path, `"model" must name a folder with ${files}`)
  return { text, architecture: parseModelConfig(text, path) }
}
