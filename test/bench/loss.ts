import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Executor } from '../../main/engine/core/executor'
import { GraphBuilder } from '../../main/engine/core/graph'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import { vocabularyBlocks } from '../../main/engine/core/vocabulary'
import { openWebGpu } from '../../main/engine/devices/webgpu/client'
import { componentSlices, flatten } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { pythia14m, writeRandomModel } from './random-model'

/** Those whose kernels are compared; each with what ends it. */
const engines: Readonly<
  Record<string, () => Promise<{ readonly executor: Executor; readonly close: () => Promise<unknown> }>>
> = {
  'onnx-cpu': () => Promise.resolve({ executor: openOnnxCpu(), close: () => Promise.resolve() }),
  ...Object.fromEntries(
    (['hardware', 'software'] as const).map((kind) => [
      kind === 'hardware' ? 'webgpu' : 'webgpu-software',
      async () => {
        const executor = await openWebGpu(kind)
        return { executor, close: () => executor.dispose() }
      }
    ])
  )
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

/** Seconds of a call, the first one left out, as it compiles. */
const timed = async (rounds: number, work: () => Promise<unknown>): Promise<number> => {
  const seconds: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now()
    await work()
    if (round > 0) seconds.push((performance.now() - start) / 1000)
  }
  return median(seconds)
}

/**
 * How fast each engine makes losses and their gradient at Pythia-14M's vocabulary, how exactly, and their share of a
 * head's whole gradient step.
 */
export const benchLoss = async (names: readonly string[], tokens: number, rounds: number): Promise<void> => {
  const { hidden, vocabulary } = pythia14m
  const { block, rows } = vocabularyBlocks(vocabulary)
  const builder = new GraphBuilder()
  const { sums, weighted } = builder.exponentialSums(
    builder.input('h', [tokens, hidden]),
    builder.input('w', [rows, hidden]),
    vocabulary,
    block
  )
  builder.output('sums', sums)
  builder.output('weighted', weighted)
  const graph = builder.build()
  const h = Float32Array.from({ length: tokens * hidden }, (_, at) => 2 * Math.sin(at * 12.9898))
  const w = Float32Array.from({ length: rows * hidden }, (_, at) =>
    at < vocabulary * hidden ? 0.1 * Math.cos(at * 78.233) : 0
  )
  const [exactSums, exactWeighted] = [new Float64Array(tokens), new Float64Array(hidden)]
  for (let row = 0; row < vocabulary; row++) {
    let logit = 0
    for (let i = 0; i < hidden; i++) logit += h[i] * w[row * hidden + i]
    exactSums[0] += Math.exp(logit)
    for (let i = 0; i < hidden; i++) exactWeighted[i] += Math.exp(logit) * w[row * hidden + i]
  }
  const largest = Math.max(...exactWeighted.map(Math.abs))
  const folder = mkdtempSync(join(tmpdir(), 'spectroscope-loss-'))
  try {
    await writeRandomModel(folder, pythia14m)
    const { architecture, weights } = await loadModel(folder)
    for (const name of names) {
      const { executor, close } = await engines[name]()
      try {
        const program = await executor.compile(graph)
        const table = executor.resident(w, [rows, hidden])
        const result = await program.run({ h, w: table })
        const seconds = await timed(rounds, () => program.run({ h, w: table }))
        const errors = [
          Math.abs(result.sums[0] / exactSums[0] - 1),
          Math.max(...exactWeighted.map((value, at) => Math.abs(result.weighted[at] - value))) / largest
        ]
        const evaluator = new TransformerEvaluator(executor, architecture, weights)
        const prefix = await evaluator.prefix({
          ids: Int32Array.from({ length: tokens + 1 }, (_, at) => (at * 7919) % vocabulary),
          count: 1,
          length: tokens + 1
        })
        const u = flatten(weights, componentSlices(architecture, weights, 'head:0.0'))
        const step = await timed(rounds, () => evaluator.gradient('head:0.0', u, prefix, new Float32Array(u.length)))
        console.log(
          `${name} (${executor.description.device}): ${(1000 * seconds).toFixed(0)} ms, ` +
            `${((4 * tokens * vocabulary * hidden) / seconds / 1e9).toFixed(2)} GFLOP/s, errors ` +
            `${errors.map((error) => error.toExponential(1)).join(' and ')}; head 0.0's step ` +
            `${(1000 * step).toFixed(0)} ms`
        )
      } finally {
        await close()
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
