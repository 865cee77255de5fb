import { SpectroscopeError } from '../../../preload/errors'
import { concatenate } from '../../base/concatenate'
import type { Architecture, Weights } from '../../models/architecture'
import { type Slice, componentSlices, tensorsIn } from '../../models/components'
import { type Evaluator, type OwnWeights, type Prefix, type Rows, type StackedEvaluator, oneByOne } from './evaluator'
import { type Bound, type Executor, OutOfDeviceMemory, type Program, type Resident } from './executor'
import { type Graph, partRows, peakBytes, size } from './graph'
import { pieceOf, pieceOperations, programName } from './operations'
import { Layerwise, type OwnPiece, addAt } from './layerwise'
import { addEmbeddingSlopes, addRowSlopes, embedRows, targetRows } from './table-rows'
import { type Extent, activationName, areLong, prefixBytes } from './extent'
import { pieceGraph, prefixGraph } from './piece-graphs'
import { centreUnembedding, logSumBounds, unembeddingName } from './vocabulary'
import { unembeddingWeight } from '../../models/architectures'

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

const extentOf = ({ count, length }: Rows, replicas?: number): Extent => ({
  count,
  positions: length - 1,
  ...(replicas === undefined ? {} : { replicas })
})

interface Compiled {
  readonly program: Program
  readonly graph: Graph
  readonly bytes: number
}

/**
 * Programs keep the memory of their last run, about twice what they need. Those used longest ago go when all together
 * need more than this.
 */
export const programBytes = 400 * 2 ** 20

/** What a device of its own is taken to have where it does not say, for all programs. */
const unsaidBytes = 2 ** 31

/** Items of one batched product: WebGPU promises so many groups along a side. */
const mostItems = 65535

/**
 * Bytes that a program takes on a device beside w*, twice over, as its arena keeps pieces that nothing fits into. It
 * computes a vocabulary's exponentials in large parts, one after the other; but where the backward pass takes them
 * again, for the slope of a replica's own table, all are held.
 */
const deviceBytes = (graph: Graph): number => {
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

/** Activations at w* that stay on a device are those of so many tokens, and such a share of its memory, at most. */
const [heldTokens, activationShare] = [16_384, 1 / 8]

/** Some of the rows, with their activations. */
const partOf = ({ rows, activations }: Prefix, first: number, count: number): Prefix => {
  const each = <A extends Float32Array | Int32Array>(array: A, perRow: number): A =>
    array.subarray(first * perRow, (first + count) * perRow) as A
  return {
    rows: { ids: each(rows.ids, rows.length), count, length: rows.length },
    activations: Object.fromEntries(
      Object.entries(activations).map(([name, data]) => [name, each(data, data.length / rows.count)])
    )
  }
}

/** Whether a program without all logits holds for these weights. */
const fits = ({ logSums }: Readonly<Record<string, Float32Array>>): boolean =>
  logSums.every((logSum) => logSum > logSumBounds.least && logSum < logSumBounds.most)

/** What a replica's program gives for some rows. */
interface Part {
  readonly rows: Rows
  readonly outputs: Readonly<Record<string, Float32Array>>
}

/** Losses of a replica's rows, from its program's outputs for each part of them. */
const lossesIn = (parts: readonly Part[]): Float32Array =>
  parts.length === 1 ? parts[0].outputs.losses : concatenate(parts.map(({ outputs }) => outputs.losses))

/** Which head of its layer a component is. */
const headOf = (component: string): number => Number(component.split('.')[1])

/**
 * The lockstep scheme over any executor: one forward at w* serves all replicas of a minibatch, and a replica computes
 * its own piece, the layers above it, and the loss. Programs are compiled once for each piece and extent; weights w*
 * are bound, never copied into programs.
 */
export class TransformerEvaluator implements Evaluator {
  private readonly programs = new Map<string, Compiled>()
  private readonly residents = new Map<string, Resident>()
  /** Activations at w* that may stay with the executor, and those that do. */
  private readonly activations = new Map<Float32Array, Resident | undefined>()
  private readonly components = new Map<string, { slices: Slice[]; projection: Float32Array | undefined }>()

  private readonly layerwise: Layerwise
  /** The mean row of the unembedding at w*. */
  private readonly centre: Float32Array
  private scratch = new Float32Array(0)

  /** Of all weights at w*, which a device comes to hold once for all programs. */
  private readonly weightBytes: number

  /** Only a device that has more to do with than one replica gives it. */
  readonly stacked: StackedEvaluator | undefined

  /** `goLayerwise` says of the input positions of a row whether it is so long that it goes layer by layer. */
  constructor(
    private readonly executor: Executor,
    private readonly architecture: Architecture,
    private readonly weights: Weights,
    private readonly goLayerwise = (positions: number): boolean => areLong(architecture, positions)
  ) {
    const { hidden } = architecture
    const { centre, centred } = centreUnembedding(architecture, weights.get(unembeddingWeight(architecture))!.data)
    this.centre = centre
    this.residents.set(unembeddingName.centre, executor.resident(centre, [1, hidden]))
    this.residents.set(unembeddingName.centred, executor.resident(centred, [centred.length / hidden, hidden]))
    this.layerwise = new Layerwise({
      architecture,
      weights,
      centre,
      heldApart: executor.apart === true,
      resident: (name) => this.resident(name),
      compiled: (key, make) => this.compiled(key, make)
    })
    const stacked: StackedEvaluator = {
      losses: (replicas, width, prefix) => this.stackedLosses(replicas, width, prefix),
      gradient: (replicas, width, prefix, gradients) => this.stackedGradients(replicas, width, prefix, gradients)
    }
    this.weightBytes = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, centred.byteLength)
    this.stacked = this.roomBytes === undefined ? undefined : stacked
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

  private async compiled(key: string, make: () => Graph): Promise<Compiled> {
    const known = this.programs.get(key) ?? (await this.compile(make()))
    this.programs.delete(key)
    this.programs.set(key, known)
    return known
  }

  /**
   * Bytes of a device's memory for all programs, which weights and activations leave; undefined where they compute in
   * the machine's.
   */
  private get roomBytes(): number | undefined {
    const { memoryBytes, apart } = this.executor
    if (memoryBytes === undefined) return apart === true ? unsaidBytes : undefined
    return memoryBytes - this.activationBytes - this.weightBytes
  }

  /** Bytes of activations that may stay on a device. */
  private get activationBytes(): number {
    const memoryBytes = this.executor.memoryBytes ?? (this.executor.apart === true ? unsaidBytes : 0)
    return Math.min(activationShare * memoryBytes, prefixBytes(this.architecture, heldTokens))
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
    for (let row = rowStart; row < rowEnd; row++)
      projection.set(data.subarray(row * shape[1] + columnStart, row * shape[1] + columnEnd), (row - rowStart) * width)
    return projection
  }

  /** Rows that are run over at once, or replicas, by program, where a device's memory was too short for more. */
  private readonly mostAtOnce = new Map<string, number>()

  /**
   * Does `work` with `all` at once, or with as many as a device's memory has turned out to be enough for: where it is
   * short, all other programs are let go, and then half as many taken. Throws `OutOfDeviceMemory` where it is short
   * for one.
   */
  private async withinMemory<T>(key: string, all: number, work: (most: number) => Promise<T>): Promise<T> {
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
  private async inParts<T>(
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

  async prefix(rows: Rows): Promise<Prefix> {
    if (this.goLayerwise(rows.length - 1)) return this.layerwise.prefix(rows)
    const parts = await this.inParts('prefix', rows, (first, count) =>
      this.prefixOf(partOf({ rows, activations: {} }, first, count).rows)
    )
    const shared = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))
    return {
      rows,
      activations: Object.fromEntries(
        Object.keys(parts[0]).map((name) => [
          name,
          concatenate(
            parts.map((part) => part[name]),
            shared
          )
        ])
      )
    }
  }

  private async prefixOf(rows: Rows): Promise<Record<string, Float32Array>> {
    const extent = extentOf(rows)
    const { program, graph } = await this.compiled(`prefix ${extent.count} ${extent.positions}`, () =>
      prefixGraph(this.architecture, extent)
    )
    const first = {
      [activationName.stream(0)]: embedRows(this.architecture, this.weights, shifted(rows).inputs, extent.positions)
    }
    return { ...first, ...(await program.run(this.bind(graph, first))) }
  }

  hold({ activations }: Prefix): void {
    const arrays = Object.values(activations)
    const bytes = [...this.activations.keys(), ...arrays].reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (bytes <= this.activationBytes) for (const array of arrays) this.activations.set(array, undefined)
  }

  release({ activations }: Prefix): void {
    for (const array of Object.values(activations)) {
      const resident = this.activations.get(array)
      this.activations.delete(array)
      if (resident !== undefined) this.executor.drop(resident)
    }
  }

  /** Activations as a program takes them: from where the executor computes, if they may stay there. */
  private activation(array: Float32Array, shape: readonly number[]): Bound {
    if (!this.activations.has(array)) return array
    const resident = this.activations.get(array) ?? this.executor.resident(array, shape)
    this.activations.set(array, resident)
    return resident
  }

  private bind(graph: Graph, given: Readonly<Record<string, Bound>>): Record<string, Bound> {
    return Object.fromEntries(
      [...graph.inputs].map(([name, { shape }]) => {
        const bound = given[name] ?? this.resident(name)
        return [name, bound instanceof Float32Array ? this.activation(bound, shape) : bound]
      })
    )
  }

  /** What a piece's program gives for each part of the rows that it was run over at once. */
  private runPiece(component: string, weights: Float32Array, prefix: Prefix, withGradient: boolean): Promise<Part[]> {
    const { kind } = pieceOf(component)
    return this.inParts(`${kind} ${withGradient}`, prefix.rows, async (first, count) => {
      const part = count === prefix.rows.count ? prefix : partOf(prefix, first, count)
      const outputs = await this.runProgram(component, weights, part, withGradient, false)
      return {
        rows: part.rows,
        outputs: fits(outputs) ? outputs : await this.runProgram(component, weights, part, withGradient, true)
      }
    })
  }

  /** The same for replicas of one program, as many at once as memory allows. */
  private async runStack(
    replicas: readonly OwnWeights[],
    width: number,
    prefix: Prefix,
    withGradient: boolean
  ): Promise<Part[][]> {
    const {
      rows: { count, length }
    } = prefix
    const key = `${programName(replicas[0].component)} ${count} ${length} ${withGradient}`
    if (!this.mostAtOnce.has(key))
      this.mostAtOnce.set(key, this.stackWidth(replicas[0].component, width, prefix.rows, withGradient))
    return this.withinMemory(key, width, async (most) => {
      const results: Part[][] = []
      const atOnce = Math.ceil(width / Math.ceil(width / most))
      for (let first = 0; first < replicas.length; first += atOnce) {
        const own = replicas.slice(first, first + atOnce)
        const outputs = atOnce === 1 ? [] : await this.runStackProgram(own, atOnce, prefix, withGradient)
        for (const [at, { component, weights }] of own.entries()) {
          results.push(
            atOnce > 1 && fits(outputs[at])
              ? [{ rows: prefix.rows, outputs: outputs[at] }]
              : await this.runPiece(component, weights, prefix, withGradient)
          )
        }
      }
      return results
    })
  }

  private graphOf(component: string, extent: Extent, withGradient: boolean, exact = false): Graph {
    const { slices } = this.component(component)
    return pieceGraph(
      this.architecture,
      extent,
      pieceOf(component),
      slices.map(({ tensor }) => tensor),
      slices.map(({ shape }) => shape),
      withGradient,
      exact
    )
  }

  /** What a piece's program takes of the prefix and of its replicas' weights, but for what heads alone have. */
  private givenOf(
    component: string,
    { rows, activations }: Prefix,
    { inputs: takes }: Graph,
    replicas: readonly Float32Array[]
  ): Record<string, Bound> {
    const { slices } = this.component(component)
    const { inputs, targets } = shifted(rows)
    const ofAll = (own: (weights: Float32Array) => Float32Array): Float32Array =>
      replicas.length === 1 ? own(replicas[0]) : concatenate(replicas.map(own))
    const given: Record<string, Bound> = { ...activations, targets }
    if (takes.has('embedded'))
      given['embedded'] = ofAll((weights) =>
        embedRows(this.architecture, tensorsIn(slices, weights), inputs, rows.length - 1)
      )
    if (takes.has('target rows'))
      given['target rows'] = ofAll((weights) =>
        targetRows(targets, tensorsIn(slices, weights).get(unembeddingWeight(this.architecture))!.data, this.centre)
      )
    let at = 0
    slices.forEach(({ shape }, index) => {
      const [start, end] = [at, (at += size(shape))]
      if (takes.has(`slice:${index}`)) given[`slice:${index}`] = ofAll((weights) => weights.subarray(start, end))
    })
    return given
  }

  /** Adds a replica's gradient, and gives the sum of its losses. */
  private addGradient(component: string, parts: readonly Part[], gradient: Float32Array): number {
    const { slices } = this.component(component)
    for (const { rows, outputs } of parts) {
      const { 'gradient:embedded': embedded, 'gradient:targets': taken } = outputs
      if (embedded !== undefined || taken !== undefined) {
        const { inputs, targets } = shifted(rows)
        // Where a table is taken in several places, what it owes to all is added up before.
        const sums = new Map(
          [...tensorsIn(slices, gradient)].map(([name, { data }], index) => [
            name,
            outputs[`gradient:${index}`] ?? data
          ])
        )
        if (taken !== undefined)
          addRowSlopes(this.architecture.hidden, targets, taken, sums.get(unembeddingWeight(this.architecture))!)
        if (embedded !== undefined) addEmbeddingSlopes(this.architecture, inputs, rows.length - 1, embedded, sums)
      }
      let at = 0
      slices.forEach(({ shape }, index) => {
        const part = outputs[`gradient:${index}`]
        if (part !== undefined) addAt(gradient, at, part)
        at += size(shape)
      })
    }
    return parts.reduce((sum, { outputs }) => outputs.losses.reduce((own, loss) => own + loss, sum), 0)
  }

  /**
   * Replicas that a program takes at first. It may have such a share of the memory that those of a step, or a draw,
   * stay beside one another, since to make one again takes longer than many launches: of two evaluators each has half
   * of the programs of all layers' heads and MLPs, of the embedding and the unembedding, and the prefix's.
   */
  private stackWidth(component: string, width: number, rows: Rows, withGradient: boolean): number {
    const share = this.roomBytes! / (this.architecture.layers + 3)
    const widths = new Set(Array.from({ length: width }, (_, part) => Math.ceil(width / (part + 1))))
    for (const replicas of widths) {
      const graph = this.graphOf(component, extentOf(rows, replicas), withGradient)
      if (deviceBytes(graph) <= share && itemsOf(graph) <= mostItems) return replicas
    }
    return 1
  }

  /**
   * What one run of the program of `atOnce` replicas gives for each of these; what it has of places beyond them is
   * the first one again.
   */
  private async runStackProgram(
    replicas: readonly OwnWeights[],
    atOnce: number,
    prefix: Prefix,
    withGradient: boolean
  ): Promise<Record<string, Float32Array>[]> {
    const { component } = replicas[0]
    const extent = extentOf(prefix.rows, atOnce)
    const { program, graph } = await this.compiled(
      `${programName(component)} ${extent.count} ${extent.positions} ${withGradient} x${atOnce}`,
      () => this.graphOf(component, extent, withGradient)
    )
    const all = Array.from({ length: atOnce }, (_, at) => replicas[at] ?? replicas[0])
    const given = this.givenOf(
      component,
      prefix,
      graph,
      all.map(({ weights }) => weights)
    )
    given['head:index'] = Int32Array.from(all, (replica) => headOf(replica.component))
    const outputs = Object.entries(await program.run(this.bind(graph, given)))
    return replicas.map((_, replica) =>
      Object.fromEntries(
        outputs.map(([name, data]) => [
          name,
          data.subarray((replica * data.length) / atOnce, ((replica + 1) * data.length) / atOnce)
        ])
      )
    )
  }

  private async runProgram(
    component: string,
    weights: Float32Array,
    prefix: Prefix,
    withGradient: boolean,
    exact: boolean
  ): Promise<Record<string, Float32Array>> {
    const extent = extentOf(prefix.rows)
    const piece = pieceOf(component)
    const { projection } = this.component(component)
    const key = `${programName(component)} ${extent.count} ${extent.positions} ${withGradient} ${exact}`
    const { program, graph } = await this.compiled(key, () => this.graphOf(component, extent, withGradient, exact))
    const given = this.givenOf(component, prefix, graph, [this.unshared(weights)])
    if (piece.kind === 'head' && projection !== undefined) {
      given['head:projection'] = projection
      given['head:attended'] = this.headColumns(
        prefix.activations[activationName.attended(piece.layer)],
        headOf(component)
      )
    }
    return program.run(this.bind(graph, given))
  }

  /**
   * The replica's weights where the executor can read them: shared ones in one array that is used again and again.
   */
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
    for (let token = 0; token < attended.length / hidden; token++)
      columns.set(attended.subarray(token * hidden + head * width, token * hidden + (head + 1) * width), token * width)
    return columns
  }

  private own(name: string, weights: Float32Array): OwnPiece {
    return { name, weights, ...this.component(name) }
  }

  async losses(component: string, weights: Float32Array, prefix: Prefix): Promise<Float32Array> {
    if (this.goLayerwise(prefix.rows.length - 1)) return this.layerwise.losses(this.own(component, weights), prefix)
    return lossesIn(await this.runPiece(component, weights, prefix, false))
  }

  async gradient(
    component: string,
    weights: Float32Array,
    prefix: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }> {
    if (this.goLayerwise(prefix.rows.length - 1))
      return { lossSum: await this.layerwise.gradient(this.own(component, weights), prefix, gradient) }
    return { lossSum: this.addGradient(component, await this.runPiece(component, weights, prefix, true), gradient) }
  }

  /** Not for long rows, of which a program computes a layer, nor for all weights, among which are norms. */
  private stacks([{ component }]: readonly OwnWeights[], { rows: { length } }: Prefix): boolean {
    return !this.goLayerwise(length - 1) && pieceOf(component).kind !== 'full'
  }

  private async stackedLosses(replicas: readonly OwnWeights[], width: number, prefix: Prefix): Promise<Float32Array[]> {
    if (!this.stacks(replicas, prefix)) return oneByOne(this).losses(replicas, width, prefix)
    return (await this.runStack(replicas, width, prefix, false)).map(lossesIn)
  }

  private async stackedGradients(
    replicas: readonly OwnWeights[],
    width: number,
    prefix: Prefix,
    gradients: readonly Float32Array[]
  ): Promise<number[]> {
    if (!this.stacks(replicas, prefix)) return oneByOne(this).gradient(replicas, width, prefix, gradients)
    return (await this.runStack(replicas, width, prefix, true)).map((parts, at) =>
      this.addGradient(replicas[at].component, parts, gradients[at])
    )
  }

  operations(component: string, length: number): { readonly gradient: number; readonly losses: number } {
    return pieceOperations(this.architecture, component, length)
  }

  async dispose(): Promise<void> {
    for (const { program } of this.programs.values()) await program.dispose()
    this.programs.clear()
    this.residents.clear()
    this.activations.clear()
    await this.executor.dispose()
  }
}
