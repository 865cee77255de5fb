import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Onnx from 'onnxruntime-node'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { enginesFolder } from '../../base/folders'

const packages = createRequire(import.meta.url)

/** The package as npm installed it. */
export const installedFolder = (): string => dirname(packages.resolve('onnxruntime-node/package.json'))

export const onnxVersion = (): string => (packages('onnxruntime-node/package.json') as { version: string }).version

/** Where a package keeps its libraries. It looks for those of providers nowhere else. */
export const librariesFolder = (folder: string, platform: NodeJS.Platform = process.platform, architecture: string = process.arch): string => join(folder, 'bin', 'napi-v6', platform, architecture)

/** A copy of the package with CUDA's provider among its libraries, in a folder that holds what it requires too. */
export const copyRoot = (): string => join(enginesFolder(), `onnxruntime-node-${onnxVersion()}-cuda`)
export const copyFolder = (root = copyRoot()): string => join(root, 'node_modules', 'onnxruntime-node')

export const providerFiles = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'] as const

const hasCuda = (folder: string): boolean => providerFiles.every((name) => existsSync(join(librariesFolder(folder), name)))

/** The package that has CUDA's provider, if one does: npm's own where its install script was run, or the copy. */
export const folderWithCuda = (): string | undefined => [installedFolder(), copyFolder()].find(hasCuda)

/** How onnxruntime's own library is called, as its binding for Node has it. */
const libraryNames: Readonly<Partial<Record<NodeJS.Platform, string>>> = { win32: 'onnxruntime.dll', darwin: 'libonnxruntime.1.dylib' }

/** Path of libonnxruntime that a process uses, with CUDA where there is one. */
export const libraryPath = (platform: NodeJS.Platform = process.platform, architecture: string = process.arch): string =>
  join(librariesFolder(folderWithCuda() ?? installedFolder(), platform, architecture), libraryNames[platform] ?? 'libonnxruntime.so.1')

/**
 * onnxruntime, loaded when first asked for, so that a machine without its binary can still read what it has. A process has room for one:
 * whatever its first provider is, that is the one with CUDA where there is one. Throws an `engine` error where it can't be loaded.
 */
export const loadOnnx = (): typeof Onnx => {
  try {
    return createRequire(join(folderWithCuda() ?? installedFolder(), 'package.json'))('./dist/index.js') as typeof Onnx
  } catch (cause) {
    throw new SpectroscopeError('engine', `onnxruntime-node could not be loaded (${messageOf(cause)}); run npm ci again on this machine.`, { cause })
  }
}
