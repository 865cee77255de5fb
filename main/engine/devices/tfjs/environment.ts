import { delimiter, dirname, join } from 'node:path'
import { cudaWheels } from './wheels'

/** Folders of CUDA beside the addon, then others: the library's own run path lacks cuSOLVER's, in 2.21. */
const cudaFolders = (addon: string, others: string | undefined): readonly string[] => [
  ...cudaWheels.map(({ folder }) => join(dirname(addon), folder, 'lib')),
  ...(others === undefined || others === '' ? [] : [others])
]

/** What a process has to have in its environment before it loads TensorFlow; `gpu` says whether it is to see one. */
export const tensorflowEnvironment = (
  gpu: boolean,
  addon: string,
  environment: NodeJS.ProcessEnv
): Record<string, string> => ({
  // The library takes the last GPU that it sees, and memory of all of them; devices are counted as the driver counts
  // them.
  CUDA_VISIBLE_DEVICES: gpu ? (environment['CUDA_VISIBLE_DEVICES'] ?? '0') : '-1',
  CUDA_DEVICE_ORDER: environment['CUDA_DEVICE_ORDER'] ?? 'PCI_BUS_ID',
  // float32 is float32: products are TF32 otherwise, where the GPU has that.
  NVIDIA_TF32_OVERRIDE: '0',
  // Sums in a fixed order, so that a run is the same after an interruption (docs/engine.md, section tfjs).
  TF_DETERMINISTIC_OPS: '1',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  // Which device it takes, or what it lacks, it tells in messages of the least levels alone (client.ts).
  TF_CPP_MIN_LOG_LEVEL: '0',
  TF_CPP_VMODULE: 'dso_loader=1',
  ...(gpu && process.platform === 'linux'
    ? { LD_LIBRARY_PATH: cudaFolders(addon, environment['LD_LIBRARY_PATH']).join(delimiter) }
    : {})
})
