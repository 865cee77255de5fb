import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder that holds package.json: found from this file, whether it runs from source or from out/main. */
export const projectRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder)
      throw new Error('The program is incomplete: no package.json above its own files. Install it again.')
    folder = parent
  }
  return folder
})()

/** A path within the packed program's archive as it lies beside that, where electron-builder.yml unpacks it. */
export const onDisk = (path: string): string => path.replace(/app\.asar(?=[\\/]|$)/, 'app.asar.unpacked')

/** The program's folder for what reads no archive: Node, and DuckDB. tools/stage.mjs puts it beside the archive. */
const diskRoot = onDisk(projectRoot) === projectRoot ? projectRoot : join(onDisk(projectRoot), 'out', 'program')

export type EntryName =
  | 'cli'
  | 'store'
  | 'compute'
  | 'tfjs'
  | 'webgpu'
  | 'tfjs-install'
  | 'sampling-worker'
  | 'clustering-worker'
  | 'matching-worker'

/** Path of a built process or worker entry (electron.vite.config.ts lists them). */
export const entryPath = (name: EntryName): string => join(diskRoot, 'out', 'main', `${name}.js`)

/** Path of a compiled kernel: `main/<layer>/kernels/<name>.ts`, built by tools/build-kernels.mjs. */
export const kernelPath = (layer: string, name: string): string =>
  join(diskRoot, 'out', 'kernels', `${layer}-${name}.wasm`)

export const resourcePath = (...parts: string[]): string => join(diskRoot, 'resources', ...parts)

/** The Node that a package brings. */
export const packedNode = (): string => join(diskRoot, 'node', process.platform === 'win32' ? 'node.exe' : 'node')
