import { delimiter, dirname, join } from 'node:path'
import { cudaWheels } from './wheels'

/** CUDA folders beside the addon, then others. The run path of the library itself lacks cuSOLVER's in 2.21. */
const cudaFolders = (addon: string, others: string | undefined): readonly string[] => [
  ...cudaWheels.map(({ folder }) => join(dirname(addon), folder, 'lib')),
  ...(others === undefined || others === '' ? [] : [others])
]

/** Environment for a process that loads TensorFlow. `gpu` says whether it may see one. */
export const tensorflowEnvironment = (
  gpu: boolean,
  addon: string,
  environment: NodeJS.ProcessEnv
): Record<string, string> => ({
  // The library takes the last visible GPU, and memory of all of them. Number devices as the driver does.
  CUDA_VISIBLE_DEVICES: gpu ? (environment['CUDA_VISIBLE_DEVICES'] ?? '0') : '-1',
  CUDA_DEVICE_ORDER: environment['CUDA_DEVICE_ORDER'] ?? 'PCI_BUS_ID',
  // Keep float32 products in float32; otherwise they are TF32 if the GPU supports it.
  NVIDIA_TF32_OVERRIDE: '0',
  // Sum in a fixed order, so that a run is reproducible after an interruption (docs/engine.md, section tfjs).
  TF_DETERMINISTIC_OPS: '1',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  // Only the lowest log levels report which device it takes, or what it lacks (client.ts).
  TF_CPP_MIN_LOG_LEVEL: '0',
  TF_CPP_VMODULE: 'dso_loader=1',
  ...(gpu && process.platform === 'linux'
    ? { LD_LIBRARY_PATH: cudaFolders(addon, environment['LD_LIBRARY_PATH']).join(delimiter) }
    : {})
})
