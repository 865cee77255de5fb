import { SpectroscopeError } from '../../../preload/errors'
import type { Rows } from './evaluator'
import { type Executor, OutOfDeviceMemory, type Program } from './executor'
import { type Graph, partRows, peakBytes, size } from './graph'

export interface Compiled {
  readonly program: Program
  readonly graph: Graph
  readonly bytes: number
}

/**
 * Programs keep the memory of their last run, about twice what they need. Those used longest ago go when all together
 * need more than this.
 */
export const programBytes = 400 * 2 ** 20

/** Items of one batched product: WebGPU promises so many groups along a side. */
const mostItems = 65535

/**
 * Bytes that a program takes on a device beside w*, twice over, as its arena keeps pieces that nothing fits into. It
 * computes a vocabulary's exponentials in large parts, one after the other; but where the backward pass takes them
 * again, for the slope of a replica's own table, all are held.
 */
export const deviceBytes = (graph: Graph): number => {
  const again = new Set(
    graph.nodes.flatMap(({ operation, inputs }) => (operation.kind === 'exponentialSumsSlope' ? [inputs[0].id] : []))
  )
  let [held, largest] = [0, 0]
  for (const {
    operation,
    inputs: [hidden, table]
  } of graph.nodes) {
    if (operation.kind !== 'exponentialSums') continue
    if (again.has(hidden.id)) held += 4 * hidden.shape[0] * table.shape[0]
    else largest = Math.max(largest, 4 * hidden.shape[0] * Math.min(table.shape[0], partRows))
  }
  const own = [...graph.inputs].reduce(
    (sum, [name, { shape }]) => sum + (name.startsWith('slice:') ? 4 * size(shape) : 0),
    0
  )
  return 2 * (peakBytes(graph) + own + held + largest)
}

/** Items of the products of attention, whose scores a softmax takes. */
const itemsOf = (graph: Graph): number =>
  graph.nodes.reduce(
    (most, { operation, inputs: [x] }) =>
      operation.kind === 'softmax' ? Math.max(most, size(x.shape.slice(0, -2))) : most,
    0
  )

/** Whether a device can run a graph, and takes no more than `bytes` for it. */
export const isWithin = (graph: Graph, bytes: number): boolean =>
  deviceBytes(graph) <= bytes && itemsOf(graph) <= mostItems

/** The programs of one evaluator: compiled when they are first needed, and let go where memory is short. */
export class Programs {
  private readonly programs = new Map<string, Compiled>()
  /** Rows that are run over at once, or replicas, by program, where a device's memory was too short for more. */
  private readonly mostAtOnce = new Map<string, number>()

  /** `roomBytes`: of a device's memory for all programs; undefined where they compute in the machine's. */
  constructor(
    private readonly executor: Executor,
    readonly roomBytes: number | undefined
  ) {}

  async compiled(key: string, make: () => Graph): Promise<Compiled> {
    const known = this.programs.get(key) ?? (await this.compile(make()))
    this.programs.delete(key)
    this.programs.set(key, known)
    return known
  }

  private get heldBytes(): number {
    return [...this.programs.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /**
   * Lets programs go that were used longest ago, until those left and one of so many bytes need no more than the
   * limit.
   */
  private async makeRoom(bytes: number, limit: number): Promise<void> {
    for (const [key, { program }] of this.programs) {
      if (this.heldBytes + bytes <= limit) return
      this.programs.delete(key)
      await program.dispose()
    }
  }

  private async compile(graph: Graph): Promise<Compiled> {
    const onDevice = this.executor.memoryBytes !== undefined
    const [bytes, room] = [onDevice ? deviceBytes(graph) : peakBytes(graph), this.roomBytes ?? programBytes]
    if (onDevice && bytes > room) throw new OutOfDeviceMemory(`a program needs ${bytes} bytes of ${Math.max(0, room)}`)
    await this.makeRoom(bytes, room)
    return { program: await this.executor.compile(graph), graph, bytes }
  }

  /**
   * Does `work` with `all` at once, or with as many as a device's memory has turned out to be enough for: where it is
   * short, all other programs are let go, and then half as many taken. Throws `OutOfDeviceMemory` where it is short
   * for one.
   */
  async withinMemory<T>(key: string, all: number, work: (most: number) => Promise<T>): Promise<T> {
    for (let cleared = this.programs.size === 0; ;) {
      const most = Math.min(all, this.mostAtOnce.get(key) ?? all)
      try {
        return await work(most)
      } catch (error) {
        if (!(error instanceof OutOfDeviceMemory)) throw error
        await this.makeRoom(Infinity, 0)
        if (cleared && most === 1) throw error
        if (cleared) this.mostAtOnce.set(key, Math.ceil(most / 2))
        cleared = true
      }
    }
  }

  /**
   * Does `work` over the rows, or over equal parts of them. Results are the same within float32 rounding. Throws an
   * `engine` error where memory is short for one row.
   */
  async inParts<T>(
    kind: string,
    { count, length }: Rows,
    work: (first: number, count: number) => Promise<T>
  ): Promise<T[]> {
    try {
      return await this.withinMemory(`${kind} ${length}`, count, async (most) => {
        const parts = Math.ceil(count / most)
        const ends = Array.from({ length: parts + 1 }, (_, part) => Math.floor((part * count) / parts))
        const results: T[] = []
        for (let part = 0; part < parts; part++) results.push(await work(ends[part], ends[part + 1] - ends[part]))
        return results
      })
    } catch (error) {
      if (!(error instanceof OutOfDeviceMemory)) throw error
      throw new SpectroscopeError(
        'engine',
        `The memory of ${this.executor.description.device} is too short for one row of ${length} tokens ` +
          `(${error.message}); end what else takes it, study shorter rows, or choose another engine.`,
        { cause: error }
      )
    }
  }

  /** How many replicas, or rows, are taken at first, where nothing is known yet. */
  startWith(key: string, most: () => number): void {
    if (!this.mostAtOnce.has(key)) this.mostAtOnce.set(key, most())
  }

  async dispose(): Promise<void> {
    for (const { program } of this.programs.values()) await program.dispose()
    this.programs.clear()
  }
}
