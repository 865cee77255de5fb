import type { Annotation, AnnotationTarget, LabelStatus } from './contract-annotations'
import { clusterOf, clusterTarget, tidyName } from './label-rules'
import type { ClusterNumber } from './records'

/** Name and status of a group. */
export interface Said {
  /** "" if it has no name. */
  readonly name: string
  readonly status: LabelStatus
}

/** Name and status of every annotated group: those of its merge, or its own if the merge has none. */
export const saidOf = (annotations: Iterable<Annotation>): Map<ClusterNumber, Said> => {
  const said = new Map<ClusterNumber, Said>()
  const merges: Annotation[] = []
  for (const annotation of annotations) {
    const { target, name, status, clusters } = annotation
    const own = clusterOf(target)
    if (clusters !== undefined) merges.push(annotation)
    else if (own !== undefined) said.set(own, { name, status })
  }
  for (const { name, status, clusters = [] } of merges) {
    for (const cluster of clusters) {
      const own = said.get(cluster)
      said.set(cluster, {
        name: name === '' ? (own?.name ?? '') : name,
        status: status === 'unseen' ? (own?.status ?? 'unseen') : status
      })
    }
  }
  return said
}

/**
 * Groups that count as labelled, wherever labels are counted or selected: labelled themselves or through a merge.
 * Groups that are unsure or skipped, or of which only a part is labelled, do not count.
 */
export const labelledGroups = (annotations: Iterable<Annotation>): Set<ClusterNumber> =>
  new Set([...saidOf(annotations)].flatMap(([group, { status }]) => (status === 'labelled' ? [group] : [])))

/** Number of clusters by status, among those numbered from 0 to `clusters` - 1. Unseen ones are not counted. */
export const countStatuses = (
  annotations: Iterable<Annotation>,
  clusters: number
): Partial<Record<LabelStatus, number>> => {
  const counts: Partial<Record<LabelStatus, number>> = {}
  for (const [group, { status }] of saidOf(annotations)) {
    if (group >= 0 && group < clusters && status !== 'unseen') counts[status] = (counts[status] ?? 0) + 1
  }
  return counts
}

/** A name as it is compared with others: on one line, without regard to case. */
export const comparedName = (name: string): string => tidyName(name).normalize('NFC').toLowerCase()

/**
 * Other targets that already have a name, in the order given. Neither clusters of a merge nor the merge itself count
 * as others. Empty for the empty name.
 */
export const alsoNamed = (
  annotations: Iterable<Annotation>,
  name: string,
  targets: readonly AnnotationTarget[]
): AnnotationTarget[] => {
  const compared = comparedName(name)
  if (compared === '') return []
  const all = [...annotations]
  const own = new Set<AnnotationTarget>(targets)
  for (const { target, clusters = [] } of all) {
    const members = clusters.map(clusterTarget)
    if (own.has(target)) members.forEach((member) => own.add(member))
    else if (members.some((member) => targets.includes(member))) own.add(target)
  }
  return all.filter((other) => !own.has(other.target) && comparedName(other.name) === compared).map((one) => one.target)
}

/** A name in quotation marks, without a second pair around one that is quoted already. */
export const quoted = (name: string): string => (/^“.*”$/s.test(name) ? name : `“${name}”`)
