import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Architecture } from '../../main/models/architecture'
import { tensorShapes } from '../../main/models/architectures'
import { uniforms } from '../tiny-model'

interface Sizes extends Pick<Architecture, 'layers' | 'hidden' | 'heads' | 'intermediate'> {
  /** Rotated dimensions of each head. */
  readonly rotated: number
  readonly vocabulary?: number
}

/** A GPT-NeoX as Pythia's are. */
export const pythia = ({ layers, hidden, heads, intermediate, rotated, vocabulary = 50304 }: Sizes): Architecture => ({
  family: 'gpt_neox',
  layers,
  heads,
  groups: heads,
  headWidth: hidden / heads,
  hidden,
  intermediate,
  vocabulary,
  contextLength: 2048,
  normEpsilon: 1e-5,
  activation: 'gelu',
  biases: { qkv: true, projection: true, mlp: true },
  attention: [{ rotary: { dimensions: rotated, base: 10000 } }],
  pattern: [0],
  scoreWidth: hidden / heads,
  embeddingScale: 1,
  parallelResidual: true,
  tiedEmbeddings: false,
  endOfText: 0
})

export const pythia14m = pythia({ layers: 6, hidden: 128, heads: 4, intermediate: 512, rotated: 8 })
export const pythia70m = pythia({ layers: 6, hidden: 512, heads: 8, intermediate: 2048, rotated: 16 })
export const pythia410m = pythia({ layers: 24, hidden: 1024, heads: 16, intermediate: 4096, rotated: 16 })

export const gpt2Small: Architecture = {
  ...pythia({ layers: 12, hidden: 768, heads: 12, intermediate: 3072, rotated: 0, vocabulary: 50257 }),
  family: 'gpt2',
  contextLength: 1024,
  activation: 'gelu_tanh',
  attention: [{}],
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
    normEpsilon,
    attention,
    headWidth,
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
      layer_norm_epsilon: normEpsilon,
      tie_word_embeddings: tiedEmbeddings,
      bos_token_id: endOfText,
      eos_token_id: endOfText
    }
  }
  const { dimensions, base } = attention[0].rotary!
  return {
    architectures: ['GPTNeoXForCausalLM'],
    model_type: 'gpt_neox',
    hidden_act: 'gelu',
    hidden_size: hidden,
    intermediate_size: intermediate,
    layer_norm_eps: normEpsilon,
    max_position_embeddings: contextLength,
    num_attention_heads: heads,
    num_hidden_layers: layers,
    rotary_emb_base: base,
    rotary_pct: dimensions / headWidth,
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
