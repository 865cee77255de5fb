/** What is used of WebGPU's device (https://www.w3.org/TR/webgpu/), for code that is type-checked without a browser's types. */
export interface Device {
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number }
  readonly lost: Promise<{ readonly message: string }>
  readonly queue: {
    writeBuffer(buffer: DeviceBuffer, offset: number, data: Float32Array | Int32Array | Uint32Array): void
    submit(commands: Iterable<object>): void
  }
  createBuffer(descriptor: { readonly size: number; readonly usage: number }): DeviceBuffer
  createShaderModule(descriptor: { readonly code: string }): object
  createComputePipelineAsync(descriptor: {
    readonly layout: 'auto' | object
    readonly compute: { readonly module: object; readonly entryPoint?: string }
  }): Promise<Pipeline>
  createBindGroup(descriptor: {
    readonly layout: object
    readonly entries: Iterable<{ readonly binding: number; readonly resource: Binding | object }>
  }): Group
  createCommandEncoder(): Encoder
  pushErrorScope(filter: 'validation' | 'out-of-memory'): void
  popErrorScope(): Promise<{ readonly message: string } | null>
}

export interface DeviceBuffer {
  readonly size: number
  destroy(): void
  mapAsync(mode: number): Promise<unknown>
  getMappedRange(): ArrayBuffer
  unmap(): void
}

export interface Binding {
  readonly buffer: DeviceBuffer
  readonly offset?: number
  readonly size?: number
}

/** Tensors bound to a kernel. */
export interface Group {
  readonly label: string
}

export interface Pipeline {
  getBindGroupLayout(index: number): object
}

interface Encoder {
  beginComputePass(): {
    setPipeline(pipeline: Pipeline): void
    setBindGroup(index: number, group: Group): void
    dispatchWorkgroups(x: number, y?: number, z?: number): void
    end(): void
  }
  copyBufferToBuffer(
    source: DeviceBuffer,
    sourceOffset: number,
    target: DeviceBuffer,
    targetOffset: number,
    size: number
  ): void
  finish(): object
}

/** GPUBufferUsage and GPUMapMode of the specification. */
export const usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, storage: 0x80 } as const
export const readMode = 0x1
