import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import type { InstallProgress } from '../../main/engine/devices/installing'
import { type Package, installedPackage, packageAt } from '../../main/engine/devices/tfjs/package'
import {
  install,
  isComplete,
  planInstallation,
  planWords,
  scriptAddon
} from '../../main/engine/devices/tfjs/script-install'

const compiler = spawnSync('gcc', ['--version']).status === 0
const missing =
  process.platform !== 'linux' || process.arch !== 'x64'
    ? 'the package has a library for x64 only'
    : compiler
      ? undefined
      : 'there is no gcc to make an addon with'

/** An addon of no use, but one that Node loads. */
const addonSource = 'void *napi_register_module_v1(void *env, void *exports) { (void)env; return exports; }'

/**
 * Windows' installation, by the package's own scripts, as they are under Linux: in a folder of the test's, beside
 * links to all other packages; the servers are one on this machine.
 */
describe.skipIf(missing !== undefined)(
  `the install script of tfjs-node-gpu${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    let [root, served] = ['', '']
    let own: Package
    let server: Server
    /** What becomes of a request for the library. */
    let manner: 'whole' | 'cut' | 'stalled' = 'whole'
    const asked: string[] = []
    const never = new AbortController().signal

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), 'spectroscope-tfjs-'))
      served = join(root, 'served')
      mkdirSync(join(served, 'lib'), { recursive: true })
      for (const name of ['libtensorflow.so.2.9.1', 'libtensorflow_framework.so.2.9.1'])
        writeFileSync(
          join(served, 'lib', name),
          Buffer.from(Float64Array.from({ length: 2 ** 17 }, Math.random).buffer)
        )
      execFileSync('tar', ['-czf', join(served, 'library.tar.gz'), '-C', served, 'lib'])
      const addon = join(served, 'napi-v8')
      mkdirSync(addon)
      writeFileSync(join(served, 'addon.c'), addonSource)
      execFileSync('gcc', ['-shared', '-fPIC', '-o', join(addon, 'tfjs_binding.node'), join(served, 'addon.c')])
      execFileSync('tar', ['-czf', join(served, 'addon.tar.gz'), '-C', served, 'napi-v8'])
      server = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`)
        const file = /libtensorflow-gpu-linux-x86_64-2\.9\.1\.tar\.gz$/.test(request.url!)
          ? 'library.tar.gz'
          : /GPU-linux-4\.22\.0\.tar\.gz$/.test(request.url!)
            ? 'addon.tar.gz'
            : undefined
        if (file === undefined) return response.writeHead(404).end()
        const content = readFileSync(join(served, file))
        response.writeHead(200, { 'content-length': content.length })
        if (request.method === 'HEAD') response.end()
        else if (file === 'addon.tar.gz' || manner === 'whole') response.end(content)
        else
          response.write(content.subarray(0, content.length / 2), () =>
            manner === 'cut' ? response.destroy() : undefined
          )
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      vi.stubEnv('TFJS_NODE_CDN_STORAGE', `${address}/`)
      vi.stubEnv('npm_config_tfjs_binding_binary_host_mirror', `${address}/addon`)
      for (const name of ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']) vi.stubEnv(name, '')
    })
    afterAll(() => {
      server.closeAllConnections()
      server.close()
      vi.unstubAllEnvs()
      rmSync(root, { recursive: true, force: true })
    })

    beforeEach(() => {
      const modules = join(projectRoot, 'node_modules')
      const links = mkdtempSync(join(root, 'installed-'))
      const linked = (from: string, names: readonly string[], into: string): void => {
        mkdirSync(into, { recursive: true })
        for (const name of names) symlinkSync(join(from, name), join(into, name))
      }
      linked(
        modules,
        readdirSync(modules).filter((name) => name !== '@tensorflow'),
        join(links, 'node_modules')
      )
      linked(
        join(modules, '@tensorflow'),
        readdirSync(join(modules, '@tensorflow')).filter((name) => name !== 'tfjs-node-gpu'),
        join(links, 'node_modules', '@tensorflow')
      )
      const folder = join(links, 'node_modules', '@tensorflow', 'tfjs-node-gpu')
      cpSync(installedPackage().folder, folder, {
        recursive: true,
        filter: (source) => !/tfjs-node-gpu\/(lib|deps)$/.test(source)
      })
      own = packageAt(folder)
      manner = 'whole'
      asked.length = 0
    })
    afterEach(() => server.closeAllConnections())

    const manifest = (): string => readFileSync(join(own.folder, 'package.json'), 'utf8')
    const expectNothingLeft = (before: string): void => {
      expect(isComplete(own)).toBe(false)
      for (const name of ['lib', 'deps']) expect(existsSync(join(own.folder, name))).toBe(false)
      expect(manifest()).toBe(before)
    }

    it('is told of before it downloads anything: what it needs, how much it is, from where and to where', async () => {
      const plan = await planInstallation(own, never)
      expect(plan).toMatchObject({
        folder: own.folder,
        bytes: readFileSync(join(served, 'library.tar.gz')).length,
        version: '4.22.0',
        libraryVersion: '2.9.1',
        compiles: false
      })
      expect(planWords(plan)).toMatch(/CUDA 11\.2 and cuDNN 8\.1.*doubtful.*downloads 2 MB from 127\.0\.0\.1/)
      expect(planWords({ ...plan, compiles: true })).toMatch(/C\+\+ compiler/)
      expect(asked.every((line) => line.startsWith('HEAD '))).toBe(true)
      expect(isComplete(own)).toBe(false)
    })

    it('runs, and tells how far it is; then all is there and the package is otherwise as it was', async () => {
      const before = manifest()
      const told: InstallProgress[] = []
      await install(own, { onProgress: (progress) => told.push(progress), signal: never })
      expect(isComplete(own)).toBe(true)
      expect(manifest()).toBe(before)
      const bytes = readFileSync(join(served, 'library.tar.gz')).length
      expect(told.at(-1)).toEqual({ done: bytes, total: bytes })
      rmSync(scriptAddon(own))
      expect(isComplete(own)).toBe(false)
    })

    it.each([
      ['is cut off', 'cut'],
      ['is stopped', 'stalled']
    ] as const)('leaves nothing when it %s', async (_, how) => {
      const before = manifest()
      manner = how
      const controller = new AbortController()
      const onProgress = (): void => {
        if (how === 'stalled') controller.abort()
      }
      await expect(install(own, { onProgress, signal: controller.signal })).rejects.toMatchObject(
        how === 'stalled'
          ? { kind: 'interrupted' }
          : { kind: 'network', message: expect.stringContaining('was cut off after') }
      )
      expectNothingLeft(before)
    })

    it('says that there is no network, and leaves nothing', async () => {
      const before = manifest()
      vi.stubEnv('TFJS_NODE_CDN_STORAGE', 'http://127.0.0.1:9/')
      try {
        const offline = {
          kind: 'network',
          message: expect.stringMatching(/can't be reached \(ECONNREFUSED\).*TFJS_NODE_CDN_STORAGE/)
        }
        await expect(planInstallation(own, never)).rejects.toMatchObject(offline)
        await expect(install(own, { onProgress: () => undefined, signal: never })).rejects.toMatchObject(offline)
      } finally {
        vi.stubEnv('TFJS_NODE_CDN_STORAGE', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      }
      expectNothingLeft(before)
    })
  }
)
