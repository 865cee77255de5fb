import type { PatternCount, PatternName } from '../../preload/contract-explore'
import type { SubsetCount, TokenCount } from '../../preload/records'

/** What a cluster shows of itself, as far as a name can be drawn from it. */
export interface Evidence {
  readonly size: number
  /** Most frequent first. */
  readonly topTokens: readonly TokenCount[]
  readonly patterns: readonly PatternCount[]
  readonly subsets: readonly SubsetCount[]
}

/** Share of a cluster that a kind of token, or a pattern, must have to name it. */
const telling = 0.6
const most = 6

/** Kinds of tokens that have a name of their own, narrow ones before wide ones. */
const kinds: readonly (readonly [string, RegExp])[] = [
  ['line breaks', /^\s*\n\s*$/],
  ['tabs', /^\t+$/],
  ['indentation', /^[ \t]{2,}$/],
  ['whitespace', /^\s+$/],
  ['closing brackets', /^\s*[)\]}>]+[;,.]?\s*$/],
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

const patternPhrases: Readonly<Partial<Record<PatternName, string>>> = {
  'repeated-bigram': 'repeated bigrams',
  'bracket-match': 'matching brackets',
  'line-start': 'line starts',
  'line-end': 'line ends',
  'same-as-previous': 'repeated tokens',
  'row-start': 'row starts',
  digit: 'digits',
  uppercase: 'capitals'
}

const quoted = (text: string): string => {
  const trimmed = text.trim()
  return `“${trimmed === '' ? text.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '·') : trimmed.replace(/\s+/g, ' ')}”`
}

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)]

/**
 * Names for a cluster, likeliest first, at most six: what kind of tokens it is of, its one frequent token, what its tokens have in
 * common by pattern, its top tokens; with the subset where nearly all come from one.
 */
export const suggestNames = ({ size, topTokens, patterns, subsets }: Evidence): string[] => {
  if (size === 0 || topTokens.length === 0) return []
  const share = (count: number): number => count / size
  const kindShare = (pattern: RegExp): number =>
    share(topTokens.reduce((sum, { text, count }) => sum + (pattern.test(text) ? count : 0), 0))
  const kind = kinds.find(([, pattern]) => kindShare(pattern) >= telling)?.[0]
  const [first] = topTokens
  const single = share(first.count) >= telling ? quoted(first.text) : undefined
  const shown = patterns
    .filter(({ pattern, count, lift }) => patternPhrases[pattern] !== undefined && share(count) >= telling && lift >= 2)
    .sort((a, b) => b.lift - a.lift)
    .map(({ pattern }) => patternPhrases[pattern] ?? '')
  const list =
    topTokens.length > 1
      ? distinct(topTokens.slice(0, 4).map(({ text }) => quoted(text)))
          .slice(0, 3)
          .join(', ')
      : undefined
  const plain = [single, kind, ...shown.slice(0, 2), list, quoted(first.text)].filter((name) => name !== undefined)
  const [top] = subsets
  const place =
    top !== undefined && top.subset !== '' && share(top.count) >= 0.8 && top.lift >= 1.5 ? top.subset : undefined
  return distinct(
    place === undefined
      ? plain
      : [`${plain[0]} in ${place}`, ...plain, ...plain.slice(1, 2).map((name) => `${name} in ${place}`)]
  ).slice(0, most)
}
