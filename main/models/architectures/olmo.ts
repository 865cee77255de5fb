import { attentionBias, biasesOf, checkDecoder, decoder, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['olmo', 'OLMo']

/** Llama with layer norms that have no weights. */
export const olmo: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(attentionBias, value, file)
    return decoderOf(file, title, name, config, {
      biases: biasesOf(config),
      normEpsilon: 1e-5,
      usualEndOfText: 50279
    })
  },
  parts: { ...decoder.parts, norm: 'bare' }
}
