import { z } from 'zod'
import { attentionOf, checkDecoder, decoderBlock, windowSchema } from './decoder'
import type { Family } from './family'
import { gemma, gemmaOf, gemmaSettings } from './gemma'

const [name, title] = ['gemma2', 'Gemma 2']

/** Far beyond any cap in use, and low enough that exponentials of capped logits fit in float32. */
const cap = z.number().positive().max(60)

export const gemma2Settings = {
  ...gemmaSettings,
  ...windowSchema,
  query_pre_attn_scalar: z.number().positive().default(256)
}

const settings = {
  ...gemma2Settings,
  attn_logit_softcapping: cap.nullable().default(50),
  final_logit_softcapping: cap.nullable().default(30)
}

/** Gemma with norms after attention and MLP too, windows in every second layer, and caps of scores and logits. */
export const gemma2: Family = {
  ...gemma,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(settings, value, file)
    const architecture = gemmaOf(file, title, name, config, {
      reads: ['attn_logit_softcapping', 'final_logit_softcapping'],
      scoreWidth: config.query_pre_attn_scalar,
      scoreCap: config.attn_logit_softcapping ?? undefined,
      logitCap: config.final_logit_softcapping ?? undefined
    })
    const [{ rotary }] = architecture.attention
    // Released configurations name no types of layers, and some no window.
    const window = config.sliding_window === undefined ? 4096 : (config.sliding_window ?? undefined)
    const kinds = { full_attention: { rotary }, sliding_attention: { rotary, window } }
    const usual = (layer: number) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention')
    return { ...architecture, ...attentionOf(file, title, config, kinds, usual) }
  },
  block: {
    ...decoderBlock,
    attentionPostNorm: 'post_attention_layernorm',
    mlpNorm: 'pre_feedforward_layernorm',
    mlpPostNorm: 'post_feedforward_layernorm'
  }
}
