import { confidences } from '../../preload/contract'
import type { Command } from '../app/commands.svelte'
import type { Explore } from '../explore/explore.svelte'
import type { Labelling } from './labelling.svelte'
import { readAsOne, splitOff } from './token-groups'

/** Moves the focus to a field of the label editor. */
export interface LabelActions {
  readonly editName: () => void
  readonly editNote: () => void
  readonly editTags: () => void
}

/** Commands that label the selected clusters. */
export const labelCommands = (
  explore: Explore,
  labelling: Labelling,
  { editName, editNote, editTags }: LabelActions
): readonly Command[] => {
  const group = 'Labels'
  const there = (): boolean => labelling.targets.length > 0
  const said = (): boolean => labelling.targets.some((target) => explore.annotations.has(target))
  /** A single cluster is merged with the one beside it. */
  const several = (): boolean => {
    const { labelled, current, similar, groups } = explore
    if (labelling.selection.target !== null) return false
    if (labelled.length < 2) return current !== null && similar !== null
    // A group holds its members already.
    return !labelled.some((cluster) => labelled.some((other) => groups.isWithin(cluster, other)))
  }
  return [
    ...[1, 2, 3, 4, 5].map((number): Command => ({
      id: `labels.accept-${number}`,
      group,
      label: `Accept suggestion ${number} and go to next`,
      keys: [String(number)],
      once: true,
      hidden: number > 1,
      when: () => there() && labelling.suggestions.length >= number,
      run: () => labelling.accept(number)
    })),
    { id: 'labels.name', group, label: 'Edit name', keys: ['n', 'enter'], once: true, when: there, run: editName },
    { id: 'labels.note', group, label: 'Edit note', keys: ['shift+n'], once: true, when: there, run: editNote },
    { id: 'labels.tag', group, label: 'Add tag', keys: ['t'], once: true, when: there, run: editTags },
    {
      id: 'labels.skip',
      group,
      label: 'Skip and go to next',
      keys: ['s'],
      once: true,
      when: there,
      run: () => labelling.mark('skipped')
    },
    {
      id: 'labels.unsure',
      group,
      label: 'Mark as unsure and go to next',
      keys: ['u'],
      once: true,
      when: there,
      run: () => labelling.mark('unsure')
    },
    {
      id: 'labels.labelled',
      group,
      label: 'Mark as labelled',
      when: () => there() && labelling.common.status !== 'labelled',
      run: () => labelling.set({ status: 'labelled' })
    },
    {
      id: 'labels.unseen',
      group,
      label: 'Mark as unseen',
      when: () => there() && labelling.common.status !== 'unseen',
      run: () => labelling.set({ status: 'unseen' })
    },
    ...confidences.map((confidence): Command => ({
      id: `labels.confidence.${confidence}`,
      group,
      label: `Confidence: ${confidence}`,
      when: () => there() && labelling.common.confidence !== confidence,
      run: () => labelling.set({ confidence })
    })),
    {
      id: 'labels.merge',
      group,
      label: 'Merge clusters',
      keys: ['g'],
      once: true,
      when: several,
      run: () => {
        if (explore.labelled.length < 2 && explore.current !== null && explore.similar !== null)
          explore.select([explore.current, explore.similar])
        labelling.merge()
      }
    },
    {
      id: 'labels.take-apart',
      group,
      label: 'Unmerge or undo split',
      keys: ['shift+g'],
      once: true,
      when: () => labelling.selection.target === null && (labelling.merged !== undefined || labelling.part !== null),
      run: () => (labelling.part === null ? labelling.takeApart() : labelling.clear())
    },
    {
      id: 'labels.split',
      group,
      label: 'Split off selected tokens',
      keys: ['x'],
      once: true,
      when: () => explore.current !== null && explore.tokens.length > 0,
      run: async () => splitOff(labelling)
    },
    {
      id: 'labels.read-as-one',
      group,
      label: 'Read clusters as one',
      keys: ['shift+r'],
      once: true,
      when: () => explore.labelled.length > 1 || labelling.merged !== undefined,
      run: async () => readAsOne(explore)
    },
    {
      id: 'labels.next-selection',
      group,
      label: 'Open next selection',
      keys: ['shift+s'],
      when: () => labelling.selection.all.length > 0,
      run: () => labelling.selection.next()
    },
    {
      id: 'labels.export-selection',
      group,
      label: 'Export selection…',
      when: () => explore.tokens.length > 0,
      run: () => void (explore.workbench.dialog = { kind: 'export', selection: true })
    },
    {
      id: 'labels.clear',
      group,
      label: 'Clear label',
      keys: ['delete'],
      once: true,
      when: said,
      run: () => labelling.clear()
    },
    {
      id: 'labels.blind-test',
      group,
      label: 'Blind test label',
      keys: ['b'],
      once: true,
      when: () => explore.current !== null && labelling.selection.target === null,
      run: () => void (labelling.blindTest = explore.current)
    },
    {
      id: 'labels.history',
      group,
      label: 'Label history…',
      keys: ['mod+shift+h'],
      run: () => void (labelling.historyShown = true)
    },
    {
      id: 'labels.retry',
      group,
      label: 'Retry saving labels',
      when: () => labelling.state.unsaved.length > 0,
      run: () => labelling.retry()
    }
  ]
}
