import * as tf from '@tensorflow/tfjs-core'
import {
  type Bound,
  type EngineDescription,
  type Executor,
  OutOfDeviceMemory,
  type Program,
  type Resident,
  isResident,
  type Graph,
  type Value
} from '../../core'
import { type Interpreter, interpreterOf } from './interpret'

/** TensorFlow's messages for a device that is short of memory. */
const memoryWords = /OOM when allocating|failed to allocate|out of memory|RESOURCE_EXHAUSTED/i

/** Removes the status number that the addon puts before TensorFlow's message. */
const asTold = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error
  const message = error.message.replace(/^Invalid TF_Status: \d+\s+Message: /, '').split('\n')[0]
  return memoryWords.test(error.message)
    ? new OutOfDeviceMemory(message, { cause: error })
    : new Error(message, { cause: error })
}

const tensorOf = (data: Float32Array | Int32Array, shape: readonly number[]): tf.Tensor =>
  tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32')

class TfjsProgram implements Program {
  private readonly interpreter: Interpreter
  private readonly inputs: ReadonlyMap<string, Value>
  private readonly constants: ReadonlyMap<number, tf.Tensor>

  constructor(graph: Graph) {
    this.interpreter = interpreterOf(graph)
    this.inputs = graph.inputs
    this.constants = new Map([...graph.constants].map(([{ id, shape }, data]) => [id, tensorOf(data, shape)]))
  }

  async run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
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
      outputs = this.interpreter.run(given)
      const data = await Promise.all(
        Object.entries(outputs).map(async ([name, tensor]) => [name, await tensor.data<'float32'>()] as const)
      )
      return Object.fromEntries(data)
    } catch (error) {
      throw asTold(error)
    } finally {
      tf.dispose([own, Object.values(outputs)])
    }
  }

  dispose(): Promise<void> {
    tf.dispose([...this.constants.values()])
    this.interpreter.dispose()
    return Promise.resolve()
  }
}

/**
 * TensorFlow.js in this process, after its backend is loaded (backend.ts). Use it in a separate process (client.ts).
 */
export class TfjsExecutor implements Executor {
  readonly apart = true
  private readonly residents = new Set<tf.Tensor>()

  constructor(readonly description: EngineDescription) {}

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
    return Promise.resolve(new TfjsProgram(graph))
  }

  dispose(): Promise<void> {
    tf.dispose([...this.residents])
    this.residents.clear()
    return Promise.resolve()
  }
}
