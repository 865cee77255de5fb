import { describe, expect, it } from 'vitest'
import { permutation, philoxWords, scaleWord } from '../../main/base/philox'

const words = (seed: number, counter: readonly [number, number, number, number], count = 4): number[] => {
  const out = new Uint32Array(count)
  philoxWords(seed, ...counter, out)
  return [...out]
}

/** Philox4x32-10 in 64-bit integers, as the paper writes it. */
const reference = (seed: bigint, counter: readonly [number, number, number, number]): number[] => {
  const mask = 0xffffffffn
  let [c0, c1, c2, c3] = counter.map(BigInt)
  let [k0, k1] = [seed & mask, seed >> 32n]
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [c0 * 0xd2511f53n, c2 * 0xcd9e8d57n]
    ;[c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask]
    ;[k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask]
  }
  return [c0, c1, c2, c3].map(Number)
}

describe('Philox4x32-10', () => {
  it('gives the known answers', () => {
    expect(words(0, [0, 0, 0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
    expect(words(2 ** 53 - 1, [4000000000, 7, 3, 5 * 2 ** 24])).toEqual([
      0xd0e07479, 0xe38ad0dd, 0x792f97ef, 0x40af1fcd
    ])
    expect(words(20260119, [1, 2, 3, 2 ** 24 + 5])).toEqual([0xa713ab65, 0xe78758dc, 0x1e8c7d8e, 0xcebd4b68])
  })

  it('agrees with 64-bit integer arithmetic on many counters', () => {
    for (let i = 0; i < 500; i++) {
      const [a, b, c, d] = words(1, [i, 1, 0, 0])
      const seed = a * 2 ** 21 + (b >>> 11)
      expect(words(seed, [a, b, c, d])).toEqual(reference(BigInt(seed), [a, b, c, d]))
    }
  })

  it('continues over blocks and stops inside one', () => {
    const many = words(7, [10, 1, 2, 3], 10)
    expect(many).toEqual([
      ...words(7, [10, 1, 2, 3]),
      ...words(7, [11, 1, 2, 3]),
      ...words(7, [12, 1, 2, 3]).slice(0, 2)
    ])
  })
})

describe('a permutation', () => {
  it("equals the oracle's", () => {
    const stream = 2 * 2 ** 24
    expect([...permutation(1, 10, 0, stream)]).toEqual([8, 9, 6, 4, 2, 5, 1, 3, 0, 7])
    expect([...permutation(2 ** 40 + 7, 23, 3, stream)]).toEqual([
      13, 0, 16, 11, 5, 4, 22, 19, 12, 10, 9, 3, 1, 20, 17, 6, 21, 14, 18, 2, 7, 8, 15
    ])
    const long = permutation(5, 100_000, 2, stream)
    expect([...long.slice(0, 6), ...long.slice(-4)]).toEqual([
      30757, 3461, 23615, 55982, 3388, 32240, 21783, 6855, 86481, 53622
    ])
    expect(long.reduce((sum, item, i) => sum + item * i, 0)).toBe(250309114186184)
  })

  it('scales a word exactly up to 2³² items', () => {
    for (const [word, count] of [
      [2 ** 32 - 1, 2 ** 32],
      [2 ** 32 - 1, 2 ** 32 - 1],
      [123456789, 2 ** 32],
      [3000000000, 4000000000],
      [0, 5]
    ]) {
      expect(scaleWord(word, count)).toBe(Number((BigInt(word) * BigInt(count)) >> 32n))
    }
  })

  it('of nothing or of one item is itself', () => {
    expect([...permutation(1, 0, 0, 0)]).toEqual([])
    expect([...permutation(1, 1, 0, 0)]).toEqual([0])
  })
})
