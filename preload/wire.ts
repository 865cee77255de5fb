import { decode as unpack, decodeMulti as unpackMany, encode as pack, ExtensionCodec } from '@msgpack/msgpack'
import { checkFrame, tableType } from './wire-check'
import { rowsOf, tableOf } from './wire-table'

/**
 * Frames between a browser and `serve`: MessagePack, with typed arrays as extension types (little endian) and long
 * lists of similar objects as tables.
 */
const codec = new ExtensionCodec<KeyReader>()

/** Checks a key of a map or table and returns it, or throws. */
type KeyReader = (key: unknown) => string

const textKey: KeyReader = (key) => {
  if (typeof key !== 'string') throw new RangeError('A key of the frame is not a text.')
  return key
}

/** V8 allocates all elements up to a numeric key: {"1023": null}, seven bytes in a frame, takes 12 kB. */
const namingKey: KeyReader = (key) => {
  const name = textKey(key)
  if (/^\d{1,10}$/.test(name)) throw new RangeError(`A key of the frame is a number (${name}).`)
  return name
}

type NumberArray = Int32Array | Uint32Array | Float32Array | Float64Array
interface NumberArrayType {
  new (buffer: ArrayBuffer): NumberArray
  readonly BYTES_PER_ELEMENT: number
}

const numberArrays: readonly (readonly [type: number, constructor: NumberArrayType])[] = [
  [1, Int32Array],
  [2, Uint32Array],
  [3, Float32Array],
  [4, Float64Array]
]

for (const [type, constructor] of numberArrays) {
  codec.register({
    type,
    encode: (value: unknown) =>
      value instanceof constructor ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null,
    decode: (bytes) => {
      if (bytes.length % constructor.BYTES_PER_ELEMENT !== 0)
        throw new RangeError('A typed array of the frame has a broken length.')
      // A Node Buffer shares its memory with others, and so does its slice().
      const own = new Uint8Array(bytes.length)
      own.set(bytes)
      return new constructor(own.buffer)
    }
  })
}

// MessagePack would silently encode these as something else.
codec.register({
  type: 6,
  encode: (value: unknown) => {
    if (value instanceof Map || value instanceof Set || value instanceof ArrayBuffer)
      throw new TypeError(`A frame cannot contain a ${value.constructor.name}.`)
    if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array))
      throw new TypeError(`A frame cannot contain a ${value.constructor.name}.`)
    return null
  },
  decode: () => {
    throw new RangeError('The frame has an unknown type.')
  }
})

const unpacked = (bytes: Uint8Array, key: KeyReader): unknown =>
  unpack(bytes, { extensionCodec: codec, mapKeyConverter: key, context: key })

codec.register({
  type: tableType,
  encode: (value: unknown) => {
    const table = tableOf(value)
    return table === undefined ? null : encode(table)
  },
  decode: (bytes, _, key) => rowsOf(unpacked(bytes, key), key)
})

/** Encodes a value. Drops keys whose value is undefined. Uint8Array is MessagePack's binary type. */
export const encode = (value: unknown): Uint8Array<ArrayBuffer> =>
  pack(value, { extensionCodec: codec, ignoreUndefined: true, context: textKey })

/**
 * Decodes a frame. Throws a RangeError if the bytes are not one complete frame or claim more than they hold. Byte
 * arrays may be views of `bytes`.
 */
export const decode = (bytes: Uint8Array): unknown => {
  checkFrame(bytes)
  return unpacked(bytes, textKey)
}

/**
 * Decodes an untrusted frame, in time and memory proportional to its bytes. Also throws if it has more than
 * `mostValues` values, or a numeric key.
 */
export const decodeStrictly = (bytes: Uint8Array, mostValues: number): unknown => {
  checkFrame(bytes, mostValues)
  return unpacked(bytes, namingKey)
}

/** The id of a frame that begins with it, even if the rest is invalid; undefined if there is none. */
export const idOf = (bytes: Uint8Array): number | undefined => {
  const [map, text, i, d] = bytes
  if (map <= 0x80 || map > 0x8f || text !== 0xa2 || i !== 0x69 || d !== 0x64) return undefined
  try {
    // A number takes at most nine bytes.
    const [id] = unpackMany(bytes.subarray(4, 13))
    return typeof id === 'number' && Number.isSafeInteger(id) ? id : undefined
  } catch {
    return undefined
  }
}

/** Sent by a browser: a call, or how to close while runs are in progress. */
export type ClientFrame =
  | { readonly id: number; readonly call: string; readonly parameters: unknown }
  | { readonly closing: 'keep-running' | 'checkpoint' | 'stay' }

/** Sent by `serve`: the answer of a call, or a notice. */
export type ServerFrame =
  { readonly id: number; readonly answer: unknown } | { readonly notice: string; readonly data: unknown }
