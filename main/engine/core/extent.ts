import type { Architecture } from '../../models/architecture'

/** Rows of one program: `count` rows of `positions` inputs each (a row of T ids has T-1 inputs and T-1 targets). */
export interface Extent {
  readonly count: number
  readonly positions: number
  /**
   * Queries of one head whose scores are held at once, to be computed again for the gradient; without it all are
   * held.
   */
  readonly queries?: number
  /**
   * Replicas that a device computes together, each at its own weights from the same activations. Without it one, in
   * parts that suit a core.
   */
  readonly replicas?: number
}

/** What a gradient would keep of scores, for all layers and one row, from which on rows are long. */
const longBytes = 128 * 2 ** 20

/**
 * Whether rows are so long that the work goes layer by layer (layerwise.ts). It is a matter of shapes alone, so that
 * results do not depend on the machine.
 */
export const areLong = ({ layers, heads }: Architecture, positions: number): boolean =>
  4 * layers * heads * positions ** 2 > longBytes

/** Names of the activations that `prefixGraph` gives and `pieceGraph` takes. */
export const activationName = {
  /** Input of a layer; of the layer after the last one, the final stream before its norm. */
  stream: (layer: number): string => `stream:${layer}`,
  /** The stream after a layer's attention. */
  middle: (layer: number): string => `middle:${layer}`,
  /** A layer's heads' outputs, side by side, before the projection. */
  attended: (layer: number): string => `attended:${layer}`
}

/** Bytes of the activations at w* that replicas of any component start from, for so many target positions. */
export const prefixBytes = ({ layers, hidden }: Architecture, targets: number): number =>
  4 * (3 * layers + 1) * hidden * targets

/** Shapes of a component's slices in their flattened order; heads' slices only depend on the architecture. */
export type SliceShapes = readonly (readonly number[])[]
