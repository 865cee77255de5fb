import { SpectroscopeError } from '../../../../preload/errors'
import { type NvidiaDevice, cudaDevice, isAtLeast } from './nvidia'
import { folderWithCuda, packagedCuda } from '../../onnx'

/**
 * Minimum driver for each CUDA (NVIDIA's CUDA Toolkit release notes, "Minimum Required Driver Version for CUDA Minor
 * Version Compatibility"; for CUDA 13 on Windows, which includes no driver, "CUDA Compatibility", table 1).
 */
const leastDrivers: Readonly<Record<number, Readonly<Partial<Record<NodeJS.Platform, string>>>>> = {
  12: { linux: '525.60.13', win32: '528.33' },
  13: { linux: '580.65.06', win32: '580' }
}

/** Oldest CUDA that a package may be built for. */
const oldestCuda = 12

/** Throws an `engine` error if onnxruntime has no CUDA for the platform. */
export const checkCudaPlatform = (
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): void => {
  if ((platform === 'linux' || platform === 'win32') && architecture === 'x64') return
  throw new SpectroscopeError(
    'engine',
    `onnxruntime has CUDA under Linux and Windows on x64 only, and this is ${platform} on ${architecture}; ` +
      'choose another engine.'
  )
}

/** Driver version that this CUDA needs, if the device's is older. */
const newerDriver = ({ driver }: NvidiaDevice, cuda: number, platform: NodeJS.Platform): string | undefined => {
  const least = leastDrivers[cuda]?.[platform]
  return least === undefined || isAtLeast(driver, least) ? undefined : least
}

/** Throws an `engine` error if the driver is too old for this CUDA. */
export const checkDriver = (device: NvidiaDevice, cuda: number, platform: NodeJS.Platform = process.platform): void => {
  const least = newerDriver(device, cuda, platform)
  if (least !== undefined)
    throw new SpectroscopeError(
      'engine',
      `The NVIDIA driver is ${device.driver} and CUDA ${cuda} needs ${least} at least; install a newer driver.`
    )
}

/** Throws an `engine` error if the driver is too old for any package. */
export const checkDriverForPackages = (device: NvidiaDevice, platform: NodeJS.Platform = process.platform): void => {
  if (newerDriver(device, oldestCuda, platform) !== undefined) checkDriver(device, packagedCuda, platform)
}

/** Note for the user about an old driver, before a package is downloaded. */
export const driverWords = (device: NvidiaDevice, platform: NodeJS.Platform = process.platform): string | undefined => {
  const least = newerDriver(device, packagedCuda, platform)
  return least === undefined
    ? undefined
    : `The NVIDIA driver is ${device.driver}, and CUDA ${packagedCuda} needs ${least} at least: install a newer ` +
        'one first.'
}

/** Error for a missing GPU, or a requested one that does not exist. */
export const noDevice = (): SpectroscopeError => {
  const visible = process.env['CUDA_VISIBLE_DEVICES']
  return visible === undefined
    ? new SpectroscopeError(
        'engine',
        'There is no NVIDIA GPU here that nvidia-smi knows of; install the NVIDIA driver where there is one, ' +
          'or choose another engine.'
      )
    : new SpectroscopeError(
        'engine',
        `There is no NVIDIA GPU "${visible}", which CUDA_VISIBLE_DEVICES names; set it to one that nvidia-smi lists.`
      )
}

/**
 * The GPU, if a package that computes on it is installed. Throws an `engine` error with the next step if something is
 * missing.
 */
export const cudaReady = async (
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): Promise<NvidiaDevice> => {
  checkCudaPlatform(platform, architecture)
  const device = await cudaDevice()
  if (device === undefined) throw noDevice()
  checkDriverForPackages(device, platform)
  if (folderWithCuda(platform) !== undefined) return device
  throw new SpectroscopeError(
    'engine',
    "onnxruntime's provider for CUDA is not installed; `spectroscope engines install cuda` fetches it, and says " +
      'first what it needs.'
  )
}

/** CUDA version of a library named by a loader. */
const cudaOf = (words: string): string =>
  /libcu(?:dart|blas|blasLt|fft|rand)\.so\.(\d+)|cu(?:dart|blas|blasLt|fft|rand)64_(\d+)/i
    .exec(words)
    ?.slice(1)
    .find((version) => version !== undefined) ?? String(packagedCuda)

/**
 * Loader messages for a missing library, or one missing among its dependencies: glibc, and onnxruntime on Windows.
 */
const notFound = /cannot open shared object file|LoadLibrary failed with error 126\b/

/** Loader messages for an incomplete library. */
const broken = /file too short|invalid ELF header|file data|LoadLibrary failed with error 193\b/

/** Remedy for an error of onnxruntime in opening CUDA. */
export const openingRemedy = (words: string, platform: NodeJS.Platform = process.platform): string => {
  if (broken.test(words)) return 'run `spectroscope engines install cuda` again'
  if (!notFound.test(words))
    return (
      "see that nothing else has the GPU's memory and that driver, CUDA and cuDNN are of one version, " +
      'or choose another engine'
    )
  if (/libcuda\.so|nvcuda\.dll/i.test(words)) return 'install the NVIDIA driver'
  const libraries = `install the libraries of CUDA ${cudaOf(words)} and cuDNN 9 for it`
  return platform === 'win32'
    ? `${libraries} and the Microsoft Visual C++ Redistributable for x64, ` +
        'or add their folders to PATH and start the program again'
    : `${libraries}, or name their folder in LD_LIBRARY_PATH`
}

/** Whether the next step is to install the provider. */
export const canInstallCuda = async (
  platform: NodeJS.Platform = process.platform,
  architecture: string = process.arch
): Promise<boolean> => {
  try {
    checkCudaPlatform(platform, architecture)
    if (folderWithCuda(platform) !== undefined) return false
    const device = await cudaDevice()
    if (device === undefined) return false
    checkDriverForPackages(device, platform)
    return true
  } catch {
    return false
  }
}
