import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { uniforms } from '../tiny-model'

export interface Shape {
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly intermediate: number
  readonly vocabulary: number
}

export const pythia14m: Shape = { layers: 6, hidden: 128, heads: 4, intermediate: 512, vocabulary: 50304 }

/** Writes a GPT-NeoX folder (config.json, model.safetensors) of random weights: for timing, where values do not matter. */
export const writeRandomModel = async (folder: string, { layers, hidden, heads, intermediate, vocabulary }: Shape): Promise<void> => {
  const norm = (name: string): [string, number[]][] => [[`${name}.weight`, [hidden]], [`${name}.bias`, [hidden]]]
  const linear = (name: string, out: number, into: number): [string, number[]][] => [[`${name}.weight`, [out, into]], [`${name}.bias`, [out]]]
  const layer = (i: number): [string, number[]][] => {
    const at = `gpt_neox.layers.${i}.`
    return [
      ...norm(`${at}input_layernorm`), ...norm(`${at}post_attention_layernorm`),
      ...linear(`${at}attention.query_key_value`, 3 * hidden, hidden), ...linear(`${at}attention.dense`, hidden, hidden),
      ...linear(`${at}mlp.dense_h_to_4h`, intermediate, hidden), ...linear(`${at}mlp.dense_4h_to_h`, hidden, intermediate)
    ]
  }
  const tensors: [string, number[]][] = [
    ['gpt_neox.embed_in.weight', [vocabulary, hidden]],
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ...norm('gpt_neox.final_layer_norm'),
    ['embed_out.weight', [vocabulary, hidden]]
  ]
  const next = uniforms(1)
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {}
  const chunks: Buffer[] = []
  let at = 0
  for (const [name, shape] of tensors) {
    const length = shape.reduce((a, b) => a * b, 1)
    const isScale = /norm\.weight$/.test(name)
    const data = Float32Array.from({ length }, () => (isScale ? 1 : 0.07 * (next() - 0.5)))
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + 4 * length] }
    chunks.push(Buffer.from(data.buffer))
    at += 4 * length
  }
  const json = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(json.length))
  await writeFile(join(folder, 'model.safetensors'), Buffer.concat([size, json, ...chunks]))
  const config = {
    architectures: ['GPTNeoXForCausalLM'], model_type: 'gpt_neox', hidden_act: 'gelu', hidden_size: hidden, intermediate_size: intermediate, layer_norm_eps: 1e-5,
    max_position_embeddings: 2048, num_attention_heads: heads, num_hidden_layers: layers, rotary_emb_base: 10000, rotary_pct: 0.25, tie_word_embeddings: false,
    use_parallel_residual: true, vocab_size: vocabulary, bos_token_id: 0, eos_token_id: 0
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
}
