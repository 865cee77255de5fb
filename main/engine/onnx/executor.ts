import type * as Onnx from 'onnxruntime-node'
import type { Precision } from '../../../preload/precisions'
import {
  type Bound,
  type EngineDescription,
  type Executor,
  type Program,
  type Resident,
  isResident,
  type Graph
} from '../core'
import { type RoundedProducts, lowerToOnnx } from './lower'
import { loadOnnx, onnxVersion } from './package'

/** onnxruntime reads no SharedArrayBuffer: what threads share is copied first. */
const unshared = <T extends Float32Array | Int32Array>(data: T): T =>
  data.buffer instanceof SharedArrayBuffer ? (data.slice() as T) : data

class OnnxProgram implements Program {
  constructor(
    private readonly onnx: typeof Onnx,
    private readonly session: Onnx.InferenceSession,
    private readonly graph: Graph,
    private readonly inputName: ReturnType<typeof lowerToOnnx>['inputName']
  ) {}

  async run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    const feeds: Record<string, Onnx.Tensor> = {}
    for (const [name, value] of this.graph.inputs) {
      const bound = inputs[name]
      if (isResident(bound)) feeds[this.inputName(value)] = bound.handle as Onnx.Tensor
      else if (bound instanceof Int32Array)
        feeds[this.inputName(value)] = new this.onnx.Tensor('int32', unshared(bound), value.shape)
      else feeds[this.inputName(value)] = new this.onnx.Tensor('float32', unshared(bound), value.shape)
    }
    const outputs = await this.session.run(feeds)
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]))
  }

  async dispose(): Promise<void> {
    await this.session.release()
  }
}

const sessionOptions: Onnx.InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  enableMemPattern: false
}

/**
 * onnxruntime on the processor. Sessions are single-threaded: the sampler runs one executor in each of its worker
 * threads, which keeps every product within one core's caches and makes results independent of the number of threads.
 * Memory patterns are off: a program would hold its memory twice, once for the pattern and once from its first run.
 */
export class OnnxExecutor implements Executor {
  private readonly onnx = loadOnnx()

  readonly description: EngineDescription

  /**
   * With `partBytes`, so many bytes of exponentials of a vocabulary at once, as on a device; without it, one small
   * block after another, as suits a core. `products` are rounded then.
   */
  constructor(
    precision: Precision,
    private readonly partBytes?: number,
    private readonly products?: RoundedProducts
  ) {
    this.description = { name: 'onnx-cpu', device: 'CPU', precision, version: `onnxruntime ${onnxVersion()}` }
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    return { shape, handle: new this.onnx.Tensor('float32', unshared(data), shape) }
  }

  /** Tensors are the garbage collector's. */
  drop(): void {}

  async compile(graph: Graph): Promise<Program> {
    const { model, inputName } = lowerToOnnx(graph, this.partBytes, this.products)
    return new OnnxProgram(this.onnx, await this.onnx.InferenceSession.create(model, sessionOptions), graph, inputName)
  }

  async dispose(): Promise<void> {}
}

/** Of exponentials at once where products are rounded: those are lowered as for a device. */
const roundedPartBytes = 8 * 2 ** 20

/**
 * The processor computes in float32; other formats it rounds to, which is slower, so that what they cost in accuracy
 * can be seen anywhere.
 */
export const openOnnxCpu = (precision: Precision = 'float32'): OnnxExecutor =>
  precision === 'float32'
    ? new OnnxExecutor(precision)
    : new OnnxExecutor(precision, roundedPartBytes, { format: precision, emulated: true })
