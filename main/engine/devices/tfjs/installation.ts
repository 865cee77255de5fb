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

/** The CUDA that TensorFlow's wheel is built for. */
export const cudaOfTensorflow = 12

/** Where TensorFlow is under Linux, with CUDA and the addon: it outlives `npm ci`. */
export const tensorflowFolder = (): string => join(enginesFolder(), `tensorflow-${tensorflowVersion}`)

/**
 * The addon to load: the last file that an installation puts in its place. Under Windows the package's own script
 * puts it beside its library, where that is looked for.
 */
export const addonPath = (own: Package): string =>
  process.platform === 'win32' ? scriptAddon(own) : join(tensorflowFolder(), addonName(own))

/** Which wheels an installation lacks: each has a folder of its own, which is there once it is whole. */
export const missingWheels = (device: NvidiaDevice | undefined): readonly Wheel[] =>
  [tensorflowWheel, ...(device === undefined ? [] : cudaWheels)].filter(
    ({ folder }) => !existsSync(join(tensorflowFolder(), folder))
  )

/**
 * For tests of the library itself: TensorFlow computes on the processor, though it is slower there than onnxruntime.
 */
export const isOnProcessor = (): boolean => process.env['SPECTROSCOPE_TFJS_DEVICE'] === 'cpu'

const notInstalled = (what: string): SpectroscopeError =>
  new SpectroscopeError(
    'engine',
    `${what} not installed; \`spectroscope engines install tfjs\` fetches it, and says first what it needs.`
  )

/** Throws an `engine` error that says the one thing to do where something is missing. */
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

/** Whether installing is what is to be done next. */
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

/**
 * The engine `tfjs-gpu`, in its process. Throws an `engine` error that says the one thing to do where it can't be
 * had.
 */
export const openTfjsGpu = async (): Promise<Executor> => openTfjsProcess(await tfjsReady())
