import type { Architecture } from '../../models/architecture'

/** Rows of one program: `count` rows with `positions` inputs each (a row of T ids has T-1 inputs and T-1 targets). */
export interface Extent {
  readonly count: number
  readonly positions: number
  /**
   * Queries of one head whose attention scores are held at a time; scores are recomputed for the gradient. If absent,
   * all are held.
   */
  readonly queries?: number
  /**
   * Number of replicas computed together, each with its own weights, from the same activations. If absent, one
   * replica, computed in blocks that suit a CPU core.
   */
  readonly replicas?: number
  /** Kind of attention of the only layer, in a program that all layers of a kind share. */
  readonly kind?: number
}

/** Rows are long if a gradient would keep more bytes of scores than this, over all layers and one row. */
const longBytes = 128 * 2 ** 20

/**
 * Whether rows are so long that they are computed layer by layer (layerwise.ts). Depends only on shapes, so results
 * do not depend on the machine.
 */
export const areLong = ({ layers, heads }: Architecture, positions: number): boolean =>
  4 * layers * heads * positions ** 2 > longBytes

/** Names of the activations returned by `prefixGraph` and used by `pieceGraph`. */
export const activationName = {
  /** Input of a layer. After the last layer, the final stream before its norm. */
  stream: (layer: number): string => `stream:${layer}`,
  /** The stream after a layer's attention. */
  middle: (layer: number): string => `middle:${layer}`,
  /** Outputs of a layer's heads, side by side, before the projection, [tokens, heads · width]. */
  attended: (layer: number): string => `attended:${layer}`
}

/** Numbers of a token in an activation of this name. */
export const activationWidth = ({ hidden, heads, headWidth }: Architecture, name: string): number =>
  name.startsWith('attended:') ? heads * headWidth : hidden

/** Bytes of the activations at w* for this many target positions, for replicas of any component. */
export const prefixBytes = ({ layers, hidden, heads, headWidth }: Architecture, targets: number): number =>
  4 * (layers * (2 * hidden + heads * headWidth) + hidden) * targets

/** Shapes of a component's slices in flattened order. Those of heads depend only on the architecture. */
export type SliceShapes = readonly (readonly number[])[]
