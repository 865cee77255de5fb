import { describe, expect, it } from 'vitest'
import { closingTexts } from '../../main/clustering/brackets'
import { commonPairs, rowPatterns, textsById, tokenPatterns, traitsById } from '../../main/clustering/patterns'
import { patternNames, type PatternName } from '../../preload/contract-explore'

/** The texts marked with ⟦…⟧ where they close something; texts are separated by "|". */
const closed = (row: string): string => {
  const texts = row.split('|')
  const closing = closingTexts(texts, (index) => texts[index] === '<|endoftext|>'.replaceAll('|', ''))
  return texts.map((text, i) => (closing[i] ? `⟦${text}⟧` : text)).join('|')
}

describe('closing brackets and quotes', () => {
  it.each([
    ['f|(|a|,| b|[|0|]|)|;', 'f|(|a|,| b|[|0|⟦]⟧|⟦)⟧|;'],
    ['{|\n|  |g|(|[|1|]|)|;|\n|}', '{|\n|  |g|(|[|1|⟦]⟧|⟦)⟧|;|\n|⟦}⟧'],
    // One text with several marks, of both kinds.
    ['f|((|a|)(|b|))', 'f|((|a|⟦)(⟧|b|⟦))⟧'],
    ['main|()|{|}', 'main|()|{|⟦}⟧'],
    // What is not open is not closed; what was left open inside is dropped.
    ['a|)| b|]', 'a|)| b|]'],
    ['(|[|)|]', '(|[|⟦)⟧|]'],
    ['1|)| one|\n|2|)| two', '1|)| one|\n|2|)| two']
  ])('matches brackets by a stack: %s', (row, expected) => expect(closed(row)).toBe(expected))

  it.each([
    ['say| "|yes|"| and| "|no|"', 'say| "|yes|⟦"⟧| and| "|no|⟦"⟧'],
    // The row began inside a quote.
    ['yes|",| she| said| "|no|".', 'yes|",| she| said| "|no|⟦".⟧'],
    ['print|("|a|)|"|)', 'print|("|a|)|⟦"⟧|⟦)⟧'],
    ['x| =| "|a| "| +| "| b|"', 'x| =| "|a|⟦ "⟧| +| "| b|⟦"⟧'],
    ['"|a|\\"|b|"', '"|a|\\"|b|⟦"⟧'],
    ['x| =| f|"|a|"', 'x| =| f|"|a|⟦"⟧'],
    ["don|'|t| say| '|it|'|s|'", "don|'|t| say| '|it|'|s|⟦'⟧"],
    ["the| dogs|'| house| is| John|'s", "the| dogs|'| house| is| John|'s"],
    ['["|a|\'|s|",| "|b|"|]', '["|a|\'|s|⟦",⟧| "|b|⟦"⟧|⟦]⟧'],
    ['“|a| ‘|b|’| s|”', '“|a| ‘|b|⟦’⟧| s|⟦”⟧'],
    ['“|don|’|t|”', '“|don|’|t|⟦”⟧'],
    ['"""|Doc| "|x|"|.|\n|\n|More|."""', '"""|Doc| "|x|⟦"⟧|.|\n|\n|More|⟦."""⟧'],
    ['```|js|\n|a|\n|```', '```|js|\n|a|\n|⟦```⟧'],
    ["a| ``|quoted|''| word", "a| ``|quoted|⟦''⟧| word"],
    ['five| 5|"| pipe|.|\n|\n|"|x|"', 'five| 5|"| pipe|.|\n|\n|"|x|⟦"⟧']
  ])('takes quotes in their context: %s', (row, expected) => expect(closed(row)).toBe(expected))

  it.each([
    ['<|p| class|="|a|">|text|</|p|>', '<|p| class|="|a|⟦">⟧|text|</|p|⟦>⟧'],
    ['if| (|a| <| b| &&| c| >| d|)', 'if| (|a| <| b| &&| c| >| d|⟦)⟧'],
    ['x| =>| y|->|z| <|T|>', 'x| =>| y|->|z| <|T|⟦>⟧'],
    ['<!--| a| -->', '<!--| a|⟦ -->⟧']
  ])('tells tags from comparisons: %s', (row, expected) => expect(closed(row)).toBe(expected))

  it('closes everything at the end of a text', () => {
    expect(closingTexts(['(', 'a', '<|endoftext|>', ')'], (index) => index === 2)).toEqual([false, false, false, false])
  })
})

const vocabulary = [
  'The',
  ' cat',
  's',
  ' sat',
  '\n',
  '\n    ',
  'if',
  ' 12',
  '3',
  '.',
  ' X',
  '  ',
  ' ',
  "'t",
  ' don',
  '<|endoftext|>',
  '\\xE2\\x80',
  '\\x93',
  'é',
  ');',
  '(',
  ' isn',
  "'",
  't',
  '€'
]
const traits = traitsById({ ids: Int32Array.from(vocabulary.keys()), texts: vocabulary })

/** Names of the patterns at every position of a row of texts, without those of ids and of the row's start. */
const patternsOf = (...texts: string[]): PatternName[][] => {
  const bits = rowPatterns(
    Int32Array.from(texts, (text) => vocabulary.indexOf(text)),
    traits,
    new Set()
  )
  const others = new Set<PatternName>(['row-start', 'repeated-bigram', 'induction', 'same-as-previous', 'word-end'])
  return Array.from(bits, (each) => patternNames.filter((name, bit) => !others.has(name) && ((each >> bit) & 1) === 1))
}

describe('patterns of texts', () => {
  it('tell the start of a word from its parts', () => {
    expect(patternsOf('The', ' cat', 's', '.', 'The')).toEqual([
      ['word-start', 'uppercase'],
      ['word-start'],
      ['word-part'],
      ['punctuation'],
      ['word-start', 'uppercase']
    ])
    expect(patternsOf(' don', "'t")).toEqual([['word-start'], ['word-part']])
    expect(patternsOf(' isn', "'", 't')).toEqual([['word-start'], ['punctuation'], ['word-part']])
    expect(patternsOf('3', 's', 'é')).toEqual([['digit'], ['word-part'], ['word-part']])
  })

  it('tell where lines begin and end', () => {
    expect(patternsOf('The', '\n    ', 'if', ' sat', '  ', '\n', ' cat')).toEqual([
      ['word-start', 'line-end', 'uppercase'],
      ['line-end', 'whitespace'],
      ['word-start', 'line-start'],
      ['word-start', 'line-end'],
      ['whitespace'],
      ['line-end', 'whitespace'],
      ['word-start', 'line-start']
    ])
  })

  it('take the end of a text for the end of a line and the start of another', () => {
    expect(patternsOf('s', '<|endoftext|>', 's')).toEqual([
      ['word-start', 'line-end'],
      [],
      ['word-start', 'line-start']
    ])
  })

  it("say nothing of the row's edges, where the text goes on unseen", () => {
    expect(patternsOf('.', ' cat')).toEqual([['punctuation'], ['word-start']])
  })

  it('know digits, punctuation, white space, and bytes that are no character', () => {
    expect(patternsOf(' 12', '3', ' X', '  ', '€')).toEqual([
      ['digit'],
      ['digit'],
      ['word-start', 'uppercase'],
      ['whitespace'],
      ['punctuation']
    ])
    expect(patternsOf('\\xE2\\x80', '\\x93', 's')).toEqual([[], [], ['word-start']])
  })

  it('find nothing of texts without a tokenizer, but what ids tell', () => {
    const bits = rowPatterns(Int32Array.of(4, 5, 4, 5, 5), traitsById({ ids: new Int32Array(0), texts: [] }), new Set())
    const names = Array.from(bits, (each) => patternNames.filter((_, bit) => ((each >> bit) & 1) === 1))
    expect(names).toEqual([
      ['row-start'],
      ['row-start'],
      ['row-start'],
      ['repeated-bigram', 'row-start', 'induction'],
      ['same-as-previous', 'row-start']
    ])
  })
})

describe('published patterns', () => {
  const named = (row: Int32Array, common: ReadonlySet<number>, name: PatternName): number[] => {
    const bit = patternNames.indexOf(name)
    const bits = rowPatterns(row, traits, common)
    return Array.from(bits.keys()).filter((at) => ((bits[at] >> bit) & 1) === 1)
  }
  const texts = (...row: string[]): Int32Array => Int32Array.from(row, (text) => vocabulary.indexOf(text))

  it('take a repeated bigram for induction unless it is common', () => {
    const row = Int32Array.of(4, 5, 9, 4, 5, 9)
    expect(named(row, new Set(), 'induction')).toEqual([4, 5])
    const common = commonPairs([Int32Array.of(4, 5, 4, 5, 4, 5, 4, 5, 4, 5)])
    expect(named(row, common, 'common-bigram')).toEqual([1, 4])
    expect(named(row, common, 'induction')).toEqual([5])
    expect(named(row, common, 'repeated-bigram')).toEqual([4, 5])
  })

  it('call a bigram common from five occurrences on, and no more than a thousand and their equals', () => {
    expect(commonPairs([Int32Array.of(4, 5, 4, 5, 4, 5, 4, 5)]).size).toBe(0)
    const often = (id: number, times: number): Int32Array[] => Array.from({ length: times }, () => Int32Array.of(1, id))
    const ids = Array.from({ length: 1002 }, (_, id) => id)
    const counts = (of: (id: number) => number): number => commonPairs(ids.flatMap((id) => often(id, of(id)))).size
    expect(counts((id) => (id < 1000 ? 6 : 5))).toBe(1000)
    expect(counts((id) => (id < 999 ? 6 : 5))).toBe(1002)
  })

  it('tell delimiters apart, and leave straight quotes and operators', () => {
    const delimiters = ['(', ');', ' [[', '“', '”', '"', '<', '=>', '</', ').', "'", '‹', ')(']
    const known = traitsById({ ids: Int32Array.from(delimiters.keys()), texts: delimiters })
    const bits = rowPatterns(Int32Array.from(delimiters.keys()), known, new Set())
    const which = (name: PatternName): string[] =>
      delimiters.filter((_, at) => ((bits[at] >> patternNames.indexOf(name)) & 1) === 1)
    expect(which('left-delimiter')).toEqual(['(', ' [[', '“', '<', '</', '‹', ')('])
    expect(which('right-delimiter')).toEqual([');', '”', ').', ')('])
  })

  it('end a word where it does not go on, and say nothing at the end of a row', () => {
    expect(named(texts(' cat', 's', '.', ' sat'), new Set(), 'word-end')).toEqual([1])
    expect(named(texts(' isn', "'", 't', '.'), new Set(), 'word-end')).toEqual([2])
  })
})

describe('patterns of studied tokens', () => {
  it('are those of the studied positions, row by row, in the context of the whole row', () => {
    const rows = {
      probe: [Int32Array.of(20, 0, 19, 1), Int32Array.from({ length: 10 }, () => 1)],
      targets: [Int32Array.of(2, 3), Int32Array.of(1, 8)]
    }
    const patterns = tokenPatterns(rows, { ids: Int32Array.from(vocabulary.keys()), texts: vocabulary })
    const names = Array.from(patterns, (bits) => patternNames.filter((_, bit) => ((bits >> bit) & 1) === 1))
    expect(names).toEqual([
      ['bracket-match', 'punctuation', 'row-start', 'right-delimiter'],
      ['word-start', 'row-start'],
      ['word-start', 'same-as-previous', 'row-start', 'common-bigram', 'word-end'],
      ['repeated-bigram', 'word-start', 'same-as-previous', 'common-bigram', 'word-end']
    ])
  })
})

describe('texts of ids', () => {
  it('are those of the tokenizer, or the id where there is none', () => {
    const textOf = textsById({ ids: Int32Array.of(3, 8), texts: [' if', ''] })
    expect([3, 8, 5].map(textOf)).toEqual([' if', '', '⟨5⟩'])
  })
})
