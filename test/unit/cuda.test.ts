import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { crc32, deflateRawSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { checkEngine, listEngines, resolveEngine } from '../../main/engine/engines'
import type { Executor } from '../../main/engine/executor'
import { openOnnxCuda } from '../../main/engine/onnx/cuda'
import { cudaPlanWords, installCuda, planCuda } from '../../main/engine/onnx/cuda-install'
import { canInstallCuda, checkCudaPlatform, checkDriver, neededByProvider } from '../../main/engine/onnx/cuda-needs'
import { openOnnxCpu } from '../../main/engine/onnx/executor'
import { copyFolder, folderWithCuda, installedFolder, librariesFolder, loadOnnx, providerFiles } from '../../main/engine/onnx/package'
import { isAtLeast } from '../../main/engine/nvidia'
import { selfCheck } from '../../main/engine/self-check'

const compiler = spawnSync('gcc', ['--version']).status === 0
const missing = !compiler
  ? 'there is no gcc to make a library with'
  : process.platform !== 'linux' || process.arch !== 'x64'
    ? 'the provider is for Linux on x64'
    : folderWithCuda() === installedFolder()
      ? 'npm has installed the provider itself'
      : undefined
const never = new AbortController().signal

/** A ZIP archive of files: deflated, or stored where they shrink by nothing. */
const zip = (files: Readonly<Record<string, Buffer>>): Buffer => {
  const [parts, directory]: [Buffer[], Buffer[]] = [[], []]
  let at = 0
  for (const [name, content] of Object.entries(files)) {
    const deflated = deflateRawSync(content)
    const [method, packed] = deflated.length < content.length ? [8, deflated] : [0, content]
    const sizes = Buffer.alloc(12)
    sizes.writeUInt32LE(crc32(content))
    sizes.writeUInt32LE(packed.length, 4)
    sizes.writeUInt32LE(content.length, 8)
    const header = Buffer.alloc(30)
    header.writeUInt32LE(0x04034b50)
    header.writeUInt16LE(method, 8)
    sizes.copy(header, 14)
    header.writeUInt16LE(name.length, 26)
    const entry = Buffer.alloc(46)
    entry.writeUInt32LE(0x02014b50)
    entry.writeUInt16LE(method, 10)
    sizes.copy(entry, 16)
    entry.writeUInt16LE(name.length, 28)
    entry.writeUInt32LE(at, 42)
    parts.push(header, Buffer.from(name), packed)
    directory.push(entry, Buffer.from(name))
    at += 30 + name.length + packed.length
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt16LE(Object.keys(files).length, 8)
  end.writeUInt16LE(Object.keys(files).length, 10)
  end.writeUInt32LE(directory.reduce((sum, { length }) => sum + length, 0), 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, ...directory, end])
}

/** A command by the name of nvidia-smi that answers as one of this driver would, or that there is no such device. */
const withDriver = (folder: string, driver: string | undefined): void => {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'nvidia-smi')
  writeFileSync(path, driver === undefined ? '#!/bin/sh\nexit 9\n' : `#!/bin/sh\necho "NVIDIA H100 80GB HBM3, 81559, ${driver}, 81000"\n`)
  chmodSync(path, 0o755)
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH'] ?? ''}`)
}

/** A library that names others as needed, some of which the system has not. */
const library = (folder: string, name: string, needed: readonly string[]): Buffer => {
  mkdirSync(folder, { recursive: true })
  const sources = needed.map((each, at) => {
    const path = join(folder, each)
    execFileSync('gcc', ['-shared', '-fPIC', '-x', 'c', '-o', path, `-Wl,-soname,${each}`, '-'], { input: `int needed${at}(void) { return ${at}; }` })
    return path
  })
  const path = join(folder, name)
  execFileSync('gcc', ['-shared', '-fPIC', '-x', 'c', '-o', path, '-Wl,--no-as-needed', '-Wl,-rpath,$ORIGIN/beside:/nowhere', '-', '-x', 'none', ...sources], { input: 'int provider(void) { return 1; }' })
  return readFileSync(path)
}

const needed = ['libcudart.so.12', 'libcublasLt.so.12', 'libcudnn.so.9']

describe.skipIf(missing !== undefined)(`the provider for CUDA, from a feed${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let [root, engines] = ['', '']
  let server: Server
  let archive: Buffer
  let manner: 'whole' | 'cut' | 'stalled' | 'wrong' | 'unregistered' | 'gone' = 'whole'
  const asked: string[] = []
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const name = 'microsoft.ml.onnxruntime.gpu.linux'

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'spectroscope-cuda-'))
    const provider = library(join(root, 'made'), providerFiles[1], needed)
    archive = zip({
      'Microsoft.ML.OnnxRuntime.Gpu.Linux.nuspec': Buffer.from('<package/>'),
      [`runtimes/linux-x64/native/${providerFiles[1]}`]: Buffer.concat([provider, randomBytes(2 ** 20), Buffer.alloc(2 ** 20)]),
      [`runtimes/linux-x64/native/${providerFiles[0]}`]: randomBytes(2 ** 16)
    })
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.setHeader('connection', 'close')
      const answer = (value: object): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      const { url = '' } = request
      if (url === '/index.json') {
        return answer({ resources: [
          { '@id': `${address()}/content/`, '@type': 'PackageBaseAddress/3.0.0' },
          ...(manner === 'unregistered' ? [] : [{ '@id': `${address()}/registration/`, '@type': 'RegistrationsBaseUrl/3.6.0' }])
        ] })
      }
      if (url === `/registration/${name}/1.30.0.json`) return answer({ catalogEntry: `${address()}/catalog.json` })
      if (url === '/catalog.json') return answer({ packageHash: createHash('sha512').update(archive).digest('base64'), packageHashAlgorithm: 'SHA512', packageSize: archive.length })
      if (url !== `/content/${name}/1.30.0/${name}.1.30.0.nupkg` || manner === 'gone') return response.writeHead(404).end()
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const sent = manner === 'wrong' ? Buffer.concat([archive.subarray(0, 100), Buffer.alloc(archive.length - 100)]) : archive
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': sent.length - from })
      if (request.method === 'HEAD') return response.end()
      if (manner === 'cut' || manner === 'stalled') return response.write(sent.subarray(from, from + (sent.length - from) / 2), () => (manner === 'cut' ? response.destroy() : undefined))
      return response.end(sent.subarray(from))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
    rmSync(root, { recursive: true, force: true })
  })
  beforeEach(() => {
    engines = mkdtempSync(join(root, 'engines-'))
    vi.stubEnv('SPECTROSCOPE_ENGINES', engines)
    vi.stubEnv('SPECTROSCOPE_NUGET', `${address()}/index.json`)
    manner = 'whole'
    asked.length = 0
  })
  afterEach(() => {
    server.closeAllConnections()
    vi.unstubAllEnvs()
  })

  const install = async (onProgress: (progress: { done: number; total: number }) => void = () => undefined, signal = never): Promise<void> =>
    installCuda(await planCuda(never), { onProgress, onNote: () => undefined, signal, retryDelay: 1 })

  it('is told of before it is downloaded: what it needs, how much it is, from where and to where', async () => {
    withDriver(join(root, 'new'), '550.54.14')
    const plan = await planCuda(never)
    expect(plan).toMatchObject({ bytes: archive.length, checksum: createHash('sha512').update(archive).digest('base64'), version: '1.30.0', device: true })
    expect(cudaPlanWords(plan)).toMatch(/version 1\.30\.0, needs an NVIDIA driver, CUDA 12 and cuDNN 9.*downloads \d+ MB from 127\.0\.0\.1:\d+, whose checksum is compared/)
    expect(cudaPlanWords(plan)).toContain(engines)
    expect(asked.some((line) => line.startsWith('GET') && line.endsWith('.nupkg'))).toBe(false)
    expect(readdirSync(engines)).toEqual([])
  })

  it('says so where there is no GPU, or no checksum', async () => {
    withDriver(join(root, 'none'), undefined)
    manner = 'unregistered'
    const plan = await planCuda(never)
    expect(plan).toMatchObject({ bytes: archive.length, checksum: null, device: false })
    expect(cudaPlanWords(plan)).toMatch(/no NVIDIA GPU here.*gives no checksum/)
  })

  it('is refused where the driver is too old, before anything is asked', async () => {
    withDriver(join(root, 'old'), '470.82.01')
    await expect(planCuda(never)).rejects.toMatchObject({ kind: 'engine', message: 'The NVIDIA driver is 470.82.01 and CUDA 12 needs 525.60.13 at least; install a newer driver.' })
    expect(asked).toEqual([])
    expect(await canInstallCuda()).toBe(false)
  })

  it('is put beside a copy of onnxruntime, which is what is loaded from then on; what it needs and the system has not is named', async () => {
    withDriver(join(root, 'new'), '550.54.14')
    expect(folderWithCuda()).toBeUndefined()
    expect(await canInstallCuda()).toBe(true)
    await expect(openOnnxCuda('float32')).rejects.toMatchObject({ kind: 'engine', message: expect.stringContaining('`spectroscope engines install cuda` fetches it') })
    const told: { done: number; total: number }[] = []
    await install((progress) => told.push(progress))
    expect(told.at(-1)).toEqual({ done: archive.length, total: archive.length })
    expect(folderWithCuda()).toBe(copyFolder())
    expect(await canInstallCuda()).toBe(false)
    expect(readdirSync(engines)).toHaveLength(1)
    const libraries = librariesFolder(copyFolder())
    for (const file of readdirSync(librariesFolder(installedFolder()))) expect(statSync(join(libraries, file)).size).toBe(statSync(join(librariesFolder(installedFolder()), file)).size)
    expect(typeof loadOnnx().InferenceSession.create).toBe('function')

    expect(await neededByProvider(copyFolder())).toEqual({ cuda: 12, missing: needed })
    await expect(openOnnxCuda('float32')).rejects.toMatchObject({ kind: 'engine', message: 'The system does not find libcudart.so.12, libcublasLt.so.12, libcudnn.so.9; install the libraries of CUDA 12 and cuDNN 9 for CUDA 12, or name their folder in LD_LIBRARY_PATH.' })
    vi.stubEnv('LD_LIBRARY_PATH', join(root, 'made'))
    expect((await neededByProvider(copyFolder())).missing).toEqual([])
    vi.stubEnv('LD_LIBRARY_PATH', '')
    mkdirSync(join(libraries, 'beside'))
    for (const each of needed.slice(0, 2)) writeFileSync(join(libraries, 'beside', each), '')
    await expect(openOnnxCuda('float32')).rejects.toMatchObject({ message: 'The system does not find libcudnn.so.9; install cuDNN 9 for CUDA 12, or name their folder in LD_LIBRARY_PATH.' })
    const listed = (await listEngines()).find((each) => each.name === 'onnx-cuda')
    expect(listed).toMatchObject({ available: false, device: 'NVIDIA H100 80GB HBM3, 80 GiB, driver 550.54.14', remedy: expect.stringContaining('libcudnn.so.9') })
    expect(listed).not.toHaveProperty('install')
    expect(await resolveEngine('auto')).toBe('onnx-cpu')
  })

  it('is gone on with where it was cut off, and downloads no byte twice', async () => {
    manner = 'cut'
    await expect(install()).rejects.toMatchObject({ kind: 'network', message: expect.stringMatching(/cut off after .* install again to go on/) })
    expect(folderWithCuda()).toBeUndefined()
    const [part] = readdirSync(engines)
    const have = statSync(join(engines, part)).size
    expect(have).toBeGreaterThan(0)
    manner = 'whole'
    const told: number[] = []
    await install(({ done }) => told.push(done))
    expect(told[0]).toBeGreaterThan(have)
    expect(folderWithCuda()).toBe(copyFolder())
    expect(readdirSync(engines)).toHaveLength(1)
  })

  it('can be stopped, and then is not there', async () => {
    manner = 'stalled'
    const controller = new AbortController()
    await expect(install(() => controller.abort(), controller.signal)).rejects.toMatchObject({ kind: 'interrupted', message: expect.stringContaining('install again') })
    expect(folderWithCuda()).toBeUndefined()
  })

  it('is thrown away where its checksum is another', async () => {
    manner = 'wrong'
    await expect(install()).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('another checksum') })
    expect(readdirSync(engines)).toEqual([])
  })

  it('is thrown away where a file in it is damaged, though the feed gives no checksum', async () => {
    const plan = { ...(await planCuda(never)), checksum: null }
    manner = 'wrong'
    await expect(installCuda(plan, { onProgress: () => undefined, onNote: () => undefined, signal: never })).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('is damaged') })
    expect(readdirSync(engines)).toEqual([])
  })

  it('says that there is no network, no such feed, or no such package, and what to do', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as AddressInfo
    closed.close()
    vi.stubEnv('SPECTROSCOPE_NUGET', `http://127.0.0.1:${port}/index.json`)
    await expect(planCuda(never)).rejects.toMatchObject({ kind: 'network', message: expect.stringMatching(/can't be reached \(ECONNREFUSED\).*SPECTROSCOPE_NUGET.*SPECTROSCOPE_CUDA_PACKAGE/) })
    vi.stubEnv('SPECTROSCOPE_NUGET', `${address()}/catalog.json`)
    await expect(planCuda(never)).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('is no index of a NuGet feed') })
    vi.stubEnv('SPECTROSCOPE_NUGET', `${address()}/index.json`)
    manner = 'gone'
    await expect(planCuda(never)).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('has no microsoft.ml.onnxruntime.gpu.linux 1.30.0 (HTTP 404)') })
  })

  it('can be carried to a machine without a network', async () => {
    const carried = join(root, 'carried.nupkg')
    writeFileSync(carried, archive)
    vi.stubEnv('SPECTROSCOPE_CUDA_PACKAGE', carried)
    expect(cudaPlanWords(await planCuda(never))).toContain(`unpacked from ${carried}`)
    await install()
    expect(folderWithCuda()).toBe(copyFolder())
    expect(existsSync(carried)).toBe(true)
    expect(asked).toEqual([])
    vi.stubEnv('SPECTROSCOPE_CUDA_PACKAGE', join(root, 'lost.nupkg'))
    await expect(planCuda(never)).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('there is no such file') })
  })
})

describe('what CUDA asks for', () => {
  it('is Linux on x64', () => {
    expect(() => checkCudaPlatform('win32', 'x64')).toThrow(/under Linux on x64 only, and this is win32 on x64; choose another engine/)
    expect(() => checkCudaPlatform('linux', 'arm64')).toThrow(/linux on arm64/)
    expect(() => checkCudaPlatform('linux', 'x64')).not.toThrow()
  })

  it('is a driver of its own version', () => {
    expect(isAtLeast('525.60.13', '525.60.13')).toBe(true)
    expect(isAtLeast('525.105.17', '525.60.13')).toBe(true)
    expect(isAtLeast('525.60.11', '525.60.13')).toBe(false)
    expect(isAtLeast('9.9', '525.60.13')).toBe(false)
    const device = { name: 'any', memoryBytes: 1, freeBytes: 1, driver: '550.54.14' }
    expect(() => checkDriver(device)).not.toThrow()
    expect(() => checkDriver(device, 13)).toThrow(/CUDA 13 needs 580\.65\.06 at least; install a newer driver/)
  })

  it('is a precision that the engine has; the others are refused with what to do', () => {
    expect(() => checkEngine('onnx-cuda', 'tf32')).not.toThrow()
    expect(() => checkEngine('auto', 'tf32')).not.toThrow()
    expect(() => checkEngine('onnx-cpu', 'tf32')).toThrow('onnx-cpu does not compute in tf32; choose onnx-cuda, or set "precision" to "float32".')
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
      compile: (graph) => executor.compile(graph),
      dispose: () => executor.dispose()
    }
  }

  it('passes what computes in float32', async () => selfCheck(openOnnxCpu(), 'float32'))
  it('tells TF32 from float32, and lets it pass where it was asked for', async () => {
    await expect(selfCheck(changed(rounded), 'float32')).rejects.toMatchObject({ kind: 'engine', message: expect.stringMatching(/computes other numbers than float32 has \(relative error [\d.]+e-4.*update the driver/) })
    await selfCheck(changed(rounded), 'tf32')
  })
  it('refuses wrong numbers in any precision', async () => {
    await expect(selfCheck(changed((values) => values.map((value, at) => (at === 77 ? NaN : value))), 'tf32')).rejects.toMatchObject({ kind: 'engine' })
    await expect(selfCheck(changed((values) => values.map((value) => 1.02 * value)), 'tf32')).rejects.toMatchObject({ kind: 'engine' })
  })
})
