// Passes over the rows of a graph for mixed-precision conjugate gradients, 8 systems side by side. Vectors are [node,
// 8 columns], all in float32 except the scores. Threads share the memory; each works on its own rows.
//
// Addresses are in bytes. Arrays:
// starts, ends: i32 [nodes], first entry of a row and one past its last.
// columns: i32 [entries]. weights: f64 [entries]. shares: f32 [entries], weight over the degree of its row.
// degrees: f64 [nodes]. parts: i32 [nodes].
// tokens: i32 [nodes], the order for breaking ties and for the entries of a row.
// reached: u8 [3, nodes]. Bit c, for column c, is set if the node is within one step of its seed, within two steps,
// or in the same component.
// residuals, products, directions, images, corrections: f32 [nodes, 8].
// scores: f64 [nodes, 8]. ranked, earlier: f64 [8, nodes].
//
// Sums over rows are in float64 and in row order.

// @ts-nocheck
// @shared-memory
let starts: usize = 0
let ends: usize = 0
let columns: usize = 0
let weights: usize = 0
let shares: usize = 0
let degrees: usize = 0
let parts: usize = 0
let tokens: usize = 0
let scores: usize = 0
let residuals: usize = 0
let products: usize = 0
let directions: usize = 0
let images: usize = 0
let corrections: usize = 0
let reached: usize = 0
let ranked: usize = 0
let earlier: usize = 0
let nodes: usize = 0
let keep: f64 = 0
let spread: f64 = 0

/** Sets the constants of a solve of K = keep · I - spread · D⁻¹A. */
export function begin(
  startsAt: usize, endsAt: usize, columnsAt: usize, weightsAt: usize, sharesAt: usize, degreesAt: usize,
  partsAt: usize, tokensAt: usize, scoresAt: usize, residualsAt: usize,
  productsAt: usize, directionsAt: usize, imagesAt: usize, correctionsAt: usize, reachedAt: usize,
  rankedAt: usize, earlierAt: usize, nodeCount: i32, keepFactor: f64, spreadFactor: f64
): void {
  starts = startsAt
  ends = endsAt
  columns = columnsAt
  weights = weightsAt
  shares = sharesAt
  degrees = degreesAt
  parts = partsAt
  tokens = tokensAt
  scores = scoresAt
  residuals = residualsAt
  products = productsAt
  directions = directionsAt
  images = imagesAt
  corrections = correctionsAt
  reached = reachedAt
  ranked = rankedAt
  earlier = earlierAt
  nodes = <usize>nodeCount
  keep = keepFactor
  spread = spreadFactor
}

@inline
function high(values: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(values, values, 1, 1))
}

@inline
function addTo(at: usize, terms: v128): void {
  v128.store(at, f64x2.add(v128.load(at), terms))
}

/**
 * Flushes values below `floor` in magnitude to 0. They do not affect the result, and as subnormal numbers they would
 * be slow.
 */
@inline
function floored(values: v128, floor: v128): v128 {
  return v128.and(values, f32x4.ge(f32x4.abs(values), floor))
}

/** K · residuals for 4 columns of a row, given the sum over the row's entries. */
@inline
function imageOf(residual: v128, sum: v128): v128 {
  return f32x4.sub(f32x4.mul(f32x4.splat(<f32>keep), residual), f32x4.mul(f32x4.splat(<f32>spread), sum))
}

/** Stores the products of 4 columns of a row, and adds to the sums of d r² and d r · product. */
@inline
function finishImage(at: usize, residual: v128, product: v128, degree: v128, gammas: usize, deltas: usize): void {
  v128.store(products + at, product)
  const low = f64x2.promote_low_f32x4(residual)
  const up = high(residual)
  const weightedLow = f64x2.mul(degree, low)
  const weightedUp = f64x2.mul(degree, up)
  addTo(gammas, f64x2.mul(weightedLow, low))
  addTo(gammas + 16, f64x2.mul(weightedUp, up))
  addTo(deltas, f64x2.mul(weightedLow, f64x2.promote_low_f32x4(product)))
  addTo(deltas + 16, f64x2.mul(weightedUp, high(product)))
}

/** Lane mask: all ones in lanes where bit `first` + lane of `bits` is set. */
@inline
function lanesOf(bits: i32, first: i32): v128 {
  const own = i32x4.shl(i32x4(1, 2, 4, 8), first)
  return i32x4.eq(v128.and(i32x4.splat(bits), own), own)
}

/**
 * Computes products = K · residuals in rows `from` … `to`-1. sums: f64 [2, 8], over these rows, of d r² and of d r ·
 * product.
 *
 * Only rows that are `reached` (with `reach` 1, 2 or 3: see the top of the file) need their entries. Elsewhere, in
 * the first and second step of a solve, a column's residuals are constant in its part, where K 1 = (keep - spread) 1,
 * and 0 outside its component.
 */
export function image(from: i32, to: i32, reach: i32, sums: usize): void {
  memory.fill(sums, 0, 128)
  const rows = reached + <usize>(reach - 1) * nodes
  const constant = f32x4.splat(<f32>(keep - spread))
  for (let i = from; i < to; i++) {
    const degree = f64x2.splat(load<f64>(degrees + (<usize>i << 3)))
    const at = <usize>i << 5
    const residual0 = v128.load(residuals + at)
    const residual1 = v128.load(residuals + at, 16)
    const bits = <i32>load<u8>(rows + i)
    let product0 = f32x4.mul(constant, residual0)
    let product1 = f32x4.mul(constant, residual1)
    if (bits != 0) {
      let entry = <usize>load<i32>(starts + (<usize>i << 2)) << 2
      const end = <usize>load<i32>(ends + (<usize>i << 2)) << 2
      let s0 = f32x4.splat(0)
      let s1 = s0
      for (; entry < end; entry += 4) {
        const share = v128.load32_splat(shares + entry)
        const r = residuals + (<usize>load<u32>(columns + entry) << 5)
        s0 = f32x4.add(s0, f32x4.mul(share, v128.load(r)))
        s1 = f32x4.add(s1, f32x4.mul(share, v128.load(r, 16)))
      }
      product0 = v128.bitselect(imageOf(residual0, s0), product0, lanesOf(bits, 0))
      product1 = v128.bitselect(imageOf(residual1, s1), product1, lanesOf(bits, 4))
    }
    finishImage(at, residual0, product0, degree, sums, sums + 64)
    finishImage(at + 16, residual1, product1, degree, sums + 32, sums + 96)
  }
}

/**
 * Takes one step of every active column in rows `from` … `to`-1. steps, betas, floors: f32 [8]. active: i32 [8], all
 * ones for a column that moves, 0 for one whose vectors stay as they are. largest: f32 [8], the largest |residual|
 * over these rows.
 */
export function advance(
  from: i32, to: i32, steps: usize, betas: usize, active: usize, floors: usize, largest: usize
): void {
  memory.fill(largest, 0, 32)
  for (let c: usize = 0; c < 32; c += 16) {
    const mask = v128.load(active + c)
    const beta = v128.load(betas + c)
    const step = v128.load(steps + c)
    const floor = v128.load(floors + c)
    let most = f32x4.splat(0)
    const end = (<usize>to << 5) + c
    for (let at = (<usize>from << 5) + c; at < end; at += 32) {
      const oldDirection = v128.load(directions + at)
      const oldImage = v128.load(images + at)
      const oldResidual = v128.load(residuals + at)
      const direction = v128.bitselect(
        floored(f32x4.add(oldResidual, f32x4.mul(beta, oldDirection)), floor), oldDirection, mask
      )
      const change = v128.bitselect(
        floored(f32x4.add(v128.load(products + at), f32x4.mul(beta, oldImage)), floor), oldImage, mask
      )
      const residual = floored(f32x4.sub(oldResidual, f32x4.mul(step, change)), floor)
      v128.store(directions + at, direction)
      v128.store(images + at, change)
      v128.store(corrections + at, f32x4.add(v128.load(corrections + at), f32x4.mul(step, direction)))
      v128.store(residuals + at, residual)
      most = f32x4.max(most, f32x4.abs(residual))
    }
    v128.store(largest + c, most)
  }
}

/**
 * scores += corrections / scale, then corrections = 0, in rows `from` … `to`-1. inverses: f64 [8], 1 / scale of each
 * column.
 */
export function absorb(from: i32, to: i32, inverses: usize): void {
  for (let c: usize = 0; c < 32; c += 16) {
    const inverseLow = v128.load(inverses + (c << 1))
    const inverseHigh = v128.load(inverses + (c << 1), 16)
    const end = (<usize>to << 5) + c
    for (let at = (<usize>from << 5) + c; at < end; at += 32) {
      const correction = v128.load(corrections + at)
      const score = scores + (at << 1)
      addTo(score, f64x2.mul(f64x2.promote_low_f32x4(correction), inverseLow))
      addTo(score + 16, f64x2.mul(high(correction), inverseHigh))
      v128.store(corrections + at, f32x4.splat(0))
    }
  }
}

/**
 * Finishes two columns of a row: returns the residual from the sum over the row's entries, and updates the excess and
 * the part's mass.
 */
@inline
function finishResidual(
  score: v128, sum: v128, share: v128, degree: v128, rounding: v128, source: v128, inPart: v128, excess: usize,
  masses: usize
): v128 {
  const residual = f64x2.sub(source, f64x2.sub(f64x2.mul(f64x2.splat(keep), score), f64x2.mul(share, sum)))
  v128.store(
    excess, f64x2.max(v128.load(excess), f64x2.sub(f64x2.abs(residual), f64x2.mul(rounding, f64x2.abs(score))))
  )
  addTo(masses, v128.and(f64x2.mul(degree, residual), inPart))
  return residual
}

@inline
function demoted(low: v128, up: v128, scales: usize, floor: v128): v128 {
  const scaledLow = v128.demote_zero<f64>(f64x2.mul(low, v128.load(scales)))
  const scaledUp = v128.demote_zero<f64>(f64x2.mul(up, v128.load(scales, 16)))
  return floored(v128.shuffle<i64>(scaledLow, scaledUp, 0, 2), floor)
}

/** Writes eight values of one node to eight columns that are `stride` bytes apart. */
@inline
function storeColumns(at: usize, stride: usize, v0: v128, v1: v128, v2: v128, v3: v128): void {
  v128.store64_lane(at, v0, 0)
  v128.store64_lane(at + stride, v0, 1)
  v128.store64_lane(at + 2 * stride, v1, 0)
  v128.store64_lane(at + 3 * stride, v1, 1)
  v128.store64_lane(at + 4 * stride, v2, 0)
  v128.store64_lane(at + 5 * stride, v2, 1)
  v128.store64_lane(at + 6 * stride, v3, 0)
  v128.store64_lane(at + 7 * stride, v3, 1)
}

/**
 * Recomputes residuals from the scores in float64 for rows `from` … `to`-1: r = source - K · scores. They are stored
 * in float32, times the column's scale, if the row is `reached` (with `reach` 1 or 3: see the top of the file); other
 * rows keep theirs. seeds, ownParts: i32 [8]. sources, scales: f64 [8]. floors: f32 [8]. sums: f64 [2, 8], over these
 * rows: the largest |r| - rounding · |score|, and the sum of d r over the nodes of the column's own part.
 *
 * The same pass writes what sweeps need, column after column: `ranked` has the scores, `earlier` the weight of a
 * node's edges to nodes of a higher score, or of the same score and a lower token.
 */
export function verify(
  from: i32, to: i32, reach: i32, rounding: f64, seeds: usize, ownParts: usize, sources: usize,
  scales: usize, floors: usize, sums: usize
): void {
  memory.fill(sums, 0, 128)
  const slack = f64x2.splat(rounding)
  const rows = reached + <usize>(reach - 1) * nodes
  const stride = nodes << 3
  for (let i = from; i < to; i++) {
    const bits = <i32>load<u8>(rows + i)
    const ranks = <usize>i << 3
    if (bits == 0) {
      if (reach < 3) continue
      const none = f64x2.splat(0)
      storeColumns(ranked + ranks, stride, none, none, none, none)
      storeColumns(earlier + ranks, stride, none, none, none, none)
      continue
    }
    let entry = <usize>load<i32>(starts + (<usize>i << 2))
    const end = <usize>load<i32>(ends + (<usize>i << 2))
    const row = <usize>i << 6
    const own = scores + row
    const token = load<i32>(tokens + (<usize>i << 2))
    const own0 = v128.load(own)
    const own1 = v128.load(own, 16)
    const own2 = v128.load(own, 32)
    const own3 = v128.load(own, 48)
    let s0 = f64x2.splat(0)
    let s1 = s0
    let s2 = s0
    let s3 = s0
    let e0 = s0
    let e1 = s0
    let e2 = s0
    let e3 = s0
    for (; entry < end; entry++) {
      const column = load<i32>(columns + (entry << 2))
      if (load<i32>(tokens + (<usize>column << 2)) > token) break
      const weight = v128.load64_splat(weights + (entry << 3))
      const z = scores + (<usize>column << 6)
      const z0 = v128.load(z)
      s0 = f64x2.add(s0, f64x2.mul(weight, z0))
      e0 = f64x2.add(e0, v128.and(weight, f64x2.ge(z0, own0)))
      const z1 = v128.load(z, 16)
      s1 = f64x2.add(s1, f64x2.mul(weight, z1))
      e1 = f64x2.add(e1, v128.and(weight, f64x2.ge(z1, own1)))
      const z2 = v128.load(z, 32)
      s2 = f64x2.add(s2, f64x2.mul(weight, z2))
      e2 = f64x2.add(e2, v128.and(weight, f64x2.ge(z2, own2)))
      const z3 = v128.load(z, 48)
      s3 = f64x2.add(s3, f64x2.mul(weight, z3))
      e3 = f64x2.add(e3, v128.and(weight, f64x2.ge(z3, own3)))
    }
    for (; entry < end; entry++) {
      const weight = v128.load64_splat(weights + (entry << 3))
      const z = scores + (<usize>load<u32>(columns + (entry << 2)) << 6)
      const z0 = v128.load(z)
      s0 = f64x2.add(s0, f64x2.mul(weight, z0))
      e0 = f64x2.add(e0, v128.and(weight, f64x2.gt(z0, own0)))
      const z1 = v128.load(z, 16)
      s1 = f64x2.add(s1, f64x2.mul(weight, z1))
      e1 = f64x2.add(e1, v128.and(weight, f64x2.gt(z1, own1)))
      const z2 = v128.load(z, 32)
      s2 = f64x2.add(s2, f64x2.mul(weight, z2))
      e2 = f64x2.add(e2, v128.and(weight, f64x2.gt(z2, own2)))
      const z3 = v128.load(z, 48)
      s3 = f64x2.add(s3, f64x2.mul(weight, z3))
      e3 = f64x2.add(e3, v128.and(weight, f64x2.gt(z3, own3)))
    }
    storeColumns(ranked + ranks, stride, own0, own1, own2, own3)
    storeColumns(earlier + ranks, stride, e0, e1, e2, e3)
    const d = load<f64>(degrees + ranks)
    const degree = f64x2.splat(d)
    const share = f64x2.splat(d > 0 ? spread / d : 0)
    const isSeed = i32x4.splat(i)
    const seed0 = i32x4.eq(isSeed, v128.load(seeds))
    const seed1 = i32x4.eq(isSeed, v128.load(seeds, 16))
    const part = i32x4.splat(load<i32>(parts + (<usize>i << 2)))
    const part0 = i32x4.eq(part, v128.load(ownParts))
    const part1 = i32x4.eq(part, v128.load(ownParts, 16))
    const r0 = finishResidual(
      own0, s0, share, degree, slack, v128.and(v128.load(sources), i64x2.extend_low_i32x4_s(seed0)),
      i64x2.extend_low_i32x4_s(part0), sums, sums + 64
    )
    const r1 = finishResidual(
      own1, s1, share, degree, slack, v128.and(v128.load(sources, 16), i64x2.extend_high_i32x4_s(seed0)),
      i64x2.extend_high_i32x4_s(part0), sums + 16, sums + 80
    )
    const r2 = finishResidual(
      own2, s2, share, degree, slack, v128.and(v128.load(sources, 32), i64x2.extend_low_i32x4_s(seed1)),
      i64x2.extend_low_i32x4_s(part1), sums + 32, sums + 96
    )
    const r3 = finishResidual(
      own3, s3, share, degree, slack, v128.and(v128.load(sources, 48), i64x2.extend_high_i32x4_s(seed1)),
      i64x2.extend_high_i32x4_s(part1), sums + 48, sums + 112
    )
    const at = residuals + (<usize>i << 5)
    v128.store(at, v128.bitselect(demoted(r0, r1, scales, v128.load(floors)), v128.load(at), lanesOf(bits, 0)))
    v128.store(
      at, v128.bitselect(demoted(r2, r3, scales + 32, v128.load(floors, 16)), v128.load(at, 16), lanesOf(bits, 4)), 16
    )
  }
}

/**
 * Adds a constant to each column: scores += shift, residuals -= drop, at the nodes with edges of the column's own
 * part in rows `from` … `to`-1. ownParts: i32 [8]. shifts: f64 [8]. drops, floors: f32 [8].
 */
export function shift(from: i32, to: i32, ownParts: usize, shifts: usize, drops: usize, floors: usize): void {
  for (let i = from; i < to; i++) {
    if (load<f64>(degrees + (<usize>i << 3)) == 0) continue
    const part = i32x4.splat(load<i32>(parts + (<usize>i << 2)))
    for (let c: usize = 0; c < 32; c += 16) {
      const inPart = i32x4.eq(part, v128.load(ownParts + c))
      const at = (<usize>i << 5) + c
      const score = scores + (at << 1)
      addTo(score, v128.and(v128.load(shifts + (c << 1)), i64x2.extend_low_i32x4_s(inPart)))
      addTo(score + 16, v128.and(v128.load(shifts + (c << 1), 16), i64x2.extend_high_i32x4_s(inPart)))
      v128.store(
        residuals + at,
        floored(f32x4.sub(v128.load(residuals + at), v128.and(v128.load(drops + c), inPart)), v128.load(floors + c))
      )
    }
  }
}
