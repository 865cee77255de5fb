import { z } from 'zod'
import { checkDecoder, decoder, decoderOf } from './decoder'
import type { Family } from './family'

const [name, title] = ['phi', 'Phi']

const settings = { layer_norm_eps: z.number().positive().default(1e-5), hidden_act: z.string().default('gelu_new') }

/** Phi-1, Phi-1.5 and Phi-2: attention and MLP side by side after one norm, and a bias of the logits. */
export const phi: Family = {
  ...decoder,
  name,
  title,
  parse: (value, file) => {
    const config = checkDecoder(settings, value, file)
    return decoderOf(file, title, name, config, {
      biases: { qkv: true, projection: true, mlp: true },
      normEpsilon: config.layer_norm_eps,
      parallelResidual: true,
      rotated: 0.5,
      usualEndOfText: 2
    })
  },
  outer: { ...decoder.outer, unembeddingBias: 'lm_head.bias', finalNorm: 'model.final_layernorm' },
  block: {
    attentionNorm: 'input_layernorm',
    mlpNorm: 'input_layernorm',
    qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
    projection: 'self_attn.dense',
    mlpIn: 'mlp.fc1',
    mlpOut: 'mlp.fc2'
  },
  parts: { ...decoder.parts, norm: 'layer' },
  components: { ...decoder.components, biases: true }
}
