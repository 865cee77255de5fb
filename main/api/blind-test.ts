import { leftoverCluster } from '../../preload/records'
import type { ClusterNumber, TokenInContext } from '../../preload/records'
import type { GroupTree } from '../base/group-tree'
import { seededIntegers } from '../base/philox'
import { drawBlindTest } from '../labels/blind-test'
import type { Candidate } from '../labels/blind-test'
import type { Workspace } from '../store/store'
import type { ClusteringPlace } from './label-transfer'

/** Limits of tokens that a blind test chooses from, by kind. */
const ownCandidates = 120
const sameTokenCandidates = 60
const otherCandidates = 240

/** A whole number from 0, below a bound. */
type Draw = (below: number) => number

const drawn = <T>(items: readonly T[], count: number, draw: Draw): T[] => {
  const pool = [...items]
  for (let at = 0; at < Math.min(count, pool.length); at++) {
    const other = at + draw(pool.length - at)
    const kept = pool[at]
    pool[at] = pool[other]
    pool[other] = kept
  }
  return pool.slice(0, count)
}

/** Minimum share of all tokens outside a group above, for the odd token to be taken only from there. */
const enoughElsewhere = 0.05

/**
 * Clusters from which the odd token of a blind test must not come: those in the coarsest group above that leaves
 * enough tokens outside.
 */
const insideOf = (
  tree: GroupTree,
  membership: Int32Array,
  group: ClusterNumber
): ((cluster: ClusterNumber) => boolean) => {
  for (const above of tree.pathOf(group).toReversed()) {
    const inside = new Set(above === leftoverCluster ? [above] : tree.clustersOf(above))
    const outside = membership.reduce((sum, cluster) => sum + Number(!inside.has(cluster)), 0)
    if (above === group || outside >= enoughElsewhere * membership.length) return (cluster) => inside.has(cluster)
  }
  return (cluster) => cluster === group
}

/** Random tokens outside `inside`, without scanning all tokens if there are many. */
const drawnElsewhere = (
  membership: Int32Array,
  inside: (cluster: ClusterNumber) => boolean,
  count: number,
  draw: Draw
): number[] => {
  const found = new Set<number>()
  for (let attempt = 0; attempt < 40 * count && found.size < count; attempt++) {
    const token = draw(membership.length)
    if (!inside(membership[token])) found.add(token)
  }
  if (found.size < count)
    for (let token = 0; token < membership.length && found.size < count; token++)
      if (!inside(membership[token])) found.add(token)
  return [...found]
}

/** Occurrences of the same tokens in other clusters, so that the token itself does not reveal the odd one. */
const sameElsewhere = async (
  workspace: Workspace,
  run: string,
  membership: Int32Array,
  inside: (cluster: ClusterNumber) => boolean,
  texts: readonly string[],
  draw: Draw
): Promise<number[]> => {
  const found: number[] = []
  for (const text of texts) {
    if (text === '') continue
    const tokens = await workspace.findTokens(run, text, 5000)
    found.push(
      ...drawn(
        Array.from(tokens).filter((token) => !inside(membership[token])),
        sameTokenCandidates,
        draw
      )
    )
  }
  return found
}

const shownAround = 24

/** Stream of the candidates; `drawBlindTest` has those from 0. */
const candidatesStream = 3

/**
 * Six contexts, five of a cluster's and an odd one from elsewhere, and the place of that one. The same seed, below
 * 2⁴⁷, gives the same test.
 */
export const drawTest = async (
  workspace: Workspace,
  { run, clustering }: ClusteringPlace,
  cluster: ClusterNumber,
  seed: number
): Promise<{ readonly contexts: readonly TokenInContext[]; readonly odd: number }> => {
  const draw = seededIntegers(seed, candidatesStream)
  const membership = await workspace.getMembership(run, { clustering })
  const members = await workspace.getClusterMembers(run, cluster, { clustering })
  const inside = insideOf(await workspace.getTree(run, { clustering }), membership, cluster)
  const around = { before: shownAround, after: shownAround }
  const own: Candidate[] = await workspace.getTokens(run, drawn(Array.from(members), ownCandidates, draw), {
    before: 0,
    after: 0
  })
  const counts = new Map<string, number>()
  for (const { text } of own) counts.set(text, (counts.get(text) ?? 0) + 1)
  const frequent = [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 6)
    .map(([text]) => text)
  const others = [
    ...(await sameElsewhere(workspace, run, membership, inside, frequent, draw)),
    ...drawnElsewhere(membership, inside, otherCandidates, draw)
  ]
  const elsewhere: Candidate[] = await workspace.getTokens(run, [...new Set(others)], { before: 0, after: 0 })
  const { tokens, odd } = drawBlindTest(own, elsewhere, seed)
  return { contexts: await workspace.getTokens(run, tokens, around), odd }
}
