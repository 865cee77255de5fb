import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Onnx from 'onnxruntime-node'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { onDisk } from '../../base/entries'
import { enginesFolder } from '../../base/folders'

const packages = createRequire(import.meta.url)

/** The package as npm installed it, where the system's loader finds its libraries. */
export const installedFolder = (): string => onDisk(dirname(packages.resolve('onnxruntime-node/package.json')))

export const onnxVersion = (): string => (packages('onnxruntime-node/package.json') as { version: string }).version

/** Where a package keeps its libraries. onnxruntime looks for those of providers nowhere else. */
export const librariesFolder = (
  folder: string,
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): string => join(folder, 'bin', 'napi-v6', platform, architecture)

/**
 * A folder in the place of npm's for the package, and of what it requires, with CUDA's provider among its libraries.
 */
export const copyRoot = (): string => join(enginesFolder(), `onnxruntime-node-${onnxVersion()}-cuda`)
export const copyFolder = (root = copyRoot()): string => join(root, 'node_modules', 'onnxruntime-node')

/**
 * onnxruntime with CUDA under Windows, which npm's is without. It has no WebGPU, so both are needed; and a process
 * that has loaded a library takes it for every other of its name, so it has another one than npm's.
 */
const windowsLibrary = 'onnxruntime_cuda.dll'

/**
 * CUDA's provider and what else of NuGet's package belongs to it, by its name there: what it is called here. The
 * provider is the first.
 */
export const cudaFiles = (platform: NodeJS.Platform = process.platform): Readonly<Record<string, string>> =>
  platform === 'win32'
    ? {
        'onnxruntime_providers_cuda.dll': 'onnxruntime_providers_cuda.dll',
        'onnxruntime_providers_shared.dll': 'onnxruntime_providers_shared.dll',
        'onnxruntime.dll': windowsLibrary
      }
    : {
        'libonnxruntime_providers_cuda.so': 'libonnxruntime_providers_cuda.so',
        'libonnxruntime_providers_shared.so': 'libonnxruntime_providers_shared.so'
      }

/**
 * The CUDA that NuGet's package is built for, by all that is known before it is there: its maker has had CUDA 12 in
 * another feed since onnxruntime 1.27, though the list of onnxruntime-node still says 12.
 */
export const packagedCuda = 13

/** Where a package keeps CUDA's provider, which is for x64 alone. */
export const cudaFolder = (folder: string, platform: NodeJS.Platform = process.platform): string =>
  librariesFolder(folder, platform, 'x64')

const hasCuda = (folder: string, platform: NodeJS.Platform): boolean =>
  Object.values(cudaFiles(platform)).every((name) => existsSync(join(cudaFolder(folder, platform), name)))

/** The package that has CUDA's provider, if one does: npm's own where its install script was run, or the copy. */
export const folderWithCuda = (platform: NodeJS.Platform = process.platform): string | undefined =>
  [installedFolder(), copyFolder()].find((folder) => hasCuda(folder, platform))

/** The package that the binding for Node is taken from. */
const bindingFolder = (platform: NodeJS.Platform): string =>
  (platform === 'win32' ? undefined : folderWithCuda(platform)) ?? installedFolder()

/** What of onnxruntime computes: its execution providers. */
export type Provider = 'cpu' | 'cuda' | 'webgpu'

/** How onnxruntime's own library is called, as its binding for Node has it. */
const libraryNames: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  win32: 'onnxruntime.dll',
  darwin: 'libonnxruntime.1.dylib'
}

/**
 * Path of libonnxruntime that a process uses for a provider. Under Windows that is another for CUDA, where it is
 * installed; elsewhere it is the one that the binding for Node uses, with CUDA where there is one.
 */
export const libraryPath = (
  provider: Provider,
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): string => {
  const withCuda = platform === 'win32' && provider === 'cuda' ? folderWithCuda(platform) : undefined
  return withCuda === undefined
    ? join(
        librariesFolder(bindingFolder(platform), platform, architecture),
        libraryNames[platform] ?? 'libonnxruntime.so.1'
      )
    : join(cudaFolder(withCuda, platform), windowsLibrary)
}

/** What a person can do where libraries do not load. */
export const loadingRemedy =
  process.platform === 'win32'
    ? 'run npm ci again on this machine, and install the Microsoft Visual C++ Redistributable where it is missing'
    : 'run npm ci again on this machine'

/**
 * onnxruntime, loaded when first asked for, so that a machine without its binary can still read what it has. A
 * process has room for one: whatever its first provider is, that is the one with CUDA where there is one (under
 * Windows npm's own, beside which there is room for the one with CUDA). Throws an `engine` error where it can't be
 * loaded.
 */
export const loadOnnx = (): typeof Onnx => {
  try {
    return createRequire(join(bindingFolder(process.platform), 'package.json'))('./dist/index.js') as typeof Onnx
  } catch (cause) {
    throw new SpectroscopeError(
      'engine',
      `onnxruntime-node could not be loaded (${messageOf(cause)}); ${loadingRemedy}.`,
      { cause }
    )
  }
}
