import { decode as unpack, encode as pack, ExtensionCodec } from '@msgpack/msgpack'
import { rowsOf, tableOf } from './wire-table'

/** Frames between a browser and `serve`: MessagePack, with typed arrays as extension types of their own bytes, little endian, and long lists of like objects as tables. */
const codec = new ExtensionCodec()

type NumberArray = Int32Array | Uint32Array | Float32Array | Float64Array
interface NumberArrayType {
  new (buffer: ArrayBuffer): NumberArray
  readonly BYTES_PER_ELEMENT: number
}

const numberArrays: readonly (readonly [type: number, constructor: NumberArrayType])[] = [[1, Int32Array], [2, Uint32Array], [3, Float32Array], [4, Float64Array]]

for (const [type, constructor] of numberArrays) {
  codec.register({
    type,
    encode: (value: unknown) => (value instanceof constructor ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null),
    decode: (bytes) => {
      if (bytes.length % constructor.BYTES_PER_ELEMENT !== 0) throw new RangeError('A typed array of the frame has a broken length.')
      // A Buffer of Node shares its memory with others, and its slice() does too.
      const own = new Uint8Array(bytes.length)
      own.set(bytes)
      return new constructor(own.buffer)
    }
  })
}

codec.register({
  type: 5,
  encode: (value: unknown) => {
    const table = tableOf(value)
    return table === undefined ? null : encode(table)
  },
  decode: (bytes) => rowsOf(decode(bytes))
})

/** Keys whose value is undefined are left out; Uint8Array is MessagePack's own binary type. */
export const encode = (value: unknown): Uint8Array<ArrayBuffer> => pack(value, { extensionCodec: codec, ignoreUndefined: true })

/** Throws where the bytes are no whole frame, or hold more than they can. Arrays of bytes may be views of `bytes`. */
export const decode = (bytes: Uint8Array): unknown => {
  const most = bytes.length
  return unpack(bytes, { extensionCodec: codec, maxArrayLength: most, maxMapLength: most, maxStrLength: most, maxBinLength: most, maxExtLength: most })
}

/** What a browser sends: a call, or how to close while runs are at work. */
export type ClientFrame = { readonly id: number; readonly call: string; readonly parameters: unknown } | { readonly closing: 'keep-running' | 'checkpoint' | 'stay' }

/** What `serve` sends: the answer of a call, or a notice. */
export type ServerFrame = { readonly id: number; readonly answer: unknown } | { readonly notice: string; readonly data: unknown }
