/** All arrays one after another. */
export const concatenate = <T extends Int32Array | Float32Array>(arrays: readonly T[]): T => {
  const length = arrays.reduce((sum, array) => sum + array.length, 0)
  const all = (arrays[0] instanceof Float32Array ? new Float32Array(length) : new Int32Array(length)) as T
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}
