import type { CarriedLabel } from '../../preload/calls-labels'
import type { Annotation, AnnotationBody, AnnotationTarget } from '../../preload/contract-annotations'
import type { ClusterNumber } from '../../preload/records'
import { leftoverCluster } from '../../preload/records'
import { coarseness } from '../base/group-tree'
import type { GroupTree } from '../base/group-tree'
import { clusterTarget, emptyLabel, labelOf, parseTarget, sameTokens } from '../../preload/label-rules'
import { AnnotationDraft } from './annotations'
import type { AnnotationEdit, NextNumbers } from './annotations'

/** Rows of token ids with the studied positions of each. Tokens are numbered row by row, then by position. */
export interface StudiedRows {
  readonly rows: readonly Int32Array[]
  readonly targets: readonly Int32Array[]
}

const firstTokens = (targets: readonly Int32Array[]): Int32Array => {
  const first = new Int32Array(targets.length + 1)
  targets.forEach(({ length }, row) => (first[row + 1] = first[row] + length))
  return first
}

/**
 * For every token of the left study, the token of the right study at the same position of a row with the same ids, or
 * -1.
 */
export const matchTokens = (left: StudiedRows, right: StudiedRows): Int32Array => {
  const places = new Map<string, number[]>()
  right.rows.forEach((ids, row) => {
    if (ids.length === 0) return
    const key = ids.join()
    const known = places.get(key)
    if (known === undefined) places.set(key, [row])
    else known.push(row)
  })
  const [leftFirst, rightFirst] = [firstTokens(left.targets), firstTokens(right.targets)]
  const matched = new Int32Array(leftFirst[left.targets.length]).fill(-1)
  left.rows.forEach((ids, row) => {
    const there = places.get(ids.join())?.shift()
    if (there === undefined) return
    const tokens = new Map(Array.from(right.targets[there], (position, at) => [position, rightFirst[there] + at]))
    left.targets[row].forEach((position, at) => (matched[leftFirst[row] + at] = tokens.get(position) ?? -1))
  })
  return matched
}

export interface CarrySource {
  /** Cluster of every token. */
  readonly membership: Int32Array
  /** Clusters and the groups above them. */
  readonly tree: GroupTree
  readonly annotations: readonly Annotation[]
}

export interface CarryDestination extends CarrySource, NextNumbers {}

export interface CarriedLabels {
  readonly proposals: readonly CarriedLabel[]
  readonly edits: readonly AnnotationEdit[]
  /** Annotations for which no group was found. */
  readonly left: readonly Annotation[]
}

/**
 * Counts of a left group's tokens by the right groups they fall in, at every level, and the group's size, including
 * unmatched tokens.
 */
interface Histogram {
  readonly size: number
  readonly counts: ReadonlyMap<ClusterNumber, number>
}

const addTo = (counts: Map<ClusterNumber, number>, cluster: ClusterNumber, count = 1): void => {
  counts.set(cluster, (counts.get(cluster) ?? 0) + count)
}

/** Extends counts of clusters to the groups above them: a group's count is the sum over its clusters. */
const withGroupsAbove = (counts: ReadonlyMap<ClusterNumber, number>, tree: GroupTree): Map<ClusterNumber, number> => {
  const all = new Map<ClusterNumber, number>()
  for (const [cluster, count] of counts) for (const group of tree.pathOf(cluster)) addTo(all, group, count)
  return all
}

const sizesOf = ({ membership, tree }: CarrySource): Map<ClusterNumber, number> => {
  const sizes = new Map<ClusterNumber, number>()
  for (const cluster of membership) addTo(sizes, cluster)
  return withGroupsAbove(sizes, tree)
}

const sum = (histograms: readonly Histogram[]): Histogram => {
  const counts = new Map<ClusterNumber, number>()
  for (const histogram of histograms) for (const [cluster, count] of histogram.counts) addTo(counts, cluster, count)
  return { size: histograms.reduce((total, { size }) => total + size, 0), counts }
}

/** Histograms of the left clustering's groups, from the matching right token of every left token. */
const histogramsOf = (
  left: CarrySource,
  right: CarrySource,
  rightToken: (token: number) => number
): ((group: ClusterNumber) => Histogram) => {
  const clusters = new Map<ClusterNumber, { size: number; counts: Map<ClusterNumber, number> }>()
  left.membership.forEach((cluster, token) => {
    const known = clusters.get(cluster) ?? { size: 0, counts: new Map<ClusterNumber, number>() }
    if (known.size === 0) clusters.set(cluster, known)
    known.size++
    const there = rightToken(token)
    if (there >= 0) addTo(known.counts, right.membership[there])
  })
  const ofClusters = (group: ClusterNumber): ClusterNumber[] =>
    group === leftoverCluster ? [leftoverCluster] : left.tree.clustersOf(group)
  return (group) => {
    const { size, counts } = sum(ofClusters(group).flatMap((cluster) => clusters.get(cluster) ?? []))
    return { size, counts: withGroupsAbove(counts, right.tree) }
  }
}

interface Match {
  readonly cluster: ClusterNumber
  readonly jaccard: number
}

interface ClusterPlacement {
  readonly annotation: Annotation
  readonly from: ClusterNumber
  readonly kind: 'cluster'
  readonly to: ClusterNumber
  readonly jaccard: number
}

type Placement =
  | ClusterPlacement
  | {
      readonly annotation: Annotation
      readonly from: ClusterNumber
      readonly kind: 'merge'
      readonly clusters: readonly ClusterNumber[]
      readonly jaccard: number
    }
  | {
      readonly annotation: Annotation
      readonly from: ClusterNumber
      readonly kind: 'part'
      readonly to: ClusterNumber
      readonly tokens: readonly number[]
      readonly jaccard: number
    }
  | {
      readonly annotation: Annotation
      readonly from: number
      readonly kind: 'selection'
      readonly tokens: readonly number[]
      readonly jaccard: number
    }

type Fits = (cluster: ClusterNumber) => boolean

const notLeftover: Fits = (cluster) => cluster !== leftoverCluster
const ofGroup =
  (cluster: ClusterNumber): Fits =>
  (other) =>
    (cluster === leftoverCluster) === (other === leftoverCluster)

/**
 * Transfers annotations from one clustering to another. Each goes to the group, at any level, with the highest
 * Jaccard index of tokens, if that is at least `least`. Ties go to a group of the same kind, then to the finer one. A
 * group receives at most one annotation, the best.
 *
 * A merge stays a merge if two or more of its groups are found again, and becomes a label if they have become a
 * single group. A part becomes a label if it has become a group, and stays a part if at least that share of it lies
 * in one group. A selection stays one if at least that share of its tokens is there; where the same one is there
 * already, as in another clustering of the same run, nothing is transferred.
 *
 * `matched` gives the right token of every left token, or -1; null if both have the same tokens. Author and time are
 * preserved. The blind test's score is kept only if the tokens are exactly the same.
 */
export const carryLabels = (
  left: CarrySource,
  right: CarryDestination,
  matched: Int32Array | null,
  least: number
): CarriedLabels => {
  const rightSizes = sizesOf(right)
  const rightToken = (token: number): number => (matched === null ? token : matched[token])
  const histogramOf = histogramsOf(left, right, rightToken)
  const jaccard = ({ size, counts }: Histogram, cluster: ClusterNumber): number => {
    const common = counts.get(cluster) ?? 0
    return common === 0 ? 0 : common / (size + (rightSizes.get(cluster) ?? 0) - common)
  }
  /** Ranks right groups of equal overlap, lower is better: same kind first, then finer. */
  const preference = (from: ClusterNumber, to: ClusterNumber): readonly [otherKind: number, coarse: number] => {
    const kind = right.tree.kindOf(to)
    return [Number(left.tree.kindOf(from) !== kind), coarseness(kind)]
  }
  const byPreference = (
    a: { from: ClusterNumber; to: ClusterNumber },
    b: { from: ClusterNumber; to: ClusterNumber }
  ): number => {
    const [[kindOfA, coarseA], [kindOfB, coarseB]] = [preference(a.from, a.to), preference(b.from, b.to)]
    return kindOfA - kindOfB || coarseA - coarseB || a.to - b.to
  }
  const matches = (histogram: Histogram, from: ClusterNumber, fits: Fits): Match[] =>
    [...histogram.counts.keys()]
      .filter(fits)
      .map((cluster) => ({ cluster, jaccard: jaccard(histogram, cluster) }))
      .filter((match) => match.jaccard > 0 && match.jaccard >= least)
      .sort((a, b) => b.jaccard - a.jaccard || byPreference({ from, to: a.cluster }, { from, to: b.cluster }))

  const placements: Placement[] = []
  const parts = new Map<Annotation, Placement>()
  const contests: ClusterPlacement[] = []
  const contest = (annotation: Annotation, from: ClusterNumber, found: readonly Match[]): void => {
    for (const { cluster, jaccard: overlap } of found) {
      contests.push({ annotation, from, kind: 'cluster', to: cluster, jaccard: overlap })
    }
  }

  /** The groups that a merge's groups have become, if they can form a merge there: two or more, of one kind. */
  const mergedAgain = (clusters: readonly ClusterNumber[], fits: Fits): ClusterNumber[] | undefined => {
    const found = clusters.flatMap((cluster) =>
      matches(histogramOf(cluster), cluster, (other) => ofGroup(cluster)(other) && fits(other)).slice(0, 1)
    )
    const distinct = [...new Set(found.map(({ cluster }) => cluster))].sort((a, b) => a - b)
    const kinds = new Set(distinct.map((cluster) => right.tree.kindOf(cluster)))
    return distinct.length >= 2 && kinds.size === 1 ? distinct : undefined
  }
  const placeMerge = (annotation: Annotation): void => {
    const { clusters = [] } = annotation
    const from = clusters[0] ?? leftoverCluster
    const joint = sum(clusters.map(histogramOf))
    const ofSameKind = (cluster: ClusterNumber): boolean => right.tree.kindOf(cluster) === left.tree.kindOf(from)
    const again = mergedAgain(clusters, () => true) ?? mergedAgain(clusters, ofSameKind)
    if (again === undefined) return contest(annotation, from, matches(joint, from, notLeftover))
    const common = again.reduce((total, cluster) => total + (joint.counts.get(cluster) ?? 0), 0)
    const rightSize = again.reduce((total, cluster) => total + (rightSizes.get(cluster) ?? 0), 0)
    placements.push({
      annotation,
      from,
      kind: 'merge',
      clusters: again,
      jaccard: common / (joint.size + rightSize - common)
    })
  }

  /**
   * Group that contains a part: the successor of the part's own group, or else the finest group with enough of its
   * tokens.
   */
  const homeOf = ({ size, counts }: Histogram, parent: ClusterNumber | undefined): ClusterNumber | undefined => {
    const [finest] = [...counts]
      .filter(([, count]) => count / size >= least)
      .sort(
        ([a, inA], [b, inB]) =>
          coarseness(right.tree.kindOf(a)) - coarseness(right.tree.kindOf(b)) || inB - inA || a - b
      )
    const inParent = parent === undefined ? 0 : (counts.get(parent) ?? 0)
    return finest !== undefined && inParent >= finest[1] ? parent : finest?.[0]
  }
  const placePart = (annotation: Annotation): void => {
    const { cluster: from = leftoverCluster, tokens: own = [] } = annotation
    const there = own.map(rightToken).filter((token) => token >= 0)
    const inClusters = new Map<ClusterNumber, number>()
    for (const token of there) addTo(inClusters, right.membership[token])
    const histogram: Histogram = { size: own.length, counts: withGroupsAbove(inClusters, right.tree) }
    const parent = matches(histogramOf(from), from, ofGroup(from)).at(0)?.cluster
    const home = homeOf(histogram, parent)
    if (home === undefined) return
    const tokens = there.filter((token) => right.tree.pathOf(right.membership[token]).includes(home))
    const jaccard = tokens.length / histogram.size
    parts.set(annotation, { annotation, from, kind: 'part', to: home, tokens, jaccard })
    const stays = parent === home
    // A part of a cluster that still exists stays a part. A part of a group above may have become a cluster below it.
    if (stays && right.tree.kindOf(home) === 'cluster') return
    contest(
      annotation,
      from,
      matches(histogram, from, (cluster) => notLeftover(cluster) && !(stays && cluster === home))
    )
  }

  const known = new Set<Annotation>()
  const placeSelection = (annotation: Annotation, from: number): void => {
    const { tokens: own = [], name } = annotation
    const tokens = own
      .map(rightToken)
      .filter((token) => token >= 0)
      .sort((a, b) => a - b)
    const jaccard = tokens.length / own.length
    const isThere = (other: Annotation): boolean =>
      parseTarget(other.target).kind === 'selection' && other.name === name && sameTokens(other.tokens ?? [], tokens)
    if (right.annotations.some(isThere)) known.add(annotation)
    else if (tokens.length > 0 && jaccard >= least)
      placements.push({ annotation, from, kind: 'selection', tokens, jaccard })
  }

  for (const annotation of left.annotations) {
    const { kind, number } = parseTarget(annotation.target)
    if (kind === 'cluster') contest(annotation, number, matches(histogramOf(number), number, ofGroup(number)))
    else if (kind === 'merge') placeMerge(annotation)
    else if (kind === 'selection') placeSelection(annotation, number)
    else placePart(annotation)
  }

  const settled = new Set<Annotation>()
  const taken = new Set<ClusterNumber>()
  const plain = ({ annotation: { target } }: Placement): number => Number(parseTarget(target).kind !== 'cluster')
  contests.sort((a, b) => b.jaccard - a.jaccard || plain(a) - plain(b) || byPreference(a, b))
  for (const placement of contests) {
    if (settled.has(placement.annotation) || taken.has(placement.to)) continue
    settled.add(placement.annotation)
    taken.add(placement.to)
    placements.push(placement)
  }
  for (const [annotation, placement] of parts) if (!settled.has(annotation)) placements.push(placement)

  const current = new Map<AnnotationTarget, AnnotationBody>(
    right.annotations.map(({ target, ...body }) => [target, body])
  )
  const draft = new AnnotationDraft(current, right)
  const placed = new Set(placements.map(({ annotation }) => annotation))
  const proposals = placements.map((placement): CarriedLabel => {
    const { annotation, from, jaccard: overlap } = placement
    const { author, changedAt, name } = annotation
    const label = { ...emptyLabel, ...labelOf(annotation), blindTest: overlap === 1 ? annotation.blindTest : null }
    const { blindTest: _, ...said } = label
    const signature = { author, changedAt }
    const named = (body: AnnotationBody | undefined): string | null =>
      body === undefined || body.name === '' ? null : body.name
    const place = (): { readonly to: number; readonly replaces: string | null } => {
      switch (placement.kind) {
        case 'cluster': {
          const replaces = named(current.get(clusterTarget(placement.to)))
          draft.replace(placement.to, label, signature)
          return { to: placement.to, replaces }
        }
        case 'merge': {
          const { clusters: merged } = placement
          const isIn = ({ clusters }: AnnotationBody): boolean =>
            clusters?.some((cluster) => merged.includes(cluster)) === true
          draft.merge(merged, said, signature)
          return { to: merged[0], replaces: named([...current.values()].find(isIn)) }
        }
        case 'part':
          draft.split(placement.to, placement.tokens, said, signature)
          return { to: placement.to, replaces: null }
        case 'selection': {
          const target = draft.select(placement.tokens, said, signature)
          return { to: parseTarget(target).number, replaces: named(current.get(target)) }
        }
      }
    }
    const { to, replaces } = place()
    return { target: annotation.target, from, to, jaccard: overlap, name, replaces }
  })
  const isLeft = (annotation: Annotation): boolean => !placed.has(annotation) && !known.has(annotation)
  return { proposals, edits: draft.edits(), left: left.annotations.filter(isLeft) }
}
