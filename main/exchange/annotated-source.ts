import type { GroupKind, ClusterNumber, ClusteringRecord } from '../../preload/clustering-records'
import type { AnnotationTarget, Annotation } from '../../preload/contract-annotations'
import type { RunRecord } from '../../preload/records'
import type { GroupTree } from '../base/group-tree'
import type { Workspace } from '../store/store'
import type { StudyTexts } from './contexts'

export const contextTokens = 16

export const finite = (values: Iterable<number>): (number | null)[] =>
  Array.from(values, (value) => (Number.isFinite(value) ? value : null))

/** Strength of every token in its group, by level; empty if the draws were not split. */
type Strengths = ReadonlyMap<GroupKind, Float32Array>

/** Data for the file that is held in memory. The rest is read while the file is written. */
export class Source {
  /** Members of every exported cluster as token indices of the run, ascending. The groups above have no entry. */
  readonly members: ReadonlyMap<ClusterNumber, readonly number[]>
  /** Number in the file of every token of the run; -1 for tokens left out. */
  readonly numbers: Int32Array
  readonly annotations: ReadonlyMap<AnnotationTarget, Annotation>

  constructor(
    readonly workspace: Workspace,
    readonly run: RunRecord,
    readonly clustering: ClusteringRecord,
    readonly selection: readonly ClusterNumber[] | null,
    readonly groups: readonly ClusterNumber[],
    readonly tree: GroupTree,
    membership: Int32Array,
    readonly strengths: Strengths,
    annotations: readonly Annotation[],
    readonly texts: StudyTexts
  ) {
    const members = new Map<ClusterNumber, number[]>(groups.map((cluster) => [cluster, []]))
    this.numbers = new Int32Array(membership.length).fill(-1)
    let next = 0
    for (const [token, cluster] of membership.entries()) {
      const group = members.get(cluster)
      if (group === undefined) continue
      group.push(token)
      this.numbers[token] = next++
    }
    this.members = members
    this.annotations = new Map(annotations.map((annotation) => [annotation.target, annotation]))
  }

  /** Exported groups above a group, smallest first. */
  above(group: ClusterNumber): ClusterNumber[] {
    return this.tree.pathOf(group).filter((number) => number !== group && this.members.has(number))
  }
}
