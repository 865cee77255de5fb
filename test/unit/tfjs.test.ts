import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../main/engine/core/graph'
import { cudaDevice } from '../../main/engine/devices/cuda/nvidia'
import type { ProcessExecutor } from '../../main/engine/apart/client'
import { openBackend } from '../../main/engine/devices/tfjs/backend'
import { deviceIn, lackIn, openTfjsProcess } from '../../main/engine/devices/tfjs/client'
import { tensorflowEnvironment } from '../../main/engine/devices/tfjs/environment'
import { TfjsExecutor } from '../../main/engine/devices/tfjs/executor'
import { checkPlatform } from '../../main/engine/devices/tfjs/package'
import { ReferenceExecutor } from '../../main/engine/reference/executor'
import { type Executor, OutOfDeviceMemory } from '../../main/engine/core/executor'
import { openTensorflow, tensorflowAddon, tensorflowLack } from '../tensorflow-library'
import { uniforms } from '../tiny-model'

const uniform = uniforms(5)
const nvidia = await cudaDevice()
const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => uniform() - 0.5)

/**
 * A graph with a constant, an input, a resident, and outputs that are an input, an intermediate and read by nothing.
 */
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

const title = (what: string): string => `${what}${tensorflowLack === undefined ? '' : ` (skipped: ${tensorflowLack})`}`

describe.skipIf(tensorflowLack !== undefined)(title('TensorFlow in this process'), () => {
  let executor: TfjsExecutor
  beforeAll(async () => (executor = new TfjsExecutor(await openBackend({ addon: tensorflowAddon! }))))

  it('keeps residents and constants while they are needed, and nothing else', async () => {
    const before = tf.memory().numTensors
    const own = sample()
    const program = await executor.compile(own.graph)
    const w = executor.resident(own.w, [8, 4])
    expect(tf.memory().numTensors).toBe(before + 2)
    // Upon its first run a program keeps the numbers that its operations have of their own.
    await program.run({ x: own.x, w })
    const held = tf.memory().numTensors
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
    expectNear(await resultOn(executor, own), await resultOn(new ReferenceExecutor(), own))
  })

  it('multiplies batches that broadcast against each other on both sides', async () => {
    const builder = new GraphBuilder()
    const [a, b] = [builder.input('x', [2, 1, 3, 4]), builder.input('w', [1, 5, 4, 2])]
    builder.output('product', builder.matmul(a, b))
    const graph = builder.build()
    const [x, w] = [numbers(24), numbers(40)]
    const run = async (on: Executor): Promise<Record<string, Float32Array>> => (await on.compile(graph)).run({ x, w })
    expectNear(await run(executor), await run(new ReferenceExecutor()))
  })
})

describe.skipIf(tensorflowLack !== undefined)(title('TensorFlow in a process of its own'), () => {
  let executor: ProcessExecutor
  beforeAll(async () => (executor = await openTensorflow()))
  afterAll(() => executor.dispose())

  it('says its version, and that it has no GPU', () => {
    expect(executor.description).toEqual({
      name: 'tfjs-gpu',
      device: 'CPU',
      precision: 'float32',
      version: expect.stringMatching(/^TensorFlow 2\.\d+\.\d+, tfjs-node-gpu 4\.\d+\.\d+$/)
    })
  })

  it.skipIf(nvidia !== undefined)('says why it has no GPU where it was to have one: here no driver', async () => {
    const device = { name: 'none', memoryBytes: 0, freeBytes: 0, driver: '570' }
    await expect(openTfjsProcess({ addon: tensorflowAddon!, device })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/could not start CUDA \(cuInit: .+\); see that the NVIDIA driver works/)
    })
  })

  it('takes arrays of shared memory, and a resident that is larger than one message', async () => {
    const own = sample()
    const x = new Float32Array(new SharedArrayBuffer(96))
    x.set(own.x)
    expect(await resultOn(executor, { ...own, x })).toEqual(await resultOn(executor, own))
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

  it("knows by TensorFlow's words that memory was short, and what else failed, and goes on after either", async () => {
    const builder = new GraphBuilder()
    const length = 2 ** 20
    builder.output('product', builder.matmul(builder.input('x', [length, 1]), builder.input('w', [1, length])))
    const large = await executor.compile(builder.build())
    const failing = large.run({ x: new Float32Array(length), w: new Float32Array(length) })
    await expect(failing).rejects.toBeInstanceOf(OutOfDeviceMemory)
    await expect(failing).rejects.toThrow(/^OOM when allocating tensor with shape\[1048576,1048576\] and type float/)

    const own = sample()
    const program = await executor.compile(own.graph)
    await expect(program.run({ x: own.x.subarray(1), w: own.w })).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/^TensorFlow.js failed: .*; .*\.$/)
    })
    expectNear(await program.run({ x: own.x, w: own.w }), await resultOn(new ReferenceExecutor(), own))
  })

  it('says that the process ended, to what was at work and to what comes after', async () => {
    const own = sample()
    const ending = await openTensorflow()
    const program = await ending.compile(own.graph)
    const w = ending.resident(own.w, [8, 4])
    await program.run({ x: own.x, w })
    // Stopped, it cannot have answered before it ends.
    process.kill(ending.pid, 'SIGSTOP')
    const atWork = program.run({ x: own.x, w })
    process.kill(ending.pid, 'SIGKILL')
    await expect(atWork).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/process ended \(killed by SIGKILL\).*resume the run/)
    })
    await expect(program.run({ x: own.x, w })).rejects.toMatchObject({ kind: 'engine' })
    await expect(ending.compile(own.graph)).rejects.toMatchObject({ kind: 'engine' })
    await program.dispose()
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

  it('computes in float32, deterministically, on the first device or the one that was named, or on none', () => {
    const own = {
      CUDA_VISIBLE_DEVICES: '0',
      CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
      NVIDIA_TF32_OVERRIDE: '0',
      TF_DETERMINISTIC_OPS: '1',
      TF_FORCE_GPU_ALLOW_GROWTH: 'true'
    }
    const addon = '/engines/tensorflow/addon.node'
    expect(tensorflowEnvironment(true, addon, {})).toMatchObject(own)
    expect(tensorflowEnvironment(true, addon, { CUDA_VISIBLE_DEVICES: '2', NVIDIA_TF32_OVERRIDE: '1' })).toMatchObject({
      ...own,
      CUDA_VISIBLE_DEVICES: '2'
    })
    expect(tensorflowEnvironment(false, addon, { CUDA_VISIBLE_DEVICES: '2' })).toMatchObject({
      CUDA_VISIBLE_DEVICES: '-1'
    })
  })

  it.skipIf(process.platform !== 'linux')('finds CUDA beside its addon, before that of the system', () => {
    const own = tensorflowEnvironment(true, '/engines/t/addon.node', { LD_LIBRARY_PATH: '/other' })
    expect(own['LD_LIBRARY_PATH']).toMatch(
      /^\/engines\/t\/nvidia\/cublas\/lib:.*:\/engines\/t\/nvidia\/cusolver\/lib:.*:\/other$/
    )
  })

  it('names its device as TensorFlow does, and what keeps TensorFlow from taking one', () => {
    expect(
      deviceIn(
        'I0000 00:00:1 gpu_device.cc:2020] Created device /job:localhost/replica:0/task:0/device:GPU:0 with ' +
          '78000 MB memory:  -> device: 0, name: NVIDIA H100 80GB HBM3, pci bus id: 0000:19:00.0, compute ' +
          'capability: 9.0\n'
      )
    ).toBe('NVIDIA H100 80GB HBM3, compute capability 9.0')
    expect(deviceIn('')).toBeUndefined()
    expect(
      lackIn(
        'E0000 00:00:1796075262.986664   32562 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA ' +
          'error: Failed call to cuInit: UNKNOWN ERROR (303)\n'
      )
    ).toMatch(/^TensorFlow could not start CUDA \(cuInit: UNKNOWN ERROR \(303\)\); see that the NVIDIA driver works/)
    expect(
      lackIn(
        "I0000 dso_loader.cc] Could not load dynamic library 'libcudnn.so.9'; dlerror: libcudnn.so.9: cannot " +
          'open\nW0000 gpu_device.cc:2341] Cannot dlopen some GPU libraries.\n'
      )
    ).toMatch(/could not load libcudnn\.so\.9; run `spectroscope engines remove tfjs` and install again/)
    expect(lackIn('')).toBeUndefined()
  })
})
