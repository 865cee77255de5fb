import { SpectroscopeError } from '../../preload/errors'
import type { Architecture, Weights } from '../models/architecture'
import { type Slice, componentSlices } from '../models/components'
import type { Evaluator, Prefix, Rows } from './evaluator'
import { type Bound, type Executor, OutOfDeviceMemory, type Program, type Resident } from './executor'
import { type Graph, peakBytes, size } from './graph'
import { pieceOf, pieceOperations } from './operations'
import { Layerwise, type OwnPiece, addAt } from './layerwise'
import { type Extent, activationName, areLong, centreUnembedding, embedRows, logSumBounds, pieceGraph, prefixGraph, unembeddingName, unembeddingWeight } from './transformer'

/** Inputs and targets of rows: ids at positions 0 … T-2, and at 1 … T-1. */
const shifted = ({ ids, count, length }: Rows): { inputs: Int32Array; targets: Int32Array } => {
  const positions = length - 1
  const inputs = new Int32Array(count * positions)
  const targets = new Int32Array(count * positions)
  for (let row = 0; row < count; row++) {
    inputs.set(ids.subarray(row * length, row * length + positions), row * positions)
    targets.set(ids.subarray(row * length + 1, (row + 1) * length), row * positions)
  }
  return { inputs, targets }
}

/** Every position of a row, for the learned positions of GPT-2. */
const places = ({ positions }: Extent): Int32Array => Int32Array.from({ length: positions }, (_, at) => at)

interface Compiled {
  readonly program: Program
  readonly graph: Graph
  readonly bytes: number
}

/** Programs keep the memory of their last run, about twice what they need. Those used longest ago go when all together need more than this. */
export const programBytes = 400 * 2 ** 20

/** An arena grows by doubling, and a device computes a vocabulary's exponentials in large parts that the backward pass takes again. */
const deviceBytes = (graph: Graph): number => {
  const exponentials = graph.nodes.reduce((sum, { operation, inputs }) => sum + (operation.kind === 'exponentialSums' ? 4 * inputs[0].shape[0] * inputs[1].shape[0] : 0), 0)
  return 2 * (peakBytes(graph) + exponentials)
}

/** A model with its weights is one message of at most 2 GB. */
const mostHeldBytes = 1.8e9

/** The parts one after another, in an array that `make` gives. */
const joined = (parts: readonly Float32Array[], make: (length: number) => Float32Array): Float32Array => {
  const all = make(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Some of the rows, with their activations. */
const partOf = ({ rows, activations }: Prefix, first: number, count: number): Prefix => {
  const each = <A extends Float32Array | Int32Array>(array: A, perRow: number): A => array.subarray(first * perRow, (first + count) * perRow) as A
  return {
    rows: { ids: each(rows.ids, rows.length), count, length: rows.length },
    activations: Object.fromEntries(Object.entries(activations).map(([name, data]) => [name, each(data, data.length / rows.count)]))
  }
}

/**
 * The lockstep scheme over any executor: one forward at w* serves all replicas of a minibatch, and a replica computes its own piece,
 * the layers above it, and the loss. Programs are compiled once for each piece and extent; weights w* are bound, never copied into
 * programs.
 */
export class TransformerEvaluator implements Evaluator {
  private readonly programs = new Map<string, Compiled>()
  private readonly residents = new Map<string, Resident>()
  private readonly components = new Map<string, { slices: Slice[]; projection: Float32Array | undefined }>()

  private readonly layerwise: Layerwise
  private scratch = new Float32Array(0)

  /** `goLayerwise` says of the input positions of a row whether it is so long that it goes layer by layer. */
  constructor(
    private readonly executor: Executor,
    private readonly architecture: Architecture,
    private readonly weights: Weights,
    private readonly goLayerwise = (positions: number): boolean => areLong(architecture, positions)
  ) {
    const { hidden } = architecture
    const { centre, centred } = centreUnembedding(architecture, weights.get(unembeddingWeight(architecture))!.data)
    this.residents.set(unembeddingName.centre, executor.resident(centre, [1, hidden]))
    this.residents.set(unembeddingName.centred, executor.resident(centred, [centred.length / hidden, hidden]))
    this.layerwise = new Layerwise({
      architecture, weights, centre, heldApart: executor.apart === true, resident: (name) => this.resident(name), compiled: (key, make) => this.compiled(key, make, false)
    })
  }

  /** A weight at w*, held from when a program first needs it. */
  private resident(name: string): Resident {
    const known = this.residents.get(name)
    if (known !== undefined) return known
    const { shape, data } = this.weights.get(name)!
    const made = this.executor.resident(data, shape)
    this.residents.set(name, made)
    return made
  }

  /** `whole` says that inputs by the names of weights are these weights in every run. */
  private async compiled(key: string, make: () => Graph, whole: boolean): Promise<Compiled> {
    const known = this.programs.get(key) ?? (await this.compile(make(), whole))
    this.programs.delete(key)
    this.programs.set(key, known)
    return known
  }

  private get heldBytes(): number {
    return [...this.programs.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Lets programs go that were used longest ago, until those left and one of so many bytes need no more than the limit. */
  private async makeRoom(bytes: number, limit: number): Promise<void> {
    for (const [key, { program }] of this.programs) {
      if (this.heldBytes + bytes <= limit) return
      this.programs.delete(key)
      await program.dispose()
    }
  }

  private async compile(graph: Graph, whole: boolean): Promise<Compiled> {
    const { memoryBytes } = this.executor
    if (memoryBytes === undefined) {
      const bytes = peakBytes(graph)
      await this.makeRoom(bytes, programBytes)
      return { program: await this.executor.compile(graph), graph, bytes }
    }
    const bytes = deviceBytes(graph)
    if (bytes > memoryBytes) throw new OutOfDeviceMemory(`a program needs ${bytes} bytes of ${memoryBytes}`)
    const weights = whole ? [...graph.inputs].filter(([name]) => this.residents.has(name) || this.weights.has(name)) : []
    const weightBytes = weights.reduce((sum, [, { shape }]) => sum + 4 * size(shape), 0)
    // Programs that hold weights are not let go of for others that would: those have theirs brought for every run.
    const hold = weightBytes <= mostHeldBytes && this.heldBytes + bytes + weightBytes <= memoryBytes
    if (!hold) await this.makeRoom(bytes, memoryBytes)
    const held = hold ? Object.fromEntries(weights.map(([name]) => [name, this.resident(name)])) : undefined
    return { program: await this.executor.compile(graph, held), graph, bytes: bytes + (hold ? weightBytes : 0) }
  }

  private component(name: string): { slices: Slice[]; projection: Float32Array | undefined } {
    const known = this.components.get(name)
    if (known !== undefined) return known
    const slices = componentSlices(this.architecture, this.weights, name)
    const made = { slices, projection: name.startsWith('head:') ? this.ownProjection(slices) : undefined }
    this.components.set(name, made)
    return made
  }

  /** A head's slice of the projection at w*: its last slice. */
  private ownProjection(slices: readonly Slice[]): Float32Array {
    const { tensor, rowStart, rowEnd, columnStart, columnEnd } = slices[slices.length - 1]
    const { data, shape } = this.weights.get(tensor)!
    const width = columnEnd - columnStart
    const projection = new Float32Array((rowEnd - rowStart) * width)
    for (let row = rowStart; row < rowEnd; row++) projection.set(data.subarray(row * shape[1] + columnStart, row * shape[1] + columnEnd), (row - rowStart) * width)
    return projection
  }

  /** Rows that are run over at once, by program, where a device's memory was too short for more. */
  private readonly mostRows = new Map<string, number>()

  /**
   * Does `work` over the rows, or over as large equal parts of them as a device's memory has turned out to be enough for: where it is
   * short, all other programs are let go, and then half as many rows taken. Results are the same within float32 rounding.
   * Throws an `engine` error where it is short for one row.
   */
  private async inParts<T>(kind: string, { count, length }: Rows, work: (first: number, count: number) => Promise<T>): Promise<T[]> {
    const key = `${kind} ${length}`
    for (let cleared = this.programs.size === 0; ;) {
      const most = Math.min(count, this.mostRows.get(key) ?? count)
      const parts = Math.ceil(count / most)
      const ends = Array.from({ length: parts + 1 }, (_, part) => Math.floor((part * count) / parts))
      try {
        const results: T[] = []
        for (let part = 0; part < parts; part++) results.push(await work(ends[part], ends[part + 1] - ends[part]))
        return results
      } catch (error) {
        if (!(error instanceof OutOfDeviceMemory)) throw error
        await this.makeRoom(Infinity, 0)
        if (cleared && most === 1) {
          throw new SpectroscopeError('engine', `The memory of ${this.executor.description.device} is too short for one row of ${length} tokens (${error.message}); end what else takes it, study shorter rows, or choose another engine.`, { cause: error })
        }
        if (cleared) this.mostRows.set(key, Math.ceil(most / 2))
        cleared = true
      }
    }
  }

  async prefix(rows: Rows): Promise<Prefix> {
    if (this.goLayerwise(rows.length - 1)) return this.layerwise.prefix(rows)
    const parts = await this.inParts('prefix', rows, (first, count) => this.prefixOf(partOf({ rows, activations: {} }, first, count).rows))
    const shared = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))
    return { rows, activations: Object.fromEntries(Object.keys(parts[0]).map((name) => [name, joined(parts.map((part) => part[name]), shared)])) }
  }

  private async prefixOf(rows: Rows): Promise<Record<string, Float32Array>> {
    const extent = { count: rows.count, positions: rows.length - 1 }
    const { program, graph } = await this.compiled(`prefix ${extent.count} ${extent.positions}`, () => prefixGraph(this.architecture, extent), true)
    const first = { [activationName.stream(0)]: embedRows(this.architecture, this.weights, shifted(rows).inputs, extent.positions) }
    return { ...first, ...(await program.run(this.bind(graph, first))) }
  }

  private bind(graph: Graph, given: Readonly<Record<string, Bound>>): Record<string, Bound> {
    return Object.fromEntries([...graph.inputs.keys()].map((name) => [name, given[name] ?? this.resident(name)]))
  }

  /** What a piece's program gives for each part of the rows that it was run over at once. */
  private runPiece(component: string, weights: Float32Array, prefix: Prefix, withGradient: boolean): Promise<Record<string, Float32Array>[]> {
    const { kind } = pieceOf(component)
    return this.inParts(`${kind} ${withGradient}`, prefix.rows, async (first, count) => {
      const part = count === prefix.rows.count ? prefix : partOf(prefix, first, count)
      const outputs = await this.runProgram(component, weights, part, withGradient, false)
      const fits = outputs.logSums.every((logSum) => logSum > logSumBounds.least && logSum < logSumBounds.most)
      return fits ? outputs : this.runProgram(component, weights, part, withGradient, true)
    })
  }

  private async runProgram(component: string, weights: Float32Array, { rows, activations }: Prefix, withGradient: boolean, exact: boolean): Promise<Record<string, Float32Array>> {
    const extent: Extent = { count: rows.count, positions: rows.length - 1 }
    const piece = pieceOf(component)
    const { slices, projection } = this.component(component)
    const key = `${piece.kind} ${'layer' in piece ? piece.layer : ''} ${extent.count} ${extent.positions} ${withGradient} ${exact}`
    const { program, graph } = await this.compiled(key, () =>
      pieceGraph(this.architecture, extent, piece, slices.map(({ tensor }) => tensor), slices.map(({ shape }) => shape), withGradient, exact), true
    )
    const { inputs, targets } = shifted(rows)
    const given: Record<string, Bound> = { ...activations, ids: inputs, targets, places: places(extent) }
    let at = 0
    const own = this.unshared(weights)
    slices.forEach(({ shape }, index) => {
      const length = size(shape)
      given[`slice:${index}`] = own.subarray(at, at + length)
      at += length
    })
    if (piece.kind === 'head' && projection !== undefined) {
      given['head:projection'] = projection
      given['head:attended'] = this.headColumns(activations[activationName.attended(piece.layer)], Number(component.split('.')[1]))
    }
    return program.run(this.bind(graph, given))
  }

  /** The replica's weights where the executor can read them: shared ones in one array that is used again and again. */
  private unshared(weights: Float32Array): Float32Array {
    if (!(weights.buffer instanceof SharedArrayBuffer)) return weights
    if (this.scratch.length < weights.length) this.scratch = new Float32Array(weights.length)
    this.scratch.set(weights)
    return this.scratch
  }

  private headColumns(attended: Float32Array, head: number): Float32Array {
    const { hidden, heads } = this.architecture
    const width = hidden / heads
    const columns = new Float32Array((attended.length / hidden) * width)
    for (let token = 0; token < attended.length / hidden; token++) columns.set(attended.subarray(token * hidden + head * width, token * hidden + (head + 1) * width), token * width)
    return columns
  }

  private own(name: string, weights: Float32Array): OwnPiece {
    return { name, weights, ...this.component(name) }
  }

  async losses(component: string, weights: Float32Array, prefix: Prefix): Promise<Float32Array> {
    if (this.goLayerwise(prefix.rows.length - 1)) return this.layerwise.losses(this.own(component, weights), prefix)
    const parts = await this.runPiece(component, weights, prefix, false)
    return parts.length === 1 ? parts[0].losses : joined(parts.map(({ losses }) => losses), (length) => new Float32Array(length))
  }

  async gradient(component: string, weights: Float32Array, prefix: Prefix, gradient: Float32Array): Promise<{ readonly lossSum: number }> {
    if (this.goLayerwise(prefix.rows.length - 1)) return { lossSum: await this.layerwise.gradient(this.own(component, weights), prefix, gradient) }
    const parts = await this.runPiece(component, weights, prefix, true)
    for (const outputs of parts) {
      let at = 0
      for (let index = 0; outputs[`gradient:${index}`] !== undefined; index++) {
        const part = outputs[`gradient:${index}`]
        addAt(gradient, at, part)
        at += part.length
      }
    }
    return { lossSum: parts.reduce((sum, { losses }) => losses.reduce((own, loss) => own + loss, sum), 0) }
  }

  operations(component: string, length: number): { readonly gradient: number; readonly losses: number } {
    return pieceOperations(this.architecture, component, length)
  }

  async dispose(): Promise<void> {
    for (const { program } of this.programs.values()) await program.dispose()
    this.programs.clear()
    this.residents.clear()
    await this.executor.dispose()
  }
}
