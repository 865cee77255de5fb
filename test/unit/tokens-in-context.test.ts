import { describe, expect, it } from 'vitest'
import { contextTexts, shownByte, wholeCharacters, withoutPrefix } from '../../preload/tokens-in-context'
import { StudyTexts } from '../../main/exchange/contexts'
import { smallStudy } from './store-fixture'

const shown = (text: string): string[] => Array.from(Buffer.from(text), shownByte)

describe('a character of several tokens', () => {
  it.each([
    ['byte by byte', ['a', ...shown('日'), 'b'], ['a', '日', '', '', 'b']],
    ['beside text in the same token', [' caf\\xC3', '\\xA9.'], [' café', '.']],
    ['of two and one bytes', ['\\xE2\\x80', '\\x94'], ['—', '']],
    ['after another', [...shown('é'), ...shown('🙂')], ['é', '', '🙂', '', '', '']],
    ['across an empty token', ['\\xC3', '', '\\xA9'], ['é', '', '']],
    ['beyond U+FFFF, and a byte order mark', [...shown('\ufeff')], ['\ufeff', '', '']],
    ['that ends too early', ['\\xE2\\x80', 'x', '\\x94'], ['\\xE2\\x80', 'x', '\\x94']],
    ['that is no character', ['\\xC3', '\\xC3', '\\xA9'], ['\\xC3', 'é', '']],
    ['that UTF-8 forbids', ['\\xED', '\\xA0', '\\x80'], ['\\xED', '\\xA0', '\\x80']],
    ['at the end of a row', ['a\\xE2', '\\x80'], ['a\\xE2', '\\x80']],
    ['that a single token spells out', ["b'\\xC3\\xA9'"], ["b'\\xC3\\xA9'"]]
  ])('%s', (_, texts, whole) => {
    expect(wholeCharacters(texts)).toEqual(whole)
  })

  it('says which part a token has', () => {
    const texts = [' (\\xE2\\x80', '\\x94', ')']
    expect(wholeCharacters(texts, 0)).toEqual([' (—⟨1–2/3⟩', '', ')'])
    expect(wholeCharacters(texts, 1)).toEqual([' (', '—⟨3/3⟩', ')'])
    expect(wholeCharacters(texts, 2)).toEqual([' (—', '', ')'])
  })

  it('is whole in a context that ends within it', () => {
    const texts = [...shown('🙂'), 'x', ...shown('é')]
    const at = (position: number): string => texts[position]
    expect(contextTexts(texts.length, at, 3, 1, 2)).toEqual({ before: [''], text: '🙂⟨4/4⟩', after: ['x', 'é'] })
    expect(contextTexts(texts.length, at, 4, 4, 1)).toEqual({ before: ['🙂', '', '', ''], text: 'x', after: ['é'] })
    expect(contextTexts(texts.length, at, 0, 9, 0)).toEqual({ before: [], text: '🙂⟨1/4⟩', after: [] })
  })
})

describe('what a tokenizer puts before documents', () => {
  it('is taken off once, if it is there', () => {
    expect(['▁', ' The', '  x', 'The', ''].map((text) => withoutPrefix(text, ' '))).toEqual([
      '▁',
      'The',
      ' x',
      'The',
      ''
    ])
  })

  it('is not part of a document in exported contexts', () => {
    const words = {
      ids: Int32Array.from({ length: 10 }, (_, id) => id),
      texts: Array.from('0123456789', (x) => ` ${x}`)
    }
    const texts = new StudyTexts(smallStudy(), words, ' ')
    // Documents begin at the first position of the first row, and at position 3 of every row.
    expect(texts.around(2, 9)).toEqual({ before: '0 1 2', text: '3', after: ' 4 5' })
    expect(texts.around(6, 9)).toEqual({ before: ' 3 4', text: ' 5', after: '6 7 8' })
    expect(new StudyTexts(smallStudy(), words).around(2, 1)).toEqual({ before: ' 2', text: ' 3', after: ' 4' })
  })
})
