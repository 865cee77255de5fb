import type { GroupKind } from '../../preload/contract'
import { isGroupKind } from './groups'

/** How the graph is coloured. A level gives each of its groups a colour. */
export type Colouring =
  { readonly by: GroupKind | 'subset' | 'status' } | { readonly by: 'component'; readonly component: string }

/**
 * The next way to colour: by each level there is, fine to coarse, by subset, by label status, then by `component`.
 */
export const nextColouring = (
  colouring: Colouring,
  levels: readonly GroupKind[],
  component: string | undefined
): Colouring => {
  if (isGroupKind(colouring.by)) {
    const at = levels.indexOf(colouring.by)
    return at > 0 ? { by: levels[at - 1] } : { by: 'subset' }
  }
  if (colouring.by === 'subset') return { by: 'status' }
  return colouring.by === 'status' && component !== undefined ? { by: 'component', component } : { by: 'cluster' }
}
