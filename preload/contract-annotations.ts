import { z } from 'zod'
import { index, limits, text } from './limits'

/** Where a person is with a cluster. A cluster without an annotation is unseen. */
export const labelStatuses = ['unseen', 'skipped', 'unsure', 'labelled'] as const
export type LabelStatus = (typeof labelStatuses)[number]

export const confidences = ['low', 'medium', 'high'] as const
export type Confidence = (typeof confidences)[number]

/**
 * What an annotation is about: a cluster of a clustering ("cluster:7", or "cluster:-1" for what is left over),
 * several that a person reads as one ("merge:3"), or some tokens of one ("part:5"). The clustering itself is never
 * edited.
 */
export type AnnotationTarget = `cluster:${number}` | `merge:${number}` | `part:${number}`
export const targetSchema = z
  .string()
  .regex(
    /^(cluster:(-1|0|[1-9]\d{0,8})|(merge|part):[1-9]\d{0,8})$/,
    'expected "cluster:", "merge:" or "part:" and a number of at most nine digits'
  ) as unknown as z.ZodType<AnnotationTarget>

/** The number of a group, or -1 for what is left over. */
export const clusterSchema = z.int().min(-1).max(limits.number)

/** Fields of a label, with the limits that every boundary applies: calls, imports, the store. */
export const labelFields = {
  name: text(limits.name),
  note: text(limits.note),
  tags: z.array(text(limits.tag)).max(limits.tags),
  author: text(limits.author),
  /** Of a merge. */
  clusters: z.array(clusterSchema).min(2).max(limits.groups),
  /** Of a part. */
  tokens: z.array(index).min(1).max(limits.tokensNamed)
} as const

/** Counts of blind tests of a label: a context from elsewhere among five of the cluster's; was it told apart? */
export const blindScoreSchema = z.strictObject({ right: index, of: index })
export type BlindScore = z.output<typeof blindScoreSchema>

/** What a person says of a target. */
export const labelSchema = z.strictObject({
  name: labelFields.name.default(''),
  note: labelFields.note.default(''),
  tags: labelFields.tags.default([]),
  confidence: z.enum(confidences).nullable().default(null),
  status: z.enum(labelStatuses).default('unseen'),
  blindTest: blindScoreSchema.nullable().default(null)
})
export type Label = z.output<typeof labelSchema>

export const annotationBodySchema = z.strictObject({
  ...labelSchema.shape,
  author: labelFields.author,
  /** When it was last changed, ISO 8601 in UTC. */
  changedAt: z.iso.datetime(),
  /** Of a merge: the clusters that are read as one. */
  clusters: labelFields.clusters.optional(),
  /** Of a part: the cluster that it is of, and its tokens, ascending. */
  cluster: clusterSchema.optional(),
  tokens: labelFields.tokens.optional()
})
export type AnnotationBody = z.output<typeof annotationBodySchema>

export interface Annotation extends AnnotationBody {
  readonly target: AnnotationTarget
}

/** A change that a person asks for; several are one step of undo. Keys of `set` that are absent stay as they are. */
export const labelChangesSchema = z.strictObject({
  name: labelFields.name.optional(),
  note: labelFields.note.optional(),
  tags: labelFields.tags.optional(),
  confidence: z.enum(confidences).nullable().optional(),
  status: z.enum(labelStatuses).optional()
})
export type LabelChanges = z.output<typeof labelChangesSchema>

const targets = z.array(targetSchema).min(1).max(limits.groupsNamed)
const clustersNamed = labelFields.clusters.max(limits.groupsNamed)

export const annotationChangeSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('set'), targets, label: labelChangesSchema }),
  /** Back to unseen, with nothing said. A merge or a part is taken back whole. */
  z.strictObject({ do: z.literal('clear'), targets }),
  z.strictObject({ do: z.literal('merge'), clusters: clustersNamed, label: labelChangesSchema }),
  z.strictObject({
    do: z.literal('split'),
    cluster: clusterSchema,
    tokens: labelFields.tokens,
    label: labelChangesSchema
  })
])
export type AnnotationChange = z.output<typeof annotationChangeSchema>

/** What can be undone of a run itself. */
export interface RunMarks {
  readonly name: string
  readonly archived: boolean
  /** Marked as deleted: out of sight, and gone for good when the workspace is closed. */
  readonly deleted: boolean
}

/**
 * What the journal keeps of one step: enough to undo and to redo it. `before` and `after` are null where there was,
 * or is, nothing.
 */
export interface JournalStep {
  readonly number: number
  /** In words, for the menu: "label 3 clusters “closing brackets”". */
  readonly words: string
  readonly author: string
  readonly at: string
  readonly run: string
  /** Null where the step is about the run itself. */
  readonly clustering: number | null
  readonly undone: boolean
}

/** The step that undo would take back, and the one that redo would do again. */
export interface UndoState {
  readonly undo: JournalStep | null
  readonly redo: JournalStep | null
}

/** What undo and redo answer: `changed` is null where the step was about a run itself, or there was none. */
export interface UndoAnswer extends UndoState {
  readonly changed: AnnotationsChanged | null
}

/** Annotations as they are after a change; null for those that are there no longer. */
export interface AnnotationsChanged {
  readonly run: string
  readonly clustering: number
  readonly changed: readonly { readonly target: AnnotationTarget; readonly annotation: Annotation | null }[]
  readonly undo: UndoState
}
