import { z } from 'zod'
import type { Architecture } from '../architecture'
import { type DecoderConfig, attentionOf, checkDecoder, decoder, decoderOf, windowSchema } from './decoder'
import type { Family } from './family'

const [name, title] = ['qwen2', 'Qwen2']

/** Settings of the layers that see a window only. */
export const qwenWindows = {
  ...windowSchema,
  use_sliding_window: z.boolean().default(false),
  max_window_layers: z.int().min(0).default(28)
}

/** Attention of Qwen's models: with a window from layer `max_window_layers` on, if they have one at all. */
export const qwenAttention = (
  file: string,
  title: string,
  config: DecoderConfig & z.output<z.ZodObject<typeof qwenWindows>>,
  { attention: [{ rotary }] }: Architecture
): Pick<Architecture, 'attention' | 'pattern'> => {
  const window = config.use_sliding_window ? (config.sliding_window ?? undefined) : undefined
  return attentionOf(
    file,
    title,
    config,
    { full_attention: { rotary }, sliding_attention: { rotary, window } },
    (layer) => (window !== undefined && layer >= config.max_window_layers ? 'sliding_attention' : 'full_attention')
  )
}

/** Qwen2 and Qwen2.5: Llama with biases of queries, keys and values. */
export const qwen2: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(qwenWindows, value, file)
    const architecture = decoderOf(file, title, name, config, {
      biases: { qkv: true, projection: false, mlp: false }
    })
    return { ...architecture, ...qwenAttention(file, title, config, architecture) }
  },
  components: { ...decoder.components, biases: true }
}
