import type {
  Annotation,
  AnnotationBody,
  AnnotationTarget,
  Label,
  LabelChanges,
  LabelStatus
} from './contract-annotations'
import type { ClusterNumber } from './records'

/** Effects of changes on labels. The store applies these rules; the window predicts their results with them. */

export const clusterTarget = (cluster: ClusterNumber): AnnotationTarget => `cluster:${cluster}`

export interface ParsedTarget {
  readonly kind: 'cluster' | 'merge' | 'part' | 'selection'
  readonly number: number
}

export const parseTarget = (target: AnnotationTarget): ParsedTarget => {
  const [kind, number] = target.split(':')
  return { kind: kind as ParsedTarget['kind'], number: Number(number) }
}

export const isSelection = (target: AnnotationTarget): boolean => target.startsWith('selection:')

/** Whether two lists have the same tokens in the same order. */
export const sameTokens = (left: ArrayLike<number>, right: ArrayLike<number>): boolean => {
  if (left.length !== right.length) return false
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false
  return true
}

/** The selection of exactly these tokens, in whatever order they are given; undefined if there is none. */
export const selectionOf = (annotations: Iterable<Annotation>, tokens: Int32Array): Annotation | undefined => {
  const own = tokens.slice().sort()
  for (const annotation of annotations)
    if (isSelection(annotation.target) && sameTokens(annotation.tokens ?? [], own)) return annotation
  return undefined
}

/** The group of a target; undefined for a merge, a part or a selection. */
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

/** A name on one line, without spaces at its ends. */
export const tidyName = (name: string): string => name.replace(/\s+/g, ' ').trim()

const tidyTags = (tags: readonly string[]): string[] => [...new Set(tags.map(tidyName))].filter((tag) => tag !== '')

/**
 * Status after a change of name: a name makes a cluster labelled, unless it is unsure; removing the name of a
 * labelled one makes it unseen.
 */
export const statusAfterNaming = (name: string, before: LabelStatus): LabelStatus =>
  name !== '' ? (before === 'unsure' ? 'unsure' : 'labelled') : before === 'labelled' ? 'unseen' : before

/** A label after changes. Changing the name also updates the status, unless the changes set it. */
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

/** Whether a label is empty and need not be stored. */
const saysNothing = ({ name, note, tags, confidence, status, blindTest }: Label): boolean =>
  name === '' && note === '' && tags.length === 0 && confidence === null && status === 'unseen' && blindTest === null

/** Author and time (ISO 8601 in UTC) of a change. */
export interface Signature {
  readonly author: string
  readonly changedAt: string
}

/** Annotation after changes; null if nothing remains and the target is a cluster. */
export const changedBody = (
  target: AnnotationTarget,
  before: AnnotationBody | undefined,
  changes: LabelChanges,
  signature: Signature
): AnnotationBody | null => {
  const label = changedLabel(before ?? emptyLabel, changes)
  return clusterOf(target) !== undefined && saysNothing(label) ? null : { ...before, ...label, ...signature }
}

/**
 * Whether an annotation has content. False for skipped clusters, and for merges, parts and selections without a
 * name, note or tag.
 */
export const isLabel = ({ name, note, tags, status }: Label): boolean =>
  status === 'labelled' ||
  status === 'unsure' ||
  (status === 'unseen' && (name !== '' || note !== '' || tags.length > 0))
