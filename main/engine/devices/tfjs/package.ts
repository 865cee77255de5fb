import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SpectroscopeError } from '../../../../preload/errors'
import { onDisk } from '../../../base/entries'

export const packageName = '@tensorflow/tfjs-node-gpu'

/** The package's folder, and how its own modules are found. */
export interface Package {
  readonly folder: string
  readonly require: NodeJS.Require
}

export const packageAt = (folder: string): Package => {
  const require = createRequire(join(folder, 'package.json'))
  return { folder, require }
}

/** The package as npm installed it, without a library. Throws an `engine` error where it is not there. */
export const installedPackage = (): Package => {
  try {
    return packageAt(onDisk(dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`))))
  } catch (cause) {
    throw new SpectroscopeError(
      'engine',
      `The package ${packageName} is not installed; run npm ci here without leaving optional packages out.`,
      { cause }
    )
  }
}

export const versionOf = ({ require }: Package): string => (require('./package.json') as { version: string }).version

/** Throws an `engine` error where the package has no library that computes on a GPU. */
export const checkPlatform = (
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): void => {
  if ((platform === 'linux' || platform === 'win32') && architecture === 'x64') return
  throw new SpectroscopeError(
    'engine',
    `${packageName} computes on NVIDIA GPUs under Linux and Windows on x64 only, and this is ${platform} on ` +
      `${architecture}; choose another engine.`
  )
}

/** The addon that gives it TensorFlow under Linux. */
export const addonName = (own: Package): string => `tfjs_binding-${versionOf(own)}.node`
