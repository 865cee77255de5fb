import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../../base/files'
import { type PlannedInstallation, gigabytes } from '../installing'
import { type NvidiaDevice, cudaDevice, checkDriver } from '../cuda'
import { carriedAddon, findCompiler, makeAddon } from './addon'
import { cudaOfTensorflow, isOnProcessor, missingWheels, tensorflowFolder } from './installation'
import { type Package, addonName, checkPlatform, installedPackage, packageName, versionOf } from './package'
import { type Installer, fetchWheel, findInstaller } from './pip'
import { planScript, removeScript } from './script-install'
import { type Wheel, tensorflowVersion } from './wheels'

interface Lack {
  readonly own: Package
  readonly device: NvidiaDevice | undefined
  readonly wheels: readonly Wheel[]
  readonly bytes: number
  readonly addon: boolean
}

const lackHere = async (own: Package): Promise<Lack> => {
  const device = isOnProcessor() ? undefined : await cudaDevice()
  if (device !== undefined) checkDriver(device, cudaOfTensorflow)
  const wheels = missingWheels(device)
  return {
    own,
    device,
    wheels,
    bytes: wheels.reduce((sum, wheel) => sum + wheel.bytes, 0),
    addon: !existsSync(join(tensorflowFolder(), addonName(own)))
  }
}

const planWords = ({ own, device, wheels, bytes, addon }: Lack, installer: Installer | undefined): string => {
  const disk = wheels.reduce((sum, { unpacked }) => sum + unpacked, 0)
  const meanwhile = Math.max(0, ...wheels.map((wheel) => wheel.bytes))
  const cuda = device === undefined ? '' : ` with CUDA ${cudaOfTensorflow} and cuDNN 9`
  return [
    `${packageName} ${versionOf(own)} is given TensorFlow ${tensorflowVersion}${cuda} in ${tensorflowFolder()}.`,
    ...(installer === undefined
      ? []
      : [
          `Your ${installer.kind} downloads ${gigabytes(bytes)} from its index (PyPI), whose checksums are ` +
            `compared; that takes ${gigabytes(disk)} of disk, and ${gigabytes(meanwhile)} more meanwhile.`
        ]),
    ...(addon && carriedAddon(own) === undefined
      ? ['An addon is compiled for it, by the C++ compiler that is here.']
      : []),
    isOnProcessor()
      ? 'CUDA is left out.'
      : device === undefined
        ? 'There is no NVIDIA GPU here, so CUDA is left out and the engine will not start on this machine.'
        : `It needs an NVIDIA driver that is new enough, as ${device.driver} is. This program's makers have not ` +
          `run it on a GPU.`
  ].join(' ')
}

/** Linux: TensorFlow from PyPI, in a separate folder. Each part appears only when complete. */
const planWheels = async (own: Package): Promise<PlannedInstallation> => {
  const lack = await lackHere(own)
  const { wheels, bytes, addon } = lack
  const installer = wheels.length === 0 ? undefined : await findInstaller()
  if (addon && carriedAddon(own) === undefined) await findCompiler()
  return {
    bytes,
    folder: tensorflowFolder(),
    words: planWords(lack, installer),
    whole: wheels.length === 0 && !addon,
    install: async ({ onProgress, onNote, signal }) => {
      await makeFolder(tensorflowFolder())
      let before = 0
      for (const wheel of wheels) {
        const onBytes = (done: number): void => onProgress({ done: before + done, total: bytes })
        await fetchWheel(installer!, wheel, tensorflowFolder(), { signal, onBytes })
        before += wheel.bytes
        onBytes(0)
      }
      if (!addon) return
      onNote('TensorFlow is there. Its addon is being made.')
      await makeAddon(own, tensorflowFolder(), signal)
    }
  }
}

/**
 * Plans an installation. Throws `engine` errors if the platform is not supported or an installer is missing, and
 * `network` errors.
 */
export const planTfjs = async (signal: AbortSignal): Promise<PlannedInstallation> => {
  checkPlatform()
  const own = installedPackage()
  return process.platform === 'win32' ? planScript(own, signal) : planWheels(own)
}

/** Deletes everything that an installation has downloaded. */
export const removeTfjs = async (): Promise<void> => {
  if (process.platform === 'win32') await removeScript(installedPackage())
  await rm(tensorflowFolder(), { recursive: true, force: true })
}
