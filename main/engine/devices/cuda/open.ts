import { isMainThread } from 'node:worker_threads'
import { messageOf, SpectroscopeError } from '../../../../preload/errors'
import type { Precision } from '../../../../preload/precisions'
import { deviceWords } from './nvidia'
import { cudaReady, openingRemedy } from './needs'
import { DeviceExecutor, type RoundedProducts } from '../../onnx'

/** Share of the free memory that is used. The CUDA libraries need some too. */
const memoryShare = 0.8

/** Bytes of exponentials computed at once: enough to keep a card busy, and a small part of its memory. */
const partBytes = 512 * 2 ** 20

/**
 * Threads that use the device at once. While one thread's program computes, another prepares inputs and processes
 * gradients.
 */
export const cudaEvaluators = 2

/**
 * Prepares the process for CUDA. Must run before its threads open it, because the libraries read the environment
 * once.
 */
export const settleCuda = (): void => {
  if (!isMainThread) return
  // Number devices as nvidia-smi does.
  process.env['CUDA_DEVICE_ORDER'] ??= 'PCI_BUS_ID'
  // Accumulate float16 products in float32 (bit 2 of cuda_common.cc's options). Products of other formats ignore
  // this.
  process.env['ORT_CUDA_GEMM_OPTIONS'] ??= '2'
}

/** The card itself computes TF32. Products in half formats use operators of those formats. */
const productsIn = (precision: Precision): { readonly products?: RoundedProducts } =>
  precision === 'float16' || precision === 'bfloat16' ? { products: { format: precision, emulated: false } } : {}

/** Opens CUDA's first device. Throws an `engine` error with the next step if it cannot. */
export const openOnnxCuda = async (precision: Precision): Promise<DeviceExecutor> => {
  const device = await cudaReady()
  settleCuda()
  try {
    return await DeviceExecutor.open({
      provider: 'cuda',
      name: 'onnx-cuda',
      device: deviceWords(device),
      precision,
      ...productsIn(precision),
      partBytes,
      memoryBytes: Math.floor((memoryShare * device.freeBytes) / cudaEvaluators)
    })
  } catch (cause) {
    const [line] = messageOf(cause).split('\n')
    // Strip the position in onnxruntime's source.
    const words = line.replace(/^.*\[ONNXRuntimeError\] : \d+ : \w+ : /, '')
    throw new SpectroscopeError(
      'engine',
      `CUDA could not be opened on ${device.name} (${words}); ${openingRemedy(words)}.`,
      { cause }
    )
  }
}
