import type { Architecture } from '../../models/architecture'
import { isGated } from '../../models/architectures'
import { headsOf, unitOf } from '../../models/components'

/**
 * Program that a component needs. Heads of a layer share one, because their weights are inputs; so do groups of heads,
 * and all heads of a layer.
 */
export type Piece =
  { readonly kind: 'embed' | 'unembed' | 'full' } | { readonly kind: 'head' | 'mlp'; readonly layer: number }

export const pieceOf = (component: string): Piece => {
  const [kind, place = ''] = component.split(':')
  const layer = Number(place.split('.')[0])
  if (kind === 'head' || kind === 'group' || kind === 'unit' || kind === 'heads') return { kind: 'head', layer }
  return kind === 'mlp' ? { kind, layer } : { kind: kind as 'embed' | 'unembed' | 'full' }
}

/** Name of a component's program. Components with equal names share a program for the same extent of rows. */
export const programName = (component: string): string => {
  const piece = pieceOf(component)
  return 'layer' in piece ? `${piece.kind} ${piece.layer}` : piece.kind
}

/** Multiply-adds of one token through all products of a layer, including attention. */
const layerProducts = (architecture: Architecture, positions: number): number =>
  attentionProducts(architecture, architecture.heads, positions) + mlpProducts(architecture)

/** The same through so many heads of a layer, with the keys and values that serve them. */
const attentionProducts = (
  { hidden, heads: all, groups, headWidth }: Architecture,
  heads: number,
  positions: number
): number => {
  const width = heads * headWidth
  return 2 * hidden * (width + (width * groups) / all) + positions * width
}

const mlpProducts = (architecture: Architecture): number => {
  const { hidden, intermediate } = architecture
  return (isGated(architecture) ? 3 : 2) * hidden * intermediate
}

/** Floating-point operations of the forward pass at w* over one row of `length` tokens, shared by all replicas. */
export const prefixOperations = (architecture: Architecture, length: number): number =>
  2 * (length - 1) * architecture.layers * layerProducts(architecture, length - 1)

/**
 * Floating-point operations of one row of `length` tokens, starting from the prefix, in `gradient` and in `losses`.
 */
export const pieceOperations = (
  architecture: Architecture,
  component: string,
  length: number
): { readonly gradient: number; readonly losses: number } => {
  const { layers, hidden, vocabulary } = architecture
  const positions = length - 1
  const piece = pieceOf(component)
  const layer = layerProducts(architecture, positions)
  const loss = hidden * vocabulary
  const head = attentionProducts(architecture, headsOf(architecture, unitOf(architecture, component)), positions)
  const mlp = mlpProducts(architecture)
  const products = ((): { forward: number; backward: number } => {
    switch (piece.kind) {
      case 'embed':
        return { forward: layers * layer + loss, backward: layers * layer + loss }
      case 'full':
        return { forward: layers * layer + loss, backward: 2 * (layers * layer + loss) }
      case 'unembed':
        return { forward: loss, backward: loss }
      case 'head':
      case 'mlp': {
        const sameLayer = piece.kind === 'head' && !architecture.parallelResidual ? mlp : 0
        const above = (layers - 1 - piece.layer) * layer + loss + sameLayer
        const own = piece.kind === 'head' ? head : mlp
        return { forward: own + above, backward: 2 * own + above }
      }
    }
  })()
  return { gradient: 2 * positions * (products.forward + products.backward), losses: 2 * positions * products.forward }
}
