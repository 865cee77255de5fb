import type { Explore } from './explore.svelte'

/** The clustering that this window explores, null in other views: exports are of it. */
class Explored {
  view: Explore | null = $state.raw(null)
}

export const explored = new Explored()
