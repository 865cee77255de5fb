import { z } from 'zod'
import { attentionBias, biasesOf, checkDecoder, decoder, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['llama', 'Llama']

const settings = { ...attentionBias, mlp_bias: z.boolean().default(false) }

/** Llama, SmolLM, TinyLlama. */
export const llama: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(settings, value, file)
    return decoderOf(file, title, name, config, {
      biases: { ...biasesOf(config), mlp: config.mlp_bias },
      usualEndOfText: 2
    })
  }
}
