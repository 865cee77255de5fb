import { z } from 'zod'
import { index, limits, text } from './limits'

/** Labelling status of a cluster. A cluster without an annotation is unseen. */
export const labelStatuses = ['unseen', 'skipped', 'unsure', 'labelled'] as const
export type LabelStatus = (typeof labelStatuses)[number]

export const confidences = ['low', 'medium', 'high'] as const
export type Confidence = (typeof confidences)[number]

/**
 * Target of an annotation: a cluster ("cluster:7", or "cluster:-1" for the unclustered tokens), a merge of several
 * ("merge:3"), part of one ("part:5"), or a selection of any tokens ("selection:2"). The clustering itself is never
 * changed. Selections belong to the run: every clustering of it has them.
 */
export type AnnotationTarget = `cluster:${number}` | `merge:${number}` | `part:${number}` | `selection:${number}`
export const targetSchema = z
  .string()
  .regex(
    /^(cluster:(-1|0|[1-9]\d{0,8})|(merge|part|selection):[1-9]\d{0,8})$/,
    'expected "cluster:", "merge:", "part:" or "selection:" and a number of at most nine digits'
  ) as unknown as z.ZodType<AnnotationTarget>

/** Number of a group; -1 for the unclustered tokens. */
export const clusterSchema = z.int().min(-1).max(limits.number)

/** Fields of a label, with the limits checked at every boundary: calls, imports, the store. */
export const labelFields = {
  name: text(limits.name),
  note: text(limits.note),
  tags: z.array(text(limits.tag)).max(limits.tags),
  author: text(limits.author),
  /** For merges only. */
  clusters: z.array(clusterSchema).min(2).max(limits.groups),
  /** For parts and selections. */
  tokens: z.array(index).min(1).max(limits.tokensNamed)
} as const

/** Results of blind tests of a label: how often the odd context was found among five of the cluster's. */
export const blindScoreSchema = z.strictObject({ right: index, of: index })
export type BlindScore = z.output<typeof blindScoreSchema>

/** A label: everything the user says about a target. */
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
  /** Time of last change, ISO 8601 in UTC. */
  changedAt: z.iso.datetime(),
  /** For merges: the merged clusters. */
  clusters: labelFields.clusters.optional(),
  /** For parts: the cluster. */
  cluster: clusterSchema.optional(),
  /** For parts and selections: the tokens in ascending order. */
  tokens: labelFields.tokens.optional()
})
export type AnnotationBody = z.output<typeof annotationBodySchema>

export interface Annotation extends AnnotationBody {
  readonly target: AnnotationTarget
}

/** A requested change. Several make one undo step. Absent keys of `set` stay unchanged. */
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
  /** Resets a cluster to unseen. Removes a merge, a part or a selection. */
  z.strictObject({ do: z.literal('clear'), targets }),
  z.strictObject({ do: z.literal('merge'), clusters: clustersNamed, label: labelChangesSchema }),
  z.strictObject({
    do: z.literal('split'),
    cluster: clusterSchema,
    tokens: labelFields.tokens,
    label: labelChangesSchema
  }),
  /** Labels any tokens as a selection; one of exactly these tokens gets the label if there is one. */
  z.strictObject({ do: z.literal('select'), tokens: labelFields.tokens, label: labelChangesSchema })
])
export type AnnotationChange = z.output<typeof annotationChangeSchema>

/** Properties of a run that can be undone. */
export interface RunMarks {
  readonly name: string
  readonly archived: boolean
  /** Marked as deleted: hidden, and removed when the workspace is closed. */
  readonly deleted: boolean
}

/** A step of the journal, which can be undone and redone. */
export interface JournalStep {
  readonly number: number
  /** Description for the menu: "label 3 clusters “closing brackets”". */
  readonly words: string
  readonly author: string
  readonly at: string
  readonly run: string
  /** Null if the step is about the run itself. */
  readonly clustering: number | null
  readonly undone: boolean
}

/** The next steps to undo and to redo. */
export interface UndoState {
  readonly undo: JournalStep | null
  readonly redo: JournalStep | null
}

/** Answer of undo and redo. `changed` is null if the step was about a run, or if there was none. */
export interface UndoAnswer extends UndoState {
  readonly changed: AnnotationsChanged | null
}

/** Annotations after a change; null for removed ones. */
export interface AnnotationsChanged {
  readonly run: string
  readonly clustering: number
  readonly changed: readonly { readonly target: AnnotationTarget; readonly annotation: Annotation | null }[]
  readonly undo: UndoState
}
