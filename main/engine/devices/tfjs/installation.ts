import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SpectroscopeError } from '../../../../preload/errors'
import { enginesFolder } from '../../../base/folders'
import type { Executor } from '../../core'
import { type NvidiaDevice, cudaDevice, checkDriver, noDevice } from '../cuda'
import { openTfjsProcess } from './client'
import { type Package, addonName, checkPlatform, installedPackage } from './package'
import { scriptAddon } from './script-install'
import { type Wheel, cudaWheels, tensorflowVersion, tensorflowWheel } from './wheels'

/** CUDA version that TensorFlow's wheel is built for. */
export const cudaOfTensorflow = 12

/** Folder of TensorFlow on Linux, with CUDA and the addon. It survives `npm ci`. */
export const tensorflowFolder = (): string => join(enginesFolder(), `tensorflow-${tensorflowVersion}`)

/**
 * Path of the addon, the last file of an installation. On Windows, the package's own script puts it beside its
 * library.
 */
export const addonPath = (own: Package): string =>
  process.platform === 'win32' ? scriptAddon(own) : join(tensorflowFolder(), addonName(own))

/** Wheels not yet installed. Each has its own folder, which appears only when complete. */
export const missingWheels = (device: NvidiaDevice | undefined): readonly Wheel[] =>
  [tensorflowWheel, ...(device === undefined ? [] : cudaWheels)].filter(
    ({ folder }) => !existsSync(join(tensorflowFolder(), folder))
  )

/** For tests of the library itself: whether TensorFlow computes on the CPU, where it is slower than onnxruntime. */
export const isOnProcessor = (): boolean => process.env['SPECTROSCOPE_TFJS_DEVICE'] === 'cpu'

const notInstalled = (what: string): SpectroscopeError =>
  new SpectroscopeError(
    'engine',
    `${what} not installed; \`spectroscope engines install tfjs\` fetches it, and says first what it needs.`
  )

/** Checks the installation. Throws an `engine` error with the next step if something is missing. */
const tfjsReady = async (): Promise<{ readonly addon: string; readonly device: NvidiaDevice | undefined }> => {
  checkPlatform()
  const addon = addonPath(installedPackage())
  const device = isOnProcessor() ? undefined : await cudaDevice()
  if (device === undefined && !isOnProcessor()) throw noDevice()
  if (device !== undefined && process.platform === 'linux') checkDriver(device, cudaOfTensorflow)
  if (!existsSync(addon)) throw notInstalled("TensorFlow's library for TensorFlow.js is")
  const missing = process.platform === 'linux' ? missingWheels(device) : []
  if (missing.length > 0) throw notInstalled(`${missing[0].name}, which TensorFlow needs, is`)
  return { addon, device }
}

/** Whether the next step is to install. */
export const canInstallTfjs = async (): Promise<boolean> => {
  try {
    checkPlatform()
    const own = installedPackage()
    const device = isOnProcessor() ? undefined : await cudaDevice()
    if (device === undefined && !isOnProcessor()) return false
    if (process.platform === 'win32') return !existsSync(addonPath(own))
    if (device !== undefined) checkDriver(device, cudaOfTensorflow)
    return !existsSync(addonPath(own)) || missingWheels(device).length > 0
  } catch {
    return false
  }
}

/** Opens the engine `tfjs-gpu` in its process. Throws an `engine` error with the next step if it cannot. */
export const openTfjsGpu = async (): Promise<Executor> => openTfjsProcess(await tfjsReady())
