import { stableFrom, type GroupKind, type LevelStability } from '../../preload/records'

/** Members of each group at one level. A token is in at most one group. */
export type Groups = readonly Int32Array[]

/** For each split, the cluster of every token in both halves of the draws; -1 for tokens in no cluster. */
export type SplitMemberships = readonly (readonly [Int32Array, Int32Array])[]

interface Matches {
  /** Best Jaccard index of each group with any group of the partition; 0 if they share no token. */
  readonly jaccard: Float64Array
  /** Group of the partition with that index, ties to the lower number; -1 for none. */
  readonly match: Int32Array
}

const sizesOf = (membership: Int32Array): Int32Array => {
  const sizes = new Int32Array(membership.reduce((most, group) => Math.max(most, group), -1) + 1)
  for (const group of membership) if (group >= 0) sizes[group]++
  return sizes
}

/** Finds the group of a partition that is most similar to each of `groups`. */
const matchGroups = (groups: Groups, membership: Int32Array): Matches => {
  const sizes = sizesOf(membership)
  const common = new Int32Array(sizes.length)
  const jaccard = new Float64Array(groups.length)
  const match = new Int32Array(groups.length).fill(-1)
  groups.forEach((members, group) => {
    const met: number[] = []
    for (const token of members) {
      const other = membership[token]
      if (other < 0) continue
      if (common[other]++ === 0) met.push(other)
    }
    for (const other of met) {
      const index = common[other] / (members.length + sizes[other] - common[other])
      if (index > jaccard[group] || (index === jaccard[group] && other < match[group])) {
        jaccard[group] = index
        match[group] = other
      }
      common[other] = 0
    }
  })
  return { jaccard, match }
}

export interface Stability {
  /** For each group, the smaller of its best Jaccard indices in the two halves, averaged over splits; 0 to 1. */
  readonly stability: Float64Array
  /** For each member of each group, the share of all halves in which the token is in the matching group. */
  readonly strengths: readonly Float32Array[]
  /** For each split, the share of all tokens that are in stable groups (index of at least `stableFrom`). */
  readonly shares: readonly number[]
}

/**
 * Measures how far groups recur when the draws are split in halves (docs/method.md, section 5.4). `splits` has the
 * memberships [tokens] of both halves, each clustered on its own. Noise shared by both halves, or a bias of the
 * estimator, cannot be detected this way.
 */
export const stabilityOf = (groups: Groups, splits: SplitMemberships, tokens: number): Stability => {
  const stability = new Float64Array(groups.length)
  const strengths = groups.map(({ length }) => new Float32Array(length))
  const shares = splits.map((halves) => {
    const least = new Float64Array(groups.length).fill(1)
    for (const membership of halves) {
      const { jaccard, match } = matchGroups(groups, membership)
      groups.forEach((members, group) => {
        least[group] = Math.min(least[group], jaccard[group])
        if (match[group] < 0) return
        members.forEach((token, at) => {
          if (membership[token] === match[group]) strengths[group][at]++
        })
      })
    }
    let recurring = 0
    groups.forEach((members, group) => {
      stability[group] += least[group] / splits.length
      if (least[group] >= stableFrom) recurring += members.length
    })
    return recurring / tokens
  })
  for (const own of strengths) for (let at = 0; at < own.length; at++) own[at] /= 2 * splits.length
  return { stability, strengths, shares }
}

/** Standard error of the mean; null for a single value. */
const standardError = (values: readonly number[]): number | null => {
  if (values.length < 2) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return Math.sqrt(square / (values.length - 1) / values.length)
}

/** Number and share of the stable groups. */
export interface StableParts {
  readonly groups: number
  readonly stableGroups: number
  readonly stableShare: number
  readonly error: number | null
}

export const stableParts = (groups: Groups, { stability, shares }: Stability, tokens: number): StableParts => {
  const stable = groups.filter((_, group) => stability[group] >= stableFrom).map(({ length }) => length / tokens)
  return {
    groups: groups.length,
    stableGroups: stable.length,
    stableShare: stable.reduce((sum, share) => sum + share, 0),
    error: standardError(shares)
  }
}

/** Stability record of one level, with the stable share of a matrix without clusters for comparison. */
export const levelStability = (
  kind: GroupKind,
  { groups, stableGroups, stableShare, error }: StableParts,
  nullShare: number | null
): LevelStability => ({ kind, groups, stableGroups, stableShare, error, nullShare })

/** Members of each group of a partition, in ascending order. -1 means no group. */
export const membersByGroup = (membership: Int32Array): Int32Array[] => {
  const groups = Array.from(sizesOf(membership), (size) => new Int32Array(size))
  const filled = new Int32Array(groups.length)
  membership.forEach((group, token) => {
    if (group >= 0) groups[group][filled[group]++] = token
  })
  return groups
}
