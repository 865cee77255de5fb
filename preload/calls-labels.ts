import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { where } from './call-parameters'
import { annotationChangeSchema, clusterSchema as cluster, targetSchema } from './contract-annotations'
import type { AnnotationsChanged, AnnotationTarget, BlindScore, JournalStep, UndoAnswer } from './contract-annotations'
import { index, limits, text } from './limits'
import type { ClusterNumber, TokenInContext } from './records'

/** A label that is or would be transferred from one clustering to another. */
export interface CarriedLabel {
  readonly target: AnnotationTarget
  /** Original group: for a merge its first group, for a part the group it belongs to; a selection's own number. */
  readonly from: ClusterNumber
  /** New group; for a merge its first; a selection's new number. */
  readonly to: ClusterNumber
  /** Jaccard index: tokens in common over tokens in either. For a selection: share of its tokens that are there. */
  readonly jaccard: number
  readonly name: string
  /** Name already there, which would be replaced; null if there is none. */
  readonly replaces: string | null
}

/** A label that is not transferred, because no cluster overlaps it enough. */
export interface LeftLabel {
  readonly target: AnnotationTarget
  readonly name: string
}

export interface Carried {
  readonly proposals: readonly CarriedLabel[]
  /** Labels that no cluster overlaps enough, in the source's order. */
  readonly left: readonly LeftLabel[]
  readonly applied: boolean
}

export interface BlindTest {
  readonly test: string
  readonly contexts: readonly TokenInContext[]
}

const changeId = z
  .string()
  .regex(/^[\w-]{8,100}$/)
  .optional()

export const labelsCalls = {
  /**
   * Applies label changes as one undo step. Repeating it with the same `id` has no effect, so it can be sent again if
   * the answer was lost.
   */
  apply: callInOrder(
    {
      ...where,
      changes: z.array(annotationChangeSchema).min(1).max(1000),
      words: text(limits.words).min(1),
      id: changeId
    },
    gives<AnnotationsChanged>()
  ),
  /** With `step`, undoes only the step of that number, because the window may not know of changes in another one. */
  undo: callInOrder({ step: z.int().min(1).optional() }, gives<UndoAnswer>()),
  redo: callInOrder({ step: z.int().min(1).optional() }, gives<UndoAnswer>()),
  history: call({ limit: index.max(10_000).default(200) }, gives<readonly JournalStep[]>()),
  /** Draws six contexts in random order, one of them from elsewhere. */
  blindTest: call({ ...where, cluster }, gives<BlindTest>()),
  answerBlindTest: callInOrder(
    { test: text(limits.word), choice: index.max(5) },
    gives<{ readonly odd: number; readonly right: boolean; readonly score: BlindScore }>()
  ),
  /** Works out how labels transfer from one clustering to another by overlap. `apply` stores them as one step. */
  carry: callInOrder(
    {
      from: z.strictObject(where),
      to: z.strictObject(where),
      least: z.number().min(0).max(1).default(0.5),
      /** Labels to transfer, by their targets on the source; all if absent. */
      targets: z.array(targetSchema).optional(),
      apply: z.boolean().default(false)
    },
    gives<Carried>()
  ),
  /** Suggested names for a cluster, likeliest first, from its top tokens, patterns and subsets. */
  suggest: call({ ...where, cluster }, gives<{ readonly names: readonly string[] }>()),
  backUp: call({}, gives<{ readonly file: string }>())
}
