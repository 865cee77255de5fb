import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Evaluator, Prefix, Rows } from '../../main/engine/core/evaluator'
import { type Executor, OutOfDeviceMemory } from '../../main/engine/core/executor'
import { peakBytes } from '../../main/engine/core/graph'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { TransformerEvaluator } from '../../main/engine/core/transformer-evaluator'
import { unembeddingWeight } from '../../main/models/architectures'
import { asForCuda, withMemory } from '../executors'
import { componentSlices, flatten } from '../../main/models/components'
import { loadModel } from '../../main/models/load'
import { writeTinyModel } from '../tiny-model'
import { runsApart, tinyRun, withExecutor } from './tiny-run'

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
    drop: (resident) => executor.drop(resident),
    compile: async (graph) => {
      if (left <= 0) return gone()
      const program = await executor.compile(graph)
      return {
        run: (inputs) => (left-- > 0 ? program.run(inputs) : gone()),
        dispose: () => (left > 0 ? program.dispose() : gone())
      }
    },
    dispose: () => (left > 0 ? executor.dispose() : gone())
  }
}

/** Executors that count their runs, of all of them together. */
const counting = (
  open: () => Executor | Promise<Executor>
): { readonly open: () => Promise<Executor>; readonly runs: () => number } => {
  let runs = 0
  return {
    runs: () => runs,
    open: async () => {
      const executor = await open()
      const compile: Executor['compile'] = async (graph) => {
        const program = await executor.compile(graph)
        return { dispose: () => program.dispose(), run: (inputs) => (runs++, program.run(inputs)) }
      }
      return {
        description: executor.description,
        resident: (data, shape) => executor.resident(data, shape),
        drop: (resident) => executor.drop(resident),
        dispose: () => executor.dispose(),
        compile
      }
    }
  }
}

const inputOf = (probe?: number): ReturnType<typeof tinyRun> => tinyRun(folder, probe)

describe('a run whose device goes away', () => {
  it('ends with a sentence and a checkpoint, and goes on on another engine with the same numbers within float32 noise', async () => {
    const input = await inputOf()
    const { checkpoint: _, ...unkept } = input
    const all = counting(openOnnxCpu)
    const whole = await withExecutor(unkept, all.open)
    for (const elsewhere of [openOnnxCpu, () => new ReferenceExecutor()]) {
      await expect(withExecutor(input, () => leaving(openOnnxCpu(), 90))).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(/^The engine failed at .*: CUDA failure 999: unknown error\.$/)
      })
      const there = counting(elsewhere)
      const moved = await withExecutor(input, there.open)
      expect(there.runs()).toBeGreaterThan(10)
      expect(there.runs()).toBeLessThan(all.runs() - 50)
      const apart = runsApart(moved, whole)
      if (elsewhere === openOnnxCpu) expect(apart).toBe(0)
      else expect(apart).toBeGreaterThan(0)
      expect(apart).toBeLessThan(1e-4)
      rmSync(folder, { recursive: true })
      await writeTinyModel(join(folder, 'model'))
    }
  })
})

describe('a run that goes on on an engine which takes other numbers of tokens at once', () => {
  it('keeps to how its rows were cut, wherever within a draw it was interrupted', async () => {
    const input = { ...(await inputOf(400)), components: ['mlp:1'], engine: 'onnx-cpu' }
    const sampler = {
      ...input.sampler,
      burnIn: 1,
      draws: 2,
      stepsBetweenDraws: 1,
      chains: 1,
      estimator: 'restricted' as const
    }
    const { checkpoint: _, ...unkept } = { ...input, sampler }
    const all = counting(openOnnxCpu)
    const whole = await withExecutor(unkept, all.open)
    for (let runs = 14; runs < all.runs() - 1; runs += 2) {
      await expect(
        withExecutor({ ...input, sampler, threads: 1 }, () => leaving(openOnnxCpu(), runs))
      ).rejects.toMatchObject({ kind: 'engine' })
      const moved = await withExecutor({ ...input, sampler, engine: 'onnx-cuda' }, openOnnxCpu)
      expect(moved.susceptibilities).toEqual(whole.susceptibilities)
      rmSync(folder, { recursive: true })
      await writeTinyModel(join(folder, 'model'))
    }
  })
})

/**
 * An executor of whose device a part is taken: programs over more than so many targets fail, when they are made or
 * when they are run.
 */
const short = (
  executor: Executor,
  targets: () => number,
  when: 'made' | 'run'
): Executor & { readonly alive: () => number; readonly extents: number[] } => {
  let alive = 0
  const extents: number[] = []
  return {
    alive: () => alive,
    extents,
    description: executor.description,
    resident: (data, shape) => executor.resident(data, shape),
    drop: (resident) => executor.drop(resident),
    dispose: () => executor.dispose(),
    compile: async (graph) => {
      const needs = graph.outputs.get('losses')?.shape[0] ?? 0
      const fail = (): never => {
        throw new OutOfDeviceMemory('CUDA failure 2: out of memory')
      }
      if (when === 'made' && needs > targets()) fail()
      const program = await executor.compile(graph)
      alive++
      return {
        run: (inputs) => {
          if (needs > targets()) return Promise.reject(new OutOfDeviceMemory('CUDA failure 2: out of memory'))
          extents.push(needs)
          return program.run(inputs)
        },
        dispose: () => {
          alive--
          return program.dispose()
        }
      }
    }
  }
}

describe('a device whose memory is short', () => {
  const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  const apart = (a: Float32Array, b: Float32Array): number => norm(a.map((value, at) => value - b[at])) / norm(b)
  const rows: Rows = { ids: Int32Array.from({ length: 7 * 12 }, (_, at) => (at * 31) % 250), count: 7, length: 12 }

  interface Numbers {
    readonly prefix: Prefix
    readonly losses: Float32Array
    readonly gradient: Float32Array
    readonly lossSum: number
  }
  const numbersOf = async (
    evaluator: Evaluator,
    component: string,
    centre: Float32Array,
    prefix: Prefix
  ): Promise<Numbers> => {
    const u = centre.map((value, at) => value + 0.01 * Math.sin(at))
    const gradient = new Float32Array(u.length)
    const { lossSum } = await evaluator.gradient(component, u, prefix, gradient)
    return { prefix, losses: await evaluator.losses(component, u, prefix), gradient, lossSum }
  }
  const numbers = async (evaluator: Evaluator, component: string, centre: Float32Array): Promise<Numbers> =>
    numbersOf(evaluator, component, centre, await evaluator.prefix(rows))

  it.each(['made', 'run'] as const)(
    'takes half of the rows, and half of those, when a program that is %s fails, and gives the same numbers ' +
      'within float32 noise',
    async (when) => {
      const { architecture, weights } = await loadModel(await writeTinyModel(join(folder, 'model')))
      for (const component of ['head:0.1', 'mlp:1', 'full']) {
        const centre = flatten(weights, componentSlices(architecture, weights, component))
        const expected = await numbers(
          new TransformerEvaluator(openOnnxCpu(), architecture, weights),
          component,
          centre
        )
        let most = 77
        const device = short(openOnnxCpu(), () => most, when)
        const evaluator = new TransformerEvaluator(device, architecture, weights)
        for (const least of [77, 25, 11]) {
          most = least
          const found = await numbers(evaluator, component, centre)
          expect(apart(found.losses, expected.losses)).toBeLessThan(1e-6)
          expect(apart(found.gradient, expected.gradient)).toBeLessThan(1e-6)
          expect(found.lossSum / expected.lossSum).toBeCloseTo(1, 6)
          for (const [name, values] of Object.entries(expected.prefix.activations))
            expect(apart(found.prefix.activations[name], values), name).toBeLessThan(1e-6)
        }
        // What turned out to fit is remembered: nothing is tried again that was too much.
        const before = device.extents.length
        await numbers(evaluator, component, centre)
        expect(device.extents.slice(before).every((targets) => targets <= 11)).toBe(true)
        most = 5
        await expect(numbers(evaluator, component, centre)).rejects.toMatchObject({
          kind: 'engine',
          message: expect.stringMatching(
            /^The memory of CPU is too short for one row of 12 tokens \(CUDA failure 2: out of memory\); .* choose another engine\.$/
          )
        })
        await evaluator.dispose()
        expect(device.alive()).toBe(0)
      }
    }
  )

  it("has weights and activations cross once, and these not where they would take programs' room; numbers are the same", async () => {
    const { architecture, weights } = await loadModel(await writeTinyModel(join(folder, 'model')))
    const components = ['head:0.0', 'head:1.0', 'mlp:0', 'mlp:1', 'unembed']
    const centres = components.map((component) => flatten(weights, componentSlices(architecture, weights, component)))
    const plain = new TransformerEvaluator(openOnnxCpu(), architecture, weights)
    const expected = await Promise.all(components.map((component, at) => numbers(plain, component, centres[at])))
    const weightBytes = [...weights.values()].reduce(
      (sum, { data }) => sum + data.byteLength,
      weights.get(unembeddingWeight(architecture))!.data.byteLength
    )
    for (const [memoryBytes, holds] of [
      [2 ** 30, true],
      [weightBytes + 6e5, true],
      [weightBytes + 2.5e5, false]
    ] as const) {
      const inner = asForCuda({ memoryBytes })
      const put = new Map<Float32Array, number>()
      let [largest, dropped] = [0, 0]
      const device: Executor = {
        ...withMemory(inner, memoryBytes, { compiled: (graph) => (largest = Math.max(largest, peakBytes(graph))) }),
        resident: (data, shape) => {
          put.set(data, (put.get(data) ?? 0) + 1)
          return inner.resident(data, shape)
        },
        drop: (resident) => {
          dropped++
          inner.drop(resident)
        }
      }
      const evaluator = new TransformerEvaluator(device, architecture, weights)
      const prefix = await evaluator.prefix(rows)
      evaluator.hold(prefix)
      for (const [at, component] of components.entries()) {
        const found = await numbersOf(evaluator, component, centres[at], prefix)
        expect(apart(found.losses, expected[at].losses)).toBeLessThan(1e-6)
        expect(apart(found.gradient, expected[at].gradient)).toBeLessThan(1e-5)
      }
      const activations = Object.values(prefix.activations).filter((array) => put.has(array)).length
      expect(activations > 0).toBe(holds)
      expect([...put.values()].every((times) => times === 1)).toBe(true)
      expect(largest).toBeLessThan(memoryBytes - weightBytes)
      evaluator.release(prefix)
      expect(dropped).toBe(activations)
      await evaluator.dispose()
    }
  })
})
