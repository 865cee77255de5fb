import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Executor } from '../../main/engine/executor'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { TfjsExecutor } from '../../main/engine/tfjs/executor'
import { TransformerEvaluator } from '../../main/engine/transformer-evaluator'
import { loadModel } from '../../main/models/load'
import { localLane } from '../../main/sampling/pool'
import { sample } from '../../main/sampling/sample'
import type { SamplingInput } from '../../main/sampling/sample'
import { tinyRows, writeTinyModel } from '../tiny-model'

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'spectroscope-device-'))))
afterEach(() => rmSync(folder, { recursive: true }))

/** An executor whose device goes away after so many runs: nothing can be done with it from then on, nor let go of. */
const leaving = (executor: Executor, runs: number): Executor => {
  let left = runs
  const gone = (): Promise<never> => Promise.reject(new Error('CUDA failure 999: unknown error'))
  return {
    description: executor.description,
    resident: (data, shape) => executor.resident(data, shape),
    compile: async (graph) => {
      if (left <= 0) return gone()
      const program = await executor.compile(graph)
      return { run: (inputs) => (left-- > 0 ? program.run(inputs) : gone()), dispose: () => (left > 0 ? program.dispose() : gone()) }
    },
    dispose: () => (left > 0 ? executor.dispose() : gone())
  }
}

/** Executors that count their runs, of all of them together. */
const counting = (open: () => Executor | Promise<Executor>): { readonly open: () => Promise<Executor>; readonly runs: () => number } => {
  let runs = 0
  return {
    runs: () => runs,
    open: async () => {
      const executor = await open()
      const compile: Executor['compile'] = async (graph) => {
        const program = await executor.compile(graph)
        return { dispose: () => program.dispose(), run: (inputs) => (runs++, program.run(inputs)) }
      }
      return { description: executor.description, resident: (data, shape) => executor.resident(data, shape), dispose: () => executor.dispose(), compile }
    }
  }
}

const inputOf = async (): Promise<SamplingInput> => {
  const model = await loadModel(await writeTinyModel(join(folder, 'model')))
  const rows = tinyRows({ sampling: 12, observation: 6, probe: 10, length: 12 })
  const of = (name: string): Int32Array[] => rows[name].map((row) => Int32Array.from(row))
  return {
    model, study: { sampling: of('sampling'), observation: of('observation'), probe: of('probe'), targets: rows['probe'].map(({ length }) => Int32Array.from({ length: length - 1 }, (_, at) => at + 1)) },
    components: ['head:1.0', 'mlp:0'], seed: 3, observationIncludesProbe: false, engine: 'given', threads: 2,
    sampler: { preset: 'quick', nBeta: 3, gamma: 300, stepSize: 1e-4, rmsDecay: 0.99, rmsEpsilon: 0.1, batchSize: 4, burnIn: 4, draws: 6, stepsBetweenDraws: 3, chains: 2, estimator: 'two-chain' },
    checkpoint: { folder, everySeconds: 1e6, fingerprint: 'the same run' }
  }
}

const withExecutor = (input: SamplingInput, open: () => Executor | Promise<Executor>) =>
  sample(input, { openLane: localLane(async ({ architecture, weights }) => new TransformerEvaluator(await open(), architecture, weights)) })

describe('a run whose device goes away', () => {
  it('ends with a sentence and a checkpoint, and goes on on another engine with the same numbers within float32 noise', async () => {
    const input = await inputOf()
    const { checkpoint: _, ...unkept } = input
    const all = counting(openOnnxCpu)
    const whole = await withExecutor(unkept, all.open)
    const largest = whole.susceptibilities.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const elsewhere of [openOnnxCpu, () => TfjsExecutor.open('cpu'), () => new ReferenceExecutor()]) {
      await expect(withExecutor(input, () => leaving(openOnnxCpu(), 90))).rejects.toMatchObject({
        kind: 'engine', message: expect.stringMatching(/^The engine failed at .*: CUDA failure 999: unknown error\.$/)
      })
      const there = counting(elsewhere)
      const moved = await withExecutor(input, there.open)
      expect(there.runs()).toBeGreaterThan(10)
      expect(there.runs()).toBeLessThan(all.runs() - 50)
      const apart = moved.susceptibilities.reduce((most, value, at) => Math.max(most, Math.abs(value - whole.susceptibilities[at])), 0)
      if (elsewhere === openOnnxCpu) expect(apart).toBe(0)
      else expect(apart).toBeGreaterThan(0)
      expect(apart / largest).toBeLessThan(1e-4)
      rmSync(folder, { recursive: true })
      await writeTinyModel(join(folder, 'model'))
    }
  }, 60_000)
})
