import type { Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'
import type { Tensor } from './architecture'

export interface TensorEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** Bytes of the file, [start, end). */
  readonly start: number
  readonly end: number
}

const dtypeBytes: Readonly<Record<string, number>> = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, U16: 2, I16: 2, F16: 2, BF16: 2, U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8
}

const maximumHeaderBytes = 100 * 2 ** 20
const blockBytes = 8 * 2 ** 20

const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)])
})

const remedy = 'download it again (`spectroscope fetch-model` checks sizes and hashes)'
const broken = (path: string, what: string): SpectroscopeError => new SpectroscopeError('input', `${path}: ${what}; ${remedy}.`)

const truncated = (path: string, needed: number, size: number): SpectroscopeError =>
  broken(path, `the file is cut off: its header speaks of ${needed} bytes and it has ${size}`)

const opened = async (path: string): Promise<FileHandle> => {
  try {
    return await open(path)
  } catch (error) {
    throw new SpectroscopeError('input', `${path}: the weight file cannot be read (${faultCode(error)}); check its path and permissions.`, { cause: error })
  }
}

/** Fills `target` from the file, from byte `position` on; a file that ends before is an error that says so. */
const readFully = async (file: FileHandle, path: string, target: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await file.read(target, done, Math.min(target.length - done, blockBytes), position + done)
    if (bytesRead === 0) throw truncated(path, position + target.length, position + done)
    done += bytesRead
  }
}

const parseHeader = (path: string, text: string, dataStart: number, size: number): TensorEntry[] => {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new SpectroscopeError('input', `${path}: the header is not valid JSON, so this is no safetensors file or it is damaged; ${remedy}.`, { cause: error })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw broken(path, 'the header is not a JSON object')
  const entries = Object.entries(parsed).filter(([name]) => name !== '__metadata__').map(([name, value]) => {
    const checked = tensorSchema.safeParse(value)
    if (!checked.success) throw broken(path, `the header's entry "${name}" lacks a valid dtype, shape or data_offsets`)
    const { dtype, shape, data_offsets: [start, end] } = checked.data
    const expected = shape.reduce((product, n) => product * n, dtypeBytes[dtype] ?? NaN)
    if (end < start || (!Number.isNaN(expected) && end - start !== expected)) {
      throw broken(path, `"${name}" of type ${dtype} and shape [${shape.join(', ')}] takes ${expected} bytes, and its data_offsets give ${end - start}`)
    }
    return { name, dtype, shape, start: dataStart + start, end: dataStart + end }
  })
  const placed = [...entries].sort((a, b) => a.start - b.start || a.end - b.end)
  const last = placed.reduce((end, entry) => Math.max(end, entry.end), dataStart)
  if (last > size) throw truncated(path, last, size)
  for (let i = 1; i < placed.length; i++) {
    if (placed[i].start < placed[i - 1].end) throw broken(path, `the tensors "${placed[i - 1].name}" and "${placed[i].name}" overlap`)
  }
  return entries
}

/**
 * The tensors that a safetensors file holds, from its header alone. Throws an `input` error for a file that is cut off, has a header
 * that is no JSON, or whose offsets, shapes and types contradict one another.
 */
export const readHeader = async (path: string): Promise<TensorEntry[]> => {
  const file = await opened(path)
  try {
    const { size } = await file.stat()
    if (size < 8) throw broken(path, `the file is cut off: it has ${size} bytes, less than a header's length`)
    const length = Buffer.alloc(8)
    await readFully(file, path, length, 0)
    const headerBytes = Number(length.readBigUInt64LE())
    if (headerBytes > maximumHeaderBytes) throw broken(path, `this is no safetensors file: its header would take ${headerBytes} bytes`)
    if (8 + headerBytes > size) throw truncated(path, 8 + headerBytes, size)
    const header = Buffer.alloc(headerBytes)
    await readFully(file, path, header, 8)
    return parseHeader(path, header.toString('utf8'), 8 + headerBytes, size)
  } finally {
    await file.close()
  }
}

const half = new Float32Array(65536)
for (let bits = 0; bits < 65536; bits++) {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : exponent < 31 ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction === 0 ? Infinity : NaN
  half[bits] = bits >> 15 === 1 ? -magnitude : magnitude
}

/** Converts little-endian bytes of one type to float32: `source` holds `target.length` elements. */
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

const readTensor = async (file: FileHandle, path: string, { name, dtype, shape, start, end }: TensorEntry): Promise<Tensor> => {
  const data = new Float32Array(new SharedArrayBuffer(4 * shape.reduce((product, n) => product * n, 1)))
  if (dtype === 'F32') await readFully(file, path, new Uint8Array(data.buffer), start)
  else {
    const convert = converters[dtype]
    if (convert === undefined) throw new SpectroscopeError('input', `${path}: "${name}" is of type ${dtype}; weights are read as F32, F16, BF16 or F64, so convert the file to one of them.`)
    const width = dtypeBytes[dtype]
    const block = new Uint8Array(Math.min(blockBytes, end - start))
    for (let at = start; at < end; at += block.length) {
      const bytes = block.subarray(0, Math.min(block.length, end - at))
      await readFully(file, path, bytes, at)
      const first = (at - start) / width
      convert(bytes, data.subarray(first, first + bytes.length / width))
    }
  }
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) throw new SpectroscopeError('input', `${path}: "${name}" holds ${data[i]} at element ${i}; the weights must be finite, so use another checkpoint.`)
  }
  return { shape, data }
}

/**
 * Reads the entries' tensors as float32, each into memory that threads can share, by positioned reads of the file. F16, BF16 and F64
 * are converted block by block. Throws an `input` error that names the tensor for another type or for a weight that is not finite.
 */
export const readTensors = async (path: string, entries: readonly TensorEntry[]): Promise<Map<string, Tensor>> => {
  const file = await opened(path)
  try {
    const tensors = new Map<string, Tensor>()
    for (const entry of entries) tensors.set(entry.name, await readTensor(file, path, entry))
    return tensors
  } finally {
    await file.close()
  }
}

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) })

/** The shards that a model.safetensors.index.json names, and which tensor is in which. Throws an `input` error for an index that is no such file. */
export const parseIndex = (path: string, text: string): { readonly shards: string[]; readonly shardOf: ReadonlyMap<string, string> } => {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new SpectroscopeError('input', `${path}: the index is not valid JSON; ${remedy}.`, { cause: error })
  }
  const checked = indexSchema.safeParse(parsed)
  if (!checked.success) throw broken(path, 'the index has no "weight_map" from tensor names to files')
  const shardOf = new Map(Object.entries(checked.data.weight_map))
  const strange = [...shardOf.values()].find((shard) => basename(shard) !== shard || shard.includes('\\') || !shard.endsWith('.safetensors'))
  if (strange !== undefined) throw broken(path, `the index names "${strange}", which is no safetensors file beside it`)
  return { shards: [...new Set(shardOf.values())].sort(), shardOf }
}

/** The weight files behind a path, which is one safetensors file or a model.safetensors.index.json, and the header of each. */
export const readHeaders = async (path: string): Promise<ReadonlyMap<string, TensorEntry[]>> => {
  if (!path.endsWith('.json')) return new Map([[path, await readHeader(path)]])
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new SpectroscopeError('input', `${path}: the index cannot be read (${faultCode(error)}); check its path and permissions.`, { cause: error })
  })
  const { shards, shardOf } = parseIndex(path, text)
  const headers = new Map<string, TensorEntry[]>()
  for (const shard of shards) {
    const file = join(dirname(path), shard)
    headers.set(file, (await readHeader(file)).filter(({ name }) => shardOf.get(name) === shard))
  }
  const found = new Set([...headers.values()].flat().map(({ name }) => name))
  for (const [name, shard] of shardOf) if (!found.has(name)) throw broken(path, `the index places "${name}" in ${shard}, which does not hold it`)
  return headers
}

/** Feeds a file's bytes to a hash without holding more than a block of them. */
export const hashFile = async (path: string, hash: Hash): Promise<void> => {
  for await (const block of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(block as Buffer)
}
