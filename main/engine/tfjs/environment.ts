/** What a process has to have in its environment before it loads TensorFlow; `gpu` says whether it is to see one. */
export const tensorflowEnvironment = (gpu: boolean, environment: NodeJS.ProcessEnv): Record<string, string> => ({
  // The library takes the last GPU that it sees, and memory of all of them; devices are counted as the driver counts them.
  CUDA_VISIBLE_DEVICES: gpu ? (environment['CUDA_VISIBLE_DEVICES'] ?? '0') : '-1',
  CUDA_DEVICE_ORDER: environment['CUDA_DEVICE_ORDER'] ?? 'PCI_BUS_ID',
  // float32 is float32: products are TF32 otherwise, where the GPU has that.
  NVIDIA_TF32_OVERRIDE: '0',
  // Sums in a fixed order, so that a run is the same after an interruption (docs/engine.md, section tfjs).
  TF_DETERMINISTIC_OPS: '1',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  // It tells which device it takes, or what it lacks, in messages of the least level alone; they are read, and passed on where they are errors.
  TF_CPP_MIN_LOG_LEVEL: '0'
})
