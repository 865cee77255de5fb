import type { GroupKind } from '../../preload/contract'
import type { Command } from '../app/commands.svelte'
import { nextColouring } from '../explore/colouring'
import type { Explore } from '../explore/explore.svelte'
import { levelWords } from '../explore/groups'
import type { GraphView } from './graph.svelte'
import { savePicture } from './save-picture'

interface Handles {
  /** Whether the graph has the keyboard. */
  readonly hasFocus: () => boolean
  readonly find: () => void
}

const panKeys = 'graph.pan-'

/** Whether a command works only while the graph has the keyboard, before those of other panes with the same key. */
export const isOfFocus = (id: string): boolean =>
  id.startsWith(panKeys) || id === 'graph.zoom-in' || id === 'graph.zoom-out'

/** What a person can do with the graph. */
export const graphCommands = (view: GraphView, explore: Explore, { hasFocus, find }: Handles): readonly Command[] => {
  const group = 'Graph'
  const drawn = (): boolean => view.camera.stage !== null && view.data.isReady
  const focused = (): boolean => hasFocus() && drawn()
  const pan = (name: string, key: string, right: number, up: number): Command => ({
    id: `${panKeys}${name}`,
    group,
    label: `Pan ${name}`,
    keys: [key],
    when: focused,
    hidden: true,
    run: () => view.camera.stage?.pan(right, up)
  })
  const isLevel = (level: GroupKind): boolean => explore.groups.isTree && explore.groups.levels.includes(level)
  const component = (): string | undefined => {
    const [furthest] = explore.current === null ? [] : (explore.entries.get(explore.current)?.standsOut ?? [])
    return furthest?.component ?? explore.overview?.run.components[0]
  }
  return [
    {
      id: 'graph.tokens',
      group,
      label: 'Show tokens',
      when: () => view.data.mode !== 'tokens',
      run: () => view.change('tokens')
    },
    {
      id: 'graph.clusters',
      group,
      label: 'Show clusters',
      when: () => view.data.mode !== 'clusters',
      run: () => view.change('clusters')
    },
    {
      id: 'graph.mode',
      group,
      label: 'Switch between tokens and clusters',
      keys: ['v'],
      hidden: true,
      run: () => view.change(view.data.mode === 'tokens' ? 'clusters' : 'tokens')
    },
    { id: 'graph.fit', group, label: 'Fit to view', keys: ['f'], when: drawn, run: () => view.camera.fit() },
    {
      id: 'graph.go-to-selected',
      group,
      label: 'Go to selection',
      keys: ['shift+f'],
      when: () => drawn() && (explore.current !== null || explore.tokens.length > 0),
      run: () =>
        explore.tokens.length > 0 && view.data.mode === 'tokens'
          ? view.camera.goToTokens(explore.tokens)
          : explore.current === null
            ? undefined
            : view.camera.goTo({ kind: 'cluster', cluster: explore.current })
    },
    {
      id: 'graph.lasso',
      group,
      label: 'Select with lasso',
      keys: ['l'],
      when: drawn,
      run: () => void (view.picking.lassoing = !view.picking.lassoing)
    },
    {
      id: 'graph.ego',
      group,
      label: 'Show neighbours only',
      keys: ['e'],
      when: () => drawn() && (view.selection.ego || explore.current !== null || explore.tokens.length > 0),
      run: () => void (view.selection.ego = !view.selection.ego)
    },
    {
      id: 'graph.colouring',
      group,
      label: 'Next colouring',
      keys: ['c'],
      run: () => void (explore.colouring = nextColouring(explore.colouring, explore.groups.levels, component()))
    },
    { id: 'graph.find', group, label: 'Find in graph', keys: ['mod+shift+f'], whileTyping: true, run: find },
    {
      id: 'graph.list',
      group,
      label: 'Show or hide node list',
      keys: ['shift+l'],
      run: () => void (view.listing = !view.listing)
    },
    {
      id: 'graph.edges',
      group,
      label: 'Show or hide edges',
      when: drawn,
      run: () => void (view.selection.showsEdges = !view.selection.showsEdges)
    },
    {
      id: 'graph.fade',
      group,
      label: 'Fade weak members',
      when: () => drawn() && view.colours.canFade,
      run: () => void (view.colours.fades = !view.colours.fades)
    },
    ...(['cluster', 'neighbourhood', 'region'] as const).map((level): Command => ({
      id: `graph.level.${level}`,
      group,
      label: `Show ${levelWords[level].several} as nodes`,
      when: () => isLevel(level) && !(view.data.mode === 'clusters' && view.data.level === level),
      run: () => {
        view.showLevel(level)
        view.change('clusters')
      }
    })),
    {
      id: 'graph.names',
      group,
      label: 'Show or hide names',
      when: drawn,
      run: () => void (view.names.shows = !view.names.shows)
    },
    {
      id: 'graph.clear',
      group,
      label: 'Clear token selection',
      when: () => explore.tokens.length > 0,
      run: () => void (explore.tokens = new Int32Array(0))
    },
    {
      id: 'graph.select-clusters',
      group,
      label: 'Select clusters of the selected tokens',
      when: () => explore.tokens.length > 0 && view.selection.clustersOfTokens.length > 0,
      run: () => explore.select(view.selection.clustersOfTokens.map(({ cluster }) => cluster))
    },
    {
      id: 'graph.layout',
      group,
      label: 'Recompute token layout',
      when: () => view.data.job === null,
      run: () => view.data.computeAgain()
    },
    { id: 'graph.export-png', group, label: 'Export graph as PNG…', when: drawn, run: () => savePicture(view, 'png') },
    { id: 'graph.export-svg', group, label: 'Export graph as SVG…', when: drawn, run: () => savePicture(view, 'svg') },
    pan('left', 'arrowleft', -0.12, 0),
    pan('right', 'arrowright', 0.12, 0),
    pan('up', 'arrowup', 0, 0.12),
    pan('down', 'arrowdown', 0, -0.12),
    {
      id: 'graph.zoom-in',
      group,
      label: 'Zoom in',
      keys: ['+', '='],
      when: focused,
      run: () => view.camera.stage?.zoom(1.5)
    },
    {
      id: 'graph.zoom-out',
      group,
      label: 'Zoom out',
      keys: ['-'],
      when: focused,
      run: () => view.camera.stage?.zoom(1 / 1.5)
    }
  ]
}
