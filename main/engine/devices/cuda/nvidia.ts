import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** An NVIDIA GPU as described by its driver. */
export interface NvidiaDevice {
  readonly name: string
  readonly memoryBytes: number
  /** Free device memory. */
  readonly freeBytes: number
  readonly driver: string
}

const mebibyte = 2 ** 20

/** The device with an index or UUID in the driver's order; undefined if there is no driver or no such device. */
export const nvidiaDevice = async (which = '0'): Promise<NvidiaDevice | undefined> => {
  try {
    const { stdout } = await promisify(execFile)(
      'nvidia-smi',
      [`--id=${which}`, '--query-gpu=name,memory.total,driver_version,memory.free', '--format=csv,noheader,nounits'],
      { timeout: 20_000, windowsHide: true }
    )
    const [name = '', mebibytes = '', driver = '', free = ''] = stdout
      .trim()
      .split('\n')[0]
      .split(',')
      .map((part) => part.trim())
    return Number(mebibytes) > 0
      ? { name, memoryBytes: Number(mebibytes) * mebibyte, freeBytes: (Number(free) || 0) * mebibyte, driver }
      : undefined
  } catch {
    return undefined
  }
}

/** CUDA's first device, as selected by CUDA_VISIBLE_DEVICES in the driver's order. */
export const cudaDevice = (environment: NodeJS.ProcessEnv = process.env): Promise<NvidiaDevice | undefined> =>
  nvidiaDevice(environment['CUDA_VISIBLE_DEVICES']?.split(',')[0])

export const deviceWords = ({ name, memoryBytes, driver }: NvidiaDevice): string =>
  `${name}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB, driver ${driver}`

/** Whether a version such as 535.104.05 is at least another. */
export const isAtLeast = (version: string, least: string): boolean => {
  const parts = (text: string): number[] => text.split('.').map(Number)
  const [own, other] = [parts(version), parts(least)]
  const at = other.findIndex((part, i) => (own[i] ?? 0) !== part)
  return at < 0 || (own[at] ?? 0) > other[at]
}
