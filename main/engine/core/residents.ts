import type { Architecture, Weights } from '../../models/architecture'
import type { Prefix } from './evaluator'
import type { Bound, Executor, Resident } from './executor'
import { prefixBytes } from './extent'
import type { Graph } from './graph'
import { centreUnembedding, unembeddingName } from './vocabulary'

/** What a device of its own is taken to have where it does not say, for all programs. */
const unsaidBytes = 2 ** 31

/** Activations at w* that stay on a device are those of so many tokens, and such a share of its memory, at most. */
const [heldTokens, activationShare] = [16_384, 1 / 8]

/** What stays where an executor computes: weights at w*, and the activations that many runs take. */
export class Residents {
  private readonly residents = new Map<string, Resident>()
  /** Activations at w* that may stay with the executor, and those that do. */
  private readonly activations = new Map<Float32Array, Resident | undefined>()
  /** The mean row of the unembedding at w*. */
  readonly centre: Float32Array
  /** Of all weights at w*, which a device comes to hold once for all programs. */
  private readonly weightBytes: number

  constructor(
    private readonly executor: Executor,
    private readonly architecture: Architecture,
    private readonly weights: Weights
  ) {
    const { centre, centred } = centreUnembedding(architecture, weights)
    const width = centre.length
    this.centre = centre
    this.residents.set(unembeddingName.centre, executor.resident(centre, [1, width]))
    this.residents.set(unembeddingName.centred, executor.resident(centred, [centred.length / width, width]))
    this.weightBytes = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, centred.byteLength)
  }

  /** A weight at w*, held from when a program first needs it. */
  resident(name: string): Resident {
    const known = this.residents.get(name)
    if (known !== undefined) return known
    const { shape, data } = this.weights.get(name)!
    const made = this.executor.resident(data, shape)
    this.residents.set(name, made)
    return made
  }

  /**
   * Bytes of a device's memory for all programs, which weights and activations leave; undefined where they compute in
   * the machine's.
   */
  get roomBytes(): number | undefined {
    const { memoryBytes, apart } = this.executor
    if (memoryBytes === undefined) return apart === true ? unsaidBytes : undefined
    return memoryBytes - this.activationBytes - this.weightBytes
  }

  /** Bytes of activations that may stay on a device. */
  private get activationBytes(): number {
    const memoryBytes = this.executor.memoryBytes ?? (this.executor.apart === true ? unsaidBytes : 0)
    return Math.min(activationShare * memoryBytes, prefixBytes(this.architecture, heldTokens))
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

  /** Everything that a graph takes: what is given, and else weights at w*. */
  bind(graph: Graph, given: Readonly<Record<string, Bound>>): Record<string, Bound> {
    return Object.fromEntries(
      [...graph.inputs].map(([name, { shape }]) => {
        const bound = given[name] ?? this.resident(name)
        return [name, bound instanceof Float32Array ? this.activation(bound, shape) : bound]
      })
    )
  }

  clear(): void {
    this.residents.clear()
    this.activations.clear()
  }
}
