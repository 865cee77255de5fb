import { SpectroscopeError } from '../../../../preload/errors'
import { DeviceExecutor, loadOnnx } from '../../onnx'

/** Bytes of a vocabulary's exponentials computed at once: half of WebGPU's guaranteed buffer size. */
const webGpuPart = 64 * 2 ** 20

/**
 * Opens WebGPU in this process, which a driver fault may end; client.ts uses a separate process. Throws an `engine`
 * error if there is no adapter, neither hardware nor software.
 */
export const openOnnxWebGpu = async (software: boolean): Promise<DeviceExecutor> => {
  if (
    !loadOnnx()
      .listSupportedBackends()
      .some(({ name, bundled }) => name === 'webgpu' && bundled)
  ) {
    throw new SpectroscopeError(
      'engine',
      `onnxruntime-node has no WebGPU for ${process.platform} on ${process.arch}; choose another engine.`
    )
  }
  try {
    return await DeviceExecutor.open({ provider: 'webgpu', name: 'webgpu', device: 'WebGPU', partBytes: webGpuPart })
  } catch (cause) {
    const wanted = software
      ? "no software adapter here; install Mesa's (mesa-vulkan-drivers, 23 or newer, and libvulkan1)"
      : 'no GPU here; install or update its driver (on Linux also libvulkan1)'
    throw new SpectroscopeError('engine', `WebGPU finds ${wanted}, or choose another engine.`, { cause })
  }
}
