import { describe, expect, it } from 'vitest'
import { decode, encode } from '../../preload/wire'

describe('frames between a browser and serve', () => {
  it('keep typed arrays, numbers that are not finite, and text as they are', () => {
    const value = {
      id: 7,
      text: 'a\u0000b\ud83d\ude00',
      nothing: null,
      numbers: [0, -1, 1.5, 2 ** 40, NaN, -Infinity],
      ints: Int32Array.of(-1, 2 ** 31 - 1),
      words: Uint32Array.of(2 ** 32 - 1),
      floats: Float32Array.of(0.5, NaN),
      doubles: Float64Array.of(Math.PI, Infinity),
      bytes: Uint8Array.of(0, 255),
      empty: new Float32Array(0)
    }
    expect(decode(encode(value))).toEqual(value)
  })

  it('keep a view by its own elements, from shared memory too', () => {
    const shared = new Float32Array(new SharedArrayBuffer(16))
    shared.set([1, 2, 3, 4])
    expect(decode(encode({ view: Int32Array.of(1, 2, 3, 4).subarray(1, 3), shared: shared.subarray(2) }))).toEqual({
      view: Int32Array.of(2, 3),
      shared: Float32Array.of(3, 4)
    })
  })

  it('are read from a part of a buffer that others use too, as a socket gives them', () => {
    const bytes = encode({ ints: Int32Array.of(1, 2, 3), floats: Float32Array.of(0.5) })
    const pool = Buffer.alloc(bytes.length + 64, 0xff)
    pool.set(bytes, 13)
    const value = decode(pool.subarray(13, 13 + bytes.length))
    expect(value).toEqual({ ints: Int32Array.of(1, 2, 3), floats: Float32Array.of(0.5) })
    expect((value as { ints: Int32Array }).ints.buffer.byteLength).toBe(12)
  })

  it('keep long lists of like objects, whatever is in them', () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({
      cluster: i - 1,
      share: i / 7,
      whole: i % 2 === 0 ? i : -0,
      conductance: i === 5 ? null : i / 300,
      subset: i % 3 === 0 ? '' : `subset ${i % 5}`,
      mixed: i % 2 === 0 ? 'text' : i,
      tokens: Array.from({ length: i % 4 }, (__, at) => ({ id: at, text: `t${at}`, lift: at / 3 })),
      values: Float32Array.of(i),
      inner: { deep: [i] }
    }))
    expect(decode(encode({ rows }))).toEqual({ rows })
    const plain = Array.from({ length: 300 }, (_, i) => ({ cluster: i, share: i / 7, subset: 'web' }))
    expect(encode(plain).length).toBeLessThan(300 * 17 + 200)
  })

  it('keep long lists of objects that are not alike', () => {
    const rows = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? { a: i } : { a: i, b: 1 }))
    expect(decode(encode(rows))).toEqual(rows)
    expect(
      decode(encode(Array.from({ length: 100 }, (_, i) => (i === 50 ? { a: 1, b: undefined } : { a: 1, b: 2 }))))
    ).toEqual(Array.from({ length: 100 }, (_, i) => (i === 50 ? { a: 1 } : { a: 1, b: 2 })))
    const turned = Array.from({ length: 100 }, (_, i) => (i === 50 ? { b: 1, a: 2 } : { a: 1, b: 2 }))
    expect(decode(encode(turned))).toEqual(turned)
  })

  it.each([
    ['whose columns differ in length', { rows: 2, keys: ['a', 'b'], columns: [[1, 2], [1]] }],
    ['with more rows than it holds', { rows: 1e9, keys: ['a'], columns: [[1]] }],
    ['without columns', { rows: 1e9, keys: [], columns: [] }],
    ['with a place that is not there', { rows: 1, keys: ['a'], columns: [{ texts: ['x'], at: Int32Array.of(1) }] }],
    [
      'with lists that end before they begin',
      { rows: 2, keys: ['a'], columns: [{ ends: Int32Array.of(1, 0), items: [1] }] }
    ],
    ['with a prototype', { rows: 1, keys: ['__proto__'], columns: [[1]] }],
    ['that is none', 7]
  ])('refuse a table %s', (_, table) => {
    const inner = encode(table)
    expect(() => decode(Uint8Array.from([0xc8, inner.length >> 8, inner.length & 255, 5, ...inner]))).toThrow(
      'A table of the frame is broken.'
    )
  })

  it('leave out what is undefined', () => {
    expect(decode(encode({ here: 1, gone: undefined }))).toEqual({ here: 1 })
  })

  it.each([
    ['an array longer than the frame', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a string longer than the frame', [0xdb, 0x7f, 0xff, 0xff, 0xff, 0x61]],
    ['a typed array of a broken length', [0xc7, 3, 1, 1, 2, 3]],
    ['a prototype', [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]],
    ['half a frame', [0x82, 0xa1, 0x61]],
    ['nothing', []]
  ])('are refused when they hold %s', (_, bytes) => {
    expect(() => decode(Uint8Array.from(bytes))).toThrow()
  })
})
