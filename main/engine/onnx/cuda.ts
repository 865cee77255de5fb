import { isMainThread } from 'node:worker_threads'
import { SpectroscopeError } from '../../../preload/errors'
import type { Precision } from '../../../preload/precisions'
import { deviceWords } from '../nvidia'
import { cudaReady } from './cuda-needs'
import { OnnxExecutor } from './executor'
import type { RoundedProducts } from './lower'

/** Of what is free: the CUDA libraries take some too, and arenas grow by doubling. */
const memoryShare = 0.8

/** Of exponentials at once: as much as keeps a card busy, and a small part of its memory. */
const partBytes = 512 * 2 ** 20

/** Threads that have it at once, so that one draws noise and updates weights while the other's program computes. */
export const cudaEvaluators = 2

let settled: Precision | undefined

/**
 * Sets the process up for one precision, before its threads open CUDA: the libraries read it from the environment once. Throws an `engine`
 * error where the process computes in another one already.
 */
export const settleCuda = (precision: Precision): void => {
  if (!isMainThread) return
  if (settled !== undefined && settled !== precision) throw new SpectroscopeError('engine', `This process computes in ${settled} on CUDA and can't change to ${precision}; start the program again.`)
  settled = precision
  // Devices as nvidia-smi counts them.
  process.env['CUDA_DEVICE_ORDER'] ??= 'PCI_BUS_ID'
  // onnxruntime's binding for Node passes none of the provider's options on but the device, and the provider's own default is TF32.
  if (precision === 'tf32') delete process.env['NVIDIA_TF32_OVERRIDE']
  else process.env['NVIDIA_TF32_OVERRIDE'] = '0'
  // Sums of parts of a float16 product are kept in float32 (bit 2 of cuda_common.cc's options).
  if (precision === 'float16') process.env['ORT_CUDA_GEMM_OPTIONS'] = '2'
}

/** TF32 is the card's own doing; products of the half formats are operators of theirs. */
const productsIn = (precision: Precision): { readonly products?: RoundedProducts } => (precision === 'float16' || precision === 'bfloat16' ? { products: { format: precision, emulated: false } } : {})

/** CUDA's first device. Throws an `engine` error that says the one thing to do where it can't be had. */
export const openOnnxCuda = async (precision: Precision): Promise<OnnxExecutor> => {
  const { device, cuda } = await cudaReady()
  settleCuda(precision)
  return new OnnxExecutor({ provider: 'cuda', name: 'onnx-cuda', device: deviceWords(device), precision, ...productsIn(precision), deviceId: 0, partBytes, holds: true, memoryBytes: Math.floor((memoryShare * device.freeBytes) / cudaEvaluators), versionWords: `CUDA ${cuda}` })
}
