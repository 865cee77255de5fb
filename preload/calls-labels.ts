import { z } from 'zod'
import { call, callInOrder, gives } from './call'
import { where } from './call-parameters'
import { annotationChangeSchema, clusterSchema as cluster } from './contract-annotations'
import type { AnnotationsChanged, AnnotationTarget, BlindScore, JournalStep, UndoAnswer } from './contract-annotations'
import { index, limits, text } from './limits'
import type { ClusterNumber, TokenInContext } from './records'

export interface Carried {
  /**
   * `target` is what carries the label; `from` is its cluster: of a merge the first one, of a part the one it is of.
   */
  readonly proposals: readonly {
    readonly target: AnnotationTarget
    readonly from: ClusterNumber
    readonly to: ClusterNumber
    readonly jaccard: number
    readonly name: string
    readonly replaces: string | null
  }[]
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
