import type { AnnotationBody, AnnotationTarget, Label, LabelChanges, LabelStatus } from './contract-annotations'
import type { ClusterNumber } from './records'

/* What a change does to a label: the window foresees by these rules what the store will write. */

export const clusterTarget = (cluster: ClusterNumber): AnnotationTarget => `cluster:${cluster}`

export interface ParsedTarget {
  readonly kind: 'cluster' | 'merge' | 'part'
  readonly number: number
}

export const parseTarget = (target: AnnotationTarget): ParsedTarget => {
  const [kind, number] = target.split(':')
  return { kind: kind as ParsedTarget['kind'], number: Number(number) }
}

/** The group that a target is; undefined for a merge or a part. */
export const clusterOf = (target: AnnotationTarget): ClusterNumber | undefined => {
  const { kind, number } = parseTarget(target)
  return kind === 'cluster' ? number : undefined
}

export const emptyLabel: Label = { name: '', note: '', tags: [], confidence: null, status: 'unseen', blindTest: null }

export const labelOf = ({ name, note, tags, confidence, status, blindTest }: Label): Label => ({
  name,
  note,
  tags,
  confidence,
  status,
  blindTest
})

/** A name on one line, without space at its ends. */
export const tidyName = (name: string): string => name.replace(/\s+/g, ' ').trim()

const tidyTags = (tags: readonly string[]): string[] => [...new Set(tags.map(tidyName))].filter((tag) => tag !== '')

/** A name makes labelled what was not unsure; its removal makes unseen what was labelled. */
export const statusAfterNaming = (name: string, before: LabelStatus): LabelStatus =>
  name !== '' ? (before === 'unsure' ? 'unsure' : 'labelled') : before === 'labelled' ? 'unseen' : before

/** A label with changes made to it; a name changes the status too, where the changes do not say one themselves. */
export const changedLabel = (label: Label, { name, note, tags, confidence, status }: LabelChanges): Label => {
  const named = name === undefined ? label.name : tidyName(name)
  return {
    name: named,
    note: note ?? label.note,
    tags: tags === undefined ? label.tags : tidyTags(tags),
    confidence: confidence === undefined ? label.confidence : confidence,
    status: status ?? (name === undefined ? label.status : statusAfterNaming(named, label.status)),
    blindTest: label.blindTest
  }
}

/** Whether a label says nothing at all, so that it need not be kept. */
const saysNothing = ({ name, note, tags, confidence, status, blindTest }: Label): boolean =>
  name === '' && note === '' && tags.length === 0 && confidence === null && status === 'unseen' && blindTest === null

/** Who says something, and when (ISO 8601 in UTC). */
export interface Signature {
  readonly author: string
  readonly changedAt: string
}

/** What is said of a target after changes; null where that is nothing, and a cluster needs no annotation for it. */
export const changedBody = (
  target: AnnotationTarget,
  before: AnnotationBody | undefined,
  changes: LabelChanges,
  signature: Signature
): AnnotationBody | null => {
  const label = changedLabel(before ?? emptyLabel, changes)
  return clusterOf(target) !== undefined && saysNothing(label) ? null : { ...before, ...label, ...signature }
}

/** Whether an annotation says what something is: no skip, and no merge or part about which nothing is said. */
export const isLabel = ({ name, note, tags, status }: Label): boolean =>
  status === 'labelled' ||
  status === 'unsure' ||
  (status === 'unseen' && (name !== '' || note !== '' || tags.length > 0))
