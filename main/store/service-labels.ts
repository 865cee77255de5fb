import { z } from 'zod'
import {
  annotationBodySchema,
  annotationChangeSchema,
  labelFields,
  targetSchema
} from '../../preload/contract-annotations'
import type { RunMarks } from '../../preload/contract-annotations'
import { index, limits, text } from '../../preload/limits'
import * as annotations from './annotations'
import type { AnnotationsOrder } from './annotations'
import { backUpLabels } from './backups'
import { changeLabels, countBlindTest } from './label-changes'
import type { BlindAnswer, LabelsOrder } from './label-changes'
import { journalled, reading, safe } from './method'
import { cluster, clustering, object, run } from './parameters'

const id = z.string().optional()
const edits = z.array(z.object({ target: targetSchema, after: annotationBodySchema.nullable() })).min(1)
const change = { run, clustering, author: labelFields.author, id }
const words = text(limits.words)
const order = z.object({ ...change, words, edits })
const labelsOrder = z.object({ ...change, words, changes: z.array(annotationChangeSchema).min(1) })
const blindAnswer = z.object({ ...change, cluster, right: z.boolean() })

/**
 * What people say of clusters. A change is on the disk, in the journal file and in the database, when its call is
 * answered. Changes are made one after another, but what a caller of `applyAnnotations` read may be old by then: let
 * one party of a workspace work out edits, one at a time. The `id` of a change is its caller's own name for it; one
 * that was done already is not done again, so that a call whose answer was lost can be repeated.
 */
export const labelMethods = {
  /** Clusters, merges, parts, each by number. */
  getAnnotations: safe([run, clustering], reading(annotations.getAnnotations)),
  getAllAnnotations: safe([run], reading(annotations.getAllAnnotations)),
  /** Of all clusterings with annotations. */
  countLabels: safe([], reading(annotations.countLabels)),
  /**
   * Checks what a person asks for, works out what it does to the labels there are, and writes that as one step of
   * undo. Throws an `input` error where it cannot be done.
   */
  changeLabels: journalled([labelsOrder], (call, given: LabelsOrder) =>
    call.session.changing((connection) =>
      changeLabels(connection, call.session.journal, { ...given, id: given.id ?? call.id })
    )
  ),
  /** Counts the answer of a blind test with the label that was tested. */
  countBlindTest: journalled([blindAnswer], (call, given: BlindAnswer) =>
    call.session.changing((connection) =>
      countBlindTest(connection, call.session.journal, { ...given, id: given.id ?? call.id })
    )
  ),
  /**
   * Edits that the caller worked out, as one step of undo; drops the steps that could be done again. Edits that
   * change nothing make no step.
   */
  applyAnnotations: journalled([order], (call, given: AnnotationsOrder) =>
    call.session.changing((connection) =>
      annotations.applyAnnotations(connection, call.session.journal, { ...given, id: given.id ?? call.id })
    )
  ),
  /** Marks of the run itself, as a step of the same undo. */
  changeRun: journalled(
    [run, object<Partial<RunMarks>>(), labelFields.author, id],
    (call, of: string, changes: Partial<RunMarks>, author: string, own?: string) =>
      call.session.changing((connection) =>
        annotations.changeRun(connection, call.session.journal, of, changes, author, own ?? call.id)
      )
  ),
  undo: journalled([id], (call, own?: string) =>
    call.session.changing((connection) =>
      annotations.undoOrRedo(connection, call.session.journal, 'undo', own ?? call.id)
    )
  ),
  redo: journalled([id], (call, own?: string) =>
    call.session.changing((connection) =>
      annotations.undoOrRedo(connection, call.session.journal, 'redo', own ?? call.id)
    )
  ),
  getUndoState: safe([], reading(annotations.getUndoState)),
  /** Latest first, undone steps too. */
  getHistory: safe([index], reading(annotations.getHistory)),
  /**
   * A number for a new merge or part: larger than those of all that there are, or were in steps that can be undone or
   * done again.
   */
  nextTargetNumber: safe([run, clustering, z.enum(['merge', 'part'])], reading(annotations.nextTargetNumber)),
  /**
   * Writes all labels to a dated file under backups/ and returns its path. Closing does so too where something
   * changed since the last one.
   */
  backUpLabels: safe([], ({ session }) => session.changing((connection) => backUpLabels(connection, session.folder)))
}
