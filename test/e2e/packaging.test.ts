import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { createPackage, extractFile, listPackage, statFile } from '@electron/asar'
import { FuseV1Options, getCurrentFuseWire } from '@electron/fuses'
import { build, Platform } from 'electron-builder'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { checkUnpacked } from '../../main/index/archive'
import { messageOf } from '../../preload/errors'
import { stage } from '../../tools/stage.mjs'
import { childrenOf, executablePath, makePlace, openShell } from './harness'

// Electron's name for Node's own, which opens an archive as a file.
vi.mock('original-fs', () => import('node:fs'))

const off = 0x30
const on = 0x31

/** A folder shaped like Electron's distribution, whose program is nothing but a wire of fuses. */
const writeDistribution = async (folder: string): Promise<void> => {
  mkdirSync(join(folder, 'resources'), { recursive: true })
  mkdirSync(join(folder, 'app'))
  writeFileSync(join(folder, 'app', 'package.json'), '{}')
  await createPackage(join(folder, 'app'), join(folder, 'resources', 'default_app.asar'))
  rmSync(join(folder, 'app'), { recursive: true })
  const fuses = 9
  writeFileSync(
    join(folder, 'electron'),
    Buffer.concat([
      Buffer.from('\u007fELF'),
      Buffer.alloc(64),
      Buffer.from('dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX'),
      Buffer.from([1, fuses]),
      Buffer.alloc(fuses, off),
      Buffer.alloc(64)
    ]),
    { mode: 0o755 }
  )
  for (const name of ['LICENSE', 'LICENSES.chromium.html', 'version']) writeFileSync(join(folder, name), 'x')
}

describe.runIf(process.platform === 'linux')(
  "the package, in a folder, as far as it can be made without Electron's runtime",
  () => {
    let folder: string
    let resources: string
    const unpacked = (): string => join(resources, 'app.asar.unpacked')
    beforeAll(async () => {
      stage()
      folder = mkdtempSync(join(tmpdir(), 'spectroscope-package-'))
      await writeDistribution(join(folder, 'distribution'))
      await build({
        projectDir: projectRoot,
        targets: Platform.LINUX.createTarget('dir'),
        publish: 'never',
        config: { electronDist: join(folder, 'distribution'), directories: { output: join(folder, 'out') } }
      })
      resources = join(folder, 'out', 'linux-unpacked', 'resources')
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it('holds the shell, the window and the preload script', () => {
      const files = new Set(listPackage(join(resources, 'app.asar'), { isPack: false }))
      for (const path of [
        '/package.json',
        '/out/main/index.js',
        '/out/preload/index.cjs',
        '/out/renderer/index.html'
      ]) {
        expect(files, path).toContain(path)
      }
      const manifest = JSON.parse(extractFile(join(resources, 'app.asar'), 'package.json').toString()) as {
        main: string
      }
      expect(files).toContain(`/${manifest.main}`)
    })

    it('holds no more of what was built than the program', () => {
      const built = (under: string): string[] => [
        ...new Set(
          listPackage(join(resources, 'app.asar'), { isPack: false })
            .filter((path) => path.startsWith(under))
            .map((path) => path.slice(under.length).split('/')[0])
        )
      ]
      expect(built('/out/').sort()).toEqual(['build.json', 'main', 'preload', 'program', 'renderer'])
      expect(built('/out/program/').sort()).toEqual(['node', 'out', 'package.json', 'resources'])
      expect(built('/out/program/out/').sort()).toEqual(['build.json', 'kernels', 'main'])
    })

    it('keeps beside the archive what Node, the system or DuckDB opens by its path', () => {
      for (const path of [
        'out/program/resources/demo/demo.json',
        'out/program/resources/demo/example.duckdb',
        'out/program/out/kernels/sampling-psgld.wasm',
        ...['store', 'compute', 'webgpu', 'tfjs', 'sampling-worker', 'clustering-worker', 'matching-worker'].map(
          (name) => `out/program/out/main/${name}.js`
        ),
        `node_modules/@duckdb/node-bindings-linux-${process.arch}/duckdb.node`,
        `node_modules/@duckdb/node-bindings-linux-${process.arch}/libduckdb.so`,
        `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`,
        `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/onnxruntime_binding.node`,
        `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/libonnxruntime.so.1`
      ])
        expect(existsSync(join(unpacked(), path)), path).toBe(true)
      expect(existsSync(join(unpacked(), 'node_modules/onnxruntime-node/bin/napi-v6/darwin'))).toBe(false)
    })

    it('keeps the shell in the archive, whole: it takes nothing from beside it by its imports', () => {
      const archive = join(resources, 'app.asar')
      const seen = new Set<string>()
      const foreign = new Set<string>()
      const walk = (path: string): void => {
        if (seen.has(path)) return
        seen.add(path)
        const entry = statFile(archive, path) as { unpacked?: boolean; integrity?: { hash: string } }
        expect([entry.unpacked ?? false, entry.integrity?.hash.length], path).toEqual([false, 64])
        const text = extractFile(archive, path).toString()
        for (const [, name] of text.matchAll(/^(?:import|export)\b[^"']*?["']([^"']+)["'];?$/gm))
          if (name.startsWith('.')) walk(posix.join(posix.dirname(path), name))
          else if (!isBuiltin(name)) foreign.add(name)
      }
      walk('out/main/index.js')
      walk('out/preload/index.cjs')
      expect(seen.size).toBeGreaterThan(10)
      expect([...foreign].sort()).toEqual(['electron', 'original-fs'])
    })

    it('has a hash of everything beside the archive, and refuses to start where something is another', async () => {
      const archive = join(resources, 'app.asar')
      const problem = (): Promise<unknown> => checkUnpacked(archive).then(() => undefined, messageOf)
      expect(await problem()).toBeUndefined()
      const compute = join(unpacked(), 'out', 'program', 'out', 'main', 'compute.js')
      const before = readFileSync(compute)
      writeFileSync(compute, Buffer.concat([before, Buffer.from(' ')]))
      expect(await problem()).toBe(`${compute} was changed after packing; install Spectroscope again.`)
      rmSync(compute)
      expect(await problem()).toBe(`${compute} cannot be read; install Spectroscope again.`)
      writeFileSync(compute, before)
      const library = join(unpacked(), `node_modules/@duckdb/node-bindings-linux-${process.arch}/duckdb.node`)
      const bytes = readFileSync(library)
      rmSync(library)
      writeFileSync(library, Buffer.concat([bytes, Buffer.from(' ')]))
      expect(await problem()).toBe(`${library} was changed after packing; install Spectroscope again.`)
      // Signing a package changes its libraries.
      expect(await checkUnpacked(archive, 'darwin')).toBeUndefined()
      writeFileSync(library, bytes)
      const added = join(unpacked(), 'out', 'program', 'node_modules', 'onnxruntime-node', 'package.json')
      mkdirSync(dirname(added), { recursive: true })
      writeFileSync(added, '{}')
      expect(await problem()).toBe(`${added} does not belong to the program; install Spectroscope again.`)
      rmSync(join(unpacked(), 'out', 'program', 'node_modules'), { recursive: true })
      const installed = join(unpacked(), 'node_modules', '@tensorflow', 'tfjs-node-gpu', 'lib', 'napi-v8', 'x.node')
      mkdirSync(dirname(installed), { recursive: true })
      writeFileSync(installed, '')
      expect(await problem()).toBeUndefined()
      rmSync(join(unpacked(), 'node_modules', '@tensorflow', 'tfjs-node-gpu', 'lib'), { recursive: true })
    })

    it('brings the Node that packed it, with its licence', () => {
      const node = join(unpacked(), 'out', 'program', 'node')
      const options = { env: {}, encoding: 'utf8' } as const
      expect(execFileSync(join(node, 'node'), ['--version'], options).trim()).toBe(process.version)
      expect(readFileSync(join(node, 'LICENSE'), 'utf8')).toMatch(/^Node\.js is licensed for use as follows/)
    })

    const lack = executablePath === undefined ? ' (skipped: there is no Chromium here)' : ''
    it.skipIf(lack !== '')(`computes and stores in its own Node, from beside its archive${lack}`, async () => {
      // Node reads no archive, so a folder in its place has what is in it.
      const archive = join(resources, 'app.asar')
      const run = join(folder, 'run', 'app.asar')
      for (const path of listPackage(archive, { isPack: false })) {
        const entry = statFile(archive, path.slice(1)) as { unpacked?: boolean; files?: object }
        if (entry.unpacked === true || entry.files !== undefined) continue
        mkdirSync(dirname(join(run, path)), { recursive: true })
        writeFileSync(join(run, path), extractFile(archive, path.slice(1)))
      }
      symlinkSync(unpacked(), `${run}.unpacked`)
      const made = makePlace()
      const environment = {
        ...made.environment,
        SPECTROSCOPE_HOST_ARCHIVE: archive,
        SPECTROSCOPE_NODE: '/nowhere/node'
      }
      const shell = await openShell({ ...made, environment, shell: join(run, 'out', 'main', 'index.js') })
      try {
        await shell.page
          .getByRole('button', { name: /^Open example/ })
          .first()
          .waitFor()
        await shell.page.evaluate(() => {
          const { spectroscope } = window as unknown as { spectroscope: { call(method: string, of: object): unknown } }
          void spectroscope.call('engines.measure', {})
        })
        for (const title of ['store', 'compute'] as const) {
          await expect.poll(() => childrenOf(shell.process, title)).toHaveLength(1)
          const [child] = childrenOf(shell.process, title)
          expect(readlinkSync(`/proc/${child}/exe`)).toBe(join(unpacked(), 'out', 'program', 'node', 'node'))
        }
        // Whoever measures has loaded the libraries that compute.
        const [compute] = childrenOf(shell.process, 'compute')
        await expect.poll(() => readFileSync(`/proc/${compute}/maps`, 'utf8')).toContain('/libonnxruntime.so')
        expect(readFileSync(`/proc/${compute}/maps`, 'utf8')).not.toContain(join(projectRoot, 'node_modules'))
      } finally {
        await shell.close()
        made.remove()
      }
    })

    it('leaves out what only development needs', () => {
      const names = listPackage(join(resources, 'app.asar'), { isPack: false })
      expect(
        names.filter(
          (name) =>
            /^\/(test|tools|main|renderer|preload)\//.test(name) ||
            /^\/node_modules\/(svelte|vite|vitest|typescript|playwright-core|electron)\//.test(name)
        )
      ).toEqual([])
    })

    it('has the fuses set', async () => {
      const wire = await getCurrentFuseWire(join(folder, 'out', 'linux-unpacked', 'spectroscope'))
      const state = (fuse: FuseV1Options): unknown => wire[fuse]
      expect(state(FuseV1Options.RunAsNode)).toBe(off)
      expect(state(FuseV1Options.EnableNodeOptionsEnvironmentVariable)).toBe(off)
      expect(state(FuseV1Options.EnableNodeCliInspectArguments)).toBe(off)
      expect(state(FuseV1Options.OnlyLoadAppFromAsar)).toBe(on)
      expect(state(FuseV1Options.EnableEmbeddedAsarIntegrityValidation)).toBe(on)
      expect(state(FuseV1Options.GrantFileProtocolExtraPrivileges)).toBe(off)
      expect(state(FuseV1Options.EnableCookieEncryption)).toBe(on)
    })

    it('names the version that is built', () => {
      const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string }
      expect(JSON.parse(extractFile(join(resources, 'app.asar'), 'package.json').toString())).toMatchObject({ version })
    })
  }
)
