import { untrack } from 'svelte'
import type { ClusterNumber } from '../../preload/contract'
import type { GraphCamera } from './graph-camera.svelte'
import type { GraphData } from './graph-data.svelte'
import type { GraphLook } from './graph-look.svelte'
import type { GraphSelection } from './graph-selection.svelte'

/** Takes the camera to the current cluster when another pane made it that. */
export class GraphFollowing {
  readonly #data: GraphData
  readonly #camera: GraphCamera
  readonly #selection: GraphSelection
  readonly #look: GraphLook
  #last: ClusterNumber | null = null

  constructor(data: GraphData, camera: GraphCamera, selection: GraphSelection, look: GraphLook) {
    this.#data = data
    this.#camera = camera
    this.#selection = selection
    this.#look = look
    $effect(() => this.#follow())
  }

  /** Stays where the camera is: a cluster that was chosen in the graph is under the pointer. */
  stay(cluster: ClusterNumber): void {
    this.#last = cluster
  }

  #follow(): void {
    const { current } = this.#selection
    untrack(() => {
      if (current === this.#last) return
      const isFirst = this.#last === null
      this.#last = current
      if (!isFirst && current !== null && this.#look.follows && this.#data.isReady) this.#camera.follow(current)
    })
  }
}
