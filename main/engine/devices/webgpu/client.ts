import { SpectroscopeError } from '../../../../preload/errors'
import { complainAtLength } from '../../../base/printed'
import { ProcessExecutor, StartupOutput } from '../../apart'
import { type Adapter, adapterOfLoader, adapterOfSystem } from './adapter'
import type { Kind } from './kind'

const names: Readonly<Record<Kind, string>> = { hardware: 'webgpu', software: 'webgpu-software' }

/** Output lines of the Vulkan loader and of software drivers. */
export const vulkanChatter =
  /^\s*(?:(?:ERROR|WARN|INFO|DEBUG|PERF|DRIVER|LAYER)\b[ |A-Z]*:|$)|^Warning: maxDynamic\w+ artificially reduced/

const softwareDrivers = '*lvp*,*swiftshader*'

/**
 * Environment of the process on Linux: the drivers that the Vulkan loader may use, and output that names the device,
 * because onnxruntime does not.
 */
export const vulkanEnvironment = (kind: Kind, environment: NodeJS.ProcessEnv): Record<string, string> => {
  const disabled = environment['VK_LOADER_DRIVERS_DISABLE'] ?? ''
  const filter =
    kind === 'software'
      ? { VK_LOADER_DRIVERS_SELECT: softwareDrivers }
      : { VK_LOADER_DRIVERS_DISABLE: [...(disabled === '' ? [] : [disabled]), softwareDrivers].join() }
  return { ...filter, VK_LOADER_DEBUG: 'layer' }
}

/** Description of the opened device. Throws an `engine` error if it is not of the requested kind. */
export const deviceOfKind = (
  kind: Kind,
  adapter: Adapter | undefined,
  platform: NodeJS.Platform = process.platform
): string => {
  if (adapter === undefined) {
    // Metal has no software adapter.
    if (platform === 'darwin' && kind === 'hardware') return 'a GPU without a name'
    throw new SpectroscopeError(
      'engine',
      "WebGPU has a device that does not say what it is, so it may be software; update the system's Vulkan " +
        'loader (libvulkan1), or choose another engine.'
    )
  }
  if (adapter.software && kind === 'hardware') {
    throw new SpectroscopeError(
      'engine',
      `WebGPU has no GPU here, but ${adapter.name}, which is software on the processor; install the GPU's ` +
        'driver, or choose another engine.'
    )
  }
  if (!adapter.software && kind === 'software')
    throw new SpectroscopeError(
      'engine',
      `WebGPU has a GPU here, ${adapter.name}, and no software adapter; choose ${names.hardware}.`
    )
  return adapter.software ? `${adapter.name}, software on the processor` : adapter.name
}

/**
 * Opens onnxruntime's WebGPU provider in a separate process, because a driver fault must not end compute. Throws an
 * `engine` error if there is no adapter of the kind. `environment` restricts drivers in tests.
 */
export const openWebGpu = (
  kind: Kind,
  environment: Readonly<Record<string, string>> = {}
): Promise<ProcessExecutor> => {
  const linux = process.platform === 'linux'
  const output = new StartupOutput(vulkanChatter, complainAtLength)
  return ProcessExecutor.open(
    {
      entry: 'webgpu',
      library: 'WebGPU',
      options: kind,
      environment: { ...(linux ? vulkanEnvironment(kind, process.env) : {}), ...environment },
      lostAtStart: (words) =>
        new SpectroscopeError(
          'engine',
          `The WebGPU process ended (${words}) while it opened its device; update the GPU's driver, or choose ` +
            'another engine.'
        ),
      onErrorOutput: (text) => output.take(text)
    },
    async (description) => ({
      ...description,
      name: names[kind],
      device: deviceOfKind(kind, linux ? adapterOfLoader(await output.opened) : await adapterOfSystem())
    })
  )
}
