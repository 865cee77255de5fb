import { z } from 'zod'
import { attentionOf, checkDecoder } from './decoder'
import type { Family } from './family'
import { gemmaOf } from './gemma'
import { gemma2, gemma2Settings } from './gemma2'
import { ropeSchema, rotaryOf } from './rotary'

const [name, title] = ['gemma3_text', 'Gemma 3']

const settings = {
  ...gemma2Settings,
  rope_parameters: z.looseObject({ full_attention: ropeSchema, sliding_attention: ropeSchema }).nullish(),
  rope_local_base_freq: z.number().positive().default(10000),
  sliding_window_pattern: z.int().min(1).default(6)
}

/** Gemma 2 with norms of each head's queries and keys in place of caps, and another rotation in windows. */
export const gemma3: Family = {
  ...gemma2,
  name,
  title,
  parse: (value, file) => {
    const { rope_parameters: ropes, ...config } = checkDecoder(settings, value, file)
    const architecture = gemmaOf(file, title, name, config, {
      scoreWidth: config.query_pre_attn_scalar,
      rotaryBase: 1e6
    })
    const [{ rotary }] = architecture.attention
    const { dimensions } = rotary!
    const ofType = (type: 'full_attention' | 'sliding_attention', base: number) =>
      rotaryOf(file, title, { rope_parameters: ropes?.[type] }, { dimensions, base })
    const window = config.sliding_window === undefined ? 4096 : (config.sliding_window ?? undefined)
    const kinds = {
      full_attention: { rotary: ropes?.full_attention ? ofType('full_attention', 1e6) : rotary },
      sliding_attention: { rotary: ofType('sliding_attention', config.rope_local_base_freq), window }
    }
    const usual = (layer: number) =>
      (layer + 1) % config.sliding_window_pattern === 0 ? 'full_attention' : 'sliding_attention'
    return { ...architecture, ...attentionOf(file, title, config, kinds, usual) }
  },
  block: { ...gemma2.block, queryNorm: 'self_attn.q_norm', keyNorm: 'self_attn.k_norm' },
  parts: { ...gemma2.parts, headNorms: 'each' }
}
