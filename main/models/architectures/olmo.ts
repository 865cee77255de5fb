import { z } from 'zod'
import { checkDecoder, decoder, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['olmo', 'OLMo']

/** Llama with layer norms that have no weights. */
export const olmo: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder({ attention_bias: z.boolean().default(false) }, value, file)
    return decoderOf(file, title, name, config, {
      biases: { qkv: config.attention_bias, projection: config.attention_bias, mlp: false },
      normEpsilon: 1e-5,
      usualEndOfText: 50279
    })
  },
  parts: { ...decoder.parts, norm: 'bare' }
}
