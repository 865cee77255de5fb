import { z } from 'zod'
import { briefly } from '../../../preload/quoting'
import type { Architecture } from '../architecture'
import { columns, rows, whole, wholeLinear } from '../slices'
import { activationOf, check, checkHeads, endOfTextOf, endOfTextSchema, refusal, size } from './configuration'
import { type BlockTensors, type Family, blockComponents, layersOf, linearShapes, normShapes } from './family'

const ropeSchema = z
  .looseObject({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    rope_theta: z.number().positive().optional(),
    partial_rotary_factor: z.number().min(0).max(1).optional()
  })
  .nullish()

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

const parse = (value: unknown, name: string): Architecture => {
  const config = check(schema, value, name)
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

const blockPrefix = (layer: number): string => `gpt_neox.layers.${layer}.`

const blockTensors = (layer: number): BlockTensors => {
  const block = blockPrefix(layer)
  return {
    attentionNorm: `${block}input_layernorm`,
    mlpNorm: `${block}post_attention_layernorm`,
    qkv: `${block}attention.query_key_value`,
    projection: `${block}attention.dense`,
    mlpIn: `${block}mlp.dense_h_to_4h`,
    mlpOut: `${block}mlp.dense_4h_to_h`
  }
}

const [embedding, unembedding, finalNorm] = [
  'gpt_neox.embed_in.weight',
  'embed_out.weight',
  'gpt_neox.final_layer_norm'
]

/** Pythia. */
export const gptNeox: Family = {
  name: 'gpt_neox',
  title: 'GPT-NeoX',
  parse,
  root: 'gpt_neox.',
  canonicalName: (name) => name,
  blockPrefix,
  tensorShapes: (architecture) => {
    const { hidden, intermediate, vocabulary } = architecture
    return new Map([
      [embedding, [vocabulary, hidden]],
      ...layersOf(architecture).flatMap((layer) => {
        const { attentionNorm, mlpNorm, qkv, projection, mlpIn, mlpOut } = blockTensors(layer)
        return [
          ...normShapes(attentionNorm, hidden),
          ...normShapes(mlpNorm, hidden),
          ...linearShapes(qkv, [3 * hidden, hidden], 3 * hidden),
          ...linearShapes(projection, [hidden, hidden], hidden),
          ...linearShapes(mlpIn, [intermediate, hidden], intermediate),
          ...linearShapes(mlpOut, [hidden, intermediate], hidden)
        ]
      }),
      ...normShapes(finalNorm, hidden),
      [unembedding, [vocabulary, hidden]]
    ])
  },
  outerTensors: () => ({ embeddings: [embedding], unembedding, finalNorm }),
  blockTensors,
  layout: { matrices: 'out, in', qkv: 'by head' },
  componentNames: (architecture) => ['embed', ...blockComponents(architecture), 'unembed'],
  componentSlices: ({ hidden, heads }, weights, { kind, layer, head }) => {
    if (kind === 'embed') return [whole(weights, embedding)]
    if (kind === 'unembed') return [whole(weights, unembedding)]
    const { qkv, projection, mlpIn, mlpOut } = blockTensors(layer)
    if (kind === 'mlp') return wholeLinear(weights, mlpIn, mlpOut)
    const width = hidden / heads
    return [
      rows(weights, `${qkv}.weight`, 3 * width * head, 3 * width * (head + 1)),
      columns(weights, `${qkv}.bias`, 3 * width * head, 3 * width * (head + 1)),
      columns(weights, `${projection}.weight`, width * head, width * (head + 1))
    ]
  }
}
