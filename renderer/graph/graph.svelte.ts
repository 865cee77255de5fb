import type { GroupKind } from '../../preload/contract'
import type { Explore } from '../explore/explore.svelte'
import { capital, levelWords } from '../explore/groups'
import { GraphCamera } from './graph-camera.svelte'
import { GraphColours } from './graph-colours.svelte'
import { GraphData, type GraphMode } from './graph-data.svelte'
import { GraphFollowing } from './graph-following.svelte'
import { GraphLook } from './graph-look.svelte'
import { GraphNames } from './graph-names.svelte'
import { GraphPicking } from './graph-picking.svelte'
import { GraphScene } from './graph-scene.svelte'
import { GraphSelection } from './graph-selection.svelte'

/**
 * The graph of one clustering, of its parts in the order in which they depend on one another. Their effects end with
 * the component that makes it.
 */
export class GraphView {
  readonly data: GraphData
  readonly camera: GraphCamera
  readonly selection: GraphSelection
  readonly colours: GraphColours
  readonly names: GraphNames
  readonly scene: GraphScene
  readonly picking: GraphPicking
  readonly look = new GraphLook()
  readonly following: GraphFollowing
  /** Whether the node list is shown. */
  listing = $state(false)

  constructor(explore: Explore) {
    this.data = new GraphData(explore)
    this.camera = new GraphCamera(this.data)
    this.selection = new GraphSelection(this.data, this.camera)
    this.colours = new GraphColours(this.data, this.selection)
    this.names = new GraphNames(this.data, this.camera, this.selection, this.colours)
    this.scene = new GraphScene(this.data, this.camera, this.selection, this.colours, this.names, this.look)
    this.following = new GraphFollowing(this.data, this.camera, this.selection, this.look)
    this.picking = new GraphPicking(this.data, this.camera, this.selection, this.scene, this.following)
  }

  change(mode: GraphMode): void {
    if (mode === this.data.mode) return
    this.camera.keep()
    this.picking.pointAway()
    this.data.mode = mode
    this.camera.restore()
  }

  /** Shows the groups of another level. */
  showLevel(level: GroupKind): void {
    if (level === this.data.level) return
    this.picking.pointAway()
    this.data.setLevel(level)
    this.camera.forgetClusters()
  }

  get title(): string {
    const { mode, level, explore } = this.data
    const { overview } = explore
    const nodes = mode === 'tokens' ? 'Tokens' : capital(levelWords[level].several)
    return `${nodes} of ${overview?.run.name ?? ''}, clustering ${overview?.clustering.number ?? ''}`
  }
}
