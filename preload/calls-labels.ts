import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { where } from './call-parameters'
import { annotationChangeSchema, clusterSchema as cluster } from './contract-annotations'
import type { AnnotationsChanged, AnnotationTarget, BlindScore, JournalStep, UndoAnswer } from './contract-annotations'
import { index, limits, text } from './limits'
import type { ClusterNumber, TokenInContext } from './records'

/** A label that goes from one clustering to another, or would. */
export interface CarriedLabel {
  readonly target: AnnotationTarget
  /** Original group: for a merge its first group, for a part the group it belongs to. */
  readonly from: ClusterNumber
  /** New group; for a merge its first. */
  readonly to: ClusterNumber
  /** Jaccard index: tokens in common over tokens in either. */
  readonly jaccard: number
  readonly name: string
  /** Name already there, which would be replaced; null if there is none. */
  readonly replaces: string | null
}

export interface Carried {
  readonly proposals: readonly CarriedLabel[]
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
   * A change whose `id` was done already is not done again, so that it can be sent again when its answer was lost.
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
  /** Only the step of that number, where one is given: what a window shows may be older than what another one did. */
  undo: callInOrder({ step: z.int().min(1).optional() }, gives<UndoAnswer>()),
  redo: callInOrder({ step: z.int().min(1).optional() }, gives<UndoAnswer>()),
  history: call({ limit: index.max(10_000).default(200) }, gives<readonly JournalStep[]>()),
  /** Six contexts, one of them from elsewhere, in an order that says nothing. */
  blindTest: call({ ...where, cluster }, gives<BlindTest>()),
  answerBlindTest: callInOrder(
    { test: text(limits.word), choice: index.max(5) },
    gives<{ readonly odd: number; readonly right: boolean; readonly score: BlindScore }>()
  ),
  /** What the labels of one clustering would become in another, by overlap; `apply` writes them as one step. */
  carry: callInOrder(
    {
      from: z.strictObject(where),
      to: z.strictObject(where),
      least: z.number().min(0).max(1).default(0.5),
      apply: z.boolean().default(false)
    },
    gives<Carried>()
  ),
  /** Names for a cluster, likeliest first, from its top tokens, patterns and subsets. */
  suggest: call({ ...where, cluster }, gives<{ readonly names: readonly string[] }>()),
  backUp: call({}, gives<{ readonly file: string }>())
}
