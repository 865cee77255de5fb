import { leftoverCluster, type GroupKind } from '../../preload/records'

/** Group of every token at one level of a clustering. */
export interface LevelMembership {
  readonly kind: GroupKind
  /**
   * Number of each token's group. -1 stands for unclustered tokens at the level of clusters, and for tokens in no
   * group at the levels above.
   */
  readonly membership: Int32Array
}

/** Tokens by group. Groups are indexed in the order of their numbers, unclustered tokens last. */
export interface Grouping {
  readonly numbers: Int32Array
  /** Index of each token's group; -1 for none. */
  readonly groupOf: Int32Array
  /** The tokens of group g, ascending, are at starts[g] … starts[g + 1] - 1 of `members`. */
  readonly starts: Int32Array
  readonly members: Int32Array
}

/** Numbers of the existing groups, ascending. At the level of clusters, unclustered tokens form the last group. */
const numbersOf = ({ kind, membership }: LevelMembership): Int32Array => {
  const present = new Set(membership)
  const left = present.delete(leftoverCluster) && kind === 'cluster'
  return Int32Array.from([...[...present].sort((a, b) => a - b), ...(left ? [leftoverCluster] : [])])
}

/** Sorts the tokens of one level by group. */
export const groupTokens = (level: LevelMembership): Grouping => {
  const numbers = numbersOf(level)
  const indices = new Map(Array.from(numbers, (number, group) => [number, group]))
  const groupOf = level.membership.map((number) => indices.get(number) ?? -1)
  const starts = new Int32Array(numbers.length + 1)
  for (const group of groupOf) if (group >= 0) starts[group + 1]++
  for (let group = 0; group < numbers.length; group++) starts[group + 1] += starts[group]
  const ends = starts.slice(0, numbers.length)
  const members = new Int32Array(starts[numbers.length])
  groupOf.forEach((group, token) => {
    if (group >= 0) members[ends[group]++] = token
  })
  return { numbers, groupOf, starts, members }
}

/** Number of tokens in each group. */
export const sizesOf = ({ numbers, starts }: Grouping): Int32Array =>
  numbers.map((_, group) => starts[group + 1] - starts[group])

/** Index of the group above that contains each cluster, or -1. Throws if a group contains only part of a cluster. */
export const groupsOfClusters = (clusters: Grouping, above: Grouping): Int32Array => {
  const { numbers, starts, members } = clusters
  const parents = numbers.map((_, cluster) => above.groupOf[members[starts[cluster]]])
  for (let token = 0; token < above.groupOf.length; token++) {
    const cluster = clusters.groupOf[token]
    if (above.groupOf[token] === parents[cluster]) continue
    throw new Error(`Tokens of cluster ${numbers[cluster]} are in different groups of a level above it.`)
  }
  return parents
}
