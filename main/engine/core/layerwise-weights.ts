import type { Architecture, Weights } from '../../models/architecture'
import type { Bound, Program } from './executor'
import type { Graph } from './graph'
import { centreRows, unembeddingName, vocabularyBlocks } from './vocabulary'

/** The evaluator's side of it. */
export interface LayerwiseSource {
  readonly architecture: Architecture
  readonly weights: Weights
  /** The mean row of the unembedding at w*. */
  readonly centre: Float32Array
  /** Whether weights that are bound again and again should be held where the executor computes. */
  readonly heldApart: boolean
  readonly compiled: (key: string, make: () => Graph) => Promise<{ readonly program: Program; readonly graph: Graph }>
  /** A weight at w*, or what `unembeddingName` names, held from when it is first needed. */
  readonly resident: (name: string) => Bound
}

/** Weights of a layer, copied from the thread-shared model when the layer is run. */
export class LayerWeights {
  /** What weights are copied to, by their name in the graph, and which w* is there. */
  readonly #copies = new Map<string, { readonly data: Float32Array; of: string | undefined }>()

  constructor(private readonly evaluator: LayerwiseSource) {}

  /** A replica's own unembedding as `centreUnembedding` has the one at w*. */
  centred(own: Weights): Float32Array {
    const { architecture, centre } = this.evaluator
    const rows = vocabularyBlocks(architecture.vocabulary).rows
    const { data } = this.#copy(unembeddingName.centred, rows * centre.length)
    centreRows(architecture, own, centre, data)
    return data
  }

  /** The weight at w* that a layer's program has as `name`. */
  weight(name: string, actual: string): Bound {
    const { heldApart, resident, weights } = this.evaluator
    if (heldApart || !weights.has(actual)) return resident(actual)
    const { data } = weights.get(actual)!
    return data.buffer instanceof SharedArrayBuffer ? this.copied(name, data, actual) : data
  }

  /** The same of other weights; `of` says which w* they are. */
  copied(name: string, from: Float32Array, of: string | undefined): Float32Array {
    const copy = this.#copy(name, from.length)
    if (of === undefined || copy.of !== of) copy.data.set(from)
    copy.of = of
    return copy.data
  }

  #copy(name: string, count: number): { readonly data: Float32Array; of: string | undefined } {
    const known = this.#copies.get(name) ?? { data: new Float32Array(count), of: undefined }
    this.#copies.set(name, known)
    return known
  }
}
