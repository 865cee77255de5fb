import type { Workbench } from './app.svelte'
import type { Command } from './commands.svelte'

/** Commands that are there in every view. */
export const appCommands = (workbench: Workbench): readonly Command[] => {
  const { client } = workbench
  const theme = (name: 'system' | 'light' | 'dark', label: string): Command => ({
    id: `theme.${name}`, group: 'Window', label, when: () => workbench.settings?.theme !== name, run: () => workbench.changeSettings({ theme: name })
  })
  const explorable = (): { readonly id: string; readonly clustering: number } | undefined => {
    const found = workbench.runs?.findLast(({ clustering, archived, deleted }) => clustering !== null && !archived && !deleted)
    return found === undefined || found.clustering === null ? undefined : { id: found.id, clustering: found.clustering }
  }
  return [
    { id: 'go.runs', group: 'Go', label: 'Runs', keys: ['alt+1'], whileTyping: true, run: () => workbench.go({ view: 'runs' }) },
    { id: 'go.explore', group: 'Go', label: 'Explore the latest clustering', keys: ['alt+2'], whileTyping: true, when: () => explorable() !== undefined, run: () => workbench.explore() },
    { id: 'go.compare', group: 'Go', label: 'Compare two clusterings', keys: ['alt+3'], whileTyping: true, when: () => explorable() !== undefined, run: () => workbench.go({ view: 'compare' }) },
    { id: 'go.settings', group: 'Go', label: 'Settings', keys: ['mod+,'], whileTyping: true, run: () => workbench.go({ view: 'settings' }) },
    { id: 'runs.new', group: 'Runs', label: 'New run …', keys: ['mod+alt+n'], whileTyping: true, run: () => workbench.go({ view: 'new-run' }) },
    { id: 'palette.open', group: 'Window', label: 'Command palette', keys: ['mod+k', 'mod+shift+p'], whileTyping: true, hidden: true, run: () => void (workbench.overlay = 'palette') },
    { id: 'keys.show', group: 'Window', label: 'Show the keys in force', keys: ['h', '?'], run: () => void (workbench.overlay = workbench.overlay === 'keys' ? null : 'keys') },
    {
      id: 'edit.undo', group: 'Edit', label: 'Undo', keys: ['mod+z'], when: () => workbench.undo.undo !== null,
      run: async () => {
        await workbench.labelsSaved()
        const step = workbench.undo.undo
        workbench.undo = await client.call('labels.undo', {})
        if (step !== null) workbench.tell('done', `Undone: ${step.words}`, { label: 'Redo', run: () => void workbench.commands.run('edit.redo') })
      }
    },
    {
      id: 'edit.redo', group: 'Edit', label: 'Redo', keys: ['mod+shift+z', 'mod+y'], when: () => workbench.undo.redo !== null,
      run: async () => {
        await workbench.labelsSaved()
        const step = workbench.undo.redo
        workbench.undo = await client.call('labels.redo', {})
        if (step !== null) workbench.tell('done', `Done again: ${step.words}`)
      }
    },
    { id: 'exports.open', group: 'File', label: 'Export …', keys: ['mod+e'], whileTyping: true, when: () => workbench.route.view === 'explore', run: () => void (workbench.dialog = { kind: 'export' }) },
    { id: 'imports.open', group: 'File', label: 'Import an annotated cluster set …', keys: ['mod+i'], whileTyping: true, run: () => void (workbench.dialog = { kind: 'import' }) },
    {
      id: 'labels.back-up', group: 'File', label: 'Back up all labels now',
      run: async () => workbench.tell('done', `All labels are backed up in ${(await client.call('labels.backUp', {})).file}.`)
    },
    theme('light', 'Light colours'),
    theme('dark', 'Dark colours'),
    theme('system', 'Colours of the system')
  ]
}
