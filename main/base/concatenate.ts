/** All arrays one after another, in an array of their kind, or in the one that `make` gives for the length of all. */
export const concatenate = <T extends Int32Array | Float32Array>(
  arrays: readonly T[],
  make = (length: number): T =>
    (arrays[0] instanceof Float32Array ? new Float32Array(length) : new Int32Array(length)) as T
): T => {
  const all = make(arrays.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}
