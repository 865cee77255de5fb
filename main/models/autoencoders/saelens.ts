import { join } from 'node:path'
import { z } from 'zod'
import { briefly } from '../../../preload/quoting'
import type { Activation, Autoencoder, Refuse } from './autoencoder'
import { count, readConfiguration, refusing } from './configuration'
import { lensHookpoint } from './hookpoints'
import { EncoderTensors, foldedBias, rowNorms, sumOf } from './tensors'

const place = {
  hook_name: z.string().optional(),
  hook_point: z.string().optional(),
  hook_head_index: z.int().nullish(),
  model_from_pretrained_kwargs: z.record(z.string(), z.unknown()).nullish()
}
const schema = z.looseObject({
  ...place,
  metadata: z.looseObject(place).optional(),
  d_in: count,
  d_sae: count,
  architecture: z.string().default('standard'),
  activation_fn: z.string().optional(),
  activation_fn_str: z.string().optional(),
  activation_fn_kwargs: z.looseObject({ k: count.optional() }).nullish(),
  k: count.optional(),
  apply_b_dec_to_input: z.boolean().default(true),
  normalize_activations: z.string().default('none'),
  reshape_activations: z.string().default('none'),
  rescale_acts_by_decoder_norm: z.boolean().default(false),
  finetuning_scaling_factor: z.boolean().default(false)
})
type Configuration = z.output<typeof schema>

/** Ways of loading a model in which TransformerLens changes its weights, and with them its activations. */
const foldings = ['fold_ln', 'center_writing_weights', 'fold_value_biases', 'refactor_factored_attn_matrices']

const normalisations: Readonly<Record<string, Autoencoder['normalise']>> = {
  none: 'none',
  layer_norm: 'layer norm',
  constant_norm_rescale: 'constant norm'
}

/** Refuses activations that are not those of the model as it is. */
const checkActivations = (config: Configuration, refuse: Refuse): void => {
  const kwargs = config.metadata?.model_from_pretrained_kwargs ?? config.model_from_pretrained_kwargs ?? {}
  const folding = foldings.find((key) => kwargs[key] === true)
  if (folding !== undefined)
    throw refuse(
      `its activations are those of a model with folded weights ("${folding}"), which differ from the model's own; ` +
        'choose an autoencoder that was trained without folding'
    )
  const head = config.metadata?.hook_head_index ?? config.hook_head_index ?? null
  if (head !== null || config.reshape_activations !== 'none')
    throw refuse('its activations are those of heads, which are not computed here; choose one of a whole stream')
  if (config.finetuning_scaling_factor)
    throw refuse('"finetuning_scaling_factor" is not supported; choose an autoencoder without it')
}

const kindOf = (config: Configuration, refuse: Refuse): 'standard' | 'topk' | 'jumprelu' | 'gated' => {
  const { architecture } = config
  const activation = config.activation_fn ?? config.activation_fn_str ?? 'relu'
  if (architecture === 'standard' && activation === 'topk') return 'topk'
  if (architecture === 'standard' && activation !== 'relu')
    throw refuse(`the activation "${briefly(activation)}" is not supported; choose one of relu, topk or jumprelu`)
  if (architecture === 'standard' || architecture === 'topk' || architecture === 'jumprelu' || architecture === 'gated')
    return architecture
  throw refuse(
    `the architecture "${briefly(architecture)}" is not supported; choose one of standard, topk, jumprelu or gated`
  )
}

/** Opens a folder that SAELens saved: cfg.json and sae_weights.safetensors. Throws an `input` error. */
export const readSaelens = async (folder: string): Promise<Autoencoder> => {
  const file = join(folder, 'cfg.json')
  const config = await readConfiguration(file, schema)
  const refuse = refusing(file)
  checkActivations(config, refuse)
  const kind = kindOf(config, refuse)
  const hookName = config.metadata?.hook_name ?? config.hook_name ?? config.hook_point
  if (hookName === undefined)
    throw refuse('it does not say where its activations are; add "hook_name", as in "blocks.2.hook_resid_post"')
  const normalise = normalisations[config.normalize_activations]
  if (normalise === undefined)
    throw refuse(`"normalize_activations" is "${briefly(config.normalize_activations)}"; fold it into the weights`)
  const k = config.k ?? config.activation_fn_kwargs?.k
  if (kind === 'topk' && k === undefined) throw refuse('it does not say how many latents are active; add "k"')
  const [inputs, latents] = [config.d_in, config.d_sae]
  const hookpoint = lensHookpoint(hookName, refuse)
  const rescaled = kind === 'topk' && config.rescale_acts_by_decoder_norm
  const own: Record<string, readonly number[]> =
    kind === 'gated'
      ? { b_gate: [latents], b_mag: [latents], r_mag: [latents] }
      : { b_enc: [latents], ...(kind === 'jumprelu' ? { threshold: [latents] } : {}) }
  const tensors = await EncoderTensors.read(join(folder, 'sae_weights.safetensors'), {
    W_enc: [inputs, latents],
    b_dec: [inputs],
    ...own,
    ...(rescaled ? { W_dec: [latents, inputs] } : {})
  })
  const matrix = { data: tensors.get('W_enc'), axes: 'in, out' } as const
  const taken = config.apply_b_dec_to_input
    ? foldedBias(tensors.get('b_dec'), matrix.data, matrix.axes, latents)
    : new Float32Array(latents)
  const activation = ((): Activation => {
    switch (kind) {
      case 'standard':
        return { kind: 'relu' }
      case 'topk':
        return { kind: 'topk', k: Math.min(k!, latents) }
      case 'jumprelu':
        return { kind: 'threshold', thresholds: tensors.get('threshold') }
      case 'gated': {
        const scales = tensors.get('r_mag').map(Math.exp)
        return { kind: 'gated', gates: tensors.get('b_gate'), scales, biases: tensors.get('b_mag') }
      }
    }
  })()
  return {
    kind: `SAELens ${kind}`,
    hookName,
    hookpoint,
    inputs,
    latents,
    normalise,
    matrix,
    biases: kind === 'gated' ? taken : sumOf(taken, tensors.get('b_enc')),
    ...(rescaled ? { norms: rowNorms(tensors.get('W_dec'), latents) } : {}),
    activation
  }
}
