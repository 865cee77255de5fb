import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { parseJson } from '../base/json-text'
import { byteCharacters, tokenBytes } from './byte-characters'
import { mostMerges } from './byte-pairs'
import { normalizerOf } from './normalizer'
import { preTokenizerOf, type Cut } from './pre-tokenizer'
import { inOrder, partSchema, refusing, type Part, type Refuse } from './tokenizer-parts'

export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Whether the token is searched for after normalisation. */
  readonly normalized: boolean
}

/** A BPE of bytes or of characters, however its file expresses it. */
export interface TokenizerFormat {
  readonly added: readonly AddedToken[]
  /** Applied to a text before it is cut into words. */
  readonly normalize: (text: string) => string
  readonly cut: Cut
  /** Whether tokens are spelled in GPT-2's alphabet of bytes, or else in characters. */
  readonly ofBytes: boolean
  /** Id of each token. */
  readonly vocabulary: ReadonlyMap<string, number>
  readonly merges: readonly (readonly [string, string])[]
  /** Whether a word that is itself a token is kept whole, whatever the merges would give. */
  readonly ignoreMerges: boolean
  /** What characters that the vocabulary lacks become, where tokens are made of characters. */
  readonly unknown: { readonly byBytes: boolean; readonly token: string | undefined; readonly fused: boolean }
  /** Bytes that a token of the vocabulary stands for in a text. */
  readonly bytesOf: (token: string) => Buffer
  /** Id of the token that the file puts before every text. */
  readonly beginOfText: number | undefined
}

const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
const addedSchema = z.looseObject({
  id,
  content: z.string().min(1),
  normalized: z.boolean().default(false),
  lstrip: z.literal(false).default(false),
  rstrip: z.literal(false).default(false),
  single_word: z.literal(false).default(false)
})

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const tokenizerSchema = z.looseObject({
  model: z.looseObject({
    type: z.literal('BPE').default('BPE'),
    // A record's schema would drop a token "__proto__".
    vocab: z.custom<Readonly<Record<string, unknown>>>(isObject, 'must be an object of tokens and ids'),
    merges: z.union([z.array(z.string()), z.array(z.tuple([z.string(), z.string()]))]),
    dropout: z.literal(0).nullish(),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
    fuse_unk: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
    continuing_subword_prefix: z.literal('').nullish(),
    end_of_word_suffix: z.literal('').nullish()
  }),
  normalizer: partSchema.nullish(),
  pre_tokenizer: partSchema.nullish(),
  post_processor: partSchema.nullish(),
  decoder: partSchema.nullish(),
  added_tokens: z.array(addedSchema).nullish()
})

const specialSchema = z.object({ SpecialToken: z.looseObject({ id: z.string() }) })
const sequenceSchema = z.object({ Sequence: z.looseObject({ id: z.literal('A') }) })
const templateSchema = z.looseObject({
  single: z.union([z.tuple([sequenceSchema]), z.tuple([specialSchema, sequenceSchema])]),
  special_tokens: z.record(z.string(), z.looseObject({ ids: z.tuple([id]) })).default({})
})

/** The id of the token that the post-processor puts before every text. ByteLevel changes no ids, only offsets. */
const beginOfTextOf = (refuse: Refuse, given: Part | null | undefined): number | undefined => {
  let begin: number | undefined
  for (const part of inOrder(refuse, 'post_processor', given, 'processors')) {
    if (part.type === 'ByteLevel') continue
    const template = part.type === 'TemplateProcessing' ? templateSchema.safeParse(part).data : undefined
    if (template === undefined) {
      const adds = ['TemplateProcessing', 'BertProcessing', 'RobertaProcessing'].includes(part.type)
      const what = adds ? 'adds tokens to every text, and not only one before it' : 'is not a known kind'
      throw refuse('post_processor', `"${briefly(part.type)}" ${what}`)
    }
    const [first] = template.single
    if (!('SpecialToken' in first)) continue
    const ids = template.special_tokens[first.SpecialToken.id]?.ids
    if (ids === undefined || begin !== undefined)
      throw refuse('post_processor', `"TemplateProcessing" names no single token before a text`)
    begin = ids[0]
  }
  return begin
}

const decoderSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.enum(['ByteLevel', 'Fuse', 'ByteFallback']) }),
  z.looseObject({ type: z.literal('Replace'), pattern: z.object({ String: z.string().min(1) }), content: z.string() }),
  // Takes off the space that a text's first token has; only a decoded text lacks it, not a token.
  z.looseObject({ type: z.literal('Strip'), content: z.literal(' '), start: z.int(), stop: z.literal(0) }),
  z.looseObject({ type: z.literal('Metaspace'), replacement: z.string().min(1) })
])

const byteToken = /^<0x([0-9A-Fa-f]{2})>$/

/** How tokens are read as text. */
const bytesOfTokens = (
  refuse: Refuse,
  given: Part | null | undefined,
  ofBytes: boolean
): ((token: string) => Buffer) => {
  const parts = inOrder(refuse, 'decoder', given, 'decoders').map((part) => {
    const { success, data } = decoderSchema.safeParse(part)
    const fits = success && (ofBytes ? ['ByteLevel', 'Fuse'].includes(data.type) : data.type !== 'ByteLevel')
    if (part.type === 'ByteLevel' && !ofBytes)
      throw refuse('pre_tokenizer', 'it has no "ByteLevel", and "decoder" has one')
    if (!fits) {
      const usual = ofBytes ? '"ByteLevel" does' : "Llama's does"
      throw refuse('decoder', `"${briefly(part.type)}" reads tokens in another way than ${usual}`)
    }
    return data
  })
  if (ofBytes) return tokenBytes
  const replaced = parts.flatMap((part) =>
    part.type === 'Replace'
      ? [[part.pattern.String, part.content] as const]
      : part.type === 'Metaspace'
        ? [[part.replacement, ' '] as const]
        : []
  )
  if (replaced.length === 0)
    throw refuse('pre_tokenizer', 'it has no "ByteLevel", and "decoder" replaces nothing by a space')
  const fallsBack = parts.some(({ type }) => type === 'ByteFallback')
  return (token) => {
    const byte = fallsBack ? byteToken.exec(token) : null
    return byte === null
      ? Buffer.from(replaced.reduce((text, [from, to]) => text.replaceAll(from, () => to), token))
      : Buffer.from([parseInt(byte[1], 16)])
  }
}

const vocabularyOf = (refuse: Refuse, given: Readonly<Record<string, unknown>>): Map<string, number> => {
  const vocabulary = new Map<string, number>()
  for (const [token, value] of Object.entries(given)) {
    const checked = id.safeParse(value)
    if (!checked.success)
      throw refuse('model.vocab', `the id of "${briefly(token)}" is not a whole number from 0 to ${2 ** 32 - 1}`)
    vocabulary.set(token, checked.data)
  }
  return vocabulary
}

/** Checks the tokens that replace bytes missing from the vocabulary. They do not matter if no byte is missing. */
const checkUnknown = (
  refuse: Refuse,
  { unk_token: unknown, byte_fallback: fallback }: z.output<typeof tokenizerSchema>['model'],
  vocabulary: ReadonlyMap<string, number>
): void => {
  const lacking = byteCharacters.find((character) => !vocabulary.has(character))
  if (lacking === undefined) return
  const what = `the vocabulary lacks the byte "${lacking}", and another token stands for it`
  if (unknown != null) throw refuse('model.unk_token', what)
  if (fallback === true) throw refuse('model.byte_fallback', what)
}

const mergesOf = (
  refuse: Refuse,
  given: readonly (string | readonly [string, string])[],
  vocabulary: ReadonlyMap<string, number>
): [string, string][] => {
  if (given.length > mostMerges)
    throw refuse('model.merges', `there are ${given.length}, and ${mostMerges} at most are read`)
  return given.flatMap((merge, i): [string, string][] => {
    if (typeof merge === 'string' && merge.startsWith('#version')) return []
    const [left, right, more] = typeof merge === 'string' ? merge.split(' ') : merge
    if (right === undefined || more !== undefined)
      throw refuse(`model.merges.${i}`, `"${briefly(String(merge))}" is not two tokens with a space between them`)
    const unknown = [left, right, left + right].find((token) => !vocabulary.has(token))
    if (unknown !== undefined) throw refuse(`model.merges.${i}`, `the vocabulary lacks "${briefly(unknown)}"`)
    return [[left, right]]
  })
}

/**
 * Parses a tokenizer.json that amounts to BPE of bytes or of characters, whichever parts it uses. `name` is the
 * file's name for messages. Ignores truncation and padding, because texts are packed whole. Throws an `input` error
 * that names the part which would give other ids.
 */
export const parseTokenizerFormat = (text: string, name: string): TokenizerFormat => {
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    throw new SpectroscopeError('input', `${name}: ${(error as Error).message}; download the file again.`, {
      cause: error
    })
  }
  const refuse = refusing(name)
  const checked = tokenizerSchema.safeParse(value)
  if (!checked.success) {
    const [issue] = checked.error.issues
    throw refuse(issue.path.join('.'), briefly(issue.message))
  }
  const {
    model,
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: postProcessor,
    decoder,
    added_tokens: added
  } = checked.data
  const { cut, ofBytes } = preTokenizerOf(refuse, preTokenizer)
  const vocabulary = vocabularyOf(refuse, model.vocab)
  if (ofBytes) checkUnknown(refuse, model, vocabulary)
  return {
    added: added ?? [],
    normalize: normalizerOf(refuse, normalizer),
    cut,
    ofBytes,
    vocabulary,
    merges: mergesOf(refuse, model.merges, vocabulary),
    ignoreMerges: model.ignore_merges ?? false,
    unknown: {
      byBytes: model.byte_fallback ?? false,
      token: model.unk_token ?? undefined,
      fused: model.fuse_unk ?? false
    },
    bytesOf: bytesOfTokens(refuse, decoder, ofBytes),
    beginOfText: beginOfTextOf(refuse, postProcessor)
  }
}
