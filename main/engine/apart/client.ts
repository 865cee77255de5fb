import { messageOf, SpectroscopeError } from '../../../preload/errors'
import { type EntryName, entryPath } from '../../base/entries'
import { type Child, spawnChild } from '../../base/processes'
import {
  type Bound,
  type EngineDescription,
  type Executor,
  OutOfDeviceMemory,
  type Program,
  type Resident,
  isResident,
  type Graph
} from '../core'
import { type ExecutorCalls, type SentInput, type Short, isShort, sentGraph } from './messages'

/** Numbers of a resident in one message. */
const partNumbers = 4 * 2 ** 20

/** A resident in the process: its key, and when it has arrived. */
interface Sent {
  readonly key: number
  readonly arrived: Promise<void>
}

export interface ProcessSettings<Options> {
  readonly entry: EntryName
  /** Name of the library in that process, for error messages. */
  readonly library: string
  readonly options: Options
  readonly environment?: Readonly<Record<string, string>>
  /** Makes the error for a process that ends before it has opened. */
  readonly lostAtStart: (words: string) => SpectroscopeError
  /** Gets the process's standard error, which otherwise goes to this process's own. */
  readonly onErrorOutput?: (text: string) => void
}

type Describe = (description: EngineDescription) => EngineDescription | Promise<EngineDescription>

/** The process as the executor uses it, and the name of its library. */
interface Remote extends Pick<Child<ExecutorCalls<unknown>>, 'pid' | 'call' | 'disconnect'> {
  readonly library: string
}

const lostAtWork = (library: string, words: string): SpectroscopeError =>
  new SpectroscopeError(
    'engine',
    `The ${library} process ended (${words}), as it does when a GPU fails or its memory is short; resume the run ` +
      'to go on from its last checkpoint.'
  )

/** Returns an answer, or throws OutOfDeviceMemory if it says that memory was short. */
const answered = <A extends Readonly<Record<string, Float32Array>> | null>(answer: A | Short): A => {
  if (isShort(answer)) throw new OutOfDeviceMemory(answer.short)
  return answer
}

const asEngineError = (library: string, error: unknown): unknown =>
  error instanceof SpectroscopeError || error instanceof OutOfDeviceMemory
    ? error
    : new SpectroscopeError(
        'engine',
        `${library} failed: ${messageOf(error).split('\n')[0].replace(/\.$/, '')}; see that no other program ` +
          `has the GPU's memory, and resume the run.`,
        { cause: error }
      )

class RemoteProgram implements Program {
  constructor(
    private readonly remote: Remote,
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
      return answered(await this.remote.call('run', { program: this.key, inputs: sent }))
    } catch (error) {
      throw asEngineError(this.remote.library, error)
    }
  }

  async dispose(): Promise<void> {
    try {
      await this.remote.call('release', { program: this.key })
    } catch {
      // The process has ended, and everything it held is freed.
    }
  }
}

/**
 * An executor that runs in a separate process, because a native fault of a library or driver must not end the compute
 * process. Weights and graphs are sent once; inputs and outputs of every run are copied through the channel.
 */
export class ProcessExecutor implements Executor {
  readonly apart = true
  private lastKey = 0

  /** `remote` answers the calls of an executor with this description. */
  constructor(
    private readonly remote: Remote,
    readonly description: EngineDescription
  ) {}

  /**
   * Starts the process and opens its executor. `describe` may extend the description. Throws an `engine` error if the
   * executor cannot be opened or the process dies.
   */
  static async open<Options>(
    { entry, library, options, environment = {}, lostAtStart, onErrorOutput }: ProcessSettings<Options>,
    describe: Describe = (own) => own
  ): Promise<ProcessExecutor> {
    let opened = false
    const child = spawnChild<ExecutorCalls<Options>>(entryPath(entry), {
      lost: (words) => (opened ? lostAtWork(library, words) : lostAtStart(words)),
      environment,
      ...(onErrorOutput === undefined ? {} : { onErrorOutput })
    })
    try {
      const description = await describe(await child.call('open', options))
      opened = true
      return new ProcessExecutor({ ...child, library }, description)
    } catch (error) {
      await child.kill()
      throw asEngineError(library, error)
    }
  }

  /** Process id, for tests that kill the process. */
  get pid(): number {
    return this.remote.pid
  }

  private async send(key: number, data: Float32Array, shape: readonly number[]): Promise<void> {
    try {
      for (let offset = 0; offset < data.length; offset += partNumbers)
        await this.remote.call('putResident', {
          key,
          shape,
          offset,
          values: data.subarray(offset, offset + partNumbers)
        })
    } catch (error) {
      throw asEngineError(this.remote.library, error)
    }
  }

  resident(data: Float32Array, shape: readonly number[]): Resident {
    const key = ++this.lastKey
    const arrived = this.send(key, data, shape)
    // The first program run with the resident reports the error.
    arrived.catch(() => {})
    return { shape, handle: { key, arrived } satisfies Sent }
  }

  drop({ handle }: Resident): void {
    const { key, arrived } = handle as Sent
    // If it never arrived, or the process has ended, there is nothing to drop.
    arrived.then(() => this.remote.call('dropResident', { key })).catch(() => {})
  }

  async compile(graph: Graph): Promise<Program> {
    const key = ++this.lastKey
    try {
      answered(await this.remote.call('compile', { key, graph: sentGraph(graph) }))
    } catch (error) {
      throw asEngineError(this.remote.library, error)
    }
    return new RemoteProgram(this.remote, key, [...graph.inputs.keys()])
  }

  async dispose(): Promise<void> {
    await this.remote.disconnect()
  }
}
