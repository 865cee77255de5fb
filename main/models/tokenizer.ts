import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { sequenceLength, shownByte } from '../../preload/tokens-in-context'
import { cutterAt } from './added-tokens'
import { byteCharacters } from './byte-characters'
import { bytePairs } from './byte-pairs'
import { readModelText } from './files'
import { parseTokenizerFormat, type TokenizerFormat } from './tokenizer-format'

export interface Tokenizer {
  /** Highest id plus one. */
  readonly vocabularySize: number
  /** Id of <|endoftext|>, if there is such a token. */
  readonly endOfText: number | undefined
  /** Id of the token that the tokenizer's file puts before every text; `encode` does not. */
  readonly beginOfText: number | undefined
  /** Text that the first token of every encoded text has before the text's own, such as Llama's space; "" if none. */
  readonly prefix: string
  /** SHA-256 of tokenizer.json without a byte order mark, hexadecimal. */
  readonly hash: string
  /**
   * Token ids of a text. Takes O(n log n) time. Throws an `input` error for a text with too many consecutive
   * combining marks to normalise.
   */
  encode(text: string): number[]
  /** Text of a sequence of tokens. Invalid UTF-8 becomes U+FFFD; ids without a token are left out. */
  decode(ids: ArrayLike<number>): string
  /**
   * Text of one token. Bytes that are not a whole UTF-8 character are shown as "\xE2" escapes, an id without a token
   * as "<id>".
   */
  tokenText(id: number): string
}

/** Maximum number of words whose ids are cached. A full cache is cleared. */
const cachedWords = 200_000
const longestCachedWord = 64

const showBytes = (bytes: Buffer): string => {
  let shown = ''
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at])
    const character = bytes.toString('utf8', at, at + length)
    if (
      length > 0 &&
      at + length <= bytes.length &&
      Buffer.byteLength(character) === length &&
      (character !== '\ufffd' || bytes.toString('hex', at, at + length) === 'efbfbd')
    ) {
      shown += character
      at += length
    } else shown += shownByte(bytes[at++])
  }
  return shown
}

/** Numbers or ids for a word, given as UTF-8. */
type OfWord = (bytes: Buffer) => number[]

/** A word's bytes. Those missing from the vocabulary are dropped, as in the reference implementation. */
const smallestOfBytes = (numbers: ReadonlyMap<string, number>): OfWord => {
  const numberOfByte = byteCharacters.map((character) => numbers.get(character))
  return (bytes) => {
    const found: number[] = []
    for (const byte of bytes) {
      const number = numberOfByte[byte]
      if (number !== undefined) found.push(number)
    }
    return found
  }
}

/** A word's characters. One missing from the vocabulary becomes its bytes' tokens, or the unknown token, or nothing. */
const smallestOfCharacters = (
  { unknown: { byBytes, token, fused } }: TokenizerFormat,
  numbers: ReadonlyMap<string, number>
): OfWord => {
  const numberOfByte = Array.from({ length: 256 }, (_, byte) =>
    numbers.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  )
  const unknown = token === undefined ? undefined : numbers.get(token)
  const fallback = (character: string): number[] => {
    const found = byBytes ? Array.from(Buffer.from(character), (byte) => numberOfByte[byte]) : [undefined]
    return found.every((number) => number !== undefined) ? found : []
  }
  return (bytes) => {
    const found: number[] = []
    let afterUnknown = false
    for (const character of bytes.toString('utf8')) {
      const number = numbers.get(character)
      const known = number === undefined ? fallback(character) : [number]
      for (const one of known) found.push(one)
      const isUnknown = known.length === 0 && unknown !== undefined
      if (isUnknown && !(fused && afterUnknown)) found.push(unknown)
      afterUnknown = isUnknown
    }
    return found
  }
}

/** Returns a function that encodes a word as token ids. */
const wordEncoder = (format: TokenizerFormat): OfWord => {
  const { vocabulary, merges, ignoreMerges, ofBytes } = format
  const ids = [...vocabulary.values()]
  const numbers = new Map([...vocabulary.keys()].map((token, number) => [token, number]))
  const numberOf = (token: string): number => numbers.get(token)!
  const join = bytePairs(merges.map(([left, right]) => [numberOf(left), numberOf(right), numberOf(left + right)]))
  const smallest = ofBytes ? smallestOfBytes(numbers) : smallestOfCharacters(format, numbers)
  const spelled = (bytes: Buffer): string =>
    ofBytes ? Array.from(bytes, (byte) => byteCharacters[byte]).join('') : bytes.toString('utf8')
  return (bytes) => {
    const whole = ignoreMerges ? vocabulary.get(spelled(bytes)) : undefined
    return whole === undefined ? join(smallest(bytes)).map((number) => ids[number]) : [whole]
  }
}

/** A text that no normaliser changes. */
const letter = 'a'

const prefixOf = (read: string): string => (read.endsWith(letter) ? read.slice(0, -letter.length) : '')

/**
 * Makes a tokenizer from the text of a tokenizer.json. `name` is the file's name for messages. Throws
 * as `parseTokenizerFormat` does.
 */
export const parseTokenizer = (text: string, name: string): Tokenizer => {
  const format = parseTokenizerFormat(text, name)
  const { added, normalize, cut, vocabulary, bytesOf, beginOfText } = format
  const addedIds = new Map(
    added.flatMap(
      ({ content, normalized, id }) =>
        [[content, id], ...(normalized ? [[normalize(content), id] as const] : [])] as [string, number][]
    )
  )
  const splitRaw = cutterAt(added.filter(({ normalized }) => !normalized).map(({ content }) => content))
  const late = added.filter(({ normalized }) => normalized)
  const splitNormalized = cutterAt(late.map(({ content }) => normalize(content)))

  const textOf = new Map<number, Buffer>([...vocabulary].map(([token, id]) => [id, bytesOf(token)]))
  for (const { id, content } of added) textOf.set(id, Buffer.from(content))

  const idsOfBytes = wordEncoder(format)
  const cache = new Map<string, readonly number[]>()
  const encodeWord = (word: string): readonly number[] => {
    const known = cache.get(word)
    if (known !== undefined) return known
    const bytes = Buffer.from(word)
    const ids = idsOfBytes(bytes)
    if (word.length <= longestCachedWord) {
      if (cache.size >= cachedWords) cache.clear()
      // Store a copy: a word sliced from a document would keep the whole document in memory.
      cache.set(bytes.toString('utf8'), ids)
    }
    return ids
  }

  const encode = (whole: string): number[] => {
    const ids: number[] = []
    splitRaw(whole).forEach((section, i) => {
      if (i % 2 === 1) ids.push(addedIds.get(section)!)
      else if (section !== '') {
        splitNormalized(normalize(section)).forEach((part, j) => {
          if (j % 2 === 1) ids.push(addedIds.get(part)!)
          else if (part !== '') {
            for (const word of cut(part, i === 0 && j === 0)) for (const id of encodeWord(word)) ids.push(id)
          }
        })
      }
    })
    return ids
  }

  const decode = (ids: ArrayLike<number>): string =>
    Buffer.concat(Array.from(ids, (id) => textOf.get(id) ?? Buffer.alloc(0))).toString('utf8')

  return {
    vocabularySize: [...textOf.keys()].reduce((highest, id) => Math.max(highest, id), -1) + 1,
    endOfText: addedIds.get('<|endoftext|>') ?? vocabulary.get('<|endoftext|>'),
    beginOfText,
    prefix: prefixOf(decode(encode(letter))),
    hash: createHash('sha256').update(text).digest('hex'),
    encode,
    decode,
    tokenText: (id) => {
      const bytes = textOf.get(id)
      return bytes === undefined ? `<${id}>` : showBytes(bytes)
    }
  }
}

/**
 * Loads the tokenizer of a Hugging Face model folder. Throws an `input` error if tokenizer.json is missing or
 * describes another kind of tokenizer.
 */
export const loadTokenizer = async (folder: string): Promise<Tokenizer> => {
  const path = join(folder, 'tokenizer.json')
  return parseTokenizer(await readModelText(path, 'put the tokenizer.json that belongs to the model there'), path)
}
