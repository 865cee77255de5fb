import { decode as unpack, decodeMulti as unpackMany, encode as pack, ExtensionCodec } from '@msgpack/msgpack'
import { checkFrame, tableType } from './wire-check'
import { rowsOf, tableOf } from './wire-table'

/**
 * Frames between a browser and `serve`: MessagePack, with typed arrays as extension types of their own bytes, little
 * endian, and long lists of like objects as tables.
 */
const codec = new ExtensionCodec<KeyReader>()

/** Gives a key of a map or a table, or throws. */
type KeyReader = (key: unknown) => string

const textKey: KeyReader = (key) => {
  if (typeof key !== 'string') throw new RangeError('A key of the frame is no text.')
  return key
}

/** V8 makes room for all places up to one that is named: {"1023": null}, seven bytes of a frame, takes 12 kB. */
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
      // A Buffer of Node shares its memory with others, and its slice() does too.
      const own = new Uint8Array(bytes.length)
      own.set(bytes)
      return new constructor(own.buffer)
    }
  })
}

// MessagePack would take these for something else, without a word.
codec.register({
  type: 6,
  encode: (value: unknown) => {
    if (value instanceof Map || value instanceof Set || value instanceof ArrayBuffer)
      throw new TypeError(`A frame carries no ${value.constructor.name}.`)
    if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array))
      throw new TypeError(`A frame carries no ${value.constructor.name}.`)
    return null
  },
  decode: () => {
    throw new RangeError('The frame has a type that there is not.')
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

/** Keys whose value is undefined are left out; Uint8Array is MessagePack's own binary type. */
export const encode = (value: unknown): Uint8Array<ArrayBuffer> =>
  pack(value, { extensionCodec: codec, ignoreUndefined: true, context: textKey })

/** Throws where the bytes are no whole frame, or claim more than they hold. Byte arrays may be views of `bytes`. */
export const decode = (bytes: Uint8Array): unknown => {
  checkFrame(bytes)
  return unpacked(bytes, textKey)
}

/**
 * Reads a frame of someone who may mean harm: takes time and memory in proportion to its bytes, by a small factor.
 * Throws besides where it holds more than `mostValues` values, or has a number for a key.
 */
export const decodeStrictly = (bytes: Uint8Array, mostValues: number): unknown => {
  checkFrame(bytes, mostValues)
  return unpacked(bytes, namingKey)
}

/** The id of a frame that begins with it, as ours do, whatever is wrong with the rest; undefined if there is none. */
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

/** What a browser sends: a call, or how to close while runs are at work. */
export type ClientFrame =
  | { readonly id: number; readonly call: string; readonly parameters: unknown }
  | { readonly closing: 'keep-running' | 'checkpoint' | 'stay' }

/** What `serve` sends: the answer of a call, or a notice. */
export type ServerFrame =
  { readonly id: number; readonly answer: unknown } | { readonly notice: string; readonly data: unknown }
