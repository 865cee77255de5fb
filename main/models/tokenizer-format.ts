import { z } from 'zod'
import { SpectroscopeError } from '../../preload/errors'
import { briefly } from '../../preload/quoting'
import { parseJson } from '../base/json-text'
import { byteCharacters } from './byte-characters'
import { mostMerges } from './byte-pairs'

export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Whether the token is searched for after normalisation. */
  readonly normalized: boolean
}

export type NormalForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD'

/** A byte-level BPE with GPT-2's word pattern, however its file expresses it. */
export interface BytePairFormat {
  readonly added: readonly AddedToken[]
  /** Applied to a text in this order. */
  readonly normalForms: readonly NormalForm[]
  /** Whether a text that does not begin with a space gets one. */
  readonly prefixSpace: boolean
  /** Id of each token. */
  readonly vocabulary: ReadonlyMap<string, number>
  readonly merges: readonly (readonly [string, string])[]
  /** Whether a word that is itself a token is kept whole, whatever the merges would give. */
  readonly ignoreMerges: boolean
}

const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
const partSchema = z.looseObject({ type: z.string() })
type Part = z.output<typeof partSchema>

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

/** Makes an error about a part of the file. */
type Refuse = (part: string, what: string) => SpectroscopeError

const refusing =
  (name: string): Refuse =>
  (part, what) =>
    new SpectroscopeError(
      'input',
      `${name}: "${briefly(part)}": ${what}; ` +
        "only byte-level BPE tokenizers with GPT-2's words are read, as Pythia and GPT-2 have them."
    )

/** The parts that are applied one after another, with nested sequences flattened. */
const inOrder = (refuse: Refuse, name: string, given: Part | null | undefined, list: string): Part[] => {
  const found: Part[] = []
  const open: unknown[] = given == null ? [] : [given]
  while (open.length > 0) {
    const checked = partSchema.safeParse(open.pop())
    if (!checked.success) throw refuse(name, 'a part without a "type"')
    const inner = checked.data[list]
    if (checked.data.type !== 'Sequence') found.push(checked.data)
    else if (!Array.isArray(inner)) throw refuse(name, `a "Sequence" without "${list}"`)
    else for (let i = inner.length - 1; i >= 0; i--) open.push(inner[i])
  }
  return found
}

const isNormalForm = (type: string): type is NormalForm => ['NFC', 'NFD', 'NFKC', 'NFKD'].includes(type)

const normalFormsOf = (refuse: Refuse, given: Part | null | undefined): NormalForm[] =>
  inOrder(refuse, 'normalizer', given, 'normalizers').map(({ type }) => {
    if (!isNormalForm(type))
      throw refuse('normalizer', `"${briefly(type)}" changes texts in another way than NFC, NFD, NFKC and NFKD`)
    return type
  })

/** GPT-2's pattern as spelled by its own code, by tokenizers' ByteLevel, and by newer versions of tiktoken. */
const wordPatterns: readonly string[] = [
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s"
]

const splitSchema = z.looseObject({
  type: z.literal('Split'),
  pattern: z.object({ Regex: z.enum(wordPatterns as [string, ...string[]]) }),
  behavior: z.string(),
  invert: z.boolean().default(false)
})
const byteLevelSchema = z.looseObject({
  type: z.literal('ByteLevel'),
  add_prefix_space: z.boolean().default(false),
  use_regex: z.boolean().default(true)
})

/** Whether a part splits a text into exactly GPT-2's words. The pattern matches every character. */
const cutsWords = (part: Part): boolean => {
  const { success, data } = splitSchema.safeParse(part)
  return success && (data.behavior === 'Isolated' || (data.behavior === 'Removed' && data.invert))
}

/**
 * Whether a text gets a leading space. ByteLevel may split words itself or after another part has; splitting again
 * changes nothing.
 */
const prefixSpaceOf = (refuse: Refuse, given: Part | null | undefined): boolean => {
  const parts = inOrder(refuse, 'pre_tokenizer', given, 'pretokenizers')
  const last = byteLevelSchema.safeParse(parts.at(-1))
  const before = parts.slice(0, -1)
  if (!last.success)
    throw refuse(
      'pre_tokenizer',
      parts.length === 0
        ? 'it is missing'
        : `it ends in "${briefly(parts.at(-1)!.type)}", and not in a "ByteLevel" whose flags are true or false`
    )
  const other = before.find((part) => !cutsWords(part))
  if (other !== undefined)
    throw refuse(
      'pre_tokenizer',
      `before "ByteLevel", "${briefly(other.type)}" cuts texts in another way than GPT-2's pattern does`
    )
  if (before.length === 0 && !last.data.use_regex)
    throw refuse('pre_tokenizer', '"use_regex" is false, and nothing else cuts texts into words')
  if (before.length > 0 && last.data.add_prefix_space)
    throw refuse('pre_tokenizer', '"add_prefix_space" after a "Split" puts a space before every word')
  return last.data.add_prefix_space
}

const templateSchema = z.looseObject({
  single: z.tuple([z.object({ Sequence: z.looseObject({ id: z.literal('A') }) })])
})

/** Accepts only ByteLevel, which changes no ids here but only the offsets of tokens. */
const checkPostProcessor = (refuse: Refuse, given: Part | null | undefined): void => {
  for (const part of inOrder(refuse, 'post_processor', given, 'processors')) {
    if (part.type === 'ByteLevel' || (part.type === 'TemplateProcessing' && templateSchema.safeParse(part).success))
      continue
    const adds = ['TemplateProcessing', 'BertProcessing', 'RobertaProcessing'].includes(part.type)
    throw refuse(
      'post_processor',
      `"${briefly(part.type)}" ${adds ? 'adds tokens to every text' : 'is not a known kind'}`
    )
  }
}

const checkDecoder = (refuse: Refuse, given: Part | null | undefined): void => {
  const other = inOrder(refuse, 'decoder', given, 'decoders').find(
    ({ type }) => type !== 'ByteLevel' && type !== 'Fuse'
  )
  if (other !== undefined)
    throw refuse('decoder', `"${briefly(other.type)}" reads tokens in another way than "ByteLevel" does`)
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
 * Parses a tokenizer.json that amounts to byte-level BPE with GPT-2's words, whichever parts it uses. `name` is the
 * file's name for messages. Ignores truncation and padding, because texts are packed whole. Throws an `input` error
 * that names the part which would give other ids.
 */
export const parseTokenizerFormat = (text: string, name: string): BytePairFormat => {
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
  const prefixSpace = prefixSpaceOf(refuse, preTokenizer)
  checkPostProcessor(refuse, postProcessor)
  checkDecoder(refuse, decoder)
  const vocabulary = vocabularyOf(refuse, model.vocab)
  checkUnknown(refuse, model, vocabulary)
  return {
    added: added ?? [],
    normalForms: normalFormsOf(refuse, normalizer),
    prefixSpace,
    vocabulary,
    merges: mergesOf(refuse, model.merges, vocabulary),
    ignoreMerges: model.ignore_merges ?? false
  }
}
