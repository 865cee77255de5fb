import type { JournalStep } from '../../preload/contract'
import { explored } from '../explore/explored.svelte'
import type { Workbench } from './app.svelte'
import type { Command } from './commands.svelte'

/** Commands available in every view. */
export const appCommands = (workbench: Workbench): readonly Command[] => {
  const { client } = workbench
  const theme = (name: 'system' | 'light' | 'dark', label: string): Command => ({
    id: `theme.${name}`,
    group: 'Window',
    label,
    when: () => workbench.settings?.theme !== name,
    run: () => workbench.changeSettings({ theme: name })
  })
  const explorable = (): { readonly id: string; readonly clustering: number } | undefined => {
    const found = workbench.runs?.findLast(
      ({ clustering, archived, deleted }) => clustering !== null && !archived && !deleted
    )
    return found === undefined || found.clustering === null ? undefined : { id: found.id, clustering: found.clustering }
  }
  /** Where a step was made, unless that is in view. */
  const elsewhere = ({ run, clustering }: JournalStep): string => {
    const shown = explored.view
    if (clustering === null || (shown?.run === run && shown.clustering === clustering)) return ''
    return ` (in “${workbench.runs?.find(({ id }) => id === run)?.name ?? run}”, clustering ${clustering})`
  }
  let turning: Promise<unknown> = Promise.resolve()
  const turnOnce = async (how: 'undo' | 'redo'): Promise<string | null> => {
    await workbench.labelsSaved()
    const step = workbench.undo[how]
    const before = new Map(explored.view?.annotations)
    const { changed, ...undo } = await client.labels[how](step === null ? {} : { step: step.number })
    workbench.undo = undo
    if (changed !== null) explored.view?.openChanged(changed, before)
    return step === null ? null : `${step.words}${elsewhere(step)}`
  }
  /**
   * Undoes or redoes a step and shows what changed. Returns its description, or null if there was no step. Key
   * presses wait for the step in progress, so that each acts on the step after it.
   */
  const turn = (how: 'undo' | 'redo'): Promise<string | null> => {
    const turned = turning.then(() => turnOnce(how))
    turning = turned.catch(() => {})
    return turned
  }
  return [
    {
      id: 'go.runs',
      group: 'Go',
      label: 'Go to runs',
      keys: ['alt+1'],
      whileTyping: true,
      run: () => workbench.go({ view: 'runs' })
    },
    {
      id: 'go.explore',
      group: 'Go',
      label: 'Explore latest clustering',
      keys: ['alt+2'],
      whileTyping: true,
      when: () => explorable() !== undefined,
      run: () => workbench.explore()
    },
    {
      id: 'go.compare',
      group: 'Go',
      label: 'Compare clusterings',
      keys: ['alt+3'],
      whileTyping: true,
      when: () => explorable() !== undefined,
      run: () => workbench.go({ view: 'compare' })
    },
    {
      id: 'go.settings',
      group: 'Go',
      label: 'Open settings',
      keys: ['mod+,'],
      whileTyping: true,
      run: () => workbench.go({ view: 'settings' })
    },
    {
      id: 'runs.new',
      group: 'Runs',
      label: 'New run…',
      keys: ['mod+alt+n'],
      whileTyping: true,
      run: () => workbench.go({ view: 'new-run' })
    },
    {
      id: 'palette.open',
      group: 'Window',
      label: 'Open command palette',
      keys: ['mod+k', 'mod+shift+p'],
      whileTyping: true,
      hidden: true,
      run: () => void (workbench.overlay = 'palette')
    },
    {
      id: 'keys.show',
      group: 'Window',
      label: 'Show keyboard shortcuts',
      keys: ['h', '?'],
      run: () => void (workbench.overlay = workbench.overlay === 'keys' ? null : 'keys')
    },
    {
      id: 'help.terms',
      group: 'Help',
      label: 'Explain terms',
      run: () => void (workbench.overlay = 'terms')
    },
    {
      id: 'help.tour',
      group: 'Help',
      label: 'Take the tour',
      when: () => workbench.tour === null,
      run: () => workbench.startTour()
    },
    {
      id: 'edit.undo',
      group: 'Edit',
      label: 'Undo',
      keys: ['mod+z'],
      when: () => workbench.undo.undo !== null || workbench.labelsPending() > 0,
      run: async () => {
        const words = await turn('undo')
        const redo = { label: 'Redo', run: () => void workbench.commands.run('edit.redo') }
        if (words !== null) workbench.tell('done', `Undone: ${words}`, redo)
      }
    },
    {
      id: 'edit.redo',
      group: 'Edit',
      label: 'Redo',
      keys: ['mod+shift+z', 'mod+y'],
      when: () => workbench.undo.redo !== null,
      run: async () => {
        const words = await turn('redo')
        if (words !== null) workbench.tell('done', `Redone: ${words}`)
      }
    },
    {
      id: 'workspace.trust',
      group: 'File',
      label: 'Trust this folder',
      when: () => (workbench.state?.untrusted ?? null) !== null,
      run: () => workbench.trust()
    },
    {
      id: 'exports.open',
      group: 'File',
      label: 'Export…',
      keys: ['mod+e'],
      whileTyping: true,
      when: () => workbench.route.view === 'explore',
      run: () => void (workbench.dialog = { kind: 'export' })
    },
    {
      id: 'imports.open',
      group: 'File',
      label: 'Import annotated cluster set…',
      keys: ['mod+i'],
      whileTyping: true,
      run: () => void (workbench.dialog = { kind: 'import' })
    },
    {
      id: 'labels.back-up',
      group: 'File',
      label: 'Back up labels',
      run: async () => workbench.tell('done', `Labels backed up to ${(await client.labels.backUp({})).file}.`)
    },
    theme('light', 'Light appearance'),
    theme('dark', 'Dark appearance'),
    theme('system', 'System appearance')
  ]
}
