import { createRequire } from 'node:module'
import * as tf from '@tensorflow/tfjs-core'
import { messageOf, SpectroscopeError } from '../../../../preload/errors'
import type { EngineDescription } from '../../core'
import { restoreUtil } from './node-util'

const packages = createRequire(import.meta.url)
const packageName = '@tensorflow/tfjs-node-gpu'

export const backendName = 'tensorflow'

export interface TensorflowOptions {
  /** Path of @tensorflow/tfjs-node-gpu's addon, which finds TensorFlow through its own run path. */
  readonly addon: string
}

/** Members of @tensorflow/tfjs-node-gpu's backend that other backends lack. */
export interface NodeBackend extends tf.KernelBackend {
  readonly isUsingGpuDevice: boolean
  readonly binding: { readonly TF_Version: string }
}

type NodeBackendClass = new (addon: unknown, packageName: string) => NodeBackend

/** Registers the backend as the package's index does, but with an addon that may be elsewhere. */
const registerBackend = (addon: string): void => {
  restoreUtil()
  const binding: unknown = packages(addon)
  const { NodeJSKernelBackend } = packages(`${packageName}/dist/nodejs_kernel_backend.js`) as {
    readonly NodeJSKernelBackend: NodeBackendClass
  }
  packages(`${packageName}/dist/register_all_kernels.js`)
  tf.registerBackend(backendName, () => new NodeJSKernelBackend(binding, packageName))
}

/**
 * Loads TensorFlow in this process. The device is "CPU" if it finds no GPU. Throws an `engine` error if it cannot be
 * loaded.
 */
export const openBackend = async ({ addon }: TensorflowOptions): Promise<EngineDescription> => {
  tf.enableProdMode()
  try {
    registerBackend(addon)
    await tf.setBackend(backendName)
  } catch (cause) {
    const words = messageOf(cause).split('\n')[0].trim().replace(/\.$/, '')
    throw new SpectroscopeError(
      'engine',
      `TensorFlow could not be loaded (${words}); run \`spectroscope engines remove tfjs\` and install again, ` +
        `or choose another engine.`,
      { cause }
    )
  }
  const { isUsingGpuDevice, binding } = tf.backend() as NodeBackend
  const { version } = packages(`${packageName}/package.json`) as { readonly version: string }
  return {
    name: 'tfjs-gpu',
    device: isUsingGpuDevice ? 'GPU' : 'CPU',
    precision: 'float32',
    version: `TensorFlow ${binding.TF_Version}, tfjs-node-gpu ${version}`
  }
}
