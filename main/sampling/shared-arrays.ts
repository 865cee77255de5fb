/** Arrays of zeros that all threads share. */
export const float32 = (length: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * length))
export const float64 = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length))

export const sharedCopy = (values: Float32Array): Float32Array => {
  const copy = float32(values.length)
  copy.set(values)
  return copy
}
