import { z } from 'zod'
import { briefly } from '../../preload/quoting'
import { inOrder, type Part, type Refuse } from './tokenizer-parts'
import { wordPattern } from './word-pattern'

/** Cuts a text into the words that are encoded apart. `first` says whether the text begins its document. */
export type Cut = (text: string, first: boolean) => readonly string[]

export interface PreTokenizer {
  readonly cut: Cut
  /** Whether tokens are made of bytes, or else of characters. */
  readonly ofBytes: boolean
}

const splitSchema = z.looseObject({
  type: z.literal('Split'),
  pattern: z.union([z.object({ Regex: z.string() }), z.object({ String: z.string().min(1) })]),
  behavior: z.string(),
  invert: z.boolean().default(false)
})
const digitsSchema = z.looseObject({ type: z.literal('Digits'), individual_digits: z.boolean().default(false) })
const byteLevelSchema = z.looseObject({
  type: z.literal('ByteLevel'),
  add_prefix_space: z.boolean().default(false),
  use_regex: z.boolean().default(true)
})
const metaspaceSchema = z
  .looseObject({
    type: z.literal('Metaspace'),
    replacement: z.string().min(1),
    add_prefix_space: z.boolean().nullish(),
    prepend_scheme: z.enum(['always', 'first', 'never']).default('always'),
    split: z.boolean().default(true)
  })
  .refine((part) => part.add_prefix_space !== false || part.prepend_scheme === 'never')

/** GPT-2's words. */
const gpt2Words = wordPattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+")!

type Join = 'isolated' | 'onlyMatches' | 'withPrevious' | 'withNext'

const joinOf = ({ behavior, invert }: z.output<typeof splitSchema>): Join | undefined =>
  behavior === 'Removed' && invert
    ? 'onlyMatches'
    : invert
      ? undefined
      : ({ Isolated: 'isolated', MergedWithPrevious: 'withPrevious', MergedWithNext: 'withNext' } as const)[behavior]

/** Cuts a text at the matches of a pattern. A match right after another one stands alone, however they are joined. */
const cutAt =
  (pattern: RegExp, join: Join): Cut =>
  (text) => {
    const words: string[] = []
    let begun = 0
    for (const { 0: match, index } of text.matchAll(pattern)) {
      if (match === '') continue
      const end = index + match.length
      if (join === 'withPrevious') words.push(text.slice(begun, end))
      else {
        if (index > begun && join !== 'onlyMatches') words.push(text.slice(begun, index))
        if (join !== 'withNext') words.push(match)
      }
      begun = join === 'withNext' ? index : end
    }
    if (begun < text.length && join !== 'onlyMatches') words.push(text.slice(begun))
    return words
  }

const escaped = (text: string): RegExp => new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), 'gu')

const splitOf = (part: Part): Cut | undefined => {
  const { success, data } = splitSchema.safeParse(part)
  const join = success ? joinOf(data) : undefined
  if (!success || join === undefined) return undefined
  const pattern = 'String' in data.pattern ? escaped(data.pattern.String) : wordPattern(data.pattern.Regex)
  return pattern === null ? undefined : cutAt(pattern, join)
}

const digitsOf = (part: Part): Cut | undefined => {
  const { success, data } = digitsSchema.safeParse(part)
  return success ? cutAt(data.individual_digits ? /\p{N}/gu : /\p{N}+/gu, 'isolated') : undefined
}

const metaspaceOf = (part: Part): Cut | undefined => {
  const { success, data } = metaspaceSchema.safeParse(part)
  if (!success) return undefined
  const { replacement, prepend_scheme: scheme, split } = data
  const cut = cutAt(escaped(replacement), 'withNext')
  return (text, first) => {
    const changed = text.replaceAll(' ', () => replacement)
    const isPrefixed = (scheme === 'always' || (scheme === 'first' && first)) && !changed.startsWith(replacement)
    const whole = isPrefixed ? replacement + changed : changed
    return split ? cut(whole, first) : [whole]
  }
}

const byteLevelOf = (refuse: Refuse, part: Part, before: readonly Cut[]): Cut => {
  const { success, data } = byteLevelSchema.safeParse(part)
  if (!success) throw refuse('pre_tokenizer', 'its "ByteLevel" has flags other than true and false')
  if (before.length === 0 && !data.use_regex)
    throw refuse('pre_tokenizer', '"use_regex" is false, and nothing else cuts texts into words')
  if (before.length > 0 && data.add_prefix_space)
    throw refuse('pre_tokenizer', '"add_prefix_space" after a "Split" puts a space before every word')
  const prefixed = (text: string): string => (data.add_prefix_space && !text.startsWith(' ') ? ` ${text}` : text)
  return (text) => (data.use_regex ? (prefixed(text).match(gpt2Words) ?? []) : [prefixed(text)])
}

const inTurn =
  (cuts: readonly Cut[]): Cut =>
  (text, first) =>
    cuts.reduce<readonly string[]>((words, cut) => words.flatMap((word, i) => cut(word, first && i === 0)), [text])

/**
 * How a tokenizer cuts texts into words. Without a pre-tokenizer a text is one word. Throws an `input` error that names
 * the part that is not known.
 */
export const preTokenizerOf = (refuse: Refuse, given: Part | null | undefined): PreTokenizer => {
  const parts = inOrder(refuse, 'pre_tokenizer', given, 'pretokenizers')
  const ofBytes = parts.at(-1)?.type === 'ByteLevel'
  const cuts = (ofBytes ? parts.slice(0, -1) : parts).map((part) => {
    const cut = splitOf(part) ?? digitsOf(part) ?? metaspaceOf(part)
    if (cut === undefined)
      throw refuse('pre_tokenizer', `"${briefly(part.type)}" cuts texts in a way that is not known`)
    return cut
  })
  if (ofBytes) cuts.push(byteLevelOf(refuse, parts.at(-1)!, cuts))
  return { cut: cuts.length === 1 ? cuts[0] : inTurn(cuts), ofBytes }
}
