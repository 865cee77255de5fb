import type { Segment } from './records'

/** A byte of a token that is not a whole character, in the form `\xE2`. */
export const shownByte = (byte: number): string => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`

/** Matches what `shownByte` gives for bytes of characters outside ASCII. */
export const shownBytes = /\\x([89A-F][0-9A-F])/g

/** Length of a UTF-8 sequence by its first byte; 0 for a byte that cannot begin one. */
export const sequenceLength = (byte: number): number =>
  byte < 0x80
    ? 1
    : byte >= 0xc2 && byte < 0xe0
      ? 2
      : byte >= 0xe0 && byte < 0xf0
        ? 3
        : byte >= 0xf0 && byte < 0xf5
          ? 4
          : 0

/** Part of a token's text: a byte of a character, or what lies between such bytes. */
interface Piece {
  readonly token: number
  text: string
  readonly byte: number | undefined
}

const piecesOf = (texts: readonly string[]): Piece[] =>
  texts.flatMap((text, token) => {
    const pieces: Piece[] = []
    let end = 0
    for (const { 0: match, 1: digits, index } of text.matchAll(shownBytes)) {
      if (index > end) pieces.push({ token, text: text.slice(end, index), byte: undefined })
      pieces.push({ token, text: match, byte: parseInt(digits, 16) })
      end = index + match.length
    }
    if (end < text.length) pieces.push({ token, text: text.slice(end), byte: undefined })
    return pieces
  })

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const characterOf = (bytes: readonly (number | undefined)[]): string | undefined => {
  const known = bytes.filter((byte) => byte !== undefined)
  if (known.length < bytes.length) return undefined
  try {
    return decoder.decode(Uint8Array.from(known))
  } catch {
    return undefined
  }
}

/** Says which bytes of a character a token has, counted from 1: "⟨1–2/3⟩". */
const partWords = (first: number, last: number, of: number): string =>
  `⟨${first === last ? first : `${first}–${last}`}/${of}⟩`

/** A character of pieces whose bytes are in several tokens is given to one of them, and taken from the others. */
const settle = (pieces: readonly Piece[], character: string, own: number | undefined): void => {
  const owned = pieces.flatMap(({ token }, at) => (token === own ? [at + 1] : []))
  const [first, last] = [owned[0], owned.at(-1)]
  const holder = first === undefined || last === undefined ? 0 : first - 1
  const part = first === undefined || last === undefined ? '' : partWords(first, last, pieces.length)
  pieces.forEach((piece, at) => (piece.text = at === holder ? character + part : ''))
}

/**
 * Texts of consecutive tokens with whole characters where the bytes of one are in several tokens. The character is in
 * the text of the first of them, and the others have none of it. If the token at `own` has some of its bytes, the
 * character is there instead, followed by which: "é⟨1/2⟩". Bytes that are no character stay as they are.
 */
export const wholeCharacters = (texts: readonly string[], own?: number): string[] => {
  if (!texts.some((text) => text.includes('\\x'))) return [...texts]
  const pieces = piecesOf(texts)
  for (let at = 0; at < pieces.length;) {
    const { byte } = pieces[at]
    const bytes = pieces.slice(at, at + (byte === undefined ? 0 : sequenceLength(byte)))
    const isDivided = bytes.some(({ token }) => token !== bytes[0].token)
    const character = isDivided ? characterOf(bytes.map((piece) => piece.byte)) : undefined
    if (character !== undefined) settle(bytes, character, own)
    at += character === undefined ? 1 : bytes.length
  }
  const whole = texts.map(() => '')
  for (const { token, text } of pieces) whole[token] += text
  return whole
}

/** A character has four bytes at most, so up to three tokens outside a context may have some of its bytes. */
const outside = 3

export interface ContextTexts {
  readonly text: string
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/**
 * Texts of the token at `position` of a row of `length` tokens, and of up to `before` and `after` on its sides, with
 * whole characters as `wholeCharacters` makes them.
 */
export const contextTexts = (
  length: number,
  textAt: (position: number) => string,
  position: number,
  before: number,
  after: number
): ContextTexts => {
  const first = Math.max(0, position - before)
  const last = Math.min(length, position + 1 + after)
  const from = Math.max(0, first - outside)
  const read = Array.from({ length: Math.min(length, last + outside) - from }, (_, at) => textAt(from + at))
  const texts = wholeCharacters(read, position - from)
  return {
    text: texts[position - from],
    before: texts.slice(first - from, position - from),
    after: texts.slice(position + 1 - from, last - from)
  }
}

/** Positions of a row at which documents begin. */
export const documentStarts = (segments: readonly Segment[]): Set<number> =>
  new Set(segments.flatMap(({ start, offset }) => (offset === 0 ? [start] : [])))

/** Text of a document's first token without what the tokenizer puts before every document. */
export const withoutPrefix = (text: string, prefix: string): string =>
  text.startsWith(prefix) ? text.slice(prefix.length) : text
