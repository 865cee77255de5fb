import type { PatternName } from './contract-explore'
import type { RuleCondition, RuleRecord, TokenCount } from './records'
import { visibleToken } from './visible'

/** Names of clusters from their tokens, for suggestions by the window and the main side. */

/** Minimum share of a cluster for a token, a kind of token or a pattern to name it. */
export const tellingShare = 0.6

/** Kinds of tokens that have a name, narrow ones first. */
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

/** The kind that names a cluster of the given size, judged by its most frequent tokens. */
export const tokenKind = (size: number, topTokens: readonly TokenCount[]): string | undefined =>
  kinds.find(
    ([, pattern]) =>
      topTokens.reduce((sum, { text, count }) => sum + (pattern.test(text) ? count : 0), 0) >= tellingShare * size
  )?.[0]

const longest = 40

/** Text of a token as a name, without surrounding spaces unless it has nothing else. */
export const quotedToken = (text: string): string => {
  const trimmed = text.trim()
  const shown = visibleToken(trimmed === '' ? text : trimmed)
  return `“${shown.length > longest ? `${shown.slice(0, longest - 1)}…` : shown}”`
}

/** Patterns that can name a cluster, in the plural. */
export const patternPhrases: Readonly<Record<PatternName, string>> = {
  'repeated-bigram': 'repeated bigrams',
  'bracket-match': 'matching brackets',
  'word-start': 'word starts',
  'word-part': 'word continuations',
  'line-start': 'line starts',
  'line-end': 'line ends',
  digit: 'digits',
  punctuation: 'punctuation',
  uppercase: 'capitals',
  whitespace: 'whitespace',
  'same-as-previous': 'repeated tokens',
  'row-start': 'row starts',
  'common-bigram': 'common bigrams',
  induction: 'induction',
  'left-delimiter': 'opening brackets and quotes',
  'right-delimiter': 'closing brackets and quotes',
  'word-end': 'word ends'
}

const conditionName = (condition: RuleCondition): string => {
  switch (condition.on) {
    case 'token':
      return quotedToken(condition.text)
    case 'pattern':
      return Object.hasOwn(patternPhrases, condition.pattern)
        ? patternPhrases[condition.pattern as PatternName]
        : condition.pattern
    case 'previous':
      return `after ${quotedToken(condition.text)}`
    case 'next':
      return `before ${quotedToken(condition.text)}`
    case 'position':
      return condition.from === condition.to
        ? `at row position ${condition.from}`
        : `at row positions ${condition.from} to ${condition.to}`
    case 'subset':
      return condition.subset === '' ? 'in no subset' : `in ${condition.subset}`
  }
}

/** Order of conditions in a name: the token, its surroundings, its source. */
const inName: readonly RuleCondition['on'][] = ['token', 'pattern', 'previous', 'next', 'position', 'subset']

/**
 * A short name from the best rule of a cluster, such as “the” after “of”; undefined if there is no rule or its F1 is
 * too low.
 */
export const nameOfRule = (rule: RuleRecord | undefined): string | undefined => {
  if (rule === undefined || rule.f1 < tellingShare || rule.conditions.length === 0) return undefined
  return [...rule.conditions]
    .sort((a, b) => inName.indexOf(a.on) - inName.indexOf(b.on))
    .map(conditionName)
    .join(' ')
}
