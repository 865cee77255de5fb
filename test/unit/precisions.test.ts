import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { presets } from '../../preload/configuration'
import { checkEngine, createEvaluator, describeEngine, resolveEngine } from '../../main/engine/engines'
import type { Executor } from '../../main/engine/core/executor'
import { type Graph, GraphBuilder, size } from '../../main/engine/core/graph'
import { lossStageGraph } from '../../main/engine/core/layerwise-graphs'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { selfCheck } from '../../main/engine/reference/self-check'
import type { Precision } from '../../preload/precisions'
import { unembeddingName } from '../../main/engine/core/vocabulary'
import type { Architecture } from '../../main/models/architecture'
import { loadModel } from '../../main/models/load'
import { asForCuda } from '../executors'
import { localLane } from '../local-lane'
import { sample } from '../../main/sampling/sample'
import { quickChains } from '../quick-chains'
import { tinyRows, uniforms, writeTinyModel } from '../tiny-model'

const uniform = uniforms(11)
const numbers = (length: number, factor = 1): Float32Array =>
  Float32Array.from({ length }, () => factor * (2 * uniform() - 1))

const resultOn = async (
  executor: Executor,
  graph: Graph,
  inputs: Readonly<Record<string, Float32Array>>
): Promise<Record<string, Float32Array>> => {
  const program = await executor.compile(graph)
  const result = await program.run(inputs)
  await program.dispose()
  return result
}

const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
/** Largest difference, relative to the largest number. */
const difference = (values: Float32Array, expected: Float32Array): number =>
  largest(values.map((value, at) => value - expected[at])) / largest(expected)

/**
 * To the nearest number of `digits` binary digits, ties to even, whose unit is at least `least`; from the definition
 * of the formats.
 */
const rounding =
  (digits: number, least: number) =>
  (value: number): number => {
    const unit = Math.max(2 ** (Math.floor(Math.log2(Math.abs(value))) - digits + 1), least)
    const [whole, rest] = [Math.floor(value / unit), value / unit - Math.floor(value / unit)]
    return value === 0 ? 0 : (rest > 0.5 || (rest === 0.5 && whole % 2 !== 0) ? whole + 1 : whole) * unit
  }
const formats = {
  tf32: { round: rounding(11, 0), error: 2 ** -11, roundsResult: false },
  float16: { round: rounding(11, 2 ** -24), error: 2 ** -11, roundsResult: true },
  bfloat16: { round: rounding(8, 0), error: 2 ** -8, roundsResult: true }
} as const
const halves = ['tf32', 'float16', 'bfloat16'] as const

const [rows, inner, columns] = [5, 24, 7]
const product = (): Graph => {
  const builder = new GraphBuilder()
  const [a, b, stack] = [
    builder.input('a', [rows, inner]),
    builder.input('b', [columns, inner]),
    builder.input('stack', [2, inner, columns])
  ]
  builder.output('flat', builder.matmul(a, b, { transposeB: true }))
  builder.output('stacked', builder.matmul(builder.reshape(builder.concat([a, a], 0), [2, rows, inner]), stack))
  builder.output('sum', builder.add(a, builder.scale(a, 1 / 3)))
  return builder.build()
}

const [tokens, width, vocabulary, block] = [6, 8, 29, 8]

/**
 * A loss over a vocabulary with its gradients, and attention with its own; `factor` is the size of the hidden states.
 */
const model = (factor: number) => {
  const builder = new GraphBuilder()
  const [h, w] = [builder.input('h', [tokens, width]), builder.input('w', [4 * block, width])]
  const { sums, weighted } = builder.exponentialSums(h, w, vocabulary, block)
  builder.output('losses', builder.log(sums))
  builder.output('hidden slope', builder.mul(weighted, builder.reciprocal(sums)))
  builder.output('table slope', builder.exponentialSumsSlope(h, w, builder.reciprocal(sums), block))
  const names = ['q', 'k', 'v', 'g']
  const [q, k, v, g] = names.map((name) => builder.input(name, [5, 8, 3]))
  builder.output('mixed', builder.causalAttention(q, k, v, 3))
  builder.causalAttentionSlope(q, k, v, g, 3).forEach((slope, at) => builder.output(`${names[at]} slope`, slope))
  return {
    graph: builder.build(),
    inputs: {
      h: numbers(tokens * width, factor),
      w: numbers(4 * block * width).fill(0, vocabulary * width),
      ...Object.fromEntries(names.map((name) => [name, numbers(120)]))
    }
  }
}

describe.each(halves)('products in %s', (format) => {
  const { round, error, roundsResult } = formats[format]

  it('have operands rounded to it and sums in float32; nothing else is rounded', async () => {
    const inputs = { a: numbers(rows * inner), b: numbers(columns * inner), stack: numbers(2 * inner * columns) }
    const result = await resultOn(openOnnxCpu(format), product(), inputs)
    const exact = await resultOn(new ReferenceExecutor(), product(), {
      a: inputs.a.map(round),
      b: inputs.b.map(round),
      stack: inputs.stack.map(round)
    })
    for (const name of ['flat', 'stacked']) {
      const expected = roundsResult ? exact[name].map(round) : exact[name]
      // Float32's own sums may fall on the other side of a tie.
      const tie = roundsResult ? 2 * error * largest(expected) : 0
      const differing = expected.filter((value, at) => Math.abs(result[name][at] - value) > 1e-6)
      expect(differing.length, name).toBeLessThan(roundsResult ? 3 : 1)
      expect(difference(result[name], expected), name).toBeLessThan(1e-6 + tie)
      if (roundsResult) expect([...result[name].map(round)], name).toEqual([...result[name]])
    }
    expect(
      difference(
        result['sum'],
        inputs.a.map((value) => value + value / 3)
      )
    ).toBeLessThan(1e-6)
  })

  it('give losses and gradients within what the format has, and not those of float32', async () => {
    const { graph, inputs } = model(1)
    const [result, exact] = [
      await resultOn(openOnnxCpu(format), graph, inputs),
      await resultOn(new ReferenceExecutor(), graph, inputs)
    ]
    for (const [name, values] of Object.entries(exact)) {
      expect(difference(result[name], values), name).toBeLessThan(8 * error)
      expect(difference(result[name], values), name).toBeGreaterThan(error / 100)
    }
  })

  it('hold exponentials that are beyond float16', async () => {
    const { graph, inputs } = model(12)
    const [result, exact] = [
      await resultOn(openOnnxCpu(format), graph, inputs),
      await resultOn(new ReferenceExecutor(), graph, inputs)
    ]
    expect(largest(exact['losses'])).toBeGreaterThan(Math.log(65_504) + 2)
    for (const name of ['losses', 'hidden slope', 'table slope'])
      expect(difference(result[name], exact[name]), name).toBeLessThan(40 * error)
  })
})

describe.each(halves)('losses in %s of tokens that a model is sure of', (format) => {
  it("stay near 0, as the target's logit is rounded like the same one among all", async () => {
    const [hidden, rows] = [16, 29]
    const architecture: Architecture = {
      family: 'gpt_neox',
      layers: 1,
      heads: 1,
      groups: 1,
      headWidth: hidden,
      hidden,
      intermediate: 1,
      vocabulary: rows,
      contextLength: 8,
      normEpsilon: 1e-5,
      activation: 'gelu',
      biases: { qkv: true, projection: true, mlp: true },
      attention: [{}],
      pattern: [0],
      scoreWidth: hidden,
      embeddingScale: 1,
      parallelResidual: true,
      tiedEmbeddings: false,
      endOfText: 0
    }
    const graph = lossStageGraph(architecture, tokens, { stream: false, unembedding: false, norm: false })
    const next = uniforms(5)
    const table = Float32Array.from({ length: rows * hidden }, () => 5 * next() - 2.5)
    const own = table.slice(0, tokens * hidden)
    const inputs: Record<string, Float32Array> = { [unembeddingName.centred]: table, 'target rows': own, stream: own }
    for (const [name, { shape }] of graph.inputs)
      inputs[name] ??= new Float32Array(size(shape)).fill(name.endsWith('weight') ? 1 : 0)
    const [{ losses }, { losses: exact }] = [
      await resultOn(openOnnxCpu(format), graph, inputs),
      await resultOn(new ReferenceExecutor(), graph, inputs)
    ]
    expect(largest(exact)).toBeLessThan(0.1)
    expect(difference(losses, exact)).toBeLessThan(50 * formats[format].error)
  })
})

describe('a number beyond float16', () => {
  it('is an infinity there that shows, and none in bfloat16', async () => {
    const inputs = {
      a: numbers(rows * inner).fill(70_000, 3, 4),
      b: numbers(columns * inner, 0.1),
      stack: numbers(2 * inner * columns, 0.1)
    }
    const [half, brain] = [
      await resultOn(openOnnxCpu('float16'), product(), inputs),
      await resultOn(openOnnxCpu('bfloat16'), product(), inputs)
    ]
    for (const name of ['flat', 'stacked']) {
      expect(half[name].slice(0, columns).some(Number.isFinite), name).toBe(false)
      expect(half[name].slice(columns, 2 * columns).every(Number.isFinite), name).toBe(true)
      expect(brain[name].every(Number.isFinite), name).toBe(true)
    }
  })

  it('ends a run with what to do', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'precisions-'))
    try {
      const enlarged = await loadModel(
        await writeTinyModel(folder, {
          change: (name, values) =>
            values.forEach((value, at) => (values[at] = (name.endsWith('.mlp.dense_h_to_4h.weight') ? 1e6 : 1) * value))
        })
      )
      const rows = tinyRows({ sampling: 8, observation: 4, probe: 4, length: 10 })
      const of = (name: string): Int32Array[] => rows[name].map((row) => Int32Array.from(row))
      const run = (precision: Precision) =>
        sample(
          {
            model: enlarged,
            study: {
              sampling: of('sampling'),
              observation: of('observation'),
              probe: of('probe'),
              targets: of('probe').map(() => Int32Array.of(1, 4))
            },
            components: ['head:1.0'],
            seed: 3,
            observationIncludesProbe: false,
            engine: 'onnx-cpu',
            precision,
            threads: 1,
            sampler: {
              ...presets.paper,
              ...quickChains,
              preset: 'paper',
              draws: 2,
              stepsBetweenDraws: 1,
              burnIn: 0,
              batchSize: 4
            }
          },
          {
            openLane: localLane(({ engine, architecture, weights }) =>
              createEvaluator(engine, architecture, weights, precision)
            )
          }
        )
      await expect(run('float16')).rejects.toMatchObject({
        kind: 'sampling',
        message: expect.stringMatching(
          /not finite on the observation rows; set "precision" to "bfloat16" or "float32".*65,504/
        )
      })
      expect((await run('bfloat16')).susceptibilities.every(Number.isFinite)).toBe(true)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe("products by a device's own operators", () => {
  const device = (format: 'float16' | 'bfloat16'): Executor => asForCuda({ products: { format, emulated: false } })

  it('are a graph that onnxruntime takes, with the numbers of the format', async () => {
    const { graph, inputs } = model(1)
    const [result, exact] = [
      await resultOn(device('float16'), graph, inputs),
      await resultOn(new ReferenceExecutor(), graph, inputs)
    ]
    for (const [name, values] of Object.entries(exact))
      expect(difference(result[name], values), name).toBeLessThan(8 * formats.float16.error)
  })

  it('are in that format: the processor has none for bfloat16', async () => {
    await expect(device('bfloat16').compile(product())).rejects.toThrow(
      /Could not find an implementation for (Gemm|MatMul)/
    )
  })
})

describe('the self-check', () => {
  const coarser: readonly (readonly [Precision, Precision])[] = [
    ['float32', 'tf32'],
    ['float32', 'float16'],
    ['float32', 'bfloat16'],
    ['tf32', 'bfloat16'],
    ['float16', 'bfloat16']
  ]

  it.each(['float32', ...halves] as const)('passes what computes in %s as asked', async (precision) =>
    selfCheck(openOnnxCpu(precision), precision)
  )
  it.each(coarser)('refuses, where %s is asked for, what computes in %s', async (asked, own) => {
    await expect(selfCheck(openOnnxCpu(own), asked)).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringContaining(`other numbers than ${asked} has`)
    })
  })
})

describe('an engine', () => {
  it.each(halves)('computes in %s where it can, and says so of itself', async (precision) => {
    expect(() => checkEngine('auto', precision)).not.toThrow()
    expect(() => checkEngine('webgpu', precision)).toThrow(
      `webgpu does not compute in ${precision}; choose onnx-cuda, or set "precision" to "float32".`
    )
    expect(await describeEngine('onnx-cpu', precision)).toMatchObject({ name: 'onnx-cpu', precision })
  })

  it('that only rounds is never chosen for it', async () => {
    expect(await resolveEngine('auto', 'bfloat16')).toBe('onnx-cuda')
    expect(await resolveEngine('onnx-cpu', 'bfloat16')).toBe('onnx-cpu')
  })
})
