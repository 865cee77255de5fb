import { placesOf, tensorsIn } from '../../models/components'
import type { Prefix, Rows } from './evaluator'
import type { Bound } from './executor'
import type { Graph } from './graph'
import {
  type LossSources,
  type Stage,
  exactLossStageGraph,
  inLayer,
  lossStageGraph,
  prefixStageGraph,
  stageGraph,
  stageSlopeGraph
} from './layerwise-graphs'
import { type LayerwiseSource, LayerWeights } from './layerwise-weights'
import { pieceOf } from './operations'
import { type OwnPiece, addAt, addSliceGradients, exactIfNeeded, extentsOf, headColumns, headOf } from './slices'
import { addEmbeddingSlopes, embedRows, targetRows } from './table-rows'
import { type Extent, activationName, activationWidth } from './extent'
import { evenParts, lossWidth, unembeddingName, unembeddingParts } from './vocabulary'
import { kindOfLayer } from '../../models/architecture'
import { embeddingTables, unembeddingWeight } from '../../models/architectures'

/** Queries of one head whose scores are held at a time. */
export const queries = 128

interface Row {
  readonly inputs: Int32Array
  readonly targets: Int32Array
  readonly activation: (name: string) => Float32Array
}

/**
 * Computes one row and one layer at a time, for rows so long that a program of all layers would not fit in memory.
 * Only the stream between layers is kept; the backward pass recomputes each layer's activations. All layers share
 * their programs. When a layer runs, its weights at w* are copied from the model shared by the threads, which takes
 * far less time than the layer's products and avoids a copy per thread.
 */
export class Layerwise {
  readonly #sums = new Map<string, Float32Array>()

  readonly #weights: LayerWeights

  constructor(private readonly evaluator: LayerwiseSource) {
    this.#weights = new LayerWeights(evaluator)
  }

  async prefix(rows: Rows): Promise<Prefix> {
    const { architecture, weights } = this.evaluator
    const { layers } = architecture
    const positions = rows.length - 1
    const sizeOf = (name: string): number => positions * activationWidth(architecture, name)
    const names = [
      activationName.stream(layers),
      ...Array.from({ length: layers }, (_, i) => [
        activationName.stream(i),
        activationName.middle(i),
        activationName.attended(i)
      ]).flat()
    ]
    const activations = Object.fromEntries(
      names.map((name) => [name, new Float32Array(new SharedArrayBuffer(4 * rows.count * sizeOf(name)))])
    )
    for (let row = 0; row < rows.count; row++) {
      const keep = (name: string, data: Float32Array): void => activations[name].set(data, row * sizeOf(name))
      let stream = embedRows(
        architecture,
        weights,
        rows.ids.subarray(row * rows.length, row * rows.length + positions),
        positions
      )
      for (let layer = 0; layer < layers; layer++) {
        keep(activationName.stream(layer), stream)
        const { attended, middle, after } = await this.#run(
          'prefix',
          (extent) => prefixStageGraph(architecture, extent),
          layer,
          positions,
          { [activationName.stream(0)]: stream }
        )
        keep(activationName.attended(layer), attended)
        keep(activationName.middle(layer), middle)
        stream = after
      }
      keep(activationName.stream(layers), stream)
    }
    return { rows, activations }
  }

  async losses(piece: OwnPiece, prefix: Prefix): Promise<Float32Array> {
    const positions = prefix.rows.length - 1
    const losses = new Float32Array(prefix.rows.count * positions)
    for (let row = 0; row < prefix.rows.count; row++)
      losses.set(await this.#row(piece, this.#rowOf(prefix, row), undefined), row * positions)
    return losses
  }

  /** Adds the gradient to `gradient` and returns the summed losses. */
  async gradient(piece: OwnPiece, prefix: Prefix, gradient: Float32Array): Promise<number> {
    let sum = 0
    for (let row = 0; row < prefix.rows.count; row++)
      sum = (await this.#row(piece, this.#rowOf(prefix, row), gradient)).reduce((before, loss) => before + loss, sum)
    return sum
  }

  #rowOf({ rows: { ids, length: rowLength }, activations }: Prefix, row: number): Row {
    const positions = rowLength - 1
    const own = ids.slice(row * rowLength, (row + 1) * rowLength)
    return {
      inputs: own.subarray(0, positions),
      targets: own.subarray(1),
      activation: (name) => {
        const size = positions * activationWidth(this.evaluator.architecture, name)
        return activations[name].subarray(row * size, (row + 1) * size)
      }
    }
  }

  async #row(piece: OwnPiece, row: Row, gradient: Float32Array | undefined): Promise<Float32Array> {
    const { architecture } = this.evaluator
    const { layers } = architecture
    const kind = pieceOf(piece.name)
    const own = kind.kind === 'full' || kind.kind === 'mlp' ? piece : undefined
    const entry =
      kind.kind === 'head' || kind.kind === 'mlp'
        ? { stage: kind.kind, layer: kind.layer, given: this.#entryInputs(piece, kind.kind, kind.layer, row) }
        : undefined
    const first = entry !== undefined ? entry.layer + 1 : kind.kind === 'unembed' ? layers : 0
    const positions = row.inputs.length
    const shapes = kind.kind === 'head' ? piece.slices.map(({ shape }) => shape) : []
    const forward = async (
      stage: Stage,
      layer: number,
      given: Readonly<Record<string, Bound>>
    ): Promise<Float32Array> =>
      (
        await this.#run(
          stage,
          (extent) => stageGraph(architecture, extent, stage, stage === 'head' ? shapes : []),
          layer,
          positions,
          given,
          own
        )
      ).after
    const streams = new Map<number, Float32Array>()
    let stream = await (async (): Promise<Float32Array> => {
      if (entry !== undefined) return forward(entry.stage, entry.layer, entry.given)
      return kind.kind === 'unembed'
        ? row.activation(activationName.stream(layers))
        : embedRows(architecture, this.evaluator.weights, row.inputs, positions, tensorsIn(piece.slices, piece.weights))
    })()
    for (let layer = first; layer < layers; layer++) {
      if (gradient !== undefined) streams.set(layer, stream)
      stream = await forward('layer', layer, { [activationName.stream(0)]: stream })
    }
    const { losses, slope: top } = await this.#losses(piece, stream, row.targets, gradient)
    if (gradient === undefined) return losses
    if (top === undefined) {
      this.#addSums(piece, gradient)
      return losses
    }
    const backward = (
      stage: Stage,
      layer: number,
      given: Readonly<Record<string, Bound>>
    ): Promise<Record<string, Float32Array>> =>
      this.#run(
        `${stage} slope ${kind.kind === 'full'}`,
        (extent) => stageSlopeGraph(architecture, extent, stage, stage === 'head' ? shapes : [], kind.kind === 'full'),
        layer,
        positions,
        given,
        own
      )
    let slope = top
    for (let layer = layers - 1; layer >= first; layer--) {
      const outputs = await backward('layer', layer, { [activationName.stream(0)]: streams.get(layer)!, slope })
      streams.delete(layer)
      this.#addGradients(piece, layer, outputs, gradient)
      slope = outputs.slope
    }
    if (entry !== undefined)
      this.#addGradients(
        piece,
        entry.layer,
        await backward(entry.stage, entry.layer, { ...entry.given, slope }),
        gradient
      )
    else
      addEmbeddingSlopes(
        architecture,
        row.inputs,
        positions,
        slope,
        new Map(embeddingTables(architecture).map((name) => [name, this.#sum(name)]))
      )
    if (entry === undefined) this.#addSums(piece, gradient)
    return losses
  }

  /** Gradient of a tensor that accumulates from several parts of the row. */
  #sum(name: string): Float32Array {
    const known = this.#sums.get(name) ?? new Float32Array(this.evaluator.weights.get(name)!.data.length)
    this.#sums.set(name, known)
    return known
  }

  #addSums(piece: OwnPiece, gradient: Float32Array): void {
    const places = placesOf(piece.slices)
    for (const [name, sum] of this.#sums) {
      const place = places.get(name)
      if (place !== undefined) addAt(gradient, place.start, sum)
      sum.fill(0)
    }
  }

  /** Inputs of a head's or an MLP's own layer, under the names of layer 0. */
  #entryInputs(piece: OwnPiece, kind: 'head' | 'mlp', layer: number, { activation }: Row): Record<string, Bound> {
    const given: Record<string, Bound> = {
      [activationName.stream(0)]: activation(activationName.stream(layer)),
      [activationName.stream(1)]: activation(activationName.stream(layer + 1)),
      [activationName.middle(0)]: activation(activationName.middle(layer))
    }
    if (kind === 'mlp') return given
    extentsOf(piece.slices).forEach(
      ({ start, end }, index) => (given[`slice:${index}`] = piece.weights.slice(start, end))
    )
    const attended = activation(activationName.attended(layer))
    const all = activationWidth(this.evaluator.architecture, activationName.attended(layer))
    const columns = headColumns(attended, all, piece.projectionWidth, headOf(piece.name))
    return {
      ...given,
      [activationName.attended(0)]: attended,
      'head:attended': columns,
      'head:projection': piece.projection!
    }
  }

  #addGradients(
    piece: OwnPiece,
    layer: number,
    outputs: Readonly<Record<string, Float32Array>>,
    gradient: Float32Array
  ): void {
    addSliceGradients(piece.slices, outputs, gradient)
    const places = placesOf(piece.slices)
    for (const [name, part] of Object.entries(outputs)) {
      const place = name.startsWith('gradient:')
        ? places.get(inLayer(this.evaluator.architecture, name.slice('gradient:'.length), layer))
        : undefined
      if (place !== undefined) addAt(gradient, place.start, part)
    }
  }

  /**
   * Losses of a row from its final stream. With `gradient`, also their gradient with respect to the stream, except
   * for a component that ends there.
   */
  async #losses(
    piece: OwnPiece,
    stream: Float32Array,
    targets: Int32Array,
    gradient: Float32Array | undefined
  ): Promise<{ losses: Float32Array; slope: Float32Array | undefined }> {
    const { architecture, weights } = this.evaluator
    const { hidden } = architecture
    const kind = pieceOf(piece.name).kind
    const ownsTable = kind !== 'head' && piece.slices.some(({ tensor }) => tensor === unembeddingWeight(architecture))
    const tables = ownsTable ? new Map([...weights, ...tensorsIn(piece.slices, piece.weights)]) : weights
    const wanted: LossSources = {
      stream: gradient !== undefined && kind !== 'unembed',
      unembedding: gradient !== undefined && ownsTable,
      norm: gradient !== undefined && kind === 'full'
    }
    const [losses, slope] = [
      new Float32Array(targets.length),
      wanted.stream ? new Float32Array(stream.length) : undefined
    ]
    const centred = ownsTable ? this.#weights.centred(tables) : this.evaluator.resident(unembeddingName.centred)
    const own = kind === 'full' || ownsTable ? piece : undefined
    let token = 0
    for (const count of evenParts(targets.length)) {
      const part = stream.slice(token * hidden, (token + count) * hidden)
      const ids = targets.slice(token, token + count)
      const key = `${count} ${Object.values(wanted).join()}`
      const rows = targetRows(architecture, tables, ids, this.evaluator.centre)
      const outputs = await exactIfNeeded((exact) =>
        exact
          ? this.#runGraph(
              `exact loss ${key}`,
              () => exactLossStageGraph(architecture, count, wanted),
              0,
              { stream: part, targets: ids },
              own
            )
          : this.#runGraph(
              `loss ${key}`,
              () => lossStageGraph(architecture, count, wanted),
              0,
              { stream: part, 'target rows': rows, [unembeddingName.centred]: centred },
              own
            )
      )
      losses.set(outputs.losses, token)
      if (outputs.slope !== undefined) slope?.set(outputs.slope, token * hidden)
      if (gradient !== undefined) {
        for (const [name, part] of Object.entries(outputs))
          if (name.startsWith('gradient:')) addAt(this.#sum(name.slice('gradient:'.length)), 0, part)
        if (outputs.sums !== undefined) this.#addTableSlopes(ids, outputs)
      }
      token += count
    }
    return { losses, slope }
  }

  /** Adds the gradient of the unembedding and of its bias from the outputs of `lossStageGraph`. */
  #addTableSlopes(ids: Int32Array, { sums, rows }: Readonly<Record<string, Float32Array>>): void {
    const { architecture } = this.evaluator
    const all = lossWidth(architecture)
    for (const { name, width, first } of unembeddingParts(architecture)) {
      const sum = this.#sum(name)
      for (let at = 0; at < sum.length; at++) sum[at] += sums[Math.floor(at / width) * all + first + (at % width)]
      ids.forEach((id, at) => {
        for (let i = 0; i < width; i++) sum[id * width + i] += rows[at * all + first + i]
      })
    }
  }

  #run(
    name: string,
    make: (extent: Extent) => Graph,
    layer: number,
    positions: number,
    given: Readonly<Record<string, Bound>>,
    own?: OwnPiece
  ): Promise<Record<string, Float32Array>> {
    const kind = kindOfLayer(this.evaluator.architecture, layer)
    const extent: Extent = { count: 1, positions, queries, kind }
    return this.#runGraph(`${name} ${positions} ${kind}`, () => make(extent), layer, given, own)
  }

  async #runGraph(
    key: string,
    make: () => Graph,
    layer: number,
    given: Readonly<Record<string, Bound>>,
    own: OwnPiece | undefined
  ): Promise<Record<string, Float32Array>> {
    const { program, graph } = await this.evaluator.compiled(`layerwise ${key}`, make)
    const places = own === undefined ? undefined : placesOf(own.slices)
    const bound = [...graph.inputs.keys()].map((name): [string, Bound] => {
      if (given[name] !== undefined) return [name, given[name]]
      const actual = inLayer(this.evaluator.architecture, name, layer)
      const place = places?.get(actual)
      return [
        name,
        place === undefined
          ? this.#weights.weight(name, actual)
          : this.#weights.copied(name, own!.weights.subarray(place.start, place.end), undefined)
      ]
    })
    return program.run(Object.fromEntries(bound))
  }
}
