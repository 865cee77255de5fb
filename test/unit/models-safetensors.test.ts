import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readHeader, readTensors } from '../../main/models/safetensors'
import { f32, failure, safetensors, temporaryFolder } from './models-fixtures'

const folder = temporaryFolder()
let count = 0
const file = (bytes: Uint8Array): string => {
  const path = join(folder, `${count++}.safetensors`)
  writeFileSync(path, bytes)
  return path
}
const read = async (path: string) => readTensors(path, await readHeader(path))

/** IEEE 754 half precision to a number, from the definition. */
const halfValue = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

const allPatterns = Array.from({ length: 65536 }, (_, bits) => bits)
const little16 = (patterns: readonly number[]): Uint8Array => new Uint8Array(Uint16Array.from(patterns).buffer)
const float32Of = (bits: number): number => new Float32Array(Uint32Array.from([bits]).buffer)[0]

describe('reading safetensors', () => {
  it('gives float32 tensors in shared memory, in any order of the file and from any offset', async () => {
    const path = file(
      safetensors({
        odd: { dtype: 'U8', shape: [3], bytes: Uint8Array.of(1, 2, 3) },
        w: f32([2, 3], (i) => i / 7),
        scalar: f32([], () => 5),
        none: f32([0, 4], () => 0)
      })
    )
    const entries = (await readHeader(path)).filter(({ name }) => name !== 'odd')
    const found = await readTensors(path, entries)
    expect([...found.keys()]).toEqual(['w', 'scalar', 'none'])
    expect([...found.get('w')!.data]).toEqual(Array.from({ length: 6 }, (_, i) => Math.fround(i / 7)))
    expect(found.get('w')!.data.buffer).toBeInstanceOf(SharedArrayBuffer)
    expect([...found.get('scalar')!.data]).toEqual([5])
    expect(found.get('none')!.shape).toEqual([0, 4])
  })

  it('converts every finite F16 pattern exactly', async () => {
    const finite = allPatterns.filter((bits) => Number.isFinite(halfValue(bits)))
    const { data } = (
      await read(file(safetensors({ w: { dtype: 'F16', shape: [finite.length], bytes: little16(finite) } })))
    ).get('w')!
    expect(finite.length).toBe(63488)
    expect(finite.every((bits, i) => Object.is(data[i], halfValue(bits)))).toBe(true)
  })

  it('refuses every F16 pattern that is not finite', async () => {
    const infinite = allPatterns.filter((bits) => !Number.isFinite(halfValue(bits)))
    expect(infinite.length).toBe(2048)
    for (const bits of infinite.filter((_, i) => i % 61 === 0)) {
      const error = await failure(
        read(file(safetensors({ 'a.weight': { dtype: 'F16', shape: [2], bytes: little16([0, bits]) } })))
      )
      expect(error.message).toMatch(/"a\.weight" holds (NaN|-?Infinity) at element 1/)
    }
  })

  it('converts every finite BF16 pattern exactly', async () => {
    const finite = allPatterns.filter((bits) => Number.isFinite(float32Of(bits * 65536)))
    const { data } = (
      await read(file(safetensors({ w: { dtype: 'BF16', shape: [finite.length], bytes: little16(finite) } })))
    ).get('w')!
    expect(finite.every((bits, i) => Object.is(data[i], float32Of(bits * 65536)))).toBe(true)
  })

  it('reads F64, and tensors longer than a block', async () => {
    const values = Float64Array.from({ length: 2_500_001 }, (_, i) => Math.sin(i))
    const { data } = (
      await read(
        file(safetensors({ w: { dtype: 'F64', shape: [values.length], bytes: new Uint8Array(values.buffer) } }))
      )
    ).get('w')!
    expect(values.every((value, i) => data[i] === Math.fround(value))).toBe(true)
  })
})

describe('a damaged safetensors file', () => {
  const whole = safetensors({ w: f32([4, 4], (i) => i), v: f32([4], (i) => i) })

  it.each([0, 4, 8, 20, 100, whole.length - 1])('cut off after %i bytes is one clear sentence', async (length) => {
    const path = file(whole.subarray(0, length))
    const error = await failure(read(path))
    expect(error.kind).toBe('input')
    expect(error.message).toMatch(new RegExp(`^${path}: the file is truncated: .*; download it again .*\\.$`))
  })

  const cases: [string, Uint8Array, RegExp][] = [
    [
      'something else entirely',
      Buffer.from('PK\u0003\u0004 this is a zip of a torch model, and no safetensors'),
      /not a safetensors file/
    ],
    [
      'a header that is no JSON',
      Buffer.concat([Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a}')]),
      /not valid JSON/
    ],
    [
      'overlapping tensors',
      safetensors({ w: f32([4], () => 1), v: f32([4], () => 1) }, (header) =>
        Object.assign(header, { v: { dtype: 'F32', shape: [4], data_offsets: [8, 24] } })
      ),
      /"w" and "v" overlap/
    ],
    [
      'a shape that does not fit its bytes',
      safetensors({ w: f32([4], () => 1) }, (header) =>
        Object.assign(header, { w: { dtype: 'F32', shape: [5], data_offsets: [0, 16] } })
      ),
      /"w" of type F32 and shape \[5\] takes 20 bytes, and its data_offsets give 16/
    ],
    [
      'offsets that go backwards',
      safetensors({ w: f32([4], () => 1) }, (header) =>
        Object.assign(header, { w: { dtype: 'F32', shape: [4], data_offsets: [16, 0] } })
      ),
      /"w"/
    ],
    [
      'an entry without a type',
      safetensors({ w: f32([4], () => 1) }, (header) =>
        Object.assign(header, { w: { shape: [4], data_offsets: [0, 16] } })
      ),
      /"w" lacks a valid dtype/
    ],
    [
      'integer weights',
      safetensors({ w: { dtype: 'I32', shape: [1], bytes: new Uint8Array(4) } }),
      /"w" is of type I32/
    ],
    [
      'NaN weights',
      safetensors({ good: f32([2], () => 1), 'layers.0.bad': f32([3], (i) => (i === 2 ? NaN : 0)) }),
      /"layers\.0\.bad" holds NaN at element 2/
    ]
  ]
  it.each(cases)('with %s is named', async (_, bytes, message) => {
    const error = await failure(read(file(bytes)))
    expect(error.kind).toBe('input')
    expect(error.message).toMatch(message)
  })

  it('or one that is not there is named with its path', async () => {
    const error = await failure(readHeader(join(folder, 'nowhere.safetensors')))
    expect(error.message).toMatch(/nowhere\.safetensors does not exist/)
  })
})
