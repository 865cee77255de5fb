import { isMainThread } from 'node:worker_threads'
import { SpectroscopeError } from '../../../preload/errors'
import { deviceWords } from '../nvidia'
import type { Precision } from '../self-check'
import { cudaReady } from './cuda-needs'
import { OnnxExecutor } from './executor'

/** What of the environment decides how CUDA's libraries compute, from when they are loaded. */
const settings = (precision: Precision): Readonly<Record<string, string | undefined>> => ({
  // Devices as nvidia-smi counts them.
  CUDA_DEVICE_ORDER: process.env['CUDA_DEVICE_ORDER'] ?? 'PCI_BUS_ID',
  // onnxruntime's binding for Node passes no option of the provider on but the device, and its own default is TF32 where the GPU has that.
  NVIDIA_TF32_OVERRIDE: precision === 'tf32' ? undefined : '0'
})

let settled: Precision | undefined

/**
 * Sets the process up for one precision, before its threads open CUDA: the libraries read it from the environment once. Throws an `engine`
 * error where the process computes in another one already.
 */
export const settleCuda = (precision: Precision): void => {
  if (!isMainThread) return
  if (settled !== undefined && settled !== precision) throw new SpectroscopeError('engine', `This process computes in ${settled} on CUDA and can't change to ${precision}; start the program again.`)
  settled = precision
  for (const [name, value] of Object.entries(settings(precision))) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

/** CUDA's first device. Throws an `engine` error that says the one thing to do where it can't be had. */
export const openOnnxCuda = async (precision: Precision): Promise<OnnxExecutor> => {
  const { device, cuda } = await cudaReady()
  settleCuda(precision)
  return new OnnxExecutor({ provider: 'cuda', name: 'onnx-cuda', device: deviceWords(device), precision, deviceId: 0, versionWords: `CUDA ${cuda}` })
}
