import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SpectroscopeError } from '../../../preload/errors'
import type { Executor } from '../executor'
import { checkTfjsRuntime, openTfjsProcess } from './client'

export const packageName = '@tensorflow/tfjs-node-gpu'

/** What scripts/deps-constants.js of the package says. */
interface Constants {
  readonly LIBTENSORFLOW_VERSION: string
  readonly PLATFORM_EXTENSION: string
  readonly PLATFORM_MAPPING: Readonly<Record<string, string>>
  readonly depsLibTensorFlowPath: string
  readonly depsLibTensorFlowFrameworkPath: string
  readonly depsLibTensorFlowName: string
}

/** The package's folder, and how its own modules are found. */
export interface Package {
  readonly folder: string
  readonly require: NodeJS.Require
}

export const packageAt = (folder: string): Package => ({ folder, require: createRequire(join(folder, 'package.json')) })

/** The package as npm installed it, with or without what its install script brings. Throws an `engine` error where it is not there. */
export const installedPackage = (): Package => {
  try {
    return packageAt(dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`)))
  } catch (cause) {
    throw new SpectroscopeError(
      'engine',
      `The package ${packageName} is not installed; run npm ci here without leaving optional packages out.`,
      { cause }
    )
  }
}

/** Throws an `engine` error where the package has no library that computes on a GPU. */
export const checkPlatform = (
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): void => {
  if ((platform === 'linux' || platform === 'win32') && architecture === 'x64') return
  throw new SpectroscopeError(
    'engine',
    `${packageName} computes on NVIDIA GPUs under Linux and Windows on x64 only, and this is ${platform} on ${architecture}; choose another engine.`
  )
}

export const constantsOf = ({ require }: Package): Constants => require('./scripts/deps-constants.js') as Constants

/** Where the addon lies once it is there: the last file that an installation puts in its place. */
export const addonPath = ({ folder, require }: Package): string =>
  (require('@mapbox/node-pre-gyp') as { find: (path: string) => string }).find(join(folder, 'package.json'))

/** Under Windows the library is looked for beside the addon. */
export const libraryBesideAddon = (own: Package): string =>
  join(dirname(addonPath(own)), constantsOf(own).depsLibTensorFlowName)

/** Whether all files are there; that they load is seen when they are loaded. */
export const isComplete = (own: Package): boolean => {
  const { depsLibTensorFlowPath, depsLibTensorFlowFrameworkPath } = constantsOf(own)
  const library =
    process.platform === 'win32' ? [libraryBesideAddon(own)] : [depsLibTensorFlowPath, depsLibTensorFlowFrameworkPath]
  return [addonPath(own), ...library].every((path) => existsSync(path))
}

/** Whether its install script can be run here. */
export const canInstall = (): boolean => {
  try {
    checkTfjsRuntime()
    checkPlatform()
    installedPackage()
    return true
  } catch {
    return false
  }
}

/** The engine `tfjs-gpu`, in its process. Throws an `engine` error that says the one thing to do where it can't be had. */
export const openTfjsGpu = async (): Promise<Executor> => {
  checkTfjsRuntime()
  checkPlatform()
  if (!isComplete(installedPackage()))
    throw new SpectroscopeError(
      'engine',
      "TensorFlow's library for GPUs is not installed; `spectroscope engines install tfjs` fetches it, and says first what it needs."
    )
  return openTfjsProcess('tensorflow')
}
