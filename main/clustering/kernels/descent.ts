// Approximate nearest neighbours: random-projection trees, then nearest-neighbour descent, on points rounded to 16-bit
// integers. Differences fit in 16 bits and squared distances in 32, so every distance is exact in integers.
//
// A list holds the nearest points that were met, ascending by distance, ties to the lower index. It is the same set in
// whatever order points are offered, so threads may share lists: a list is locked while it changes. The bit `fresh` of
// an index marks points that entered the list in the latest round.
//
// Addresses are in bytes. Arrays:
// points: i16 [count, width], width a multiple of 8, padded with zeros; count is padded to a multiple of 4.
// indices, distances: i32 [count, size], the lists. forward: i32 [count, size], the lists before the round.
// reverseIndices, reverseDistances: i32 [count, size], the nearest points that list each point.
// locks: i32 [count].
// Private to the thread: ids and bounds, i32 [most]; rows, i16 [most, width], most a multiple of 4; scratch, 16 bytes.

// @ts-nocheck
// @shared-memory
const fresh: i32 = 0x40000000
const mask: i32 = 0x3fffffff

let rowBytes: usize = 0
let size: i32 = 0
let points: usize = 0
let indices: usize = 0
let distances: usize = 0
let forward: usize = 0
let reverseIndices: usize = 0
let reverseDistances: usize = 0
let locks: usize = 0
let ids: usize = 0
let bounds: usize = 0
let rows: usize = 0
let scratch: usize = 0

/** Sets the constants of a search. */
export function begin(
  width: i32, listSize: i32, pointsAt: usize, indicesAt: usize, distancesAt: usize, forwardAt: usize,
  reverseIndicesAt: usize, reverseDistancesAt: usize, locksAt: usize, idsAt: usize, boundsAt: usize, rowsAt: usize,
  scratchAt: usize
): void {
  rowBytes = <usize>width << 1
  size = listSize
  points = pointsAt
  indices = indicesAt
  distances = distancesAt
  forward = forwardAt
  reverseIndices = reverseIndicesAt
  reverseDistances = reverseDistancesAt
  locks = locksAt
  ids = idsAt
  bounds = boundsAt
  rows = rowsAt
  scratch = scratchAt
}

@inline
function rowOf(point: i32): usize {
  return points + <usize>point * rowBytes
}

@inline
function farthest(point: i32): i32 {
  return load<i32>(distances + ((<usize>(point + 1) * <usize>size - 1) << 2))
}

/** Offers `other`, with its flag, to one of the lists at `listIndices` and `listDistances`. */
function offer(listIndices: usize, listDistances: usize, point: i32, other: i32, distance: i32): void {
  const lock = locks + (<usize>point << 2)
  while (atomic.cmpxchg<i32>(lock, 0, 1) != 0) continue
  const first = (<usize>point * <usize>size) << 2
  const index = other & mask
  let place = first + (<usize>size << 2)
  let isKnown = false
  while (place > first) {
    const listed = load<i32>(listDistances + place - 4)
    const listedIndex = load<i32>(listIndices + place - 4) & mask
    if (listed < distance || (listed == distance && listedIndex <= index)) {
      isKnown = listed == distance && listedIndex == index
      break
    }
    place -= 4
  }
  let at = first + (<usize>(size - 1) << 2)
  if (place <= at && !isKnown) {
    // Word by word, as other threads read the last distance without a lock.
    for (; at > place; at -= 4) {
      store<i32>(listIndices + at, load<i32>(listIndices + at - 4))
      store<i32>(listDistances + at, load<i32>(listDistances + at - 4))
    }
    store<i32>(listIndices + place, other)
    store<i32>(listDistances + place, distance)
  }
  atomic.store<i32>(lock, 0)
}

/** The sums of the lanes of four vectors. */
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7))
}

@inline
function squares(sum: v128, a: v128, b: v128): v128 {
  const difference = i16x8.sub(a, b)
  return i32x4.add(sum, i32x4.dot_i16x8_s(difference, difference))
}

/** Squared distances of a row to four rows one after another. */
@inline
function distancesOfFour(row: usize, others: usize): v128 {
  let s0 = i32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  const second = others + rowBytes
  const third = second + rowBytes
  const fourth = third + rowBytes
  for (let at: usize = 0; at < rowBytes; at += 16) {
    const own = v128.load(row + at)
    s0 = squares(s0, own, v128.load(others + at))
    s1 = squares(s1, own, v128.load(second + at))
    s2 = squares(s2, own, v128.load(third + at))
    s3 = squares(s3, own, v128.load(fourth + at))
  }
  return sums(s0, s1, s2, s3)
}

/** Squared distances of a point to points `from` … `to` - 1, and up to three more, at `out`. */
export function distancesTo(point: i32, from: i32, to: i32, out: usize): void {
  const row = rowOf(point)
  for (let other = from; other < to; other += 4, out += 16) v128.store(out, distancesOfFour(row, rowOf(other)))
}

/** Puts a point at a place of the thread's rows. */
@inline
function gather(at: i32, point: i32): void {
  store<i32>(ids + (<usize>at << 2), point)
  store<i32>(bounds + (<usize>at << 2), farthest(point))
  memory.copy(rows + <usize>at * rowBytes, rowOf(point), rowBytes)
}

/** Offers gathered points to each other: each of the first `news` to all after it. */
function meet(news: i32, count: i32): void {
  for (let a = 0; a < news; a++) {
    const point = load<i32>(ids + (<usize>a << 2))
    const row = rows + <usize>a * rowBytes
    const bound = i32x4.splat(load<i32>(bounds + (<usize>a << 2)))
    for (let b = (a + 1) & ~3; b < count; b += 4) {
      const found = distancesOfFour(row, rows + <usize>b * rowBytes)
      const most = i32x4.max_s(bound, v128.load(bounds + (<usize>b << 2)))
      let near = i32x4.bitmask(i32x4.le_s(found, most))
      if (b <= a) near &= 15 << (a + 1 - b)
      if (b + 4 > count) near &= (1 << (count - b)) - 1
      if (near == 0) continue
      v128.store(scratch, found)
      while (near != 0) {
        const lane = ctz(near)
        near &= near - 1
        const other = load<i32>(ids + (<usize>(b + lane) << 2))
        const distance = load<i32>(scratch + (<usize>lane << 2))
        if (distance <= farthest(point)) offer(indices, distances, point, other | fresh, distance)
        if (distance <= farthest(other)) offer(indices, distances, other, point | fresh, distance)
      }
    }
  }
}

/**
 * Sorts part of a tree's `order`, points `from` … `to` - 1, by the side of the plane midway between points a and b.
 * Returns where the second side begins.
 */
export function split(order: usize, from: i32, to: i32, a: i32, b: i32): i32 {
  const rowA = rowOf(a)
  const rowB = rowOf(b)
  let limit = 0
  for (let at: usize = 0; at < rowBytes; at += 16) {
    const valueA = v128.load(rowA + at)
    const valueB = v128.load(rowB + at)
    v128.store(rows + at, i16x8.sub(valueB, valueA))
    const norms = i32x4.sub(i32x4.dot_i16x8_s(valueB, valueB), i32x4.dot_i16x8_s(valueA, valueA))
    limit += lanesOf(norms)
  }
  let low = from
  let high = to - 1
  while (low <= high) {
    const place = order + (<usize>low << 2)
    const point = load<i32>(place)
    const row = rowOf(point)
    let product = i32x4.splat(0)
    for (let at: usize = 0; at < rowBytes; at += 16)
      product = i32x4.add(product, i32x4.dot_i16x8_s(v128.load(row + at), v128.load(rows + at)))
    if (lanesOf(product) << 1 < limit) {
      low++
      continue
    }
    const last = order + (<usize>high << 2)
    store<i32>(place, load<i32>(last))
    store<i32>(last, point)
    high--
  }
  return low
}

@inline
function lanesOf(vector: v128): i32 {
  return (
    i32x4.extract_lane(vector, 0) +
    i32x4.extract_lane(vector, 1) +
    i32x4.extract_lane(vector, 2) +
    i32x4.extract_lane(vector, 3)
  )
}

/** Offers the `count` points of a leaf, which stand at `leaf`, to each other. */
export function meetLeaf(leaf: usize, count: i32): void {
  for (let at = 0; at < count; at++) gather(at, load<i32>(leaf + (<usize>at << 2)) & mask)
  meet(count, count)
}

/** Offers the points after `start`, and round to the first of `count`, to a list that is not full, until it is. */
export function fill(point: i32, start: i32, count: i32): void {
  const last = indices + ((<usize>(point + 1) * <usize>size - 1) << 2)
  const row = rowOf(point)
  for (let tried = 0, other = start; tried < count && load<i32>(last) == mask; tried++, other++) {
    if (other == count) other = 0
    if (other == point) continue
    let sum = i32x4.splat(0)
    const otherRow = rowOf(other)
    for (let at: usize = 0; at < rowBytes; at += 16)
      sum = squares(sum, v128.load(row + at), v128.load(otherRow + at))
    offer(indices, distances, point, other | fresh, lanesOf(sum))
  }
}

/** Empties the lists at `listIndices` and `listDistances` of points `from` … `to` - 1. */
function empty(listIndices: usize, listDistances: usize, from: i32, to: i32): void {
  const end = (<usize>to * <usize>size) << 2
  for (let at = (<usize>from * <usize>size) << 2; at < end; at += 4) {
    store<i32>(listIndices + at, mask)
    store<i32>(listDistances + at, i32.MAX_VALUE)
  }
}

export function emptyLists(from: i32, to: i32): void {
  empty(indices, distances, from, to)
}

export function emptyReverse(from: i32, to: i32): void {
  empty(reverseIndices, reverseDistances, from, to)
}

/** Copies lists, marks their points as old, and offers each point to the reverse lists of those it lists. */
export function publish(from: i32, to: i32): void {
  for (let point = from; point < to; point++) {
    const first = (<usize>point * <usize>size) << 2
    const end = first + (<usize>size << 2)
    for (let at = first; at < end; at += 4) {
      const listed = load<i32>(indices + at)
      store<i32>(forward + at, listed)
      if (listed == mask) continue
      const other = listed & mask
      store<i32>(indices + at, other)
      offer(reverseIndices, reverseDistances, other, point | (listed & fresh), load<i32>(distances + at))
    }
  }
}

/** Puts the points around a point into `ids`, with their flags: whom it lists, and who lists it. Returns how many. */
function around(point: i32): i32 {
  const first = (<usize>point * <usize>size) << 2
  const end = first + (<usize>size << 2)
  let count = 0
  for (let at = first; at < end; at += 4) {
    const listed = load<i32>(forward + at)
    if (listed == mask) break
    store<i32>(ids + (<usize>count << 2), listed)
    count++
  }
  const own = count
  for (let at = first; at < end; at += 4) {
    const listing = load<i32>(reverseIndices + at)
    if (listing == mask) break
    let known = 0
    while (known < own && ((load<i32>(ids + (<usize>known << 2)) ^ listing) & mask) != 0) known++
    if (known == own) {
      store<i32>(ids + (<usize>count << 2), listing)
      count++
    } else if ((listing & fresh) != 0) {
      const place = ids + (<usize>known << 2)
      store<i32>(place, load<i32>(place) | fresh)
    }
  }
  return count
}

/** Offers the points around each of points `from` … `to` - 1 to each other, unless both were there a round ago. */
export function join(from: i32, to: i32): void {
  for (let point = from; point < to; point++) {
    const count = around(point)
    let news = 0
    for (let at = 0; at < count; at++) {
      const place = ids + (<usize>at << 2)
      const id = load<i32>(place)
      if ((id & fresh) == 0) continue
      const earlier = ids + (<usize>news << 2)
      news++
      store<i32>(place, load<i32>(earlier))
      store<i32>(earlier, id)
    }
    if (news == 0) continue
    for (let at = 0; at < count; at++) gather(at, load<i32>(ids + (<usize>at << 2)) & mask)
    gather(count, point)
    meet(news, count + 1)
  }
}

/** Points that entered the lists of points `from` … `to` - 1 in the latest round. */
export function countFresh(from: i32, to: i32): i32 {
  let count = 0
  const end = (<usize>to * <usize>size) << 2
  for (let at = (<usize>from * <usize>size) << 2; at < end; at += 4)
    if ((load<i32>(indices + at) & fresh) != 0) count++
  return count
}
