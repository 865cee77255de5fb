import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Onnx from 'onnxruntime-node'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { onDisk } from '../../base/entries'
import { enginesFolder } from '../../base/folders'

const packages = createRequire(import.meta.url)

/** The package installed by npm, where the system's loader finds its libraries. */
export const installedFolder = (): string => onDisk(dirname(packages.resolve('onnxruntime-node/package.json')))

export const onnxVersion = (): string => (packages('onnxruntime-node/package.json') as { version: string }).version

/** Folder of a package's libraries. onnxruntime looks for provider libraries only there. */
export const librariesFolder = (
  folder: string,
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): string => join(folder, 'bin', 'napi-v6', platform, architecture)

/** Folder with a copy of the package and of its dependencies, including CUDA's provider. */
export const copyRoot = (): string => join(enginesFolder(), `onnxruntime-node-${onnxVersion()}-cuda`)
export const copyFolder = (root = copyRoot()): string => join(root, 'node_modules', 'onnxruntime-node')

/**
 * onnxruntime with CUDA on Windows, which npm's package lacks. It has no WebGPU, so both are needed. A process loads
 * only one library of a given name, so this one has another name than npm's.
 */
const windowsLibrary = 'onnxruntime_cuda.dll'

/** CUDA's provider and related files of the NuGet package: original name to name here. The provider is first. */
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
 * CUDA version that the NuGet package is probably built for. Since onnxruntime 1.27, its maker publishes CUDA 12 in
 * another feed, although the metadata of onnxruntime-node still says 12.
 */
export const packagedCuda = 13

/** Folder of CUDA's provider in a package. It exists only for x64. */
export const cudaFolder = (folder: string, platform: NodeJS.Platform = process.platform): string =>
  librariesFolder(folder, platform, 'x64')

const hasCuda = (folder: string, platform: NodeJS.Platform): boolean =>
  Object.values(cudaFiles(platform)).every((name) => existsSync(join(cudaFolder(folder, platform), name)))

/**
 * The package with CUDA's provider: npm's own if its install script was run, else the copy; undefined if neither has
 * it.
 */
export const folderWithCuda = (platform: NodeJS.Platform = process.platform): string | undefined =>
  [installedFolder(), copyFolder()].find((folder) => hasCuda(folder, platform))

/** The package from which the Node binding is loaded. */
const bindingFolder = (platform: NodeJS.Platform): string =>
  (platform === 'win32' ? undefined : folderWithCuda(platform)) ?? installedFolder()

/** Execution providers of onnxruntime. */
export type Provider = 'cpu' | 'cuda' | 'webgpu'

/** File name of onnxruntime's library, as used by its Node binding. */
const libraryNames: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  win32: 'onnxruntime.dll',
  darwin: 'libonnxruntime.1.dylib'
}

/**
 * Path of the onnxruntime library for a provider. On Windows, CUDA has its own if installed; elsewhere it is the Node
 * binding's, with CUDA if there is one.
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

/** Remedy for libraries that do not load. */
export const loadingRemedy =
  process.platform === 'win32'
    ? 'run npm ci again on this machine, and install the Microsoft Visual C++ Redistributable where it is missing'
    : 'run npm ci again on this machine'

/**
 * Loads onnxruntime when first needed, so that a machine without its binary can still read results. A process can
 * hold only one: the one with CUDA if there is one (on Windows npm's own, beside which the one with CUDA fits).
 * Throws an `engine` error if it cannot be loaded.
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
