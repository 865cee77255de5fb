import { openTfjsGpu } from '../main/engine/devices/tfjs/installation'
import type { Executor } from '../main/engine/core/executor'
import type { Graph } from '../main/engine/core/graph'
import { openOnnxCuda } from '../main/engine/devices/cuda/open'
import { DeviceExecutor, type DeviceSettings } from '../main/engine/onnx/device-executor'
import { openOnnxCpu } from '../main/engine/onnx/executor'
import { ReferenceExecutor } from '../main/engine/reference/executor'
import { TransformerEvaluator } from '../main/engine/core/transformer-evaluator'
import { openWebGpu } from '../main/engine/devices/webgpu/client'
import type { Architecture, Weights } from '../main/models/architecture'
import { openTensorflow, tensorflowLack } from './tensorflow-library'

/** Why an executor is not available here; undefined if it is. */
const missing = async (open: () => Promise<Executor>): Promise<string | undefined> => {
  try {
    await (await open()).dispose()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const openCuda = (): Promise<Executor> => openOnnxCuda('float32')

/**
 * One process for all tests of a file, because software Vulkan compiles every shader once per process, and TensorFlow
 * takes seconds to load.
 */
const shared = (open: () => Promise<Executor>): (() => Promise<Executor>) => {
  let opening: Promise<Executor> | undefined
  return async () => {
    opening ??= open()
    const executor = await opening
    return {
      description: executor.description,
      apart: true,
      resident: (data, shape) => executor.resident(data, shape),
      drop: (resident) => executor.drop(resident),
      compile: (graph) => executor.compile(graph),
      dispose: () => Promise.resolve()
    }
  }
}
const webGpu = shared(() => openWebGpu('hardware'))
const softwareWebGpu = shared(() => openWebGpu('software'))
/** TensorFlow on a GPU if there is one, else on the CPU if its tests are requested. */
const missingTfjsGpu = await missing(openTfjsGpu)
const tensorflow = missingTfjsGpu === undefined ? openTfjsGpu : shared(openTensorflow)

/** On the CPU: graphs as for CUDA, with memory like that of a device. */
export const asForCuda = (settings: Partial<DeviceSettings> = {}): DeviceExecutor =>
  new DeviceExecutor({
    provider: 'cpu',
    name: 'onnx-cpu',
    device: 'CPU',
    partBytes: 2 ** 20,
    memoryBytes: 2 ** 31,
    ...settings
  })

interface Tested {
  readonly open: () => Executor | Promise<Executor>
  /** Why it cannot be tested here. */
  readonly missing?: string | undefined
}

/**
 * Every executor that this machine may have, compared with the float64 reference. Software Vulkan replaces the device
 * of WebGPU, and the CPU that of TensorFlow.
 */
export const executors: Readonly<Record<string, Tested>> = {
  'onnx-cpu': { open: openOnnxCpu },
  'onnx-cpu, as for CUDA': { open: asForCuda },
  webgpu: { open: webGpu, missing: await missing(webGpu) },
  'webgpu-software': { open: softwareWebGpu, missing: await missing(softwareWebGpu) },
  'onnx-cuda': { open: openCuda, missing: await missing(openCuda) },
  'tfjs-gpu': { open: tensorflow, missing: missingTfjsGpu === undefined ? undefined : tensorflowLack }
}

/**
 * Executors for which the CPU replaces a GPU, and which take a minute for what others do in a second. They get only a
 * few cases.
 */
export const slow: readonly string[] = ['webgpu-software', ...(missingTfjsGpu === undefined ? [] : ['tfjs-gpu'])]

/** Name, title and whether it is skipped, for describe blocks that say why. */
export const executorCases = Object.entries(executors).map(([name, { missing }]) => ({
  name,
  title: missing === undefined ? name : `${name} (skipped: ${missing})`,
  skipped: missing !== undefined
}))

/**
 * The executor with a device of this much memory, so that replicas are computed together, or without device memory.
 * `watch` is told of every graph that is compiled, and of every run before it begins.
 */
export const withMemory = (
  executor: Executor,
  memoryBytes: number | undefined,
  watch: { readonly compiled?: (graph: Graph) => unknown; readonly ran?: (graph: Graph) => unknown } = {}
): Executor => ({
  description: executor.description,
  memoryBytes,
  resident: (data, shape) => executor.resident(data, shape),
  drop: (resident) => executor.drop(resident),
  dispose: () => executor.dispose(),
  compile: async (graph) => {
    watch.compiled?.(graph)
    const program = await executor.compile(graph)
    return {
      dispose: () => program.dispose(),
      run: async (inputs) => {
        watch.ran?.(graph)
        return program.run(inputs)
      }
    }
  }
})

/** An executor by the name of its case, or the float64 reference. */
export const openCase = async (name: string): Promise<Executor> =>
  name === 'reference' ? new ReferenceExecutor() : executors[name].open()

/** `goLayerwise` replaces the evaluator's own rule for long rows. */
export const evaluatorOn = async (
  name: string,
  architecture: Architecture,
  weights: Weights,
  goLayerwise?: (positions: number) => boolean
): Promise<TransformerEvaluator> => new TransformerEvaluator(await openCase(name), architecture, weights, goLayerwise)
