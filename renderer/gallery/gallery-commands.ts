import { strata } from '../../preload/contract'
import type { Stratum } from '../../preload/contract'
import type { Workbench } from '../app/app.svelte'
import type { Command } from '../app/commands.svelte'
import type { Explore } from '../explore/explore.svelte'
import type { Gallery } from './gallery.svelte'
import type { Grouping } from './preferences'
import { plainContext } from './reading'

export const stratumWords: Readonly<Record<Stratum, { readonly name: string; readonly words: string }>> = {
  central: { name: 'Central', words: 'Tokens nearest to the cluster’s mean first' },
  random: { name: 'Random', words: 'Tokens in an order drawn by chance; choose again to draw anew' },
  boundary: { name: 'Boundary', words: 'Tokens that are least sure first: most of their neighbours are elsewhere' },
  toward: { name: 'Toward', words: 'Tokens whose neighbours are mostly in one other cluster, beside those that lead back' },
  core: { name: 'Core', words: 'Tokens that are with the cluster in most halves of the draws first' },
  edge: { name: 'Edge', words: 'Tokens that are with the cluster in fewest halves of the draws first' },
  exceptions: { name: 'Exceptions', words: 'Tokens that the best rule does not select, nearest to the mean first' },
  order: { name: 'Order', words: 'Tokens as they come in the corpus' }
}

export const groupingWords: Readonly<Record<Grouping, string>> = { none: 'Not grouped', token: 'Grouped by token', subset: 'Grouped by subset' }

const faces = ['auto', 'code', 'prose'] as const

/** All that can be asked of the gallery. `focusList` puts the keys on its contexts. */
export const galleryCommands = (workbench: Workbench, explore: Explore, gallery: Gallery, focusList: () => void): readonly Command[] => {
  const there = (): boolean => gallery.shown !== null && gallery.shown.columns.length > 0
  const onRow = (): boolean => gallery.focused && gallery.cursorToken !== undefined
  const group = 'Gallery'
  const grouped = (grouping: Grouping): Command => ({
    id: `gallery.group.${grouping}`, group, label: `Contexts: ${groupingWords[grouping].toLowerCase()}`, when: () => there() && gallery.preferences.grouping !== grouping, run: () => gallery.prefer({ grouping })
  })
  return [
    { id: 'gallery.focus', group, label: 'Go to the contexts', keys: ['.'], when: there, run: focusList },
    { id: 'gallery.previous-stratum', group, label: 'Previous stratum of tokens', keys: ['['], when: there, run: () => gallery.stepStratum(-1) },
    { id: 'gallery.next-stratum', group, label: 'Next stratum of tokens', keys: [']'], when: there, run: () => gallery.stepStratum(1) },
    ...strata.map((stratum): Command => ({
      id: `gallery.stratum.${stratum}`, group, label: `Show tokens: ${stratumWords[stratum].name.toLowerCase()}`,
      when: () => there() && gallery.missing(stratum) === null, run: () => gallery.choose(stratum)
    })),
    { id: 'gallery.draw', group, label: 'Draw another random order', keys: ['r'], when: there, run: () => gallery.choose('random') },
    { id: 'gallery.selection', group, label: 'Show the selected tokens', when: () => explore.tokens.length > 0, run: () => gallery.choose('selection') },
    grouped('none'),
    grouped('token'),
    grouped('subset'),
    { id: 'gallery.wider', group, label: 'Wider contexts', keys: ['>'], when: there, run: () => gallery.stepWidth(1) },
    { id: 'gallery.narrower', group, label: 'Narrower contexts', keys: ['<'], when: there, run: () => gallery.stepWidth(-1) },
    { id: 'gallery.spaces', group, label: 'Show or hide signs for spaces', run: () => gallery.prefer({ spaces: !gallery.preferences.spaces }) },
    { id: 'gallery.lines', group, label: 'Keep or fold line breaks', run: () => gallery.prefer({ lines: !gallery.preferences.lines }) },
    { id: 'gallery.aligned', group, label: 'One line a token, aligned, or wrapped contexts', run: () => gallery.prefer({ aligned: !gallery.preferences.aligned }) },
    { id: 'gallery.face', group, label: 'Code face: by subset, always, never', run: () => gallery.prefer({ face: faces[(faces.indexOf(gallery.preferences.face) + 1) % faces.length] }) },
    { id: 'gallery.sources', group, label: 'Show or hide subset and document', run: () => gallery.prefer({ sources: !gallery.preferences.sources }) },
    { id: 'gallery.clear-filter', group, label: 'Show all tokens of the cluster', when: () => gallery.filter !== null, run: () => void (gallery.filter = null) },
    {
      id: 'gallery.beside', group, label: 'Two clusters: in columns, or in turn', when: () => gallery.shown?.similar !== null && gallery.shown !== null,
      run: () => gallery.prefer({ beside: gallery.preferences.beside === 'columns' ? 'in-turn' : 'columns' })
    },
    { id: 'gallery.close-similar', group, label: 'Close the cluster beside', when: () => gallery.shown !== null && gallery.shown.similar !== null, run: () => gallery.closeSimilar() },
    {
      id: 'gallery.mark', group, label: 'Select the token under the cursor, or no longer', keys: ['m'], when: onRow,
      run: () => {
        const token = gallery.cursorToken?.token
        if (token !== undefined) gallery.toggleMark(token)
      }
    },
    { id: 'gallery.clear-marks', group, label: 'Select no tokens', when: () => explore.tokens.length > 0, run: () => gallery.clearMarks() },
    {
      id: 'gallery.show-in-graph', group, label: 'Show the token under the cursor in the graph', keys: ['o'], when: onRow,
      run: () => {
        const token = gallery.cursorToken?.token
        if (token !== undefined) explore.shown = { token }
      }
    },
    {
      id: 'gallery.copy', group, label: 'Copy the context under the cursor', keys: ['mod+c'], when: () => onRow() && (window.getSelection()?.isCollapsed ?? true),
      run: async () => {
        const token = gallery.cursorToken
        if (token === undefined) return
        await navigator.clipboard.writeText(plainContext(gallery.expanded.get(token.token) ?? token))
        workbench.tell('done', 'The context is copied.')
      }
    }
  ]
}
