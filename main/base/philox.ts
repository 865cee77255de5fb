/** Upper 32 bits of the 64-bit product of two unsigned words. */
const high = (a: number, b: number): number => {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  const middle = (Math.imul(aHigh, bLow) >>> 0) + (Math.imul(aLow, bLow) >>> 16)
  const carry = (Math.imul(aLow, bHigh) >>> 0) + (middle & 0xffff)
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) >>> 0
}

/**
 * Fills `out` with Philox4x32-10 words (Salmon et al. 2011; docs/method.md, section 4), four words per counter, for
 * the counters (block, step, chain, stream), (block + 1, step, chain, stream), … under the key (seed mod 2³², ⌊seed /
 * 2³²⌋). `seed` is an integer in [0, 2⁵³); counter words are in [0, 2³²).
 */
export const philoxWords = (
  seed: number,
  block: number,
  step: number,
  chain: number,
  stream: number,
  out: Uint32Array
): void => {
  const key0 = seed >>> 0
  const key1 = Math.floor(seed / 2 ** 32)
  for (let at = 0; at < out.length; at += 4, block++) {
    let [c0, c1, c2, c3, k0, k1] = [block, step, chain, stream, key0, key1]
    for (let round = 0; round < 10; round++) {
      const high0 = high(0xd2511f53, c0)
      const high1 = high(0xcd9e8d57, c2)
      const low0 = Math.imul(0xd2511f53, c0)
      const low1 = Math.imul(0xcd9e8d57, c2)
      c0 = high1 ^ c1 ^ k0
      c1 = low1
      c2 = high0 ^ c3 ^ k1
      c3 = low0
      k0 = (k0 + 0x9e3779b9) | 0
      k1 = (k1 + 0xbb67ae85) | 0
    }
    out[at] = c0
    if (at + 1 < out.length) out[at + 1] = c1
    if (at + 2 < out.length) out[at + 2] = c2
    if (at + 3 < out.length) out[at + 3] = c3
  }
}

/**
 * Scales a random word in [0, 2³²) to a choice among `count` items, with count in [0, 2³²]. Returns ⌊word · count /
 * 2³²⌋, exactly.
 */
export const scaleWord = (word: number, count: number): number => (count === 2 ** 32 ? word : high(word, count))

/**
 * Fisher-Yates permutation of 0 … n-1, for n up to 2³² (docs/method.md, section 4). With words w of the counters (0
 * …, epoch, 0, stream), swaps i with ⌊w_i (i + 1) / 2³²⌋ for i = n-1 … 1. `stream` is purpose · 2²⁴ + index.
 */
export const permutation = (seed: number, n: number, epoch: number, stream: number): Uint32Array => {
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[i] = i
  const words = new Uint32Array(4096)
  let first = Infinity
  for (let i = n - 1; i >= 1; i--) {
    if (i < first) {
      first = Math.floor(i / words.length) * words.length
      philoxWords(seed, first / 4, epoch, 0, stream, words)
    }
    const j = scaleWord(words[i - first], i + 1)
    const kept = order[i]
    order[i] = order[j]
    order[j] = kept
  }
  return order
}

/**
 * Draws whole numbers, each below the bound that it is asked with, in a sequence that `seed` and `stream` decide
 * (both as in `philoxWords`).
 */
export const seededIntegers = (seed: number, stream: number): ((below: number) => number) => {
  const words = new Uint32Array(256)
  let drawn = 0
  return (below) => {
    const at = drawn++ % words.length
    if (at === 0) philoxWords(seed, (drawn - 1) / 4, 0, 0, stream, words)
    return scaleWord(words[at], below)
  }
}
