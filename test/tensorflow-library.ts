import { dirname } from 'node:path'
import type { ProcessExecutor } from '../main/engine/apart/client'
import { openTfjsProcess } from '../main/engine/devices/tfjs/client'

/** The addon installed by test/tensorflow.ts. */
export const tensorflowAddon = process.env['SPECTROSCOPE_TESTED_TFJS']

/** Why TensorFlow's own library is not tested here; undefined if it is. */
export const tensorflowLack: string | undefined =
  tensorflowAddon === undefined
    ? (process.env['SPECTROSCOPE_UNTESTED_TFJS'] ??
      'TensorFlow is a large download: set SPECTROSCOPE_TEST_TFJS=1 to have it installed and tested')
    : undefined

/** Environment in which a program started by a test has the engine on the CPU. */
export const tensorflowEnvironment = (): Record<string, string> => ({
  SPECTROSCOPE_ENGINES: dirname(dirname(tensorflowAddon!)),
  SPECTROSCOPE_TFJS_DEVICE: 'cpu'
})

/** TensorFlow in a separate process, on the CPU. */
export const openTensorflow = (): Promise<ProcessExecutor> =>
  openTfjsProcess({ addon: tensorflowAddon!, device: undefined })
