import { checkDecoder, decoder, decoderOf, windowSchema } from './decoder'
import type { Family } from './family'

const [name, title] = ['mistral', 'Mistral']

/** Llama with a window of attention. */
export const mistral: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(windowSchema, value, file)
    const architecture = decoderOf(file, title, name, config, { usualEndOfText: 2 })
    const [{ rotary }] = architecture.attention
    return { ...architecture, attention: [{ rotary, window: config.sliding_window ?? undefined }] }
  }
}
