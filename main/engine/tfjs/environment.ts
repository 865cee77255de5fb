/** Backends of TensorFlow.js: `tensorflow` is @tensorflow/tfjs-node-gpu, the others run in any Node. */
export type Backend = 'tensorflow' | 'cpu' | 'wasm'

/** What a GPU process has to have in its environment before it loads the library. */
export const gpuEnvironment = (environment: NodeJS.ProcessEnv): Record<string, string> => ({
  // The library takes the last GPU that it sees, and memory of all of them; devices are counted as the driver counts them.
  CUDA_VISIBLE_DEVICES: environment['CUDA_VISIBLE_DEVICES'] ?? '0',
  CUDA_DEVICE_ORDER: environment['CUDA_DEVICE_ORDER'] ?? 'PCI_BUS_ID',
  // float32 is float32: products of TensorFlow 2.9 are TF32 otherwise, where the GPU has that.
  NVIDIA_TF32_OVERRIDE: '0',
  // Sums of scattered updates in a fixed order, so that a run is the same after an interruption.
  TF_DETERMINISTIC_OPS: '1',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  TF_CPP_MIN_LOG_LEVEL: environment['TF_CPP_MIN_LOG_LEVEL'] ?? '2'
})
