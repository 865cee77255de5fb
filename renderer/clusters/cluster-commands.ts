import type { ClusterNumber } from '../../preload/contract'
import type { Command } from '../app/commands.svelte'
import type { Explore } from '../explore/explore.svelte'
import { isGroup, levelWords } from '../explore/groups'
import type { ClusterList } from './cluster-list.svelte'
import { labelCommands } from './label-commands'
import type { LabelActions } from './label-commands'
import type { Labelling } from './labelling.svelte'
import { listForms } from './list-rows'
import type { ListForm } from './list-rows'
import { withPiece } from './search-language'
import { measuredKeys, sortKeys, sortWords, usualDirection } from './sort-clusters'

/** Moves the focus to the search, and through the list. */
interface ListActions {
  readonly search: () => void
  readonly move: (by: number, extend: boolean) => void
  /** Goes into the current group, or out of it. */
  readonly step: (inwards: boolean) => void
}

const isListed = (explore: Explore, cluster: ClusterNumber): boolean => {
  const entry = explore.entries.get(cluster)
  return entry !== undefined && isGroup(entry)
}

/** Shows the nearest clusters of the current one beside it, one after another. */
const similarShower = (explore: Explore): (() => Promise<void>) => {
  let known: { readonly cluster: ClusterNumber; readonly nearest: readonly ClusterNumber[] } | null = null
  return async () => {
    const { current, workbench } = explore
    if (current === null) return
    if (known?.cluster !== current) {
      const { nearest } = await workbench.client.clusters.details({ ...explore.where, cluster: current })
      if (explore.current !== current) return
      known = {
        cluster: current,
        nearest: nearest.map(({ cluster }) => cluster).filter((cluster) => isListed(explore, cluster))
      }
    }
    const { nearest } = known
    if (nearest.length === 0)
      return workbench.tell('note', `${explore.nameOf(current)} has no edges to another ${explore.levelWord(current)}.`)
    explore.similar = nearest[((explore.similar === null ? -1 : nearest.indexOf(explore.similar)) + 1) % nearest.length]
  }
}

/** The tree: folding it, and what is listed instead. */
const treeCommands = (explore: Explore, list: ClusterList, { step }: ListActions): readonly Command[] => {
  const group = 'Clusters'
  const within = (): boolean => list.isTree && list.entries.length > 0
  const isThere = (form: ListForm): boolean =>
    form === 'tree' ? explore.groups.isTree : explore.groups.levels.includes(form)
  return [
    {
      id: 'clusters.unfold',
      group,
      label: 'Expand group or enter it',
      keys: ['arrowright'],
      when: within,
      run: () => step(true)
    },
    {
      id: 'clusters.fold',
      group,
      label: 'Collapse group or go to its parent',
      keys: ['arrowleft'],
      when: within,
      run: () => step(false)
    },
    {
      id: 'clusters.unfold-all',
      group,
      label: 'Expand all groups',
      when: () => list.isTree,
      run: () => list.unfoldAll()
    },
    {
      id: 'clusters.fold-all',
      group,
      label: 'Collapse all groups',
      when: () => list.isTree,
      run: () => list.foldAll()
    },
    ...listForms.map((form): Command => ({
      id: `clusters.list.${form}`,
      group,
      label: form === 'tree' ? 'Show as tree' : `Show ${levelWords[form].several}`,
      when: () => list.form !== form && isThere(form),
      run: () => list.show(form)
    }))
  ]
}

const clusterCommands = (
  explore: Explore,
  list: ClusterList,
  labelling: Labelling,
  { search, move }: ListActions
): readonly Command[] => {
  const group = 'Clusters'
  const there = (): boolean => list.entries.length > 0
  const showSimilar = similarShower(explore)
  return [
    {
      id: 'clusters.next',
      group,
      label: 'Next cluster',
      keys: ['arrowdown', 'j'],
      when: there,
      run: () => move(1, false)
    },
    {
      id: 'clusters.previous',
      group,
      label: 'Previous cluster',
      keys: ['arrowup', 'k'],
      when: there,
      run: () => move(-1, false)
    },
    {
      id: 'clusters.first',
      group,
      label: 'First cluster',
      keys: ['home'],
      hidden: true,
      when: there,
      run: () => move(-Infinity, false)
    },
    {
      id: 'clusters.last',
      group,
      label: 'Last cluster',
      keys: ['end'],
      hidden: true,
      when: there,
      run: () => move(Infinity, false)
    },
    {
      id: 'clusters.next-unseen',
      group,
      label: 'Next unseen cluster',
      keys: ['mod+arrowdown'],
      when: there,
      run: () => labelling.toUnseen(1)
    },
    {
      id: 'clusters.previous-unseen',
      group,
      label: 'Previous unseen cluster',
      keys: ['mod+arrowup'],
      when: there,
      run: () => labelling.toUnseen(-1)
    },
    {
      id: 'clusters.similar',
      group,
      label: 'Compare with next similar',
      keys: ['space'],
      when: () => explore.current !== null,
      run: showSimilar
    },
    {
      id: 'clusters.open-similar',
      group,
      label: 'Open compared cluster',
      keys: ['shift+enter'],
      when: () => explore.similar !== null,
      run: () => explore.similar !== null && explore.open(explore.similar)
    },
    {
      id: 'clusters.extend-down',
      group,
      label: 'Extend selection down',
      keys: ['shift+arrowdown'],
      when: there,
      run: () => move(1, true)
    },
    {
      id: 'clusters.extend-up',
      group,
      label: 'Extend selection up',
      keys: ['shift+arrowup'],
      when: there,
      run: () => move(-1, true)
    },
    {
      id: 'clusters.extend-first',
      group,
      label: 'Extend selection to first cluster',
      keys: ['shift+home'],
      hidden: true,
      when: there,
      run: () => move(-Infinity, true)
    },
    {
      id: 'clusters.extend-last',
      group,
      label: 'Extend selection to last cluster',
      keys: ['shift+end'],
      hidden: true,
      when: there,
      run: () => move(Infinity, true)
    },
    {
      id: 'clusters.select-all',
      group,
      label: 'Select all listed clusters',
      keys: ['mod+a'],
      when: there,
      run: () => explore.select(list.entries.filter(({ kind }) => kind === 'cluster').map(({ cluster }) => cluster))
    },
    {
      id: 'clusters.unselect',
      group,
      label: 'Clear cluster selection',
      keys: ['escape'],
      when: () => explore.selected.size > 0 || explore.similar !== null,
      run: () => {
        explore.selected.clear()
        explore.similar = null
      }
    },
    { id: 'clusters.search', group, label: 'Search clusters', keys: ['/', 'mod+f'], whileTyping: true, run: search },
    {
      id: 'clusters.only-unseen',
      group,
      label: 'Show unseen clusters only',
      when: () => !list.text.includes('status:unseen'),
      run: () => list.type(withPiece(list.text, 'status:unseen'))
    },
    {
      id: 'clusters.show-all',
      group,
      label: 'Show all clusters',
      when: () => list.text !== '',
      run: () => list.type('')
    },
    ...sortKeys.map((by): Command => ({
      id: `clusters.sort.${by}`,
      group,
      label: `Sort by ${sortWords[by].toLowerCase()}`,
      when: () => list.sorting.by !== by && measuredKeys(explore.overview?.clusters ?? []).has(by),
      run: () => list.sort({ by, descending: usualDirection[by] })
    })),
    {
      id: 'clusters.reverse',
      group,
      label: 'Reverse cluster order',
      run: () => list.sort({ ...list.sorting, descending: !list.sorting.descending })
    },
    {
      id: 'clusters.show-in-graph',
      group,
      label: 'Show cluster in graph',
      when: () => explore.current !== null,
      run: () => {
        if (explore.current !== null) explore.shown = { cluster: explore.current }
      }
    }
  ]
}

/** Commands of the list of clusters and of its label editor. */
export const paneCommands = (
  explore: Explore,
  list: ClusterList,
  labelling: Labelling,
  actions: ListActions & LabelActions
): readonly Command[] => [
  ...clusterCommands(explore, list, labelling, actions),
  ...treeCommands(explore, list, actions),
  ...labelCommands(explore, labelling, actions)
]
