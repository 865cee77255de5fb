import { describe, expect, it } from 'vitest'
import { correlationOverRows, drawVariance, reliabilityInterval } from '../../main/sampling/reliability'
import { CentredHalves, reliability } from '../../main/sampling/susceptibility'
import { uniforms } from '../tiny-model'

const normalsFrom = (seed: number): (() => number) => {
  const uniform = uniforms(seed)
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
}

const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0) / values.length

const pearson = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const [x, y] = [a, b].map((values) => Array.from(values, (value) => value - mean(values)))
  const dot = (left: readonly number[], right: readonly number[]): number =>
    left.reduce((sum, value, i) => sum + value * right[i], 0)
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y))
}

const evenRows = (rows: number, length: number): Int32Array =>
  Int32Array.from({ length: rows + 1 }, (_, i) => i * length)

/** Two columns that agree as asked for. */
const pair = (seed: number, tokens: number, agreement: number): [Float64Array, Float64Array] => {
  const normal = normalsFrom(seed)
  const signal = Float64Array.from({ length: tokens }, normal)
  const of = (): Float64Array =>
    signal.map((value) => Math.sqrt(agreement) * value + Math.sqrt(1 - agreement) * normal())
  return [of(), of()]
}

describe('the correlation over rows', () => {
  it('is the plain correlation, whatever the rows', () => {
    const [a, b] = pair(1, 240, 0.6)
    const rows = [
      evenRows(24, 10),
      evenRows(3, 80),
      evenRows(240, 1),
      evenRows(1, 240),
      Int32Array.of(0, 1, 1, 1, 7, 7, 200, 201, 240, 240)
    ]
    for (const starts of rows) expect(correlationOverRows(a, b, starts).r).toBeCloseTo(pearson(a, b), 12)
    const shifted = b.map((value) => 1e6 - 1e-3 * value)
    expect(correlationOverRows(a, shifted, rows[0]).r).toBeCloseTo(-pearson(a, b), 6)
    expect(correlationOverRows(Float32Array.from(a), b, rows[0]).r).toBeCloseTo(pearson(Float32Array.from(a), b), 12)
  })

  it('is 0 for a constant, and 1 of a column with itself', () => {
    const [a] = pair(2, 60, 0.5)
    expect(correlationOverRows(a, new Float64Array(60).fill(3), evenRows(6, 10))).toMatchObject({ r: 0 })
    const { r, variance } = correlationOverRows(a, a, evenRows(6, 10))
    expect(r).toBeCloseTo(1, 12)
    expect(variance).toBeLessThan(1e-6)
  })

  it("varies, in Fisher's z, as the jackknife says: 1/(n - 3) for n tokens that are independent", () => {
    const tokens = 400
    const found = Array.from({ length: 200 }, (_, seed) =>
      correlationOverRows(...pair(seed + 10, tokens, 0.5), evenRows(100, 4))
    )
    const z = found.map(({ r }) => Math.atanh(r))
    const spread = mean(z.map((value) => (value - mean(z)) ** 2))
    const claimed = mean(found.map(({ variance }) => variance))
    expect(claimed * (tokens - 3)).toBeGreaterThan(0.85)
    expect(claimed * (tokens - 3)).toBeLessThan(1.25)
    expect(claimed / spread).toBeGreaterThan(0.7)
    expect(claimed / spread).toBeLessThan(1.45)
  })

  it('knows that tokens of a row depend on one another', () => {
    const [rows, length] = [50, 8]
    const repeated = (column: Float64Array): Float64Array =>
      Float64Array.from({ length: rows * length }, (_, i) => column[Math.floor(i / length)])
    const found = Array.from({ length: 100 }, (_, seed) => {
      const [a, b] = pair(seed + 500, rows, 0.5).map(repeated)
      return {
        known: correlationOverRows(a, b, evenRows(rows, length)).variance,
        ignored: correlationOverRows(a, b, evenRows(rows * length, 1)).variance
      }
    })
    const expected = 1 / (rows - 3)
    expect(mean(found.map(({ known }) => known)) / expected).toBeGreaterThan(0.8)
    expect(mean(found.map(({ known }) => known)) / expected).toBeLessThan(1.5)
  })

  it('says nothing sure of a single row', () => {
    const [a, b] = pair(3, 40, 0.9)
    const single = evenRows(1, 40)
    expect(correlationOverRows(a, b, single).variance).toBe(Infinity)
    const { reliability: value, low, high } = reliabilityInterval([a, b], single, 0)
    expect(value).toBeGreaterThan(0.8)
    expect([low, high]).toEqual([-1, 1])
  })
})

describe('the reliability of halves', () => {
  it.each([0.05, 0.3, 0.7, 0.95])('is 2r/(1+r), as everywhere: r about %f', (agreement) => {
    const halves = pair(4, 300, agreement)
    const r = pearson(...halves)
    const { reliability: value, low, high } = reliabilityInterval(halves, evenRows(30, 10), 0.01)
    expect(value).toBeCloseTo((2 * r) / (1 + r), 12)
    expect(value).toBeCloseTo(reliability(...halves), 12)
    expect(low).toBeLessThan(value)
    expect(high).toBeGreaterThan(value)
  })

  it('is r where that is negative, and its bounds are in order', () => {
    const [a, b] = pair(5, 300, 0.6)
    const opposite = b.map((value) => -value)
    const { reliability: value, low, high } = reliabilityInterval([a, opposite], evenRows(30, 10), 0.02)
    expect(value).toBeCloseTo(-pearson(a, b), 12)
    expect(low).toBeLessThan(value)
    expect(high).toBeGreaterThan(value)
    expect(low).toBeGreaterThanOrEqual(-1)
  })

  it('has wider bounds where rows or draws vary more', () => {
    const halves = pair(6, 300, 0.6)
    const widthOf = (starts: Int32Array, ofDraws: number): number => {
      const { low, high } = reliabilityInterval(halves, starts, ofDraws)
      return high - low
    }
    expect(widthOf(evenRows(30, 10), 0.1)).toBeGreaterThan(widthOf(evenRows(30, 10), 0))
    expect(widthOf(evenRows(30, 10), 0)).toBeGreaterThan(0)
  })

  it('varies with draws by how the three splits differ', () => {
    expect(drawVariance([0.5, 0.5, 0.5])).toBe(0)
    const z = [0.2, 0.5, 0.7].map(Math.atanh)
    expect(drawVariance([0.7, 0.2, 0.5])).toBeCloseTo(
      (2 * ((z[0] - mean(z)) ** 2 + (z[1] - mean(z)) ** 2 + (z[2] - mean(z)) ** 2)) / 2,
      12
    )
    expect(Number.isFinite(drawVariance([1, -1, 0]))).toBe(true)
  })

  it('is that of columns as clustering sees them once they are centred', () => {
    const halvesOf = (): [Float32Array, Float32Array][] =>
      [7, 8, 9].map((seed) => {
        const [a, b] = pair(seed, 200, 0.4)
        const [mode] = pair(99, 200, 1)
        return [
          Float32Array.from(a, (value, i) => value + 5 * mode[i]),
          Float32Array.from(b, (value, i) => value + 5 * mode[i])
        ]
      })
    const centring = new CentredHalves(200, 3)
    for (const halves of halvesOf()) centring.add(halves)
    const centred = halvesOf().map((halves) => centring.centred(halves))
    const expected = centred.map((halves) => reliability(...halves))
    centred.forEach((halves, at) =>
      expect(reliabilityInterval(halves, evenRows(20, 10), 0).reliability).toBeCloseTo(expected[at], 6)
    )
    for (let token = 0; token < 200; token++)
      expect(Math.abs(centred.reduce((sum, [first]) => sum + first[token], 0))).toBeLessThan(1e-5)
  })
})

describe('the bounds of a reliability', () => {
  const [rows, length] = [40, 8]
  const tokens = rows * length
  const starts = evenRows(rows, length)
  const splitsOf = (block: (at: number, token: number) => number): (readonly [Float64Array, Float64Array])[] => {
    const half = (a: number, b: number): Float64Array =>
      Float64Array.from({ length: tokens }, (_, token) => (block(a, token) + block(b, token)) / 2)
    return [
      [half(0, 2), half(1, 3)],
      [half(0, 1), half(2, 3)],
      [half(0, 3), half(1, 2)]
    ]
  }
  const intervalOf = (splits: readonly (readonly [Float64Array, Float64Array])[]) =>
    reliabilityInterval(splits[0], starts, drawVariance(splits.map(([a, b]) => correlationOverRows(a, b, starts).r)))

  /** Tokens of a row have a part of their signal in common. */
  const signalOf = (normal: () => number): Float64Array => {
    const ofRows = Array.from({ length: rows }, normal)
    return Float64Array.from(
      { length: tokens },
      (_, token) => Math.sqrt(0.3) * ofRows[Math.floor(token / length)] + Math.sqrt(0.7) * normal()
    )
  }

  /** Adds noise that lies in a few directions over tokens, as that of a mean gradient does. */
  const addNoise = (
    block: Float64Array,
    patterns: readonly Float64Array[],
    variance: number,
    normal: () => number
  ): void => {
    for (const pattern of patterns) {
      const factor = Math.sqrt(variance / patterns.length) * normal()
      for (let token = 0; token < tokens; token++) block[token] += factor * pattern[token]
    }
  }
  const patternsOf = (count: number, normal: () => number): Float64Array[] =>
    Array.from({ length: count }, () => Float64Array.from({ length: tokens }, normal))

  it.each([
    [0, 12],
    [0.3, 12],
    [0.6, 4],
    [0.6, 12],
    [0.9, 12],
    [0.9, 60]
  ])('hold it as often as they claim, and not always: %f, noise in %i directions', (truth, directions) => {
    const seeds = 200
    let [above, within] = [0, 0]
    for (let seed = 0; seed < seeds; seed++) {
      const normal = normalsFrom(31 * seed + directions + Math.round(100 * truth))
      // Four blocks' mean has a quarter of a block's noise; a column without signal has noise alone.
      const variance = truth === 0 ? 1 : 4 * (1 / truth - 1)
      const signal = truth === 0 ? new Float64Array(tokens) : signalOf(normal)
      const patterns = patternsOf(directions, normal)
      const blocks = Array.from({ length: 4 }, () => signal.slice())
      for (const block of blocks) addNoise(block, patterns, variance, normal)
      const { low, high } = intervalOf(splitsOf((at, token) => blocks[at][token]))
      if (low <= truth) above++
      if (low <= truth && truth <= high) within++
    }
    expect(above / seeds).toBeGreaterThanOrEqual(0.8)
    expect(above / seeds).toBeLessThanOrEqual(0.99)
    expect(within / seeds).toBeGreaterThanOrEqual(0.7)
  })

  it('still do where a run looks at them after every round, and stops at the first that will do', () => {
    const [target, seeds] = [0.8, 60]
    let [early, stopped] = [0, 0]
    for (let seed = 0; seed < seeds; seed++) {
      const normal = normalsFrom(1000 + 31 * seed)
      const signal = signalOf(normal)
      const patterns = patternsOf(10, normal)
      const noise = Array.from({ length: 4 }, () => new Float64Array(tokens))
      for (let round = 1; round <= 16; round++) {
        for (const block of noise) addNoise(block, patterns, 10, normal)
        if (intervalOf(splitsOf((at, token) => signal[token] + noise[at][token] / round)).low < target) continue
        stopped++
        if (1 / (1 + 10 / 4 / round) < target) early++
        break
      }
    }
    expect(stopped / seeds).toBeGreaterThan(0.3)
    expect(early / seeds).toBeLessThanOrEqual(0.2)
  })
})
