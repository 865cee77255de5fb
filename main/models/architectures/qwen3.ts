import { attentionBias, biasesOf, checkDecoder, decoder, decoderBlock, decoderOf } from './decoder'
import type { Family } from './family'
import { qwenAttention, qwenWindows } from './qwen2'

const [name, title] = ['qwen3', 'Qwen3']

const settings = { ...qwenWindows, ...attentionBias }

/** Llama with norms of each head's queries and keys. */
export const qwen3: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(settings, value, file)
    const architecture = decoderOf(file, title, name, config, {
      biases: biasesOf(config),
      usualHeadWidth: 128
    })
    return { ...architecture, ...qwenAttention(file, title, config, architecture) }
  },
  block: { ...decoderBlock, queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' },
  parts: { ...decoder.parts, headNorms: 'each' }
}
