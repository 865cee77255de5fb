import type * as Onnx from 'onnxruntime-node'
import type { Precision } from '../../../preload/precisions'
import { type Bound, type EngineDescription, type Executor, OutOfDeviceMemory, type Program, type Resident, isResident } from '../executor'
import type { Graph } from '../graph'
import { type RoundedProducts, lowerToOnnx } from './lower'
import { loadOnnx, onnxVersion } from './package'
import { Uploads } from './uploads'

/** onnxruntime reads no SharedArrayBuffer: what threads share is copied first. */
const unshared = <T extends Float32Array | Int32Array>(data: T): T => (data.buffer instanceof SharedArrayBuffer ? (data.slice() as T) : data)

/** What CUDA, its libraries and onnxruntime's arena say where memory is short. */
const memoryWords = /out of memory|failed to allocate memory|STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|CUDA failure 2:/i

/** An error of a device as what it is. */
const deviceError = (error: unknown): unknown => (error instanceof Error && memoryWords.test(error.message) ? new OutOfDeviceMemory(error.message.split('\n')[0], { cause: error }) : error)

/** A graph that has these inputs as constants. */
const holding = (graph: Graph, held: Readonly<Record<string, Resident>>): Graph => ({
  ...graph,
  inputs: new Map([...graph.inputs].filter(([name]) => held[name] === undefined)),
  constants: new Map([...graph.constants, ...[...graph.inputs].flatMap(([name, value]) => (held[name] === undefined ? [] : [[value, (held[name].handle as Onnx.Tensor).data as Float32Array] as const]))])
})

class OnnxProgram implements Program {
  constructor(
    private readonly onnx: typeof Onnx,
    private readonly session: Onnx.InferenceSession,
    private readonly graph: Graph,
    private readonly inputName: ReturnType<typeof lowerToOnnx>['inputName'],
    private readonly onDevice: boolean
  ) {}

  async run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    const feeds: Record<string, Onnx.Tensor> = {}
    for (const [name, value] of this.graph.inputs) {
      const bound = inputs[name]
      if (isResident(bound)) feeds[this.inputName(value)] = await (bound.handle as Onnx.Tensor | Promise<Onnx.Tensor>)
      else if (bound instanceof Int32Array) feeds[this.inputName(value)] = new this.onnx.Tensor('int32', unshared(bound), value.shape)
      else feeds[this.inputName(value)] = new this.onnx.Tensor('float32', unshared(bound), value.shape)
    }
    const outputs = await this.session.run(feeds).catch((error: unknown) => {
      throw this.onDevice ? deviceError(error) : error
    })
    return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]))
  }

  async dispose(): Promise<void> {
    await this.session.release()
  }
}

/** What of onnxruntime computes: its execution providers. */
export type Provider = 'cpu' | 'cuda' | 'webgpu'

export interface OnnxSettings {
  readonly provider: Provider
  /** Name and device of the engine, as a run records them. */
  readonly name: string
  readonly device: string
  readonly precision?: string
  /** Which of the provider's devices; the first where it is not given. */
  readonly deviceId?: number
  /** Bytes of exponentials of a vocabulary that a device computes at once; without it, one small block after another, as suits a core. */
  readonly partBytes?: number
  /** What products are rounded to, where the provider does not do so by itself; needs `partBytes`. */
  readonly products?: RoundedProducts
  /** Of the device's memory, for programs and the weights that they hold. */
  readonly memoryBytes?: number
  /** Whether programs hold weights, where the device keeps nothing outside of them. */
  readonly holds?: true
  /** What the provider computes with, beside onnxruntime. */
  readonly versionWords?: string
}

const sessionOptions = ({ provider, deviceId }: OnnxSettings): Onnx.InferenceSession.SessionOptions => ({
  // What a provider lacks goes to the processor.
  executionProviders: provider === 'cpu' ? ['cpu'] : [deviceId === undefined ? provider : { name: provider, deviceId }, 'cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  enableMemPattern: false,
  // A device's provider warns of every node that it leaves to the processor, as it does with shapes on purpose.
  ...(provider === 'cpu' ? {} : { logSeverityLevel: 3 as const })
})

/**
 * onnxruntime with one of its execution providers. Sessions are single-threaded on the processor: the sampler runs one executor in each of
 * its worker threads, which keeps every product within one core's caches and makes results independent of the number of threads. Memory
 * patterns are off: a program would hold its memory twice, once for the pattern and once from its first run.
 */
export class OnnxExecutor implements Executor {
  private readonly onnx = loadOnnx()

  readonly description: EngineDescription
  private readonly uploads: Uploads | undefined

  constructor(private readonly settings: OnnxSettings) {
    const { provider, name, device, precision = 'float32', versionWords } = settings
    this.uploads = provider === 'webgpu' ? new Uploads(this.onnx, sessionOptions(settings)) : undefined
    this.description = { name, device, precision, version: [`onnxruntime ${onnxVersion()}`, ...(versionWords === undefined ? [] : [versionWords])].join(', ') }
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    return this.uploads?.put(unshared(data), shape) ?? { shape, handle: new this.onnx.Tensor('float32', unshared(data), shape) }
  }

  get memoryBytes(): number | undefined {
    return this.settings.memoryBytes
  }

  /** The binding for Node keeps no tensor on a CUDA device, and would copy weights there for every run: programs hold them instead. */
  async compile(graph: Graph, held?: Readonly<Record<string, Resident>>): Promise<Program> {
    const { provider, partBytes, products, holds } = this.settings
    const whole = holds === true && held !== undefined ? holding(graph, held) : graph
    const { model, inputName } = lowerToOnnx(whole, partBytes, products)
    const session = await this.onnx.InferenceSession.create(model, sessionOptions(this.settings)).catch((error: unknown) => {
      throw provider === 'cpu' ? error : deviceError(error)
    })
    return new OnnxProgram(this.onnx, session, whole, inputName, provider !== 'cpu')
  }

  /** Tensors of residents are the garbage collector's, but for those on a device. */
  async dispose(): Promise<void> {
    await this.uploads?.dispose()
  }
}

/** Of exponentials at once where products are rounded: those are lowered as for a device. */
const roundedPartBytes = 8 * 2 ** 20

/** The processor computes in float32; other formats it rounds to, which is slower, so that what they cost in accuracy can be seen anywhere. */
export const openOnnxCpu = (precision: Precision = 'float32'): OnnxExecutor =>
  new OnnxExecutor({ provider: 'cpu', name: 'onnx-cpu', device: 'CPU', precision, ...(precision === 'float32' ? {} : { partBytes: roundedPartBytes, products: { format: precision, emulated: true } }) })
