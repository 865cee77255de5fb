import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadModel } from '../../main/models/load'
import {
  architectureOf,
  f32,
  failure,
  gpt2Config,
  modelFolders,
  neoxConfig,
  safetensors,
  tensorsOf,
  withoutPrefix,
  type RawTensor
} from './models-fixtures'

const { place, neoxFolder, gpt2Folder } = modelFolders()

const neox = architectureOf(neoxConfig)
const gpt2 = architectureOf(gpt2Config)

describe('names that training loops leave in files', () => {
  const tied = tensorsOf(gpt2)
  const untied = tensorsOf({ ...gpt2, tiedEmbeddings: false })
  const renamed = (given: Record<string, RawTensor>, change: (name: string) => string): Record<string, RawTensor> =>
    Object.fromEntries(Object.entries(given).map(([name, tensor]) => [change(name), tensor]))
  const buffer = { 'transformer.h.0.attn.bias': f32([1, 1, 4, 4], () => 1) }

  it.each([
    '_orig_mod.',
    'module.',
    'module._orig_mod.',
    '_orig_mod.module.',
    'model.',
    '_fsdp_wrapped_module.',
    'net.gpt.'
  ])('"%s" before every tensor is taken off', async (prefix) => {
    for (const given of [{ ...tied, ...buffer }, untied, withoutPrefix(tied), withoutPrefix(untied)]) {
      const plain = await loadModel(gpt2Folder(given))
      const wrapped = await loadModel(gpt2Folder(renamed(given, (name) => `${prefix}${name}`)))
      expect([...wrapped.weights]).toEqual([...plain.weights])
    }
    const wrapped = await loadModel(neoxFolder(renamed(tensorsOf(neox), (name) => `${prefix}${name}`)))
    expect([...wrapped.weights]).toEqual([...(await loadModel(neoxFolder(tensorsOf(neox)))).weights])
  })

  it('are taken out where they stand inside', async () => {
    const wrapped = renamed(
      tensorsOf(neox),
      (name) =>
        `_fsdp_wrapped_module.${name.replace(/(layers\.\d+\.)/, '$1_fsdp_wrapped_module._checkpoint_wrapped_module.')}`
    )
    expect([...(await loadModel(neoxFolder(wrapped))).weights]).toEqual([
      ...(await loadModel(neoxFolder(tensorsOf(neox)))).weights
    ])
  })

  it('are named where only some tensors have them, or two come to one name', async () => {
    const some = renamed(tied, (name) => (name.includes('h.1') ? `module.${name}` : name))
    expect((await failure(loadModel(gpt2Folder(some)))).message).toMatch(
      /the tensor "transformer\.h\.1.*" of shape .* is missing/
    )
    expect(
      (
        await failure(
          loadModel(gpt2Folder({ ...tied, '_orig_mod.transformer.wte.weight': tied['transformer.wte.weight'] }))
        )
      ).message
    ).toMatch(/a tensor occurs twice/)
  })
})

describe('an index of shards', () => {
  const entries = Object.entries(tensorsOf(neox))
  const [one, two] = ['a.safetensors', 'b.safetensors']
  const first = Object.fromEntries(entries.filter((_, i) => i % 2 === 0))
  const second = Object.fromEntries(entries.filter((_, i) => i % 2 === 1))
  const map = Object.fromEntries(entries.map(([name], i) => [name, i % 2 === 0 ? one : two]))
  const index = JSON.stringify({ weight_map: map })
  const folderOf = (change: Parameters<typeof place>[0]): string =>
    place({
      'config.json': neoxConfig,
      'model.safetensors.index.json': index,
      [one]: safetensors(first),
      [two]: safetensors(second),
      ...change
    })
  const [name, tensor] = entries[1]

  it('may have a byte order mark before it', async () => {
    expect((await loadModel(folderOf({ 'model.safetensors.index.json': `\ufeff${index}` }))).weights.size).toBe(
      entries.length
    )
  })

  const cases: [string, Parameters<typeof place>[0], RegExp][] = [
    [
      'a tensor in two shards',
      { [one]: safetensors({ ...first, [name]: tensor }) },
      /is in a\.safetensors and in b\.safetensors/
    ],
    [
      'a tensor that it does not name',
      { [one]: safetensors({ ...first, more: tensor }) },
      /"more" is in a\.safetensors, and the index does not name it/
    ],
    [
      'a name twice',
      { 'model.safetensors.index.json': index.replace('{"gpt', `{${JSON.stringify(name)}:"${one}","gpt`) },
      /the index names "gpt_neox.* twice/
    ],
    [
      'a file elsewhere',
      { 'model.safetensors.index.json': { weight_map: { ...map, [name]: '/etc/x.safetensors' } } },
      /"\/etc\/x\.safetensors", which is not a file of weights beside it/
    ],
    [
      'a file up and down again',
      { 'model.safetensors.index.json': { weight_map: { ...map, [name]: '..\\x.safetensors' } } },
      /not a file of weights beside it/
    ],
    [
      'the wrong shard',
      { 'model.safetensors.index.json': { weight_map: { ...map, [name]: one } } },
      /in a\.safetensors, which does not hold it/
    ]
  ]
  it.each(cases)('is refused with %s', async (_, change, message) => {
    const error = await failure(loadModel(folderOf(change)))
    expect(error.kind).toBe('input')
    expect(error.message).toMatch(message)
  })
})

describe('a Git LFS pointer', () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:5ccd\nsize 10485703\n'

  it.each(['config.json', 'model.safetensors', 'model.safetensors.index.json'])(
    'in the place of %s is named with its remedy',
    async (file) => {
      const files = {
        'config.json': neoxConfig,
        ...(file.endsWith('index.json') ? {} : { 'model.safetensors': safetensors(tensorsOf(neox)) }),
        [file]: pointer
      }
      const folder = place(files)
      const error = await failure(loadModel(folder))
      expect([error.kind, error.message]).toEqual([
        'input',
        `${join(folder, file)} is a Git LFS pointer, not the file itself; run "git lfs pull" in its repository.`
      ])
    }
  )
})
