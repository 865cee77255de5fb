// Exact nearest neighbours of a block of queries among a tile of candidates. Float32 products, four queries by eight candidates at a
// time, give a lower bound of every squared distance; only where it is within the query's threshold is the distance computed in float64
// and offered to the query's heap. Squared distances and indices of a heap are ordered by (distance, index), the largest on top.
//
// Addresses are in bytes. queries: f32 [count, dims], times -2, count padded to a multiple of 4. thresholds: f32 [count]; -inf for padding.
// exactQueries: f64 [queries, dims]. candidates: f32 [group][dims][8]. shortNorms: f32 [group * 8], |c|² less its margin; NaN for padding.
// exactCandidates: f64 [candidates, dims]. offsets: f64 [queries], |q|² less its margin. heapDistances: f64 [queries, k];
// heapIndices: i32 [queries, k]; heapSizes: i32 [queries].

// @ts-nocheck
let dims: i32 = 0
let k: i32 = 0

@inline
function greater(distanceA: f64, indexA: i32, distanceB: f64, indexB: i32): bool {
  return distanceA > distanceB || (distanceA == distanceB && indexA > indexB)
}

function siftUp(distances: usize, indices: usize, start: i32, distance: f64, index: i32): void {
  let at = start
  while (at > 0) {
    const parent = (at - 1) >> 1
    const d = load<f64>(distances + (<usize>parent << 3))
    const i = load<i32>(indices + (<usize>parent << 2))
    if (!greater(distance, index, d, i)) break
    store<f64>(distances + (<usize>at << 3), d)
    store<i32>(indices + (<usize>at << 2), i)
    at = parent
  }
  store<f64>(distances + (<usize>at << 3), distance)
  store<i32>(indices + (<usize>at << 2), index)
}

function siftDown(distances: usize, indices: usize, size: i32, distance: f64, index: i32): void {
  let at = 0
  while (true) {
    let child = 2 * at + 1
    if (child >= size) break
    let d = load<f64>(distances + (<usize>child << 3))
    let i = load<i32>(indices + (<usize>child << 2))
    if (child + 1 < size) {
      const d1 = load<f64>(distances + (<usize>(child + 1) << 3))
      const i1 = load<i32>(indices + (<usize>(child + 1) << 2))
      if (greater(d1, i1, d, i)) {
        child++
        d = d1
        i = i1
      }
    }
    if (!greater(d, i, distance, index)) break
    store<f64>(distances + (<usize>at << 3), d)
    store<i32>(indices + (<usize>at << 2), i)
    at = child
  }
  store<f64>(distances + (<usize>at << 3), distance)
  store<i32>(indices + (<usize>at << 2), index)
}

function squaredDistance(a: usize, b: usize): f64 {
  let sum: f64 = 0
  for (let d = 0; d < dims; d++) {
    const difference = load<f64>(a) - load<f64>(b)
    sum += difference * difference
    a += 8
    b += 8
  }
  return sum
}

let exactQueries: usize = 0
let exactCandidates: usize = 0
let thresholds: usize = 0
let offsets: usize = 0
let heapDistances: usize = 0
let heapIndices: usize = 0
let heapSizes: usize = 0
let firstQuery: i32 = 0
let firstCandidate: i32 = 0

function offer(query: i32, candidate: i32): void {
  const index = firstCandidate + candidate
  if (index == firstQuery + query) return
  const distance = squaredDistance(exactQueries + <usize>query * <usize>dims * 8, exactCandidates + <usize>candidate * <usize>dims * 8)
  const distances = heapDistances + <usize>query * <usize>k * 8
  const indices = heapIndices + <usize>query * <usize>k * 4
  const sizeAt = heapSizes + (<usize>query << 2)
  let size = load<i32>(sizeAt)
  if (size < k) {
    siftUp(distances, indices, size, distance, index)
    store<i32>(sizeAt, ++size)
  } else if (greater(load<f64>(distances), load<i32>(indices), distance, index)) {
    siftDown(distances, indices, k, distance, index)
  } else return
  if (size == k) {
    const limit = load<f64>(distances) - load<f64>(offsets + (<usize>query << 3))
    store<f32>(thresholds + (<usize>query << 2), <f32>(limit + abs(limit) * 2.5e-7))
  }
}

@inline
function consider(query: i32, candidate: i32, low: v128, high: v128): void {
  const threshold = v128.load32_splat(thresholds + (<usize>query << 2))
  let mask = i32x4.bitmask(f32x4.le(low, threshold)) | (i32x4.bitmask(f32x4.le(high, threshold)) << 4)
  while (mask != 0) {
    offer(query, candidate + ctz(mask))
    mask &= mask - 1
  }
}

/** Sets what stays the same for a block of queries. */
export function begin(
  dimensions: i32, neighbours: i32, exactQueriesAt: usize, exactCandidatesAt: usize, thresholdsAt: usize, offsetsAt: usize,
  heapDistancesAt: usize, heapIndicesAt: usize, heapSizesAt: usize, firstQueryIndex: i32
): void {
  dims = dimensions
  k = neighbours
  exactQueries = exactQueriesAt
  exactCandidates = exactCandidatesAt
  thresholds = thresholdsAt
  offsets = offsetsAt
  heapDistances = heapDistancesAt
  heapIndices = heapIndicesAt
  heapSizes = heapSizesAt
  firstQuery = firstQueryIndex
}

/** Offers `groups` · 8 candidates, the first of index `firstCandidateIndex`, to `queryCount` queries (a multiple of 4). */
export function search(queries: usize, queryCount: i32, candidates: usize, shortNorms: usize, groups: i32, firstCandidateIndex: i32): void {
  firstCandidate = firstCandidateIndex
  const row = <usize>dims << 2
  const groupBytes = <usize>dims << 5
  const groupsInCache = max(1, 16384 / <i32>groupBytes)
  for (let start = 0; start < groups; start += groupsInCache) {
    const end = min(groups, start + groupsInCache)
    for (let query = 0; query < queryCount; query += 4) {
      const q = queries + <usize>query * row
      const qEnd = q + row
      for (let group = start; group < end; group++) {
        const norms = shortNorms + (<usize>group << 5)
        let low0 = v128.load(norms)
        let high0 = v128.load(norms, 16)
        let low1 = low0
        let high1 = high0
        let low2 = low0
        let high2 = high0
        let low3 = low0
        let high3 = high0
        let c = candidates + <usize>group * groupBytes
        for (let at = q; at < qEnd; at += 4) {
          const low = v128.load(c)
          const high = v128.load(c, 16)
          c += 32
          const s0 = v128.load32_splat(at)
          low0 = f32x4.add(low0, f32x4.mul(low, s0))
          high0 = f32x4.add(high0, f32x4.mul(high, s0))
          const s1 = v128.load32_splat(at + row)
          low1 = f32x4.add(low1, f32x4.mul(low, s1))
          high1 = f32x4.add(high1, f32x4.mul(high, s1))
          const s2 = v128.load32_splat(at + 2 * row)
          low2 = f32x4.add(low2, f32x4.mul(low, s2))
          high2 = f32x4.add(high2, f32x4.mul(high, s2))
          const s3 = v128.load32_splat(at + 3 * row)
          low3 = f32x4.add(low3, f32x4.mul(low, s3))
          high3 = f32x4.add(high3, f32x4.mul(high, s3))
        }
        const candidate = group << 3
        consider(query, candidate, low0, high0)
        consider(query + 1, candidate, low1, high1)
        consider(query + 2, candidate, low2, high2)
        consider(query + 3, candidate, low3, high3)
      }
    }
  }
}

/** Sorts each heap in place: nearest first. */
export function finish(queryCount: i32): void {
  for (let query = 0; query < queryCount; query++) {
    const distances = heapDistances + <usize>query * <usize>k * 8
    const indices = heapIndices + <usize>query * <usize>k * 4
    for (let size = load<i32>(heapSizes + (<usize>query << 2)) - 1; size > 0; size--) {
      const d = load<f64>(distances)
      const i = load<i32>(indices)
      siftDown(distances, indices, size, load<f64>(distances + (<usize>size << 3)), load<i32>(indices + (<usize>size << 2)))
      store<f64>(distances + (<usize>size << 3), d)
      store<i32>(indices + (<usize>size << 2), i)
    }
  }
}
