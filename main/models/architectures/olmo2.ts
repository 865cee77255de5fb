import { attentionBias, biasesOf, checkDecoder, decoder, decoderBlock, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['olmo2', 'OLMo 2']

const { attentionNorm: _attention, mlpNorm: _mlp, ...products } = decoderBlock

/** Llama with norms after attention and MLP in place of those before, and norms of all queries and all keys. */
export const olmo2: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(attentionBias, value, file)
    return decoderOf(file, title, name, config, {
      biases: biasesOf(config),
      normEpsilon: config.rms_norm_eps ?? 1e-5,
      usualEndOfText: 50279
    })
  },
  block: {
    ...products,
    attentionPostNorm: 'post_attention_layernorm',
    mlpPostNorm: 'post_feedforward_layernorm',
    queryNorm: 'self_attn.q_norm',
    keyNorm: 'self_attn.k_norm'
  },
  parts: { ...decoder.parts, headNorms: 'whole' }
}
