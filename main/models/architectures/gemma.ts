import { z } from 'zod'
import type { Architecture } from '../architecture'
import { type DecoderConfig, attentionBias, biasesOf, checkDecoder, decoder, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['gemma', 'Gemma']

/** Settings that all Gemmas have. The older ones name the activation `hidden_act`, and mean GELU's tanh form by it. */
export const gemmaSettings = {
  hidden_act: z.string().default('gelu_pytorch_tanh'),
  hidden_activation: z.string().nullish(),
  ...attentionBias
}

type GemmaConfig = DecoderConfig & z.output<z.ZodObject<typeof gemmaSettings>>

/** What all Gemmas have in common beside their plan. */
export const gemmaOf = (
  file: string,
  title: string,
  name: string,
  config: GemmaConfig,
  further: Parameters<typeof decoderOf>[4] = {}
): Architecture => {
  const activation =
    config.hidden_activation ?? (config.hidden_act === 'gelu' ? 'gelu_pytorch_tanh' : config.hidden_act)
  return decoderOf(
    file,
    title,
    name,
    { ...config, hidden_act: activation },
    {
      biases: biasesOf(config),
      tiedEmbeddings: config.tie_word_embeddings ?? true,
      embeddingScale: Math.sqrt(config.hidden_size),
      usualHeadWidth: 256,
      usualEndOfText: 1,
      ...further
    }
  )
}

/** Llama with norms scaled by 1 + weight, a scaled embedding, and GELU in its MLP. */
export const gemma: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => gemmaOf(file, title, name, checkDecoder(gemmaSettings, value, file)),
  parts: { ...decoder.parts, norm: 'rms + 1' }
}
