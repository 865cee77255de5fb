import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadTokenizer, parseTokenizer, type Tokenizer } from '../../main/models/tokenizer'
import kinds from '../golden/tokenizer-kinds.json'
import golden from '../golden/tokenizer-spellings.json'
import { processorTime } from '../processor-time'
import { describeWithShared, sharedPath } from '../shared'
import { failure, temporaryFolder, tinyTokenizer, writeFolder } from './models-fixtures'

const { text, spellings } = golden
const [plain] = spellings

interface Change {
  readonly parts?: object
  readonly model?: object
  readonly more?: readonly (readonly (string | number)[])[]
  readonly less?: readonly string[]
}

const changed = ({ parts, model, more = [], less = [] }: Change): string => {
  const kept = Object.entries(tinyTokenizer.model.vocab).filter(([token]) => !less.includes(token))
  const vocab = Object.fromEntries([...kept, ...(more as readonly [string, number][])])
  return JSON.stringify({ ...tinyTokenizer, ...parts, model: { ...tinyTokenizer.model, vocab, ...model } })
}

const gpt2Split = (
  spellings.find(({ name }) => name === 'split')!.parts as { pre_tokenizer: { pretokenizers: object[] } }
).pre_tokenizer.pretokenizers[0]
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
const template = (...single: readonly object[]): object => ({
  type: 'TemplateProcessing',
  single,
  pair: [],
  special_tokens: {}
})
const sequence = (list: string, ...parts: readonly object[]): object => ({ type: 'Sequence', [list]: parts })
const [first, second] = [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '<|endoftext|>', type_id: 0 } }]

describe('a spelling of byte-level BPE', () => {
  it.each(spellings)(
    'gives the ids of the reference implementation: $name',
    ({ parts, model, more, less, moreText, ids }) => {
      expect(parseTokenizer(changed({ parts, model, more, less }), 'tokenizer.json').encode(text + moreText)).toEqual(
        ids
      )
    }
  )

  it('may have a byte order mark before it', async () => {
    const folder = writeFolder(temporaryFolder(), { 'tokenizer.json': `\ufeff${changed({})}` })
    const tokenizer = await loadTokenizer(folder)
    expect([tokenizer.encode(text), tokenizer.hash]).toEqual([plain.ids, parseTokenizer(changed({}), '').hash])
  })

  const refused: [string, Change, RegExp][] = [
    [
      'a post-processor that adds tokens',
      { parts: { post_processor: template(first, second) } },
      /"post_processor": "TemplateProcessing" adds tokens/
    ],
    [
      'a post-processor that leaves the text out',
      { parts: { post_processor: template(second) } },
      /"post_processor": "TemplateProcessing"/
    ],
    [
      'an unknown post-processor',
      { parts: { post_processor: { type: 'Nope' } } },
      /"post_processor": "Nope" is not a known kind/
    ],
    [
      'one of them in a sequence',
      { parts: { post_processor: sequence('processors', byteLevel, { type: 'RobertaProcessing' }) } },
      /"post_processor": "RobertaProcessing" adds tokens/
    ],
    [
      'a sequence without its list',
      { parts: { normalizer: { type: 'Sequence' } } },
      /"normalizer": a "Sequence" without "normalizers"/
    ],
    [
      'lower case',
      { parts: { normalizer: sequence('normalizers', { type: 'NFC' }, { type: 'Lowercase' }) } },
      /"normalizer": "Lowercase" changes texts/
    ],
    [
      'words of another pattern',
      {
        parts: {
          pre_tokenizer: sequence(
            'pretokenizers',
            { ...gpt2Split, pattern: { Regex: '\\w+' } },
            { ...byteLevel, use_regex: false }
          )
        }
      },
      /"pre_tokenizer": "Split" cuts texts in a way that is not known/
    ],
    [
      'a space before every word',
      { parts: { pre_tokenizer: sequence('pretokenizers', gpt2Split, { ...byteLevel, add_prefix_space: true }) } },
      /"pre_tokenizer": "add_prefix_space" after a "Split"/
    ],
    [
      'no words',
      { parts: { pre_tokenizer: { ...byteLevel, use_regex: false } } },
      /"pre_tokenizer": "use_regex" is false/
    ],
    ['no pre-tokenizer', { parts: { pre_tokenizer: null } }, /"pre_tokenizer": it has no "ByteLevel"/],
    [
      'bytes twice',
      { parts: { pre_tokenizer: sequence('pretokenizers', byteLevel, byteLevel) } },
      /"pre_tokenizer": "ByteLevel" cuts texts in a way that is not known/
    ],
    ['another decoder', { parts: { decoder: { type: 'Metaspace' } } }, /"decoder": "Metaspace"/],
    ['chance', { model: { dropout: 0.1 } }, /"model\.dropout"/],
    [
      'a merge of unknown tokens',
      { model: { merges: ['t h', 'x y'] } },
      /"model\.merges\.1": the vocabulary lacks "xy"/
    ],
    ['a merge of three', { model: { merges: ['t h e'] } }, /"model\.merges\.0": "t h e" is not two tokens/],
    ['merges in both spellings', { model: { merges: ['t h', ['a', 'n']] } }, /"model\.merges/],
    [
      'another token for lacking bytes',
      { less: ['x'], model: { unk_token: '<|endoftext|>' } },
      /"model\.unk_token": the vocabulary lacks the byte "x"/
    ],
    ['an id that is none', { more: [['word', 1.5]] }, /"model\.vocab": the id of "word"/],
    ['a type of 100,000 letters', { parts: { normalizer: { type: 'N'.repeat(100_000) } } }, /^.{0,300}$/]
  ]
  it.each(refused)('is refused in one sentence with %s', (_, change, message) => {
    const parse = (): unknown => parseTokenizer(changed(change), 'm/tokenizer.json')
    expect(parse).toThrow(message)
    expect(parse).toThrow(/^m\/tokenizer\.json: .*; only BPE tokenizers are read, .*\.$/)
  })

  it('is named where it is a Git LFS pointer or no UTF-8', async () => {
    const folder = writeFolder(temporaryFolder(), {
      'tokenizer.json': 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n'
    })
    expect((await failure(loadTokenizer(folder))).message).toMatch(
      /tokenizer\.json is a Git LFS pointer, not the file itself; run "git lfs pull"/
    )
    writeFolder(folder, { 'tokenizer.json': Buffer.from('{"caf\u00e9": 1}', 'latin1') })
    expect((await failure(loadTokenizer(folder))).message).toMatch(
      /tokenizer\.json is not valid UTF-8 \(at byte \d+\); put the tokenizer\.json/
    )
  })
})

describe('a tokenizer of another family', () => {
  const fileOf = ({ base, parts, model }: { base: string; parts: object; model: object }): string => {
    const plain = kinds.tokenizers[base as keyof typeof kinds.tokenizers]
    return JSON.stringify({ ...plain, ...parts, model: { ...plain.model, ...model } })
  }
  const named = (name: string): Tokenizer =>
    parseTokenizer(fileOf(kinds.kinds.find((kind) => kind.name === name)!), 'tokenizer.json')

  it.each(kinds.kinds)('gives the ids of the reference implementation: $name', ({ ids, ...kind }) => {
    expect(parseTokenizer(fileOf(kind), 'tokenizer.json').encode(kinds.text)).toEqual(ids)
  })

  it.each(['llama 3', 'qwen 2', 'smollm', 'llama 2, newer', 'gemma'])('gives back the text: %s', (name) => {
    const tokenizer = named(name)
    const text = 'The the\n\nand 🙂 日本 ½ 12345 the  x'
    expect(tokenizer.decode(tokenizer.encode(text)).trimStart()).toBe(text.normalize('NFC'))
  })

  it('says which token its file puts before every text, and does not put it there', () => {
    expect(['llama 2', 'llama 3', 'qwen 2'].map((name) => named(name).beginOfText)).toEqual([1, 0, undefined])
    expect(named('llama 2').encode('a')).not.toContain(1)
  })

  it('says what the first token of a text has before it', () => {
    expect(['llama 2', 'llama 2, newer', 'gemma', 'llama 3', 'smollm'].map((name) => named(name).prefix)).toEqual([
      ' ',
      ' ',
      '',
      '',
      ''
    ])
  })

  it('shows tokens as text, and bytes of a character as escapes', () => {
    const tokenizer = named('gemma')
    expect(tokenizer.encode(' the 🙂').map((id) => tokenizer.tokenText(id))).toEqual([
      ' the',
      ' ',
      '\\xF0',
      '\\x9F',
      '\\x99',
      '\\x82'
    ])
  })

  it.each([
    ['\\w+'],
    ['(?<name>a)'],
    ['(a+)+'],
    ['(?:a+|b)*'],
    ['[a[bc]]'],
    ['[a-z&&[^b]]'],
    ['\\p{Alphabetic}'],
    ['^a'],
    ['a{2}+'],
    ['(?i)a'],
    ['(?:a'],
    ['a)'],
    ['[a'],
    ['\\'],
    ['(?:'.repeat(5000)],
    ['a'.repeat(5000)]
  ])('is refused where its pattern is not surely read alike: %.20s', (Regex) => {
    const pre_tokenizer = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }
    expect(() => parseTokenizer(fileOf({ base: 'characters', parts: { pre_tokenizer }, model: {} }), 't')).toThrow(
      /"pre_tokenizer": "Split" cuts texts in a way that is not known/
    )
  })
})

describe('a text without a break', () => {
  const added = Array.from({ length: 5000 }, (_, i) => ({ id: 300 + i, content: `<${i}>`, normalized: false }))
  const tokenizer = parseTokenizer(changed({ parts: { added_tokens: [...tinyTokenizer.added_tokens, ...added] } }), '')
  const shortest = async (body: () => void): Promise<number> =>
    Math.min(await processorTime(body), await processorTime(body), await processorTime(body))

  // Eight times as long may take four times that much longer, as what is short is measured less surely; a square
  // would take 64 times.
  it.each([
    ['digits', '0123456789'],
    ['letters', 'the'],
    ['emoji', '🙂'],
    ['spaces', ' '],
    ['marks', 'e\u0301'],
    ['added tokens', '<|endoftext|>'],
    ['many added tokens', '<4999>']
  ])('of %s is cut in time that grows with its length', async (_, unit) => {
    const of = (length: number): string => unit.repeat(length / unit.length)
    const timeOf = (length: number): Promise<number> => shortest(() => tokenizer.encode(of(length)))
    const [short, long] = [await timeOf(25_000), await timeOf(200_000)]
    expect(long).toBeLessThan(Math.max(32 * short, 1000))
    expect(tokenizer.decode(tokenizer.encode(of(1000)))).toBe(of(1000).normalize('NFC'))
  })

  it('is refused where it has more combining marks in a row than can be put in order', () => {
    expect(() => tokenizer.encode('\u0301\u0323'.repeat(100_000))).toThrow(
      /^A text has 200000 combining marks in a row, and 10000 at most are read; take them out\.$/
    )
  })
})

describeWithShared("the fixture model's tokenizer", () => {
  it('merges as a list of the leftmost best pairs does, in words of any length', () => {
    const file = readFileSync(join(sharedPath('fixtures', 'neox-2m'), 'tokenizer.json'), 'utf8')
    const {
      model: { merges, vocab }
    } = JSON.parse(file) as { model: { merges: string[]; vocab: Record<string, number> } }
    const rank = new Map(merges.map((merge, i) => [merge, i]))
    const naive = (word: string): number[] => {
      let pieces = Array.from(word)
      for (;;) {
        const ranks = pieces.slice(1).map((right, i) => rank.get(`${pieces[i]} ${right}`) ?? Infinity)
        const best = ranks.reduce((least, one) => Math.min(least, one), Infinity)
        if (best === Infinity) return pieces.map((piece) => vocab[piece])
        const at = ranks.indexOf(best)
        pieces = [...pieces.slice(0, at), pieces[at] + pieces[at + 1], ...pieces.slice(at + 2)]
      }
    }
    const tokenizer = parseTokenizer(file, '')
    for (const word of [
      'a'.repeat(257),
      'ababcabcd'.repeat(40),
      'internationalisation'.repeat(20),
      '1112'.repeat(99),
      'thethenthat'.repeat(30)
    ]) {
      expect(tokenizer.encode(word)).toEqual(naive(word))
    }
  })
})
