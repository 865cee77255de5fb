import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ProcessExecutor } from '../../main/engine/apart/client'
import type { Program } from '../../main/engine/core/executor'
import { GraphBuilder } from '../../main/engine/core/graph'
import { checkEngine } from '../../main/engine/engines'
import { adapterAmong, adapterOfLoader, isSoftware, namesOfMac } from '../../main/engine/devices/webgpu/adapter'
import { deviceOfKind, openWebGpu, vulkanChatter, vulkanEnvironment } from '../../main/engine/devices/webgpu/client'
import { StartupOutput, openedMark } from '../../main/engine/apart/startup-output'
import { executors } from '../executors'

const made = (name: string, driver: string): string =>
  `LAYER:                <Device>\nLAYER:                   Using "${name}" with driver: "${driver}"\n`

describe('the adapter', () => {
  it('is the device that the Vulkan loader made last', () => {
    expect(
      adapterOfLoader(
        made('llvmpipe (LLVM 15.0.6, 256 bits)', 'libvulkan_lvp.so') +
          made('NVIDIA H100 80GB HBM3', 'libGLX_nvidia.so.0')
      )
    ).toEqual({ name: 'NVIDIA H100 80GB HBM3', software: false })
    expect(adapterOfLoader('LAYER: Searching for layer manifest files\n')).toBeUndefined()
  })

  it.each([
    ['llvmpipe (LLVM 15.0.6, 256 bits)', 'libvulkan_lvp.so'],
    ['SwiftShader Device (Subzero)', '/usr/lib/chromium/./libvk_swiftshader.so'],
    ['A device', '/opt/libvk_swiftshader.so'],
    ['Microsoft Basic Render Driver', 'vulkan_dzn.dll']
  ])('is software where it is %s of %s, and is refused where a GPU is asked for', (name, driver) => {
    const adapter = adapterOfLoader(made(name, driver))
    expect(adapter).toEqual({ name, software: true })
    expect(() => deviceOfKind('hardware', adapter)).toThrow(
      `no GPU here, but ${name}, which is software on the processor`
    )
    expect(deviceOfKind('software', adapter)).toBe(`${name}, software on the processor`)
  })

  it.each([
    'AMD Radeon RX 7900 XTX (RADV NAVI31)',
    'Intel(R) Arc(tm) A770 Graphics (DG2)',
    'NVIDIA GeForce RTX 4090',
    'Apple M2 Pro',
    'Warped Graphics 3000'
  ])('is hardware where it is %s', (name) => expect(isSoftware(name)).toBe(false))

  it('that is a GPU is never taken for software, and one without a name is not trusted', () => {
    const adapter = { name: 'NVIDIA GeForce RTX 4090', software: false }
    expect(deviceOfKind('hardware', adapter)).toBe('NVIDIA GeForce RTX 4090')
    expect(() => deviceOfKind('software', adapter)).toThrow(/choose webgpu\.$/)
    for (const kind of ['hardware', 'software'] as const)
      expect(() => deviceOfKind(kind, undefined, 'linux')).toThrow(/does not say what it is/)
    expect(deviceOfKind('hardware', undefined, 'darwin')).toBe('a GPU without a name')
  })

  it('that is software is an engine of tests alone: a variable has it, and no list names it', () => {
    vi.stubEnv('SPECTROSCOPE_TEST_ENGINES', '')
    const words = 'There is no engine "webgpu-software"; choose one of '
    expect(() => checkEngine('webgpu-software')).toThrow(
      `${words}auto, onnx-cpu, onnx-cuda, webgpu, tfjs-gpu, reference.`
    )
    vi.stubEnv('SPECTROSCOPE_TEST_ENGINES', '1')
    expect(() => checkEngine('webgpu-software')).not.toThrow()
    expect(() => checkEngine('abacus')).toThrow(/reference\.$/)
    expect(() => checkEngine('abacus')).not.toThrow(/software/)
    vi.unstubAllEnvs()
  })

  it('is looked for among drivers of its kind alone', () => {
    expect(vulkanEnvironment('hardware', {})).toMatchObject({ VK_LOADER_DRIVERS_DISABLE: '*lvp*,*swiftshader*' })
    expect(vulkanEnvironment('hardware', { VK_LOADER_DRIVERS_DISABLE: '*intel*' })).toMatchObject({
      VK_LOADER_DRIVERS_DISABLE: '*intel*,*lvp*,*swiftshader*'
    })
    expect(vulkanEnvironment('software', {})).toMatchObject({ VK_LOADER_DRIVERS_SELECT: '*lvp*,*swiftshader*' })
  })

  it('of a system that does not say which one it takes is one of its hardware, or its software', () => {
    expect(adapterAmong([])).toBeUndefined()
    expect(adapterAmong(['Microsoft Basic Display Adapter'])).toEqual({
      name: 'Microsoft Basic Display Adapter',
      software: true
    })
    expect(adapterAmong(['Intel UHD 770', 'Microsoft Basic Render Driver', 'NVIDIA RTX A2000'])).toEqual({
      name: 'Intel UHD 770 or NVIDIA RTX A2000',
      software: false
    })
    expect(
      namesOfMac(
        '{"SPDisplaysDataType":[{"_name":"Apple M2 Pro","sppci_model":"Apple M2 ' +
          'Pro"},{"_name":"spdisplays_display"}]}'
      )
    ).toEqual(['Apple M2 Pro'])
    expect(namesOfMac('{}')).toEqual([])
  })
})

describe('what the process writes to standard error', () => {
  it('is kept up to the mark and passed on after it, but for the lines of the loader, however it is cut', async () => {
    const text =
      `${made('llvmpipe', 'libvulkan_lvp.so')}Warning: maxDynamicUniformBuffersPerPipelineLayout artificially ` +
      `reduced from 1000000 to 16\n${openedMark}DEBUG | LAYER:    Unloading layer library x.so\nterminate ` +
      `called\n`
    for (const size of [1, 7, text.length]) {
      const passed: string[] = []
      const output = new StartupOutput(vulkanChatter, (line) => passed.push(line))
      for (let at = 0; at < text.length; at += size) output.take(text.slice(at, at + size))
      expect(adapterOfLoader(await output.opened)).toEqual({ name: 'llvmpipe', software: true })
      expect(passed).toEqual(['terminate called\n'])
    }
  })
})

describe('WebGPU where there is no driver', () => {
  const nowhere = { VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' }
  it.skipIf(process.platform !== 'linux')('is refused in a sentence that says what to install', async () => {
    await expect(openWebGpu('hardware', nowhere)).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/no GPU here; install or update its driver/)
    })
    await expect(openWebGpu('software', nowhere)).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(/no software adapter here; install Mesa's/)
    })
  })
})

const { missing } = executors['webgpu-software']

describe(
  missing === undefined ? 'WebGPU in a process of its own' : `WebGPU in a process of its own (skipped: ${missing})`,
  () => {
    let executor: ProcessExecutor
    let program: Program
    const [rows, width] = [5, 3]
    const table = Float32Array.from({ length: rows * width }, (_, at) => at)

    beforeAll(async () => {
      if (missing !== undefined) return
      executor = await openWebGpu('software')
      const builder = new GraphBuilder()
      builder.output(
        'taken',
        builder.scale(builder.gather(builder.input('table', [rows, width]), builder.input('ids', [2], 'int')), 2)
      )
      program = await executor.compile(builder.build())
    })
    afterAll(async () => {
      if (missing === undefined) await executor.dispose()
    })

    it.skipIf(missing !== undefined)('says on what it computes', () => {
      const { device, ...description } = executor.description
      expect(device).toMatch(/^.+, software on the processor$/)
      expect(description).toEqual({
        name: 'webgpu-software',
        precision: 'float32',
        version: expect.stringMatching(/^onnxruntime \d/)
      })
    })

    it.skipIf(missing !== undefined)('holds a resident on the device, and takes it in every run', async () => {
      const resident = executor.resident(table, [rows, width])
      for (let run = 0; run < 3; run++)
        expect(await program.run({ table: resident, ids: Int32Array.of(4, run) })).toEqual({
          taken: Float32Array.of(24, 26, 28, 6 * run, 6 * run + 2, 6 * run + 4)
        })
    })

    it.skipIf(missing !== undefined)(
      'adds what falls on one row in an order of its own, so that it is the same bits again',
      async () => {
        const builder = new GraphBuilder()
        builder.output(
          'sums',
          builder.scatterAdd(builder.input('updates', [4096, 8]), builder.input('ids', [4096], 'int'), 3)
        )
        const adding = await executor.compile(builder.build())
        const inputs = {
          updates: Float32Array.from({ length: 4096 * 8 }, (_, at) => Math.sin(at) * 10 ** (at % 7)),
          ids: Int32Array.from({ length: 4096 }, (_, at) => at % 3)
        }
        const first = await adding.run(inputs)
        for (let run = 0; run < 5; run++) expect(await adding.run(inputs)).toEqual(first)
        await adding.dispose()
      }
    )

    it.skipIf(missing !== undefined)('outlives a run that fails, and says that it failed', async () => {
      await expect(program.run({ table: table.subarray(1), ids: Int32Array.of(0, 1) })).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(/^WebGPU failed: .*; .*\.$/)
      })
      expect(await program.run({ table, ids: Int32Array.of(0, 1) })).toEqual({
        taken: Float32Array.of(0, 2, 4, 6, 8, 10)
      })
    })

    it.skipIf(missing !== undefined)('says that the process ended, as when a driver takes it along', async () => {
      // Stopped, it cannot have answered before it ends.
      process.kill(executor.pid, 'SIGSTOP')
      const atWork = program.run({ table, ids: Int32Array.of(0, 1) })
      process.kill(executor.pid, 'SIGKILL')
      await expect(atWork).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(/WebGPU process ended \(killed by SIGKILL\).*resume the run/)
      })
      await expect(program.run({ table, ids: Int32Array.of(0, 1) })).rejects.toMatchObject({ kind: 'engine' })
    })
  }
)
