import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { heldWeightBytes } from '../../main/engine/core'
import { estimateRun } from '../../main/pipeline/estimate'
import { threadsThatFit } from '../../main/pipeline/fitting-threads'
import { sizesOf } from '../../main/pipeline/memory'
import { planOf } from '../../main/pipeline/plan'
import { prepareStudy } from '../../main/corpora/study'
import { parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Llamas with tied embeddings, as SmolLM2-135M and Llama 3.2 of 1B and 3B are. */
const llamas = [
  ['135M', 134_515_008, { width: 576, layers: 30, heads: 9, groups: 3, head: 64, inner: 1536, vocabulary: 49_152 }],
  ['1B', 1_235_814_400, { width: 2048, layers: 16, heads: 32, groups: 8, head: 64, inner: 8192, vocabulary: 128_256 }],
  ['3B', 3_212_749_824, { width: 3072, layers: 28, heads: 24, groups: 8, head: 128, inner: 8192, vocabulary: 128_256 }]
] as const

const studied = (
  name: string,
  { width, layers, heads, groups, head, inner, vocabulary }: (typeof llamas)[number][2]
) => {
  const model = join(folder, name)
  mkdirSync(model)
  writeFileSync(
    join(model, 'config.json'),
    JSON.stringify({
      model_type: 'llama',
      hidden_size: width,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: groups,
      head_dim: head,
      intermediate_size: inner,
      vocab_size: vocabulary,
      max_position_embeddings: 2048,
      tie_word_embeddings: true,
      eos_token_id: 0
    })
  )
  const rows = (count: number): number[][] => Array.from({ length: count }, () => Array<number>(64).fill(1))
  writeFileSync(join(model, 'rows.json'), JSON.stringify({ observation: rows(32), probe: rows(80) }))
  const middle = layers >> 1
  return (threads: number): RunConfiguration =>
    parseConfiguration(
      {
        model,
        rows: join(model, 'rows.json'),
        components: ['head:0.0', `head:${middle}.4`, `mlp:${middle}`, `head:${layers - 1}.8`, `mlp:${layers - 1}`],
        sampler: { method: 'first-order', rounds: 1, pairs: 2 },
        clustering: false,
        threads
      },
      'c'
    )
}

const rate = { engine: 'onnx-cpu', gigaflopsPerSecond: 40, measuredAt: null }

describe.each(llamas)('a Llama of %s', (name, parameters, shape) => {
  const configurationOf = studied(name, shape)
  const weights = 4 * parameters

  it('is estimated without its weights, which all threads share', async () => {
    expect(sizesOf(await planOf(configurationOf(1), folder), []).parameters).toBe(parameters)
    const [one, two, four] = await Promise.all(
      [1, 2, 4].map((threads) => estimateRun(configurationOf(threads), folder, rate))
    )
    expect(one.memoryBytes).toBeGreaterThan(weights)
    expect(four.memoryBytes).toBeGreaterThan(two.memoryBytes)
    const { architecture } = await planOf(configurationOf(1), folder)
    const unembedding = 4 * shape.vocabulary * shape.width
    expect(heldWeightBytes(architecture, parameters, 63, true)).toBe(weights)
    expect(heldWeightBytes(architecture, parameters, 63, false) / unembedding).toBeCloseTo(1, 1)
    expect(four.memoryBytes - two.memoryBytes).toBeGreaterThan(2 * unembedding)
  })

  it('is estimated to take a time in proportion to its arithmetic', async () => {
    const { seconds, lossTokens, gradientTokens } = await estimateRun(configurationOf(1), folder, rate)
    const whole = (2 * parameters * (lossTokens + 2 * gradientTokens)) / 40e9
    expect(seconds.sample / whole).toBeGreaterThan(0.3)
    expect(seconds.sample / whole).toBeLessThan(1)
  })

  it('is sampled on as many threads as fit a machine, or refused', async () => {
    const configuration = configurationOf(4)
    const { architecture } = await planOf(configuration, folder)
    const study = await prepareStudy(configuration, folder, { architecture, folder }, null)
    const engine = { name: 'onnx-cpu', device: 'CPU', precision: 'float32', version: '1' } as const
    const prepared = { components: configuration.components as string[], study, engine }
    const { memoryBytes: needed } = await estimateRun(configuration, folder, rate)
    const { memoryBytes: least } = await estimateRun(configurationOf(1), folder, rate)
    expect(await threadsThatFit(configuration, folder, prepared, 1.01 * needed)).toEqual({ threads: 4 })
    const fewer = await threadsThatFit(configuration, folder, prepared, 1.01 * least)
    expect(fewer.threads).toBe(1)
    expect(fewer.warning).toMatch(/it runs on 1 thread,/)
    await expect(threadsThatFit(configuration, folder, prepared, weights / 2)).rejects.toThrow(
      /Sampling needs about [\d.]+ GB of memory even on one thread/
    )
  })
})
