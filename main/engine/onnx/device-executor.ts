import type { Precision } from '../../../preload/precisions'
import {
  type Bound,
  type EngineDescription,
  type Executor,
  OutOfDeviceMemory,
  type Program,
  type Resident,
  isResident,
  type Graph,
  GraphBuilder,
  size
} from '../core'
import { type OnnxApi, type Pointer, onnxApi } from './c-api'
import { type RoundedProducts, lowerToOnnx } from './lower'
import { type Provider, onnxVersion } from './package'

/** How to request a provider, and what onnxruntime calls its memory. */
interface Place {
  readonly memory: string
  readonly append: (api: OnnxApi, options: Pointer, settings: DeviceSettings) => void
}

const places: Readonly<Record<Provider, Place>> = {
  cuda: {
    memory: 'Cuda',
    append: ({ call, made, release }, options, { precision }) => {
      // An arena that doubles would leave less memory to other programs.
      const words = {
        device_id: '0',
        use_tf32: precision === 'tf32' ? '1' : '0',
        arena_extend_strategy: 'kSameAsRequested'
      }
      const cuda = made(call.createCudaOptions)
      try {
        call.setCudaOptions(cuda, Object.keys(words), Object.values(words), Object.keys(words).length)
        call.appendCuda(options, cuda)
      } finally {
        release.cudaOptions(cuda)
      }
    }
  },
  webgpu: {
    memory: 'WebGPU_Buffer',
    append: ({ call }, options) => call.appendProvider(options, 'WebGPU', null, null, 0)
  },
  // The CPU in place of a device, for tests.
  cpu: { memory: 'Cpu', append: () => {} }
}

export interface DeviceSettings {
  readonly provider: Provider
  /** Name and device of the engine, as recorded with runs. */
  readonly name: string
  readonly device: string
  readonly precision?: Precision
  /** Bytes of a vocabulary's exponentials computed at once. */
  readonly partBytes: number
  /** Rounding of products, if the provider does not do it itself. */
  readonly products?: RoundedProducts
  /** Device memory for programs and residents, in bytes. */
  readonly memoryBytes?: number
}

/** ONNXTensorElementDataType. */
const elements = { float32: 1, int32: 6 } as const
/** OrtDeviceAllocator, and OrtMemTypeDefault. */
const [deviceAllocator, defaultMemory] = [0, 0]
/**
 * ORT_LOGGING_LEVEL_ERROR. Otherwise a provider warns of every node left to the CPU, as it intentionally does with
 * shapes.
 */
const errorsAlone = 3
/** ORT_ENABLE_ALL. */
const allOptimizations = 99

/** Messages of CUDA, its libraries and onnxruntime's arena about insufficient memory. */
const memoryWords =
  /out of memory|failed to allocate memory|STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|CUDA failure 2:/i

/** Turns an error about memory into OutOfDeviceMemory. */
const deviceError = (error: unknown): unknown =>
  error instanceof Error && memoryWords.test(error.message)
    ? new OutOfDeviceMemory(error.message.split('\n')[0], { cause: error })
    : error

interface Input {
  readonly name: string
  readonly shape: readonly number[]
  /** Numbers, or a tensor on the device. */
  readonly from: Float32Array | Int32Array | Pointer
}

interface Output {
  readonly name: string
  readonly shape: readonly number[]
  readonly into: Float32Array
}

/** A provider of onnxruntime and its device memory, as used by one thread. */
class Device {
  readonly api: OnnxApi
  readonly environment: Pointer
  /** Descriptors of main memory and of device memory. */
  readonly here: Pointer
  readonly there: Pointer
  readonly allocator: Pointer
  readonly #settings: DeviceSettings
  readonly #copies = new Map<string, Promise<{ readonly session: Pointer; readonly input: string }>>()

  constructor(settings: DeviceSettings) {
    this.api = onnxApi(settings.provider)
    const { call, made } = this.api
    this.#settings = settings
    // onnxruntime shares one environment in the process, whoever creates it.
    this.environment = made(call.createEnvironment, errorsAlone, 'spectroscope')
    this.here = made(call.createMemory, 'Cpu', deviceAllocator, 0, defaultMemory)
    this.there = made(call.createMemory, places[settings.provider].memory, deviceAllocator, 0, defaultMemory)
    this.allocator = made(call.defaultAllocator)
  }

  async session(model: Uint8Array): Promise<Pointer> {
    const { api, environment } = this
    const { call, made, release } = api
    const options = made(call.createSessionOptions)
    try {
      call.setThreadsWithin(options, 1)
      call.setThreadsBetween(options, 1)
      call.setOptimization(options, allOptimizations)
      call.disableMemoryPatterns(options)
      call.setLogSeverity(options, errorsAlone)
      places[this.#settings.provider].append(api, options, this.#settings)
      const session: Pointer[] = [0n]
      await call.createSession.apart(environment, model, model.byteLength, options, session)
      return session[0]
    } finally {
      release.sessionOptions(options)
    }
  }

  /** Wraps an array as a tensor without copying. The array must live as long. */
  #tensor(data: Float32Array | Int32Array, shape: readonly number[]): Pointer {
    const { call, made } = this.api
    return made(
      call.createTensor,
      this.here,
      data,
      data.byteLength,
      shape,
      shape.length,
      data instanceof Int32Array ? elements.int32 : elements.float32
    )
  }

  /** Runs a session. Inputs are device tensors or arrays; outputs are written to arrays. */
  async run(session: Pointer, inputs: readonly Input[], outputs: readonly Output[]): Promise<void> {
    const { call, release } = this.api
    const tensors: Pointer[] = []
    const tensor = (data: Float32Array | Int32Array, shape: readonly number[]): Pointer => {
      tensors.push(this.#tensor(data, shape))
      return tensors[tensors.length - 1]
    }
    const names = (values: readonly { readonly name: string }[]): string[] => values.map(({ name }) => name)
    try {
      const given = inputs.map(({ shape, from }) => (typeof from === 'bigint' ? from : tensor(from, shape)))
      const taken = outputs.map(({ shape, into }) => tensor(into, shape))
      await call.run.apart(session, null, names(inputs), given, inputs.length, names(outputs), outputs.length, taken)
    } finally {
      // The tensors' arrays are in `inputs` and `outputs`, and so stay alive until here.
      for (const value of tensors) release.value(value)
    }
  }

  #copy(shape: readonly number[]): Promise<{ readonly session: Pointer; readonly input: string }> {
    const key = shape.join()
    const known = this.#copies.get(key)
    if (known !== undefined) return known
    const builder = new GraphBuilder()
    const value = builder.input('here', shape)
    builder.output('there', value)
    const { model, inputName } = lowerToOnnx(builder.build())
    const made = this.session(model).then((session) => ({ session, input: inputName(value) }))
    this.#copies.set(key, made)
    made.catch(() => this.#copies.delete(key))
    return made
  }

  /** Copies numbers to device memory, by a session that does only this. */
  async put(data: Float32Array, shape: readonly number[]): Promise<Pointer> {
    const { call, made, release, pointersAt } = this.api
    const { session, input } = await this.#copy(shape)
    const here = this.#tensor(data, shape)
    const binding = made(call.createBinding, session)
    try {
      call.bindOutputTo(binding, 'there', this.there)
      await call.bindInput.apart(binding, input, here)
      // The copy may run in another stream than the session.
      await call.synchronizeInputs.apart(binding)
      await call.runBinding.apart(session, null, binding)
      const [list, count]: [Pointer[], number[]] = [[0n], [0]]
      call.boundOutputs(binding, this.allocator, list, count)
      const [value] = pointersAt(list[0], 1)
      call.free(this.allocator, list[0])
      return value
    } finally {
      release.binding(binding)
      release.value(here)
    }
  }

  async dispose(): Promise<void> {
    const { release } = this.api
    const copies = await Promise.allSettled(this.#copies.values())
    this.#copies.clear()
    for (const copy of copies) if (copy.status === 'fulfilled') release.session(copy.value.session)
    release.memory(this.there)
    release.memory(this.here)
  }
}

/**
 * Numbers that are copied to the device when a program first uses them. After a failure, such as insufficient memory,
 * the next use tries again.
 */
class DeviceTensor {
  readonly #device: Device
  readonly #put: () => Promise<Pointer>
  #value: Promise<Pointer> | undefined

  constructor(device: Device, data: Float32Array, shape: readonly number[]) {
    this.#device = device
    this.#put = () => device.put(data, shape)
  }

  value(): Promise<Pointer> {
    if (this.#value !== undefined) return this.#value
    const value = this.#put()
    this.#value = value
    value.catch(() => (this.#value = undefined))
    return value
  }

  async release(): Promise<void> {
    const value = this.#value
    this.#value = undefined
    await value?.then(
      (pointer) => this.#device.api.release.value(pointer),
      () => {}
    )
  }
}

class DeviceProgram implements Program {
  constructor(
    private readonly device: Device,
    private readonly session: Pointer,
    private readonly graph: Graph,
    private readonly inputName: ReturnType<typeof lowerToOnnx>['inputName']
  ) {}

  async run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    const outputs = [...this.graph.outputs].map(([name, { shape }]) => ({
      name,
      shape,
      into: new Float32Array(size(shape))
    }))
    try {
      const given: Input[] = []
      for (const [name, value] of this.graph.inputs) {
        const bound = inputs[name]
        given.push({
          name: this.inputName(value),
          shape: value.shape,
          from: isResident(bound) ? await (bound.handle as DeviceTensor).value() : bound
        })
      }
      await this.device.run(this.session, given, outputs)
    } catch (error) {
      throw deviceError(error)
    }
    return Object.fromEntries(outputs.map(({ name, into }) => [name, into]))
  }

  async dispose(): Promise<void> {
    this.device.api.release.session(this.session)
  }
}

/**
 * onnxruntime on a device with its own memory, through its C API. Residents stay there, once for all programs; other
 * inputs and outputs are copied between device and arrays of this process. Work runs in other threads, so the calling
 * thread stays free. Throws the library's errors, or `OutOfDeviceMemory`.
 */
export class DeviceExecutor implements Executor {
  readonly description: EngineDescription
  readonly #device: Device
  readonly #residents = new Set<DeviceTensor>()

  /**
   * Opens the device and copies a number there to check that it works. Throws the library's error if there is none.
   */
  static async open(settings: DeviceSettings): Promise<DeviceExecutor> {
    const executor = new DeviceExecutor(settings)
    try {
      await executor.#device.put(Float32Array.of(0), [1]).then((value) => executor.#device.api.release.value(value))
      return executor
    } catch (error) {
      await executor.dispose()
      throw error
    }
  }

  constructor(private readonly settings: DeviceSettings) {
    const { name, device, precision = 'float32' } = settings
    this.#device = new Device(settings)
    this.description = {
      name,
      device,
      precision,
      version: `onnxruntime ${onnxVersion()}`
    }
  }

  get memoryBytes(): number | undefined {
    return this.settings.memoryBytes
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    const tensor = new DeviceTensor(this.#device, data, shape)
    this.#residents.add(tensor)
    return { shape, handle: tensor }
  }

  drop({ handle }: Resident): void {
    this.#residents.delete(handle as DeviceTensor)
    void (handle as DeviceTensor).release()
  }

  async compile(graph: Graph): Promise<Program> {
    const { model, inputName } = lowerToOnnx(graph, this.settings.partBytes, this.settings.products)
    try {
      return new DeviceProgram(this.#device, await this.#device.session(model), graph, inputName)
    } catch (error) {
      throw deviceError(error)
    }
  }

  async dispose(): Promise<void> {
    for (const tensor of this.#residents) await tensor.release()
    this.#residents.clear()
    await this.#device.dispose()
  }
}
