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

/** Share of the view that all points would take, were none on another. */
const [usualCover, densityCover] = [0.34, 1.1]

/**
 * Diameter of a point in pixels at ratio `ratio`: the fewer there are and the larger the view, the larger, and larger
 * as one comes nearer. `area`: of the view, in square pixels.
 */
export const pointSize = (count: number, ratio: number, area = 300_000, cover = usualCover): number => {
  const base = Math.min(7, Math.max(1.4, Math.sqrt((cover * area * 4) / (Math.PI * Math.max(1, count)))))
  return Math.min(14, base * Math.min(6, Math.max(0.75, ratio ** -0.4)))
}

/** Opacity of a point: the more there are, the less each covers of what lies below it. */
export const pointOpacity = (count: number): number => Math.min(0.92, Math.max(0.3, 2.6 * Math.max(1, count) ** -0.13))

/** How points are shown where their shade is to say how many lie on one another. */
export const densityLook = (count: number): { readonly cover: number; readonly opacity: number } => ({
  cover: densityCover,
  opacity: Math.min(0.5, Math.max(0.05, 9 / Math.sqrt(Math.max(1, count))))
})

/** Radius of a cluster's disc: its area goes with its size, and the largest has 1. Small ones can still be seen. */
export const discRadius = (size: number, largest: number): number =>
  Math.max(0.12, Math.sqrt(size / Math.max(1, largest)))

/** How much of their length in the plane discs keep as the camera comes nearer than what shows them all. */
export const discShrink = (ratio: number): number => Math.min(1, Math.max(0.02, ratio) ** 0.45)
export const leastRadius = 1.5
