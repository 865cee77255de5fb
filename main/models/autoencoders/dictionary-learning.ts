import { join } from 'node:path'
import { z } from 'zod'
import { briefly } from '../../../preload/quoting'
import type { Activation, Autoencoder, Refuse } from './autoencoder'
import { count, readConfiguration, refusing } from './configuration'
import { submoduleHookpoint } from './hookpoints'
import { EncoderTensors, foldedBias, sumOf } from './tensors'

const schema = z.looseObject({
  trainer: z.looseObject({
    dict_class: z.string(),
    activation_dim: count,
    dict_size: count,
    layer: z.int().min(0).max(9999),
    submodule_name: z.string().optional(),
    k: count.optional()
  })
})

/** Names of the tensors of a class, and what they mean. `matrix` is [latents, inputs] unless `isTurned`. */
interface Layout {
  readonly matrix: string
  readonly isTurned?: true
  /** Taken off every input. */
  readonly taken?: string
  readonly biases?: string
  readonly others: readonly string[]
  /** A number for all latents. */
  readonly scalars?: readonly string[]
  readonly activation: (tensors: EncoderTensors, latents: number, k: number | undefined, refuse: Refuse) => Activation
}

const linear = { matrix: 'encoder.weight', biases: 'encoder.bias', others: [] }

const layouts: Readonly<Record<string, Layout>> = {
  AutoEncoder: { ...linear, taken: 'bias', activation: () => ({ kind: 'relu' }) },
  AutoEncoderTopK: {
    ...linear,
    taken: 'b_dec',
    activation: (_, latents, k, refuse) => {
      if (k === undefined) throw refuse('"trainer.k" is missing; use the folder as the library saved it')
      return { kind: 'topk', k: Math.min(k, latents) }
    }
  },
  BatchTopKSAE: {
    ...linear,
    taken: 'b_dec',
    scalars: ['threshold'],
    activation: (tensors, latents) => ({
      kind: 'threshold',
      thresholds: new Float32Array(latents).fill(tensors.get('threshold')[0])
    })
  },
  JumpReluAutoEncoder: {
    matrix: 'W_enc',
    isTurned: true,
    biases: 'b_enc',
    others: ['threshold'],
    activation: (tensors) => ({ kind: 'threshold', thresholds: tensors.get('threshold') })
  },
  GatedAutoEncoder: {
    matrix: 'encoder.weight',
    taken: 'decoder_bias',
    others: ['gate_bias', 'mag_bias', 'r_mag'],
    activation: (tensors) => ({
      kind: 'gated',
      gates: tensors.get('gate_bias'),
      scales: tensors.get('r_mag').map(Math.exp),
      biases: tensors.get('mag_bias')
    })
  }
}

/** Opens a folder that dictionary_learning saved: config.json and ae.pt. Throws an `input` error. */
export const readDictionaryLearning = async (folder: string): Promise<Autoencoder> => {
  const file = join(folder, 'config.json')
  const { trainer } = await readConfiguration(file, schema)
  const refuse = refusing(file)
  const { dict_class: name, activation_dim: inputs, dict_size: latents, layer, k } = trainer
  const layout = Object.hasOwn(layouts, name) ? layouts[name] : undefined
  if (layout === undefined)
    throw refuse(`the class "${briefly(name)}" is not supported; choose one of ${Object.keys(layouts).join(', ')}`)
  const hookName = trainer.submodule_name ?? `resid_post_layer_${layer}`
  const hookpoint = submoduleHookpoint(hookName, layer, refuse)
  const ofLatents = [...(layout.biases === undefined ? [] : [layout.biases]), ...layout.others]
  const tensors = await EncoderTensors.read(join(folder, 'ae.pt'), {
    [layout.matrix]: layout.isTurned === true ? [inputs, latents] : [latents, inputs],
    ...(layout.taken === undefined ? {} : { [layout.taken]: [inputs] }),
    ...Object.fromEntries(ofLatents.map((one) => [one, [latents]])),
    ...Object.fromEntries((layout.scalars ?? []).map((one) => [one, []]))
  })
  const matrix = { data: tensors.get(layout.matrix), axes: layout.isTurned === true ? 'in, out' : 'out, in' } as const
  const biases = layout.biases === undefined ? new Float32Array(latents) : tensors.get(layout.biases)
  const taken =
    layout.taken === undefined ? undefined : foldedBias(tensors.get(layout.taken), matrix.data, matrix.axes, latents)
  return {
    kind: `dictionary_learning ${name}`,
    hookName,
    hookpoint,
    inputs,
    latents,
    normalise: 'none',
    matrix,
    biases: taken === undefined ? biases : sumOf(biases, taken),
    activation: layout.activation(tensors, latents, k, refuse)
  }
}
