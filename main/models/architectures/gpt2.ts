import { z } from 'zod'
import type { Architecture } from '../architecture'
import {
  activationOf,
  check,
  checkHeads,
  endOfTextOf,
  endOfTextSchema,
  refusal,
  refuse,
  remedy,
  size
} from './configuration'
import type { Family } from './family'

const title = 'GPT-2'

const schema = z.looseObject({
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

const parse = (value: unknown, file: string): Architecture => {
  const config = check(schema, value, file)
  const contextLength = config.n_positions ?? config.n_ctx
  if (contextLength === undefined) throw refusal(file, `"n_positions" is missing; ${remedy}`)
  if (!config.scale_attn_weights) refuse(file, title, 'scale_attn_weights', false)
  if (config.scale_attn_by_inverse_layer_idx) refuse(file, title, 'scale_attn_by_inverse_layer_idx', true)
  if (config.add_cross_attention) refuse(file, title, 'add_cross_attention', true)
  checkHeads(file, config.n_embd, config.n_layer, config.n_head)
  const headWidth = config.n_embd / config.n_head
  return {
    family: 'gpt2',
    layers: config.n_layer,
    heads: config.n_head,
    groups: config.n_head,
    headWidth,
    hidden: config.n_embd,
    intermediate: config.n_inner ?? 4 * config.n_embd,
    vocabulary: config.vocab_size,
    contextLength,
    normEpsilon: config.layer_norm_epsilon,
    activation: activationOf(file, 'activation_function', config.activation_function),
    biases: { qkv: true, projection: true, mlp: true },
    attention: [{}],
    pattern: [0],
    scoreWidth: headWidth,
    embeddingScale: 1,
    parallelResidual: false,
    tiedEmbeddings: config.tie_word_embeddings,
    endOfText: endOfTextOf(config.eos_token_id, 50256, config.vocab_size)
  }
}

const embeddings = ['transformer.wte.weight', 'transformer.wpe.weight']

export const gpt2: Family = {
  name: 'gpt2',
  title,
  parse,
  root: 'transformer.',
  outer: { embeddings, unembedding: 'lm_head.weight', finalNorm: 'transformer.ln_f' },
  blockPrefix: (layer) => `transformer.h.${layer}.`,
  block: {
    attentionNorm: 'ln_1',
    mlpNorm: 'ln_2',
    qkv: 'attn.c_attn',
    projection: 'attn.c_proj',
    mlpIn: 'mlp.c_fc',
    mlpOut: 'mlp.c_proj'
  },
  parts: { norm: 'layer', matrices: 'in, out', qkv: 'by part' },
  components: { embed: embeddings, unembed: false, biases: true }
}
