import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { type NvidiaDevice, cudaDevice, isAtLeast } from '../nvidia'
import { folderWithCuda, librariesFolder, providerFiles } from './package'
import { readSharedObject } from './shared-object'

/** Least drivers for each CUDA under Linux (CUDA release notes: minor version compatibility). */
const leastDriver: Readonly<Record<number, string>> = { 12: '525.60.13', 13: '580.65.06' }

/** The CUDA that the package's own list of downloads is for. */
export const packagedCuda = 12

/** Throws an `engine` error where onnxruntime has no CUDA for Node. */
export const checkCudaPlatform = (platform: NodeJS.Platform = process.platform, architecture: string = process.arch): void => {
  if (platform === 'linux' && architecture === 'x64') return
  throw new SpectroscopeError('engine', `onnxruntime's package for Node has CUDA under Linux on x64 only, and this is ${platform} on ${architecture}; choose another engine.`)
}

/** Throws an `engine` error where the driver is too old for this CUDA. */
export const checkDriver = ({ driver }: NvidiaDevice, cuda = packagedCuda): void => {
  const least = leastDriver[cuda]
  if (least === undefined || isAtLeast(driver, least)) return
  throw new SpectroscopeError('engine', `The NVIDIA driver is ${driver} and CUDA ${cuda} needs ${least} at least; install a newer driver.`)
}

const noDevice = (): SpectroscopeError => {
  const visible = process.env['CUDA_VISIBLE_DEVICES']
  return visible === undefined
    ? new SpectroscopeError('engine', 'There is no NVIDIA GPU here that nvidia-smi knows of; install the NVIDIA driver where there is one, or choose another engine.')
    : new SpectroscopeError('engine', `There is no NVIDIA GPU "${visible}", which CUDA_VISIBLE_DEVICES names; set it to one that nvidia-smi lists.`)
}

/** Names of the libraries that the linker's cache lists. */
const cachedLibraries = async (): Promise<ReadonlySet<string>> => {
  const outputs = await Promise.all(['ldconfig', '/sbin/ldconfig'].map((command) => promisify(execFile)(command, ['-p'], { timeout: 20_000, maxBuffer: 2 ** 24 }).then(({ stdout }) => stdout, () => '')))
  return new Set(outputs.flatMap((output) => output.split('\n').slice(1).map((line) => line.trim().split(' ')[0])))
}

const systemFolders = ['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib']

/** Libraries of CUDA and cuDNN that the provider needs and the system would not find, and the CUDA that it is built for. */
export const neededByProvider = async (folder: string): Promise<{ readonly cuda: number; readonly missing: readonly string[] }> => {
  const path = join(librariesFolder(folder), providerFiles[1])
  const { needed, folders } = await readSharedObject(path).catch((cause: unknown) => {
    throw new SpectroscopeError('engine', `${path} is damaged (${messageOf(cause)}); run \`spectroscope engines install cuda\` again.`, { cause })
  })
  const own = dirname(path)
  const looked = [...folders.map((each) => each.replace(/\$ORIGIN|\$\{ORIGIN\}/g, own)), own, ...(process.env['LD_LIBRARY_PATH'] ?? '').split(delimiter).filter((each) => each !== ''), ...systemFolders]
  const cached = await cachedLibraries()
  return {
    cuda: Number(needed.map((name) => /^libcudart\.so\.(\d+)/.exec(name)?.[1]).find((version) => version !== undefined) ?? packagedCuda),
    missing: needed.filter((name) => !cached.has(name) && !looked.some((each) => existsSync(join(each, name))))
  }
}

const missingLibraries = (missing: readonly string[], cuda: number): SpectroscopeError => {
  const packages = [...(missing.some((name) => !name.startsWith('libcudnn')) ? [`the libraries of CUDA ${cuda}`] : []), ...(missing.some((name) => name.startsWith('libcudnn')) ? [`cuDNN 9 for CUDA ${cuda}`] : [])]
  return new SpectroscopeError('engine', `The system does not find ${missing.join(', ')}; install ${packages.join(' and ')}, or name their folder in LD_LIBRARY_PATH.`)
}

/** The GPU and the package that computes on it. Throws an `engine` error that says the one thing to do where something is missing. */
export const cudaReady = async (): Promise<{ readonly device: NvidiaDevice; readonly cuda: number }> => {
  checkCudaPlatform()
  const device = await cudaDevice()
  if (device === undefined) throw noDevice()
  const folder = folderWithCuda()
  if (folder === undefined) {
    checkDriver(device)
    throw new SpectroscopeError('engine', 'onnxruntime\'s provider for CUDA is not installed; `spectroscope engines install cuda` fetches it, and says first what it needs.')
  }
  const { cuda, missing } = await neededByProvider(folder)
  checkDriver(device, cuda)
  if (missing.length > 0) throw missingLibraries(missing, cuda)
  return { device, cuda }
}

/** Whether fetching the provider is what is to be done next. */
export const canInstallCuda = async (): Promise<boolean> => {
  try {
    checkCudaPlatform()
    if (folderWithCuda() !== undefined) return false
    const device = await cudaDevice()
    if (device === undefined) return false
    checkDriver(device)
    return true
  } catch {
    return false
  }
}
