import { type Architecture, kindOfLayer } from '../../models/architecture'
import { type Slice, sliceSize } from '../../models/components'
import { type Graph, peakBytes, size } from './graph'
import { queries } from './layerwise'
import { type Stage, lossStageGraph, prefixStageGraph, stageGraph, stageSlopeGraph } from './layerwise-graphs'
import { pieceOf, programName } from './operations'
import { type Extent, type SliceShapes, areLong } from './extent'
import { pieceGraph, prefixGraph } from './piece-graphs'
import { evenParts, lossWidth, vocabularyBlocks } from './vocabulary'
import { familyOf, tensorShapes, unembeddingWeight } from '../../models/architectures'

/** Rows that a component's programs process at once; `gradient` is undefined if there is none. */
export interface RowsAtOnce {
  readonly positions: number
  readonly losses: number
  readonly gradient: number | undefined
}

export interface ProgramPeak {
  /** Bytes needed at once while it runs. */
  readonly bytes: number
  /**
   * Whether only components of one layer use it. The sampler then leaves it to one thread unless that means waiting.
   */
  readonly owned: boolean
}

/**
 * Programs of a component's replicas and their peak memory. Programs shared with other components have the same name
 * there. The component is its own unit (`unitOf`).
 */
export const programPeaks = (
  architecture: Architecture,
  component: string,
  slices: readonly Slice[],
  { positions, losses, gradient }: RowsAtOnce
): ReadonlyMap<string, ProgramPeak> => {
  const shared = (graph: Graph): ProgramPeak => ({ bytes: peakBytes(graph), owned: false })
  const piece = pieceOf(component)
  const shapes = slices.map(({ shape }) => shape)
  if (!areLong(architecture, positions)) {
    const own = (count: number, withGradient: boolean): ProgramPeak => ({
      bytes: peakBytes(
        pieceGraph(
          architecture,
          { count, positions },
          piece,
          slices.map(({ tensor }) => tensor),
          shapes,
          withGradient
        )
      ),
      owned: true
    })
    const name = `${programName(component)} ${positions}`
    return new Map([
      [`prefix ${positions}`, shared(prefixGraph(architecture, { count: losses, positions }))],
      [`${name} losses`, own(losses, false)],
      ...(gradient === undefined ? [] : [[`${name} gradient`, own(gradient, true)] as const])
    ])
  }
  const kinds = architecture.attention.map((_, kind) => ({ count: 1, positions, queries, kind }))
  const wanted = {
    stream: piece.kind !== 'unembed',
    unembedding: ownsUnembedding(architecture, slices),
    norm: piece.kind === 'full'
  }
  const [tokens] = evenParts(positions).toReversed()
  const entry = ((): readonly [Stage, SliceShapes, Extent][] => {
    if (piece.kind !== 'head' && piece.kind !== 'mlp') return []
    return [[piece.kind, piece.kind === 'head' ? shapes : [], kinds[kindOfLayer(architecture, piece.layer)]]]
  })()
  const stages: readonly (readonly [Stage, SliceShapes, Extent])[] = [
    ...kinds.map((extent) => ['layer', [], extent] as const),
    ...entry
  ]
  return new Map([
    ...kinds.map((extent): [string, ProgramPeak] => [
      `prefix ${positions} ${extent.kind}`,
      shared(prefixStageGraph(architecture, extent))
    ]),
    ...stages.map(([stage, own, extent]): [string, ProgramPeak] => [
      `${stage} ${positions} ${extent.kind}`,
      shared(stageGraph(architecture, extent, stage, own))
    ]),
    [
      `loss ${positions}`,
      shared(lossStageGraph(architecture, tokens, { stream: false, unembedding: false, norm: false }))
    ],
    ...(gradient === undefined
      ? []
      : [
          ...stages.map(([stage, own, extent]): [string, ProgramPeak] => [
            `${stage} slope ${positions} ${extent.kind} ${piece.kind === 'full'}`,
            shared(stageSlopeGraph(architecture, extent, stage, own, piece.kind === 'full'))
          ]),
          [
            `loss ${positions} ${Object.values(wanted).join()}`,
            shared(lossStageGraph(architecture, tokens, wanted))
          ] as const
        ])
  ])
}

const ownsUnembedding = (architecture: Architecture, slices: readonly Slice[]): boolean =>
  slices.some(({ tensor }) => tensor === unembeddingWeight(architecture))

/**
 * Bytes of the model at w* that an evaluator holds itself. On a device that is everything, given the bytes of all
 * parameters: long rows need one layer at a time, and all need the unembedding. On the processor, evaluators share the
 * weights, but for the centred unembedding.
 */
export const heldWeightBytes = (
  architecture: Architecture,
  parameters: number,
  positions: number,
  onDevice: boolean
): number => {
  if (!onDevice) return unembeddingBytes(architecture)
  if (!areLong(architecture, positions)) return 4 * parameters
  const layer = [...tensorShapes(architecture)].filter(([name]) =>
    name.startsWith(familyOf(architecture).blockPrefix(0))
  )
  const ofLayer = layer.reduce((sum, [, shape]) => sum + size(shape), 0)
  return 4 * ofLayer + unembeddingBytes(architecture)
}

const unembeddingBytes = (architecture: Architecture): number =>
  4 * vocabularyBlocks(architecture.vocabulary).rows * lossWidth(architecture)

/**
 * Bytes that an evaluator holds for a component besides programs: its gradient, and a copy of its own weights, or with
 * long rows of its tables; and the same of its unit, if that is another.
 */
export const ownWeightBytes = (
  architecture: Architecture,
  slices: readonly Slice[],
  unit: readonly Slice[],
  positions: number,
  withGradient: boolean
): number => {
  if (sliceSize(unit) > sliceSize(slices))
    return ownWeightBytes(architecture, unit, unit, positions, withGradient) + 4 * sliceSize(unit)
  const bytes = 4 * sliceSize(slices)
  const gradient = withGradient ? bytes : 0
  if (!areLong(architecture, positions)) return bytes + gradient
  return (
    gradient + (ownsUnembedding(architecture, slices) ? (withGradient ? 2 : 1) * unembeddingBytes(architecture) : 0)
  )
}
