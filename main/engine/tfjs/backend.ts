import { createRequire } from 'node:module'
import * as tf from '@tensorflow/tfjs-core'
import { messageOf, SpectroscopeError } from '../../../preload/errors'
import type { EngineDescription } from '../executor'
import { deviceWords, nvidiaDevice } from '../nvidia'
import type { Backend } from './environment'
import { restoreUtil } from './node-util'

const packages = createRequire(import.meta.url)

const packageOf: Readonly<Record<Backend, string>> = {
  tensorflow: '@tensorflow/tfjs-node-gpu',
  cpu: '@tensorflow/tfjs-backend-cpu',
  wasm: '@tensorflow/tfjs-backend-wasm'
}

/** What the backend of @tensorflow/tfjs-node-gpu has beside those of all. */
interface NodeBackend {
  readonly isUsingGpuDevice: boolean
  readonly binding: { readonly TF_Version: string }
}

const gpuWords = async (): Promise<string> => {
  const device = await nvidiaDevice(process.env['CUDA_VISIBLE_DEVICES']?.split(',').at(-1))
  return device === undefined ? 'NVIDIA GPU' : deviceWords(device)
}

const versionOf = (name: string): string => (packages(`${name}/package.json`) as { readonly version: string }).version

const load = (backend: Backend): void => {
  try {
    if (backend === 'tensorflow') restoreUtil()
    packages(packageOf[backend])
  } catch (cause) {
    const words = messageOf(cause).split('\n')[0].trim().replace(/\.$/, '')
    const remedy =
      backend === 'tensorflow'
        ? 'run `spectroscope engines install tfjs` again, and see that CUDA 11.2 and cuDNN 8.1 are where the system looks for libraries'
        : 'run npm ci again on this machine'
    throw new SpectroscopeError('engine', `${packageOf[backend]} could not be loaded (${words}); ${remedy}.`, { cause })
  }
}

/** Loads a backend and puts it to work in this process. Throws an `engine` error where it can't be, or `tensorflow` has no GPU. */
export const openBackend = async (backend: Backend): Promise<EngineDescription> => {
  tf.enableProdMode()
  load(backend)
  if (!(await tf.setBackend(backend)))
    throw new SpectroscopeError(
      'engine',
      `TensorFlow.js could not start its backend "${backend}"; set SPECTROSCOPE_DEBUG=1 to see more.`
    )
  const version = `tfjs ${tf.version_core}`
  if (backend !== 'tensorflow') return { name: `tfjs-${backend}`, device: 'CPU', precision: 'float32', version }
  const { isUsingGpuDevice, binding } = tf.backend() as unknown as NodeBackend
  if (!isUsingGpuDevice) {
    throw new SpectroscopeError(
      'engine',
      'TensorFlow has no GPU here and would compute on the processor; see that the NVIDIA driver, CUDA 11.2 and cuDNN 8.1 are installed, or choose another engine.'
    )
  }
  return {
    name: 'tfjs-gpu',
    device: await gpuWords(),
    precision: 'float32',
    version: `tfjs-node-gpu ${versionOf(packageOf.tensorflow)}, libtensorflow ${binding.TF_Version}`
  }
}
