import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** An NVIDIA GPU as its driver describes it. */
export interface NvidiaDevice {
  readonly name: string
  readonly memoryBytes: number
  readonly driver: string
}

/** The device of an index or UUID in the driver's own order; undefined where there is no driver, or no such device. */
export const nvidiaDevice = async (which = '0'): Promise<NvidiaDevice | undefined> => {
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', [`--id=${which}`, '--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'], { timeout: 20_000 })
    const [name = '', mebibytes = '', driver = ''] = stdout.trim().split('\n')[0].split(',').map((part) => part.trim())
    return Number(mebibytes) > 0 ? { name, memoryBytes: Number(mebibytes) * 2 ** 20, driver } : undefined
  } catch {
    return undefined
  }
}
