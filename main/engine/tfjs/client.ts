import { SpectroscopeError } from '../../../preload/errors'
import { entryPath } from '../../base/entries'
import { type Child, spawnChild } from '../../base/processes'
import { type Bound, type EngineDescription, type Executor, type Program, type Resident, isResident } from '../executor'
import type { Graph } from '../graph'
import { type Backend, gpuEnvironment } from './environment'
import type { SentInput, TfjsCalls } from './messages'

type Process = Child<TfjsCalls>

/** Numbers of a resident in one message. */
const partNumbers = 4 * 2 ** 20

/** A resident there: its key, and its arrival. */
interface Sent {
  readonly key: number
  readonly arrived: Promise<void>
}

const lostAtWork = (words: string): SpectroscopeError =>
  new SpectroscopeError('engine', `The TensorFlow.js process ended (${words}), as it does when a GPU fails or its memory is short; resume the run to go on from its last checkpoint.`)

const lostAtStart = (words: string): SpectroscopeError =>
  new SpectroscopeError('engine', `The TensorFlow.js process ended (${words}) while it loaded its library; see that the driver, CUDA 11.2 and cuDNN 8.1 fit, or choose another engine.`)

const asEngineError = (error: unknown): unknown =>
  error instanceof SpectroscopeError
    ? error
    : new SpectroscopeError('engine', `TensorFlow.js failed: ${(error instanceof Error ? error.message : String(error)).split('\n')[0].replace(/\.$/, '')}; see that no other program has the GPU's memory, and resume the run.`, { cause: error })

/** Throws an `engine` error in Electron's runtime, which can't stand in for Node's: forked, it would open another window. */
export const checkRuntime = (): void => {
  if (!('electron' in process.versions)) return
  throw new SpectroscopeError('engine', 'TensorFlow.js is installed and computes in processes of Node, which the desktop program can\'t start; use it from a terminal, with `spectroscope run` or `spectroscope serve`.')
}

class RemoteProgram implements Program {
  constructor(
    private readonly child: Process,
    private readonly key: number,
    private readonly names: readonly string[]
  ) {}

  async run(inputs: Readonly<Record<string, Bound>>): Promise<Record<string, Float32Array>> {
    const sent: Record<string, SentInput> = {}
    for (const name of this.names) {
      const bound = inputs[name]
      if (!isResident(bound)) {
        sent[name] = bound
        continue
      }
      const { key, arrived } = bound.handle as Sent
      await arrived
      sent[name] = { resident: key }
    }
    try {
      return await this.child.call('run', { program: this.key, inputs: sent })
    } catch (error) {
      throw asEngineError(error)
    }
  }

  async dispose(): Promise<void> {
    try {
      await this.child.call('release', { program: this.key })
    } catch {
      // The process is gone, and all that it held.
    }
  }
}

/**
 * An executor whose work a process of its own does, because a native fault of libtensorflow must not take the compute process with it.
 * Weights and graphs go there once; inputs and outputs of every run are copied through the channel.
 */
export class TfjsProcessExecutor implements Executor {
  readonly apart = true
  private lastKey = 0

  private constructor(
    private readonly child: Process,
    readonly description: EngineDescription
  ) {}

  /** Throws an `engine` error where the process can't load the backend, dies of it, or finds no GPU. */
  static async open(backend: Backend): Promise<TfjsProcessExecutor> {
    checkRuntime()
    let opened = false
    const child: Process = spawnChild<TfjsCalls>(entryPath('tfjs'), { lost: (words) => (opened ? lostAtWork(words) : lostAtStart(words)), environment: backend === 'tensorflow' ? gpuEnvironment(process.env) : {} })
    try {
      const description = await child.call('open', { backend })
      opened = true
      return new TfjsProcessExecutor(child, description)
    } catch (error) {
      await child.kill()
      throw asEngineError(error)
    }
  }

  /** Of the process that computes, for tests that end it. */
  get pid(): number {
    return this.child.pid
  }

  private async send(key: number, data: Float32Array, shape: readonly number[]): Promise<void> {
    try {
      for (let offset = 0; offset < data.length; offset += partNumbers) await this.child.call('putResident', { key, shape, offset, values: data.subarray(offset, offset + partNumbers) })
    } catch (error) {
      throw asEngineError(error)
    }
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    const key = ++this.lastKey
    const arrived = this.send(key, data, shape)
    // The first program that is run with it hears of the error.
    arrived.catch(() => {})
    return { shape, handle: { key, arrived } satisfies Sent }
  }

  async compile(graph: Graph): Promise<Program> {
    const key = ++this.lastKey
    try {
      await this.child.call('compile', { key, graph })
    } catch (error) {
      throw asEngineError(error)
    }
    return new RemoteProgram(this.child, key, [...graph.inputs.keys()])
  }

  async dispose(): Promise<void> {
    await this.child.disconnect()
  }
}
