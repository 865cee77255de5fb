import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import type { Tensor } from './architecture'
import { openModelFile, readFully, type ModelFile } from './files'
import {
  broken,
  bytesPerElement,
  maximumHeaderBytes,
  parseHeader,
  truncated,
  type TensorEntry
} from './safetensors-header'

const blockBytes = 8 * 2 ** 20

const opened = (path: string): Promise<ModelFile> =>
  openModelFile(path, 'check the path of the weights and its permissions')

/**
 * Lists the tensors of a safetensors file from its header alone. Throws an `input` error if the file is truncated, is
 * a Git LFS pointer, or violates the format (`parseHeader`).
 */
export const readHeader = async (path: string): Promise<TensorEntry[]> => {
  const { handle: file, size } = await opened(path)
  try {
    if (size < 8) throw broken(path, `the file is truncated: it has ${size} bytes, less than a header's length`)
    const length = Buffer.alloc(8)
    await readFully(file, path, length, 0)
    const headerBytes = Number(length.readBigUInt64LE())
    if (headerBytes > maximumHeaderBytes)
      throw broken(path, `this is not a safetensors file: its header would take ${headerBytes} bytes`)
    if (8 + headerBytes > size) throw truncated(path, 8 + headerBytes, size)
    const header = Buffer.alloc(headerBytes)
    await readFully(file, path, header, 8)
    return parseHeader(path, header, size)
  } finally {
    await file.close()
  }
}

const half = new Float32Array(65536)
for (let bits = 0; bits < 65536; bits++) {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent < 31
        ? (1 + fraction / 1024) * 2 ** (exponent - 15)
        : fraction === 0
          ? Infinity
          : NaN
  half[bits] = bits >> 15 === 1 ? -magnitude : magnitude
}

/** Converters from little-endian bytes of one type to float32. `source` holds `target.length` elements. */
const converters: Readonly<Record<string, (source: Uint8Array, target: Float32Array) => void>> = {
  F16: (source, target) => {
    for (let i = 0; i < target.length; i++) target[i] = half[source[2 * i] | (source[2 * i + 1] << 8)]
  },
  BF16: (source, target) => {
    const bits = new Int32Array(target.buffer, target.byteOffset, target.length)
    for (let i = 0; i < bits.length; i++) bits[i] = (source[2 * i] << 16) | (source[2 * i + 1] << 24)
  },
  F64: (source, target) => {
    const view = new DataView(source.buffer, source.byteOffset)
    for (let i = 0; i < target.length; i++) target[i] = view.getFloat64(8 * i, true)
  }
}

/** Reads the elements of bytes [start, end), which are of one type, in order. */
const readElements = async (
  file: FileHandle,
  path: string,
  { name, dtype, start, end }: TensorEntry,
  data: Float32Array
): Promise<void> => {
  if (dtype === 'F32') return readFully(file, path, new Uint8Array(data.buffer), start)
  const convert = converters[dtype]
  if (convert === undefined) {
    const fault = `"${briefly(name)}" is of type ${dtype}; weights are read as F32, F16, BF16 or F64`
    throw new SpectroscopeError('input', `${path}: ${fault}, so convert the file to one of them.`)
  }
  const width = bytesPerElement(dtype)
  const block = new Uint8Array(Math.min(blockBytes, end - start))
  for (let at = start; at < end; at += block.length) {
    const bytes = block.subarray(0, Math.min(block.length, end - at))
    await readFully(file, path, bytes, at)
    const first = (at - start) / width
    convert(bytes, data.subarray(first, first + bytes.length / width))
  }
}

/** Puts elements that lie `strides` apart in `source` one after another, row by row. */
const gather = (
  source: Float32Array,
  shape: readonly number[],
  strides: readonly number[],
  target: Float32Array
): void => {
  const index = shape.map(() => 0)
  for (let i = 0, at = 0; i < target.length; i++) {
    target[i] = source[at]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]
      if (++index[axis] < shape[axis]) break
      at -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
}

const readTensor = async (file: FileHandle, path: string, entry: TensorEntry): Promise<Tensor> => {
  const { name, dtype, shape, strides, start, end } = entry
  const data = new Float32Array(new SharedArrayBuffer(4 * shape.reduce((product, n) => product * n, 1)))
  if (strides === undefined) await readElements(file, path, entry, data)
  else {
    const extent = new Float32Array((end - start) / bytesPerElement(dtype))
    await readElements(file, path, entry, extent)
    gather(extent, shape, strides, data)
  }
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue
    const fault = `"${briefly(name)}" holds ${data[i]} at element ${i}; the weights must be finite`
    throw new SpectroscopeError('input', `${path}: ${fault}, so use another checkpoint.`)
  }
  return { shape, data }
}

/**
 * Reads tensors of a weights file as float32, each into memory that threads can share, by positioned reads. F16, BF16
 * and F64 are converted block by block. Throws an `input` error that names the tensor if it has another type or a
 * weight that is not finite.
 */
export const readTensors = async (path: string, entries: readonly TensorEntry[]): Promise<Map<string, Tensor>> => {
  const { handle: file } = await opened(path)
  try {
    const tensors = new Map<string, Tensor>()
    for (const entry of entries) tensors.set(entry.name, await readTensor(file, path, entry))
    return tensors
  } finally {
    await file.close()
  }
}

/** Hashes a file's bytes, holding one block at a time. */
export const hashFile = async (path: string, hash: Hash): Promise<void> => {
  for await (const block of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(block as Buffer)
}
