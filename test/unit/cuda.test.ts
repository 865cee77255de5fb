import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkEngine, listEngines, resolveEngine } from '../../main/engine/engines'
import type { Executor } from '../../main/engine/core/executor'
import { openOnnxCuda } from '../../main/engine/devices/cuda/open'
import { cudaPlanWords, installCuda, planCuda } from '../../main/engine/devices/cuda/install'
import { canInstallCuda, checkCudaPlatform, checkDriver, openingRemedy } from '../../main/engine/devices/cuda/needs'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import {
  copyFolder,
  folderWithCuda,
  installedFolder,
  librariesFolder,
  libraryPath,
  loadOnnx
} from '../../main/engine/onnx/package'
import { isAtLeast } from '../../main/engine/devices/cuda/nvidia'
import { selfCheck } from '../../main/engine/reference/self-check'
import { type Feed, feedLack, pathWithDriver, startFeed } from '../nuget-feed'

const never = new AbortController().signal

describe.skipIf(feedLack !== undefined)(
  `the provider for CUDA, from a feed${feedLack === undefined ? '' : ` (skipped: ${feedLack})`}`,
  () => {
    let [root, engines] = ['', '']
    let feed: Feed
    const withDriver = (driver: string | undefined): void =>
      void vi.stubEnv('PATH', pathWithDriver(join(root, `driver ${driver ?? 'none'}`), driver))

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'spectroscope-cuda-'))
      feed = await startFeed(join(root, 'made'))
    })
    afterAll(() => {
      feed.close()
      rmSync(root, { recursive: true, force: true })
    })
    beforeEach(() => {
      engines = mkdtempSync(join(root, 'engines-'))
      vi.stubEnv('SPECTROSCOPE_ENGINES', engines)
      vi.stubEnv('SPECTROSCOPE_NUGET', `${feed.address}/index.json`)
      feed.manner = 'whole'
      feed.asked.length = 0
    })
    afterEach(() => {
      feed.drop()
      vi.unstubAllEnvs()
    })

    const install = async (
      onProgress: (progress: { done: number; total: number }) => void = () => undefined,
      signal = never
    ): Promise<void> =>
      installCuda(await planCuda(never), { onProgress, onNote: () => undefined, signal, retryDelay: 1 })

    it('is told of before it is downloaded: what it needs, how much it is, from where and to where', async () => {
      withDriver('550.54.14')
      const plan = await planCuda(never)
      expect(plan).toMatchObject({
        bytes: feed.archive.length,
        checksum: createHash('sha512').update(feed.archive).digest('base64'),
        version: '1.30.0',
        device: { driver: '550.54.14' }
      })
      expect(cudaPlanWords(plan)).toMatch(
        /version 1\.30\.0, needs an NVIDIA driver, CUDA 13 and cuDNN 9, which it does not bring\. The NVIDIA driver is 550\.54\.14, and CUDA 13 needs 580\.65\.06 at least: install a newer one first\. It downloads \d+ MB from 127\.0\.0\.1:\d+, whose checksum is compared/
      )
      expect(cudaPlanWords(plan)).toContain(engines)
      withDriver('580.65.06')
      expect(cudaPlanWords(await planCuda(never))).not.toContain('install a newer one')
      expect(feed.asked.some((line) => line.startsWith('GET') && line.endsWith('.nupkg'))).toBe(false)
      expect(readdirSync(engines)).toEqual([])
    })

    it('says so where there is no GPU, or no checksum', async () => {
      withDriver(undefined)
      feed.manner = 'unregistered'
      const plan = await planCuda(never)
      expect(plan).toMatchObject({ bytes: feed.archive.length, checksum: null, device: undefined })
      expect(cudaPlanWords(plan)).toMatch(/no NVIDIA GPU here.*gives no checksum/)
    })

    it('is refused where the driver is too old, before anything is asked', async () => {
      withDriver('470.82.01')
      await expect(planCuda(never)).rejects.toMatchObject({
        kind: 'engine',
        message: 'The NVIDIA driver is 470.82.01 and CUDA 13 needs 580.65.06 at least; install a newer driver.'
      })
      expect(feed.asked).toEqual([])
      expect(await canInstallCuda()).toBe(false)
    })

    it('is put beside a copy of onnxruntime, which is what is loaded from then on; what it needs and the system has not is named', async () => {
      withDriver('550.54.14')
      expect(folderWithCuda()).toBeUndefined()
      expect(await canInstallCuda()).toBe(true)
      await expect(openOnnxCuda('float32')).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringContaining('`spectroscope engines install cuda` fetches it')
      })
      const told: { done: number; total: number }[] = []
      await install((progress) => told.push(progress))
      expect(told.at(-1)).toEqual({ done: feed.archive.length, total: feed.archive.length })
      expect(folderWithCuda()).toBe(copyFolder())
      expect(await canInstallCuda()).toBe(false)
      expect(readdirSync(engines)).toHaveLength(1)
      const libraries = librariesFolder(copyFolder())
      for (const file of readdirSync(librariesFolder(installedFolder())))
        expect(statSync(join(libraries, file)).size).toBe(statSync(join(librariesFolder(installedFolder()), file)).size)
      for (const provider of ['cpu', 'cuda', 'webgpu'] as const) expect(dirname(libraryPath(provider))).toBe(libraries)
      expect(typeof loadOnnx().InferenceSession.create).toBe('function')

      const opening = openOnnxCuda('float32')
      await expect(opening).rejects.toThrow(/^CUDA could not be opened on NVIDIA H100 80GB HBM3 \(Failed to load /)
      await expect(opening).rejects.toThrow('libcudart.so.12: cannot open shared object file: ')
      await expect(opening).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringMatching(
          /\); install the libraries of CUDA 12 and cuDNN 9 for it, or name their folder in LD_LIBRARY_PATH\.$/
        )
      })
      const listed = (await listEngines()).find((each) => each.name === 'onnx-cuda')
      expect(listed).toMatchObject({
        available: false,
        device: 'NVIDIA H100 80GB HBM3, 80 GiB, driver 550.54.14',
        remedy: expect.stringContaining('libcudart.so.12')
      })
      expect(listed).not.toHaveProperty('install')
      expect(await resolveEngine('auto')).toBe('onnx-cpu')
    })

    it('is gone on with where it was cut off, and downloads no byte twice', async () => {
      feed.manner = 'cut'
      await expect(install()).rejects.toMatchObject({
        kind: 'network',
        message: expect.stringMatching(/cut off after .* install again to go on/)
      })
      expect(folderWithCuda()).toBeUndefined()
      const [part] = readdirSync(engines)
      const have = statSync(join(engines, part)).size
      expect(have).toBeGreaterThan(0)
      feed.manner = 'whole'
      const told: number[] = []
      await install(({ done }) => told.push(done))
      expect(told[0]).toBeGreaterThan(have)
      expect(folderWithCuda()).toBe(copyFolder())
      expect(readdirSync(engines)).toHaveLength(1)
    })

    it('can be stopped, and then is not there', async () => {
      feed.manner = 'stalled'
      const controller = new AbortController()
      await expect(install(() => controller.abort(), controller.signal)).rejects.toMatchObject({
        kind: 'interrupted',
        message: expect.stringContaining('install again')
      })
      expect(folderWithCuda()).toBeUndefined()
    })

    it('is thrown away where its checksum is another', async () => {
      feed.manner = 'wrong'
      await expect(install()).rejects.toMatchObject({
        kind: 'network',
        message: expect.stringContaining('another checksum')
      })
      expect(readdirSync(engines)).toEqual([])
    })

    it('is thrown away where a file in it is damaged, though the feed gives no checksum', async () => {
      const plan = { ...(await planCuda(never)), checksum: null }
      feed.manner = 'wrong'
      await expect(
        installCuda(plan, { onProgress: () => undefined, onNote: () => undefined, signal: never })
      ).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('is damaged') })
      expect(readdirSync(engines)).toEqual([])
    })

    it('says that there is no network, no such feed, or no such package, and what to do', async () => {
      const closed = createServer().listen(0, '127.0.0.1')
      await once(closed, 'listening')
      const { port } = closed.address() as AddressInfo
      closed.close()
      vi.stubEnv('SPECTROSCOPE_NUGET', `http://127.0.0.1:${port}/index.json`)
      await expect(planCuda(never)).rejects.toMatchObject({
        kind: 'network',
        message: expect.stringMatching(
          /can't be reached \(ECONNREFUSED\).*SPECTROSCOPE_NUGET.*SPECTROSCOPE_CUDA_PACKAGE/
        )
      })
      vi.stubEnv('SPECTROSCOPE_NUGET', `${feed.address}/catalog.json`)
      await expect(planCuda(never)).rejects.toMatchObject({
        kind: 'network',
        message: expect.stringContaining('is no index of a NuGet feed')
      })
      vi.stubEnv('SPECTROSCOPE_NUGET', `${feed.address}/index.json`)
      feed.manner = 'gone'
      await expect(planCuda(never)).rejects.toMatchObject({
        kind: 'network',
        message: expect.stringContaining('has no microsoft.ml.onnxruntime.gpu.linux 1.30.0 (HTTP 404)')
      })
    })

    it('can be carried to a machine without a network', async () => {
      const carried = join(root, 'carried.nupkg')
      writeFileSync(carried, feed.archive)
      vi.stubEnv('SPECTROSCOPE_CUDA_PACKAGE', carried)
      expect(cudaPlanWords(await planCuda(never))).toMatch(
        /needs an NVIDIA driver, CUDA and cuDNN 9, which it does not bring\. .*It is unpacked from .*carried\.nupkg/
      )
      await install()
      expect(folderWithCuda()).toBe(copyFolder())
      expect(existsSync(carried)).toBe(true)
      expect(feed.asked).toEqual([])
      vi.stubEnv('SPECTROSCOPE_CUDA_PACKAGE', join(root, 'lost.nupkg'))
      await expect(planCuda(never)).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringContaining('there is no such file')
      })
    })
  }
)

describe("onnxruntime's own library", () => {
  it.each([
    ['linux', 'x64'],
    ['linux', 'arm64'],
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['win32', 'arm64']
  ] as const)("is where npm's package has it for %s on %s", (platform, architecture) => {
    expect(statSync(libraryPath('cpu', platform, architecture)).size).toBeGreaterThan(2 ** 24)
  })
})

describe('what CUDA asks for', () => {
  it('is Linux or Windows on x64', () => {
    expect(() => checkCudaPlatform('darwin', 'x64')).toThrow(
      /under Linux and Windows on x64 only, and this is darwin on x64; choose another engine/
    )
    expect(() => checkCudaPlatform('linux', 'arm64')).toThrow(/linux on arm64/)
    expect(() => checkCudaPlatform('win32', 'arm64')).toThrow(/win32 on arm64/)
    expect(() => checkCudaPlatform('linux', 'x64')).not.toThrow()
    expect(() => checkCudaPlatform('win32', 'x64')).not.toThrow()
  })

  it('is a driver of its own version', () => {
    expect(isAtLeast('525.60.13', '525.60.13')).toBe(true)
    expect(isAtLeast('525.105.17', '525.60.13')).toBe(true)
    expect(isAtLeast('525.60.11', '525.60.13')).toBe(false)
    expect(isAtLeast('9.9', '525.60.13')).toBe(false)
    const device = { name: 'any', memoryBytes: 1, freeBytes: 1, driver: '550.54.14' }
    expect(() => checkDriver(device, 12, 'linux')).not.toThrow()
    expect(() => checkDriver(device, 13, 'linux')).toThrow(/CUDA 13 needs 580\.65\.06 at least; install a newer driver/)
    expect(() => checkDriver({ ...device, driver: '527.41' }, 12, 'win32')).toThrow(/CUDA 12 needs 528\.33 at least/)
    expect(() => checkDriver({ ...device, driver: '528.33' }, 12, 'win32')).not.toThrow()
    expect(() => checkDriver({ ...device, driver: '577.00' }, 13, 'win32')).toThrow(/CUDA 13 needs 580 at least/)
    expect(() => checkDriver({ ...device, driver: '580.88' }, 13, 'win32')).not.toThrow()
  })

  it('is a library that a loader names, with what brings it', () => {
    const glibc = (name: string): string =>
      `Failed to load x.so with error: ${name}: cannot open shared object file: No such`
    expect(openingRemedy(glibc('libcufft.so.12'), 'linux')).toBe(
      'install the libraries of CUDA 12 and cuDNN 9 for it, or name their folder in LD_LIBRARY_PATH'
    )
    expect(openingRemedy(glibc('libcudnn.so.9'), 'linux')).toMatch(/^install the libraries of CUDA 13 and cuDNN 9/)
    expect(openingRemedy(glibc('libcuda.so.1'), 'linux')).toBe('install the NVIDIA driver')
    const windows = 'LoadLibrary failed with error 126 "" when trying to load "C:\\x\\onnxruntime_providers_cuda.dll"'
    expect(openingRemedy(windows, 'win32')).toBe(
      'install the libraries of CUDA 13 and cuDNN 9 for it and the Microsoft Visual C++ Redistributable for x64, ' +
        'or add their folders to PATH and start the program again'
    )
    expect(openingRemedy('Failed to load x.so with error: x.so: file too short', 'linux')).toBe(
      'run `spectroscope engines install cuda` again'
    )
    expect(openingRemedy('CUDA failure 2: out of memory', 'linux')).toMatch(
      /^see that nothing else has the GPU's memory/
    )
  })

  it('is a precision that the engine has; the others are refused with what to do', () => {
    expect(() => checkEngine('onnx-cuda', 'tf32')).not.toThrow()
    expect(() => checkEngine('auto', 'tf32')).not.toThrow()
    expect(() => checkEngine('tfjs-gpu', 'tf32')).toThrow(
      'tfjs-gpu does not compute in tf32; choose onnx-cuda, or set "precision" to "float32".'
    )
    expect(() => checkEngine('abacus')).toThrow(/There is no engine "abacus"/)
  })
})

describe('the self-check of an engine', () => {
  /** What a card's tensor cores keep of a number: ten bits of the mantissa. */
  const rounded = (values: Float32Array): Float32Array => {
    const bits = new Int32Array(values.slice().buffer)
    for (let at = 0; at < bits.length; at++) bits[at] = (bits[at] + 0x1000) & ~0x1fff
    return new Float32Array(bits.buffer)
  }
  const changed = (change: (values: Float32Array) => Float32Array): Executor => {
    const executor = openOnnxCpu()
    return {
      description: executor.description,
      resident: (data, shape) => executor.resident(change(data), shape),
      drop: () => {},
      compile: (graph) => executor.compile(graph),
      dispose: () => executor.dispose()
    }
  }

  it('passes what computes in float32', async () => selfCheck(openOnnxCpu(), 'float32'))
  it('tells TF32 from float32, and lets it pass where it was asked for', async () => {
    await expect(selfCheck(changed(rounded), 'float32')).rejects.toMatchObject({
      kind: 'engine',
      message: expect.stringMatching(
        /computes other numbers than float32 has \(relative error [\d.]+e-4.*update the driver/
      )
    })
    await selfCheck(changed(rounded), 'tf32')
  })
  it('refuses wrong numbers in any precision', async () => {
    await expect(
      selfCheck(
        changed((values) => values.map((value, at) => (at === 77 ? NaN : value))),
        'tf32'
      )
    ).rejects.toMatchObject({ kind: 'engine' })
    await expect(
      selfCheck(
        changed((values) => values.map((value) => 1.02 * value)),
        'tf32'
      )
    ).rejects.toMatchObject({ kind: 'engine' })
  })
})
