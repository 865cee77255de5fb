import { isMainThread } from 'node:worker_threads'
import { messageOf, SpectroscopeError } from '../../../../preload/errors'
import type { Precision } from '../../../../preload/precisions'
import { deviceWords } from './nvidia'
import { cudaReady, openingRemedy } from './needs'
import { DeviceExecutor, type RoundedProducts } from '../../onnx'

/** Of what is free: the CUDA libraries take some too. */
const memoryShare = 0.8

/** Of exponentials at once: as much as keeps a card busy, and a small part of its memory. */
const partBytes = 512 * 2 ** 20

/**
 * Threads that have it at once, so that one puts inputs together and takes gradients in while the other's program
 * computes.
 */
export const cudaEvaluators = 2

/** Sets the process up for CUDA, before its threads open it: the libraries read its environment once. */
export const settleCuda = (): void => {
  if (!isMainThread) return
  // Devices as nvidia-smi counts them.
  process.env['CUDA_DEVICE_ORDER'] ??= 'PCI_BUS_ID'
  // Sums of parts of a float16 product are kept in float32 (bit 2 of cuda_common.cc's options); products of other
  // formats don't look at it.
  process.env['ORT_CUDA_GEMM_OPTIONS'] ??= '2'
}

/** TF32 is the card's own doing; products of the half formats are operators of theirs. */
const productsIn = (precision: Precision): { readonly products?: RoundedProducts } =>
  precision === 'float16' || precision === 'bfloat16' ? { products: { format: precision, emulated: false } } : {}

/** CUDA's first device. Throws an `engine` error that says the one thing to do where it can't be had. */
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
    // Places in onnxruntime's source come first.
    const words = line.replace(/^.*\[ONNXRuntimeError\] : \d+ : \w+ : /, '')
    throw new SpectroscopeError(
      'engine',
      `CUDA could not be opened on ${device.name} (${words}); ${openingRemedy(words)}.`,
      { cause }
    )
  }
}
