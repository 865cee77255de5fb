/** A point, or a path of points, as [x0, y0, x1, y1, …]. */
export type Path = readonly number[]

export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/**
 * The smallest box around a path of at least one point; y grows downwards or upwards as the path's does: `top` is the
 * least y.
 */
export const boxOf = (path: Path): Box => {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let at = 0; at < path.length; at += 2) {
    left = Math.min(left, path[at])
    right = Math.max(right, path[at])
    top = Math.min(top, path[at + 1])
    bottom = Math.max(bottom, path[at + 1])
  }
  return { left, top, right, bottom }
}

/** Whether a point lies inside a closed path, by the even-odd rule: what a path goes round twice is outside. */
export const isInside = (path: Path, x: number, y: number): boolean => {
  let inside = false
  for (let at = 0, before = path.length - 2; at < path.length; before = at, at += 2) {
    const [x1, y1, x2, y2] = [path[before], path[before + 1], path[at], path[at + 1]]
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside
  }
  return inside
}

/**
 * A path without the points that are nearer than `least` to the one before them: a hand's path has more than it
 * needs.
 */
export const thinned = (path: Path, least: number): number[] => {
  const kept = path.slice(0, 2)
  for (let at = 2; at < path.length; at += 2) {
    if (Math.hypot(path[at] - kept[kept.length - 2], path[at + 1] - kept[kept.length - 1]) >= least)
      kept.push(path[at], path[at + 1])
  }
  return kept
}
