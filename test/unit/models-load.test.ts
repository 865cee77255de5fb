import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { componentNames, componentSlices, sliceSize } from '../../main/models/components'
import { parseModelConfig } from '../../main/models/config'
import { loadModel } from '../../main/models/load'
import { describeWithShared, sharedPath } from '../shared'
import {
  architectureOf,
  f32,
  failure,
  gpt2Config,
  modelFolders,
  neoxConfig,
  safetensors,
  temporaryFolder,
  tensorsOf,
  withoutPrefix,
  type RawTensor
} from './models-fixtures'

const llamaConfig = {
  model_type: 'llama',
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  vocab_size: 300,
  max_position_embeddings: 32
}

const root = temporaryFolder()
const { place, neoxFolder, gpt2Folder } = modelFolders()

const neox = architectureOf(neoxConfig)
const gpt2 = architectureOf(gpt2Config)

describe('config.json', () => {
  it('describes GPT-NeoX, parallel and sequential, with old and new names of the rotary settings', () => {
    expect(neox).toEqual({
      family: 'gpt_neox',
      layers: 2,
      heads: 2,
      groups: 2,
      headWidth: 4,
      hidden: 8,
      intermediate: 16,
      vocabulary: 300,
      contextLength: 32,
      normEpsilon: 1e-5,
      activation: 'gelu',
      biases: { qkv: true, projection: true, mlp: true },
      attention: [{ rotary: { dimensions: 2, base: 10000 } }],
      pattern: [0],
      scoreWidth: 4,
      embeddingScale: 1,
      parallelResidual: true,
      tiedEmbeddings: false,
      endOfText: 0
    })
    expect(architectureOf({ ...neoxConfig, use_parallel_residual: false, hidden_act: 'gelu_fast' })).toMatchObject({
      parallelResidual: false,
      activation: 'gelu_tanh'
    })
    const { rotary_pct: _share, rotary_emb_base: _base, ...bare } = neoxConfig
    expect(
      architectureOf({ ...bare, rope_parameters: { rope_type: 'default', rope_theta: 500, partial_rotary_factor: 1 } })
    ).toMatchObject({ attention: [{ rotary: { base: 500, dimensions: 4 } }] })
    expect(architectureOf({ ...bare, num_attention_heads: 1, rope_theta: 77 })).toMatchObject({
      attention: [{ rotary: { base: 77, dimensions: 2 } }]
    })
  })

  it('describes GPT-2', () => {
    expect(gpt2).toEqual({
      family: 'gpt2',
      layers: 2,
      heads: 2,
      groups: 2,
      headWidth: 4,
      hidden: 8,
      intermediate: 32,
      vocabulary: 300,
      contextLength: 32,
      normEpsilon: 1e-5,
      activation: 'gelu_tanh',
      biases: { qkv: true, projection: true, mlp: true },
      attention: [{}],
      pattern: [0],
      scoreWidth: 4,
      embeddingScale: 1,
      parallelResidual: false,
      tiedEmbeddings: true,
      endOfText: 0
    })
    expect(architectureOf({ ...gpt2Config, n_inner: 24, activation_function: 'gelu' })).toMatchObject({
      intermediate: 24,
      activation: 'gelu'
    })
  })

  const refused: [string, object, RegExp][] = [
    ['another architecture', { model_type: 'bert' }, /"bert" are not supported; gpt_neox, gpt2/],
    ['no architecture', {}, /no "model_type"/],
    ['another activation', { ...neoxConfig, hidden_act: 'relu' }, /"hidden_act": the activation "relu"/],
    [
      'rotary scaling',
      { ...neoxConfig, rope_scaling: { type: 'yarn', factor: 2 } },
      /"rope_scaling\.rope_type" is "yarn", which is not supported for GPT-NeoX/
    ],
    [
      'experts',
      { ...neoxConfig, model_type: 'llama', num_local_experts: 8 },
      /a mixture of experts \("num_local_experts": 8\) is not supported; choose a dense model\.$/
    ],
    ['experts of another family', { model_type: 'mixtral' }, /a mixture of experts \("model_type": "mixtral"\)/],
    ...(['gptq', 'awq', 'bitsandbytes'] as const).map((method): [string, object, RegExp] => [
      `weights quantised by ${method}`,
      { ...neoxConfig, quantization_config: { quant_method: method, bits: 4 } },
      new RegExp(
        `the weights are quantised \\("quantization_config": ${method}\\).*use the model that they were made from\\.$`
      )
    ]),
    [
      'code of its own',
      { ...neoxConfig, auto_map: { AutoModelForCausalLM: 'modeling.Model' } },
      /"auto_map".*trust_remote_code.*never run; if it computes what GPT-NeoX does, remove "auto_map"\.$/
    ],
    [
      'an encoder',
      { model_type: 't5', is_encoder_decoder: true },
      /"t5" is an encoder-decoder.*choose a model that only predicts the next token\.$/
    ],
    [
      'caps that the family does not have',
      { ...llamaConfig, attn_logit_softcapping: 50 },
      /"attn_logit_softcapping" is 50, which is not supported for Llama/
    ],
    [
      'another rotation',
      { ...llamaConfig, rope_parameters: { rope_type: 'yarn', factor: 4 } },
      /"rope_parameters\.rope_type" is "yarn", which is not supported for Llama; default, linear and llama3 are/
    ],
    [
      'another kind of layer',
      { ...llamaConfig, model_type: 'qwen2', layer_types: ['full_attention', 'linear_attention'] },
      /"layer_types" is "linear_attention", which is not supported for Qwen2/
    ],
    ['another activation of Llama', { ...llamaConfig, hidden_act: 'relu2' }, /"hidden_act": the activation "relu2"/],
    [
      'groups that do not divide',
      { ...llamaConfig, num_key_value_heads: 3 },
      /2 heads cannot share 3 heads of keys and values \("num_key_value_heads"\)/
    ],
    ['missing biases', { ...neoxConfig, attention_bias: false }, /"attention_bias" is false/],
    ['tied GPT-NeoX', { ...neoxConfig, tie_word_embeddings: true }, /"tie_word_embeddings" is true/],
    ['scaling by layer', { ...gpt2Config, scale_attn_by_inverse_layer_idx: true }, /"scale_attn_by_inverse_layer_idx"/],
    ['unscaled attention', { ...gpt2Config, scale_attn_weights: false }, /"scale_attn_weights"/],
    ['heads that do not divide', { ...gpt2Config, n_head: 3 }, /8 cannot be divided among 3/],
    ['a missing size', { ...neoxConfig, hidden_size: undefined }, /"hidden_size"/],
    ['a word for a number', { ...neoxConfig, vocab_size: 'many' }, /"vocab_size"/],
    ['a billion layers', { ...neoxConfig, num_hidden_layers: 1e9 }, /"num_hidden_layers" is 1000000000: must/],
    ['a billion heads', { ...gpt2Config, n_head: 1e9, n_embd: 1e9 }, /"n_embd" is 1000000000: must be/],
    ['a billion positions', { ...gpt2Config, n_positions: 1e9 }, /"n_positions" is 1000000000: must/],
    ['positions without end', { ...neoxConfig, max_position_embeddings: 1e9 }, /"max_position_embeddings"/],
    ['an inexact vocabulary', { ...gpt2Config, vocab_size: 2 ** 53 + 2 }, /"vocab_size" is 9007199254740994/],
    ['too many heads', { ...neoxConfig, num_hidden_layers: 1e6 }, /are 2,000,000 heads, and 131,072 at most/]
  ]
  it.each(refused)('is refused with %s', (_, value, message) => {
    expect(() => architectureOf(value)).toThrow(message)
  })

  it('may have a byte order mark before it', () => {
    expect(parseModelConfig(`\ufeff${JSON.stringify(gpt2Config)}`, 'config.json')).toEqual(gpt2)
  })

  it('keeps an end of text outside of the vocabulary, which only a corpus needs', () => {
    expect(architectureOf({ ...gpt2Config, eos_token_id: 50256 })).toMatchObject({ endOfText: 50256 })
    expect(architectureOf({ ...gpt2Config, eos_token_id: [7, 8] })).toMatchObject({ endOfText: 7 })
  })

  it('is refused if it is no JSON', () => {
    expect(() => parseModelConfig('{', 'a/config.json')).toThrow(/a\/config\.json: not valid JSON/)
  })
})

describe('an adapter', () => {
  it('is refused with what to do, alone or in place of weights', async () => {
    const remedy = /merge it into its base model with peft's merge_and_unload\(\), and save that\.$/
    const alone = place({ 'adapter_config.json': '{}' })
    expect(await failure(loadModel(alone))).toMatchObject({
      kind: 'input',
      message: expect.stringMatching(remedy) as string
    })
    const beside = place({
      'config.json': neoxConfig,
      'adapter_config.json': '{}'
    })
    expect(await failure(loadModel(beside))).toMatchObject({
      kind: 'input',
      message: expect.stringMatching(remedy) as string
    })
    const weights = safetensors({ 'base_model.model.gpt_neox.layers.0.lora_A.weight': f32([1], () => 0) })
    const named = place({
      'config.json': neoxConfig,
      'model.safetensors': weights
    })
    expect(await failure(loadModel(named))).toMatchObject({
      kind: 'input',
      message: expect.stringMatching(remedy) as string
    })
  })
})

describe('loading a model', () => {
  it('orders tensors by the names in the file and leaves out old buffers', async () => {
    const tensors = tensorsOf(neox)
    const shuffled = Object.fromEntries(Object.entries(tensors).reverse())
    const folder = neoxFolder({
      ...shuffled,
      'gpt_neox.layers.0.attention.bias': { dtype: 'BOOL', shape: [1, 1, 4, 4], bytes: new Uint8Array(16) },
      'gpt_neox.layers.0.attention.masked_bias': f32([], () => -1e9),
      'gpt_neox.layers.1.attention.rotary_emb.inv_freq': f32([1], () => 1)
    })
    const model = await loadModel(folder)
    expect([...model.weights.keys()]).toEqual(Object.keys(tensors).sort())
    expect(model.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(sliceSize(componentSlices(model.architecture, model.weights, 'full'))).toBe(
      Object.values(tensors).reduce((sum, { bytes }) => sum + bytes.length / 4, 0)
    )
  })

  it("gives GPT-2 tensors their prefix, in the order of the file's own names", async () => {
    const model = await loadModel(
      gpt2Folder({ ...withoutPrefix(tensorsOf(gpt2)), 'h.0.attn.bias': f32([1, 1, 4, 4], () => 1) })
    )
    const names = [...model.weights.keys()]
    expect(names[0]).toBe('transformer.h.0.attn.c_attn.bias')
    expect(names.slice(-2)).toEqual(['transformer.wpe.weight', 'transformer.wte.weight'])
    expect(names).not.toContain('transformer.h.0.attn.bias')
    expect(model.architecture.tiedEmbeddings).toBe(true)
  })

  it('keeps the place of lm_head.weight among names without a prefix', async () => {
    const tensors = tensorsOf({ ...gpt2, tiedEmbeddings: false })
    const model = await loadModel(gpt2Folder(withoutPrefix(tensors)))
    expect(model.architecture.tiedEmbeddings).toBe(false)
    expect([...model.weights.keys()].indexOf('lm_head.weight')).toBeLessThan(
      [...model.weights.keys()].indexOf('transformer.ln_f.weight')
    )
  })

  it('treats a separate unembedding as tied if it equals the embedding', async () => {
    const tensors = tensorsOf(gpt2)
    const same = await loadModel(gpt2Folder({ ...tensors, 'lm_head.weight': tensors['transformer.wte.weight'] }))
    expect([same.architecture.tiedEmbeddings, same.weights.has('lm_head.weight')]).toEqual([true, false])
  })

  it('reads shards as it reads one file', async () => {
    const tensors = Object.entries(tensorsOf(neox))
    const [first, second] = [
      Object.fromEntries(tensors.filter((_, i) => i % 2 === 0)),
      Object.fromEntries(tensors.filter((_, i) => i % 2 === 1))
    ]
    const shardNames = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
    const map = Object.fromEntries(tensors.map(([name], i) => [name, shardNames[i % 2]]))
    const files = {
      'config.json': neoxConfig,
      'model.safetensors.index.json': { metadata: {}, weight_map: map },
      [shardNames[0]]: safetensors(first),
      [shardNames[1]]: safetensors(second)
    }
    const sharded = await loadModel(place(files))
    const whole = await loadModel(neoxFolder(Object.fromEntries(tensors)))
    expect([...sharded.weights]).toEqual([...whole.weights])
    expect((await failure(loadModel(place({ ...files, [shardNames[1]]: safetensors({}) })))).message).toMatch(
      /the index places ".*" in model-00002-of-00002\.safetensors, which does not hold it/
    )
    const { [shardNames[1]]: _gone, ...fewer } = files
    const missing = await failure(loadModel(place(fewer)))
    expect(missing.message).toMatch(/model-00002-of-00002\.safetensors does not exist/)
    expect(
      (
        await failure(
          loadModel(
            place({ ...fewer, 'model.safetensors.index.json': { weight_map: { a: '../../secret.safetensors' } } })
          )
        )
      ).message
    ).toMatch(/secret/)
  })

  it('takes the weights of another checkpoint from a file or a folder', async () => {
    const folder = neoxFolder(tensorsOf(neox))
    const other = neoxFolder(
      Object.fromEntries(Object.entries(tensorsOf(neox)).map(([name, { shape }]) => [name, f32(shape, () => 0.5)]))
    )
    for (const given of [other, join(other, 'model.safetensors')]) {
      const model = await loadModel(folder, given)
      expect(model.weights.get('embed_out.weight')!.data[7]).toBe(0.5)
      expect(model.hash).not.toBe((await loadModel(folder)).hash)
    }
  })

  const tensors = tensorsOf(neox)
  const { 'embed_out.weight': _head, ...headless } = tensors
  const bad: [string, Record<string, RawTensor>, RegExp][] = [
    ['a missing tensor', headless, /the tensor "embed_out\.weight" of shape \[300, 8\] is missing/],
    [
      'a wrong shape',
      { ...tensors, 'embed_out.weight': f32([299, 8], () => 0) },
      /"embed_out\.weight" has shape \[299, 8\], and by config\.json it should be \[300, 8\]/
    ],
    ['a tensor of something else', { ...tensors, 'score.weight': f32([2, 8], () => 0) }, /"score\.weight" is not part/],
    [
      'weights that are not finite',
      { ...tensors, 'gpt_neox.embed_in.weight': f32([300, 8], (i) => (i === 5 ? Infinity : 0)) },
      /"gpt_neox\.embed_in\.weight" holds Infinity at element 5/
    ]
  ]
  it.each(bad)('names the file and %s', async (_, given, message) => {
    const folder = neoxFolder(given)
    const error = await failure(loadModel(folder))
    expect(error.kind).toBe('input')
    expect(error.message.startsWith(folder)).toBe(true)
    expect(error.message).toMatch(message)
  })

  it('says what a folder lacks', async () => {
    expect((await failure(loadModel(join(root, 'nowhere')))).message).toMatch(
      /config\.json does not exist; "model" must name a folder/
    )
    expect((await failure(loadModel(place({ 'config.json': neoxConfig })))).message).toMatch(/no model\.safetensors/)
    expect((await failure(loadModel(place({ 'config.json': neoxConfig, 'pytorch_model.bin': '' })))).message).toMatch(
      /pytorch_model\.bin: the file is truncated: it is empty; download it again/
    )
    mkdirSync(join(root, 'empty'))
    expect((await failure(loadModel(neoxFolder(tensors), join(root, 'empty')))).message).toMatch(
      /empty: the folder has no model\.safetensors/
    )
  })
})

describeWithShared('the fixture models', () => {
  it.each([
    ['neox-2m', 32, 2_238_464],
    ['gpt2-2m', 31, 1_746_944]
  ])('%s loads with all its components', async (name, components, parameters) => {
    const model = await loadModel(sharedPath('fixtures', name))
    expect(componentNames(model.architecture)).toHaveLength(components)
    expect(sliceSize(componentSlices(model.architecture, model.weights, 'full'))).toBe(parameters)
    expect(
      componentNames(model.architecture).every(
        (component) => componentSlices(model.architecture, model.weights, component).length > 0
      )
    ).toBe(true)
  })

  it('neox-2m takes the weights of an F16 checkpoint', async () => {
    const model = await loadModel(
      sharedPath('fixtures', 'neox-2m'),
      sharedPath('fixtures', 'neox-2m-checkpoints', 'step64', 'model.safetensors')
    )
    expect(
      model.weights.get('gpt_neox.final_layer_norm.weight')!.data.every((value) => value > 0.5 && value < 1.5)
    ).toBe(true)
  })
})
