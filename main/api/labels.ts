import { randomBytes, randomInt } from 'node:crypto'
import type { Annotation, AnnotationsChanged } from '../../preload/contract-annotations'
import { SpectroscopeError } from '../../preload/errors'
import { isLabel } from '../../preload/label-rules'
import type { ClusterNumber } from '../../preload/records'
import { suggestNames } from '../labels/suggest'
import { drawTest } from './blind-test'
import type { HandlersOf, WorkbenchContext } from './context'
import { applyEdits, carry } from './label-transfer'
import type { ClusteringPlace } from './label-transfer'

interface OpenTest extends ClusteringPlace {
  readonly cluster: ClusterNumber
  readonly odd: number
}

/** Limit of open blind tests. Older ones are dropped. */
const mostOpenTests = 100

export const labelCalls = (context: WorkbenchContext): HandlersOf<'labels'> => {
  const tests = new Map<string, OpenTest>()

  const told = (changed: AnnotationsChanged): AnnotationsChanged => {
    context.emit('annotations', changed)
    return changed
  }

  /**
   * Throws an `input` error if the next step is not the one the window expects, to avoid undoing changes of another
   * window unseen.
   */
  const checkStep = async (kind: 'undo' | 'redo', expected: number | undefined): Promise<void> => {
    const state = await context.workspace().getUndoState()
    if (expected === undefined || state[kind]?.number === expected) return
    context.emit('undo', state)
    const next = state[kind]
    const now = next === null ? `there is nothing to ${kind}` : `the next step to ${kind} is “${next.words}”`
    const done = kind === 'undo' ? 'undone' : 'redone'
    throw new SpectroscopeError('input', `Labels changed in another window, so nothing was ${done}; ${now}.`)
  }

  const turn = async (kind: 'undo' | 'redo', expected: number | undefined) => {
    await checkStep(kind, expected)
    const { changed, run, undo } = await context.workspace()[kind]()
    if (changed !== null) told(changed)
    if (run !== null) context.emit('runs-changed', null)
    if (changed === null) context.emit('undo', undo)
    return { ...undo, changed }
  }

  return {
    apply: async ({ run, clustering, changes, words, id }) =>
      told(await context.workspace().changeLabels({ run, clustering, changes, words, author: context.author(), id })),
    undo: ({ step }) => turn('undo', step),
    redo: ({ step }) => turn('redo', step),
    history: ({ limit }) => context.workspace().getHistory(limit),

    suggest: async ({ run, clustering, cluster }) => {
      const {
        entry: { size },
        topTokens,
        patterns,
        subsets,
        rules
      } = await context.workspace().getClusterDetails(run, clustering, cluster)
      return { names: suggestNames({ size, topTokens, patterns, subsets, rules }) }
    },

    blindTest: async ({ run, clustering, cluster }) => {
      const { contexts, odd } = await drawTest(context.workspace(), { run, clustering }, cluster, randomInt(2 ** 47))
      const test = randomBytes(12).toString('hex')
      tests.set(test, { run, clustering, cluster, odd })
      if (tests.size > mostOpenTests) tests.delete(tests.keys().next().value ?? test)
      return { test, contexts }
    },

    answerBlindTest: async ({ test, choice }) => {
      const open = tests.get(test)
      if (open === undefined)
        throw new SpectroscopeError('input', 'This blind test was already answered or has expired; start another one.')
      tests.delete(test)
      const { run, clustering, cluster, odd } = open
      const right = choice === odd
      const author = context.author()
      const answer = { run, clustering, cluster, right, author }
      const { changed, score } = await context.workspace().countBlindTest(answer)
      told(changed)
      return { odd, right, score }
    },

    carry: async ({ from, to, least, targets, apply }) => {
      const workspace = context.workspace()
      const chosen = targets === undefined ? null : new Set<string>(targets)
      const isWanted = (annotation: Annotation): boolean =>
        isLabel(annotation) && (chosen === null || chosen.has(annotation.target))
      const { proposals, edits, left } = await carry(workspace, from, to, least, isWanted)
      if (apply) {
        if (proposals.length === 0)
          throw new SpectroscopeError(
            'input',
            `No label of clustering ${from.clustering} of run ${from.run} can be transferred; choose a clustering ` +
              'with labels or a lower minimum overlap.'
          )
        const { name } = await workspace.getRun(from.run)
        const words = `transfer ${proposals.length} labels from “${name}”, clustering ${from.clustering}`
        told(await applyEdits(workspace, to.run, to.clustering, edits, words, context.author()))
      }
      return { proposals, left: left.map(({ target, name }) => ({ target, name })), applied: apply }
    },

    backUp: async () => ({ file: await context.workspace().backUpLabels() })
  }
}
