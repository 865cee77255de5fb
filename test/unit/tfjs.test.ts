import * as tf from '@tensorflow/tfjs-core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { GraphBuilder } from '../../main/engine/graph'
import type { ProcessExecutor } from '../../main/engine/apart/client'
import { openTfjsProcess } from '../../main/engine/tfjs/client'
import { gpuEnvironment } from '../../main/engine/tfjs/environment'
import { TfjsExecutor } from '../../main/engine/tfjs/executor'
import { checkPlatform } from '../../main/engine/tfjs/installation'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { type Executor, OutOfDeviceMemory } from '../../main/engine/executor'
import { uniforms } from '../tiny-model'

const uniform = uniforms(5)
const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => uniform() - 0.5)

/** A graph with a constant, an input, a resident, and outputs that are an input, an intermediate and read by nothing. */
const sample = () => {
  const builder = new GraphBuilder()
  const [x, w] = [builder.input('x', [6, 4]), builder.input('w', [8, 4])]
  const { sums, weighted } = builder.exponentialSums(x, w, 7, 4)
  builder.output('same', x)
  builder.output('sums', sums)
  builder.output('slope', builder.exponentialSumsSlope(x, w, builder.reciprocal(sums), 4))
  builder.output(
    'product',
    builder.matmul(builder.mul(weighted, builder.constant(Float32Array.of(1, 2, 3, 4), [4])), w, { transposeB: true })
  )
  return { graph: builder.build(), x: numbers(24), w: numbers(32).fill(0, 28) }
}

const resultOn = async (
  executor: Executor,
  { graph, x, w }: ReturnType<typeof sample>
): Promise<Record<string, Float32Array>> => {
  const program = await executor.compile(graph)
  const result = await program.run({ x, w: executor.resident(w, [8, 4]) })
  await program.dispose()
  return result
}

const expectNear = (result: Record<string, Float32Array>, expected: Record<string, Float32Array>): void => {
  expect(Object.keys(result).sort()).toEqual(Object.keys(expected).sort())
  for (const [name, values] of Object.entries(expected))
    values.forEach((value, at) => expect(result[name][at], name).toBeCloseTo(value, 4))
}

describe.each(['cpu', 'wasm'] as const)('TensorFlow.js on its %s backend', (backend) => {
  it('keeps residents and constants while they are needed, and nothing else', async () => {
    const executor = await TfjsExecutor.open(backend)
    const before = tf.memory().numTensors
    const own = sample()
    const program = await executor.compile(own.graph)
    const w = executor.resident(own.w, [8, 4])
    const held = tf.memory().numTensors
    expect(held).toBe(before + 2)
    for (let run = 0; run < 3; run++) {
      await program.run({ x: own.x, w })
      expect(tf.memory().numTensors).toBe(held)
    }
    await expect(program.run({ x: own.x.subarray(1), w })).rejects.toThrow()
    expect(tf.memory().numTensors).toBe(held)
    await program.dispose()
    await executor.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  it('takes exponentials of the vocabulary alone, and the slope of all rows', async () => {
    const own = sample()
    expectNear(await resultOn(await TfjsExecutor.open(backend), own), await resultOn(new ReferenceExecutor(), own))
  })

  it('multiplies batches that broadcast against each other on both sides', async () => {
    const builder = new GraphBuilder()
    const [a, b] = [builder.input('x', [2, 1, 3, 4]), builder.input('w', [1, 5, 4, 2])]
    builder.output('product', builder.matmul(a, b))
    const graph = builder.build()
    const [x, w] = [numbers(24), numbers(40)]
    const run = async (executor: Executor): Promise<Record<string, Float32Array>> =>
      (await executor.compile(graph)).run({ x, w })
    expectNear(await run(await TfjsExecutor.open(backend)), await run(new ReferenceExecutor()))
  })
})

describe('a backend whose memory is short', () => {
  it('is known by what TensorFlow says, to be asked for less', async () => {
    const own = sample()
    const program = await (await TfjsExecutor.open('cpu')).compile(own.graph)
    const data = vi.spyOn(tf.Tensor.prototype, 'data')
    try {
      data.mockRejectedValueOnce(
        new Error('OOM when allocating tensor with shape[65536,50304] and type float\nHint: nothing')
      )
      await expect(program.run({ x: own.x, w: own.w })).rejects.toBeInstanceOf(OutOfDeviceMemory)
      data.mockRejectedValueOnce(new Error('Invalid argument'))
      await expect(program.run({ x: own.x, w: own.w })).rejects.toThrow(/^Invalid argument$/)
    } finally {
      data.mockRestore()
    }
    expectNear(await program.run({ x: own.x, w: own.w }), await resultOn(new ReferenceExecutor(), own))
  })
})

describe('TensorFlow.js in a process of its own', () => {
  const opened: ProcessExecutor[] = []
  const open = async (): Promise<ProcessExecutor> => {
    const executor = await openTfjsProcess('wasm')
    opened.push(executor)
    return executor
  }
  afterEach(async () => {
    for (const executor of opened.splice(0)) await executor.dispose()
  })

  it('gives what it gives here, bit for bit, from shared memory too', async () => {
    const own = sample()
    const x = new Float32Array(new SharedArrayBuffer(96))
    x.set(own.x)
    const here = await resultOn(await TfjsExecutor.open('wasm'), own)
    expect(await resultOn(await open(), { ...own, x })).toEqual(here)
  })

  it('takes a resident that is larger than one message', async () => {
    const executor = await open()
    const rows = 5 * 2 ** 20
    const builder = new GraphBuilder()
    builder.output('taken', builder.gather(builder.input('table', [rows, 1]), builder.input('ids', [3], 'int')))
    const program = await executor.compile(builder.build())
    const table = executor.resident(
      Float32Array.from({ length: rows }, (_, at) => at),
      [rows, 1]
    )
    expect(await program.run({ table, ids: Int32Array.of(0, 4 * 2 ** 20 + 1, rows - 1) })).toEqual({
      taken: Float32Array.of(0, 4 * 2 ** 20 + 1, rows - 1)
    })
  })

  it('says that the process ended, to what was at work and to what comes after', async () => {
    const own = sample()
    const executor = await open()
    const program = await executor.compile(own.graph)
    const w = executor.resident(own.w, [8, 4])
    await program.run({ x: own.x, w })
    // Stopped, it cannot have answered before it ends.
    process.kill(executor.pid, 'SIGSTOP')
    const atWork = program.run({ x: own.x, w })
    process.kill(executor.pid, 'SIGKILL')
    await expect(atWork).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/process ended \(killed by SIGKILL\).*resume the run/)
    })
    await expect(program.run({ x: own.x, w })).rejects.toMatchObject({ kind: 'engine' })
    await expect(executor.compile(own.graph)).rejects.toMatchObject({ kind: 'engine' })
    await program.dispose()
  })

  it('says what failed in a run that the process outlives', async () => {
    const own = sample()
    const executor = await open()
    const program = await executor.compile(own.graph)
    await expect(program.run({ x: own.x.subarray(1), w: own.w })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/^TensorFlow.js failed: .*; .*\.$/)
    })
    expectNear(await program.run({ x: own.x, w: own.w }), await resultOn(new ReferenceExecutor(), own))
  })

  it("is no start for a window: with Electron's runtime it is refused in a sentence", async () => {
    Object.defineProperty(process.versions, 'electron', { value: '45.0.0', configurable: true, enumerable: true })
    try {
      await expect(openTfjsProcess('wasm')).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringContaining('spectroscope serve')
      })
    } finally {
      delete (process.versions as Record<string, string | undefined>)['electron']
    }
  })
})

describe('the GPU engine', () => {
  it('is refused where the package has no library for a GPU, with another engine as the remedy', () => {
    expect(() => checkPlatform('darwin', 'arm64')).toThrow(
      /Linux and Windows on x64 only, and this is darwin on arm64; choose another engine/
    )
    expect(() => checkPlatform('linux', 'arm64')).toThrow(/linux on arm64/)
    expect(() => checkPlatform('win32', 'x64')).not.toThrow()
  })

  it('computes in float32, deterministically, on the first device or the one that was named', () => {
    expect(gpuEnvironment({})).toMatchObject({
      CUDA_VISIBLE_DEVICES: '0',
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
      NVIDIA_TF32_OVERRIDE: '0',
      TF_DETERMINISTIC_OPS: '1'
    })
    expect(gpuEnvironment({ CUDA_VISIBLE_DEVICES: '2', NVIDIA_TF32_OVERRIDE: '1' })).toMatchObject({
      CUDA_VISIBLE_DEVICES: '2',
      NVIDIA_TF32_OVERRIDE: '0'
    })
  })
})
