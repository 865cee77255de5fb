// Philox normals, the pSGLD update and Gaussian draws for one block of a component's weights (docs/method.md,
// sections 2 and 4). The caller copies a block into memory, calls, and copies the result back. Normals are float64;
// weights, squares and updates are float32.

export const capacity: i32 = 8192

export const weights: usize = memory.data(4 * 8192, 16)
export const centre: usize = memory.data(4 * 8192, 16)
export const squares: usize = memory.data(4 * 8192, 16)
export const gradient: usize = memory.data(4 * 8192, 16)
/** Normals of the block, float64. */
export const noise: usize = memory.data(8 * 8192, 16)

/**
 * Box-Muller for lanes 0 and 1 of the words `a` (radius) and `b` (angle). Stores r cos θ and r sin θ of lane 0 as
 * float64 at `first`, those of lane 1 at `second`. The absolute error is about 1e-15.
 */
// @ts-ignore: decorator
@inline
function boxMuller(a: v128, b: v128, first: usize, second: usize): void {
  // ln((a + 1) / 2³²): a + 1 is exact in float64, its mantissa is scaled to [√½, √2), then fdlibm's polynomial
  // applies.
  const word = f64x2.sub(v128.or(i64x2.extend_low_i32x4_u(a), i64x2.splat(0x4330000000000000)), f64x2.splat(4503599627370495.0))
  const shifted = i64x2.add(word, i64x2.splat(0x3ff0000000000000 - 0x3fe6a09e00000000))
  const exponent = f64x2.sub(v128.or(i64x2.shr_u(shifted, 52), i64x2.splat(0x4330000000000000)), f64x2.splat(4503599627370496.0 + 1023.0 + 32.0))
  const mantissa = i64x2.add(v128.and(shifted, i64x2.splat(0x000fffffffffffff)), i64x2.splat(0x3fe6a09e00000000))
  const f = f64x2.sub(mantissa, f64x2.splat(1))
  const half = f64x2.mul(f64x2.splat(0.5), f64x2.mul(f, f))
  const s = f64x2.div(f, f64x2.add(f64x2.splat(2), f))
  const s2 = f64x2.mul(s, s)
  const s4 = f64x2.mul(s2, s2)
  let even = f64x2.add(f64x2.splat(2.222219843214978396e-01), f64x2.mul(s4, f64x2.splat(1.531383769920937332e-01)))
  even = f64x2.mul(s4, f64x2.add(f64x2.splat(3.999999999940941908e-01), f64x2.mul(s4, even)))
  let odd = f64x2.add(f64x2.splat(1.818357216161805012e-01), f64x2.mul(s4, f64x2.splat(1.479819860511658591e-01)))
  odd = f64x2.add(f64x2.splat(2.857142874366239149e-01), f64x2.mul(s4, odd))
  odd = f64x2.mul(s2, f64x2.add(f64x2.splat(6.666666666666735130e-01), f64x2.mul(s4, odd)))
  let logarithm = f64x2.mul(s, f64x2.add(half, f64x2.add(even, odd)))
  logarithm = f64x2.add(logarithm, f64x2.mul(exponent, f64x2.splat(1.90821492927058770002e-10)))
  logarithm = f64x2.add(f64x2.sub(logarithm, half), f)
  logarithm = f64x2.add(logarithm, f64x2.mul(exponent, f64x2.splat(6.93147180369123816490e-01)))
  const r = f64x2.sqrt(f64x2.mul(f64x2.splat(-2), logarithm))

  // The angle is a multiple of 2π/2³², so its quadrant and the rest in [-π/4, π/4] are exact.
  const quadrant = i32x4.shr_u(i32x4.add(b, i32x4.splat(0x20000000)), 30)
  const rest = f64x2.mul(f64x2.convert_low_i32x4_s(i32x4.sub(b, i32x4.shl(quadrant, 30))), f64x2.splat(1.4629180792671596e-9))
  const z = f64x2.mul(rest, rest)
  let sine = f64x2.add(f64x2.splat(-2.50507602534068634195e-08), f64x2.mul(z, f64x2.splat(1.58969099521155010221e-10)))
  sine = f64x2.add(f64x2.splat(2.75573137070700676789e-06), f64x2.mul(z, sine))
  sine = f64x2.add(f64x2.splat(-1.98412698298579493134e-04), f64x2.mul(z, sine))
  sine = f64x2.add(f64x2.splat(8.33333333332248946124e-03), f64x2.mul(z, sine))
  sine = f64x2.add(f64x2.splat(-1.66666666666666324348e-01), f64x2.mul(z, sine))
  sine = f64x2.add(rest, f64x2.mul(f64x2.mul(rest, z), sine))
  let cosine = f64x2.add(f64x2.splat(2.08757232129817482790e-09), f64x2.mul(z, f64x2.splat(-1.13596475577881948265e-11)))
  cosine = f64x2.add(f64x2.splat(-2.75573143513906633035e-07), f64x2.mul(z, cosine))
  cosine = f64x2.add(f64x2.splat(2.48015872894767294178e-05), f64x2.mul(z, cosine))
  cosine = f64x2.add(f64x2.splat(-1.38888888888741095749e-03), f64x2.mul(z, cosine))
  cosine = f64x2.add(f64x2.splat(4.16666666666666019037e-02), f64x2.mul(z, cosine))
  cosine = f64x2.add(f64x2.sub(f64x2.splat(1), f64x2.mul(f64x2.splat(0.5), z)), f64x2.mul(f64x2.mul(z, z), cosine))
  const turn = i64x2.extend_low_i32x4_u(quadrant)
  const odds = i64x2.sub(i64x2.splat(0), v128.and(turn, i64x2.splat(1)))
  const cosineSign = i64x2.shl(v128.and(i64x2.add(turn, i64x2.splat(1)), i64x2.splat(2)), 62)
  const sineSign = i64x2.shl(v128.and(turn, i64x2.splat(2)), 62)
  const x = f64x2.mul(r, v128.xor(v128.bitselect(sine, cosine, odds), cosineSign))
  const y = f64x2.mul(r, v128.xor(v128.bitselect(cosine, sine, odds), sineSign))
  v128.store(first, v128.shuffle<u64>(x, y, 0, 2))
  v128.store(second, v128.shuffle<u64>(x, y, 1, 3))
}

/** Fills `noise` with `count` normals from the Philox blocks `firstBlock` … of counter (·, step, chain, stream). */
export function normals(count: i32, firstBlock: u32, step: u32, chain: u32, stream: u32, key0: u32, key1: u32): void {
  const blocks = (count + 3) >> 2
  const m0 = i32x4.splat(0xd2511f53)
  const m1 = i32x4.splat(0xcd9e8d57)
  for (let i = 0; i < blocks; i += 4) {
    let c0 = i32x4.add(i32x4.splat(firstBlock + i), i32x4(0, 1, 2, 3))
    let c1 = i32x4.splat(step)
    let c2 = i32x4.splat(chain)
    let c3 = i32x4.splat(stream)
    let k0 = key0
    let k1 = key1
    for (let round = 0; round < 10; round++) {
      const low0 = i64x2.extmul_low_i32x4_u(c0, m0)
      const high0 = i64x2.extmul_high_i32x4_u(c0, m0)
      const low1 = i64x2.extmul_low_i32x4_u(c2, m1)
      const high1 = i64x2.extmul_high_i32x4_u(c2, m1)
      c0 = v128.xor(v128.xor(v128.shuffle<u32>(low1, high1, 1, 3, 5, 7), c1), i32x4.splat(k0))
      c2 = v128.xor(v128.xor(v128.shuffle<u32>(low0, high0, 1, 3, 5, 7), c3), i32x4.splat(k1))
      c1 = v128.shuffle<u32>(low1, high1, 0, 2, 4, 6)
      c3 = v128.shuffle<u32>(low0, high0, 0, 2, 4, 6)
      k0 += 0x9e3779b9
      k1 += 0xbb67ae85
    }
    const to = noise + (<usize>i << 5)
    boxMuller(c0, c1, to, to + 32)
    boxMuller(c2, c3, to + 16, to + 48)
    boxMuller(v128.shuffle<u64>(c0, c0, 1, 1), v128.shuffle<u64>(c1, c1, 1, 1), to + 64, to + 96)
    boxMuller(v128.shuffle<u64>(c2, c2, 1, 1), v128.shuffle<u64>(c3, c3, 1, 1), to + 80, to + 112)
  }
}

// @ts-ignore: decorator
@inline
function noiseOf(i: i32): v128 {
  const at = noise + (<usize>i << 3)
  return v128.shuffle<u32>(f32x4.demote_f64x2_zero(v128.load(at)), f32x4.demote_f64x2_zero(v128.load(at, 16)), 0, 1, 4, 5)
}

/**
 * One pSGLD step of the block, from the gradient of a loss summed over `targets`. Returns whether all new weights and
 * squares are finite.
 */
export function update(count: i32, targets: f32, decay: f32, rest: f32, epsilon: f32, nBeta: f32, gamma: f32, stepSize: f32): bool {
  let check = f32x4.splat(0)
  for (let i = 0; i < count; i += 4) {
    const at = <usize>i << 2
    const u = v128.load(weights + at)
    const g = f32x4.div(v128.load(gradient + at), f32x4.splat(targets))
    const square = f32x4.add(f32x4.mul(f32x4.splat(decay), v128.load(squares + at)), f32x4.mul(f32x4.splat(rest), f32x4.mul(g, g)))
    const rate = f32x4.div(f32x4.splat(stepSize), f32x4.add(f32x4.sqrt(square), f32x4.splat(epsilon)))
    const drift = f32x4.add(f32x4.mul(f32x4.splat(nBeta), g), f32x4.mul(f32x4.splat(gamma), f32x4.sub(u, v128.load(centre + at))))
    const move = f32x4.sub(f32x4.mul(f32x4.sqrt(rate), noiseOf(i)), f32x4.mul(f32x4.mul(f32x4.splat(0.5), rate), drift))
    const next = f32x4.add(u, move)
    v128.store(squares + at, square)
    v128.store(weights + at, next)
    check = f32x4.add(check, f32x4.mul(f32x4.add(next, square), f32x4.splat(0)))
  }
  return f32x4.extract_lane(check, 0) + f32x4.extract_lane(check, 1) + f32x4.extract_lane(check, 2) + f32x4.extract_lane(check, 3) == 0
}

/** weights = centre + scale · noise. */
export function gaussian(count: i32, scale: f32): void {
  for (let i = 0; i < count; i += 4) {
    const at = <usize>i << 2
    v128.store(weights + at, f32x4.add(v128.load(centre + at), f32x4.mul(f32x4.splat(scale), noiseOf(i))))
  }
}
