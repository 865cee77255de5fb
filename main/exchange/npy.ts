import { readFile } from 'node:fs/promises'
import { SpectroscopeError } from '../../preload/errors'
import { writeFileAtomically } from '../base/files'

type NpyArray = Float32Array | Float64Array | Int32Array

const descriptors = { '<f4': Float32Array, '<f8': Float64Array, '<i4': Int32Array } as const

/** Header of a version 1.0 NPY file in C order, padded so that the data starts at a multiple of 64 bytes. */
export const npyHeader = (descriptor: keyof typeof descriptors, shape: readonly number[]): Uint8Array => {
  const dimensions = `${shape.join(', ')}${shape.length === 1 ? ',' : ''}`
  const dictionary = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': (${dimensions}), }`
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10
  const header = Buffer.alloc(10 + length, ' ')
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(length, 8)
  header.write(`${dictionary.padEnd(length - 1)}\n`, 10, 'latin1')
  return header
}

/**
 * Writes a float32 matrix [rows, columns] as NPY from blocks of rows. Only correct on little-endian machines; of
 * Node's platforms, all but s390x are.
 */
export const writeNpy = (
  file: string,
  shape: readonly number[],
  blocks: AsyncIterable<Float32Array> | Iterable<Float32Array>
): Promise<void> =>
  writeFileAtomically(
    file,
    (async function* () {
      yield npyHeader('<f4', shape)
      for await (const { buffer, byteOffset, byteLength } of blocks)
        yield new Uint8Array(buffer, byteOffset, byteLength)
    })()
  )

/** Reads an NPY file of float32, float64 or int32 in C order. Throws an `input` error that names the file. */
export const readNpy = async (
  file: string
): Promise<{ readonly shape: readonly number[]; readonly data: NpyArray }> => {
  const fail = (why: string): never => {
    throw new SpectroscopeError('input', `${file}: ${why}.`)
  }
  const bytes = await readFile(file)
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY') fail('this is not an NPY file')
  const wide = bytes[6] >= 2
  const start = wide ? 12 : 10
  const end = start + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8))
  const header = bytes.toString('latin1', start, end)
  const descriptor = /'descr': *'([^']+)'/.exec(header)?.[1] ?? ''
  const shape = /'shape': *\(([^)]*)\)/
    .exec(header)?.[1]
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number)
  if (shape === undefined || shape.some(Number.isNaN)) return fail('its header is damaged')
  if (!/'fortran_order': *False/.test(header)) fail('it is in Fortran order; save it in C order')
  if (!Object.hasOwn(descriptors, descriptor)) fail(`it holds "${descriptor}"; save it as float32, float64 or int32`)
  const Type = descriptors[descriptor as keyof typeof descriptors]
  const count = shape.reduce((a, b) => a * b, 1)
  if (bytes.length - end !== count * Type.BYTES_PER_ELEMENT)
    fail(
      `it holds ${bytes.length - end} bytes of data, not the ${count * Type.BYTES_PER_ELEMENT} of its shape ` +
        '(it may be truncated)'
    )
  return { shape, data: new Type(Uint8Array.from(bytes.subarray(end)).buffer) }
}
