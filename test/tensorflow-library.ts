import { dirname } from 'node:path'
import type { ProcessExecutor } from '../main/engine/apart/client'
import { openTfjsProcess } from '../main/engine/devices/tfjs/client'

/** The addon that test/tensorflow.ts has installed. */
export const tensorflowAddon = process.env['SPECTROSCOPE_TESTED_TFJS']

/** Why there are no tests with TensorFlow's own library here; undefined where there are. */
export const tensorflowLack: string | undefined =
  tensorflowAddon === undefined
    ? (process.env['SPECTROSCOPE_UNTESTED_TFJS'] ??
      'TensorFlow is a large download: set SPECTROSCOPE_TEST_TFJS=1 to have it installed and tested')
    : undefined

/** What gives a program that a test starts the engine on the processor. */
export const tensorflowEnvironment = (): Record<string, string> => ({
  SPECTROSCOPE_ENGINES: dirname(dirname(tensorflowAddon!)),
  SPECTROSCOPE_TFJS_DEVICE: 'cpu'
})

/** TensorFlow in a process of its own, on the processor. */
export const openTensorflow = (): Promise<ProcessExecutor> =>
  openTfjsProcess({ addon: tensorflowAddon!, device: undefined })
