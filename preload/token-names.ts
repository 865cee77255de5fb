import type { TokenCount } from './records'
import { visibleToken } from './visible'

/* How tokens name a cluster, in suggestions of the window and of the main side. */

/** Share of a cluster from which on a token, a kind of token or a pattern names it. */
export const tellingShare = 0.6

/** Kinds of tokens that have a name of their own, narrow ones before wide ones. */
const kinds: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['line breaks', /^\s*\n\s*$/],
  ['tabs', /^\t+$/],
  ['indentation', /^[ \t]{2,}$/],
  ['whitespace', /^\s+$/],
  ['closing brackets', /^\s*[)\]}>]+[;,.:]?\s*$/],
  ['opening brackets', /^\s*[([{<]+\s*$/],
  ['brackets', /^\s*[()[\]{}<>]+\s*$/],
  ['quotation marks', /^\s*["'`“”‘’«»]+\s*$/],
  ['dashes', /^\s*[-–—_]+\s*$/],
  ['sentence ends', /^\s*[.!?…]+\s*$/],
  ['commas and semicolons', /^\s*[,;]+\s*$/],
  ['operators', /^\s*[-+*/=%^&|~<>!]+\s*$/],
  ['TeX commands', /^\s*\\[a-z]*$/i],
  ['numbers', /^\s*\d+\s*$/],
  ['punctuation', /^\s*[\p{P}\p{S}]+\s*$/u],
  ['single letters', /^\s*\p{L}$/u],
  ['all-caps words', /^\s*\p{Lu}{2,}$/u],
  ['capitalised words', /^\s+\p{Lu}\p{L}*$/u],
  ['word starts', /^\s+\p{L}+$/u],
  ['word continuations', /^\p{Ll}\p{L}*$/u]
]

/** The kind that most tokens of a cluster of that size are of, as far as its most frequent ones tell. */
export const tokenKind = (size: number, topTokens: readonly TokenCount[]): string | undefined =>
  kinds.find(
    ([, pattern]) =>
      topTokens.reduce((sum, { text, count }) => sum + (pattern.test(text) ? count : 0), 0) >= tellingShare * size
  )?.[0]

const longest = 40

/** A token's text as a name, without space around it where there is something else. */
export const quotedToken = (text: string): string => {
  const trimmed = text.trim()
  const shown = visibleToken(trimmed === '' ? text : trimmed)
  return `“${shown.length > longest ? `${shown.slice(0, longest - 1)}…` : shown}”`
}
