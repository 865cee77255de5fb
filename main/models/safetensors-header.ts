import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { decodeText } from '../base/json-text'
import { jsonOddities } from '../base/json-tokens'

export interface TensorEntry {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** Byte range [start, end) in the file. */
  readonly start: number
  readonly end: number
  /** Elements from one index to the next on each axis, where they do not follow one another row by row. */
  readonly strides?: readonly number[]
}

/** Bits per element of every data type in the format. */
const dtypeBits: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64
}

/** Bytes of an element of a type that has whole bytes. */
export const bytesPerElement = (dtype: string): number => dtypeBits[dtype] / 8

const dtypes = Object.keys(dtypeBits)

/** Limit of the format's reference reader. */
export const maximumHeaderBytes = 100_000_000

const tensorSchema = z.object({
  dtype: z.enum(dtypes as [string, ...string[]]),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)])
})
const metadataSchema = z.record(z.string(), z.string()).nullable()
const isTextMap = (value: unknown): boolean => {
  const checked = metadataSchema.safeParse(value)
  return (
    checked.success &&
    !Object.entries(checked.data ?? {})
      .flat()
      .some((text) => half.test(text))
  )
}

const remedy = 'download it again (`spectroscope fetch-model` checks sizes and hashes)'

/** An `input` error about a file that violates its format. */
export const broken = (path: string, what: string, cause?: unknown): SpectroscopeError =>
  new SpectroscopeError('input', `${path}: ${what}; ${remedy}.`, { cause })

export const truncated = (path: string, needed: number, size: number): SpectroscopeError =>
  broken(path, `the file is truncated: its header describes ${needed} bytes, but it has ${size}`)

/** Half of a surrogate pair. JSON escapes can spell one, but UTF-8 cannot. */
const half = /\p{Surrogate}/u

const named = (name: string): string => `"${briefly(name)}"`

const parseText = (path: string, header: Uint8Array): object => {
  // Check the raw byte: the decoder drops a byte order mark, which the format does not allow here.
  if (header[0] !== 0x7b)
    throw broken(path, 'the header does not begin with "{", so this is not a safetensors file, or it is damaged')
  let parsed: unknown
  let text: string
  try {
    text = decodeText(header)
  } catch (error) {
    throw broken(path, `the header is ${(error as Error).message}`, error)
  }
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw broken(path, 'the header is not valid JSON, so this is not a safetensors file, or it is damaged', error)
  }
  const { repeatedKey, oddInteger } = jsonOddities(text, new Set(['shape', 'data_offsets']))
  if (repeatedKey !== undefined) throw broken(path, `the header names ${named(repeatedKey)} twice`)
  if (oddInteger !== undefined) throw broken(path, `the header has ${briefly(oddInteger)} instead of a whole number`)
  return parsed as object
}

/** Size of a tensor in bytes; undefined if it is not a whole number of bytes or exceeds the format's integers. */
const bytesOf = (dtype: string, shape: readonly number[]): bigint | undefined => {
  const most = 2n ** 64n
  let product = 1n
  for (const n of shape) if ((product *= BigInt(n)) >= most) return undefined
  const bits = product * BigInt(dtypeBits[dtype])
  return bits >= most || bits % 8n !== 0n ? undefined : bits / 8n
}

const entryOf = (path: string, name: string, value: unknown, dataStart: number): TensorEntry => {
  const checked = tensorSchema.safeParse(value)
  if (!checked.success) {
    const given = z.looseObject({ dtype: z.string() }).safeParse(value).data?.dtype
    if (given !== undefined && !dtypes.includes(given))
      throw broken(path, `${named(name)} is of the type ${named(given)}, which is not in the format`)
    throw broken(path, `the header's entry ${named(name)} lacks a valid dtype, shape or data_offsets`)
  }
  const {
    dtype,
    shape,
    data_offsets: [start, end]
  } = checked.data
  const bytes = bytesOf(dtype, shape)
  if (bytes === undefined || BigInt(end - start) !== bytes) {
    const takes = bytes === undefined ? 'no whole number of bytes that can be counted' : `${bytes.toString()} bytes`
    throw broken(
      path,
      `${named(name)} of type ${dtype} and shape [${briefly(shape.join(', '))}] takes ${takes}, ` +
        `and its data_offsets give ${end - start}`
    )
  }
  return { name, dtype, shape, start: dataStart + start, end: dataStart + end }
}

/** Checks that the tensors follow one another without gaps from the header to the end of the file. */
const checkPlaces = (path: string, entries: readonly TensorEntry[], dataStart: number, size: number): void => {
  const placed = [...entries].sort((a, b) => a.start - b.start || a.end - b.end)
  const last = placed.reduce((end, entry) => Math.max(end, entry.end), dataStart)
  if (last > size) throw truncated(path, last, size)
  let end = dataStart
  for (const [i, entry] of placed.entries()) {
    if (entry.start < end)
      throw broken(path, `the tensors ${named(placed[i - 1].name)} and ${named(entry.name)} overlap`)
    if (entry.start > end)
      throw broken(path, `no tensor covers the ${entry.start - end} bytes before ${named(entry.name)}`)
    end = entry.end
  }
  if (end < size) throw broken(path, `no tensor covers the last ${size - end} bytes`)
}

/**
 * Parses a safetensors header into its tensors. Rejects everything that the format's reference reader rejects, and
 * two more violations of the format: a header that does not begin with "{", and duplicate keys.
 * @param size bytes of the whole file, in which `header` starts at byte 8
 * @throws an `input` error that names the file, the tensor and the contradiction
 */
export const parseHeader = (path: string, header: Uint8Array, size: number): TensorEntry[] => {
  const dataStart = 8 + header.length
  const parsed = parseText(path, header)
  const entries: TensorEntry[] = []
  for (const [name, value] of Object.entries(parsed)) {
    if (half.test(name)) throw broken(path, `the name ${named(name)} in the header is not valid text`)
    if (name !== '__metadata__') entries.push(entryOf(path, name, value, dataStart))
    else if (!isTextMap(value)) throw broken(path, 'the header\'s "__metadata__" is not a map from text to text')
  }
  checkPlaces(path, entries, dataStart, size)
  return entries
}
