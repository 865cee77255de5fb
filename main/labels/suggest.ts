import type { PatternCount, PatternName } from '../../preload/contract-explore'
import type { RuleRecord, SubsetCount, TokenCount } from '../../preload/records'
import { nameOfRule, patternPhrases, quotedToken, tellingShare, tokenKind } from '../../preload/token-names'

/** Properties of a cluster from which a name can be derived. */
export interface Evidence {
  readonly size: number
  /** Most frequent first. */
  readonly topTokens: readonly TokenCount[]
  readonly patterns: readonly PatternCount[]
  readonly subsets: readonly SubsetCount[]
  /** The best first. */
  readonly rules: readonly RuleRecord[]
}

const most = 6

/** Patterns that say more of a cluster than the kind of its tokens does. */
const tellingPatterns: readonly PatternName[] = [
  'induction',
  'repeated-bigram',
  'bracket-match',
  'left-delimiter',
  'right-delimiter',
  'line-start',
  'line-end',
  'same-as-previous',
  'row-start',
  'digit',
  'uppercase'
]

const distinct = (texts: readonly string[]): string[] => [...new Set(texts)]

/**
 * Suggests names for a cluster, likeliest first, at most six: its best rule, its one frequent token, the kind of its
 * tokens, its common patterns, its top tokens. Names include the subset if nearly all tokens come from one.
 */
export const suggestNames = ({ size, topTokens, patterns, subsets, rules }: Evidence): string[] => {
  if (size === 0 || topTokens.length === 0) return []
  const share = (count: number): number => count / size
  const kind = tokenKind(size, topTokens)
  const [first] = topTokens
  const single = share(first.count) >= tellingShare ? quotedToken(first.text) : undefined
  const shown = patterns
    .filter(
      ({ pattern, count, lift }) => tellingPatterns.includes(pattern) && share(count) >= tellingShare && lift >= 2
    )
    .sort((a, b) => b.lift - a.lift)
    .map(({ pattern }) => patternPhrases[pattern])
  const list =
    topTokens.length > 1
      ? distinct(topTokens.slice(0, 4).map(({ text }) => quotedToken(text)))
          .slice(0, 3)
          .join(', ')
      : undefined
  const candidates = [single, kind, ...shown.slice(0, 2), list, quotedToken(first.text)]
  const plain = candidates.filter((name) => name !== undefined)
  const [top] = subsets
  const place =
    top !== undefined && top.subset !== '' && share(top.count) >= 0.8 && top.lift >= 1.5 ? top.subset : undefined
  const rule = nameOfRule(rules.at(0))
  return distinct([
    ...(rule === undefined ? [] : [rule]),
    ...(place === undefined
      ? plain
      : [`${plain[0]} in ${place}`, ...plain, ...plain.slice(1, 2).map((name) => `${name} in ${place}`)])
  ]).slice(0, most)
}
