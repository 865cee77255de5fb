// Exact nearest neighbours of a block of queries among a tile of candidates. Points rounded to 16-bit integers, four queries by eight
// candidates at a time, give squared distances that are exact in 32 bits; only where one is within the query's threshold is the distance of the
// points themselves computed in float64 and offered to the query's heap. Squared distances and indices of a heap are ordered by
// (distance, index), the largest on top.
//
// Addresses are in bytes; dims is even, a last 0 makes it so. queries: i16 [count, dims], times 2, count padded to a multiple of 4.
// limits: i32 [count], what 2 q·c - |c|² must exceed. exactQueries: f64 [queries, exactDims]. candidates: i16 [group][dims / 2][8][2].
// negativeNorms: i32 [group * 8], -|c|². exactCandidates: f64 [candidates, exactDims]. norms: i32 [queries], |q|². slacks: f64 [queries], what
// rounding can take off a distance. heapDistances: f64 [queries, k]; heapIndices: i32 [queries, k]; heapSizes: i32 [queries].

// @ts-nocheck
let dims: i32 = 0
let exactDims: i32 = 0
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
  for (let d = 0; d < exactDims; d++) {
    const difference = load<f64>(a) - load<f64>(b)
    sum += difference * difference
    a += 8
    b += 8
  }
  return sum
}

let exactQueries: usize = 0
let exactCandidates: usize = 0
let limits: usize = 0
let norms: usize = 0
let slacks: usize = 0
let inverseStep: f64 = 0
let heapDistances: usize = 0
let heapIndices: usize = 0
let heapSizes: usize = 0
let firstQuery: i32 = 0
let firstCandidate: i32 = 0

function offer(query: i32, candidate: i32): void {
  const index = firstCandidate + candidate
  if (index == firstQuery + query) return
  const distance = squaredDistance(exactQueries + <usize>query * <usize>exactDims * 8, exactCandidates + <usize>candidate * <usize>exactDims * 8)
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
    const farthest = (sqrt(load<f64>(distances)) * (1 + 1e-12) + load<f64>(slacks + (<usize>query << 3))) * inverseStep
    store<i32>(limits + (<usize>query << 2), load<i32>(norms + (<usize>query << 2)) - <i32>min(farthest * farthest, 1.5e9) - 2)
  }
}

@inline
function consider(query: i32, candidate: i32, low: v128, high: v128): void {
  let mask = i32x4.bitmask(low) | (i32x4.bitmask(high) << 4)
  while (mask != 0) {
    offer(query, candidate + ctz(mask))
    mask &= mask - 1
  }
}

/** Sets what stays the same for a block of queries. `step` is the distance that one integer stands for. */
export function begin(
  dimensions: i32, exactDimensions: i32, neighbours: i32, step: f64, exactQueriesAt: usize, exactCandidatesAt: usize, limitsAt: usize, normsAt: usize,
  slacksAt: usize, heapDistancesAt: usize, heapIndicesAt: usize, heapSizesAt: usize, firstQueryIndex: i32
): void {
  dims = dimensions
  exactDims = exactDimensions
  k = neighbours
  inverseStep = 1 / step
  exactQueries = exactQueriesAt
  exactCandidates = exactCandidatesAt
  limits = limitsAt
  norms = normsAt
  slacks = slacksAt
  heapDistances = heapDistancesAt
  heapIndices = heapIndicesAt
  heapSizes = heapSizesAt
  firstQuery = firstQueryIndex
}

/** Offers `groups` · 8 candidates, the first of index `firstCandidateIndex`, to `queryCount` queries (a multiple of 4). */
export function search(queries: usize, queryCount: i32, candidates: usize, negativeNorms: usize, groups: i32, firstCandidateIndex: i32): void {
  firstCandidate = firstCandidateIndex
  const row = <usize>dims << 1
  const groupBytes = <usize>dims << 4
  const groupsInCache = max(1, 16384 / <i32>groupBytes)
  for (let start = 0; start < groups; start += groupsInCache) {
    const end = min(groups, start + groupsInCache)
    for (let query = 0; query < queryCount; query += 4) {
      const q = queries + <usize>query * row
      const qEnd = q + row
      const limitsAt = limits + (<usize>query << 2)
      for (let group = start; group < end; group++) {
        const normsAt = negativeNorms + (<usize>group << 5)
        let low0 = v128.load(normsAt)
        let high0 = v128.load(normsAt, 16)
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
          low0 = i32x4.add(low0, i32x4.dot_i16x8_s(low, s0))
          high0 = i32x4.add(high0, i32x4.dot_i16x8_s(high, s0))
          const s1 = v128.load32_splat(at + row)
          low1 = i32x4.add(low1, i32x4.dot_i16x8_s(low, s1))
          high1 = i32x4.add(high1, i32x4.dot_i16x8_s(high, s1))
          const s2 = v128.load32_splat(at + 2 * row)
          low2 = i32x4.add(low2, i32x4.dot_i16x8_s(low, s2))
          high2 = i32x4.add(high2, i32x4.dot_i16x8_s(high, s2))
          const s3 = v128.load32_splat(at + 3 * row)
          low3 = i32x4.add(low3, i32x4.dot_i16x8_s(low, s3))
          high3 = i32x4.add(high3, i32x4.dot_i16x8_s(high, s3))
        }
        const limit0 = v128.load32_splat(limitsAt)
        const limit1 = v128.load32_splat(limitsAt, 4)
        const limit2 = v128.load32_splat(limitsAt, 8)
        const limit3 = v128.load32_splat(limitsAt, 12)
        low0 = i32x4.gt_s(low0, limit0)
        high0 = i32x4.gt_s(high0, limit0)
        low1 = i32x4.gt_s(low1, limit1)
        high1 = i32x4.gt_s(high1, limit1)
        low2 = i32x4.gt_s(low2, limit2)
        high2 = i32x4.gt_s(high2, limit2)
        low3 = i32x4.gt_s(low3, limit3)
        high3 = i32x4.gt_s(high3, limit3)
        if (v128.any_true(v128.or(v128.or(v128.or(low0, high0), v128.or(low1, high1)), v128.or(v128.or(low2, high2), v128.or(low3, high3))))) {
          const candidate = group << 3
          consider(query, candidate, low0, high0)
          consider(query + 1, candidate, low1, high1)
          consider(query + 2, candidate, low2, high2)
          consider(query + 3, candidate, low3, high3)
        }
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
