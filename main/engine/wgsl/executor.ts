import {
  type Bound,
  type EngineDescription,
  type Executor,
  OutOfDeviceMemory,
  type Program,
  type Resident,
  isResident
} from '../executor'
import { type Graph, size } from '../graph'
import { type Device, type DeviceBuffer, type Group, type Pipeline, readMode, usage } from './device'
import { type Kernel, kernels } from './kernels'
import { type Plan, type Step, planOf } from './plan'

/** Steps handed to the device at once: a system may end a device that is at one submission for seconds. */
const stepsAtOnce = 64
/** A node's numbers begin at such a multiple of bytes, which is what WebGPU promises. */
const alignment = 256

/** A step whose kernel and tensors are bound. */
interface Ready {
  readonly pipeline: Pipeline
  readonly group: Group
  readonly groups: Step['groups']
}

class WgslProgram implements Program {
  private readonly buffers: (DeviceBuffer | undefined)[]
  private readonly numbers: DeviceBuffer
  private readonly places: readonly number[]
  private readonly staging: DeviceBuffer
  /** Buffers of inputs in the last run: where a resident is another, tensors have to be bound anew. */
  private given: readonly DeviceBuffer[] = []
  private ready: readonly Ready[] = []
  private last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly device: Device,
    private readonly graph: Graph,
    private readonly plan: Plan,
    private readonly pipelines: ReadonlyMap<Kernel, Pipeline>
  ) {
    const fromInputs = new Set(plan.inputs.values())
    this.buffers = plan.lengths.map((length, slot) => (fromInputs.has(slot) ? undefined : this.buffer(length)))
    for (const { slot, data } of plan.constants) device.queue.writeBuffer(this.buffers[slot]!, 0, data)
    let end = 0
    this.places = plan.steps.map(({ numbers }) => {
      const place = end
      end += Math.ceil((4 * numbers.length) / alignment) * alignment
      return place
    })
    const all = new Uint32Array(Math.max(alignment, end) / 4)
    plan.steps.forEach(({ numbers }, at) => all.set(numbers, this.places[at] / 4))
    this.numbers = device.createBuffer({ size: all.byteLength, usage: usage.storage | usage.copyTarget })
    device.queue.writeBuffer(this.numbers, 0, all)
    const bytes = [...plan.outputs.values()].reduce((sum, { length }) => sum + 4 * length, 0)
    this.staging = device.createBuffer({ size: Math.max(4, bytes), usage: usage.mapRead | usage.copyTarget })
  }

  private buffer(length: number): DeviceBuffer {
    return this.device.createBuffer({ size: 4 * length, usage: usage.storage | usage.copySource | usage.copyTarget })
  }

  private bind(slots: readonly (DeviceBuffer | undefined)[]): Ready[] {
    return this.plan.steps.map(({ kernel, numbers, slots: own, groups }, at) => {
      const pipeline = this.pipelines.get(kernel)!
      const entries = [
        { binding: 0, resource: { buffer: this.numbers, offset: this.places[at], size: 4 * numbers.length } },
        ...own.map((slot, index) => ({ binding: index + 1, resource: { buffer: slots[slot]! } }))
      ]
      return {
        pipeline,
        group: this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
        groups
      }
    })
  }

  /** Puts arrays where their inputs are, and has residents take their place. */
  private take(inputs: Readonly<Record<string, Bound>>): void {
    const given: DeviceBuffer[] = []
    const slots = [...this.buffers]
    for (const [name, { shape }] of this.graph.inputs) {
      const bound = inputs[name]
      const slot = this.plan.inputs.get(name)!
      if (isResident(bound)) slots[slot] = bound.handle as DeviceBuffer
      else {
        if (bound.length !== size(shape))
          throw new Error(`the input ${name} has ${bound.length} numbers and not ${size(shape)}`)
        slots[slot] ??= this.buffers[slot] = this.buffer(size(shape))
        this.device.queue.writeBuffer(slots[slot], 0, bound)
      }
      given.push(slots[slot])
    }
    if (this.ready.length === this.plan.steps.length && given.every((buffer, at) => buffer === this.given[at])) return
    this.given = given
    this.ready = this.bind(slots)
  }

  private slotBuffer(slot: number): DeviceBuffer {
    const at = [...this.plan.inputs.values()].indexOf(slot)
    return at < 0 ? this.buffers[slot]! : this.given[at]
  }

  private submit(): void {
    for (let first = 0; first < this.ready.length; first += stepsAtOnce) {
      const encoder = this.device.createCommandEncoder()
      const pass = encoder.beginComputePass()
      for (const { pipeline, group, groups } of this.ready.slice(first, first + stepsAtOnce)) {
        pass.setPipeline(pipeline)
        pass.setBindGroup(0, group)
        pass.dispatchWorkgroups(...groups)
      }
      pass.end()
      this.device.queue.submit([encoder.finish()])
    }
    const encoder = this.device.createCommandEncoder()
    let at = 0
    for (const { slot, length } of this.plan.outputs.values()) {
      encoder.copyBufferToBuffer(this.slotBuffer(slot), 0, this.staging, at, 4 * length)
      at += 4 * length
    }
    this.device.queue.submit([encoder.finish()])
  }

  private async compute(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    await checked(this.device, () => {
      this.take(inputs)
      this.submit()
    })
    await this.staging.mapAsync(readMode)
    const all = new Float32Array(this.staging.getMappedRange()).slice()
    this.staging.unmap()
    let at = 0
    return Object.fromEntries([...this.plan.outputs].map(([name, { length }]) => [name, all.slice(at, (at += length))]))
  }

  /** One after the other, as they share their buffers. */
  run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    const result = this.last.then(() => this.compute(inputs))
    this.last = result.catch(() => {})
    return result
  }

  async dispose(): Promise<void> {
    await this.last
    for (const buffer of [...this.buffers, this.numbers, this.staging]) buffer?.destroy()
  }
}

/** Does something with the device that it may refuse later, and throws what it says then. */
const checked = async <T>(device: Device, work: () => T): Promise<T> => {
  device.pushErrorScope('out-of-memory')
  device.pushErrorScope('validation')
  let result: T | undefined
  let failure: unknown
  let failed = false
  try {
    result = work()
  } catch (error) {
    failed = true
    failure = error
  }
  const [invalid, short] = await Promise.all([device.popErrorScope(), device.popErrorScope()])
  if (failed) throw failure
  if (short !== null) throw new OutOfDeviceMemory(short.message)
  if (invalid !== null) throw new Error(invalid.message)
  return result as T
}

/**
 * WebGPU by kernels of our own, for a browser's page: where onnxruntime's provider can't work, as in Electron's processes. It computes what
 * a graph comes to node by node; buffers and bindings are made once for a program, and only inputs, losses and gradients cross.
 */
export class WgslExecutor implements Executor {
  readonly apart = true
  private readonly pipelines = new Map<Kernel, Promise<Pipeline>>()
  private readonly residents = new Set<DeviceBuffer>()

  constructor(
    private readonly device: Device,
    readonly description: EngineDescription
  ) {}

  resident(data: Float32Array, shape: readonly number[]): Resident {
    const buffer = this.device.createBuffer({
      size: data.byteLength,
      usage: usage.storage | usage.copySource | usage.copyTarget
    })
    this.device.queue.writeBuffer(buffer, 0, data)
    this.residents.add(buffer)
    return { shape, handle: buffer }
  }

  drop({ handle }: Resident): void {
    this.residents.delete(handle as DeviceBuffer)
    ;(handle as DeviceBuffer).destroy()
  }

  private pipeline(kernel: Kernel): Promise<Pipeline> {
    const known = this.pipelines.get(kernel)
    if (known !== undefined) return known
    const made = this.device.createComputePipelineAsync({
      layout: 'auto',
      compute: { module: this.device.createShaderModule({ code: kernels[kernel] }), entryPoint: 'main' }
    })
    this.pipelines.set(kernel, made)
    return made
  }

  async compile(graph: Graph): Promise<Program> {
    const plan = planOf(graph)
    const most = Math.min(this.device.limits.maxStorageBufferBindingSize, this.device.limits.maxBufferSize)
    const largest = 4 * Math.max(...plan.lengths)
    if (largest > most) throw new OutOfDeviceMemory(`a tensor of ${largest} bytes is more than the GPU takes (${most})`)
    const names = [...new Set(plan.steps.map(({ kernel }) => kernel))]
    const pipelines = new Map(
      await Promise.all(names.map(async (kernel) => [kernel, await this.pipeline(kernel)] as const))
    )
    return checked(this.device, () => new WgslProgram(this.device, graph, plan, pipelines))
  }

  dispose(): Promise<void> {
    for (const buffer of this.residents) buffer.destroy()
    this.residents.clear()
    return Promise.resolve()
  }
}
