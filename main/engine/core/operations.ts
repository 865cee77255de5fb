import type { Architecture } from '../../models/architecture'

/** Program that a component needs. Heads of a layer share one, because their weights are inputs. */
export type Piece =
  { readonly kind: 'embed' | 'unembed' | 'full' } | { readonly kind: 'head' | 'mlp'; readonly layer: number }

export const pieceOf = (component: string): Piece => {
  const [kind, place = ''] = component.split(':')
  const layer = Number(place.split('.')[0])
  return kind === 'head' || kind === 'mlp' ? { kind, layer } : { kind: kind as 'embed' | 'unembed' | 'full' }
}

/** Name of a component's program. Components with equal names share a program for the same extent of rows. */
export const programName = (component: string): string => {
  const piece = pieceOf(component)
  return 'layer' in piece ? `${piece.kind} ${piece.layer}` : piece.kind
}

/** Multiply-adds of one token through all products of a layer, including attention. */
const layerProducts = ({ hidden, intermediate }: Architecture, positions: number): number =>
  4 * hidden * hidden + 2 * hidden * intermediate + positions * hidden

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
  const { layers, hidden, intermediate, heads, vocabulary } = architecture
  const positions = length - 1
  const piece = pieceOf(component)
  const layer = layerProducts(architecture, positions)
  const loss = hidden * vocabulary
  const head = 4 * hidden * (hidden / heads) + positions * (hidden / heads)
  const mlp = 2 * hidden * intermediate
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
