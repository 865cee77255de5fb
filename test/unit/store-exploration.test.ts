import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { join } from 'node:path'
import type { AnnotationBody } from '../../preload/contract-annotations'
import { patternNames } from '../../preload/contract-explore'
import type { LevelDescription } from '../../preload/records'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import type { GalleryQuery } from '../../main/store/gallery'
import { writeSyntheticWorkspace } from '../bench/synthetic-workspace'
import {
  clusteringOf,
  components,
  matrixOf,
  neighboursOf,
  smallStudy,
  storeRun,
  temporaryFolder,
  texts,
  tokenText
} from './store-fixture'
import { description, groups, level, members, rows, tokens } from './small-clustering'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string

const gallery = async (
  cluster: number,
  query: Partial<GalleryQuery> = {},
  clustering = 1
): Promise<{ total: number; tokens: number[] }> => {
  const page = await workspace.getGallery(run, clustering, cluster, {
    stratum: 'central',
    seed: 1,
    offset: 0,
    limit: 100,
    before: 2,
    after: 2,
    ...query
  })
  return { total: page.total, tokens: page.tokens.map(({ token }) => token) }
}

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
  run = await storeRun(workspace, rows)
  await workspace.transaction(run, (writer) =>
    writer.saveClustering({ ...clusteringOf(tokens), name: 'not described' })
  )
  await workspace.saveDescription(run, 1, description())
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

const study = smallStudy(rows)
const idOf = (token: number): number => study.probe[Math.floor(token / 5)][1 + (token % 5)]

describe('an overview', () => {
  test('has every group with its counts, and what stands out of a described one', async () => {
    expect([await workspace.isDescribed(run, 1), await workspace.isDescribed(run, 2)]).toEqual([true, false])
    const { clusters, subsets } = await workspace.getOverview(run, 1)
    expect(subsets).toEqual(['code, "C"', 'law'])
    expect(
      clusters.map(({ cluster, kind, size, conductance, subset, purity }) => [
        cluster,
        kind,
        size,
        conductance,
        subset,
        purity
      ])
    ).toEqual([
      [0, 'cluster', 5, 0.25, 'code, "C"', 1],
      [1, 'cluster', 5, 0.5, 'law', 1],
      [-1, 'main body', 30, null, 'code, "C"', 0.5]
    ])
    const summaries = await workspace.getClusterSummaries(run, { clustering: 1, topTokens: 8 })
    clusters.forEach(({ distinctTokens, topTokens }, i) => {
      expect(distinctTokens).toBe(summaries[i].distinctTokens)
      expect(topTokens.map(({ id, text, count }) => [id, text, count])).toEqual(
        summaries[i].topTokens.map(({ id, text, count }) => [id, text, count])
      )
      topTokens.forEach(({ lift }, at) => expect(lift).toBeCloseTo(summaries[i].topTokens[at].lift, 5))
    })
    const profile = await workspace.getClusterProfile(run, 0, { clustering: 1 })
    const expected = components
      .map((component, column) => [component, profile.standardisedMean[column]] as const)
      .filter(([, mean]) => Math.abs(mean) >= 0.5)
      .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))
      .slice(0, 3)
    expect(clusters[0].standsOut.map(({ component }) => component)).toEqual(expected.map(([component]) => component))
    clusters[0].standsOut.forEach(({ standardisedMean }, i) => expect(standardisedMean).toBeCloseTo(expected[i][1], 4))
    const plain = await workspace.getOverview(run, 2)
    expect(plain.clusters).toEqual(clusters.map((entry) => ({ ...entry, standsOut: [] })))
  })

  test('of what is not there is refused', async () => {
    await expect(workspace.getOverview(run, 9)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('no clustering 9')
    })
    await expect(workspace.getOverview('none', 1)).rejects.toMatchObject({ kind: 'input' })
  })
})

describe('details of a cluster', () => {
  test('have profile, patterns, nearest clusters and lifts', async () => {
    const details = await workspace.getClusterDetails(run, 1, 0)
    const summary = await workspace.getClusterSummary(run, 0, { clustering: 1 })
    const profile = await workspace.getClusterProfile(run, 0, { clustering: 1 })
    expect(details).toMatchObject({
      conductanceWhenCut: 0.2,
      seed: 2,
      components,
      subsets: summary.subsets,
      nearest: [
        { cluster: -1, weight: 3, share: 0.75 },
        { cluster: 1, weight: 1, share: 0.25 }
      ]
    })
    expect(details.entry).toEqual((await workspace.getOverview(run, 1)).clusters[0])
    expect(details.topTokens.map(({ id }) => id)).toEqual(summary.topTokens.map(({ id }) => id))
    details.mean.forEach((mean, column) => expect(mean).toBeCloseTo(profile.mean[column], 5))
    details.standardisedMean.forEach((mean, column) => expect(mean).toBeCloseTo(profile.standardisedMean[column], 4))
    expect([...details.standardDeviation]).toEqual([0, 1, 2])
    expect(details.patterns.map(({ pattern }) => pattern)).toEqual(patternNames)
    expect(details.patterns.slice(0, 3)).toEqual([
      { pattern: patternNames[0], count: 5, lift: 1 },
      { pattern: patternNames[1], count: 0, lift: 0 },
      { pattern: patternNames[2], count: 5, lift: 8 }
    ])
    expect(await workspace.getClusterDetails(run, 1, -1)).toMatchObject({
      entry: { kind: 'main body', conductance: null },
      seed: null,
      nearest: [{ cluster: 1 }, { cluster: 0 }]
    })
    await expect(workspace.getClusterDetails(run, 1, 2)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no cluster 2')
    })
  })

  test('of any tokens are those of a cluster where they are its members, and name the clusters they are in', async () => {
    const details = await workspace.getClusterDetails(run, 1, 0)
    const members = await workspace.getClusterMembers(run, 0, { clustering: 1 })
    const summary = await workspace.getSelectionDetails(run, 1, members)
    expect(summary.entry).toEqual({ size: details.entry.size, distinctTokens: details.entry.distinctTokens })
    expect(summary.topTokens.map(({ id, count }) => [id, count])).toEqual(
      details.topTokens.map(({ id, count }) => [id, count])
    )
    expect(summary.subsets).toEqual(details.subsets)
    expect(summary.patterns.map(({ pattern }) => pattern)).toEqual(patternNames)
    expect(summary.rules.length).toBeGreaterThan(0)
    summary.mean.forEach((mean, column) => {
      expect(mean).toBeCloseTo(details.mean[column], 4)
      expect(summary.standardisedMean[column]).toBeCloseTo(details.standardisedMean[column], 3)
    })
    expect(summary.parts).toEqual([{ cluster: 0, count: members.length, share: 1, ofCluster: 1 }])
    const others = await workspace.getClusterMembers(run, 1, { clustering: 1 })
    const mixed = Int32Array.of(members[0], members[1], others[0])
    const { parts, entry } = await workspace.getSelectionDetails(run, 1, mixed)
    expect(entry.size).toBe(3)
    expect(parts.map(({ cluster, count }) => [cluster, count])).toEqual([
      [0, 2],
      [1, 1]
    ])
    expect(parts[1].ofCluster).toBeCloseTo(1 / others.length)
    const refused = { kind: 'input', message: expect.stringContaining('has no token 100000') }
    await expect(workspace.getSelectionDetails(run, 1, Int32Array.of(100_000))).rejects.toMatchObject(refused)
    await expect(workspace.getSelectionDetails(run, 1, new Int32Array(0))).rejects.toMatchObject({ kind: 'input' })
  })

  test('of a clustering that is not described are those that can be counted', async () => {
    const { entry, topTokens, subsets } = await workspace.getClusterDetails(run, 1, 1)
    expect(await workspace.getClusterDetails(run, 2, 1)).toMatchObject({
      entry: { ...entry, standsOut: [] },
      topTokens,
      subsets,
      components: [],
      nearest: [],
      patterns: [],
      seed: 7
    })
  })
})

describe('a gallery', () => {
  test('goes from the middle outwards, in pages, in contexts', async () => {
    expect(await gallery(0)).toEqual({ total: 5, tokens: [4, 3, 2, 1, 0] })
    expect(await gallery(-1, { offset: 3, limit: 2 })).toEqual({ total: 30, tokens: [36, 35] })
    expect(await gallery(-1, { offset: 40 })).toEqual({ total: 30, tokens: [] })
    const page = await workspace.getGallery(run, 1, 1, {
      stratum: 'central',
      seed: 1,
      offset: 0,
      limit: 1,
      before: 2,
      after: 2
    })
    expect(page.tokens).toEqual(
      (await workspace.getTokens(run, [9], { before: 2, after: 2 })).map((token) => ({
        ...token,
        boundary: Math.fround(0.1),
        strength: null
      }))
    )
    expect(page.tokens[0]).toMatchObject({
      row: 1,
      position: 5,
      id: idOf(9),
      text: texts[idOf(9)],
      before: [texts[6], texts[7]],
      after: [],
      subset: 'law',
      file: 'b.jsonl',
      record: 6
    })
  })

  test('draws by its seed, the same every time, every token once', async () => {
    const first = await gallery(-1, { stratum: 'random', seed: 5 })
    expect([...first.tokens].sort((a, b) => a - b)).toEqual(members(-1))
    expect(first.tokens).not.toEqual(members(-1))
    expect(await gallery(-1, { stratum: 'random', seed: 5 })).toEqual(first)
    expect(await gallery(-1, { stratum: 'random', seed: 5, offset: 10, limit: 5 })).toEqual({
      total: 30,
      tokens: first.tokens.slice(10, 15)
    })
    expect((await gallery(-1, { stratum: 'random', seed: 6 })).tokens).not.toEqual(first.tokens)
    expect((await gallery(-1, { stratum: 'random', seed: Number.MAX_SAFE_INTEGER })).tokens).toHaveLength(30)
  })

  test('shows the boundary, what leads to another cluster, and the order of the corpus', async () => {
    expect(await gallery(0, { stratum: 'boundary' })).toEqual({ total: 5, tokens: [3, 0, 1, 2, 4] })
    expect(await gallery(0, { stratum: 'toward', toward: 1 })).toEqual({ total: 2, tokens: [3, 0] })
    expect(await gallery(1, { stratum: 'toward' })).toEqual({ total: 2, tokens: [9, 6] })
    expect(await gallery(0, { stratum: 'toward', toward: -1 })).toEqual({ total: 0, tokens: [] })
    expect(await gallery(1, { stratum: 'order' })).toEqual({ total: 5, tokens: [5, 6, 7, 8, 9] })
  })

  test('keeps to one token id, or to one subset', async () => {
    const id = idOf(12)
    const same = members(-1).filter((token) => idOf(token) === id)
    expect(await gallery(-1, { stratum: 'order', tokenId: id })).toEqual({ total: same.length, tokens: same })
    const law = members(-1).filter((token) => Math.floor(token / 5) % 2 === 1)
    expect(await gallery(-1, { stratum: 'order', subset: 'law' })).toEqual({ total: law.length, tokens: law })
    expect(await gallery(-1, { stratum: 'boundary', subset: 'law', tokenId: id })).toEqual({
      total: same.filter((token) => law.includes(token)).length,
      tokens: expect.any(Array)
    })
    expect(await gallery(-1, { subset: 'none such' })).toEqual({ total: 0, tokens: [] })
  })

  test('of a clustering that is not described has no boundary, and its tokens in order', async () => {
    expect(await gallery(0, { stratum: 'central' }, 2)).toEqual({ total: 5, tokens: [0, 1, 2, 3, 4] })
    expect(await gallery(-1, { stratum: 'order', subset: 'law' }, 2)).toEqual(
      await gallery(-1, { stratum: 'order', subset: 'law' })
    )
    expect(await gallery(-1, { stratum: 'random', seed: 3 }, 2)).toEqual(
      await gallery(-1, { stratum: 'random', seed: 3 })
    )
    const page = await workspace.getGallery(run, 2, 0, {
      stratum: 'boundary',
      seed: 1,
      offset: 0,
      limit: 9,
      before: 0,
      after: 0
    })
    expect(page.tokens.map(({ boundary }) => boundary)).toEqual([null, null, null, null, null])
    await expect(gallery(5, {}, 2)).rejects.toMatchObject({ kind: 'input' })
  })
})

describe('a search', () => {
  const having = (test_: (text: string) => boolean): number[] =>
    [-1, 0, 1].filter((cluster) => members(cluster).some((token) => test_(texts[idOf(token)])))

  test('finds clusters by what their tokens contain, or match', async () => {
    for (const clustering of [1, 2]) {
      for (const text of ['naïve', '"', '😀', 'NULL', '\n', 'zebra', '%']) {
        expect([text, ...(await workspace.searchClusters(run, clustering, text, false))]).toEqual([
          text,
          ...having((each) => each.includes(text))
        ])
      }
      for (const expression of ['^\\s+$', '^[a-z]+$', 'na.ve', '"', '^$']) {
        expect([expression, ...(await workspace.searchClusters(run, clustering, expression, true))]).toEqual([
          expression,
          ...having((each) => new RegExp(expression).test(each))
        ])
      }
    }
    expect([...(await workspace.searchClusters(run, 1, 'NA', false))]).toEqual([])
  })

  test('finds clusters by what is said of them, or of the merge that they are in', async () => {
    const body: AnnotationBody = {
      name: '',
      note: '',
      tags: [],
      confidence: null,
      status: 'labelled',
      blindTest: null,
      author: 'A',
      changedAt: new Date(0).toISOString()
    }
    const find = async (source: string): Promise<number[]> => [
      ...(await workspace.searchClusters(run, 2, source, true))
    ]
    expect(await find('^qq')).toEqual([])
    await workspace.applyAnnotations({
      run,
      clustering: 2,
      words: 'label',
      author: 'A',
      edits: [
        { target: 'cluster:1', after: { ...body, name: 'qq name', note: 'word '.repeat(12) } },
        { target: 'merge:1', after: { ...body, tags: ['qqtag'], clusters: [0, -1] } }
      ]
    })
    expect([await find('^qq'), await find('^qq n'), await find('qqt')]).toEqual([[-1, 0, 1], [1], [-1, 0]])
    const message = expect.stringMatching(/took more than 2 s and was stopped; make it simpler/)
    await expect(find('(\\w+ ?)+:')).rejects.toMatchObject({ kind: 'input', message })
    expect(await find('qqt')).toEqual([-1, 0])
  })

  test('says where a regular expression is wrong', async () => {
    const message = expect.stringMatching(/regular expression \[a cannot be read \(.+\); correct it/)
    await expect(workspace.searchClusters(run, 1, '[a', true)).rejects.toMatchObject({ kind: 'input', message })
  })

  test('finds tokens by their own text, in order', async () => {
    const all = Array.from({ length: tokens }, (_, token) => token).filter((token) => texts[idOf(token)].includes('e'))
    expect([...(await workspace.findTokens(run, 'e', 1000))]).toEqual(all)
    expect([...(await workspace.findTokens(run, 'e', 2))]).toEqual(all.slice(0, 2))
  })
})

describe('columns of tokens', () => {
  test('are given whole', async () => {
    expect([...(await workspace.getColumn(run, components[1]))]).toEqual(
      [...matrixOf(tokens)].filter((_, at) => at % components.length === 1)
    )
    await expect(workspace.getColumn(run, 'head:9.9')).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no component head:9.9; it has embed')
    })
    expect([...(await workspace.getSubsetIndices(run))]).toEqual(
      Array.from({ length: tokens }, (_, token) => Math.floor(token / 5) % 2)
    )
    const { ids, texts: known } = await workspace.getTexts(run)
    expect(Array.from(ids, (id, i) => [id, known[i]])).toEqual(texts.map((text, id) => [id, text]))
  })

  test('of one token have its cluster and χ̂', async () => {
    const details = await workspace.getTokenDetails(run, 1, 7, { before: 1, after: 1 })
    const [inContext] = await workspace.getTokens(run, [7], { before: 1, after: 1 })
    expect(details).toEqual({
      ...inContext,
      cluster: 1,
      susceptibilities: matrixOf(tokens).slice(21, 24),
      standardErrors: matrixOf(tokens, 0.1).slice(21, 24)
    })
    await expect(workspace.getTokenDetails(run, 1, tokens)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining(`no token ${tokens}`)
    })
  })

  test('lay tokens out, by preprocessing, and are replaced', async () => {
    expect(await workspace.getLayout(run, false)).toBeUndefined()
    for (const scale of [1, 2]) {
      const positions = new Float32Array(new SharedArrayBuffer(8 * tokens)).map((_, at) => scale * at)
      await workspace.saveLayout(run, false, { method: `scale ${scale}`, positions })
      const stored = await workspace.getLayout(run, false)
      expect([stored?.method, ...(stored?.positions ?? [])]).toEqual([`scale ${scale}`, ...positions])
    }
    expect(await workspace.getLayout(run, true)).toBeUndefined()
    await expect(workspace.saveLayout(run, true, { method: 'short', positions: new Float32Array(8) })).rejects.toThrow(
      'a layout of 4 tokens was given, but the study has 40'
    )
  })
})

test('the layout and the heat map of clusters follow the description', async () => {
  expect(await workspace.getClusterLayout(run, 1)).toEqual({
    clusters: Int32Array.of(0, 1, -1),
    positions: Float32Array.of(1, 2, 3, 4, 5, 6),
    from: Int32Array.of(-1, -1, 0),
    to: Int32Array.of(0, 1, 1),
    weights: Float64Array.of(3, 5, 1)
  })
  const map = await workspace.getHeatMap(run, 1, 2)
  expect([[...map.clusters], [...map.sizes], map.components]).toEqual([[0, -1], [5, 30], components])
  expect([...map.values]).toEqual([
    ...(await workspace.getClusterDetails(run, 1, 0)).standardisedMean,
    ...(await workspace.getClusterDetails(run, 1, -1)).standardisedMean
  ])
  for (const refused of [() => workspace.getClusterLayout(run, 2), () => workspace.getHeatMap(run, 2, 9)])
    await expect(refused()).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('not described yet')
    })
})

describe('edges', () => {
  // Token i lists i+1, i+2, i+3 at 0.5, 1.5, 2.5.
  const { indices, distances } = neighboursOf(tokens, 3)
  const expected = (k: number, wanted: readonly number[]): Map<string, number> => {
    const edges = new Map<string, number>()
    for (let token = 0; token < tokens; token++) {
      for (let at = 0; at < k; at++) {
        const other = indices[token * 3 + at]
        if (wanted.includes(token) || wanted.includes(other))
          edges.set(
            `${Math.min(token, other)} ${Math.max(token, other)}`,
            Math.fround(Math.exp(-(distances[token * 3 + at] ** 2) / distances[k - 1] ** 2))
          )
      }
    }
    return edges
  }

  test('touch the tokens from either side, heaviest first', async () => {
    for (const k of [2, 3]) {
      const { from, to, weights, cut } = await workspace.getEdges(run, 0, k, Int32Array.of(0, 20), 100)
      expect(new Map(Array.from(from, (token, i) => [`${token} ${to[i]}`, weights[i]]))).toEqual(expected(k, [0, 20]))
      expect(cut).toBe(false)
      expect([...weights]).toEqual([...weights].sort((a, b) => b - a))
    }
    const few = await workspace.getEdges(run, 0, 3, Int32Array.of(0, 20), 3)
    expect([few.from.length, few.cut]).toEqual([3, true])
    expect((await workspace.getEdges(run, 0, 3, new Int32Array(0), 3)).from).toHaveLength(0)
  })

  test('need each side to list the other in a mutual graph, and neighbours of that preprocessing', async () => {
    expect((await workspace.getEdges(run, 0, 3, Int32Array.of(0), 100, 'mutual')).from).toHaveLength(0)
    await expect(workspace.getEdges(run, 1, 3, Int32Array.of(0), 100)).rejects.toMatchObject({ kind: 'input' })
    await expect(workspace.getEdges(run, 0, 4, Int32Array.of(0), 100)).rejects.toMatchObject({ kind: 'input' })
  })
})

describe('a description', () => {
  test('that does not fit leaves the one there was', async () => {
    const refused = (changes: Partial<LevelDescription>): Promise<void> =>
      workspace.saveDescription(run, 1, description(changes))
    await expect(refused({ boundary: new Float32Array(3) })).rejects.toThrow(
      '3 boundary shares was given, but there are 40'
    )
    await expect(refused({ groups: Int32Array.of(1, 0, -1) })).rejects.toThrow('another order')
    await expect(refused({ centralPlace: new Int32Array(tokens) })).rejects.toThrow('the same place')
    await expect(refused({ membership: new Int32Array(tokens) })).rejects.toThrow('other members of every cluster')
    await expect(refused({ rules: [] })).rejects.toThrow('0 lists of rules was given, but there are 3')
    await expect(workspace.saveDescription(run, 1, { ...description(), patterns: new Int32Array(2) })).rejects.toThrow(
      '2 patterns was given'
    )
    const above = {
      ...level(),
      kind: 'region' as const,
      membership: new Int32Array(tokens).fill(-1),
      groups: new Int32Array(0),
      means: new Float32Array(0)
    }
    const twoLevels = { ...above, standardDeviations: new Float32Array(0), positions: new Float32Array(0), rules: [] }
    await expect(workspace.saveDescription(run, 1, { ...description(), levels: [level(), twoLevels] })).rejects.toThrow(
      'a description of cluster, region was given'
    )
    expect((await gallery(0)).tokens).toEqual([4, 3, 2, 1, 0])
  })

  test('replaces the one there was, and goes with its clustering', async () => {
    const { number } = await workspace.transaction(run, (writer) => writer.saveClustering(clusteringOf(tokens)))
    await workspace.saveDescription(run, number, description())
    expect((await gallery(0, {}, number)).tokens).toEqual([4, 3, 2, 1, 0])
    const ascending = description()
    for (const cluster of groups)
      members(cluster).forEach((token, at) => (ascending.levels[0].centralPlace[token] = at))
    await workspace.saveDescription(run, number, ascending)
    expect((await gallery(0, {}, number)).tokens).toEqual([0, 1, 2, 3, 4])
    expect((await workspace.getClusterLayout(run, number)).clusters).toHaveLength(3)
    await workspace.deleteClustering(run, number)
    await expect(workspace.isDescribed(run, number)).rejects.toMatchObject({ kind: 'input' })
    expect((await gallery(0)).tokens).toEqual([4, 3, 2, 1, 0])
  })

  test('fits a run without a matrix and without a tokenizer, as an imported one is', async () => {
    const { id } = await workspace.createRun({
      name: 'imported',
      baseFolder: '/',
      configuration: (await workspace.getRun(run)).configuration
    })
    await workspace.transaction(id, async (writer) => {
      await writer.saveStudy(study, null)
      await writer.saveClustering(clusteringOf(tokens))
    })
    await workspace.saveDescription(
      id,
      1,
      description({ means: new Float32Array(0), standardDeviations: new Float32Array(0) })
    )
    expect(await workspace.getClusterDetails(id, 1, 0)).toMatchObject({
      entry: {
        standsOut: [],
        topTokens: expect.arrayContaining([{ id: 1, text: '⟨1⟩', count: 1, lift: expect.any(Number) }])
      },
      components: []
    })
    expect((await workspace.getTokenDetails(id, 1, 0)).susceptibilities).toHaveLength(0)
    expect([...(await workspace.searchClusters(id, 1, '⟨1⟩', false))]).toEqual(
      [-1, 0, 1].filter((cluster) => members(cluster).some((token) => idOf(token) === 1))
    )
    await workspace.deleteRun(id)
  })
})

test('what was read before is not remembered once it was replaced', async () => {
  const before = await workspace.getGallery(run, 1, 0, {
    stratum: 'order',
    seed: 1,
    offset: 0,
    limit: 1,
    before: 0,
    after: 0
  })
  expect(before.tokens[0].text).toBe(tokenText(1))
  await workspace.transaction(run, (writer) => writer.saveStudy(study, (id) => `<${id}>`))
  const after = await workspace.getGallery(run, 1, 0, {
    stratum: 'order',
    seed: 1,
    offset: 0,
    limit: 1,
    before: 0,
    after: 0
  })
  expect(after.tokens[0].text).toBe('<1>')
  await workspace.transaction(run, (writer) => writer.saveStudy(study, tokenText))
})

test('a token in its context has whole characters, and not the space that its tokenizer put before a document', async () => {
  const { provenance } = await workspace.getRun(run)
  await workspace.updateRun(run, { provenance: { ...provenance, tokenizerPrefix: ' ' } })
  const words = Array.from({ length: 10 }, (_, id) => ` ${id}`)
  words.splice(1, 2, ' caf\\xC3', '\\xA9')
  await workspace.transaction(run, (writer) => writer.saveStudy(study, (id) => words[id]))
  const [second, third] = await workspace.getTokens(run, [1, 2], { before: 9, after: 9 })
  expect(second).toMatchObject({ before: ['0', ' caf'], text: 'é⟨2/2⟩', after: ['3', ' 4', ' 5'] })
  expect(third).toMatchObject({ before: ['0', ' café', ''], text: '3', after: [' 4', ' 5'] })
  await workspace.updateRun(run, { provenance })
  await workspace.transaction(run, (writer) => writer.saveStudy(study, tokenText))
})

test('a synthetic workspace hangs together', async () => {
  const {
    folder,
    run: made,
    clustering,
    tokens: count
  } = await writeSyntheticWorkspace(join(place.folder, 'synthetic'), {
    tokens: 3000,
    clusters: 12,
    rowLength: 32,
    components: 8,
    k: 5
  })
  const synthetic = await openWorkspace(folder)
  const { clusters, subsets } = await synthetic.getOverview(made, clustering)
  expect(clusters.reduce((sum, { size }) => sum + size, 0)).toBe(count)
  expect(clusters).toHaveLength(13)
  expect(subsets).toHaveLength(15)
  const membership = await synthetic.getMembership(made, { clustering })
  for (const { cluster, size } of clusters) {
    const page = await synthetic.getGallery(made, clustering, cluster, {
      stratum: 'central',
      seed: 1,
      offset: 0,
      limit: 1000,
      before: 4,
      after: 4
    })
    expect(page.total).toBe(size)
    expect(page.tokens.every(({ token }) => membership[token] === cluster)).toBe(true)
  }
  expect((await synthetic.getLayout(made, false))?.positions).toHaveLength(2 * count)
  expect(await synthetic.getNeighbours(made, 5, 0)).toBeDefined()
  expect((await synthetic.getRun(made)).status).toBe('finished')
  await synthetic.close()
})
