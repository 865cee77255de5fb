import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { neighboursKey } from '../../preload/clustering-configuration'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openWorkspace } from '../../main/store/store'
import type { Provenance } from '../../preload/records'
import type { Workspace } from '../../main/store/store'
import {
  clusteringOf,
  components,
  diagnostic,
  matrixOf,
  neighboursOf,
  newRun,
  smallStudy,
  storeRun,
  temporaryFolder,
  texts,
  tokenText
} from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace

beforeEach(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
})

afterEach(async () => {
  await workspace.close()
  await place.remove()
})

describe('runs', () => {
  test('are created, found, renamed, changed and listed, across a reopening', async () => {
    const first = await workspace.createRun(newRun('first'))
    const second = await workspace.createRun(newRun('second'))
    expect(first).toMatchObject({
      name: 'first',
      status: 'pending',
      stage: null,
      tokens: 0,
      components: [],
      initialLoss: null,
      error: null,
      clusterings: [],
      provenance: { seed: 7 }
    })
    expect(first.id).toMatch(/^\d{8}-\d{6}-[0-9a-z]{4}$/)
    expect(first.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(first.configuration).toEqual(newRun().configuration)
    await workspace.updateRun(first.id, {
      status: 'running',
      stage: 'sample',
      startedAt: '2026-01-02T03:04:05.678Z',
      provenance: { modelHash: 'm' }
    })
    await workspace.updateRun(first.id, { status: 'failed', error: 'It is "broken".', stage: null })
    await workspace.renameRun(second.id, "third's")
    await workspace.close()
    workspace = await openWorkspace(workspace.folder)
    const [a, b] = await workspace.listRuns()
    expect(a).toMatchObject({
      id: first.id,
      status: 'failed',
      stage: null,
      error: 'It is "broken".',
      startedAt: '2026-01-02T03:04:05.678Z',
      provenance: { seed: 7, modelHash: 'm' }
    })
    expect(b.name).toBe("third's")
    const earlier = { folder: 'shards', set: 's', pieces: [] } as object
    await workspace.updateRun(first.id, { provenance: { gathered: earlier } as Provenance })
    expect((await workspace.findRun(first.id)).provenance.gathered).toEqual({ folder: 'shards', set: 's', shards: [] })
    for (const text of [second.id, "third's", 'latest']) expect((await workspace.findRun(text)).id).toBe(second.id)
    await expect(workspace.findRun('2')).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('matches 2 runs')
    })
    await expect(workspace.findRun('none')).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('no run "none"')
    })
    await expect(workspace.getRun('none')).rejects.toMatchObject({ kind: 'input' })
  })

  test('give back what their stages stored', async () => {
    const id = await storeRun(workspace)
    const run = await workspace.getRun(id)
    expect(run).toMatchObject({ tokens: 20, probeRows: 4, components, initialLoss: 2.5 })
    expect(run.stages.map(({ stage, seconds }) => [stage, seconds])).toEqual([
      ['prepare', 1],
      ['sample', 2.5],
      ['neighbours', 1],
      ['cluster', 1]
    ])
    expect(run.stages[1].engine?.name).toBe('onnx-cpu')
    expect(run.clusterings).toMatchObject([
      {
        number: 1,
        name: 'k = 3',
        clusters: 2,
        leftoverKind: 'main body',
        leftoverSize: 10,
        volume: 61.5,
        attempts: 203,
        ending: '200 rejections in a row'
      }
    ])
    expect(await workspace.getStudy(id)).toEqual(smallStudy())
    const matrix = await workspace.getSusceptibilities(id)
    expect(matrix).toMatchObject({ tokens: 20, components })
    expect([...matrix.susceptibilities]).toEqual([...matrixOf(20)])
    expect([...matrix.standardErrors]).toEqual([...matrixOf(20, 0.1)])
    expect([...(await workspace.readSusceptibilities(id, 18, 10)).susceptibilities]).toEqual([
      ...matrixOf(20).subarray(54)
    ])
    expect(await workspace.getDiagnostics(id)).toEqual(
      [...components, 'full'].map((component) => diagnostic(component))
    )
    expect(await workspace.getTraces(id)).toEqual(
      components.map((component) => ({
        component,
        chain: 0,
        losses: Float64Array.of(1, 2, NaN),
        distances: Float64Array.of(3, 4, NaN)
      }))
    )
  })

  test('are deleted whole, with their transient files, beside others', async () => {
    const kept = await storeRun(workspace)
    const gone = await storeRun(workspace)
    await mkdir(workspace.runFolder(gone), { recursive: true })
    await workspace.deleteRun(gone)
    expect(existsSync(workspace.runFolder(gone))).toBe(false)
    expect((await workspace.listRuns()).map(({ id }) => id)).toEqual([kept])
    await expect(workspace.getClusterSummaries(gone)).rejects.toMatchObject({ kind: 'input' })
    expect((await workspace.getSusceptibilities(kept)).tokens).toBe(20)
    await expect(workspace.deleteRun(gone)).rejects.toMatchObject({ kind: 'input' })
  })
})

describe('a transaction', () => {
  test('that fails leaves nothing, and the next one works', async () => {
    const { id } = await workspace.createRun(newRun())
    const failing = workspace.transaction(id, async (writer) => {
      await writer.saveStudy(smallStudy(), tokenText)
      throw new Error('no more')
    })
    await expect(failing).rejects.toThrow('no more')
    expect((await workspace.getRun(id)).tokens).toBe(0)
    await workspace.transaction(id, (writer) => writer.saveStudy(smallStudy(), tokenText))
    expect((await workspace.getRun(id)).tokens).toBe(20)
  })

  test('is unseen until it is done, while other writes go on', async () => {
    const { id } = await workspace.createRun(newRun())
    await workspace.transaction(id, async (writer) => {
      await writer.saveStudy(smallStudy(), tokenText)
      await workspace.updateRun(id, { status: 'running', stage: 'sample' })
      await workspace.appendTrace(id, [{ component: 'embed', chain: 0, draw: 0, loss: 1, distance: 2 }])
      expect(await workspace.getRun(id)).toMatchObject({ tokens: 0, status: 'running' })
      await writer.completeStage({ stage: 'prepare', seconds: 1 })
    })
    expect(await workspace.getRun(id)).toMatchObject({ tokens: 20, status: 'running', stages: [{ stage: 'prepare' }] })
    expect(await workspace.getTraces(id)).toHaveLength(1)
  })

  test('refuses a matrix that lacks tokens', async () => {
    const { id } = await workspace.createRun(newRun())
    await workspace.transaction(id, (writer) => writer.saveStudy(smallStudy(), tokenText))
    const short = workspace.transaction(id, async (writer) => {
      await writer.beginSusceptibilities(components, 1)
      await writer.appendSusceptibilities(matrixOf(19), matrixOf(19))
    })
    await expect(short).rejects.toThrow('of 19 tokens were stored, but the study has 20')
    expect((await workspace.getRun(id)).components).toEqual([])
  })

  test('replaces what a stage stored before', async () => {
    const id = await storeRun(workspace)
    await workspace.transaction(id, async (writer) => {
      await writer.saveStudy(smallStudy(), null)
      await writer.beginSusceptibilities(['embed'], 1)
      await writer.appendSusceptibilities(new Float32Array(20), new Float32Array(20))
      await writer.completeStage({ stage: 'sample', seconds: 9 })
    })
    expect(await workspace.getRun(id)).toMatchObject({ tokens: 20, components: ['embed'], initialLoss: 1 })
    expect((await workspace.getRun(id)).stages.find(({ stage }) => stage === 'sample')?.seconds).toBe(9)
    expect((await workspace.getTokens(id, [0]))[0].text).toBe('⟨1⟩')
  })
})

test('live trace points replace those from their first draw on', async () => {
  const { id } = await workspace.createRun(newRun())
  const point = (chain: number, draw: number, loss: number) => ({
    component: 'embed',
    chain,
    draw,
    loss,
    distance: loss / 2
  })
  await workspace.appendTrace(id, [point(0, 0, 1), point(0, 1, 2), point(0, 2, 3), point(1, 0, 4)])
  await workspace.appendTrace(id, [point(0, 1, 20)])
  expect(await workspace.getTraces(id)).toEqual([
    { component: 'embed', chain: 0, losses: Float64Array.of(1, 20), distances: Float64Array.of(0.5, 10) },
    { component: 'embed', chain: 1, losses: Float64Array.of(4), distances: Float64Array.of(2) }
  ])
})

test('neighbours are given back cut down to a smaller k, and only for their own preprocessing', async () => {
  const id = await storeRun(workspace)
  const { indices, distances } = neighboursOf(20, 3)
  const all = await workspace.getNeighbours(id, 3, 0)
  expect([...all!.indices]).toEqual([...indices])
  expect([...all!.distances]).toEqual([...distances])
  expect(all!.indices.buffer).toBeInstanceOf(SharedArrayBuffer)
  const two = await workspace.getNeighbours(id, 2, 0)
  expect([...two!.indices]).toEqual([...indices].filter((_, at) => at % 3 < 2))
  expect(await workspace.getNeighbours(id, 4, 0)).toBeUndefined()
  expect(await workspace.getNeighbours(id, 3, 1)).toBeUndefined()
  const approximate = neighboursKey({ neighbours: 3, whiten: false, recall: 0.95 })
  expect(await workspace.getNeighbours(id, 3, approximate)).toBeUndefined()
})

describe('a clustering', () => {
  test('is summarised with counts and lift over the study', async () => {
    const id = await storeRun(workspace)
    const summaries = await workspace.getClusterSummaries(id, { topTokens: 3 })
    expect(summaries.map(({ cluster, kind, size }) => [cluster, kind, size])).toEqual([
      [0, 'cluster', 5],
      [1, 'cluster', 5],
      [-1, 'main body', 10]
    ])
    // Row 0 is ids 0…5 and row 1 ids 3…8; 20 tokens in all, half of them in rows of each subset.
    expect(summaries[0]).toMatchObject({
      conductance: 0.25,
      conductanceWhenCut: 0.2,
      seed: 2,
      distinctTokens: 5,
      subsets: [{ subset: 'code, "C"', count: 5, lift: 2 }]
    })
    expect(summaries[0].topTokens).toHaveLength(3)
    const study = smallStudy()
    const ids = study.probe.flatMap((row) => [...row.subarray(1)])
    for (const { id: tokenId, text, count, lift } of summaries[0].topTokens) {
      expect(text).toBe(texts[tokenId])
      expect(count).toBe(ids.slice(0, 5).filter((other) => other === tokenId).length)
      expect(lift).toBeCloseTo(count / 5 / (ids.filter((other) => other === tokenId).length / 20), 12)
    }
    expect(summaries[2]).toMatchObject({
      conductance: null,
      seed: null,
      subsets: [
        { count: 5, lift: 1 },
        { count: 5, lift: 1 }
      ]
    })
    expect(await workspace.getClusterSummary(id, 1, { topTokens: 3 })).toEqual(summaries[1])
    await expect(workspace.getClusterSummary(id, 2)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no cluster 2; it has 0 to 1')
    })
  })

  test('shows its tokens in context, in pages', async () => {
    const id = await storeRun(workspace)
    const tokens = await workspace.getClusterTokens(id, 1, { before: 2, after: 1 })
    expect(tokens.map(({ token }) => token)).toEqual([5, 6, 7, 8, 9])
    const row = [...smallStudy().probe[1]].map((tokenId) => texts[tokenId])
    expect(tokens[0]).toEqual({
      token: 5,
      row: 1,
      position: 1,
      id: 4,
      text: row[1],
      before: [row[0]],
      after: [row[2]],
      subset: 'law',
      file: 'a.jsonl',
      record: 5
    })
    expect(tokens[3]).toMatchObject({
      position: 4,
      before: [row[2], row[3]],
      text: row[4],
      after: [row[5]],
      file: 'b.jsonl',
      record: 6
    })
    expect(tokens[4].after).toEqual([])
    expect((await workspace.getClusterTokens(id, 1, { offset: 2, limit: 2 })).map(({ token }) => token)).toEqual([7, 8])
    expect(await workspace.getClusterTokens(id, 1, { offset: 9 })).toEqual([])
    expect((await workspace.getTokens(id, [9, 5])).map(({ token }) => token)).toEqual([9, 5])
  })

  test('orders its tokens by closeness to its mean, and profiles it', async () => {
    const id = await storeRun(workspace)
    const matrix = matrixOf(20)
    const column = (c: number, from = 0, to = 20): number[] =>
      Array.from({ length: to - from }, (_, i) => matrix[(from + i) * 3 + c])
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length
    const deviation = (values: number[]): number => Math.sqrt(mean(values.map((x) => (x - mean(values)) ** 2)))
    const distance = (token: number): number =>
      [0, 1, 2].reduce(
        (sum, c) => sum + ((matrix[token * 3 + c] - mean(column(c, 5, 10))) / deviation(column(c))) ** 2,
        0
      )
    const expected = [5, 6, 7, 8, 9].sort((a, b) => distance(a) - distance(b))
    expect((await workspace.getClusterTokens(id, 1, { order: 'central' })).map(({ token }) => token)).toEqual(expected)
    const profile = await workspace.getClusterProfile(id, 1)
    expect(profile.components).toEqual(components)
    for (const c of [0, 1, 2]) {
      expect(profile.mean[c]).toBeCloseTo(mean(column(c, 5, 10)), 6)
      expect(profile.standardDeviation[c]).toBeCloseTo(deviation(column(c, 5, 10)), 6)
      expect(profile.standardisedMean[c]).toBeCloseTo(
        (mean(column(c, 5, 10)) - mean(column(c))) / deviation(column(c)),
        6
      )
    }
  })

  test('is kept beside others, renamed and deleted', async () => {
    const id = await storeRun(workspace)
    const none = {
      ...clusteringOf(20),
      name: 'none',
      clusters: [],
      leftover: { kind: 'unclustered' as const, members: Int32Array.from({ length: 20 }, (_, i) => i) }
    }
    const second = await workspace.transaction(id, (writer) => writer.saveClustering(none))
    expect(second).toMatchObject({ number: 2, clusters: 0, leftoverKind: 'unclustered', leftoverSize: 20 })
    expect([...(await workspace.getMembership(id))]).toEqual(new Array(20).fill(-1))
    expect([...(await workspace.getMembership(id, { clustering: 1 }))].slice(3, 12)).toEqual([
      0, 0, 1, 1, 1, 1, 1, -1, -1
    ])
    expect([...(await workspace.getClusterMembers(id, 1, { clustering: 1 }))]).toEqual([5, 6, 7, 8, 9])
    expect((await workspace.renameClustering(id, 1, 'mine')).name).toBe('mine')
    await workspace.deleteClustering(id, 2)
    expect((await workspace.getRun(id)).clusterings.map(({ name }) => name)).toEqual(['mine'])
    await expect(workspace.getClusterSummaries(id, { clustering: 2 })).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('no clustering 2; it has 1')
    })
  })
})

test('malformed calls are refused before they reach the database', async () => {
  await expect(workspace.createRun({ ...newRun(), name: 3 as unknown as string })).rejects.toThrow(
    'malformed call of createRun'
  )
  await expect(workspace.getClusterMembers('x', 0.5)).rejects.toThrow('malformed call of getClusterMembers')
})
