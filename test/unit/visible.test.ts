import { describe, expect, it } from 'vitest'
import { briefly } from '../../preload/quoting'
import { hiddenIn, visibleLines, visibleText, visibleToken } from '../../preload/visible'

/** One of every kind of character that must not reach a person as it is. */
const hostile = [
  ...Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)),
  ...Array.from({ length: 33 }, (_, i) => String.fromCharCode(127 + i)),
  ...Array.from(
    '\u00ad\u034f\u061c\u115f\u1160\u17b4\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2064' +
      '\u2066\u2069\u206a\u2800\u3164\ufe0f\ufeff\uffa0\ufff9\ufffb\u{1d173}\u{e0001}\u{e0041}\u{e0101}\ue000\uffff'
  ),
  '\ud83d',
  '\ude00'
]

describe('text that a person sees', () => {
  const named = hostile.map((character) => [character.codePointAt(0)!.toString(16), character])
  it.each(named)('has a mark for U+%s', (_, character) => {
    for (const show of [visibleText, visibleToken]) {
      const shown = show(`a${character}b`)
      expect(shown).toMatch(/^a.+b$/u)
      expect(shown).not.toContain(character)
    }
    expect(visibleLines(`a${character}b`)).toBe(character === '\n' ? 'a\nb' : visibleText(`a${character}b`))
    expect(hiddenIn(`a${character}b`)).toEqual([1])
  })

  it('names what has no sign of its own by its code', () => {
    expect(visibleText('pay\u202egnp.exe')).toBe('pay\\u{202e}gnp.exe')
    expect(visibleText('\u001b]0;x\u0007\u009b2J')).toBe('␛]0;x␇\\u{9b}2J')
  })

  it.each([
    ['combining marks', 'Cafe\u0301 Z\u0306 नमस्ते ไทย'],
    ['a family', '👩\u200d👩\u200d👧'],
    ['a burning heart', '❤\ufe0f\u200d🔥'],
    ['a skin', '👩🏽\u200d💻'],
    ['a keycap', '1\ufe0f\u20e3'],
    ['Persian', 'می\u200cخواهم'],
    ['Hindi', 'क्\u200dष'],
    ['Sinhala', 'ශ්\u200dරී'],
    ['a variant of a Han character', '葛\u{e0100}'],
    ['Arabic and Hebrew', 'سلام שלום']
  ])('keeps %s', (_, text) => {
    expect(visibleText(text)).toBe(text)
    expect(hiddenIn(text)).toEqual([])
  })

  it.each([
    ['between Latin letters', 'ad\u200dmin', 'ad\\u{200d}min'],
    ['at an end', '👩\u200d', '👩\\u{200d}'],
    ['two at once', 'م\u200c\u200cم', 'م\\u{200c}\\u{200c}م'],
    ['a second variation selector', '❤\ufe0f\ufe0f', '❤\ufe0f\\u{fe0f}'],
    ['after a letter', 'a\ufe0f', 'a\\u{fe0f}']
  ])('marks a joiner or selector that shapes nothing: %s', (_, text, shown) => expect(visibleText(text)).toBe(shown))

  it('is the same when it goes through again', () => {
    const all = `\u0301${hostile.join('x')} ❤\ufe0f\u200d🔥`
    for (const show of [visibleText, visibleLines, visibleToken]) expect(show(show(all))).toBe(show(all))
  })

  it('keeps other spaces on a page only', () => {
    expect(visibleText('5\u00a0kg')).toBe('5␣kg')
    expect(visibleLines('5\u00a0kg')).toBe('5\u00a0kg')
  })
})

describe('a quotation', () => {
  it('has the beginning and the end of a long text, no half character, and nothing hidden', () => {
    expect(briefly('short\n')).toBe('short⏎')
    const cut = briefly(`${'a'.repeat(46)}😀${'b'.repeat(100)}😀${'c'.repeat(29)}`)
    expect(cut).toBe(`${'a'.repeat(46)} … ${'c'.repeat(29)}`)
    expect(briefly('\u001b[2J')).toBe('␛[2J')
  })
})
