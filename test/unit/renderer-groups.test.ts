import { describe, expect, it } from 'vitest'
import type { ClusterEntry, ClusterNumber, GroupKind } from '../../preload/contract'
import { namesOf } from '../../renderer/clusters/names-of'
import { flatRows, foldedAtFirst, formFor, isListForm, treeRows } from '../../renderer/clusters/list-rows'
import type { ListRow } from '../../renderer/clusters/list-rows'
import { sortClusters } from '../../renderer/clusters/sort-clusters'
import { nextColouring } from '../../renderer/explore/colouring'
import { GroupTree, isGroup, stabilityPhrase, stabilityText } from '../../renderer/explore/groups'
import { categoryColour, clusterColour, plainColour, readTheme } from '../../renderer/graph/colours'
import { coloursAt, fadedBy, groupsAt, layoutOf, withMeansAbove } from '../../renderer/graph/levels'

const entry = (cluster: number, kind: ClusterEntry['kind'], parent: number | null, size: number): ClusterEntry => ({
  cluster,
  kind,
  parent,
  size,
  conductance: 0.2,
  stability: 0.6,
  ruleF1: 0.5,
  ruleName: null,
  distinctTokens: 3,
  purity: 0.5,
  subset: 'wiki',
  topTokens: [{ id: cluster + 1, text: ` t${cluster}`, count: 2, lift: 3 }],
  standsOut: []
})

/** Five clusters: two in a neighbourhood (5) of a region (6), a third in that region itself, two in none. */
const ragged = [
  entry(0, 'cluster', 5, 50),
  entry(1, 'cluster', 5, 40),
  entry(2, 'cluster', 6, 200),
  entry(3, 'cluster', null, 30),
  entry(4, 'cluster', null, 400),
  entry(5, 'neighbourhood', 6, 90),
  entry(6, 'region', null, 290),
  { ...entry(-1, 'main body', null, 1000), stability: null, ruleF1: null }
]
const entries = new Map(ragged.map((each) => [each.cluster, each]))
const tree = new GroupTree(entries)
const nobody = { status: () => 'unseen' as const, name: () => '' }
const sorted = sortClusters(ragged, { by: 'size', descending: true }, nobody)

const shown = (rows: readonly ListRow[]): string[] =>
  rows.map(
    ({ entry: { cluster }, depth, open }) =>
      `${'  '.repeat(depth - 1)}${open === null ? '' : open ? '- ' : '+ '}${cluster}`
  )
const rows = (folded: readonly number[] = [], fitting: readonly number[] | null = null): ListRow[] =>
  treeRows(sorted, tree, new Set(folded), fitting === null ? null : new Set(fitting))

describe('a tree of groups', () => {
  it('knows paths, members and levels, though it is ragged', () => {
    expect(tree.levels).toEqual(['region', 'neighbourhood', 'cluster'])
    expect([tree.path(0), tree.path(2), tree.path(4), tree.path(6), tree.path(-1)]).toEqual([[6, 5], [6], [], [], []])
    expect([tree.clustersIn(6).sort(), tree.clustersIn(5), tree.clustersIn(3), tree.clustersIn(-1)]).toEqual([
      [0, 1, 2],
      [0, 1],
      [3],
      [-1]
    ])
    expect([
      tree.at(0, 'region'),
      tree.at(2, 'neighbourhood'),
      tree.at(3, 'region'),
      tree.at(6, 'region'),
      tree.at(6, 'cluster')
    ]).toEqual([6, null, null, 6, null])
    expect([tree.isWithin(0, 6), tree.isWithin(6, 6), tree.isWithin(3, 6)]).toEqual([true, false, false])
  })

  it('lets groups of a level stand for what is selected at another', () => {
    expect([
      tree.standIns(0, 'region'),
      tree.standIns(6, 'cluster').sort(),
      tree.standIns(6, 'neighbourhood'),
      tree.standIns(3, 'region')
    ]).toEqual([[6], [0, 1, 2], [5], []])
  })

  it('is none where there are clusters only, and ends where parents go in a circle', () => {
    expect(new GroupTree(new Map([[0, entry(0, 'cluster', null, 3)]])).isTree).toBe(false)
    const round = new GroupTree(
      new Map([
        [0, entry(0, 'neighbourhood', 1, 3)],
        [1, entry(1, 'neighbourhood', 0, 3)]
      ])
    )
    expect(round.path(0).length).toBeLessThanOrEqual(3)
  })
})

describe('a stability', () => {
  it('is not rounded up to the bound from which a group counts as stable', () => {
    expect([stabilityText(0.4999), stabilityText(0.5), stabilityText(0.123), stabilityText(1)]).toEqual([
      '0.49',
      '0.50',
      '0.12',
      '1.00'
    ])
    expect([stabilityPhrase(0.4999), stabilityPhrase(0.5), stabilityPhrase(null)]).toEqual([
      'stability 0.49, may be noise',
      'stability 0.50',
      'stability not measured'
    ])
  })
})

describe('the list as a tree', () => {
  it('has siblings in order, members below their group, and what is left over last', () => {
    expect(shown(rows())).toEqual(['4', '- 6', '  2', '  - 5', '    0', '    1', '3', '-1'])
    expect(rows().map(({ place, of }) => `${place}/${of}`)).toEqual([
      '1/4',
      '2/4',
      '1/2',
      '2/2',
      '1/2',
      '2/2',
      '3/4',
      '4/4'
    ])
  })

  it('folds groups, and keeps what is folded in one that is folded', () => {
    expect(shown(rows([5]))).toEqual(['4', '- 6', '  2', '  + 5', '3', '-1'])
    expect(shown(rows([5, 6]))).toEqual(['4', '+ 6', '3', '-1'])
  })

  it('shows what was found with the groups around it, and tells them apart', () => {
    const found = rows([], [1, 3])
    expect(shown(found)).toEqual(['- 6', '  - 5', '    1', '3'])
    expect(found.map(({ fits }) => fits)).toEqual([false, false, true, true])
    expect(shown(rows([], [6]))).toEqual(['6'])
    expect(rows([], [])).toEqual([])
  })

  it('is flat where one level is asked for, or there is no tree', () => {
    expect(flatRows(sorted.slice(0, 2)).map(({ depth, open, place, of }) => [depth, open, place, of])).toEqual([
      [1, null, 1, 2],
      [1, null, 2, 2]
    ])
    const plain = { isTree: false, levels: ['cluster'] as const }
    expect([formFor('tree', tree), formFor('region', tree), formFor('tree', plain), formFor('region', plain)]).toEqual([
      'tree',
      'region',
      'cluster',
      'cluster'
    ])
    expect([isListForm('tree'), isListForm('region'), isListForm('main body'), isListForm(3)]).toEqual([
      'tree',
      'region',
      undefined,
      undefined
    ])
  })

  it('begins with neighbourhoods folded where there are many clusters, and unfolded where there are few', () => {
    expect(foldedAtFirst(ragged)).toEqual(new Set())
    expect(foldedAtFirst(ragged, 4)).toEqual(new Set([5]))
  })

  it('takes ten thousand clusters at once', () => {
    const many = Array.from({ length: 10_000 }, (_, cluster) =>
      entry(cluster, 'cluster', 10_000 + (cluster % 500), 1 + (cluster % 97))
    )
    const groups = Array.from({ length: 500 }, (_, index) => entry(10_000 + index, 'neighbourhood', null, 300))
    const all = sortClusters([...many, ...groups], { by: 'size', descending: true }, nobody)
    expect(
      treeRows(all, new GroupTree(new Map(all.map((each) => [each.cluster, each]))), new Set(), null)
    ).toHaveLength(10_500)
  })
})

describe('names of groups in tables', () => {
  it('are their own or made of top tokens, at every level; what is left over has its word', () => {
    const overview = {
      clusters: ragged,
      annotations: [{ target: 'cluster:6', name: 'law' }]
    } as unknown as Parameters<typeof namesOf>[0]
    const names = namesOf(overview)
    expect([6, 5, 0, -1].map((cluster) => names.get(cluster)?.name)).toEqual(['law', '·t5', '·t0', 'Unclustered'])
  })
})

const light: Readonly<Record<string, string>> = {
  '--surface': '#ffffff',
  '--text': '#1d1f21',
  '--text-soft': '#55595e',
  '--line-strong': '#b9b9b2',
  '--accent': '#1a5fb4',
  '--warn': '#7f5200',
  '--negative': '#2166ac',
  '--positive': '#b2182b'
}
const theme = readTheme((name) => light[name])

describe('levels of the graph', () => {
  it('show the nodes of one level with what is left over, and the edges between those', () => {
    const numbers = [0, 1, 2, 3, 4, 5, 6, -1]
    const layout = {
      clusters: Int32Array.from(numbers),
      positions: Float32Array.from(numbers.flatMap((cluster) => [cluster, 10 * cluster])),
      from: Int32Array.of(0, 0, 5, 6, -1),
      to: Int32Array.of(1, 2, 6, 4, 6),
      weights: Float64Array.of(1, 2, 3, 4, 5)
    }
    const at = (level: GroupKind) =>
      layoutOf(layout, (group) => entries.get(group)!.kind === level || !isGroup(entries.get(group)!))
    expect([...at('region').clusters]).toEqual([6, -1])
    expect([...at('region').positions]).toEqual([6, 60, -1, -10])
    expect([[...at('region').from], [...at('region').to], [...at('region').weights]]).toEqual([[-1], [6], [5]])
    expect([...at('cluster').clusters]).toEqual([0, 1, 2, 3, 4, -1])
    expect([...at('cluster').weights]).toEqual([1, 2])
  })

  it('colour clusters as the group they are in, and what is in none plainly', () => {
    const colours = coloursAt(theme, entries, tree, 'region', 6)
    const of = (group: ClusterNumber) => colours[group + 1]
    expect([of(0), of(2), of(5), of(6)]).toEqual(Array(4).fill(categoryColour(theme, 0)))
    expect([of(-1), of(3)]).toEqual([plainColour(theme), plainColour(theme)])
    expect(coloursAt(theme, entries, tree, 'cluster', 6).slice(0, 3)).toEqual([
      plainColour(theme),
      clusterColour(theme, 0, 0),
      clusterColour(theme, 0, 1)
    ])
    expect(coloursAt(theme, entries, tree, 'cluster', 6)[7]).not.toEqual(plainColour(theme))
    expect([...groupsAt(tree, 'neighbourhood', 6)]).toEqual([-1, 5, 5, -1, -1, -1, 5, -1])
  })

  it('have means of groups from those of their clusters, by size', () => {
    const means = withMeansAbove(Float32Array.of(9, 1, 2, 10, 3, NaN, NaN, NaN), entries, tree)
    expect(means[5 + 1]).toBeCloseTo((50 + 80) / 90)
    expect(means[6 + 1]).toBeCloseTo((50 + 80 + 2000) / 290)
    expect([means[0], means[4 + 1]]).toEqual([9, NaN])
  })

  it('fade weak members, and what is in no cluster, without touching their colours', () => {
    const colours = Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255)
    const faded = fadedBy(colours, Float32Array.of(1, NaN, 0, 0.5), Int32Array.of(0, 2, 1))
    expect([...faded].filter((_, byte) => byte % 4 !== 3)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(faded[3]).toBe(255)
    expect(faded[7]).toBeLessThan(faded[11])
    expect(faded[11]).toBeLessThan(100)
    expect(colours[7]).toBe(255)
  })

  it('are gone through fine to coarse by the colours, where there are any', () => {
    const through = (levels: readonly GroupKind[]): string[] => {
      const seen: string[] = []
      let colouring: Parameters<typeof nextColouring>[0] = { by: 'cluster' }
      do {
        seen.push(colouring.by)
        colouring = nextColouring(colouring, levels, 'mlp:0')
      } while (colouring.by !== 'cluster')
      return seen
    }
    expect(through(['region', 'neighbourhood', 'cluster'])).toEqual([
      'cluster',
      'neighbourhood',
      'region',
      'subset',
      'status',
      'component'
    ])
    expect(through(['cluster'])).toEqual(['cluster', 'subset', 'status', 'component'])
  })
})
