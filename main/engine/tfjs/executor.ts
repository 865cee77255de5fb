import * as tf from '@tensorflow/tfjs-core'
import { SpectroscopeError } from '../../../preload/errors'
import {
  type Bound,
  type EngineDescription,
  type Executor,
  OutOfDeviceMemory,
  type Program,
  type Resident,
  isResident
} from '../executor'
import type { Graph, Value } from '../graph'
import { openBackend } from './backend'
import type { Backend } from './environment'
import { interpreterOf } from './interpret'

/** What TensorFlow says where its device's memory is short. */
const memoryWords = /OOM when allocating|failed to allocate|out of memory|RESOURCE_EXHAUSTED/i

const tensorOf = (data: Float32Array | Int32Array, shape: readonly number[]): tf.Tensor =>
  tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32')

class TfjsProgram implements Program {
  private readonly interpret: ReturnType<typeof interpreterOf>
  private readonly inputs: ReadonlyMap<string, Value>
  private readonly constants: ReadonlyMap<number, tf.Tensor>

  constructor(
    private readonly backend: Backend,
    graph: Graph
  ) {
    this.interpret = interpreterOf(graph)
    this.inputs = graph.inputs
    this.constants = new Map([...graph.constants].map(([{ id, shape }, data]) => [id, tensorOf(data, shape)]))
  }

  async run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    if (tf.getBackend() !== this.backend) await tf.setBackend(this.backend)
    const given = new Map(this.constants)
    const own: tf.Tensor[] = []
    let outputs: Record<string, tf.Tensor> = {}
    try {
      for (const [name, { id, shape }] of this.inputs) {
        const bound = inputs[name]
        if (isResident(bound)) {
          given.set(id, bound.handle as tf.Tensor)
          continue
        }
        const tensor = tensorOf(bound, shape)
        own.push(tensor)
        given.set(id, tensor)
      }
      outputs = this.interpret(given)
      const data = await Promise.all(
        Object.entries(outputs).map(async ([name, tensor]) => [name, await tensor.data<'float32'>()] as const)
      )
      return Object.fromEntries(data)
    } catch (error) {
      throw error instanceof Error && memoryWords.test(error.message)
        ? new OutOfDeviceMemory(error.message.split('\n')[0], { cause: error })
        : error
    } finally {
      tf.dispose([own, Object.values(outputs)])
    }
  }

  dispose(): Promise<void> {
    tf.dispose([...this.constants.values()])
    return Promise.resolve()
  }
}

/**
 * TensorFlow.js in this process, which has one backend at work at a time: `tensorflow` is @tensorflow/tfjs-node-gpu on a GPU, and belongs
 * in a process of its own (client.ts); `cpu` and `wasm` are there for tests, as they are many times slower than onnxruntime.
 */
export class TfjsExecutor implements Executor {
  readonly apart = true
  private readonly residents = new Set<tf.Tensor>()

  private constructor(
    private readonly backend: Backend,
    readonly description: EngineDescription
  ) {}

  /** Throws an `engine` error where the backend can't be had, or is to be a GPU and has none. */
  static async open(backend: Backend): Promise<TfjsExecutor> {
    return new TfjsExecutor(backend, await openBackend(backend))
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    const tensor = tensorOf(data, shape)
    this.residents.add(tensor)
    return { shape, handle: tensor }
  }

  drop({ handle }: Resident): void {
    this.residents.delete(handle as tf.Tensor)
    tf.dispose(handle as tf.Tensor)
  }

  compile(graph: Graph): Promise<Program> {
    if (tf.getBackend() !== this.backend)
      throw new SpectroscopeError(
        'engine',
        `TensorFlow.js has the backend "${tf.getBackend()}" at work, not "${this.backend}"; open one executor in a process.`
      )
    return Promise.resolve(new TfjsProgram(this.backend, graph))
  }

  dispose(): Promise<void> {
    tf.dispose([...this.residents])
    this.residents.clear()
    return Promise.resolve()
  }
}
