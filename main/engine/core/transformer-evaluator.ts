import { concatenate } from '../../base/concatenate'
import type { Architecture, Weights } from '../../models/architecture'
import { tensorsIn } from '../../models/components'
import { type Evaluator, type OwnWeights, type Prefix, type Rows, type StackedEvaluator, oneByOne } from './evaluator'
import type { Bound, Executor } from './executor'
import { type Extent, activationName, activationWidth, areLong } from './extent'
import type { Graph } from './graph'
import { Layerwise } from './layerwise'
import { pieceOf, pieceOperations, programName } from './operations'
import { pieceGraph, prefixGraph } from './piece-graphs'
import { Programs, isWithin } from './programs'
import { Residents } from './residents'
import { partOf, shifted } from './rows'
import {
  type Outputs,
  type OwnPiece,
  type OwnSlices,
  addSliceGradients,
  exactIfNeeded,
  extentsOf,
  headColumns,
  headOf,
  isWithinBounds,
  ownSlices
} from './slices'
import { addEmbeddingSlopes, addTargetSlopes, embedRows, targetRows } from './table-rows'
import { addUnitGradient, unitWeights } from './units'

const extentOf = ({ count, length }: Rows, replicas?: number): Extent => ({
  count,
  positions: length - 1,
  ...(replicas === undefined ? {} : { replicas })
})

/** What a replica's program gives for some rows. */
interface Part {
  readonly rows: Rows
  readonly outputs: Outputs
}

/** Losses of a replica's rows, from the outputs for each part of them. */
const lossesIn = (parts: readonly Part[]): Float32Array =>
  parts.length === 1 ? parts[0].outputs.losses : concatenate(parts.map(({ outputs }) => outputs.losses))

/**
 * Evaluator on any executor. One forward pass at w* serves all replicas of a minibatch; each replica then computes
 * its own component, the layers above it, and the loss. Programs are compiled once per kind and extent. Weights w*
 * are bound to programs, never copied into them.
 */
export class TransformerEvaluator implements Evaluator {
  private readonly programs: Programs
  private readonly residents: Residents
  private readonly components = new Map<string, OwnSlices>()
  private readonly layerwise: Layerwise
  private scratch = new Float32Array(0)

  /** Only a device that has more to do with than one replica gives it. */
  readonly stacked: StackedEvaluator | undefined

  /** `goLayerwise` decides from a row's input positions whether it is computed layer by layer. */
  constructor(
    private readonly executor: Executor,
    private readonly architecture: Architecture,
    private readonly weights: Weights,
    private readonly goLayerwise = (positions: number): boolean => areLong(architecture, positions)
  ) {
    this.residents = new Residents(executor, architecture, weights)
    this.programs = new Programs(executor, this.residents.roomBytes)
    this.layerwise = new Layerwise({
      architecture,
      weights,
      centre: this.residents.centre,
      heldApart: executor.apart === true,
      resident: (name) => this.residents.resident(name),
      compiled: (key, make) => this.programs.compiled(key, make)
    })
    const stacked: StackedEvaluator = {
      losses: (replicas, width, prefix) => this.stackedLosses(replicas, width, prefix),
      gradient: (replicas, width, prefix, gradients) => this.stackedGradients(replicas, width, prefix, gradients)
    }
    this.stacked = this.programs.roomBytes === undefined ? undefined : stacked
  }

  private component(name: string): OwnSlices {
    const known = this.components.get(name) ?? ownSlices(this.architecture, this.weights, name)
    this.components.set(name, known)
    return known
  }

  hold(prefix: Prefix): void {
    this.residents.hold(prefix)
  }

  release(prefix: Prefix): void {
    this.residents.release(prefix)
  }

  async prefix(rows: Rows): Promise<Prefix> {
    if (this.goLayerwise(rows.length - 1)) return this.layerwise.prefix(rows)
    const parts = await this.programs.inParts('prefix', rows, (first, count) =>
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
    const { program, graph } = await this.programs.compiled(`prefix ${extent.count} ${extent.positions}`, () =>
      prefixGraph(this.architecture, extent)
    )
    const first = {
      [activationName.stream(0)]: embedRows(this.architecture, this.weights, shifted(rows).inputs, extent.positions)
    }
    return { ...first, ...(await program.run(this.residents.bind(graph, first))) }
  }

  /** Outputs of a component's program for each part of the rows that was run at once. */
  private runPiece(component: string, weights: Float32Array, prefix: Prefix, withGradient: boolean): Promise<Part[]> {
    const { kind } = pieceOf(component)
    return this.programs.inParts(`${kind} ${withGradient}`, prefix.rows, async (first, count) => {
      const part = count === prefix.rows.count ? prefix : partOf(prefix, first, count)
      const outputs = await exactIfNeeded((exact) => this.runProgram(component, weights, part, withGradient, exact))
      return { rows: part.rows, outputs }
    })
  }

  /** Outputs for several replicas of one program, as many at once as memory allows. */
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
    this.programs.startWith(key, () => this.stackWidth(replicas[0].component, width, prefix.rows, withGradient))
    return this.programs.withinMemory(key, width, async (most) => {
      const results: Part[][] = []
      const atOnce = Math.ceil(width / Math.ceil(width / most))
      for (let first = 0; first < replicas.length; first += atOnce) {
        const own = replicas.slice(first, first + atOnce)
        const outputs = atOnce === 1 ? [] : await this.runStackProgram(own, atOnce, prefix, withGradient)
        for (const [at, { component, weights }] of own.entries()) {
          results.push(
            atOnce > 1 && isWithinBounds(outputs[at])
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

  /** Inputs of a program from the prefix and the replicas' weights, except those that only heads have. */
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
        embedRows(this.architecture, this.weights, inputs, rows.length - 1, tensorsIn(slices, weights))
      )
    if (takes.has('target rows'))
      given['target rows'] = ofAll((weights) =>
        targetRows(
          this.architecture,
          new Map([...this.weights, ...tensorsIn(slices, weights)]),
          targets,
          this.residents.centre
        )
      )
    extentsOf(slices).forEach(({ start, end }, index) => {
      if (takes.has(`slice:${index}`)) given[`slice:${index}`] = ofAll((weights) => weights.subarray(start, end))
    })
    return given
  }

  /** Adds a replica's gradient and returns the summed losses. */
  private addGradient(component: string, parts: readonly Part[], gradient: Float32Array): number {
    const { slices } = this.component(component)
    for (const { rows, outputs } of parts) {
      const { 'gradient:embedded': embedded, 'gradient:targets': taken } = outputs
      if (embedded !== undefined || taken !== undefined) {
        const { inputs, targets } = shifted(rows)
        // A table used in several places needs all its gradients summed first.
        const sums = new Map(
          [...tensorsIn(slices, gradient)].map(([name, { data }], index) => [
            name,
            outputs[`gradient:${index}`] ?? data
          ])
        )
        if (taken !== undefined) addTargetSlopes(this.architecture, targets, taken, sums)
        if (embedded !== undefined) addEmbeddingSlopes(this.architecture, inputs, rows.length - 1, embedded, sums)
      }
      addSliceGradients(slices, outputs, gradient)
    }
    return parts.reduce((sum, { outputs }) => outputs.losses.reduce((own, loss) => own + loss, sum), 0)
  }

  /**
   * Number of replicas to try at once. A program may use only a share of memory, so that all programs of a step or
   * draw stay loaded, because recompiling one takes longer than many launches. With two evaluators, each has half of
   * the programs of all layers' heads and MLPs, of the embedding and unembedding, and the prefix's.
   */
  private stackWidth(component: string, width: number, rows: Rows, withGradient: boolean): number {
    const share = this.programs.roomBytes! / (this.architecture.layers + 3)
    const widths = new Set(Array.from({ length: width }, (_, part) => Math.ceil(width / (part + 1))))
    for (const replicas of widths) {
      const graph = this.graphOf(component, extentOf(rows, replicas), withGradient)
      if (isWithin(graph, share)) return replicas
    }
    return 1
  }

  /**
   * Outputs of one run of the program for `atOnce` replicas. Unused places are filled with the first replica again.
   */
  private async runStackProgram(
    replicas: readonly OwnWeights[],
    atOnce: number,
    prefix: Prefix,
    withGradient: boolean
  ): Promise<Record<string, Float32Array>[]> {
    const { component } = replicas[0]
    const extent = extentOf(prefix.rows, atOnce)
    const { program, graph } = await this.programs.compiled(
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
    const outputs = Object.entries(await program.run(this.residents.bind(graph, given)))
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
    const { projection, projectionWidth } = this.component(component)
    const key = `${programName(component)} ${extent.count} ${extent.positions} ${withGradient} ${exact}`
    const { program, graph } = await this.programs.compiled(key, () =>
      this.graphOf(component, extent, withGradient, exact)
    )
    const given = this.givenOf(component, prefix, graph, [this.unshared(weights)])
    if (piece.kind === 'head' && projection !== undefined) {
      given['head:projection'] = projection
      const attended = activationName.attended(piece.layer)
      const all = activationWidth(this.architecture, attended)
      given['head:attended'] = headColumns(prefix.activations[attended], all, projectionWidth, headOf(component))
    }
    return program.run(this.residents.bind(graph, given))
  }

  /** The replica's weights as an array that the executor can read. Shared memory is copied to a reused buffer. */
  private unshared(weights: Float32Array): Float32Array {
    if (!(weights.buffer instanceof SharedArrayBuffer)) return weights
    if (this.scratch.length < weights.length) this.scratch = new Float32Array(weights.length)
    this.scratch.set(weights)
    return this.scratch
  }

  private own(name: string, weights: Float32Array): OwnPiece {
    return { name, weights, ...this.component(name) }
  }

  async losses(component: string, weights: Float32Array, prefix: Prefix): Promise<Float32Array> {
    const unit = this.unit({ component, weights })
    if (this.goLayerwise(prefix.rows.length - 1))
      return this.layerwise.losses(this.own(unit.component, unit.weights), prefix)
    return lossesIn(await this.runPiece(unit.component, unit.weights, prefix, false))
  }

  /** The component whose program computes this one, with its weights (`unitOf`). */
  private unit(own: OwnWeights): OwnWeights {
    return unitWeights(this.architecture, this.weights, own)
  }

  /**
   * Has `work` add the gradients of the components' units, and from these adds those of the components to `gradients`.
   */
  private async throughUnits<T>(
    replicas: readonly OwnWeights[],
    gradients: readonly Float32Array[],
    work: (units: readonly OwnWeights[], gradients: readonly Float32Array[]) => Promise<T>
  ): Promise<T> {
    const units = replicas.map((own) => this.unit(own))
    const isUnit = (at: number): boolean => units[at].component === replicas[at].component
    const ofUnits = units.map(({ weights }, at) => (isUnit(at) ? gradients[at] : new Float32Array(weights.length)))
    const result = await work(units, ofUnits)
    for (const [at, { component }] of replicas.entries())
      if (!isUnit(at)) addUnitGradient(this.architecture, this.weights, component, ofUnits[at], gradients[at])
    return result
  }

  async gradient(
    component: string,
    weights: Float32Array,
    prefix: Prefix,
    gradient: Float32Array
  ): Promise<{ readonly lossSum: number }> {
    return this.throughUnits([{ component, weights }], [gradient], async ([unit], [own]) => {
      if (this.goLayerwise(prefix.rows.length - 1))
        return { lossSum: await this.layerwise.gradient(this.own(unit.component, unit.weights), prefix, own) }
      const parts = await this.runPiece(unit.component, unit.weights, prefix, true)
      return { lossSum: this.addGradient(unit.component, parts, own) }
    })
  }

  /**
   * Whether replicas can be stacked. Not for long rows, whose programs compute one layer, nor for `full`, which
   * includes norms.
   */
  private stacks([{ component }]: readonly OwnWeights[], { rows: { length } }: Prefix): boolean {
    return !this.goLayerwise(length - 1) && pieceOf(component).kind !== 'full'
  }

  private async stackedLosses(replicas: readonly OwnWeights[], width: number, prefix: Prefix): Promise<Float32Array[]> {
    if (!this.stacks(replicas, prefix)) return oneByOne(this).losses(replicas, width, prefix)
    const units = replicas.map((own) => this.unit(own))
    return (await this.runStack(units, width, prefix, false)).map(lossesIn)
  }

  private async stackedGradients(
    replicas: readonly OwnWeights[],
    width: number,
    prefix: Prefix,
    gradients: readonly Float32Array[]
  ): Promise<number[]> {
    if (!this.stacks(replicas, prefix)) return oneByOne(this).gradient(replicas, width, prefix, gradients)
    return this.throughUnits(replicas, gradients, async (units, own) =>
      (await this.runStack(units, width, prefix, true)).map((parts, at) =>
        this.addGradient(units[at].component, parts, own[at])
      )
    )
  }

  operations(component: string, length: number): { readonly gradient: number; readonly losses: number } {
    return pieceOperations(this.architecture, component, length)
  }

  async dispose(): Promise<void> {
    await this.programs.dispose()
    this.residents.clear()
    await this.executor.dispose()
  }
}
