import { describe, expect, it } from 'vitest'
import { loadTokenizer, parseTokenizer } from '../../main/models/tokenizer'
import { failure, temporaryFolder, tinyTokenizer, writeFolder } from './models-fixtures'

const tokenizer = parseTokenizer(JSON.stringify(tinyTokenizer), 'tokenizer.json')
const [endOfText, a, the, spaceThe, and] = [0, 1 + 97, 258, 259, 261]

describe('a tokenizer', () => {
  it('knows its vocabulary and its end of text', () => {
    expect([tokenizer.vocabularySize, tokenizer.endOfText]).toEqual([262, endOfText])
    expect(tokenizer.hash).toMatch(/^[0-9a-f]{64}$/)
  })

  it('merges within words, and takes added tokens as one', () => {
    expect(tokenizer.encode('the the<|endoftext|>and')).toEqual([the, spaceThe, endOfText, and])
    expect(tokenizer.encode('')).toEqual([])
  })

  it('gives the same ids whether a word is new to it or not', () => {
    const text = 'the and 🙂 thethe and\u0085\n  end'
    expect(tokenizer.encode(text)).toEqual(parseTokenizer(JSON.stringify(tinyTokenizer), '').encode(text))
  })

  it('decodes what it encodes, in normal form, and replaces half characters', () => {
    const text = 'Åe\u0301 日本 🙂\u0000\ufeff'
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.normalize('NFC'))
    expect(tokenizer.encode('x\ud83dy')).toEqual(tokenizer.encode('x\ufffdy'))
    expect(tokenizer.decode([1 + 0xe2])).toBe('\ufffd')
    expect(tokenizer.decode([a, 99999])).toBe('a')
  })

  it("shows one token's text with escapes for bytes that are no character", () => {
    expect([a, spaceThe, endOfText].map((id) => tokenizer.tokenText(id))).toEqual(['a', ' the', '<|endoftext|>'])
    expect(tokenizer.tokenText(1 + 0xe2)).toBe('\\xE2')
    expect(tokenizer.tokenText(99999)).toBe('<99999>')
    const value = structuredClone(tinyTokenizer)
    Object.assign(value.model.vocab, { 'æĹ¥': 300, 'æĹ¥æĹ': 301, 'ï¿½': 302, 'ĹæĹ¥': 303, íłĢ: 304 })
    const wider = parseTokenizer(JSON.stringify(value), '')
    expect([300, 301, 302, 303, 304].map((id) => wider.tokenText(id))).toEqual([
      '日',
      '日\\xE6\\x97',
      '\ufffd',
      '\\x97日',
      '\\xED\\xA0\\x80'
    ])
  })

  it('takes the longest added token, and those that are matched after normalisation', () => {
    const added = (id: number, content: string, normalized: boolean) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized,
      special: false
    })
    const value = {
      ...tinyTokenizer,
      added_tokens: [
        ...tinyTokenizer.added_tokens,
        added(300, '  ', true),
        added(301, '   ', true),
        added(302, 'Å', true),
        added(303, '[x]', false)
      ]
    }
    const spaces = parseTokenizer(JSON.stringify(value), '')
    expect(spaces.encode('a   a     a')).toEqual([a, 301, a, 301, 300, a])
    expect(spaces.encode('A\u030a[x]')).toEqual([302, 303])
    expect(spaces.vocabularySize).toBe(304)
  })

  it('of another kind is refused by name', () => {
    const refused =
      (change: object): (() => unknown) =>
      () =>
        parseTokenizer(JSON.stringify({ ...tinyTokenizer, ...change }), 'm/tokenizer.json')
    expect(refused({ model: { type: 'Unigram', vocab: [] } })).toThrow(
      /m\/tokenizer\.json: "model.*only BPE tokenizers/
    )
    expect(refused({ pre_tokenizer: { type: 'Whitespace' } })).toThrow(/"pre_tokenizer/)
    expect(refused({ normalizer: { type: 'BertNormalizer' } })).toThrow(/"normalizer/)
    expect(() => parseTokenizer('', 'm/tokenizer.json')).toThrow(/not valid JSON/)
  })

  it("is looked for in the model's folder", async () => {
    const folder = temporaryFolder()
    const error = await failure(loadTokenizer(folder))
    expect(error.message).toMatch(/tokenizer\.json does not exist; put the tokenizer\.json/)
    writeFolder(folder, { 'tokenizer.json': tinyTokenizer })
    expect((await loadTokenizer(folder)).encode('and')).toEqual([and])
  })
})
