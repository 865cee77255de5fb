/** Concatenates arrays into one of the same type, or into the array that `make` returns for the total length. */
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
