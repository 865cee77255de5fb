import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Architecture } from '../../main/models/architecture'
import { parseModelConfig } from '../../main/models/config'
import { tensorShapes } from '../../main/models/architectures'
import { SpectroscopeError } from '../../preload/errors'

export interface RawTensor {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** A temporary folder that goes away with the test file. */
export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const f32 = (shape: readonly number[], value: (i: number) => number): RawTensor => {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i))
  return { dtype: 'F32', shape, bytes: new Uint8Array(data.buffer) }
}

export const safetensors = (
  tensors: Readonly<Record<string, RawTensor>>,
  change: (header: Record<string, unknown>) => void = () => undefined
): Buffer => {
  let at = 0
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors))
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] }
  change(header)
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, ...Object.values(tensors).map(({ bytes }) => bytes)])
}

export const neoxConfig = {
  model_type: 'gpt_neox',
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  vocab_size: 300,
  max_position_embeddings: 32,
  hidden_act: 'gelu',
  rotary_pct: 0.5,
  rotary_emb_base: 10000,
  layer_norm_eps: 1e-5,
  use_parallel_residual: true,
  eos_token_id: 0
}

export const gpt2Config = {
  model_type: 'gpt2',
  n_embd: 8,
  n_layer: 2,
  n_head: 2,
  n_inner: null,
  n_positions: 32,
  n_ctx: 32,
  vocab_size: 300,
  activation_function: 'gelu_new',
  layer_norm_epsilon: 1e-5,
  tie_word_embeddings: true,
  eos_token_id: 0
}

export const tensorsOf = (architecture: Architecture): Record<string, RawTensor> =>
  Object.fromEntries(
    [...tensorShapes(architecture)].map(([name, shape], t) => [name, f32(shape, (i) => Math.sin(i + 100 * t))])
  )

/** Byte-level BPE with the 256 bytes as ids 1 … 256, a few merges, and <|endoftext|> as 0. */
export const tinyTokenizer = (() => {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  const characters = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++))
  const merges = ['t h', 'th e', 'Ġ the', 'a n', 'an d']
  const vocab = Object.fromEntries(
    ['<|endoftext|>', ...characters, ...merges.map((merge) => merge.replace(' ', ''))].map((token, id) => [token, id])
  )
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  return {
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
    normalizer: { type: 'NFC' },
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
      vocab,
      merges
    }
  }
})()

export const writeFolder = (folder: string, files: Readonly<Record<string, Uint8Array | string | object>>): string => {
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(
      join(folder, name),
      typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content)
    )
  }
  return folder
}

/** The user's error that a promise is rejected with. */
export const failure = async (promise: Promise<unknown>): Promise<SpectroscopeError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason
  )
  if (!(error instanceof SpectroscopeError)) throw error instanceof Error ? error : new Error('nothing was thrown')
  return error
}

export const architectureOf = (config: object): Architecture => parseModelConfig(JSON.stringify(config), 'config.json')

type FolderFiles = Parameters<typeof writeFolder>[1]

export interface ModelFolders {
  /** A new folder with these files; gives its path. */
  readonly place: (files: FolderFiles) => string
  /** A new folder of a model with these tensors. */
  readonly neoxFolder: (tensors: Record<string, RawTensor>) => string
  readonly gpt2Folder: (tensors: Record<string, RawTensor>) => string
}

/** Folders of models that go away with the test file. */
export const modelFolders = (): ModelFolders => {
  const root = temporaryFolder()
  const place = (files: FolderFiles): string => writeFolder(mkdtempSync(join(root, 'model-')), files)
  return {
    place,
    neoxFolder: (tensors) => place({ 'config.json': neoxConfig, 'model.safetensors': safetensors(tensors) }),
    gpt2Folder: (tensors) => place({ 'config.json': gpt2Config, 'model.safetensors': safetensors(tensors) })
  }
}

/** Tensors by names without the prefix that GPT-2's weights may have. */
export const withoutPrefix = (tensors: Record<string, RawTensor>): Record<string, RawTensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name.replace('transformer.', ''), tensor]))
