import { patternNames, type PatternName } from '../../preload/contract-explore'
import { shownBytes } from '../../preload/tokens-in-context'
import { closingTexts } from './brackets'

/** Texts of token ids, with `ids` ascending. Empty without a tokenizer; no text pattern is then found. */
export interface Texts {
  readonly ids: Int32Array
  readonly texts: readonly string[]
}

/** Probe rows as token ids, and the studied target positions of each. */
export interface StudiedRows {
  readonly probe: readonly Int32Array[]
  readonly targets: readonly Int32Array[]
}

/** Properties of a token that follow from its own text. */
interface TextTraits {
  readonly text: string
  readonly visible: boolean
  readonly breaks: boolean
  /** Whether a line break precedes, or follows, all visible characters. */
  readonly breaksFirst: boolean
  readonly breaksLast: boolean
  /** Bits of the patterns that need no context. */
  readonly bits: number
  /** White space before the first visible character. */
  readonly spaced: boolean
  /**
   * What the first visible characters are: a letter, or an apostrophe followed by a letter. `wordLast` tells whether
   * the last character belongs to a word.
   */
  readonly letterFirst: boolean
  readonly apostropheFirst: boolean
  readonly wordLast: boolean
  readonly apostropheLast: boolean
  readonly end: boolean
}

const bitOf = (pattern: PatternName): number => 1 << patternNames.indexOf(pattern)

/** Tokens that stand before, between and after documents: GPT-2's, Llama 3's, Llama 2's and Gemma's. */
const boundary = /^<(?:\|(?:endoftext|begin_of_text|end_of_text)\||\/?s|bos|eos)>$/
const firstOfRow = 8
/** Placeholder for a byte that is not a whole character: neither a letter nor punctuation. */
const lone = '\ue000'
const lineBreak = /[\n\r\u2028\u2029]/

/**
 * A lone angle bracket, or punctuation with an opening bracket or quote in it. Straight quotes open and close, so
 * they are neither.
 */
const leftDelimiter = /^(?:<\/?|[\p{P}\p{S}]*[\p{Ps}“‘«‹][\p{P}\p{S}]*)$/u
const rightDelimiter = /^(?:\/?>|[\p{P}\p{S}]*[\p{Pe}”»›][\p{P}\p{S}]*)$/u

const traitsOf = (shown: string): TextTraits => {
  const text = shown.replace(shownBytes, lone)
  const end = boundary.test(text)
  const trimmed = text.trim()
  const visible = trimmed !== ''
  const leading = /^\s*/.exec(text)?.[0] ?? ''
  const trailing = /\s*$/.exec(text)?.[0] ?? ''
  const bits =
    (/^\p{N}+$/u.test(trimmed) ? bitOf('digit') : 0) |
    (!end && /^[\p{P}\p{S}]+$/u.test(trimmed) ? bitOf('punctuation') : 0) |
    (/\p{Lu}/u.test(text) ? bitOf('uppercase') : 0) |
    (!end && leftDelimiter.test(trimmed) ? bitOf('left-delimiter') : 0) |
    (!end && rightDelimiter.test(trimmed) ? bitOf('right-delimiter') : 0) |
    (text !== '' && !visible ? bitOf('whitespace') : 0)
  return {
    text,
    visible,
    bits,
    end,
    breaks: lineBreak.test(text),
    breaksFirst: lineBreak.test(leading),
    breaksLast: lineBreak.test(trailing),
    spaced: leading !== '',
    letterFirst: /^[\p{L}\p{M}]/u.test(trimmed),
    apostropheFirst: /^['’]\p{L}/u.test(text),
    wordLast: /[\p{L}\p{M}\p{N}]$/u.test(text) && !end,
    apostropheLast: /^['’]$/u.test(text)
  }
}

const nothing = traitsOf('')

/** Text patterns at every position of a row. */
const textPatterns = (row: readonly TextTraits[]): Int32Array => {
  const bits = Int32Array.from(row, (traits) => traits.bits)
  closingTexts(
    row.map(({ text }) => text),
    (index) => row[index].end
  ).forEach((closes, at) => {
    if (closes) bits[at] |= bitOf('bracket-match')
  })
  let atLineStart = false
  let inWord = false
  let afterApostrophe = false
  row.forEach((traits, at) => {
    if (traits.end) {
      atLineStart = true
      inWord = afterApostrophe = false
      return
    }
    if (traits.visible && (traits.breaksFirst || atLineStart)) bits[at] |= bitOf('line-start')
    if (traits.letterFirst)
      bits[at] |= bitOf((inWord || afterApostrophe) && !traits.spaced ? 'word-part' : 'word-start')
    else if (traits.apostropheFirst && inWord) bits[at] |= bitOf('word-part')
    atLineStart = traits.visible ? traits.breaksLast : traits.breaks || atLineStart
    if (traits.text !== '') {
      afterApostrophe = inWord && traits.apostropheLast
      inWord = traits.wordLast
    }
  })
  const inWords = bitOf('word-start') | bitOf('word-part')
  for (let at = 0; at + 1 < row.length; at++) {
    const next = row[at + 1].apostropheLast ? at + 2 : at + 1
    const goesOn = (bits[next] & bitOf('word-part')) !== 0
    if ((bits[at] & inWords) !== 0 && row[at].wordLast && !goesOn) bits[at] |= bitOf('word-end')
  }
  let breakFollows = false
  for (let at = row.length - 1; at >= 0; at--) {
    const traits = row[at]
    if (!traits.end && (traits.breaks || (traits.visible && breakFollows))) bits[at] |= bitOf('line-end')
    breakFollows = traits.end || (traits.visible ? traits.breaksFirst : traits.breaks || breakFollows)
  }
  return bits
}

/** One number for a pair of token ids, both below 2²⁶. */
const pairOf = (previous: number, id: number): number => previous * 2 ** 26 + id

const mostCommon = 1000
const leastOccurrences = 5

/**
 * The most frequent pairs of successive token ids in the rows: the first thousand, with all that are as frequent as
 * the last of these; none that occurs less than five times.
 */
export const commonPairs = (rows: readonly Int32Array[]): ReadonlySet<number> => {
  const counts = new Map<number, number>()
  for (const row of rows) {
    for (let at = 1; at < row.length; at++) {
      const pair = pairOf(row[at - 1], row[at])
      counts.set(pair, (counts.get(pair) ?? 0) + 1)
    }
  }
  const frequent = [...counts].filter(([, count]) => count >= leastOccurrences)
  const least = frequent.map(([, count]) => count).sort((a, b) => b - a)[mostCommon - 1] ?? leastOccurrences
  return new Set(frequent.filter(([, count]) => count >= least).map(([pair]) => pair))
}

/**
 * Patterns at every position of a row: bit i is set for pattern i of `patternNames`. `common` are pairs of ids, as
 * `commonPairs` gives them. A bigram is a token with the one before it; where a token completes one that stood
 * earlier in the row, that is induction, unless the bigram is common anyway.
 */
export const rowPatterns = (
  row: Int32Array,
  traits: (id: number) => TextTraits,
  common: ReadonlySet<number>
): Int32Array => {
  const bits = textPatterns(Array.from(row, traits))
  const seen = new Set<number>()
  row.forEach((id, at) => {
    if (at < firstOfRow) bits[at] |= bitOf('row-start')
    if (at === 0) return
    const pair = pairOf(row[at - 1], id)
    const isCommon = common.has(pair)
    if (isCommon) bits[at] |= bitOf('common-bigram')
    if (seen.has(pair)) bits[at] |= bitOf('repeated-bigram') | (isCommon ? 0 : bitOf('induction'))
    if (id === row[at - 1]) bits[at] |= bitOf('same-as-previous')
    seen.add(pair)
  })
  return bits
}

/** Returns a lookup of text traits by token id. */
export const traitsById = ({ ids, texts }: Texts): ((id: number) => TextTraits) => {
  const known = new Map<number, TextTraits>()
  ids.forEach((id, i) => known.set(id, traitsOf(texts[i])))
  return (id) => known.get(id) ?? nothing
}

/** Returns a lookup of token texts by id. It gives ⟨id⟩ for an unknown id. */
export const textsById = ({ ids, texts }: Texts): ((id: number) => string) => {
  const known = new Map<number, string>()
  ids.forEach((id, i) => known.set(id, texts[i]))
  return (id) => known.get(id) ?? `⟨${id}⟩`
}

/**
 * Patterns of every studied token, in order: bit i is set for pattern i of `patternNames`. `report` gets the share of
 * rows done, 0 to 1.
 */
export const tokenPatterns = (
  { probe, targets }: StudiedRows,
  texts: Texts,
  report: (fraction: number) => void = () => {}
): Int32Array => {
  const traits = traitsById(texts)
  const common = commonPairs(probe)
  const patterns = new Int32Array(targets.reduce((sum, { length }) => sum + length, 0))
  let token = 0
  probe.forEach((row, index) => {
    const bits = rowPatterns(row, traits, common)
    for (const position of targets[index]) patterns[token++] = bits[position]
    if (index % 256 === 0) report(index / probe.length)
  })
  return patterns
}
