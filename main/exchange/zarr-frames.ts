import type { Compression } from './zarr-metadata'

/** Length of a zstd frame's content by its header; undefined where the header does not say it or is no header. */
const zstdLength = (bytes: Uint8Array): number | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) return undefined
  const descriptor = bytes[4]
  const isWhole = (descriptor & 0x20) !== 0
  const [flag, dictionary] = [descriptor >> 6, [0, 1, 2, 4][descriptor & 3]]
  const width = flag === 0 ? (isWhole ? 1 : 0) : 1 << flag
  const at = 5 + (isWhole ? 0 : 1) + dictionary
  if (width === 0 || bytes.length < at + width) return undefined
  if (width === 1) return bytes[at]
  if (width === 2) return view.getUint16(at, true) + 256
  return width === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true))
}

/** Length of a blosc buffer's content by its header, which must also give the buffer's own length. */
const bloscLength = (bytes: Uint8Array): number | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 16 || view.getUint32(12, true) !== bytes.length) return undefined
  return view.getUint32(4, true)
}

/**
 * Length in bytes that a chunk says it has before compression, read before anything is allocated for it; undefined if
 * it does not say so.
 */
export const contentLength = (bytes: Uint8Array, compression: Compression): number | undefined =>
  compression === 'none' ? bytes.length : compression === 'zstd' ? zstdLength(bytes) : bloscLength(bytes)
