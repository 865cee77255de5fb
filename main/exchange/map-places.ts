import { leftoverCluster } from '../../preload/records'
import type { ClusteringRecord, ClusterNumber, RunRecord } from '../../preload/records'
import type { Workspace } from '../store/store'

/** Points of the plane, by cluster. Each cluster has all its tokens, or one point for all. */
export interface MapPlaces {
  /** `tokens`: a point is a token. `clusters`: a point is a cluster. */
  readonly of: 'tokens' | 'clusters'
  /** [x0, y0, …] of each cluster's points; unclustered tokens are in it as well. */
  readonly clusters: ReadonlyMap<ClusterNumber, readonly number[]>
}

/** Points on a map, so that a page opens at once. */
const mostPoints = 20_000

/** Every nth token of a layout, and at least two of each cluster. */
const tokenPlaces = (positions: Float32Array, membership: Int32Array): Map<ClusterNumber, number[]> => {
  const every = Math.ceil(membership.length / mostPoints)
  const places = new Map<ClusterNumber, number[]>()
  const seen = new Map<ClusterNumber, number>()
  membership.forEach((cluster, token) => {
    const before = seen.get(cluster) ?? 0
    seen.set(cluster, before + 1)
    if (before >= 2 && before % every !== 0) return
    const points = places.get(cluster) ?? []
    if (points.length === 0) places.set(cluster, points)
    points.push(positions[2 * token], positions[2 * token + 1])
  })
  return places
}

/**
 * Where a run's tokens lie in the plane. Where no layout of tokens is stored, where its clusters lie; undefined where
 * these have no places either.
 */
export const readMap = async (
  workspace: Workspace,
  { id }: RunRecord,
  { number, configuration }: ClusteringRecord,
  membership: Int32Array
): Promise<MapPlaces | undefined> => {
  const layout = await workspace.getLayout(id, configuration.whiten)
  if (layout !== undefined) return { of: 'tokens', clusters: tokenPlaces(layout.positions, membership) }
  if (!(await workspace.isDescribed(id, number))) return undefined
  const { clusters, positions } = await workspace.getClusterLayout(id, number)
  const known = new Set(membership)
  const places = new Map<ClusterNumber, readonly number[]>()
  clusters.forEach((cluster, at) => {
    const place = [positions[2 * at], positions[2 * at + 1]]
    if (cluster !== leftoverCluster && known.has(cluster) && place.every(Number.isFinite)) places.set(cluster, place)
  })
  return { of: 'clusters', clusters: places }
}
