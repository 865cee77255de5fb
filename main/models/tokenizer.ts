import { Tokenizer as TokenizerFile } from '@huggingface/tokenizers'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { faultCode } from '../base/faults'

export interface Tokenizer {
  /** One more than the highest id. */
  readonly vocabularySize: number
  /** Id of <|endoftext|>, if there is such a token. */
  readonly endOfText: number | undefined
  /** SHA-256 of tokenizer.json, hexadecimal. */
  readonly hash: string
  encode(text: string): number[]
  /** The text of some tokens; bytes that are no UTF-8 become U+FFFD, ids without a token nothing. */
  decode(ids: ArrayLike<number>): string
  /** The text of one token; bytes that are no whole UTF-8 character are shown as "\xE2" escapes, an id without a token as "<id>". */
  tokenText(id: number): string
}

const byteLevelSchema = z.looseObject({ type: z.literal('ByteLevel'), add_prefix_space: z.boolean().default(false), use_regex: z.literal(true).default(true) })
const addedSchema = z.looseObject({
  id: z.int().min(0),
  content: z.string().min(1),
  normalized: z.boolean().default(false),
  lstrip: z.literal(false).default(false),
  rstrip: z.literal(false).default(false),
  single_word: z.literal(false).default(false)
})
const normalizerSchema = z.looseObject({ type: z.enum(['NFC', 'NFD', 'NFKC', 'NFKD']) })
const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.literal('BPE').default('BPE'),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
    byte_fallback: z.literal(false).default(false),
    continuing_subword_prefix: z.literal('').nullish(),
    end_of_word_suffix: z.literal('').nullish()
  }),
  normalizer: normalizerSchema.nullish(),
  pre_tokenizer: byteLevelSchema,
  decoder: z.looseObject({ type: z.literal('ByteLevel') }),
  added_tokens: z.array(addedSchema).default([])
})

/** GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for U+0100 on. */
const byteCharacters: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(printable ? byte : next++)
  })
})()
const characterBytes = new Map(byteCharacters.map((character, byte) => [character, byte]))

/** GPT-2's words. White space is Unicode's White_Space, as in the reference implementation: JavaScript's \s differs in U+0085 and U+FEFF. */
const words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

/** Words whose ids are kept; the map starts afresh when it is full. */
const cachedWords = 200_000
const longestCachedWord = 64

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')

/** Cuts a text at added tokens, the longest one first where several begin; odd items are the added tokens. */
const splitter = (contents: readonly string[]): ((text: string) => string[]) => {
  if (contents.length === 0) return (text) => [text]
  const pattern = new RegExp(`(${[...contents].sort((a, b) => b.length - a.length).map(escapeRegExp).join('|')})`, 'u')
  return (text) => text.split(pattern)
}

/** Lengths of UTF-8 sequences by their first byte; 0 for a byte that begins none. */
const sequenceLength = (byte: number): number => (byte < 0x80 ? 1 : byte >= 0xc2 && byte < 0xe0 ? 2 : byte >= 0xe0 && byte < 0xf0 ? 3 : byte >= 0xf0 && byte < 0xf5 ? 4 : 0)

const showBytes = (bytes: Buffer): string => {
  let shown = ''
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes[at])
    const character = bytes.toString('utf8', at, at + length)
    if (length > 0 && at + length <= bytes.length && Buffer.byteLength(character) === length && (character !== '\ufffd' || bytes.toString('hex', at, at + length) === 'efbfbd')) {
      shown += character
      at += length
    } else shown += `\\x${bytes[at++].toString(16).toUpperCase().padStart(2, '0')}`
  }
  return shown
}

/** A byte-level BPE tokenizer from the text of a tokenizer.json. `name` is the file, for the message. */
export const parseTokenizer = (text: string, name: string): Tokenizer => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new SpectroscopeError('input', `${name}: not valid JSON; download the file again.`, { cause: error })
  }
  const checked = tokenizerSchema.safeParse(value)
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw new SpectroscopeError('input', `${name}: "${issue.path.join('.')}": ${issue.message}; only byte-level BPE tokenizers with GPT-2's words are read, as Pythia and GPT-2 have them.`)
  }
  const { added_tokens: added, normalizer, pre_tokenizer: { add_prefix_space: prefixSpace }, model } = checked.data
  const file = new TokenizerFile({ post_processor: null, normalizer: null, ...(value as object) }, {})
  const normalize = (part: string): string => (normalizer ? part.normalize(normalizer.type) : part)
  const vocabulary = new Map(Object.entries(model.vocab))
  const addedIds = new Map(added.flatMap(({ content, normalized, id }) => [[content, id], ...(normalized ? [[normalize(content), id] as const] : [])] as [string, number][]))
  const splitRaw = splitter(added.filter(({ normalized }) => !normalized).map(({ content }) => content))
  const splitNormalized = splitter(added.filter(({ normalized }) => normalized).map(({ content }) => normalize(content)))

  const textOf = new Map<number, Buffer>([...vocabulary].map(([token, id]) => [id, Buffer.from(Array.from(token, (character) => characterBytes.get(character) ?? 63))]))
  for (const { id, content } of added) textOf.set(id, Buffer.from(content))

  const idOf = (token: string): number => {
    const id = vocabulary.get(token)
    if (id === undefined) throw new SpectroscopeError('input', `${name}: the vocabulary lacks "${token}", which its text is cut into; use a whole byte-level tokenizer.`)
    return id
  }

  const cache = new Map<string, readonly number[]>()
  const encodeWord = (word: string): readonly number[] => {
    const known = cache.get(word)
    if (known !== undefined) return known
    const bytes = Buffer.from(word)
    const ids = file.model!.encode([Array.from(bytes, (byte) => byteCharacters[byte]).join('')]).map(idOf)
    if (word.length <= longestCachedWord) {
      if (cache.size >= cachedWords) cache.clear()
      // A copy: a word cut out of a document would keep the whole document in memory.
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
            for (const word of (prefixSpace && !part.startsWith(' ') ? ` ${part}` : part).match(words) ?? []) for (const id of encodeWord(word)) ids.push(id)
          }
        })
      }
    })
    return ids
  }

  return {
    vocabularySize: [...textOf.keys()].reduce((highest, id) => Math.max(highest, id), -1) + 1,
    endOfText: addedIds.get('<|endoftext|>') ?? vocabulary.get('<|endoftext|>'),
    hash: createHash('sha256').update(text).digest('hex'),
    encode,
    decode: (ids) => Buffer.concat(Array.from(ids, (id) => textOf.get(id) ?? Buffer.alloc(0))).toString('utf8'),
    tokenText: (id) => {
      const bytes = textOf.get(id)
      return bytes === undefined ? `<${id}>` : showBytes(bytes)
    }
  }
}

/** The tokenizer of a Hugging Face model folder. Throws an `input` error for a folder without tokenizer.json and for other kinds of tokenizer. */
export const loadTokenizer = async (folder: string): Promise<Tokenizer> => {
  const path = join(folder, 'tokenizer.json')
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new SpectroscopeError('input', `${path}: the tokenizer cannot be read (${faultCode(error)}); put the tokenizer.json that belongs to the model there.`, { cause: error })
  })
  return parseTokenizer(text, path)
}
