import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import type { NewClustering, NewGroup } from '../../preload/records'
import type { GalleryQuery } from '../../main/store/gallery'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import {
  components,
  smallStudy,
  storeRun,
  temporaryFolder,
  texts,
  treeDescription,
  treeOf,
  treeRules,
  value
} from './store-fixture'
import { nameOfRule } from '../../preload/token-names'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string

const tokens = 20
const tree = treeOf(tokens)

/** Clustering 1 is described, clustering 2 is not. */
beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  run = await storeRun(workspace, 4, tree)
  await workspace.saveDescription(run, 1, treeDescription(tokens))
  await workspace.transaction(run, (writer) => writer.saveClustering({ ...tree, name: 'not described' }))
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

const gallery = async (
  cluster: number,
  query: Partial<GalleryQuery>,
  clustering = 1
): Promise<{ total: number; tokens: number[]; strengths: (number | null)[] }> => {
  const page = await workspace.getGallery(run, clustering, cluster, {
    stratum: 'central',
    seed: 1,
    offset: 0,
    limit: 100,
    before: 0,
    after: 0,
    ...query
  })
  return {
    total: page.total,
    tokens: page.tokens.map(({ token }) => token),
    strengths: page.tokens.map(({ strength }) => strength)
  }
}

describe('a tree of clusters', () => {
  test('is read back with its stability, modularity and sweep', async () => {
    const { name, configuration, stability, modularity, sweep, attempts } = tree
    const [record] = (await workspace.getRun(run)).clusterings
    expect(record).toMatchObject({
      number: 1,
      name,
      configuration,
      attempts,
      clusters: 4,
      groupsAbove: 2,
      leftoverKind: 'unclustered',
      leftoverSize: 4
    })
    expect([record.stability, record.modularity, record.sweep]).toEqual([stability, modularity, sweep])
    const { nodes } = await workspace.getTree(run, { clustering: 1 })
    expect(nodes).toEqual(tree.clusters.map(({ kind, parent }) => ({ kind, parent })))
  })

  test('has members at every level, and every token once at the lowest', async () => {
    const at = async (level: 'cluster' | 'neighbourhood' | 'region'): Promise<string> =>
      (await workspace.getMembership(run, { clustering: 1, level })).join(' ')
    expect(await at('cluster')).toBe('0 0 0 0 0 1 1 1 1 1 2 2 2 3 3 3 -1 -1 -1 -1')
    expect(await at('neighbourhood')).toBe(`${'4 '.repeat(10)}${'-1 '.repeat(10)}`.trim())
    expect(await at('region')).toBe(`${'5 '.repeat(13)}${'-1 '.repeat(7)}`.trim())
    expect((await workspace.getMembership(run, { clustering: 1 })).join(' ')).toBe(await at('cluster'))
    for (const { order, members } of tree.clusters)
      expect(await workspace.getClusterMembers(run, order, { clustering: 1 })).toEqual(members)
    expect((await workspace.getTokenDetails(run, 1, 7)).cluster).toBe(1)
    expect((await workspace.getTokenDetails(run, 1, 17)).cluster).toBe(-1)
  })

  test('has a strength for each member at every level, and none for what is left over', async () => {
    for (const level of ['cluster', 'neighbourhood', 'region'] as const) {
      const expected = new Float32Array(tokens).fill(Number.NaN)
      for (const { kind, members, strengths } of tree.clusters)
        if (kind === level) members.forEach((token, at) => (expected[token] = strengths![at]))
      expect(await workspace.getStrengths(run, { clustering: 1, level })).toEqual(expected)
    }
    const split = await storeRun(workspace)
    expect(await workspace.getStrengths(split)).toEqual(new Float32Array(0))
    expect((await workspace.getClusterDetails(split, 1, 0)).core).toBeNull()
    await workspace.deleteRun(split)
  })

  test('is summarised group by group, with best rules where it is described', async () => {
    const summaries = await workspace.getClusterSummaries(run, { clustering: 1, topTokens: 2 })
    expect(
      summaries.map(({ cluster, kind, parent, size, stability, conductanceWhenCut, seed }) => [
        cluster,
        kind,
        parent,
        size,
        stability,
        conductanceWhenCut,
        seed
      ])
    ).toEqual([
      ...tree.clusters.map(({ order, kind, parent, members, stability }) => [
        order,
        kind,
        parent,
        members.length,
        stability,
        null,
        null
      ]),
      [-1, 'unclustered', null, 4, null, null, null]
    ])
    expect(summaries.map(({ rule, uncaught }) => [rule, uncaught])).toEqual([
      ...tree.clusters.map(({ order, members }) => [
        treeRules(order)[0],
        members.filter((token) => token % 3 === 0).length
      ]),
      [null, null]
    ])
    const region = summaries[5]
    expect(region.subsets.map(({ subset, count }) => [subset, count])).toEqual([
      ['code, "C"', 8],
      ['law', 5]
    ])
    const plain = await workspace.getClusterSummaries(run, { clustering: 2, topTokens: 2 })
    expect(plain).toEqual(summaries.map((summary) => ({ ...summary, rule: null, uncaught: null })))
    expect(await workspace.getClusterSummary(run, 5, { clustering: 1, topTokens: 2 })).toEqual(region)
    await expect(workspace.getClusterSummary(run, 6, { clustering: 1 })).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no cluster 6; it has 0 to 3, and groups above them up to 5')
    })
  })

  test('is overviewed by number, what is left over last', async () => {
    const { clusters } = await workspace.getOverview(run, 1)
    expect(
      clusters.map(({ cluster, kind, parent, size, stability, ruleF1, ruleName }) => [
        cluster,
        kind,
        parent,
        size,
        stability,
        ruleF1,
        ruleName
      ])
    ).toEqual([
      ...tree.clusters.map(({ order, kind, parent, members, stability }) => [
        order,
        kind,
        parent,
        members.length,
        stability,
        treeRules(order)[0].f1,
        nameOfRule(treeRules(order)[0]) ?? null
      ]),
      [-1, 'unclustered', null, 4, null, null, null]
    ])
    expect(new Set(clusters.map(({ ruleName }) => ruleName))).toContain('before “,” in law')
    const plain = await workspace.getOverview(run, 2)
    expect(plain.clusters).toEqual(clusters.map((entry) => ({ ...entry, ruleF1: null, ruleName: null, standsOut: [] })))
  })

  test('has details of a group above as of a cluster, with lifts over all tokens', async () => {
    const details = await workspace.getClusterDetails(run, 1, 5)
    const summary = await workspace.getClusterSummary(run, 5, { clustering: 1, topTokens: 60 })
    expect(details).toMatchObject({
      conductanceWhenCut: null,
      seed: null,
      rules: treeRules(5),
      uncaught: 5,
      subsets: summary.subsets
    })
    expect(details.topTokens.map(({ id, count }) => [id, count])).toEqual(
      summary.topTokens.map(({ id, count }) => [id, count])
    )
    expect(details.core).toBe(tree.clusters[5].strengths!.filter((strength) => strength >= 0.5).length)
    const mean = components.map(
      (_, column) => Array.from({ length: 13 }, (__, token) => value(token, column)).reduce((a, b) => a + b) / 13
    )
    details.mean.forEach((each, column) => expect(each).toBeCloseTo(mean[column], 5))
    expect(details.patterns.slice(0, 3).map(({ count }) => count)).toEqual([13, 0, 13])
    expect(details.patterns[2].lift).toBeCloseTo(20 / 13, 12)
    expect(await workspace.getClusterDetails(run, 1, -1)).toMatchObject({
      core: null,
      rules: [],
      uncaught: 0,
      entry: { stability: null }
    })
    expect(await workspace.getClusterDetails(run, 2, 5)).toMatchObject({
      rules: [],
      uncaught: 0,
      core: details.core,
      entry: { ...details.entry, ruleF1: null, ruleName: null, standsOut: [] }
    })
  })

  test('has its strongest and weakest members, and those that no rule catches, at every level', async () => {
    for (const cluster of [0, 4, 5]) {
      const { members, strengths } = tree.clusters[cluster]
      const ascending = [...members]
      expect(await gallery(cluster, { stratum: 'core' })).toEqual({
        total: ascending.length,
        tokens: ascending,
        strengths: [...strengths!]
      })
      expect(await gallery(cluster, { stratum: 'edge' })).toMatchObject({
        total: ascending.length,
        tokens: [...ascending].reverse()
      })
      expect(await gallery(cluster, { stratum: 'edge', limit: 2, offset: 1 })).toMatchObject({
        total: ascending.length,
        tokens: [...ascending].reverse().slice(1, 3)
      })
      const uncaught = [...ascending].reverse().filter((token) => token % 3 === 0)
      expect(await gallery(cluster, { stratum: 'exceptions' })).toMatchObject({
        total: uncaught.length,
        tokens: uncaught
      })
    }
    const law = [...tree.clusters[5].members]
      .reverse()
      .filter((token) => token % 3 === 0 && Math.floor(token / 5) % 2 === 1)
    expect(await gallery(5, { stratum: 'exceptions', subset: 'law' })).toMatchObject({ total: law.length, tokens: law })
    expect(await gallery(-1, { stratum: 'exceptions' })).toMatchObject({ total: 0, tokens: [] })
    expect(await gallery(-1, { stratum: 'core' })).toEqual({
      total: 4,
      tokens: [19, 18, 17, 16],
      strengths: [null, null, null, null]
    })
  })

  test('has galleries without a description, too, but no exceptions', async () => {
    const { members, strengths } = tree.clusters[4]
    expect(await gallery(4, { stratum: 'core' }, 2)).toEqual({
      total: 10,
      tokens: [...members],
      strengths: [...strengths!]
    })
    expect(await gallery(4, { stratum: 'exceptions' }, 2)).toMatchObject({ total: 0, tokens: [] })
  })

  test('is searched at every level', async () => {
    const ids = smallStudy().probe.flatMap((row) => [...row.subarray(1)])
    for (const clustering of [1, 2]) {
      for (const text of ['naïve', '"', '😀', 'NULL']) {
        const having = (members: Int32Array): boolean => members.some((token) => texts[ids[token]].includes(text))
        const expected = [
          ...(having(tree.leftover.members) ? [-1] : []),
          ...tree.clusters.filter(({ members }) => having(members)).map(({ order }) => order)
        ]
        expect([...(await workspace.searchClusters(run, clustering, text, false))]).toEqual(expected)
      }
    }
  })

  test('is laid out with all groups and edges between clusters, and its heat map has clusters only', async () => {
    const layout = await workspace.getClusterLayout(run, 1)
    expect([...layout.clusters]).toEqual([0, 1, 2, 3, 4, 5, -1])
    expect([...layout.positions]).toEqual([0, -0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, -1, 1])
    expect([[...layout.from], [...layout.to], [...layout.weights]]).toEqual([
      [-1, 0, 1],
      [0, 1, 2],
      [1, 3, 2]
    ])
    const map = await workspace.getHeatMap(run, 1, 3)
    expect([[...map.clusters], [...map.sizes]]).toEqual([
      [0, 1, -1],
      [5, 5, 4]
    ])
  })

  test('has labels at every level, which are counted for its clusters only', async () => {
    const body = (name: string, clusters?: number[]) => ({
      name,
      note: '',
      tags: [],
      confidence: null,
      status: 'labelled' as const,
      blindTest: null,
      author: 'Ada',
      changedAt: '2026-11-20T10:00:00.000Z',
      ...(clusters && { clusters })
    })
    const apply = (target: `cluster:${number}` | `merge:${number}`, clusters?: number[]) =>
      workspace.applyAnnotations({
        run,
        clustering: 1,
        words: 'label',
        author: 'Ada',
        edits: [{ target, after: body(target, clusters) }]
      })
    for (const target of ['cluster:3', 'cluster:4', 'cluster:5', 'cluster:-1'] as const) await apply(target)
    await apply('merge:1', [0, 1])
    await apply('merge:2', [4, 5])
    expect((await workspace.getAnnotations(run, 1)).map(({ target }) => target)).toEqual([
      'cluster:-1',
      'cluster:3',
      'cluster:4',
      'cluster:5',
      'merge:1',
      'merge:2'
    ])
    expect(await workspace.countLabels()).toEqual([{ run, clustering: 1, counts: { labelled: 3 } }])
    await expect(apply('cluster:6')).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no cluster 6')
    })
    while ((await workspace.getUndoState()).undo !== null) await workspace.undo()
    expect(await workspace.getAnnotations(run, 1)).toEqual([])
  })
})

describe('a clustering that does not hang together', () => {
  const saved = (changes: Partial<NewClustering>): Promise<unknown> =>
    workspace.transaction(run, (writer) => writer.saveClustering({ ...tree, ...changes }))
  const withGroup = (order: number, changes: Partial<NewGroup>): Partial<NewClustering> => ({
    clusters: tree.clusters.map((group) => (group.order === order ? { ...group, ...changes } : group))
  })

  test.each<[string, Partial<NewClustering>, string]>([
    ['lacks a token', { leftover: { ...tree.leftover, members: Int32Array.of(16, 17, 18) } }, 'lacks token 19 of 20'],
    [
      'has a token twice',
      { leftover: { ...tree.leftover, members: Int32Array.of(3, 16, 17, 18, 19) } },
      'has token 3 twice'
    ],
    [
      'has a token that is not there',
      { leftover: { ...tree.leftover, members: Int32Array.of(16, 17, 18, 19, 20) } },
      'token 20'
    ],
    [
      'has a group above without one of its tokens',
      withGroup(5, { members: tree.clusters[4].members, strengths: null }),
      'region 5 does not have just the tokens'
    ],
    ['has a parent that is not there', withGroup(3, { parent: 9 }), 'group 9, which does not exist'],
    ['has a parent that is no coarser', withGroup(3, { parent: 2 }), 'group 3, a cluster, is in group 2, a cluster'],
    [
      'has a region in a neighbourhood',
      withGroup(5, { parent: 4 }),
      'group 5, a region, is in group 4, a neighbourhood'
    ],
    [
      'has a cluster after a group above',
      withGroup(2, { kind: 'region', parent: null }),
      'group 3 is a cluster and comes after a region'
    ],
    ['has its groups out of order', { clusters: [...tree.clusters].reverse() }, 'out of order'],
    ['has too few strengths', withGroup(0, { strengths: Float32Array.of(1) }), 'group 0 has 1 strengths for 5 members']
  ])('is not stored: it %s', async (_, changes, message) => {
    await expect(saved(changes)).rejects.toThrow(message)
    expect((await workspace.getRun(run)).clusterings).toHaveLength(2)
  })
})
