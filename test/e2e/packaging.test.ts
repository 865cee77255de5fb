import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { createPackage, extractFile, listPackage, statFile } from '@electron/asar'
import { FuseV1Options, getCurrentFuseWire } from '@electron/fuses'
import { build, Platform } from 'electron-builder'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'

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

    it('holds the shell, the window, the preload script and the settings library', () => {
      const files = new Set(listPackage(join(resources, 'app.asar'), { isPack: false }))
      for (const path of [
        '/package.json',
        '/out/main/index.js',
        '/out/preload/index.cjs',
        '/out/renderer/index.html',
        '/node_modules/electron-store/index.js',
        '/node_modules/conf/package.json',
        '/node_modules/zod/package.json'
      ]) {
        expect(files, path).toContain(path)
      }
      const manifest = JSON.parse(extractFile(join(resources, 'app.asar'), 'package.json').toString()) as {
        main: string
      }
      expect(files).toContain(`/${manifest.main}`)
    })

    it('holds no more of what was built than the program', () => {
      const built = listPackage(join(resources, 'app.asar'), { isPack: false })
        .filter((path) => path.startsWith('/out/'))
        .map((path) => path.split('/')[2])
      expect([...new Set(built)].sort()).toEqual(['build.json', 'kernels', 'main', 'preload', 'renderer'])
    })

    it('keeps beside the archive what the system or DuckDB opens by its path', () => {
      for (const path of [
        'resources/demo/demo.json',
        'resources/demo/example.duckdb',
        `node_modules/@duckdb/node-bindings-linux-${process.arch}/duckdb.node`,
        `node_modules/@duckdb/node-bindings-linux-${process.arch}/libduckdb.so`,
        `node_modules/@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`,
        `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/onnxruntime_binding.node`,
        `node_modules/onnxruntime-node/bin/napi-v6/linux/${process.arch}/libonnxruntime.so.1`
      ])
        expect(existsSync(join(unpacked(), path)), path).toBe(true)
      expect(existsSync(join(unpacked(), 'node_modules/onnxruntime-node/bin/napi-v6/darwin'))).toBe(false)
    })

    it('keeps all else in the archive, where hashes cover it: all code of its own, whatever process runs it', () => {
      const beside = readdirSync(unpacked(), { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map(({ parentPath, name }) => relative(unpacked(), join(parentPath, name)))
      expect(beside.length).toBeGreaterThan(10)
      const expected = /^resources\/|^node_modules\/onnxruntime-(node|common)\/|\.(node|so|dll|dylib)(\.[\d.]+)?$/
      expect(beside.filter((path) => !expected.test(path))).toEqual([])
      expect(beside.filter((path) => /^resources\/.*\.([cm]?js|node|so|sh|exe)$/.test(path))).toEqual([])
      const archive = join(resources, 'app.asar')
      const entries = ['store', 'compute', 'webgpu', 'sampling-worker', 'clustering-worker', 'matching-worker']
      for (const path of entries.map((name) => `${name}.js`)) {
        const entry = statFile(archive, join('out', 'main', path)) as {
          unpacked?: boolean
          integrity?: { hash: string }
        }
        expect([entry.unpacked ?? false, entry.integrity?.hash.length], path).toEqual([false, 64])
      }
      expect(listPackage(archive, { isPack: false })).toContain('/out/kernels/sampling-psgld.wasm')
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
