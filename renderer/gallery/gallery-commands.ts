import { strata } from '../../preload/contract'
import type { Stratum } from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import type { Command } from '../app/commands.svelte'
import type { Explore } from '../explore/explore.svelte'
import type { Gallery } from './gallery.svelte'
import type { Grouping } from './preferences'
import { plainContext } from './reading'

export const stratumWords: Readonly<Record<Stratum, { readonly name: string; readonly words: string }>> = {
  central: { name: 'Central', words: 'Nearest to the cluster mean first' },
  random: { name: 'Random', words: 'Random order; click again to reshuffle' },
  boundary: { name: 'Boundary', words: 'Least certain first: most neighbours are in other clusters' },
  toward: { name: 'Near another cluster', words: 'Tokens of each cluster whose neighbours are mostly in the other' },
  core: { name: 'Core', words: 'Most stable first: in the cluster in most split halves of the draws' },
  edge: { name: 'Edge', words: 'Least stable first: in the cluster in fewest split halves of the draws' },
  exceptions: { name: 'Exceptions', words: 'Tokens that the best rule misses, nearest to the cluster mean first' },
  order: { name: 'Corpus order', words: 'Tokens in the order of the corpus' }
}

export const groupingWords: Readonly<Record<Grouping, string>> = {
  none: 'No grouping',
  token: 'Group by token',
  subset: 'Group by subset'
}

const faces = ['auto', 'code', 'prose'] as const

/** Commands of the gallery. `focusList` moves the focus to its contexts. */
export const galleryCommands = (
  workbench: Workbench,
  explore: Explore,
  gallery: Gallery,
  focusList: () => void
): readonly Command[] => {
  const there = (): boolean => gallery.shown !== null && gallery.shown.columns.length > 0
  const onRow = (): boolean => gallery.focused && gallery.cursorToken !== undefined
  const group = 'Gallery'
  const grouped = (grouping: Grouping): Command => ({
    id: `gallery.group.${grouping}`,
    group,
    label: `Contexts: ${groupingWords[grouping].toLowerCase()}`,
    when: () => there() && gallery.preferences.grouping !== grouping,
    run: () => gallery.prefer({ grouping })
  })
  return [
    { id: 'gallery.focus', group, label: 'Go to contexts', keys: ['.'], when: there, run: focusList },
    {
      id: 'gallery.previous-stratum',
      group,
      label: 'Previous token view',
      keys: ['['],
      when: there,
      run: () => gallery.stepStratum(-1)
    },
    {
      id: 'gallery.next-stratum',
      group,
      label: 'Next token view',
      keys: [']'],
      when: there,
      run: () => gallery.stepStratum(1)
    },
    ...strata.map((stratum): Command => ({
      id: `gallery.stratum.${stratum}`,
      group,
      label: `Show tokens: ${stratumWords[stratum].name.toLowerCase()}`,
      when: () => there() && gallery.missing(stratum) === null,
      run: () => gallery.choose(stratum)
    })),
    {
      id: 'gallery.draw',
      group,
      label: 'Reshuffle random order',
      keys: ['r'],
      when: there,
      run: () => gallery.choose('random')
    },
    {
      id: 'gallery.selection',
      group,
      label: 'Show selected tokens',
      when: () => explore.tokens.length > 0,
      run: () => gallery.choose('selection')
    },
    grouped('none'),
    grouped('token'),
    grouped('subset'),
    { id: 'gallery.wider', group, label: 'Wider contexts', keys: ['>'], when: there, run: () => gallery.stepWidth(1) },
    {
      id: 'gallery.narrower',
      group,
      label: 'Narrower contexts',
      keys: ['<'],
      when: there,
      run: () => gallery.stepWidth(-1)
    },
    {
      id: 'gallery.spaces',
      group,
      label: 'Show or hide whitespace marks',
      run: () => gallery.prefer({ spaces: !gallery.preferences.spaces })
    },
    {
      id: 'gallery.lines',
      group,
      label: 'Show or collapse line breaks',
      run: () => gallery.prefer({ lines: !gallery.preferences.lines })
    },
    {
      id: 'gallery.aligned',
      group,
      label: 'Align or wrap contexts',
      run: () => gallery.prefer({ aligned: !gallery.preferences.aligned })
    },
    {
      id: 'gallery.face',
      group,
      label: 'Switch font: auto, code, text',
      run: () => gallery.prefer({ face: faces[(faces.indexOf(gallery.preferences.face) + 1) % faces.length] })
    },
    {
      id: 'gallery.sources',
      group,
      label: 'Show or hide subset and document',
      run: () => gallery.prefer({ sources: !gallery.preferences.sources })
    },
    {
      id: 'gallery.clear-filter',
      group,
      label: 'Clear token filter',
      when: () => gallery.filter !== null,
      run: () => void (gallery.filter = null)
    },
    {
      id: 'gallery.beside',
      group,
      label: 'Switch comparison: columns or interleaved',
      when: () => gallery.shown?.similar !== null && gallery.shown !== null,
      run: () => gallery.prefer({ beside: gallery.preferences.beside === 'columns' ? 'in-turn' : 'columns' })
    },
    {
      id: 'gallery.close-similar',
      group,
      label: 'Close compared cluster',
      when: () => gallery.shown !== null && gallery.shown.similar !== null,
      run: () => gallery.closeSimilar()
    },
    {
      id: 'gallery.mark',
      group,
      label: 'Select or deselect token',
      keys: ['m'],
      when: onRow,
      run: () => {
        const token = gallery.cursorToken?.token
        if (token !== undefined) gallery.toggleMark(token)
      }
    },
    {
      id: 'gallery.clear-marks',
      group,
      label: 'Clear token selection',
      when: () => explore.tokens.length > 0,
      run: () => gallery.clearMarks()
    },
    {
      id: 'gallery.show-in-graph',
      group,
      label: 'Show token in graph',
      keys: ['o'],
      when: onRow,
      run: () => {
        const token = gallery.cursorToken?.token
        if (token !== undefined) explore.shown = { token }
      }
    },
    {
      id: 'gallery.copy',
      group,
      label: 'Copy context',
      keys: ['mod+c'],
      when: () => onRow() && (window.getSelection()?.isCollapsed ?? true),
      run: async () => {
        const token = gallery.cursorToken
        if (token === undefined) return
        await navigator.clipboard.writeText(plainContext(gallery.expanded.get(token.token) ?? token))
        workbench.tell('done', 'Context copied.')
      }
    }
  ]
}
