import type { PatternCount, PatternName } from '../../preload/contract-explore'
import type { SubsetCount, TokenCount } from '../../preload/records'
import { quotedToken, tellingShare, tokenKind } from '../../preload/token-names'

/** What a cluster shows of itself, as far as a name can be drawn from it. */
export interface Evidence {
  readonly size: number
  /** Most frequent first. */
  readonly topTokens: readonly TokenCount[]
  readonly patterns: readonly PatternCount[]
  readonly subsets: readonly SubsetCount[]
}

const most = 6

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

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)]

/**
 * Names for a cluster, likeliest first, at most six: what kind of tokens it is of, its one frequent token, what its tokens have in
 * common by pattern, its top tokens; with the subset where nearly all come from one.
 */
export const suggestNames = ({ size, topTokens, patterns, subsets }: Evidence): string[] => {
  if (size === 0 || topTokens.length === 0) return []
  const share = (count: number): number => count / size
  const kind = tokenKind(size, topTokens)
  const [first] = topTokens
  const single = share(first.count) >= tellingShare ? quotedToken(first.text) : undefined
  const shown = patterns
    .filter(
      ({ pattern, count, lift }) => patternPhrases[pattern] !== undefined && share(count) >= tellingShare && lift >= 2
    )
    .sort((a, b) => b.lift - a.lift)
    .map(({ pattern }) => patternPhrases[pattern] ?? '')
  const list =
    topTokens.length > 1
      ? distinct(topTokens.slice(0, 4).map(({ text }) => quotedToken(text)))
          .slice(0, 3)
          .join(', ')
      : undefined
  const plain = [single, kind, ...shown.slice(0, 2), list, quotedToken(first.text)].filter((name) => name !== undefined)
  const [top] = subsets
  const place =
    top !== undefined && top.subset !== '' && share(top.count) >= 0.8 && top.lift >= 1.5 ? top.subset : undefined
  return distinct(
    place === undefined
      ? plain
      : [`${plain[0]} in ${place}`, ...plain, ...plain.slice(1, 2).map((name) => `${name} in ${place}`)]
  ).slice(0, most)
}
