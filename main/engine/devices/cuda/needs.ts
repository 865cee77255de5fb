import { SpectroscopeError } from '../../../../preload/errors'
import { type NvidiaDevice, cudaDevice, isAtLeast } from './nvidia'
import { folderWithCuda, packagedCuda } from '../../onnx'

/**
 * Least drivers for each CUDA (NVIDIA's CUDA Toolkit release notes, "Minimum Required Driver Version for CUDA Minor
 * Version Compatibility"; for 13 under Windows, where that brings no driver, "CUDA Compatibility", table 1).
 */
const leastDrivers: Readonly<Record<number, Readonly<Partial<Record<NodeJS.Platform, string>>>>> = {
  12: { linux: '525.60.13', win32: '528.33' },
  13: { linux: '580.65.06', win32: '580' }
}

/** The oldest that a package may be built for. */
const oldestCuda = 12

/** Throws an `engine` error where onnxruntime has no CUDA. */
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

/** The driver that this CUDA needs, where the device's is older. */
const newerDriver = ({ driver }: NvidiaDevice, cuda: number, platform: NodeJS.Platform): string | undefined => {
  const least = leastDrivers[cuda]?.[platform]
  return least === undefined || isAtLeast(driver, least) ? undefined : least
}

/** Throws an `engine` error where the driver is too old for this CUDA. */
export const checkDriver = (device: NvidiaDevice, cuda: number, platform: NodeJS.Platform = process.platform): void => {
  const least = newerDriver(device, cuda, platform)
  if (least !== undefined)
    throw new SpectroscopeError(
      'engine',
      `The NVIDIA driver is ${device.driver} and CUDA ${cuda} needs ${least} at least; install a newer driver.`
    )
}

/** Throws an `engine` error where the driver is too old for any package. */
export const checkDriverForPackages = (device: NvidiaDevice, platform: NodeJS.Platform = process.platform): void => {
  if (newerDriver(device, oldestCuda, platform) !== undefined) checkDriver(device, packagedCuda, platform)
}

/** What a person should know of the driver before a package is fetched, if anything. */
export const driverWords = (device: NvidiaDevice, platform: NodeJS.Platform = process.platform): string | undefined => {
  const least = newerDriver(device, packagedCuda, platform)
  return least === undefined
    ? undefined
    : `The NVIDIA driver is ${device.driver}, and CUDA ${packagedCuda} needs ${least} at least: install a newer ` +
        'one first.'
}

/** That there is no GPU, or not the one that is asked for. */
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
 * The GPU, where a package that computes on it is here. Throws an `engine` error that says the one thing to do where
 * something is missing.
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

/** The CUDA of a library that a loader names. */
const cudaOf = (words: string): string =>
  /libcu(?:dart|blas|blasLt|fft|rand)\.so\.(\d+)|cu(?:dart|blas|blasLt|fft|rand)64_(\d+)/i
    .exec(words)
    ?.slice(1)
    .find((version) => version !== undefined) ?? String(packagedCuda)

/** What a loader says where a library, or one that it needs, is not found: glibc, and onnxruntime under Windows. */
const notFound = /cannot open shared object file|LoadLibrary failed with error 126\b/

/** What a loader says of a library that is not whole. */
const broken = /file too short|invalid ELF header|file data|LoadLibrary failed with error 193\b/

/** What to do where onnxruntime could not open CUDA and said so. */
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

/** Whether fetching the provider is what is to be done next. */
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
