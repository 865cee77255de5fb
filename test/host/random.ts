/** Numbers in [0, 1) from integers, always the same: mixes them into one (the finaliser of MurmurHash3). */
export const hash = (...parts: readonly number[]): number => {
  let mixed = 0x9e3779b9
  for (const part of parts) {
    mixed = Math.imul(mixed ^ part, 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    mixed ^= mixed >>> 16
  }
  return (mixed >>> 0) / 2 ** 32
}

export const normal = (...parts: readonly number[]): number =>
  Math.sqrt(-2 * Math.log(1 - hash(...parts, 1))) * Math.cos(2 * Math.PI * hash(...parts, 2))

/** Index of the first of the ascending sums that is above `value`. */
export const pick = (sums: Float64Array, value: number): number => {
  let [low, high] = [0, sums.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sums[middle] > value) high = middle
    else low = middle + 1
  }
  return low
}

export const sumsOf = (weights: readonly number[]): Float64Array => {
  const sums = new Float64Array(weights.length)
  weights.reduce((sum, weight, index) => (sums[index] = sum + weight), 0)
  return sums.map((sum) => sum / sums[sums.length - 1])
}
