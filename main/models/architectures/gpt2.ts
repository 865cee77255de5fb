import { z } from 'zod'
import type { Architecture } from '../architecture'
import { columns, rows, whole, wholeLinear } from '../slices'
import { activationOf, check, checkHeads, endOfTextOf, endOfTextSchema, refusal, size } from './configuration'
import { type BlockTensors, type Family, blockComponents, layersOf, linearShapes, normShapes } from './family'

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

const parse = (value: unknown, name: string): Architecture => {
  const config = check(schema, value, name)
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

const root = 'transformer.'
const blockPrefix = (layer: number): string => `${root}h.${layer}.`

const blockTensors = (layer: number): BlockTensors => {
  const block = blockPrefix(layer)
  return {
    attentionNorm: `${block}ln_1`,
    mlpNorm: `${block}ln_2`,
    qkv: `${block}attn.c_attn`,
    projection: `${block}attn.c_proj`,
    mlpIn: `${block}mlp.c_fc`,
    mlpOut: `${block}mlp.c_proj`
  }
}

const [embedding, positions, finalNorm] = [`${root}wte.weight`, `${root}wpe.weight`, `${root}ln_f`]
const ownUnembedding = 'lm_head.weight'

export const gpt2: Family = {
  name: 'gpt2',
  title: 'GPT-2',
  parse,
  root,
  // Files may include the prefix or leave it out.
  canonicalName: (name) => (name.startsWith(root) || name === ownUnembedding ? name : root + name),
  blockPrefix,
  tensorShapes: (architecture) => {
    const { hidden, intermediate, vocabulary, contextLength, tiedEmbeddings } = architecture
    return new Map([
      [embedding, [vocabulary, hidden]],
      [positions, [contextLength, hidden]],
      ...layersOf(architecture).flatMap((layer) => {
        const { attentionNorm, mlpNorm, qkv, projection, mlpIn, mlpOut } = blockTensors(layer)
        return [
          ...normShapes(attentionNorm, hidden),
          ...normShapes(mlpNorm, hidden),
          ...linearShapes(qkv, [hidden, 3 * hidden], 3 * hidden),
          ...linearShapes(projection, [hidden, hidden], hidden),
          ...linearShapes(mlpIn, [hidden, intermediate], intermediate),
          ...linearShapes(mlpOut, [intermediate, hidden], hidden)
        ]
      }),
      ...normShapes(finalNorm, hidden),
      ...(tiedEmbeddings ? [] : [[ownUnembedding, [vocabulary, hidden]] as const])
    ])
  },
  outerTensors: ({ tiedEmbeddings }) => ({
    embeddings: [embedding, positions],
    unembedding: tiedEmbeddings ? embedding : ownUnembedding,
    finalNorm
  }),
  blockTensors,
  layout: { matrices: 'in, out', qkv: 'by part' },
  componentNames: (architecture) => ['embed', ...blockComponents(architecture)],
  componentSlices: ({ hidden, heads }, weights, { kind, layer, head }) => {
    if (kind === 'embed') return [whole(weights, embedding), whole(weights, positions)]
    const { qkv, projection, mlpIn, mlpOut } = blockTensors(layer)
    if (kind === 'mlp') return wholeLinear(weights, mlpIn, mlpOut)
    const width = hidden / heads
    const starts = [0, 1, 2].map((part) => hidden * part + width * head)
    return [
      ...starts.map((start) => columns(weights, `${qkv}.weight`, start, start + width)),
      ...starts.map((start) => columns(weights, `${qkv}.bias`, start, start + width)),
      rows(weights, `${projection}.weight`, width * head, width * (head + 1))
    ]
  }
}
