import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEvaluator } from '../../main/engine/engines'
import type { Evaluator, Prefix } from '../../main/engine/core/evaluator'
import { componentNames, componentSlices, sliceSize } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { prepareStudy } from '../../main/corpora/study'
import { estimateRun, type MeasuredRate } from '../../main/pipeline/estimate'
import { threadsThatFit } from '../../main/pipeline/fitting-threads'
import { preparedShardBytes } from '../../main/pipeline/memory'
import { samplingWork } from '../../main/pipeline/work'
import { describeModel } from '../../main/pipeline/preview'
import { componentBytes } from '../../main/sampling/waves'
import { localLane } from '../local-lane'
import { sample } from '../../main/sampling/sample'
import { parseConfiguration } from '../../preload/configuration'
import type { RunConfiguration } from '../../preload/configuration'
import type { RunRecord } from '../../preload/records'
import { quickChains } from '../quick-chains'
import { tinyRows, tinyVocabulary, writeTinyModel } from '../tiny-model'

const folder = mkdtempSync(join(tmpdir(), 'spectroscope-test-'))
beforeAll(async () => {
  await writeTinyModel(join(folder, 'model'))
  const rows = (length: number, seed: number) => tinyRows({ sampling: 9, observation: 3, probe: 4, length }, seed)
  const [short, long] = [rows(9, 1), rows(14, 2)]
  writeFileSync(
    join(folder, 'rows.json'),
    JSON.stringify(Object.fromEntries(Object.keys(short).map((set) => [set, [...short[set], ...long[set]]])))
  )
  writeFileSync(join(folder, 'corpus.txt'), 'the cat sat on the mat '.repeat(400))
})
afterAll(() => rmSync(folder, { recursive: true }))

const configurationOf = (changes: object = {}): RunConfiguration =>
  parseConfiguration({ model: 'model', rows: 'rows.json', ...changes }, 'c')

/**
 * Passes everything on and counts target positions, in rows' own numbers, and floating-point operations as the
 * evaluator tells them.
 */
class CountingEvaluator implements Evaluator {
  gradientTokens = 0
  lossTokens = 0
  operationsDone = 0

  constructor(private readonly inner: Evaluator) {}

  prefix(rows: Prefix['rows']): Promise<Prefix> {
    return this.inner.prefix(rows)
  }

  losses(component: string, weights: Float32Array, prefix: Prefix): Promise<Float32Array> {
    this.lossTokens += prefix.rows.count * (prefix.rows.length - 1)
    this.operationsDone += prefix.rows.count * this.inner.operations(component, prefix.rows.length).losses
    return this.inner.losses(component, weights, prefix)
  }

  gradient(
    component: string,
    weights: Float32Array,
    prefix: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }> {
    this.gradientTokens += prefix.rows.count * (prefix.rows.length - 1)
    this.operationsDone += prefix.rows.count * this.inner.operations(component, prefix.rows.length).gradient
    return this.inner.gradient(component, weights, prefix, gradient)
  }

  operations(component: string, length: number): { readonly gradient: number; readonly losses: number } {
    return this.inner.operations(component, length)
  }

  dispose(): Promise<void> {
    return this.inner.dispose()
  }
}

const rate: MeasuredRate = { engine: 'onnx-cpu', gigaflopsPerSecond: 2, measuredAt: '2026-11-22T10:00:00.000Z' }

describe('the estimate of a run', () => {
  it.each([
    [
      'two-chain, rows of two lengths',
      {
        sampler: {
          method: 'psgld',
          nBeta: 3,
          batchSize: 4,
          burnIn: 2,
          draws: 3,
          stepsBetweenDraws: 2,
          chains: 2,
          estimator: 'two-chain'
        }
      }
    ],
    [
      'restricted',
      {
        sampler: {
          method: 'psgld',
          nBeta: 3,
          batchSize: 5,
          burnIn: 0,
          draws: 2,
          stepsBetweenDraws: 3,
          chains: 1,
          estimator: 'restricted'
        },
        components: ['embed', 'mlp:1']
      }
    ],
    [
      'no steps at nβ = 0',
      { sampler: { method: 'psgld', nBeta: 0, draws: 3, chains: 2, estimator: 'restricted' }, components: ['head:0.1'] }
    ]
  ])('counts what sampling then does: %s', async (_, changes) => {
    const configuration = configurationOf(changes)
    const model = await loadModel(join(folder, 'model'))
    const study = await prepareStudy(configuration, folder, model, null)
    const components =
      typeof configuration.components === 'string' ? componentNames(model.architecture) : configuration.components
    for (const observationIncludesProbe of [false, true]) {
      const counters: CountingEvaluator[] = []
      const openLane = localLane(async ({ architecture, weights }) => {
        const counter = new CountingEvaluator(await createEvaluator('onnx-cpu', architecture, weights))
        counters.push(counter)
        return counter
      })
      await sample(
        {
          model,
          study,
          components,
          sampler: configuration.sampler,
          seed: configuration.seed,
          observationIncludesProbe,
          engine: 'onnx-cpu',
          threads: 1
        },
        { openLane }
      )
      const [counter] = counters
      const lengths = (rows: readonly Int32Array[]): number[] => rows.map(({ length }) => length)
      const work = samplingWork(
        model.architecture,
        components,
        configuration.sampler,
        { sampling: lengths(study.sampling), observation: lengths(study.observation), probe: lengths(study.probe) },
        configuration.seed
      )
      expect(work.gradientTokens).toBe(counter.gradientTokens)
      expect(work.lossTokens).toBe(counter.lossTokens)
      // It adds the forward passes at w*, which the chains share, and leaves out the one measurement of L(w*).
      expect(work.operations / counter.operationsDone).toBeGreaterThan(0.97)
      expect(work.operations / counter.operationsDone).toBeLessThan(2)
      if (!observationIncludesProbe) {
        const estimate = await estimateRun(configuration, folder, rate)
        expect(estimate).toMatchObject({
          gradientTokens: counter.gradientTokens,
          lossTokens: counter.lossTokens,
          components: components.length,
          tokens: 4 * 8 + 4 * 13
        })
      }
    }
  })

  const corpusConfiguration = configurationOf({
    rows: undefined,
    corpus: { files: ['corpus.txt'], rowLength: 16, sampling: 64, observation: 20, probe: 30, probeTokensPerRow: 5 },
    threads: 1,
    sampler: { ...quickChains, draws: 10 }
  })

  it('scales with the rate, and follows a run that was sampled here rather than a small model', async () => {
    const slow = await estimateRun(corpusConfiguration, folder, rate)
    const fast = await estimateRun(corpusConfiguration, folder, { ...rate, gigaflopsPerSecond: 4 })
    expect(slow.tokens).toBe(150)
    expect(slow.seconds.sample / fast.seconds.sample).toBeCloseTo(2, 6)
    expect(slow.basis).toContain('a measurement of onnx-cpu on a small model, on 2026-11-22')
    const run = { id: 'r', name: 'earlier', configuration: corpusConfiguration, baseFolder: folder } as RunRecord
    const known = await estimateRun(corpusConfiguration, folder, {
      ...rate,
      lastRun: { run, tokensPerSecond: 1000, measuredAt: '2026-11-21T10:00:00.000Z' }
    })
    expect(known.seconds.sample).toBeCloseTo((known.lossTokens + known.gradientTokens) / 1000, 3)
    expect(known.basis).toContain('run "earlier"')
  })

  it('makes do with the small model where the model of that run is gone, and says when nothing was measured', async () => {
    const run = {
      id: 'r',
      name: 'earlier',
      configuration: { ...corpusConfiguration, model: 'gone' },
      baseFolder: folder
    } as RunRecord
    const lastRun = { run, tokensPerSecond: 1000, measuredAt: '2026-11-21T10:00:00.000Z' }
    expect((await estimateRun(corpusConfiguration, folder, { ...rate, lastRun })).basis).toContain('small model')
    await expect(
      estimateRun(corpusConfiguration, folder, { ...rate, gigaflopsPerSecond: null, lastRun })
    ).rejects.toMatchObject({ kind: 'engine' })
  })

  it('grows in memory and disk with tokens, chains and neighbours, and knows the machine', async () => {
    const small = await estimateRun(corpusConfiguration, folder, rate)
    const corpus = { ...corpusConfiguration.corpus!, probe: 60_000, probeTokensPerRow: 15 }
    const large = await estimateRun({ ...corpusConfiguration, corpus }, folder, rate)
    expect(large.tokens).toBe(900_000)
    // Two chains of each component with 24 bytes a token each.
    expect(large.memoryBytes - small.memoryBytes).toBeGreaterThan(large.tokens * 24 * 2 * large.components)
    // A matrix with its errors, and two parts, twice until they are stored.
    const matrices = 2 * (8 + 2 * 4) * large.components
    expect(large.diskBytes - small.diskBytes).toBeGreaterThan(large.tokens * (matrices + 8 * 45))
    expect(large.machineMemoryBytes).toBeGreaterThan(2 ** 28)
    expect(large.diskFreeBytes).toBeGreaterThan(0)
    const { seconds } = await estimateRun({ ...corpusConfiguration, clustering: false }, folder, rate)
    expect(seconds).toMatchObject({ neighbours: 0, cluster: 0 })
  })

  it.each(['first-order', 'gradient'] as const)('counts a matrix of each of four blocks: %s', async (method) => {
    const { architecture, weights } = await loadModel(join(folder, 'model'))
    const corpus = { ...corpusConfiguration.corpus!, probe: 60_000, probeTokensPerRow: 15 }
    const { sampler } = configurationOf({ sampler: { method, keepSums: false } })
    if (sampler.method === 'psgld') throw new Error('no method of blocks')
    const estimateOf = (components: string[]) =>
      estimateRun({ ...corpusConfiguration, corpus, sampler, components, clustering: false }, folder, rate)
    const [one, two] = [await estimateOf(['mlp:0']), await estimateOf(['mlp:0', 'mlp:1'])]
    const sums = componentBytes(sliceSize(componentSlices(architecture, weights, 'mlp:1')), one.tokens, sampler)
    // Some of the matrix, its errors and a part, beside a program; all else is on disk.
    const memory = (two.memoryBytes - one.memoryBytes - sums) / one.tokens
    expect(memory).toBeGreaterThan(3 * 4)
    expect(memory).toBeLessThan(3 * 4 + 8)
    // The matrix, its errors and four parts; they and two halves to tell reliability by until they are stored.
    const disk = (two.diskBytes - one.diskBytes - 2 * sums) / one.tokens
    expect(disk).toBeCloseTo(4 * (1 + 1 + 4) + 4 * (1 + 1 + 2 + 4), 0)
  })

  it('counts the gradients that wait for threads which update alone, where a device has one evaluator', async () => {
    const { architecture, weights } = await loadModel(join(folder, 'model'))
    const chained =
      2 *
      componentNames(architecture)
        .concat('full')
        .reduce((sum, name) => sum + sliceSize(componentSlices(architecture, weights, name)), 0)
    const configuration = {
      ...corpusConfiguration,
      clustering: false as const,
      sampler: { ...corpusConfiguration.sampler, estimator: 'two-chain' as const }
    }
    const bytesOn = async (threads: number): Promise<number> =>
      (await estimateRun({ ...configuration, threads }, folder, { ...rate, engine: 'webgpu' })).memoryBytes
    const [one, two, three] = [await bytesOn(1), await bytesOn(2), await bytesOn(3)]
    expect(two - one - (three - two)).toBe(4 * chained)
    expect(three - two).toBeGreaterThan(0)
  })

  it('has a prepared study that does not fit sampled on fewer threads, or says what would help', async () => {
    const configuration = configurationOf({ threads: 4 })
    const study = await prepareStudy(configuration, folder, await loadModel(join(folder, 'model')), null)
    const engine = { name: 'onnx-cpu', device: '', precision: '', version: '' }
    const prepared = { components: ['head:0.1', 'mlp:1'], study, engine }
    const { memoryBytes } = await estimateRun({ ...configuration, components: prepared.components }, folder, rate)
    expect(await threadsThatFit(configuration, folder, prepared, memoryBytes + 1)).toEqual({ threads: 4 })
    const { threads, warning } = await threadsThatFit(configuration, folder, prepared, memoryBytes - 1)
    expect(threads).toBe(3)
    expect(warning).toMatch(/on 4 threads, and there is \d+\.\d GB: it runs on 3 threads,/)
    const scarce = await threadsThatFit(
      { ...configuration, threads: 1 },
      folder,
      prepared,
      (await estimateRun({ ...configuration, threads: 1, components: prepared.components }, folder, rate)).memoryBytes /
        1.3
    )
    const slow = /even on one thread, .* may be slow or run out of memory; if so, study fewer/
    expect(scarce).toMatchObject({ threads: 1, warning: expect.stringMatching(slow) as string })
    await expect(threadsThatFit(configuration, folder, prepared, 2 ** 20)).rejects.toMatchObject({
      kind: 'configuration',
      message: expect.stringMatching(/even on one thread, and there is 0\.0 GB; study fewer/) as string
    })
    expect(await preparedShardBytes(configuration, folder, prepared, ['head:0.1'], 1)).toBeLessThan(
      await preparedShardBytes(configuration, folder, prepared, ['head:0.1', 'full'], 2)
    )
  })

  it('refuses what a run would refuse', async () => {
    await expect(estimateRun(configurationOf({ model: 'nowhere' }), folder, rate)).rejects.toMatchObject({
      kind: 'input'
    })
    await expect(estimateRun(configurationOf({ components: ['mlp:9'] }), folder, rate)).rejects.toMatchObject({
      kind: 'configuration'
    })
  })
})

describe('the description of a model', () => {
  it('is read from the configuration and the headers', async () => {
    const { weights } = await loadModel(join(folder, 'model'))
    const parameters = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0)
    expect(await describeModel(join(folder, 'model'))).toEqual({
      folder: join(folder, 'model'),
      architecture: 'GPT-NeoX',
      layers: 2,
      width: 16,
      heads: 2,
      vocabulary: tinyVocabulary,
      positions: 64,
      parameters,
      bytes: 4 * parameters,
      hasTokenizer: true,
      groups: null,
      components: ['embed', 'head:0.0', 'head:0.1', 'head:1.0', 'head:1.1', 'mlp:0', 'mlp:1', 'unembed']
    })
  })

  it('says what is missing', async () => {
    await expect(describeModel(folder)).rejects.toMatchObject({ kind: 'input' })
  })
})
