import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'

const packages = createRequire(import.meta.url)

/** Shared memory that each view shows. It must outlive the view. */
const shown = new WeakMap<ArrayBuffer, ArrayBufferLike>()

const viewOf = ({ buffer, byteLength }: Float32Array, address: bigint, koffi: typeof Koffi): Float32Array => {
  const view = koffi.view(address, byteLength)
  shown.set(view, buffer)
  return new Float32Array(view)
}

/**
 * An array that onnxruntime reads, which takes no SharedArrayBuffer: a shared array's own memory, seen as memory that
 * is not shared, or a copy where a runtime forbids that. All threads then hold the weights once. The caller changes
 * neither array.
 */
export const withoutSharing = (data: Float32Array): Float32Array => {
  if (!(data.buffer instanceof SharedArrayBuffer)) return data
  if (data.length === 0) return data.slice()
  try {
    const koffi = packages('koffi') as typeof Koffi
    return viewOf(data, koffi.address(data), koffi)
  } catch {
    return data.slice()
  }
}
