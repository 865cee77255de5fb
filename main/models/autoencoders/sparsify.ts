import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { briefly } from '../../../preload/quoting'
import type { Autoencoder } from './autoencoder'
import { count, readConfiguration, refusing } from './configuration'
import { moduleHookpoint } from './hookpoints'
import { EncoderTensors, foldedBias, sumOf } from './tensors'

const schema = z.looseObject({
  d_in: count,
  num_latents: z.int().min(0).optional(),
  expansion_factor: count.optional(),
  k: count,
  activation: z.string().default('topk'),
  transcode: z.boolean().default(false),
  signed: z.boolean().default(false)
})

/**
 * Opens a folder that sparsify saved: cfg.json and sae.safetensors. The folder's name is the module whose output is
 * encoded, or whose input for a transcoder. Throws an `input` error.
 */
export const readSparsify = async (folder: string): Promise<Autoencoder> => {
  const file = join(folder, 'cfg.json')
  const {
    d_in: inputs,
    num_latents,
    expansion_factor,
    k,
    activation,
    transcode,
    signed
  } = await readConfiguration(file, schema)
  const refuse = refusing(file)
  if (activation !== 'topk')
    throw refuse(`the activation "${briefly(activation)}" is not supported; choose an autoencoder of top-k latents`)
  if (signed) throw refuse('"signed" latents are not supported; choose an autoencoder without them')
  const latents = num_latents !== undefined && num_latents > 0 ? num_latents : inputs * (expansion_factor ?? 1)
  const hookName = basename(resolve(folder))
  const hookpoint = moduleHookpoint(hookName, transcode, refusing(folder))
  const tensors = await EncoderTensors.read(join(folder, 'sae.safetensors'), {
    'encoder.weight': [latents, inputs],
    'encoder.bias': [latents],
    ...(transcode ? {} : { b_dec: [inputs] })
  })
  const matrix = { data: tensors.get('encoder.weight'), axes: 'out, in' } as const
  const biases = tensors.get('encoder.bias')
  return {
    kind: transcode ? 'sparsify transcoder' : 'sparsify topk',
    hookName,
    hookpoint,
    inputs,
    latents,
    normalise: 'none',
    matrix,
    biases: transcode ? biases : sumOf(biases, foldedBias(tensors.get('b_dec'), matrix.data, matrix.axes, latents)),
    activation: { kind: 'topk', k: Math.min(k, latents) }
  }
}
