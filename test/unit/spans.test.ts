import { describe, expect, it } from 'vitest'
import { matchSpans } from '../../main/labels/spans'
import type { SpelledStudy } from '../../main/labels/spans'
import { hash } from '../host/random'

const seededRandom = (seed: number): (() => number) => {
  let drawn = 0
  return () => hash(seed, drawn++)
}

const letters = 'abcdefghij klmnopqrst\nuvwxyzäöü😀'

/** A text cut into tokens at random, packed into rows of `length` tokens, of which some are studied. */
interface Cut extends SpelledStudy {
  /** Byte span of each studied token. */
  readonly spans: readonly (readonly [number, number])[]
}

const textBytes = (bytes: Buffer): string => {
  const shown = bytes.toString('utf8')
  const escapes = Array.from(bytes, (byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`)
  return Buffer.from(shown).equals(bytes) ? shown : escapes.join('')
}

const cut = (text: string, random: () => number, length: number, kept: (row: number) => boolean): Cut => {
  const bytes = Buffer.from(text)
  const ends: number[] = []
  for (let at = 0; at < bytes.length;) ends.push((at = Math.min(bytes.length, at + 1 + Math.floor(5 * random()))))
  const starts = [0, ...ends.slice(0, -1)]
  const texts = ends.map((end, at) => textBytes(bytes.subarray(starts[at], end)))
  const all = Array.from({ length: Math.ceil(ends.length / length) }, (_, row) =>
    Array.from({ length: Math.min(length, ends.length - row * length) }, (_id, at) => row * length + at)
  )
  const rows = all.filter((_, row) => kept(row))
  return {
    study: {
      probe: rows.map((ids) => Int32Array.from(ids)),
      targets: rows.map((ids) => Int32Array.from({ length: ids.length - 1 }, (_, at) => at + 1)),
      provenance: rows.map(([first]) => ({ subset: '', segments: [{ start: 0, document: 7, offset: first }] })),
      documents: [{ id: 7, file: `folder/of ${length}/a.jsonl`, record: 3, subset: '' }]
    },
    textOf: (id) => texts[id],
    spans: rows.flatMap((ids) => ids.slice(1).map((id) => [starts[id], ends[id]] as const))
  }
}

const shared = ([a, b]: readonly [number, number], [c, d]: readonly [number, number]): number =>
  Math.min(b, d) - Math.max(a, c)

describe('tokens matched by spans of their document', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('share bytes, one to one, in random tokenisations of one text (%i)', (seed) => {
    const random = seededRandom(seed)
    const text = Array.from({ length: 1500 }, () => Array.from(letters)[Math.floor(random() * 30)]).join('')
    const left = cut(text, random, 40, (row) => row % 3 !== seed % 3)
    const right = cut(text, random, 23, (row) => row % 4 !== seed % 4)
    const matched = matchSpans(left, right)
    expect(matched).toHaveLength(left.spans.length)
    const pairs = Array.from(matched.entries()).filter(([, token]) => token >= 0)
    expect(pairs.length).toBeGreaterThan(left.spans.length / 4)
    expect(new Set(pairs.map(([, token]) => token)).size).toBe(pairs.length)
    for (const [token, other] of pairs) expect(shared(left.spans[token], right.spans[other])).toBeGreaterThan(0)
    const order = pairs.map(([, token]) => token)
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    const places = new Map(right.spans.map((span, token) => [span.join(), token]))
    for (const [token, span] of left.spans.entries()) {
      const same = places.get(span.join())
      if (same !== undefined && matched[token] !== same) {
        // Only tokens at the very edge of a piece, with too few bytes shared to place it, may be missed.
        expect(matched[token]).toBe(-1)
      }
    }
  })

  it('are the same tokens where the tokenisation is the same, in other rows', () => {
    const text = Array.from({ length: 900 }, (_, at) => `w${at} `).join('')
    const whole = cut(text, seededRandom(1), 50, () => true)
    const other = cut(text, seededRandom(1), 64, () => true)
    const matched = matchSpans(whole, other)
    const found = matched.filter((token) => token >= 0)
    expect(found.length).toBeGreaterThan(0.95 * whole.spans.length)
    matched.forEach((token, at) => token >= 0 && expect(other.spans[token]).toEqual(whole.spans[at]))
  })

  it('do not match in another record of the file', () => {
    const text = Array.from({ length: 300 }, (_, at) => `w${at} `).join('')
    const [left, right] = [cut(text, seededRandom(1), 50, () => true), cut(text, seededRandom(2), 50, () => true)]
    const elsewhere = { ...right, study: { ...right.study, documents: [{ ...right.study.documents[0], record: 4 }] } }
    expect(matchSpans(left, elsewhere).every((token) => token < 0)).toBe(true)
    expect(matchSpans(left, right).some((token) => token >= 0)).toBe(true)
  })

  it('are those at the same place of a text that repeats itself', () => {
    const text = 'abcde fghij klmno '.repeat(60)
    const [left, right] = [cut(text, seededRandom(3), 1000, () => true), cut(text, seededRandom(4), 1000, () => true)]
    const matched = matchSpans(left, right)
    matched.forEach((token, at) => token >= 0 && expect(shared(left.spans[at], right.spans[token])).toBeGreaterThan(0))
    expect(matched.filter((token) => token >= 0).length).toBeGreaterThan(left.spans.length / 2)
  })
})
