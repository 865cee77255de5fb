import { z } from 'zod'
import type { Architecture } from '../architecture'
import {
  activationOf,
  check,
  checkHeads,
  endOfTextOf,
  endOfTextSchema,
  refuse,
  refuseOddRotation,
  size
} from './configuration'
import type { Family } from './family'
import { ropeSchema, rotaryOf } from './rotary'

const title = 'GPT-NeoX'

const schema = z.looseObject({
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

const parse = (value: unknown, file: string): Architecture => {
  const config = check(schema, value, file)
  if (!config.attention_bias) refuse(file, title, 'attention_bias', false)
  if (config.tie_word_embeddings) refuse(file, title, 'tie_word_embeddings', true)
  checkHeads(file, config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
  const headWidth = config.hidden_size / config.num_attention_heads
  const share =
    config.rope_parameters?.partial_rotary_factor ?? config.rotary_pct ?? config.partial_rotary_factor ?? 0.25
  const rotary = rotaryOf(file, title, config, {
    dimensions: Math.floor(headWidth * share),
    base: config.rotary_emb_base ?? config.rope_theta ?? 10000
  })
  refuseOddRotation(file, 'rotary_pct', share, rotary.dimensions)
  return {
    family: 'gpt_neox',
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    groups: config.num_attention_heads,
    headWidth,
    hidden: config.hidden_size,
    intermediate: config.intermediate_size,
    vocabulary: config.vocab_size,
    contextLength: config.max_position_embeddings,
    normEpsilon: config.layer_norm_eps,
    activation: activationOf(file, 'hidden_act', config.hidden_act),
    biases: { qkv: true, projection: true, mlp: true },
    attention: [{ rotary }],
    pattern: [0],
    scoreWidth: headWidth,
    embeddingScale: 1,
    parallelResidual: config.use_parallel_residual,
    tiedEmbeddings: false,
    endOfText: endOfTextOf(config.eos_token_id, 0, config.vocab_size)
  }
}

const embedding = 'gpt_neox.embed_in.weight'

/** Pythia. */
export const gptNeox: Family = {
  name: 'gpt_neox',
  title,
  parse,
  root: 'gpt_neox.',
  outer: {
    embeddings: [embedding],
    unembedding: 'embed_out.weight',
    finalNorm: 'gpt_neox.final_layer_norm'
  },
  aliases: { 'lm_head.weight': 'embed_out.weight' },
  blockPrefix: (layer) => `gpt_neox.layers.${layer}.`,
  block: {
    attentionNorm: 'input_layernorm',
    mlpNorm: 'post_attention_layernorm',
    qkv: 'attention.query_key_value',
    projection: 'attention.dense',
    mlpIn: 'mlp.dense_h_to_4h',
    mlpOut: 'mlp.dense_4h_to_h'
  },
  parts: { norm: 'layer', matrices: 'out, in', qkv: 'by head' },
  components: { embed: [embedding], unembed: true, biases: true }
}
