import { describe, expect, it } from 'vitest'
import { readFrame } from '../../main/serve/frames'
import { decodeStrictly, encode, idOf } from '../../preload/wire'
import { deepest } from '../../preload/wire-check'
import { hash } from '../host/random'

const most = 2 ** 21

const uint32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]

const table = (inner: Uint8Array): number[] => [0xc9, ...uint32(inner.length), 5, ...inner]

/** Numbers from 0 to below `below`, always the same for a seed. */
const numbers = (seed: number): ((below: number) => number) => {
  let drawn = 0
  return (below) => Math.floor(hash(seed, drawn++) * below)
}

/** Lengths of all arrays that the work makes, together. */
const arraysMade = (work: () => unknown): number => {
  let made = 0
  const Own = Array
  const Counted = new Proxy(Own, {
    construct: (target, given: unknown[]) => {
      if (typeof given[0] === 'number') made += given[0]
      return Reflect.construct(target, given)
    }
  })
  globalThis.Array = Counted
  try {
    work()
  } finally {
    globalThis.Array = Own
  }
  return made
}

/** Values in a value, itself among them; a typed array or a text is one. */
const valuesIn = (value: unknown): number => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 1
  let sum = 1
  for (const each of Object.values(value)) sum += valuesIn(each)
  return sum
}

/** A frame that looks like one of ours, with some lengths that lie and some bytes that are wrong. */
const hostileFrame = (seed: number): Uint8Array => {
  const draw = numbers(seed)
  const lie = (): number => (draw(3) === 0 ? draw(2 ** 32) : draw(3) === 0 ? draw(70_000) : draw(20))
  const value = (depth: number): number[] => {
    const length = draw(6)
    const inside = (count: number): number[] =>
      depth > 3 ? [0xc0] : Array.from({ length: count }, () => value(depth + 1)).flat()
    switch (draw(14)) {
      case 0:
        return [0x90 + length, ...inside(length)]
      case 1:
        return [0xdd, ...uint32(lie()), ...inside(length)]
      case 2:
        return [0xdf, ...uint32(lie()), ...inside(2 * length)]
      case 3:
        return [0x80 + length, ...Array.from({ length }, (_, i) => [0xa1, 0x61 + i, ...inside(1)]).flat()]
      case 4:
        return [0xc9, ...uint32(lie()), draw(8), ...inside(length)]
      case 5:
        return [0xdb, ...uint32(lie()), 0xff, 0xc0, 0x80]
      case 6:
        return [0xc6, ...uint32(lie()), 1, 2, 3]
      case 7:
        return [0x81, 0xa9, ...Buffer.from('__proto__'), ...inside(1)]
      case 8:
        return [0x81, 0xa4, ...Buffer.from('1023'), 0xc0]
      case 9: {
        const count = draw(40)
        const columns = [new Int32Array(count), { texts: ['x'], at: new Int32Array(count) }]
        return table(encode({ rows: draw(4) === 0 ? lie() : count, keys: ['a', 'b'], columns }))
      }
      case 10:
        return [...encode({ ints: Int32Array.of(1, 2), text: 'word', floats: new Float32Array(3) })]
      case 11:
        return [draw(256)]
      default:
        return [draw(128)]
    }
  }
  const [call, parameters] = [Buffer.from('call'), Buffer.from('parameters')]
  const bytes = [0x83, 0xa2, 0x69, 0x64, draw(128), 0xa4, ...call, ...value(0), 0xaa, ...parameters, ...value(0)]
  return Uint8Array.from(draw(4) === 0 ? bytes.slice(0, draw(bytes.length + 1)) : bytes)
}

const nested = (depth: number): Uint8Array => Uint8Array.from([...new Array<number>(depth).fill(0x91), 0xc0])

describe('a frame of someone who means harm', () => {
  it('is refused where lists in lists each claim what the frame could hold once', () => {
    const claims = Uint8Array.from(Array.from({ length: 4000 }, () => [0xdc, 0x4e, 0x20]).flat())
    const refused = (): void => expect(() => decodeStrictly(claims, most)).toThrow('claims more than it holds')
    expect(arraysMade(refused)).toBeLessThan(1000)
    const maps = Uint8Array.from(Array.from({ length: 3000 }, () => [0x81, 0xa1, 0x61, 0xdf, ...uint32(5000)]).flat())
    expect(() => decodeStrictly(maps, most)).toThrow('claims more than it holds')
  })

  it('is refused where it is nested deeply, by lists or by tables', () => {
    expect(decodeStrictly(nested(deepest), most)).toBeInstanceOf(Array)
    for (const depth of [deepest + 1, 10_000, 1_000_000]) {
      expect(() => decodeStrictly(nested(depth), most)).toThrow('nested deeper')
    }
    let inner = encode(1)
    for (let level = 0; level < 100; level++) inner = Uint8Array.from([...table(inner)])
    expect(() => decodeStrictly(inner, most)).toThrow('nested deeper')
  })

  it('is refused where it holds too many values, in a table too', () => {
    const lists = Uint8Array.from([0xdc, 0x27, 0x10, ...new Array<number>(10_000).fill(0x90)])
    expect(() => decodeStrictly(lists, 5000)).toThrow('more than 5000 values')
    const rows = encode({ rows: 6000, keys: ['a'], columns: [new Int32Array(6000)] })
    expect(() => decodeStrictly(Uint8Array.from(table(rows)), 5000)).toThrow('more than 5000 values')
    expect(decodeStrictly(Uint8Array.from(table(rows)), 7000)).toHaveLength(6000)
  })

  it.each(['__proto__', '1023', '0'])('is refused where a key is %s', (key) => {
    const inner = encode({ rows: 1, keys: [key], columns: [[1]] })
    const map = Uint8Array.from([0x81, 0xa0 + key.length, ...Buffer.from(key), 0xc0])
    for (const bytes of [map, Uint8Array.from(table(inner))]) expect(() => decodeStrictly(bytes, most)).toThrow()
    expect(() => decodeStrictly(Uint8Array.of(0x81, 0xcd, 3, 255, 0xc0), most)).toThrow('not a text')
  })

  it('may have keys that are names of an object’s own, as values of its own', () => {
    const bytes = encode({ constructor: 1, prototype: { polluted: 1 }, hasOwnProperty: null })
    const value = decodeStrictly(bytes, most) as object
    expect(Object.keys(value)).toEqual(['constructor', 'prototype', 'hasOwnProperty'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect('polluted' in {}).toBe(false)
  })

  it('may have text that is no UTF-8', () => {
    expect(typeof decodeStrictly(Uint8Array.of(0xa4, 0xff, 0xc0, 0xf0, 0x80), most)).toBe('string')
  })

  it('is an error of its call where it is cut off at any byte after the id', () => {
    const parameters = { tokens: Int32Array.of(1, 2, 3), words: 'x'.repeat(40), deep: [[{ a: 1 }]] }
    const bytes = encode({ id: 70_000, call: 'labels.apply', parameters })
    const headed = 9
    expect(idOf(bytes)).toBe(70_000)
    for (let length = 0; length < bytes.length; length++) {
      const frame = readFrame(bytes.subarray(0, length), most)
      if (length < headed) expect([length, frame.kind]).toEqual([length, 'foreign'])
      else expect(frame, `${length}`).toEqual({ kind: 'broken', id: 70_000, reason: expect.stringContaining('frame') })
    }
    expect(readFrame(bytes, most)).toMatchObject({ kind: 'call', id: 70_000 })
  })

  it('never makes more than in proportion to its bytes', () => {
    let [read, refused] = [0, 0]
    const excesses: number[] = []
    for (let seed = 0; seed < 5000; seed++) {
      const bytes = hostileFrame(seed)
      let value: unknown
      const made = arraysMade(() => {
        try {
          value = decodeStrictly(bytes, most)
          read++
        } catch {
          refused++
        }
      })
      if (made > bytes.length || (value !== undefined && valuesIn(value) > bytes.length)) excesses.push(seed)
    }
    expect(excesses).toEqual([])
    expect(read).toBeGreaterThan(300)
    expect(refused).toBeGreaterThan(500)
  })
})
