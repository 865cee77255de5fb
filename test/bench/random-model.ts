import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Architecture } from '../../main/models/architecture'
import { tensorShapes } from '../../main/models/architectures'
import { uniforms } from '../tiny-model'

const common = { layerNormEpsilon: 1e-5, rotaryBase: 10000, endOfText: 0 } as const

export const pythia14m: Architecture = {
  ...common,
  family: 'gpt_neox',
  layers: 6,
  hidden: 128,
  heads: 4,
  intermediate: 512,
  vocabulary: 50304,
  contextLength: 2048,
  activation: 'gelu',
  rotaryDimensions: 8,
  parallelResidual: true,
  tiedEmbeddings: false
}

export const pythia70m: Architecture = {
  ...pythia14m,
  layers: 6,
  hidden: 512,
  heads: 8,
  intermediate: 2048,
  rotaryDimensions: 16
}

export const pythia410m: Architecture = {
  ...pythia14m,
  layers: 24,
  hidden: 1024,
  heads: 16,
  intermediate: 4096,
  rotaryDimensions: 16
}

export const gpt2Small: Architecture = {
  ...common,
  family: 'gpt2',
  layers: 12,
  hidden: 768,
  heads: 12,
  intermediate: 3072,
  vocabulary: 50257,
  contextLength: 1024,
  activation: 'gelu_tanh',
  rotaryDimensions: 0,
  parallelResidual: false,
  tiedEmbeddings: true
}

const configuration = (architecture: Architecture): object => {
  const {
    family,
    layers,
    hidden,
    heads,
    intermediate,
    vocabulary,
    contextLength,
    layerNormEpsilon,
    rotaryBase,
    rotaryDimensions,
    parallelResidual,
    tiedEmbeddings,
    endOfText
  } = architecture
  if (family === 'gpt2') {
    return {
      architectures: ['GPT2LMHeadModel'],
      model_type: 'gpt2',
      activation_function: 'gelu_new',
      n_layer: layers,
      n_embd: hidden,
      n_head: heads,
      n_inner: intermediate,
      n_positions: contextLength,
      n_ctx: contextLength,
      vocab_size: vocabulary,
      layer_norm_epsilon: layerNormEpsilon,
      tie_word_embeddings: tiedEmbeddings,
      bos_token_id: endOfText,
      eos_token_id: endOfText
    }
  }
  return {
    architectures: ['GPTNeoXForCausalLM'],
    model_type: 'gpt_neox',
    hidden_act: 'gelu',
    hidden_size: hidden,
    intermediate_size: intermediate,
    layer_norm_eps: layerNormEpsilon,
    max_position_embeddings: contextLength,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    rotary_emb_base: rotaryBase,
    rotary_pct: (rotaryDimensions * heads) / hidden,
    tie_word_embeddings: tiedEmbeddings,
    use_parallel_residual: parallelResidual,
    vocab_size: vocabulary,
    bos_token_id: endOfText,
    eos_token_id: endOfText
  }
}

/** Writes a folder (config.json, model.safetensors) of random weights: for timing, where values do not matter. */
export const writeRandomModel = async (folder: string, architecture: Architecture): Promise<void> => {
  const next = uniforms(1)
  const header: Record<string, { dtype: string; shape: readonly number[]; data_offsets: [number, number] }> = {}
  const chunks: Buffer[] = []
  let at = 0
  for (const [name, shape] of tensorShapes(architecture)) {
    const length = shape.reduce((a, b) => a * b, 1)
    const isScale = /(norm|ln_\w)\.weight$/.test(name)
    const data = Float32Array.from({ length }, () => (isScale ? 1 : 0.07 * (next() - 0.5)))
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + 4 * length] }
    chunks.push(Buffer.from(data.buffer))
    at += 4 * length
  }
  const json = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(json.length))
  await writeFile(join(folder, 'model.safetensors'), Buffer.concat([size, json, ...chunks]))
  await writeFile(join(folder, 'config.json'), JSON.stringify(configuration(architecture)))
}
