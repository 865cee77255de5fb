import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Folder of package.json, found from this file, whether it runs from source or from out/main. */
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

/**
 * Maps a path inside the packaged program's archive to its unpacked copy beside it, for files that libraries open
 * themselves rather than through Node. electron-builder.yml lists these files. In Electron, Node reads the archive in
 * every process and thread, so code stays inside it.
 */
export const onDisk = (path: string): string => path.replace(/app\.asar(?=[\\/]|$)/, 'app.asar.unpacked')

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

/** Path of a built process or worker entry; electron.vite.config.ts lists them. */
export const entryPath = (name: EntryName): string => join(projectRoot, 'out', 'main', `${name}.js`)

/** Path of a compiled kernel: `main/<layer>/kernels/<name>.ts`, built by tools/build-kernels.mjs. */
export const kernelPath = (layer: string, name: string): string =>
  join(projectRoot, 'out', 'kernels', `${layer}-${name}.wasm`)

export const resourcePath = (...parts: string[]): string => join(onDisk(projectRoot), 'resources', ...parts)
