// Exact nearest neighbours: candidate search on points rounded to 16-bit integers. Inner products of four by eight
// points are exact in 32 bits. Each pair is looked at once, for both of its points: it enters a point's list if it
// passes that point's bound. A full list is cut down to the candidates that may still be among the k nearest: those
// no farther than the k-th by more than rounding could explain. If the list is then still too long (many points at
// one distance), the caller's `refine` cuts it by true distances.
//
// Threads share the memory; only one thread at a time may use a list and its bound. Addresses are in bytes. dims is a
// multiple of 4, padded with zeros. Arrays:
// points: i16 [count / 8][dims / 2][8][2]. norms: i32 [count], |p|².
// bounds: i32 [count]. A pair enters p's list if 2 p·q - |q|² exceeds the bound.
// slacks: f64 [count], twice the largest change of a distance by rounding, in integer steps.
// listDistances (squared), listIndices: i32 [count, capacity], unordered. listSizes: i32 [count].
// scratch: 32 bytes private to the thread.

// @ts-nocheck
// @shared-memory
@external('env', 'refine')
declare function refine(point: i32): void

/** A bound that no inner product of points passes. */
const closed: i32 = 520000000

let dims: i32 = 0
let k: i32 = 0
let capacity: i32 = 0
let points: usize = 0
let norms: usize = 0
let bounds: usize = 0
let slacks: usize = 0
let listDistances: usize = 0
let listIndices: usize = 0
let listSizes: usize = 0
let scratch: usize = 0

/** Sets the constants of a search. */
export function begin(
  dimensions: i32, neighbours: i32, listCapacity: i32, pointsAt: usize, normsAt: usize, boundsAt: usize,
  slacksAt: usize, distancesAt: usize, indicesAt: usize, sizesAt: usize, scratchAt: usize
): void {
  dims = dimensions
  k = neighbours
  capacity = listCapacity
  points = pointsAt
  norms = normsAt
  bounds = boundsAt
  slacks = slacksAt
  listDistances = distancesAt
  listIndices = indicesAt
  listSizes = sizesAt
  scratch = scratchAt
}

@inline
function swap(a: usize, b: usize): void {
  const value = load<i32>(a)
  store<i32>(a, load<i32>(b))
  store<i32>(b, value)
}

/**
 * Moves the k smallest of `size` distances to the front, with the k-th at index k - 1, and returns the k-th (Hoare's
 * selection).
 */
function select(distances: usize, indices: usize, size: i32): i32 {
  let low = 0
  let high = size - 1
  const wanted = k - 1
  while (low < high) {
    const pivot = load<i32>(distances + (<usize>((low + high) >> 1) << 2))
    let i = low
    let j = high
    while (i <= j) {
      while (load<i32>(distances + (<usize>i << 2)) < pivot) i++
      while (load<i32>(distances + (<usize>j << 2)) > pivot) j--
      if (i <= j) {
        swap(distances + (<usize>i << 2), distances + (<usize>j << 2))
        swap(indices + (<usize>i << 2), indices + (<usize>j << 2))
        i++
        j--
      }
    }
    if (wanted <= j) high = j
    else if (wanted >= i) low = i
    else break
  }
  return load<i32>(distances + (<usize>wanted << 2))
}

/** Cuts a list of at least k pairs to those that may be among the k nearest, and updates the point's bound. */
export function cut(point: i32): void {
  const distances = listDistances + ((<usize>point * <usize>capacity) << 2)
  const indices = listIndices + ((<usize>point * <usize>capacity) << 2)
  const sizeAt = listSizes + (<usize>point << 2)
  const boundAt = bounds + (<usize>point << 2)
  const size = load<i32>(sizeAt)
  const farthest = sqrt(<f64>select(distances, indices, size)) + load<f64>(slacks + (<usize>point << 3))
  const limit = <i32>min(farthest * farthest, 1.2e9) + 2
  let kept = k
  for (let at = k; at < size; at++) {
    const distance = load<i32>(distances + (<usize>at << 2))
    if (distance >= limit) continue
    store<i32>(distances + (<usize>kept << 2), distance)
    store<i32>(indices + (<usize>kept << 2), load<i32>(indices + (<usize>at << 2)))
    kept++
  }
  store<i32>(sizeAt, kept)
  store<i32>(boundAt, max(load<i32>(norms + (<usize>point << 2)) - limit, load<i32>(boundAt)))
}

function offer(point: i32, other: i32, distance: i32): void {
  const sizeAt = listSizes + (<usize>point << 2)
  const size = load<i32>(sizeAt)
  const at = (<usize>point * <usize>capacity + <usize>size) << 2
  store<i32>(listDistances + at, distance)
  store<i32>(listIndices + at, other)
  store<i32>(sizeAt, size + 1)
  if (size + 1 < capacity) return
  cut(point)
  if (load<i32>(sizeAt) > (capacity + k) >> 1) refine(point)
}

/**
 * Offers to a point those of eight others whose bit in `mask` is set. If `mutual`, also offers the point to each of
 * them.
 */
function consider(point: i32, first: i32, low: v128, high: v128, mask: i32, mutual: bool): void {
  v128.store(scratch, low)
  v128.store(scratch, high, 16)
  const norm = load<i32>(norms + (<usize>point << 2))
  while (mask != 0) {
    const lane = ctz(mask)
    mask &= mask - 1
    const other = first + lane
    if (other == point) continue
    const product = load<i32>(scratch + (<usize>lane << 2)) << 1
    const otherNorm = load<i32>(norms + (<usize>other << 2))
    if (product > load<i32>(bounds + (<usize>point << 2)) + otherNorm) offer(point, other, norm + otherNorm - product)
    if (mutual && product > load<i32>(bounds + (<usize>other << 2)) + norm) {
      offer(other, point, norm + otherNorm - product)
    }
  }
}

/** Bit mask of the eight products, given halved, that pass the bound of the point or of the other one. */
@inline
function passing(
  low: v128, high: v128, point: usize, normLow: v128, normHigh: v128, boundLow: v128, boundHigh: v128
): i32 {
  const bound = v128.load32_splat(bounds + point)
  const norm = v128.load32_splat(norms + point)
  const least = i32x4.min_s(i32x4.add(normLow, bound), i32x4.add(boundLow, norm))
  const leastHigh = i32x4.min_s(i32x4.add(normHigh, bound), i32x4.add(boundHigh, norm))
  return (
    i32x4.bitmask(i32x4.gt_s(i32x4.add(low, low), least)) |
    (i32x4.bitmask(i32x4.gt_s(i32x4.add(high, high), leastHigh)) << 4)
  )
}

/**
 * Searches the pairs of points `from` … `to`-1 (multiples of 4) with points `otherFrom` … `otherTo`-1 (multiples of
 * 8). Updates the lists of both if `mutual`, else only the first's. The two ranges are either the same or disjoint.
 */
export function search(from: i32, to: i32, otherFrom: i32, otherTo: i32, mutual: bool): void {
  const groupBytes = <usize>dims << 4
  const together = max(1, 16384 / <i32>groupBytes) << 3
  for (let start = otherFrom; start < otherTo; start += together) {
    const end = min(otherTo, start + together)
    for (let point = from; point < to; point += 4) {
      const q = points + <usize>(point >> 3) * groupBytes + ((<usize>point & 4) << 2)
      const qEnd = q + groupBytes
      for (let first = start; first < end; first += 8) {
        let low0 = i32x4.splat(0)
        let high0 = low0
        let low1 = low0
        let high1 = low0
        let low2 = low0
        let high2 = low0
        let low3 = low0
        let high3 = low0
        let c = points + <usize>(first >> 3) * groupBytes
        for (let at = q; at < qEnd; at += 64, c += 64) {
          const cLow0 = v128.load(c)
          const cHigh0 = v128.load(c, 16)
          const s00 = v128.load32_splat(at)
          low0 = i32x4.add(low0, i32x4.dot_i16x8_s(cLow0, s00))
          high0 = i32x4.add(high0, i32x4.dot_i16x8_s(cHigh0, s00))
          const s01 = v128.load32_splat(at, 4)
          low1 = i32x4.add(low1, i32x4.dot_i16x8_s(cLow0, s01))
          high1 = i32x4.add(high1, i32x4.dot_i16x8_s(cHigh0, s01))
          const s02 = v128.load32_splat(at, 8)
          low2 = i32x4.add(low2, i32x4.dot_i16x8_s(cLow0, s02))
          high2 = i32x4.add(high2, i32x4.dot_i16x8_s(cHigh0, s02))
          const s03 = v128.load32_splat(at, 12)
          low3 = i32x4.add(low3, i32x4.dot_i16x8_s(cLow0, s03))
          high3 = i32x4.add(high3, i32x4.dot_i16x8_s(cHigh0, s03))
          const cLow1 = v128.load(c, 32)
          const cHigh1 = v128.load(c, 48)
          const s10 = v128.load32_splat(at, 32)
          low0 = i32x4.add(low0, i32x4.dot_i16x8_s(cLow1, s10))
          high0 = i32x4.add(high0, i32x4.dot_i16x8_s(cHigh1, s10))
          const s11 = v128.load32_splat(at, 36)
          low1 = i32x4.add(low1, i32x4.dot_i16x8_s(cLow1, s11))
          high1 = i32x4.add(high1, i32x4.dot_i16x8_s(cHigh1, s11))
          const s12 = v128.load32_splat(at, 40)
          low2 = i32x4.add(low2, i32x4.dot_i16x8_s(cLow1, s12))
          high2 = i32x4.add(high2, i32x4.dot_i16x8_s(cHigh1, s12))
          const s13 = v128.load32_splat(at, 44)
          low3 = i32x4.add(low3, i32x4.dot_i16x8_s(cLow1, s13))
          high3 = i32x4.add(high3, i32x4.dot_i16x8_s(cHigh1, s13))
        }
        const firstAt = <usize>first << 2
        const normLow = v128.load(norms + firstAt)
        const normHigh = v128.load(norms + firstAt, 16)
        const boundLow = mutual ? v128.load(bounds + firstAt) : i32x4.splat(closed)
        const boundHigh = mutual ? v128.load(bounds + firstAt, 16) : boundLow
        const at = <usize>point << 2
        const mask0 = passing(low0, high0, at, normLow, normHigh, boundLow, boundHigh)
        const mask1 = passing(low1, high1, at + 4, normLow, normHigh, boundLow, boundHigh)
        const mask2 = passing(low2, high2, at + 8, normLow, normHigh, boundLow, boundHigh)
        const mask3 = passing(low3, high3, at + 12, normLow, normHigh, boundLow, boundHigh)
        if ((mask0 | mask1 | mask2 | mask3) == 0) continue
        if (mask0 != 0) consider(point, first, low0, high0, mask0, mutual)
        if (mask1 != 0) consider(point + 1, first, low1, high1, mask1, mutual)
        if (mask2 != 0) consider(point + 2, first, low2, high2, mask2, mutual)
        if (mask3 != 0) consider(point + 3, first, low3, high3, mask3, mutual)
      }
    }
  }
}
