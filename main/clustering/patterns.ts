import { patternNames, type PatternName } from '../../preload/contract-explore'
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

const endOfText = '<|endoftext|>'
const firstOfRow = 8
/** `Tokenizer.tokenText` shows bytes that are not a whole character like this. */
const loneByte = /\\x[89A-F][0-9A-F]/g
/** Placeholder for such a byte: neither a letter nor punctuation. */
const lone = '\ue000'
const lineBreak = /[\n\r\u2028\u2029]/

const traitsOf = (shown: string): TextTraits => {
  const text = shown.replace(loneByte, lone)
  const end = text === endOfText
  const trimmed = text.trim()
  const visible = trimmed !== ''
  const leading = /^\s*/.exec(text)?.[0] ?? ''
  const trailing = /\s*$/.exec(text)?.[0] ?? ''
  const bits =
    (/^\p{N}+$/u.test(trimmed) ? bitOf('digit') : 0) |
    (!end && /^[\p{P}\p{S}]+$/u.test(trimmed) ? bitOf('punctuation') : 0) |
    (/\p{Lu}/u.test(text) ? bitOf('uppercase') : 0) |
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
  let breakFollows = false
  for (let at = row.length - 1; at >= 0; at--) {
    const traits = row[at]
    if (!traits.end && (traits.breaks || (traits.visible && breakFollows))) bits[at] |= bitOf('line-end')
    breakFollows = traits.end || (traits.visible ? traits.breaksFirst : traits.breaks || breakFollows)
  }
  return bits
}

const followsAsBefore = (row: Int32Array): boolean[] => {
  const seen = new Set<number>()
  return Array.from(row, (id, at) => {
    if (at === 0) return false
    const pair = row[at - 1] * 2 ** 26 + id
    const before = seen.has(pair)
    seen.add(pair)
    return before
  })
}

/** Patterns at every position of a row: bit i is set for pattern i of `patternNames`. */
export const rowPatterns = (row: Int32Array, traits: (id: number) => TextTraits): Int32Array => {
  const bits = textPatterns(Array.from(row, traits))
  followsAsBefore(row).forEach((repeated, at) => {
    if (repeated) bits[at] |= bitOf('repeated-bigram')
    if (at > 0 && row[at] === row[at - 1]) bits[at] |= bitOf('same-as-previous')
    if (at < firstOfRow) bits[at] |= bitOf('row-start')
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
  const patterns = new Int32Array(targets.reduce((sum, { length }) => sum + length, 0))
  let token = 0
  probe.forEach((row, index) => {
    const bits = rowPatterns(row, traits)
    for (const position of targets[index]) patterns[token++] = bits[position]
    if (index % 256 === 0) report(index / probe.length)
  })
  return patterns
}
