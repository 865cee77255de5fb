import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface TinyModelOptions {
  readonly seed?: number
  readonly layers?: number
  readonly heads?: number
  readonly hidden?: number
  readonly contextLength?: number
  /** Standard deviation of the random weights. */
  readonly scale?: number
  /** Weights to overwrite after drawing, by tensor name, for tests of bad input. */
  readonly change?: (name: string, values: Float32Array) => void
}

/** Uniform numbers in [0, 1) from a 32-bit state (mulberry32); for test data only. */
export const uniforms = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const normals = (seed: number): (() => number) => {
  const uniform = uniforms(seed)
  return () => Math.sqrt(-2 * Math.log(uniform() + 2 ** -33)) * Math.cos(2 * Math.PI * uniform())
}

/**
 * The GPT-2 byte alphabet in code point order: printable bytes stand for themselves, the others for code points from
 * 256 on.
 */
const byteAlphabet = (): string[] => {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
  const others = bytes.filter((byte) => !printable(byte)).length
  return [...bytes.filter(printable), ...Array.from({ length: others }, (_, i) => 256 + i)].map((code) =>
    String.fromCodePoint(code)
  )
}

const merges = ['t h', 'th e', 'Ġ t', 'Ġ the', 'Ġ a', 'i n', 'e r', 'o n', 'Ġ o', 'a n', 'r e']

/** Ids in the tiny models' vocabulary: end of text, 256 bytes, and a few merges. */
export const tinyVocabulary = 1 + 256 + merges.length

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }

const tokenizerJson = (): string => {
  const names = ['<|endoftext|>', ...byteAlphabet(), ...merges.map((merge) => merge.replace(' ', ''))]
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: '<|endoftext|>',
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true
      }
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries(names.map((name, id) => [name, id])),
      merges
    }
  })
}

/** A safetensors file of float32 tensors. */
export const safetensors = (tensors: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }>): Buffer => {
  let offset = 0
  const header: Record<string, unknown> = {}
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const text = JSON.stringify(header)
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  return Buffer.concat([
    length,
    padded,
    ...[...tensors.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  ])
}

/**
 * Writes a small random GPT-NeoX model (config.json, model.safetensors, byte-level tokenizer.json) into `folder`,
 * made if missing.
 */
export const writeTinyModel = async (folder: string, options: TinyModelOptions = {}): Promise<string> => {
  const { seed = 1, layers = 2, heads = 2, hidden = 16, contextLength = 64, scale = 0.25, change } = options
  const normal = normals(seed)
  const intermediate = 2 * hidden
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>()
  const add = (name: string, shape: number[], mean = 0, deviation = scale): void => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => mean + deviation * normal())
    change?.(name, data)
    tensors.set(name, { shape, data })
  }
  const norm = (name: string): void => {
    add(`${name}.weight`, [hidden], 1, 0.1)
    add(`${name}.bias`, [hidden], 0, 0.1)
  }
  add('gpt_neox.embed_in.weight', [tinyVocabulary, hidden], 0, 1)
  for (let i = 0; i < layers; i++) {
    const block = `gpt_neox.layers.${i}`
    norm(`${block}.input_layernorm`)
    norm(`${block}.post_attention_layernorm`)
    add(`${block}.attention.query_key_value.weight`, [3 * hidden, hidden])
    add(`${block}.attention.query_key_value.bias`, [3 * hidden])
    add(`${block}.attention.dense.weight`, [hidden, hidden])
    add(`${block}.attention.dense.bias`, [hidden])
    add(`${block}.mlp.dense_h_to_4h.weight`, [intermediate, hidden])
    add(`${block}.mlp.dense_h_to_4h.bias`, [intermediate])
    add(`${block}.mlp.dense_4h_to_h.weight`, [hidden, intermediate])
    add(`${block}.mlp.dense_4h_to_h.bias`, [hidden])
  }
  norm('gpt_neox.final_layer_norm')
  add('embed_out.weight', [tinyVocabulary, hidden])
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify(
      {
        architectures: ['GPTNeoXForCausalLM'],
        model_type: 'gpt_neox',
        hidden_act: 'gelu',
        hidden_size: hidden,
        intermediate_size: intermediate,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        max_position_embeddings: contextLength,
        vocab_size: tinyVocabulary,
        layer_norm_eps: 1e-5,
        rotary_pct: 0.25,
        rotary_emb_base: 10000,
        use_parallel_residual: true,
        tie_word_embeddings: false,
        bos_token_id: 0,
        eos_token_id: 0,
        attention_bias: true,
        torch_dtype: 'float32'
      },
      null,
      1
    )
  )
  await writeFile(join(folder, 'model.safetensors'), safetensors(tensors))
  await writeFile(join(folder, 'tokenizer.json'), tokenizerJson())
  return folder
}

/** Random rows of ids for a tiny model: {"sampling", "observation", "probe"}, in the format of a rows file. */
export const tinyRows = (
  sizes: { sampling: number; observation: number; probe: number; length: number },
  seed = 2
): Record<string, number[][]> => {
  const uniform = uniforms(seed)
  const rows = (count: number): number[][] =>
    Array.from({ length: count }, () =>
      Array.from({ length: sizes.length }, () => 1 + Math.floor(uniform() * (tinyVocabulary - 1)))
    )
  return { sampling: rows(sizes.sampling), observation: rows(sizes.observation), probe: rows(sizes.probe) }
}
