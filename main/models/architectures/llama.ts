import { z } from 'zod'
import { checkDecoder, decoder, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['llama', 'Llama']

const settings = { attention_bias: z.boolean().default(false), mlp_bias: z.boolean().default(false) }

/** Llama, SmolLM, TinyLlama. */
export const llama: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(settings, value, file)
    const attention = config.attention_bias
    return decoderOf(file, title, name, config, {
      biases: { qkv: attention, projection: attention, mlp: config.mlp_bias },
      usualEndOfText: 2
    })
  }
}
