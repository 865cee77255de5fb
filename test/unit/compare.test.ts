import { describe, expect, it } from 'vitest'
import { adjustedRand, correlation, overlapOf, sharedTokens } from '../../main/api/compare'
import { matchTokens } from '../../main/labels/carry'
import type { StudiedRows } from '../../main/labels/carry'

const study = (probe: readonly number[][], targets: readonly number[][]): StudiedRows => ({
  rows: probe.map((ids) => Int32Array.from(ids)),
  targets: targets.map((places) => Int32Array.from(places))
})

describe('tokens that two studies share', () => {
  it('are those of the same rows at the same positions, wherever the rows stand', () => {
    const left = study(
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9]
      ],
      [[1, 2], [1, 2], [2]]
    )
    const right = study(
      [
        [7, 8, 9],
        [0, 0, 0],
        [1, 2, 3]
      ],
      [[1, 2], [1, 2], [2]]
    )
    expect(sharedTokens(matchTokens(left, right))).toEqual({ left: Int32Array.of(1, 4), right: Int32Array.of(4, 1) })
  })

  it('match equal rows one to one, in order', () => {
    const left = study(
      [
        [1, 2],
        [1, 2],
        [1, 2]
      ],
      [[1], [1], [1]]
    )
    const right = study(
      [
        [1, 2],
        [3, 4],
        [1, 2]
      ],
      [[1], [1], [1]]
    )
    expect(sharedTokens(matchTokens(left, right))).toEqual({ left: Int32Array.of(0, 1), right: Int32Array.of(0, 2) })
  })

  it('tell apart rows whose ids only look alike byte by byte', () => {
    expect(sharedTokens(matchTokens(study([[256]], [[0]]), study([[1]], [[0]]))).left).toHaveLength(0)
  })
})

describe('the adjusted Rand index', () => {
  const of = (left: number[], right: number[]): number =>
    adjustedRand(overlapOf(Int32Array.from(left), Int32Array.from(right)))

  it('is 1 for the same partition under other names', () => {
    expect(of([0, 0, 1, 1, -1], [5, 5, -1, -1, 2])).toBe(1)
    expect(of([0, 0, 0], [1, 1, 1])).toBe(1)
  })

  it('is that of the literature', () => {
    // Contingency table [[1, 1, 0], [1, 2, 1], [0, 0, 4]]: (7 - 13·14/45) / (13.5 - 13·14/45).
    expect(of([0, 0, 1, 1, 1, 1, 2, 2, 2, 2], [0, 1, 0, 1, 1, 2, 2, 2, 2, 2])).toBeCloseTo(
      (7 - (13 * 14) / 45) / (13.5 - (13 * 14) / 45),
      12
    )
  })

  it('is below zero where partitions agree less than by chance', () => {
    expect(of([0, 0, 1, 1], [0, 1, 0, 1])).toBeLessThan(0)
  })
})

describe('correlation', () => {
  it('is that of Pearson, and NaN where a side does not vary', () => {
    expect(correlation(Float32Array.of(1, 2, 3), Float32Array.of(-2, -4, -6))).toBeCloseTo(-1, 12)
    expect(correlation(Float32Array.of(1, 2, 3, 4), Float32Array.of(2, 1, 4, 3))).toBeCloseTo(0.6, 12)
    expect(correlation(Float32Array.of(1, 2), Float32Array.of(3, 3))).toBeNaN()
  })
})
