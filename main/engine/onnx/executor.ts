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
import { withoutSharing } from './shared-memory'

/** Copies shared arrays, because onnxruntime does not read a SharedArrayBuffer. */
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
 * onnxruntime on the CPU. Sessions are single-threaded: each of the sampler's worker threads has its own executor,
 * which keeps products in one core's caches and makes results independent of the number of threads. Memory patterns
 * are off, because a program would hold its memory twice: for the pattern and from its first run.
 */
export class OnnxExecutor implements Executor {
  private readonly onnx = loadOnnx()

  readonly description: EngineDescription

  /**
   * With `partBytes`, that many bytes of a vocabulary's exponentials are computed at once, as on a device; otherwise
   * small blocks, which suit a core. `products` requires `partBytes`.
   */
  constructor(
    precision: Precision,
    private readonly partBytes?: number,
    private readonly products?: RoundedProducts
  ) {
    this.description = { name: 'onnx-cpu', device: 'CPU', precision, version: `onnxruntime ${onnxVersion()}` }
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    return { shape, handle: new this.onnx.Tensor('float32', withoutSharing(data), shape) }
  }

  /** Tensors are garbage-collected. */
  drop(): void {}

  async compile(graph: Graph): Promise<Program> {
    const { model, inputName } = lowerToOnnx(graph, this.partBytes, this.products)
    return new OnnxProgram(this.onnx, await this.onnx.InferenceSession.create(model, sessionOptions), graph, inputName)
  }

  async dispose(): Promise<void> {}
}

/** Bytes of exponentials at once if products are rounded. Those are lowered as for a device. */
const roundedPartBytes = 8 * 2 ** 20

/**
 * Opens the CPU. It computes in float32 and rounds to other precisions, which is slower, so that their effect on
 * accuracy can be measured anywhere.
 */
export const openOnnxCpu = (precision: Precision = 'float32'): OnnxExecutor =>
  precision === 'float32'
    ? new OnnxExecutor(precision)
    : new OnnxExecutor(precision, roundedPartBytes, { format: precision, emulated: true })
