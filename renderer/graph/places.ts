/** A rectangle of the plane in which places lie; y grows upwards, as the camera sees it. */
export interface Extent {
  readonly left: number
  readonly bottom: number
  readonly right: number
  readonly top: number
}

/**
 * Where the camera looks: the middle of the view, and how much of the plane it shows: 1 is all of it, 0.1 a tenth of
 * its width.
 */
export interface View {
  readonly x: number
  readonly y: number
  readonly ratio: number
}

/** The smallest extent around the places of some points, or of all. Places are [x0, y0, x1, y1, …]. */
export const extentOf = (places: Float32Array, points?: ArrayLike<number>): Extent => {
  let [left, bottom, right, top] = [Infinity, Infinity, -Infinity, -Infinity]
  const count = points?.length ?? places.length / 2
  for (let at = 0; at < count; at++) {
    const point = points === undefined ? at : points[at]
    const [x, y] = [places[2 * point], places[2 * point + 1]]
    if (!(Number.isFinite(x) && Number.isFinite(y))) continue
    if (x < left) left = x
    if (x > right) right = x
    if (y < bottom) bottom = y
    if (y > top) top = y
  }
  return left > right ? { left: 0, bottom: 0, right: 1, top: 1 } : { left, bottom, right, top }
}

/** An extent with as much around it as makes it `factor` times as wide and high: something in its surroundings. */
export const grown = ({ left, bottom, right, top }: Extent, factor: number): Extent => {
  const [x, y] = [((right - left) * (factor - 1)) / 2, ((top - bottom) * (factor - 1)) / 2]
  return { left: left - x, bottom: bottom - y, right: right + x, top: top + y }
}

/**
 * Moved and scaled evenly into the square from 0 to 1, the middle in its middle. Places that are not finite go to the
 * middle.
 */
export const intoSquare = (positions: Float32Array): Float32Array => {
  const { left, bottom, right, top } = extentOf(positions)
  const size = Math.max(right - left, top - bottom) || 1
  const [x0, y0] = [(left + right - size) / 2, (bottom + top - size) / 2]
  const places = new Float32Array(positions.length)
  for (let at = 0; at < positions.length; at++) {
    const value = positions[at]
    places[at] = Number.isFinite(value) ? (value - (at % 2 === 0 ? x0 : y0)) / size : 0.5
  }
  return places
}

/**
 * The view that shows an extent whole, with a margin in pixels. At ratio 1 the shorter side of the window shows a
 * length of 1.
 */
export const viewOf = (extent: Extent, width: number, height: number, margin = 24, least = 0.002): View => {
  const unit = Math.min(width, height)
  const [inner, outer] = [Math.max(width - 2 * margin, width / 4), Math.max(height - 2 * margin, height / 4)]
  const ratio = Math.max(((extent.right - extent.left) * unit) / inner, ((extent.top - extent.bottom) * unit) / outer)
  return { x: (extent.left + extent.right) / 2, y: (extent.bottom + extent.top) / 2, ratio: Math.max(ratio, least) }
}

/** Middle of a group of points, and how far they are from it. */
export interface Group {
  readonly cluster: number
  readonly size: number
  /** The place of the member nearest to the mean: a label there is on the group even where it lies in a bow. */
  readonly x: number
  readonly y: number
  /** Root mean square distance of its members from their mean. */
  readonly spread: number
}

/**
 * Groups of points by the cluster of each, which goes from -1 up; in order of cluster, those without points left out.
 */
export const groupsOf = (places: Float32Array, clusterOf: Int32Array): Group[] => {
  let most = -1
  for (let point = 0; point < clusterOf.length; point++) if (clusterOf[point] > most) most = clusterOf[point]
  const sums = new Float64Array(4 * (most + 2))
  for (let point = 0; point < clusterOf.length; point++) {
    const at = 4 * (clusterOf[point] + 1)
    const [x, y] = [places[2 * point], places[2 * point + 1]]
    sums[at] += 1
    sums[at + 1] += x
    sums[at + 2] += y
    sums[at + 3] += x * x + y * y
  }
  const nearest = new Int32Array(most + 2).fill(-1)
  const distances = new Float64Array(most + 2).fill(Infinity)
  for (let point = 0; point < clusterOf.length; point++) {
    const group = clusterOf[point] + 1
    const count = sums[4 * group]
    const distance =
      (places[2 * point] - sums[4 * group + 1] / count) ** 2 +
      (places[2 * point + 1] - sums[4 * group + 2] / count) ** 2
    if (distance < distances[group]) {
      distances[group] = distance
      nearest[group] = point
    }
  }
  return [...nearest.keys()]
    .filter((group) => nearest[group] >= 0)
    .map((group) => {
      const [size, x, y, squares] = sums.subarray(4 * group, 4 * group + 4)
      return {
        cluster: group - 1,
        size,
        x: places[2 * nearest[group]],
        y: places[2 * nearest[group] + 1],
        spread: Math.sqrt(Math.max(0, squares / size - (x / size) ** 2 - (y / size) ** 2))
      }
    })
}

/**
 * The extent in which all but the outermost twentieth of some points lie on each side: where a group is, whatever
 * strays from it.
 */
export const innerExtentOf = (places: Float32Array, points: ArrayLike<number>): Extent => {
  if (points.length < 20) return extentOf(places, points)
  const [xs, ys] = [0, 1].map((axis) => Float32Array.from(points, (point) => places[2 * point + axis]).sort())
  const [low, high] = [Math.floor(0.05 * (points.length - 1)), Math.ceil(0.95 * (points.length - 1))]
  return { left: xs[low], right: xs[high], bottom: ys[low], top: ys[high] }
}

/** Diameter of a point in pixels: smaller where there are many, larger as one comes nearer. */
export const pointSize = (count: number, ratio: number): number => {
  const base = Math.min(6, Math.max(1.7, 60 / Math.sqrt(Math.sqrt(Math.max(1, count))) / 3.4))
  return Math.min(14, base * Math.max(0.7, ratio ** -0.35))
}

/**
 * Radius in pixels of a cluster's disc before the camera comes nearer: its area goes with its size, and the largest
 * has `most`.
 */
export const discRadius = (size: number, largest: number, most = 24): number =>
  most * Math.sqrt(size / Math.max(1, largest))

/** How much larger discs are as one comes nearer, and the least radius in pixels. */
export const discScale = (ratio: number): number => Math.min(4, Math.max(0.6, ratio ** -0.6))
export const leastRadius = 2.5
