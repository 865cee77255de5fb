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
  refuseParticular,
  remedy,
  size
} from './configuration'
import { shortest } from './decoder'
import type { Family } from './family'

const [name, title] = ['gpt_neo', 'GPT-Neo']

const schema = z.looseObject({
  hidden_size: size,
  num_layers: size,
  num_heads: size,
  intermediate_size: size.nullish(),
  vocab_size: size,
  max_position_embeddings: size,
  window_size: size.default(256),
  attention_types: z.array(z.tuple([z.array(z.string()).min(1), size])).nullish(),
  attention_layers: z.array(z.string()).nullish(),
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  tie_word_embeddings: z.boolean().default(true),
  eos_token_id: endOfTextSchema
})

/** `local` sees a window, `global` all before. */
const kinds = ['global', 'local']

const patternOf = (file: string, config: z.output<typeof schema>): readonly number[] => {
  const layers =
    config.attention_layers ??
    config.attention_types?.flatMap(([types, count]) => Array.from({ length: count }, () => types).flat()) ??
    Array.from({ length: config.num_layers }, (_, layer) => kinds[layer % 2])
  const foreign = layers.find((kind) => !kinds.includes(kind))
  if (foreign !== undefined) refuse(file, title, 'attention_layers', foreign, `${kinds.join(' and ')} are`)
  if (layers.length !== config.num_layers)
    throw refusal(
      file,
      `"attention_layers" has ${layers.length} layers, and "num_layers" is ${config.num_layers}; ${remedy}`
    )
  return shortest(layers.map((kind) => kinds.indexOf(kind)))
}

const parse = (value: unknown, file: string): Architecture => {
  const config = check(schema, value, file)
  refuseParticular(file, title, config)
  checkHeads(file, config.hidden_size, config.num_layers, config.num_heads)
  return {
    family: name,
    layers: config.num_layers,
    heads: config.num_heads,
    groups: config.num_heads,
    headWidth: config.hidden_size / config.num_heads,
    hidden: config.hidden_size,
    intermediate: config.intermediate_size ?? 4 * config.hidden_size,
    vocabulary: config.vocab_size,
    contextLength: config.max_position_embeddings,
    normEpsilon: config.layer_norm_epsilon,
    activation: activationOf(file, 'activation_function', config.activation_function),
    biases: { qkv: false, projection: true, mlp: true },
    attention: [{}, { window: config.window_size }],
    pattern: patternOf(file, config),
    scoreWidth: 1,
    embeddingScale: 1,
    parallelResidual: false,
    tiedEmbeddings: config.tie_word_embeddings,
    endOfText: endOfTextOf(config.eos_token_id, 50256, config.vocab_size)
  }
}

const [embedding, positions] = ['transformer.wte.weight', 'transformer.wpe.weight']

/** TinyStories. */
export const gptNeo: Family = {
  name,
  title,
  parse,
  root: 'transformer.',
  outer: { embeddings: [embedding, positions], unembedding: 'lm_head.weight', finalNorm: 'transformer.ln_f' },
  blockPrefix: (layer) => `transformer.h.${layer}.`,
  block: {
    attentionNorm: 'ln_1',
    mlpNorm: 'ln_2',
    qkv: ['attn.attention.q_proj', 'attn.attention.k_proj', 'attn.attention.v_proj'],
    projection: 'attn.attention.out_proj',
    mlpIn: 'mlp.c_fc',
    mlpOut: 'mlp.c_proj'
  },
  parts: { norm: 'layer', matrices: 'out, in', qkv: 'apart' },
  components: { embed: [embedding], unembed: true, biases: true }
}
