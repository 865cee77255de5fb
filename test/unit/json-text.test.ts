import { describe, expect, it } from 'vitest'
import { decodeText, parseJson } from '../../main/base/json-text'

const mark = Buffer.from([0xef, 0xbb, 0xbf])

describe('JSON text', () => {
  it('may have a byte order mark before it, as bytes and as text', () => {
    const json = Buffer.from('{"a": "é"}')
    for (const given of [json, Buffer.concat([mark, json]), json.toString(), `\ufeff${json.toString()}`]) {
      expect(parseJson(given)).toEqual({ a: 'é' })
    }
    expect(decodeText(Buffer.concat([mark, Buffer.from('\ufeffx')]))).toBe('\ufeffx')
  })

  it('says at which byte it is no UTF-8', () => {
    expect(() => parseJson(Buffer.from('{"a": "caf\u00e9"}', 'latin1'))).toThrow('not valid UTF-8 (at byte 10)')
    expect(() => decodeText(Buffer.from([0xff]))).toThrow('not valid UTF-8 (at byte 0)')
    const cut = Buffer.concat([Buffer.alloc(100_000, 'a'), Buffer.from('é').subarray(0, 1)])
    expect(() => decodeText(cut)).toThrow('not valid UTF-8 (at byte 100000)')
  })

  it('is quoted briefly where it is no JSON', () => {
    expect(() => parseJson('{"a": }')).toThrow(/^not valid JSON \(Unexpected token/)
    const message = ((): string => {
      try {
        return String(parseJson('x'.repeat(100_000)))
      } catch (error) {
        return (error as Error).message
      }
    })()
    expect(message).toMatch(/^not valid JSON/)
    expect(message.length).toBeLessThan(200)
  })
})
