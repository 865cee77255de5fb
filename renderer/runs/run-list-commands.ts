import type { RunEntry } from '../../preload/contract'
import type { Command } from '../app/commands.svelte'
import type { IconName } from '../ui/icons'
import { canContinue } from './continuing'
import { isAtWork } from './listing'
import type { RunTable } from './run-table.svelte'

const canResume = (run: RunEntry): boolean =>
  !run.queued && (run.status === 'interrupted' || run.status === 'failed' || run.status === 'pending')
const isIdle = (run: RunEntry): boolean => !isAtWork(run)

/** Buttons of a row: commands that do not fit a run are left out. */
export const rowActions: readonly {
  readonly id: string
  readonly icon: IconName
  readonly words: string
  readonly fits: (run: RunEntry) => boolean
}[] = [
  { id: 'runs.pause', icon: 'pause', words: 'Pause', fits: isAtWork },
  { id: 'runs.resume', icon: 'play', words: 'Resume', fits: canResume },
  { id: 'runs.continue', icon: 'continue', words: 'Continue with more rounds', fits: canContinue },
  { id: 'runs.details', icon: 'spectrum', words: 'Progress, diagnostics, settings', fits: () => true },
  { id: 'runs.duplicate', icon: 'copy', words: 'Duplicate with changes', fits: () => true },
  { id: 'runs.rename', icon: 'edit', words: 'Rename', fits: () => true },
  { id: 'runs.archive', icon: 'archive', words: 'Archive', fits: isIdle },
  { id: 'runs.delete', icon: 'trash', words: 'Delete', fits: isIdle }
]

/** Whether nothing that could be pressed has the focus: only the view itself, or the page. */
const isNothing = (element: Element | null): boolean =>
  element === null || element === document.body || element.id === 'main'

const group = 'Runs'

const moves = (table: RunTable): readonly Command[] => {
  const moving = (id: string, label: string, keys: readonly string[], run: () => void): Command => ({
    id: `runs.${id}`,
    group,
    label,
    keys,
    hidden: true,
    when: () => table.shown.length > 0,
    run
  })
  return [
    moving('next', 'Next run', ['arrowdown', 'j'], () => table.step(1)),
    moving('previous', 'Previous run', ['arrowup', 'k'], () => table.step(-1)),
    moving('first', 'First run', ['home'], () => table.step(-Infinity)),
    moving('last', 'Last run', ['end'], () => table.step(Infinity)),
    moving('page-down', 'Next page of runs', ['pagedown'], () => table.stepPage(1)),
    moving('page-up', 'Previous page of runs', ['pageup'], () => table.stepPage(-1))
  ]
}

/** Commands that act on the chosen run. */
const runCommands = (table: RunTable): readonly Command[] => {
  const { workbench } = table
  const { runs } = workbench.client
  const command = (
    id: string,
    label: string,
    keys: readonly string[],
    run: (run: RunEntry) => void | Promise<void>,
    when: (run: RunEntry) => boolean = () => true
  ): Command => ({
    id: `runs.${id}`,
    label,
    keys,
    group,
    when: () => table.renaming === null && table.current !== undefined && when(table.current),
    run: () => (table.current === undefined ? undefined : run(table.current))
  })
  const open = (run: RunEntry): void => table.open(run)
  return [
    {
      ...command('open', 'Open run', ['enter'], open, () => table.rowHasFocus || isNothing(document.activeElement)),
      hidden: true
    },
    command('explore', 'Explore clusters', ['e'], open, ({ clustering }) => clustering !== null),
    command('details', 'Show run details', ['o'], (run) => table.details(run)),
    command('rename', 'Rename run', ['f2', 'r'], ({ id }) => void (table.renaming = id)),
    command('duplicate', 'Duplicate run with changes…', ['d'], ({ id }) => workbench.go({ view: 'new-run', from: id })),
    command('archive', 'Archive or unarchive run', ['a'], (run) => table.archive(run, !run.archived), isIdle),
    command('delete', 'Delete run', ['delete'], (run) => table.remove(run), isIdle),
    command('pause', 'Pause run', ['p'], ({ id }) => runs.pause({ run: id }).then(() => undefined), isAtWork),
    command('resume', 'Resume run', ['c'], ({ id }) => runs.resume({ run: id }).then(() => undefined), canResume),
    command('continue', 'Continue run with more rounds…', [], ({ id }) => void (table.continuing = id), canContinue)
  ]
}

/** Commands of the list of runs. */
export const runListCommands = (table: RunTable): readonly Command[] => [
  ...moves(table),
  ...runCommands(table),
  {
    id: 'runs.filter',
    group,
    label: 'Filter runs',
    keys: ['/', 'mod+f'],
    when: () => table.kept.length > 0,
    run: () => table.search?.focus()
  },
  {
    id: 'runs.example',
    group,
    label: 'Open example',
    when: () => !table.opening,
    run: () => table.openExample()
  },
  { id: 'runs.demo', group, label: 'Run demo', run: () => table.startDemo() }
]
