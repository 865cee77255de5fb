import { quotedToken, tellingShare, tokenKind } from '../../preload/contract'
import type { ClusterEntry, TokenCount } from '../../preload/contract'

/** A given name, with its cluster. */
export interface NamedCluster {
  readonly name: string
  readonly entry: ClusterEntry
}

/** As many as there are keys for. */
export const mostSuggestions = 5

/** Minimum similarity of top tokens for suggesting another cluster's name. */
const alike = 0.35

const countIn = (tokens: readonly TokenCount[], id: number): number => {
  for (const token of tokens) if (token.id === id) return token.count
  return 0
}

/** Cosine of two clusters' counts of their top tokens, 0 to 1. */
export const likeness = (a: ClusterEntry, b: ClusterEntry): number => {
  let product = 0
  for (const { id, count } of a.topTokens) product += count * countIn(b.topTokens, id)
  if (product === 0) return 0
  const length = (tokens: readonly TokenCount[]): number => Math.hypot(...tokens.map(({ count }) => count))
  return product / (length(a.topTokens) * length(b.topTokens))
}

/** Names of clusters with similar top tokens, most similar first. */
const fittingNames = (
  entry: ClusterEntry,
  named: readonly NamedCluster[]
): { readonly name: string; readonly likeness: number }[] => {
  const best = new Map<string, number>()
  for (const { name, entry: other } of named) {
    if (other.cluster === entry.cluster) continue
    const value = likeness(entry, other) * (other.subset === entry.subset ? 1 : 0.9)
    if (value >= alike) best.set(name, Math.max(value, best.get(name) ?? 0))
  }
  return [...best]
    .map(([name, value]) => ({ name, likeness: value }))
    .sort((a, b) => b.likeness - a.likeness || a.name.localeCompare(b.name))
}

/**
 * Names drawn from what the list knows of a cluster: its kind of tokens, its one frequent token, several of them, and
 * the subset that they are from.
 */
const ownNames = ({ size, topTokens, purity, subset }: ClusterEntry): string[] => {
  if (size === 0 || topTokens.length === 0) return []
  const [first] = topTokens
  const kind = tokenKind(size, topTokens)
  const single = first.count >= tellingShare * size
  const several = [...new Set(topTokens.slice(0, 4).map(({ text }) => quotedToken(text)))]
  const list = (count: number): string | undefined =>
    several.length >= count ? several.slice(0, count).join(', ') : undefined
  const place = subset !== '' && purity >= 0.7 ? subset : undefined
  const narrow = single ? quotedToken(first.text) : (kind ?? list(2) ?? quotedToken(first.text))
  return [
    narrow,
    place === undefined ? undefined : `${narrow} in ${place}`,
    kind === narrow ? undefined : kind,
    list(3) ?? list(2),
    single && kind !== undefined ? `${kind}, mostly ${quotedToken(first.text)}` : undefined,
    single ? undefined : quotedToken(first.text),
    place
  ].filter((name) => name !== undefined)
}

/**
 * At most five names for a cluster, the likeliest first: one that a very similar cluster bears already, that of its
 * best rule, `drawn` ones (by the main side, where they have come), what the list itself tells, then other names in
 * use that fit.
 */
export const suggestNames = (
  entry: ClusterEntry,
  named: readonly NamedCluster[],
  drawn: readonly string[] = []
): string[] => {
  const fitting = fittingNames(entry, named)
  const close = fitting
    .filter(({ likeness: value }) => value >= 0.85)
    .slice(0, 1)
    .map(({ name }) => name)
  const others = fitting.slice(0, 3).map(({ name }) => name)
  const ofRule = entry.ruleName === null ? [] : [entry.ruleName]
  const own = [...new Set([...ofRule, ...drawn, ...ownNames(entry)])]
  const head = [
    ...new Set([...close, ...own.slice(0, mostSuggestions - close.length - Math.min(1, others.length - close.length))])
  ]
  return [...new Set([...head, ...others, ...own])].slice(0, mostSuggestions)
}

/**
 * Suggestions as they are shown, with later ones in the places that are still free: a number that is shown never
 * comes to mean another name.
 */
export const withLaterNames = (shown: readonly string[], later: readonly string[]): string[] =>
  [...new Set([...shown, ...later])].slice(0, mostSuggestions)
