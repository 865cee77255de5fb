import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SpectroscopeError } from '../../../../preload/errors'
import { onDisk } from '../../../base/entries'

export const packageName = '@tensorflow/tfjs-node-gpu'

/** A package's folder, and a `require` that resolves its modules. */
export interface Package {
  readonly folder: string
  readonly require: NodeJS.Require
}

export const packageAt = (folder: string): Package => {
  const require = createRequire(join(folder, 'package.json'))
  return { folder, require }
}

/** The package installed by npm, without a library. Throws an `engine` error if it is missing. */
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

/** Throws an `engine` error if the package has no GPU library for the platform. */
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

/** File name of the addon for Linux. */
export const addonName = (own: Package): string => `tfjs_binding-${versionOf(own)}.node`
