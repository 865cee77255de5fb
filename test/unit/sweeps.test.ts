import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listRuns } from '../../main/api/runs'
import { exportSweep } from '../../main/exchange/sweep-export'
import {
  deleteSweep,
  estimateAsked,
  isSweep,
  listSweeps,
  resumeSweep,
  showSweep,
  startSweep
} from '../../main/api/sweeps'
import { planSweep } from '../../main/api/sweep-plan'
import { appearsAt } from '../../main/api/sweep-report'
import { labelsOf } from '../../main/api/run-labels'
import { startFromFile } from '../../main/api/runs'
import { clusterAgain } from '../../main/api/clusters'
import { sweepsText, sweepText } from '../../main/cli/sweep-views'
import { Visible } from '../../main/base/printed'
import { separationOf } from '../../main/clustering/separation'
import type { RunOptions } from '../../main/pipeline/run-options'
import { parseConfiguration } from '../../preload/configuration'
import { membersOf } from '../../preload/sweeps'
import { memberWords } from '../../preload/contract-sweeps'
import type { SweepEntry } from '../../preload/contract-sweeps'
import { configuration, openBench, study } from './workbench-fixture'
import type { Bench } from './workbench-fixture'

const page = { width: Infinity, bold: Visible.of }
const quiet = (signal = new AbortController().signal): RunOptions => ({
  checkpointSeconds: 30,
  onEvent: () => undefined,
  signal
})

describe('the members of a sweep', () => {
  const base = parseConfiguration({ model: 'model', rows: 'rows.json' }, 'study.json')

  it('are all combinations of the values, each with a configuration that is checked', () => {
    const members = membersOf(base, { k: [30, 45], nBeta: [0, 3] })
    expect(members.map(({ values }) => values)).toEqual([
      { k: 30, nBeta: 0 },
      { k: 30, nBeta: 3 },
      { k: 45, nBeta: 0 },
      { k: 45, nBeta: 3 }
    ])
    expect(members.map(({ configuration: { sampler, clustering } }) => [sampler.nBeta, clustering.neighbours])).toEqual(
      [
        [0, 30],
        [3, 30],
        [0, 45],
        [3, 45]
      ]
    )
  })

  it('are named by their values, checkpoints by their folders', () => {
    const words = ['models/step64', 'models/step64/model.safetensors', 'C:\\models\\step64\\', 'model.safetensors']
    expect(words.map((checkpoint) => memberWords({ checkpoint, gamma: 100 }))).toEqual([
      ...Array.from({ length: 3 }, () => 'γ = 100, checkpoint = step64'),
      'γ = 100, checkpoint = model.safetensors'
    ])
  })

  it('leave out settings of the other method', () => {
    const [communities, acl] = membersOf(base, { method: ['communities', 'acl'] })
    expect(communities.configuration.clustering).toEqual(base.clustering)
    expect(acl.configuration.clustering).toMatchObject({ method: 'acl', alpha: 0.001 })
    expect(acl.configuration.clustering).not.toHaveProperty('resolution')
  })

  it('are refused with the member and the setting named', () => {
    expect(() => membersOf(base, { k: [30, 1] })).toThrow(/^Member k = 1: "clustering.neighbours": /)
    expect(() => membersOf(base, { method: ['acl'], resolution: [2] })).toThrow(/^Member .*resolution/)
    expect(() => membersOf(base, {})).toThrow(/varies nothing; give values of k, /)
    const many = Array.from({ length: 7 }, (_, at) => at + 2)
    expect(() => membersOf(base, { k: many, seed: many })).toThrow(/has 49 members, but it must have at most 48/)
    expect(() => membersOf({ ...base, clustering: false }, { k: [30] })).toThrow(/remove "clustering": false/)
  })
})

describe('functional separation', () => {
  const all = { means: [1, -2], deviations: [2, 1] }

  it('is the share of squared distance from the rest that the tokens of a cluster have in common', () => {
    // Six tokens in one column: the cluster is 3 and 5, the rest 0, 0, 1 and 3.
    const values = [3, 5, 0, 0, 1, 3]
    const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length
    const spread = (of: readonly number[]): number => Math.sqrt(mean(of.map((value) => (value - mean(of)) ** 2)))
    const [own, rest] = [values.slice(0, 2), values.slice(2)]
    const found = separationOf(
      { means: [mean(own)], deviations: [spread(own)] },
      { means: [mean(values)], deviations: [spread(values)] },
      2,
      6
    )
    const distances = own.map((value) => (value - mean(rest)) ** 2)
    expect(found).toBeCloseTo((mean(own) - mean(rest)) ** 2 / mean(distances), 12)
  })

  it('is 1 for tokens that are all alike, 0 for a cluster at the mean of the rest, and 0 for all tokens', () => {
    expect(separationOf({ means: [3, -2], deviations: [0, 0] }, all, 2, 10)).toBe(1)
    expect(separationOf({ means: [1, -2], deviations: [2, 1] }, all, 2, 10)).toBe(0)
    expect(separationOf({ means: [3, -2], deviations: [0, 0] }, all, 10, 10)).toBe(0)
  })
})

describe('the member in which a cluster appears', () => {
  const found = (...jaccards: (number | null)[]) =>
    jaccards.map((jaccard) => (jaccard === null ? null : { cluster: 1, jaccard, size: 9, conductance: null }))

  it('is the earliest from which on it is found in all up to the base', () => {
    expect(appearsAt(found(0.9, 0.2, 0.5, 0.8, null), 4, [0, 1, 2, 3, 4])).toBe(2)
    expect(appearsAt(found(0.9, 0.6, null), 2, [0, 1, 2])).toBe(0)
    expect(appearsAt(found(0.9, 0.4, null), 2, [0, 1, 2])).toBe(2)
    expect(appearsAt(found(0.9, null, null), 2, [0, 2])).toBe(0)
    expect(appearsAt(found(null, 0.1), 0, [0, 1])).toBe(0)
  })

  it('is looked for from the last checkpoint, unless the study has one of them', () => {
    const configured = parseConfiguration({ model: 'm', rows: 'rows.json' }, 'study.json')
    const base = { configuration: configured, baseFolder: '/' }
    expect(planSweep(base, { checkpoint: ['a', 'b', 'c'] }, 's').base).toBe(2)
    const own = { ...base, configuration: { ...configured, weights: 'b' } }
    expect(planSweep(own, { checkpoint: ['a', 'b', 'c'] }, 's').base).toBe(1)
  })
})

describe('a sweep in the window', () => {
  let place: Awaited<ReturnType<typeof study>>
  let bench: Bench
  beforeAll(async () => {
    place = await study()
    bench = await openBench(place.path('work'))
  })
  afterAll(async () => {
    await bench.close()
    await place.remove()
  })
  const entry = async (sweep: string): Promise<SweepEntry> =>
    (await bench.ask('sweeps.list', {})).find(({ id }) => id === sweep)!

  it('makes its runs and clusterings one after another, is paused and resumed', { timeout: 120_000 }, async () => {
    const { ask } = bench
    const from = { configuration: configuration(6), baseFolder: place.folder }
    const settings = { k: [6, 8], nBeta: [0, 3] }
    const { sweep } = await ask('sweeps.start', { from, settings, name: 'both' })
    await bench.heard('run-event', ({ event }) => event.type === 'progress')
    await ask('sweeps.pause', { sweep })
    const paused = await entry(sweep)
    expect([paused.state, paused.runs.length]).toEqual(['paused', 2])
    expect(paused.members.every(({ state }) => state === 'paused' || state === 'waiting')).toBe(true)

    await ask('sweeps.resume', { sweep })
    await expect.poll(async () => (await entry(sweep)).state, { timeout: 60_000 }).toBe('done')
    const report = await ask('sweeps.report', { sweep, base: 2 })
    expect(report.members.map(({ words, clustering: number }) => [words, number])).toEqual([
      ['k = 6, nβ = 0', 1],
      ['k = 6, nβ = 3', 1],
      ['k = 8, nβ = 0', 2],
      ['k = 8, nβ = 3', 2]
    ])
    expect(report.agreements).toHaveLength(6)
    const runs = await ask('runs.list', {})
    expect(runs.map(({ name }) => name)).toEqual(['both · nβ = 0', 'both · nβ = 3'])
    await expect(ask('sweeps.report', { sweep, base: 7 })).rejects.toThrow('The sweep has 4 members, but no member 8.')
    const { files } = await ask('sweeps.write', { sweep, path: place.path('out') })
    expect(files.toSorted()).toEqual(['agreements.csv', 'clusters.csv', 'members.csv', 'sweep.json'])

    // A member that cannot be clustered fails by itself, and the others go on.
    const failing = await ask('sweeps.start', { from: { run: runs[0].id }, settings: { k: [5000, 7] }, name: '' })
    await expect.poll(async () => (await entry(failing.sweep)).state, { timeout: 60_000 }).toBe('failed')
    const { members } = await entry(failing.sweep)
    expect(members.map(({ state }) => state)).toEqual(['failed', 'done'])
    expect(members[0].error).toMatch(/5,?000/)
    await ask('sweeps.remove', { sweep })
    expect((await ask('sweeps.list', {})).map(({ id }) => id)).toEqual([failing.sweep])
    expect(await ask('runs.list', {})).toHaveLength(2)
  })
})

describe('a sweep in the terminal', () => {
  let place: Awaited<ReturnType<typeof study>>
  let work: string
  const config = (changes: object = {}, name = 'study.json'): string => {
    writeFileSync(place.path(name), JSON.stringify({ ...configuration(6), ...changes }))
    return place.path(name)
  }
  beforeAll(async () => {
    place = await study()
    work = place.path('work')
  })
  afterAll(() => place.remove())

  it('over settings of a clustering makes what is missing, and finds what is there', { timeout: 120_000 }, async () => {
    const { run } = await startFromFile(work, config(), { ...quiet(), name: 'first' })
    await clusterAgain(work, run, { neighbours: 12 }, quiet())
    const asked = { from: 'first', settings: { k: [6, 8, 12] } }
    const plan = await estimateAsked(work, asked)
    expect(plan).toMatchObject({ members: ['k = 6', 'k = 8', 'k = 12'], newRuns: 0, clusterings: 1, there: 2 })
    expect(plan.seconds).toBeGreaterThan(0)
    const report = await startSweep(work, asked, quiet())
    expect(report.sweep).toMatchObject({ name: 'first: k', state: 'done', base: 1, runs: [] })
    expect(report.members.map(({ run: own, clustering }) => [own, clustering])).toEqual([
      [run, 3],
      [run, 1],
      [run, 2]
    ])
    expect(report.agreements.map(({ left, right }) => [left, right])).toEqual([
      [0, 1],
      [0, 2],
      [1, 2]
    ])
    expect(report.agreements.every(({ adjustedRand, tokens }) => adjustedRand <= 1 && tokens === 40 * 23)).toBe(true)
    expect(report.clusters.length).toBe(report.members[1].clusters)
    for (const { best, foundIn, separation } of report.clusters) {
      expect(best[1]).toBeNull()
      expect(foundIn).toBe(best.filter((each) => each !== null && each.jaccard >= 0.5).length)
      expect(separation).toBeGreaterThan(0)
    }
    // Nothing is left to do, and nothing is done again.
    const again = await resumeSweep(work, report.sweep.id, quiet())
    expect(again.members).toEqual(report.members)
    expect((await listRuns(work)).find(({ id }) => id === run)?.clusterings).toHaveLength(3)
  })

  it('says which labels depend on a setting', async () => {
    const before = await showSweep(work, 'first: k')
    const [lost] = before.clusters.filter(({ foundIn }) => foundIn < 2)
    const stays = before.clusters.find(({ foundIn }) => foundIn === 2)
    const set = [lost, stays].flatMap((each, at) =>
      each === undefined ? [] : [{ cluster: each.cluster, name: `n${at}` }]
    )
    await labelsOf(work, 'first', { clustering: 1, set })
    const after = await showSweep(work, 'first: k')
    expect(after.labelled).toBe(set.length)
    expect(after.dependent).toMatchObject([{ cluster: lost.cluster, name: 'n0' }])
    expect(sweepText(after, page).text).toContain(`“n0” (${lost.cluster}) is not found at `)
  })

  it('over nβ makes a run for each, stops at an interruption, and goes on', { timeout: 120_000 }, async () => {
    const stop = new AbortController()
    const file = config({ sweep: { nBeta: [0, 3] } }, 'swept.json')
    const interrupted = startSweep(
      work,
      { from: file, name: 'posterior' },
      {
        ...quiet(stop.signal),
        onEvent: (event) => event.type === 'finished' && event.stage === 'sample' && stop.abort()
      }
    )
    await expect(interrupted).rejects.toMatchObject({
      kind: 'interrupted',
      message: expect.stringMatching(
        /^The sweep is interrupted; resume with: spectroscope sweep resume \S+ --workspace /
      )
    })
    const half = (await listSweeps(work)).at(-1)!
    expect([half.name, half.state]).toEqual(['posterior', 'paused'])
    expect(half.members.map(({ state }) => state)).toEqual(['paused', 'waiting'])
    const report = await resumeSweep(work, 'posterior', quiet())
    expect(report.members.map(({ state, values }) => [state, values.nBeta])).toEqual([
      ['done', 0],
      ['done', 3]
    ])
    expect(report.verdict).toMatch(/Chains report no effective share/)
    const runs = await listRuns(work)
    expect(report.sweep.runs).toEqual(runs.slice(-2).map(({ id }) => id))
    expect(runs.slice(-2).map(({ name }) => name)).toEqual(['posterior · nβ = 0', 'posterior · nβ = 3'])
    expect(sweepsText(await listSweeps(work), page).text).toMatch(/posterior +done/)

    // The numbers are those of the same run by itself.
    const alone = await startFromFile(work, config({}, 'alone.json'), { ...quiet(), name: 'alone' })
    expect(alone).toMatchObject({ clusters: report.members[1].clusters, unclustered: expect.any(Number) })
    const both = await startSweep(work, { from: 'alone', settings: { nBeta: [3] } }, quiet())
    expect(both.sweep.runs).toEqual([])
  })

  it('is exported, shown where a run would be, and forgotten without its runs', async () => {
    expect(await isSweep(work, 'posterior')).toBe(true)
    expect(await isSweep(work, 'alone')).toBe(false)
    const report = await showSweep(work, 'posterior', 1)
    await exportSweep(report, place.path('out'), false)
    const table = (name: string): string[] => readFileSync(place.path('out', name), 'utf8').trimEnd().split('\n')
    expect(table('members.csv')[0]).toMatch(/^member,nBeta,run,clustering,state,/)
    expect(table('members.csv')).toHaveLength(3)
    expect(table('clusters.csv')).toHaveLength(1 + report.clusters.length)
    expect(table('agreements.csv')).toHaveLength(2)
    expect(JSON.parse(readFileSync(place.path('out', 'sweep.json'), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(report))
    )
    await expect(exportSweep(report, place.path('out'), false)).rejects.toThrow(/is not empty/)
    const runs = (await listRuns(work)).length
    await deleteSweep(work, 'posterior')
    expect(await listRuns(work)).toHaveLength(runs)
    await expect(showSweep(work, 'posterior')).rejects.toThrow(/There is no sweep "posterior"/)
  })

  it('refuses what it cannot do, and changes nothing', async () => {
    const before = await listSweeps(work)
    const start = (from: string, settings?: object): Promise<unknown> => startSweep(work, { from, settings }, quiet())
    await expect(start(config())).rejects.toThrow(/study\.json has no "sweep"; give values with --set/)
    await expect(start('alone', { checkpoint: ['nowhere'] })).rejects.toThrow(/"weights": .*nowhere does not exist/)
    await expect(start(config({ sweep: { kk: [1] } }))).rejects.toThrow(/unknown key "?sweep\.kk/)
    await expect(startFromFile(work, config({ sweep: { k: [6] } }), quiet())).rejects.toThrow(
      /study\.json has a "sweep", which is several runs; start it with `spectroscope sweep`/
    )
    expect(await listSweeps(work)).toEqual(before)
    mkdirSync(place.path('work', 'sweeps'), { recursive: true })
    const foreign = place.path('work', 'sweeps', '20200101-000000-aaaa.json')
    writeFileSync(foreign, '{"version": 1}')
    await expect(listSweeps(work)).rejects.toThrow(`${foreign} is no sweep as this program writes them; move it away.`)
  })
})
