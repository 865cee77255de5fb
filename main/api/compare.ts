import type { Comparison, MatchedTokens } from '../../preload/contract'
import { SpectroscopeError } from '../../preload/errors'
import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber } from '../../preload/records'
import type { Workspace } from '../store/store'
import { matchStudies } from './study-matching'
import type { MatchedBy } from './study-matching'

interface Place {
  readonly run: string
  readonly clustering: number
}

/** Tokens that two studies share, as pairs of indices. */
export interface Shared {
  readonly left: Int32Array
  readonly right: Int32Array
}

/** Pairs of tokens that are matched. */
export const sharedTokens = (matched: Int32Array): Shared => ({
  left: Int32Array.from(matched.keys()).filter((token) => matched[token] >= 0),
  right: matched.filter((token) => token >= 0)
})

interface Overlap {
  /** Number of tokens in each pair of groups, by left group, then right group. */
  readonly common: ReadonlyMap<ClusterNumber, ReadonlyMap<ClusterNumber, number>>
  readonly leftSizes: ReadonlyMap<ClusterNumber, number>
  readonly rightSizes: ReadonlyMap<ClusterNumber, number>
}

const add = (counts: Map<ClusterNumber, number>, group: ClusterNumber): void =>
  void counts.set(group, (counts.get(group) ?? 0) + 1)

/** Counts tokens by their groups on both sides. */
export const overlapOf = (left: Int32Array, right: Int32Array): Overlap => {
  const common = new Map<ClusterNumber, Map<ClusterNumber, number>>()
  const [leftSizes, rightSizes] = [new Map<ClusterNumber, number>(), new Map<ClusterNumber, number>()]
  for (let i = 0; i < left.length; i++) {
    add(leftSizes, left[i])
    add(rightSizes, right[i])
    const row = common.get(left[i]) ?? new Map<ClusterNumber, number>()
    add(row, right[i])
    common.set(left[i], row)
  }
  return { common, leftSizes, rightSizes }
}

const pairs = (counts: Iterable<number>): number => {
  let sum = 0
  for (const count of counts) sum += (count * (count - 1)) / 2
  return sum
}

/**
 * Adjusted Rand index (Hubert and Arabie 1985) of two partitions; 1 if both are a single group, or both have only
 * single tokens.
 */
export const adjustedRand = ({ common, leftSizes, rightSizes }: Overlap): number => {
  const together = pairs([...common.values()].flatMap((row) => [...row.values()]))
  const [inLeft, inRight] = [pairs(leftSizes.values()), pairs(rightSizes.values())]
  const all = pairs([[...leftSizes.values()].reduce((a, b) => a + b, 0)])
  const expected = (inLeft * inRight) / all
  const most = (inLeft + inRight) / 2
  return most === expected ? 1 : (together - expected) / (most - expected)
}

/** Pearson correlation; NaN if a side is constant. */
export const correlation = (left: Float32Array, right: Float32Array): number => {
  const { length } = left
  let [meanLeft, meanRight] = [0, 0]
  for (let i = 0; i < length; i++) {
    meanLeft += left[i] / length
    meanRight += right[i] / length
  }
  let [product, squareLeft, squareRight] = [0, 0, 0]
  for (let i = 0; i < length; i++) {
    const [a, b] = [left[i] - meanLeft, right[i] - meanRight]
    product += a * b
    squareLeft += a * a
    squareRight += b * b
  }
  return product / Math.sqrt(squareLeft * squareRight)
}

/** For every left cluster that shares tokens with a right one, the right cluster with the largest Jaccard index. */
export const matchesOf = ({ common, leftSizes, rightSizes }: Overlap): Comparison['matches'] =>
  [...leftSizes.entries()]
    .filter(([left]) => left !== leftoverCluster)
    .sort(([a], [b]) => a - b)
    .flatMap(([left, leftSize]) => {
      const candidates = [...common.get(left)!.entries()]
        .filter(([right]) => right !== leftoverCluster)
        .map(([right, shared]) => {
          const rightSize = rightSizes.get(right)!
          return { left, right, common: shared, jaccard: shared / (leftSize + rightSize - shared), leftSize, rightSize }
        })
      const [best] = candidates.sort((a, b) => b.jaccard - a.jaccard || a.right - b.right)
      return best === undefined ? [] : [best]
    })

const taken = (values: Int32Array | Float32Array, tokens: Int32Array): Float32Array =>
  Float32Array.from(tokens, (token) => values[token])
const groups = (values: Int32Array, tokens: Int32Array): Int32Array => tokens.map((token) => values[token])

interface Sides {
  readonly shared: Shared
  readonly by: MatchedBy
  /** Cluster of each shared token, on each side. */
  readonly left: Int32Array
  readonly right: Int32Array
}

/** The clusterings that were compared last in a workspace: their matches are opened one after another. */
const lastSides = new WeakMap<Workspace, { readonly key: string; readonly sides: Promise<Sides> }>()

/** Clusters of the tokens that both studies share. Throws a `usage` error if there are none. */
const sidesOf = (workspace: Workspace, left: Place, right: Place): Promise<Sides> => {
  const key = [left, right].map(({ run, clustering }) => `${run} ${clustering}`).join(' ')
  const last = lastSides.get(workspace)
  if (last?.key === key) return last.sides
  const sides = readSides(workspace, left, right)
  lastSides.set(workspace, { key, sides })
  sides.catch(() => lastSides.delete(workspace))
  return sides
}

const readSides = async (workspace: Workspace, left: Place, right: Place): Promise<Sides> => {
  const { matched, by } = await matchStudies(workspace, left.run, right.run)
  const shared = sharedTokens(matched)
  if (shared.left.length === 0)
    throw new SpectroscopeError(
      'usage',
      `Runs ${left.run} and ${right.run} share no tokens; compare runs of the same documents.`
    )
  const leftGroups = await workspace.getMembership(left.run, { clustering: left.clustering })
  const rightGroups = await workspace.getMembership(right.run, { clustering: right.clustering })
  return { shared, by, left: groups(leftGroups, shared.left), right: groups(rightGroups, shared.right) }
}

/** At most `most` values, evenly taken from all. */
const someOf = (values: readonly number[], most: number): Int32Array =>
  Int32Array.from({ length: Math.min(most, values.length) }, (_, at) =>
    values.length <= most ? values[at] : values[Math.floor((at * values.length) / most)]
  )

/**
 * Tokens of a cluster on the left and one on the right: those in both, those that only the left has, and those that
 * only the right has. Gives at most `most` of each, as tokens of the run of their side, with their counts. Throws a
 * `usage` error if the runs share no tokens.
 */
export const compareMatch = async (
  workspace: Workspace,
  left: Place & { readonly cluster: ClusterNumber },
  right: Place & { readonly cluster: ClusterNumber },
  most: number
): Promise<MatchedTokens> => {
  const sides = await sidesOf(workspace, left, right)
  const [both, gone, came]: number[][] = [[], [], []]
  for (let at = 0; at < sides.left.length; at++) {
    const [inLeft, inRight] = [sides.left[at] === left.cluster, sides.right[at] === right.cluster]
    if (inLeft && inRight) both.push(sides.shared.right[at])
    else if (inLeft) gone.push(sides.shared.left[at])
    else if (inRight) came.push(sides.shared.right[at])
  }
  const given = (tokens: number[]): MatchedTokens['both'] => ({ count: tokens.length, tokens: someOf(tokens, most) })
  return { both: given(both), gone: given(gone), came: given(came) }
}

/** Compares two clusterings on the tokens that both studies share. Throws a `usage` error if there are none. */
export const compareClusterings = async (workspace: Workspace, left: Place, right: Place): Promise<Comparison> => {
  const [leftRun, rightRun] = [await workspace.getRun(left.run), await workspace.getRun(right.run)]
  const { shared, by, left: leftGroups, right: rightGroups } = await sidesOf(workspace, left, right)
  const overlap = overlapOf(leftGroups, rightGroups)
  const columns: { component: string; correlation: number }[] = []
  // Components of the same name in models with different tokenizers have nothing in common.
  const differ = leftRun.provenance.tokenizerHash !== rightRun.provenance.tokenizerHash
  const common = differ && by === 'text' ? [] : leftRun.components.filter((each) => rightRun.components.includes(each))
  for (const component of common) {
    const mine = await workspace.getColumn(left.run, component)
    const theirs = left.run === right.run ? mine : await workspace.getColumn(right.run, component)
    columns.push({ component, correlation: correlation(taken(mine, shared.left), taken(theirs, shared.right)) })
  }
  const [tokens, matches] = [shared.left.length, matchesOf(overlap)]
  return { tokens, by, adjustedRand: adjustedRand(overlap), columns, matches }
}
