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
 * Labels. A change is on disk, in the journal file and in the database, before its call is answered. Changes run one
 * after another, but edits passed to `applyAnnotations` may be based on outdated labels, so only one client of a
 * workspace may use it at a time. Each change has an `id` chosen by the caller; repeating a call with the same id has
 * no effect.
 */
export const labelMethods = {
  /** Clusters, merges, parts, then the run's selections, each by number. */
  getAnnotations: safe([run, clustering], reading(annotations.getAnnotations)),
  getAllAnnotations: safe([run], reading(annotations.getAllAnnotations)),
  /** Counts of all clusterings with annotations. */
  countLabels: safe([], reading(annotations.countLabels)),
  /**
   * Checks label changes, works out their effect on the existing labels, and stores it as one undo step. Throws an
   * `input` error if any of them is impossible.
   */
  changeLabels: journalled([labelsOrder], (call, given: LabelsOrder) =>
    call.session.changing((connection) =>
      changeLabels(connection, call.session.journal, { ...given, id: given.id ?? call.id })
    )
  ),
  /** Counts a blind-test answer for the label that was tested. */
  countBlindTest: journalled([blindAnswer], (call, given: BlindAnswer) =>
    call.session.changing((connection) =>
      countBlindTest(connection, call.session.journal, { ...given, id: given.id ?? call.id })
    )
  ),
  /**
   * Stores edits worked out by the caller as one undo step, and drops the steps that could be redone. Edits without
   * effect make no step.
   */
  applyAnnotations: journalled([order], (call, given: AnnotationsOrder) =>
    call.session.changing((connection) =>
      annotations.applyAnnotations(connection, call.session.journal, { ...given, id: given.id ?? call.id })
    )
  ),
  /** Changes marks of the run itself, as an undo step. */
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
  /** Latest first, including undone steps. */
  getHistory: safe([index], reading(annotations.getHistory)),
  /**
   * Numbers for a new merge, part and selection, larger than all existing ones and those in steps that can be undone or
   * redone.
   */
  nextNumbers: safe([run, clustering], reading(annotations.nextNumbers)),
  /**
   * Writes all labels to a dated file under backups/. Returns its path. Closing the store does the same if labels
   * have changed.
   */
  backUpLabels: safe([], ({ session }) => session.changing((connection) => backUpLabels(connection, session.folder)))
}
