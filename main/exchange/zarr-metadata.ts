import { z } from 'zod'
import { issueWords } from '../../preload/issues'
import { limits } from '../../preload/limits'
import { briefly } from '../../preload/quoting'

/** Bytes of an item of each type that is read, by zarrita's name of the type. */
const itemBytes = {
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  float32: 4,
  float64: 8
} as const

/** Zarr v2's names of the same types. */
const olderNames: Readonly<Record<string, keyof typeof itemBytes>> = {
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f4: 'float32',
  f8: 'float64'
}

/** Largest chunk that is read, in bytes before compression. */
export const mostChunkBytes = 512 * 2 ** 20

export type Compression = 'none' | 'zstd' | 'blosc'

/** An array's metadata, checked. */
export interface ArrayHead {
  readonly shape: readonly number[]
  readonly chunkShape: readonly number[]
  /** Names of the dimensions; empty if the array has none. */
  readonly dimensions: readonly string[]
  readonly kind: 'number' | 'text'
  readonly compression: Compression
  /** Bytes of a chunk before compression; undefined for texts of any length. */
  readonly chunkBytes: number | undefined
  /** Metadata of Zarr v3 with zarrita's names of types. */
  readonly document: Readonly<Record<string, unknown>>
}

const size = z.int().min(0).max(limits.integer)
const mostDimensions = 8
const shape = z.array(size).min(1).max(mostDimensions)
const codec = z.object({ name: z.string(), configuration: z.record(z.string(), z.unknown()).default({}) })

const modernArray = z.object({
  zarr_format: z.literal(3),
  node_type: z.literal('array'),
  shape,
  data_type: z.union([
    z.string(),
    z.object({ name: z.literal('fixed_length_utf32'), configuration: z.object({ length_bytes: z.int().min(4) }) })
  ]),
  chunk_grid: z.object({ name: z.literal('regular'), configuration: z.object({ chunk_shape: z.array(size.min(1)) }) }),
  chunk_key_encoding: z.object({
    name: z.enum(['default', 'v2']),
    configuration: z.object({ separator: z.enum(['.', '/']).optional() }).default({})
  }),
  fill_value: z.union([z.number(), z.string(), z.null()]),
  codecs: z.array(codec).min(1).max(3),
  attributes: z.record(z.string(), z.unknown()).default({}),
  dimension_names: z.array(z.string().nullable()).nullish(),
  storage_transformers: z.array(z.unknown()).max(0).optional()
})

const olderCodec = z.looseObject({ id: z.string() })
const olderArray = z.object({
  zarr_format: z.literal(2),
  shape,
  chunks: z.array(size.min(1)),
  dtype: z.string(),
  compressor: olderCodec.nullable(),
  fill_value: z.union([z.number(), z.string(), z.null()]),
  order: z.enum(['C', 'F']),
  filters: z.array(olderCodec).nullable(),
  dimension_separator: z.enum(['.', '/']).default('.')
})

type ModernArray = z.output<typeof modernArray>

/** Why an array cannot be read, for a message that names the array. */
export class UnreadableArray extends Error {}

const unreadable = (why: string): never => {
  throw new UnreadableArray(why)
}

const parsed = <S extends z.ZodType>(schema: S, value: unknown): z.output<S> => {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return result.data
  const [issue] = result.error.issues
  return unreadable(`its metadata is wrong at "${issue.path.join('.')}" (${issueWords(issue)})`)
}

const convert = ({ codecs: [first, ...rest], data_type: type }: ModernArray): Compression => {
  const expected = type === 'string' ? 'vlen-utf8' : 'bytes'
  if (first.name !== expected) unreadable(`it is stored by the codec "${briefly(first.name)}", not "${expected}"`)
  if (rest.length === 0) return 'none'
  const [{ name }] = rest
  if (rest.length === 1 && (name === 'zstd' || name === 'blosc')) return name
  return unreadable(`it is compressed by "${briefly(rest.map((one) => one.name).join(', '))}", not by zstd or blosc`)
}

/** zarrita's name of a type, and the bytes of an item; undefined for texts of any length. */
const typeOf = (type: ModernArray['data_type']): { readonly name: string; readonly bytes: number | undefined } => {
  if (typeof type === 'object') {
    const { length_bytes: bytes } = type.configuration
    if (bytes % 4 !== 0 || bytes > 4 * limits.text) unreadable(`its texts have ${bytes} bytes`)
    return { name: `v2:U${bytes / 4}`, bytes }
  }
  if (type === 'string') return { name: type, bytes: undefined }
  if (!Object.hasOwn(itemBytes, type)) unreadable(`it holds "${briefly(type)}"; save it as float32, float64 or int64`)
  return { name: type, bytes: itemBytes[type as keyof typeof itemBytes] }
}

/** The value of elements whose chunk is missing, as zarrita fills with it. */
const fillOf = (fill: ModernArray['fill_value'], type: string): number | string => {
  if (type === 'string' || type.startsWith('v2:')) return typeof fill === 'string' ? fill : ''
  if (type.startsWith('float')) return fill === 'NaN' || fill === null ? 'NaN' : Number(fill)
  if (fill !== null && !Number.isSafeInteger(Number(fill))) unreadable('the value of its missing chunks is not whole')
  return Number(fill ?? 0)
}

const headOf = (array: ModernArray): ArrayHead => {
  const chunkShape = array.chunk_grid.configuration.chunk_shape
  if (chunkShape.length !== array.shape.length) unreadable('its chunks have other dimensions than the array')
  const { name, bytes } = typeOf(array.data_type)
  const items = chunkShape.reduce((product, length) => product * length, 1)
  const chunkBytes = bytes === undefined ? undefined : items * bytes
  if ((chunkBytes ?? items) > mostChunkBytes)
    unreadable(`a chunk has ${(chunkBytes ?? items).toLocaleString('en')} bytes; save it in chunks of at most 512 MiB`)
  return {
    shape: array.shape,
    chunkShape,
    dimensions: (array.dimension_names ?? []).map((dimension) => dimension ?? ''),
    kind: name === 'string' || name.startsWith('v2:') ? 'text' : 'number',
    compression: convert(array),
    chunkBytes,
    document: { ...array, data_type: name, fill_value: fillOf(array.fill_value, name) }
  }
}

/** Checks the content of a zarr.json of an array. Throws an `UnreadableArray` error. */
export const modernHead = (value: unknown): ArrayHead => headOf(parsed(modernArray, value))

/** Checks the contents of .zarray and .zattrs, and converts them to version 3. Throws an `UnreadableArray` error. */
export const olderHead = (value: unknown, attributes: Readonly<Record<string, unknown>>): ArrayHead => {
  const array = parsed(olderArray, value)
  const { shape: lengths, chunks, dtype, compressor, order, filters, dimension_separator: separator } = array
  if (order === 'F' && lengths.length > 1) unreadable('it is in Fortran order; save it in C order')
  const [endian, type] = [dtype.slice(0, 1), dtype.slice(1)]
  const characters = /^U(\d{1,6})$/.exec(type)?.[1]
  const varies = dtype === '|O' && filters?.length === 1 && filters[0].id === 'vlen-utf8'
  if (!varies && filters !== null && filters.length > 0) unreadable('it is stored by filters; save it without')
  const known = Object.hasOwn(olderNames, type) ? olderNames[type] : dtype
  const dimensions = z.array(z.string()).safeParse(attributes._ARRAY_DIMENSIONS)
  return headOf(
    parsed(modernArray, {
      zarr_format: 3,
      node_type: 'array',
      shape: lengths,
      data_type: varies
        ? 'string'
        : characters === undefined
          ? known
          : { name: 'fixed_length_utf32', configuration: { length_bytes: 4 * Number(characters) } },
      chunk_grid: { name: 'regular', configuration: { chunk_shape: chunks } },
      chunk_key_encoding: { name: 'v2', configuration: { separator } },
      fill_value: array.fill_value,
      codecs: [
        varies
          ? { name: 'vlen-utf8' }
          : { name: 'bytes', configuration: { endian: endian === '>' ? 'big' : 'little' } },
        ...(compressor === null ? [] : [{ name: compressor.id, configuration: { ...compressor, id: undefined } }])
      ],
      attributes,
      dimension_names: dimensions.success ? dimensions.data : null
    })
  )
}
