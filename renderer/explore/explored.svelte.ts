import type { Explore } from './explore.svelte'

/** The clustering open in Explore, null in other views; exports use it. */
class Explored {
  view: Explore | null = $state.raw(null)
}

export const explored = new Explored()
