import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { cudaPlanWords, installCuda, planCuda } from '../../main/engine/devices/cuda/install'
import { canInstallCuda, cudaReady } from '../../main/engine/devices/cuda/needs'
import {
  copyFolder,
  cudaFolder,
  folderWithCuda,
  installedFolder,
  librariesFolder,
  libraryPath
} from '../../main/engine/onnx/package'
import { type Feed, pathWithDriver, startFeed, zip } from '../nuget-feed'

const never = new AbortController().signal
const lack = process.platform === 'win32' ? "the command in the place of nvidia-smi is a shell's" : undefined

describe.skipIf(lack !== undefined)(
  `CUDA as it is installed and looked for under Windows${lack === undefined ? '' : ` (skipped: ${lack})`}`,
  () => {
    let root = ''
    let feed: Feed

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'spectroscope-cuda-windows-'))
      feed = await startFeed(join(root, 'made'), 'win32')
    })
    afterAll(() => {
      feed.close()
      rmSync(root, { recursive: true, force: true })
    })
    beforeEach(() => {
      vi.stubEnv('SPECTROSCOPE_ENGINES', mkdtempSync(join(root, 'engines-')))
      vi.stubEnv('SPECTROSCOPE_NUGET', `${feed.address}/index.json`)
      withDriver('581.15')
      feed.asked.length = 0
    })
    afterEach(() => void vi.unstubAllEnvs())

    const withDriver = (driver: string): void =>
      void vi.stubEnv('PATH', pathWithDriver(join(root, `driver ${driver}`), driver))
    const install = async (): Promise<void> =>
      installCuda(await planCuda(never, 'win32', 'x64'), {
        onProgress: () => undefined,
        onNote: () => undefined,
        signal: never,
        retryDelay: 1
      })
    const ready = (): Promise<unknown> => cudaReady('win32', 'x64')

    it('is told of before it is downloaded, with what Windows needs', async () => {
      const plan = await planCuda(never, 'win32', 'x64')
      expect(plan).toMatchObject({
        bytes: feed.archive.length,
        checksum: createHash('sha512').update(feed.archive).digest('base64'),
        version: '1.30.0',
        platform: 'win32'
      })
      expect(plan.url).toMatch(
        /\/microsoft\.ml\.onnxruntime\.gpu\.windows\/1\.30\.0\/microsoft\.ml\.onnxruntime\.gpu\.windows\.1\.30\.0\.nupkg$/
      )
      expect(cudaPlanWords(plan)).toMatch(
        /version 1\.30\.0, needs an NVIDIA driver, the Microsoft Visual C\+\+ Redistributable, CUDA 13 and cuDNN 9, which it does not bring\. It downloads 1 MB/
      )
      withDriver('551.61')
      expect(cudaPlanWords(await planCuda(never, 'win32', 'x64'))).toContain(
        'The NVIDIA driver is 551.61, and CUDA 13 needs 580 at least: install a newer one first.'
      )
      expect(await canInstallCuda('win32', 'x64')).toBe(true)
      expect(await canInstallCuda('win32', 'arm64')).toBe(false)
    })

    it('is refused where the driver is too old for any CUDA, as Windows counts them', async () => {
      withDriver('527.41')
      await expect(planCuda(never, 'win32', 'x64')).rejects.toMatchObject({
        kind: 'engine',
        message: 'The NVIDIA driver is 527.41 and CUDA 13 needs 580 at least; install a newer driver.'
      })
      await expect(ready()).rejects.toMatchObject({ message: expect.stringContaining('needs 580 at least') })
      expect(feed.asked).toEqual([])
      expect(await canInstallCuda('win32', 'x64')).toBe(false)
    })

    it("brings onnxruntime with CUDA by another name than npm's, which goes on to be used for everything else", async () => {
      expect(folderWithCuda('win32')).toBeUndefined()
      await expect(ready()).rejects.toMatchObject({
        kind: 'engine',
        message: expect.stringContaining('`spectroscope engines install cuda` fetches it')
      })
      const npms = libraryPath('webgpu', 'win32', 'x64')
      expect(libraryPath('cuda', 'win32', 'x64')).toBe(npms)
      expect(npms).toBe(join(librariesFolder(installedFolder(), 'win32', 'x64'), 'onnxruntime.dll'))
      await install()
      expect(folderWithCuda('win32')).toBe(copyFolder())
      expect(folderWithCuda('linux')).not.toBe(copyFolder())
      const libraries = cudaFolder(copyFolder(), 'win32')
      expect(readdirSync(libraries).sort()).toEqual([
        'onnxruntime_cuda.dll',
        'onnxruntime_providers_cuda.dll',
        'onnxruntime_providers_shared.dll'
      ])
      expect(libraryPath('cuda', 'win32', 'x64')).toBe(join(libraries, 'onnxruntime_cuda.dll'))
      expect(readFileSync(libraryPath('cuda', 'win32', 'x64')).length).toBe(2 ** 16)
      for (const provider of ['cpu', 'webgpu'] as const) expect(libraryPath(provider, 'win32', 'x64')).toBe(npms)
      expect(await canInstallCuda('win32', 'x64')).toBe(false)
      expect(await ready()).toMatchObject({ driver: '581.15' })
    })

    it('is not taken from a package that was brought along for Linux, or is cut off', async () => {
      const carried = join(root, 'carried.nupkg')
      vi.stubEnv('SPECTROSCOPE_CUDA_PACKAGE', carried)
      const name = expect.stringMatching(
        /carried\.nupkg is not a whole package of .*; name microsoft\.ml\.onnxruntime\.gpu\.windows 1\.30\.0 in SPECTROSCOPE_CUDA_PACKAGE\.$/
      ) as string
      for (const archive of [
        zip({ 'runtimes/linux-x64/native/libonnxruntime_providers_cuda.so': Buffer.alloc(1000) }),
        feed.archive.subarray(0, -30)
      ]) {
        writeFileSync(carried, archive)
        await expect(install()).rejects.toMatchObject({ kind: 'input', message: name })
        expect(folderWithCuda('win32')).toBeUndefined()
      }
      writeFileSync(carried, feed.archive)
      await install()
      expect(folderWithCuda('win32')).toBe(copyFolder())
      expect(feed.asked).toEqual([])
    })
  }
)
