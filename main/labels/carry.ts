import type { Annotation, AnnotationBody, AnnotationTarget } from '../../preload/contract-annotations'
import type { ClusterNumber } from '../../preload/records'
import { leftoverCluster } from '../../preload/records'
import { AnnotationDraft, clusterTarget, emptyLabel, labelOf, parseTarget } from './annotations'
import type { AnnotationEdit } from './annotations'

/** Rows of token ids with the studied positions of each; tokens are numbered row by row, then by position. */
export interface StudiedRows {
  readonly rows: readonly Int32Array[]
  readonly targets: readonly Int32Array[]
}

const firstTokens = (targets: readonly Int32Array[]): Int32Array => {
  const first = new Int32Array(targets.length + 1)
  targets.forEach(({ length }, row) => (first[row + 1] = first[row] + length))
  return first
}

/** For every token of the left study, the token of the right one at the same position of a row with the same ids; -1 where there is none. */
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
  readonly annotations: readonly Annotation[]
}

export interface CarryDestination extends CarrySource {
  readonly nextMerge: number
  readonly nextPart: number
}

export interface CarriedLabel {
  readonly target: AnnotationTarget
  /** Cluster that it was of: of a merge the first one, of a part the one it is a part of. */
  readonly from: ClusterNumber
  /** Cluster that it comes to: of a merge the first one. */
  readonly to: ClusterNumber
  /** Tokens in common over tokens in either. */
  readonly jaccard: number
  readonly name: string
  /** Name that is there now and would be replaced; null where there is none. */
  readonly replaces: string | null
}

export interface CarriedLabels {
  readonly proposals: readonly CarriedLabel[]
  readonly edits: readonly AnnotationEdit[]
  /** Annotations that found no place. */
  readonly left: readonly Annotation[]
}

/** Tokens of a group of the left clustering by the right cluster that they are in, and how many there are, matched or not. */
interface Histogram {
  readonly size: number
  readonly counts: ReadonlyMap<ClusterNumber, number>
}

const addTo = (counts: Map<ClusterNumber, number>, cluster: ClusterNumber, count = 1): void => {
  counts.set(cluster, (counts.get(cluster) ?? 0) + count)
}

const sizesOf = (membership: Int32Array): Map<ClusterNumber, number> => {
  const sizes = new Map<ClusterNumber, number>()
  for (const cluster of membership) addTo(sizes, cluster)
  return sizes
}

const nothing: Histogram = { size: 0, counts: new Map() }

const sum = (histograms: readonly Histogram[]): Histogram => {
  const counts = new Map<ClusterNumber, number>()
  for (const histogram of histograms) for (const [cluster, count] of histogram.counts) addTo(counts, cluster, count)
  return { size: histograms.reduce((total, { size }) => total + size, 0), counts }
}

interface Match {
  readonly cluster: ClusterNumber
  readonly jaccard: number
}

type Placement =
  | { readonly annotation: Annotation; readonly from: ClusterNumber; readonly kind: 'cluster'; readonly to: ClusterNumber; readonly jaccard: number }
  | { readonly annotation: Annotation; readonly from: ClusterNumber; readonly kind: 'merge'; readonly clusters: readonly ClusterNumber[]; readonly jaccard: number }
  | { readonly annotation: Annotation; readonly from: ClusterNumber; readonly kind: 'part'; readonly to: ClusterNumber; readonly tokens: readonly number[]; readonly jaccard: number }

const ofGroup = (cluster: ClusterNumber) => (other: ClusterNumber): boolean => (cluster === leftoverCluster) === (other === leftoverCluster)

/**
 * What the annotations of one clustering become in another: each goes to the cluster whose tokens it shares most with, by the Jaccard
 * index, if that is at least `least`; a cluster takes one at most, the best. A merge stays one where two or more of its clusters are
 * found again, and becomes a label where they have become one cluster. A part becomes a label where it has become a cluster, and stays
 * a part where at least that share of it lies in one. `matched` gives the right token of every left one, or -1; null where both
 * have the same tokens. Author and time stay as they are; the blind test's score only where the tokens are the very same.
 */
export const carryLabels = (left: CarrySource, right: CarryDestination, matched: Int32Array | null, least: number): CarriedLabels => {
  const rightSizes = sizesOf(right.membership)
  const rightToken = (token: number): number => (matched === null ? token : matched[token])
  const histograms = new Map<ClusterNumber, { size: number; counts: Map<ClusterNumber, number> }>()
  left.membership.forEach((cluster, token) => {
    const known = histograms.get(cluster) ?? { size: 0, counts: new Map<ClusterNumber, number>() }
    if (known.size === 0) histograms.set(cluster, known)
    known.size++
    const there = rightToken(token)
    if (there >= 0) addTo(known.counts, right.membership[there])
  })
  const histogramOf = (cluster: ClusterNumber): Histogram => histograms.get(cluster) ?? nothing
  const jaccard = ({ size, counts }: Histogram, cluster: ClusterNumber): number => {
    const common = counts.get(cluster) ?? 0
    return common === 0 ? 0 : common / (size + (rightSizes.get(cluster) ?? 0) - common)
  }
  const matches = (histogram: Histogram, fits: (cluster: ClusterNumber) => boolean): Match[] =>
    [...histogram.counts.keys()]
      .filter(fits)
      .map((cluster) => ({ cluster, jaccard: jaccard(histogram, cluster) }))
      .filter((match) => match.jaccard > 0 && match.jaccard >= least)
      .sort((a, b) => b.jaccard - a.jaccard || a.cluster - b.cluster)

  const partTokens = ({ tokens = [] }: Annotation): number[] => tokens.map(rightToken).filter((token) => token >= 0)
  const partHistogram = (annotation: Annotation): Histogram => {
    const counts = new Map<ClusterNumber, number>()
    for (const token of partTokens(annotation)) addTo(counts, right.membership[token])
    return { size: annotation.tokens?.length ?? 0, counts }
  }

  const placements: Placement[] = []
  const parts = new Map<Annotation, Placement>()
  const contests: Extract<Placement, { kind: 'cluster' }>[] = []
  const contest = (annotation: Annotation, from: ClusterNumber, found: readonly Match[]): void => {
    contests.push(...found.map(({ cluster, jaccard: overlap }): Extract<Placement, { kind: 'cluster' }> => ({ annotation, from, kind: 'cluster', to: cluster, jaccard: overlap })))
  }
  for (const annotation of left.annotations) {
    const { kind, number } = parseTarget(annotation.target)
    if (kind === 'cluster') contest(annotation, number, matches(histogramOf(number), ofGroup(number)))
    if (kind === 'merge') {
      const clusters = annotation.clusters ?? []
      const found = clusters.flatMap((cluster) => matches(histogramOf(cluster), ofGroup(cluster)).slice(0, 1))
      const distinct = [...new Set(found.map(({ cluster }) => cluster))].sort((a, b) => a - b)
      const joint = sum(clusters.map(histogramOf))
      if (distinct.length < 2) contest(annotation, clusters[0] ?? leftoverCluster, matches(joint, (cluster) => cluster !== leftoverCluster))
      else {
        const common = distinct.reduce((total, cluster) => total + (joint.counts.get(cluster) ?? 0), 0)
        const rightSize = distinct.reduce((total, cluster) => total + (rightSizes.get(cluster) ?? 0), 0)
        placements.push({ annotation, from: clusters[0], kind: 'merge', clusters: distinct, jaccard: common / (joint.size + rightSize - common) })
      }
    }
    if (kind === 'part') {
      const from = annotation.cluster ?? leftoverCluster
      const histogram = partHistogram(annotation)
      const [home, count] = [...histogram.counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0] ?? [leftoverCluster, 0]
      if (count > 0 && count / histogram.size >= least) {
        const tokens = partTokens(annotation).filter((token) => right.membership[token] === home)
        parts.set(annotation, { annotation, from, kind: 'part', to: home, tokens, jaccard: count / histogram.size })
      }
      const [parent] = matches(histogramOf(from), ofGroup(from))
      if (parent?.cluster !== home) contest(annotation, from, matches(histogram, (cluster) => cluster !== leftoverCluster))
    }
  }

  const settled = new Set<Annotation>()
  const taken = new Set<ClusterNumber>()
  const plain = ({ annotation: { target } }: Placement): number => Number(parseTarget(target).kind !== 'cluster')
  for (const placement of contests.sort((a, b) => b.jaccard - a.jaccard || plain(a) - plain(b) || a.to - b.to)) {
    if (settled.has(placement.annotation) || taken.has(placement.to)) continue
    settled.add(placement.annotation)
    taken.add(placement.to)
    placements.push(placement)
  }
  for (const [annotation, placement] of parts) if (!settled.has(annotation)) placements.push(placement)

  const current = new Map<AnnotationTarget, AnnotationBody>(right.annotations.map(({ target, ...body }) => [target, body]))
  const draft = new AnnotationDraft(current, right.nextMerge, right.nextPart)
  const placed = new Set(placements.map(({ annotation }) => annotation))
  const proposals = placements.map((placement): CarriedLabel => {
    const { annotation, from, jaccard: overlap } = placement
    const { author, changedAt, name } = annotation
    const label = { ...emptyLabel, ...labelOf(annotation), blindTest: overlap === 1 ? annotation.blindTest : null }
    const { blindTest: _, ...said } = label
    const to = placement.kind === 'merge' ? placement.clusters[0] : placement.to
    const named = (body: AnnotationBody | undefined): string | null => (body === undefined || body.name === '' ? null : body.name)
    const replaced =
      placement.kind === 'cluster' ? named(current.get(clusterTarget(to)))
        : placement.kind === 'merge' ? named([...current.values()].find(({ clusters }) => clusters?.some((cluster) => placement.clusters.includes(cluster))))
          : null
    if (placement.kind === 'cluster') draft.replace(to, label, { author, changedAt })
    else if (placement.kind === 'merge') draft.merge(placement.clusters, said, { author, changedAt })
    else draft.split(to, placement.tokens, said, { author, changedAt })
    return { target: annotation.target, from, to, jaccard: overlap, name, replaces: replaced }
  })
  return { proposals, edits: draft.edits(), left: left.annotations.filter((annotation) => !placed.has(annotation)) }
}
