import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { openWorkspace } from '../../main/store/store'
import type { CallName, RunEntry } from '../../preload/contract'
import { groupKinds } from '../../preload/records'
import type { GroupKind } from '../../preload/records'
import { newRun } from './store-fixture'
import { configuration, memoryFile, openBench, study } from './workbench-fixture'
import type { Bench } from './workbench-fixture'

let place: Awaited<ReturnType<typeof study>>
const open: Bench[] = []
let count = 0
/** Where rates of this machine are kept once one of the tests has had them measured. */
const measured = memoryFile()

const fresh = async (
  changes: Parameters<typeof openBench>[1] = {},
  folder = place.path(`workspace-${count++}`)
): Promise<Bench> => {
  const bench = await openBench(folder, changes)
  open.push(bench)
  return bench
}

beforeAll(async () => {
  place = await study()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((bench) => bench.close()))
})
afterAll(() => place.remove())

const start = async (bench: Bench, name: string, draws?: number, changes?: object): Promise<string> =>
  (await bench.ask('runs.start', { name, configuration: configuration(draws, changes), baseFolder: place.folder })).run

const entry = async (bench: Bench, run: string): Promise<RunEntry> =>
  (await bench.ask('runs.list', {})).find(({ id }) => id === run)!

/** Resolves with the run's entry once the run is at work no longer. */
const ended = async (bench: Bench, run: string): Promise<RunEntry> => {
  for (let told = bench.notices.length; ; told = bench.notices.length) {
    const live = await bench.ask('runs.live', { run })
    const now = await entry(bench, run)
    if (!live.working && !now.queued) return now
    await bench.heard('runs-changed', () => bench.notices.slice(told).some(({ name }) => name === 'runs-changed'))
  }
}

describe('the workbench at its start', () => {
  it('makes the workspace that was asked for, and says how things are', async () => {
    const { ask } = await fresh()
    expect(await ask('app.state', {})).toMatchObject({
      shell: 'browser',
      workspace: place.path('workspace-0'),
      problem: null,
      nativeDialogs: false,
      views: {},
      settings: { theme: 'system', engine: 'auto', threads: null, keys: {}, author: '' }
    })
    expect(await ask('runs.list', {})).toEqual([])
    expect(await ask('files.choose', { purpose: 'model', title: 'Model' })).toBeNull()
  })

  it('opens nothing where there is no workspace to open, says why, and opens another one when asked', async () => {
    mkdirSync(place.path('no-workspace'))
    writeFileSync(place.path('no-workspace', 'letter.txt'), 'Dear reader')
    const settings = memoryFile({ workspace: place.path('missing') })
    const bench = await openBench('', { settings, workspace: undefined } as never)
    open.push(bench)
    expect(await bench.ask('app.state', {})).toMatchObject({
      workspace: null,
      problem: expect.stringContaining('missing')
    })
    await expect(bench.ask('runs.list', {})).rejects.toMatchObject({ kind: 'workspace' })
    const state = await bench.ask('workspace.open', { folder: place.path('found'), create: true })
    expect(state).toMatchObject({
      workspace: place.path('found'),
      problem: null,
      settings: { workspace: place.path('found') }
    })
    expect(await bench.heard('workspace')).toEqual({ folder: place.path('found'), reopened: false })
    expect(settings.get()).toMatchObject({ workspace: place.path('found') })
  })

  it('takes settings that fit, each by itself, from a file that a person may have edited', async () => {
    const { ask } = await fresh({ settings: memoryFile({ theme: 'dark', threads: 'many', author: 'Ada', other: 1 }) })
    expect((await ask('app.state', {})).settings).toMatchObject({ theme: 'dark', threads: null, author: 'Ada' })
  })

  it('marks as interrupted the runs whose process died', async () => {
    const folder = place.path('left')
    const workspace = await openWorkspace(folder, { create: true })
    const { id } = await workspace.createRun(newRun())
    await workspace.updateRun(id, { status: 'running', stage: 'sample' })
    await workspace.close()
    const bench = await fresh({}, folder)
    expect(await bench.ask('runs.get', { run: id })).toMatchObject({ status: 'interrupted', stage: 'sample' })
  })
})

describe('a call that is not as agreed', () => {
  const refused = async (bench: Bench, method: unknown, parameters: unknown): Promise<string> => {
    const answer = await bench.workbench.call(method, parameters)
    if (answer.ok) throw new Error('was answered')
    expect(Object.keys(answer.error).sort()).toEqual(['kind', 'message'])
    expect(answer.error.kind).toBe('usage')
    expect(answer.error.message).not.toContain('\n')
    expect(answer.error.message.length).toBeLessThan(450)
    return answer.error.message
  }

  it('is refused in one sentence, whatever it is', async () => {
    const bench = await fresh()
    for (const method of [
      'runs.everything',
      '__proto__',
      'constructor',
      'toString',
      '',
      7,
      null,
      undefined,
      {},
      ['runs.list'],
      'x'.repeat(10_000)
    ])
      await refused(bench, method, {})
    for (const parameters of [
      undefined,
      null,
      7,
      'run',
      [],
      { run: 7 },
      { run: '' },
      { run: 'r', more: 1 },
      { run: 'r'.repeat(1000) },
      { ['x'.repeat(5000)]: 1 }
    ])
      await refused(bench, 'runs.get', parameters)
    expect(await refused(bench, 'clusters.tokens', { run: 'r', clustering: 1, cluster: 0, limit: 1e9 })).toContain(
      'limit'
    )
    expect(await refused(bench, 'tokens.contexts', { run: 'r', tokens: [1, 2] })).toContain('Int32Array')
    await refused(bench, 'tokens.contexts', { run: 'r', tokens: Int32Array.of(-1) })
    const deep: unknown[] = []
    for (let i = 0, at = deep; i < 50_000; i++) at.push((at = []))
    await refused(bench, 'views.save', { key: 'deep', value: deep })
    await refused(bench, 'views.save', { key: '__proto__', value: 1 })
    await refused(bench, 'views.save', { key: 'large', value: 'x'.repeat(300_000) })
    await refused(bench, 'settings.change', { changes: { theme: 'pink' } })
    expect((await bench.ask('app.state', {})).views).toEqual({})
  })

  it('about a run that is not there is an input error', async () => {
    const { workbench } = await fresh()
    const calls: readonly (readonly [CallName, object])[] = [
      ['runs.get', { run: 'none' }],
      ['runs.live', { run: 'none' }],
      ['runs.traces', { run: 'none' }],
      ['clusters.overview', { run: 'none', clustering: 1 }],
      ['graph.tokens', { run: 'none', clustering: 1 }]
    ]
    for (const [method, parameters] of calls) {
      expect(await workbench.call(method, parameters), method).toMatchObject({
        ok: false,
        error: { kind: 'input', message: expect.stringContaining('none') }
      })
    }
  })

  it('finds nobody once the program closes', async () => {
    const bench = await fresh()
    await bench.close()
    expect(await bench.workbench.call('app.state', {})).toMatchObject({ ok: false, error: { kind: 'usage' } })
  })
})

describe('settings and views', () => {
  it('are changed one by one, kept, and told to every window', async () => {
    const [settings, views] = [memoryFile({ author: 'Ada' }), memoryFile()]
    const { ask, heard } = await fresh({ settings, views })
    expect(
      await ask('settings.change', { changes: { theme: 'light', keys: { 'label.save': ['enter'] } } })
    ).toMatchObject({ theme: 'light', author: 'Ada' })
    expect(await heard('settings')).toMatchObject({ theme: 'light', keys: { 'label.save': ['enter'] } })
    await ask('settings.change', { changes: { threads: 3 } })
    expect(settings.get()).toMatchObject({
      theme: 'light',
      author: 'Ada',
      threads: 3,
      keys: { 'label.save': ['enter'] }
    })
    await ask('views.save', { key: 'panes', value: { left: 300, order: ['size', null] } })
    expect((await ask('app.state', {})).views).toEqual({ panes: { left: 300, order: ['size', null] } })
    expect(views.get()).toEqual({ panes: { left: 300, order: ['size', null] } })
  })
})

describe('before a run', () => {
  it('folders are listed, and models among them are known', async () => {
    const { ask } = await fresh()
    const listing = await ask('files.list', { folder: place.folder })
    expect(listing.entries.find(({ name }) => name === 'model')).toMatchObject({
      folder: true,
      model: true,
      path: place.path('model')
    })
    expect(listing.entries.find(({ name }) => name === 'rows.json')).toMatchObject({ folder: false, model: false })
    await expect(ask('files.list', { folder: place.path('nowhere') })).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('does not exist')
    })
    expect(listing.leftOut).toBe(0)
    mkdirSync(place.path('odd'))
    symlinkSync(place.path('nowhere'), place.path('odd', 'lost'))
    const hasAnyNames = process.platform === 'linux'
    const notUtf8 = Buffer.concat([Buffer.from(`${place.path('odd')}/`), Buffer.from([0x66, 0xff])])
    if (hasAnyNames) writeFileSync(notUtf8, '')
    writeFileSync(place.path('odd', 'plain'), '')
    const odd = await ask('files.list', { folder: place.path('odd') })
    expect(odd).toMatchObject({ entries: [{ name: 'plain' }], leftOut: hasAnyNames ? 2 : 1 })
    const model = await ask('models.describe', { folder: place.path('model') })
    expect(model.components).toContain('embed')
    await expect(ask('models.describe', { folder: place.folder })).rejects.toMatchObject({ kind: 'input' })
  })

  it('every problem of a configuration is told by its place, in the words of the terminal', async () => {
    const { ask } = await fresh()
    const check = (changes: object) =>
      ask('runs.check', { configuration: configuration(8, changes), baseFolder: place.folder })
    const bad = await check({ sampler: { method: 'psgld', draws: 1, stepSize: -1 }, seed: 'x', colour: 'red' })
    expect(bad.configuration).toBeNull()
    expect(bad.problems.map(({ path }) => path).sort()).toEqual(['colour', 'sampler.draws', 'sampler.stepSize', 'seed'])
    expect(bad.problems.find(({ path }) => path === 'colour')?.message).toBe(
      'unknown key "colour"; remove it or correct its spelling.'
    )
    expect((await check({ model: 'nowhere' })).problems).toMatchObject([
      { path: 'model', message: expect.stringContaining('does not exist') }
    ])
    expect((await check({ rows: 'nowhere.json' })).problems).toMatchObject([{ path: 'rows' }])
    expect((await check({ components: ['head:9.9'] })).problems).toMatchObject([
      { path: 'components', message: expect.stringContaining('head:0.0') }
    ])
    expect(await check({})).toMatchObject({
      problems: [],
      configuration: { sampler: { draws: 8, gamma: 300 }, seed: 1 }
    })
    await expect(
      ask('runs.start', { name: '', configuration: { model: 'nowhere' }, baseFolder: place.folder })
    ).rejects.toMatchObject({ kind: 'configuration' })
    expect(await ask('runs.list', {})).toEqual([])
  })

  it('settings stand where a configuration says nothing', async () => {
    const { ask } = await fresh({ settings: memoryFile({ engine: 'reference', threads: 3 }) })
    const { threads: _, ...rest } = configuration() as { threads: number }
    expect((await ask('runs.check', { configuration: rest, baseFolder: place.folder })).configuration).toMatchObject({
      engine: 'reference',
      threads: 3
    })
    expect(
      (await ask('runs.check', { configuration: { ...rest, engine: 'auto', threads: 1 }, baseFolder: place.folder }))
        .configuration
    ).toMatchObject({ engine: 'auto', threads: 1 })
  })

  it('its cost is estimated from rates that are measured once and kept', async () => {
    const { ask, notices } = await fresh({ settings: measured })
    const estimate = () => ask('runs.estimate', { configuration: configuration(), baseFolder: place.folder })
    const [first, second] = [await estimate(), await estimate()]
    expect(first).toMatchObject({ tokens: 920, components: 8 })
    expect(first.seconds.sample).toBeGreaterThan(0)
    expect(second.seconds.sample).toBe(first.seconds.sample)
    const measuring = new Set(
      notices.flatMap(({ name, data }) => (name === 'job' ? [(data as { id: string }).id] : []))
    )
    expect(measuring.size).toBe(1)
    expect(measured.get()).toMatchObject({
      machine: { engines: expect.arrayContaining([expect.objectContaining({ name: 'onnx-cpu' })]) }
    })
  })
})

describe('an engine that is not here', () => {
  it.skipIf(process.platform === 'darwin')('is not installed without a network, and the window hears why', async () => {
    const { ask, heard } = await fresh()
    await expect(ask('engines.describeInstallation', { name: 'abacus' })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('choose one of cuda, tfjs')
    })
    vi.stubEnv('SPECTROSCOPE_NUGET', 'http://127.0.0.1:9/index.json')
    vi.stubEnv('SPECTROSCOPE_ENGINES', join(place.folder, 'engines'))
    try {
      await expect(ask('engines.describeInstallation', { name: 'cuda' })).rejects.toMatchObject({ kind: 'network' })
      const { id } = await ask('engines.install', { name: 'cuda' })
      expect(await heard('job', (job) => job.id === id && job.state !== 'working')).toMatchObject({
        state: 'failed',
        title: 'Installing onnx-cuda',
        error: expect.stringMatching(/can't be reached/)
      })
    } finally {
      vi.unstubAllEnvs()
    }
  })
})

/** Looks at every group of a tree as a window does, and whether what is said of it agrees. */
const checkTree = async (
  { ask }: Bench,
  where: { readonly run: string; readonly clustering: number }
): Promise<void> => {
  const { clustering, clusters } = await ask('clusters.overview', where)
  expect(clustering.configuration.method).toBe('communities')
  expect(clustering.clusters).toBeGreaterThan(1)
  expect(clusters).toHaveLength(clustering.clusters + clustering.groupsAbove + Number(clustering.leftoverSize > 0))
  const memberships = new Map(
    await Promise.all(
      groupKinds.map(async (level) => [level, await ask('tokens.membership', { ...where, level })] as const)
    )
  )
  for (const { cluster, kind, size, parent, ruleF1 } of clusters.filter((entry) => entry.cluster >= 0)) {
    const members = await ask('clusters.members', { ...where, cluster })
    expect([...members]).toEqual(
      [...memberships.get(kind as GroupKind)!.keys()].filter(
        (token) => memberships.get(kind as GroupKind)![token] === cluster
      )
    )
    expect(members).toHaveLength(size)
    if (parent !== null) expect(clusters[parent].size).toBeGreaterThan(size)
    const { rules, uncaught } = await ask('clusters.details', { ...where, cluster })
    const { total } = await ask('clusters.tokens', { ...where, cluster, stratum: 'exceptions', limit: 1 })
    expect([rules[0].f1, uncaught]).toEqual([ruleF1, total])
  }
  const strengths = await ask('tokens.strengths', where)
  expect([...strengths].map(Number.isNaN)).toEqual([...memberships.get('cluster')!].map((cluster) => cluster < 0))
  expect([...(await ask('graph.clusters', where)).clusters]).toEqual(clusters.map(({ cluster }) => cluster))
  expect((await ask('runs.heatMap', where)).clusters.every((cluster) => cluster < clustering.clusters)).toBe(true)
  const { adjustedRand, matches } = await ask('runs.compare', { left: where, right: where })
  expect([adjustedRand, matches.map(({ left }) => left)]).toEqual([
    1,
    Array.from({ length: clustering.clusters }, (_, cluster) => cluster)
  ])
}

describe('a run', () => {
  it('goes through its stages, is told as it goes, and can be looked at when it is done', async () => {
    const bench = await fresh({ settings: measured })
    const { ask, heard, notices, notified } = bench
    const run = await start(bench, 'first', 12)
    await heard('run-event', ({ event }) => event.type === 'run' && !event.resumed)
    await heard('trace')
    const live = await ask('runs.live', { run })
    expect(live).toMatchObject({ run, pausing: false })
    expect(await ended(bench, run)).toMatchObject({
      name: 'first',
      model: 'model',
      status: 'finished',
      tokens: 920,
      components: 8,
      engine: 'onnx-cpu',
      stage: null,
      queued: false,
      clustering: 1,
      labels: {}
    })
    expect(notified).toHaveLength(1)
    expect(notified[0][0]).toContain('first')
    const points = notices.flatMap(({ name, data }) =>
      name === 'trace' ? (data as { points: { component: string; draw: number }[] }).points : []
    )
    expect(points.filter(({ component }) => component === 'embed')).toHaveLength(24)
    const after = await ask('runs.live', { run })
    expect(after).toMatchObject({ working: false, stage: null, progress: null })
    expect(after.events.map(({ event }) => event.type)).toEqual(expect.arrayContaining(['run', 'stage', 'finished']))
    expect(after.traces.find(({ component, chain }) => component === 'embed' && chain === 1)?.losses).toHaveLength(12)
    const health = await ask('runs.health', { run })
    expect(health.diagnostics.map(({ component }) => component)).toContain('full')

    const overview = await ask('clusters.overview', { run, clustering: 1 })
    expect(overview.clusters.reduce((sum, { size }) => sum + size, 0)).toBe(920)
    expect(overview.annotations).toEqual([])
    expect(await ask('tokens.membership', { run, clustering: 1 })).toHaveLength(920)
    expect(await ask('tokens.column', { run, component: 'embed' })).toHaveLength(920)
    expect((await ask('runs.heatMap', { run, clustering: 1 })).components).toHaveLength(8)
    await expect(ask('clusters.overview', { run, clustering: 9 })).rejects.toMatchObject({ kind: 'input' })

    const [first, second] = await Promise.all([
      ask('graph.tokens', { run, clustering: 1 }),
      ask('graph.tokens', { run, clustering: 1 })
    ])
    if (first.state !== 'working' || second.state !== 'working') throw new Error('there is no layout yet')
    expect(second.job.id).toBe(first.job.id)
    const told = await heard('job', ({ id, state }) => id === first.job.id && state !== 'working')
    expect(told).toMatchObject({ state: 'done', kind: 'layout', fraction: 1, run })
    const layout = await ask('graph.tokens', { run, clustering: 1 })
    expect(layout).toMatchObject({ state: 'ready', tokens: null, positions: expect.any(Float32Array) })

    expect(
      await ask('runs.recluster', {
        run,
        name: 'more',
        configuration: { ...(configuration() as { clustering: object }).clustering, neighbours: 12 }
      })
    ).toEqual({ run })
    expect((await ended(bench, run)).clusterings.map(({ name }) => name)).toEqual([expect.any(String), 'more'])
    const compared = await ask('runs.compare', { left: { run, clustering: 1 }, right: { run, clustering: 2 } })
    expect(compared.tokens).toBe(920)
    expect(compared.columns.every(({ correlation }) => correlation > 0.999)).toBe(true)
    expect(await ask('runs.compare', { left: { run, clustering: 1 }, right: { run, clustering: 1 } })).toMatchObject({
      adjustedRand: 1
    })
    const estimate = await ask('runs.estimate', { configuration: configuration(), baseFolder: place.folder })
    expect(estimate.basis).toContain('run "first"')

    await ask('runs.recluster', {
      run,
      name: 'a tree',
      configuration: { neighbours: 8, minSize: 5, resolution: 4, seeds: 2 }
    })
    expect((await ended(bench, run)).clusterings.map(({ name }) => name)).toEqual([
      expect.any(String),
      'more',
      'a tree'
    ])
    await checkTree(bench, { run, clustering: 3 })
    expect((await ask('runs.compare', { left: { run, clustering: 3 }, right: { run, clustering: 1 } })).tokens).toBe(
      920
    )
  })

  it('is paused with a checkpoint, and resumed to the same numbers as without', async () => {
    const bench = await fresh()
    const whole = await start(bench, 'whole', 14, { clustering: false })
    await ended(bench, whole)
    const run = await start(bench, 'paused', 14, { clustering: false })
    await bench.heard('trace', ({ run: of }) => of === run)
    await bench.ask('runs.pause', { run })
    expect(await entry(bench, run)).toMatchObject({ status: 'interrupted', queued: false })
    await expect(bench.ask('runs.pause', { run })).rejects.toMatchObject({ kind: 'usage' })
    await bench.ask('runs.resume', { run })
    await bench.heard('run-event', ({ run: of, event }) => of === run && event.type === 'run' && event.resumed)
    await expect(bench.ask('runs.resume', { run })).rejects.toMatchObject({ kind: 'usage' })
    expect(await ended(bench, run)).toMatchObject({ status: 'finished' })
    expect(await bench.ask('tokens.column', { run, component: 'mlp:1' })).toEqual(
      await bench.ask('tokens.column', { run: whole, component: 'mlp:1' })
    )
    await expect(bench.ask('runs.resume', { run })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('finished')
    })
  })

  it('waits for the one before it; one that waits can be taken back', async () => {
    const bench = await fresh()
    const first = await start(bench, 'one', 400)
    const [second, third] = [await start(bench, 'two'), await start(bench, 'three', 2, { clustering: false })]
    expect(bench.workbench.busyRuns()).toEqual([first, second, third])
    expect(await entry(bench, second)).toMatchObject({ status: 'pending', queued: true })
    await bench.ask('runs.pause', { run: second })
    expect(await entry(bench, second)).toMatchObject({ status: 'interrupted', queued: false })
    await expect(bench.ask('workspace.open', { folder: place.path('elsewhere'), create: true })).rejects.toMatchObject({
      kind: 'usage'
    })
    await bench.ask('runs.change', { run: first, changes: { deleted: true } })
    expect(await entry(bench, first)).toMatchObject({ deleted: true, status: 'interrupted' })
    expect(await ended(bench, third)).toMatchObject({ status: 'finished' })
  })

  it('is clustered again while another one samples, and says before what that takes', async () => {
    const bench = await fresh()
    const clustered = await start(bench, 'clustered', 4)
    await ended(bench, clustered)
    const sampling = await start(bench, 'sampling', 400, { clustering: false })
    await bench.heard('trace', ({ run }) => run === sampling)
    const wanted = { run: clustered, configuration: { neighbours: 9, stability: false } }
    const estimate = await bench.ask('runs.estimateClustering', wanted)
    expect(estimate.seconds).toBeGreaterThan(0)
    expect(estimate.matrices).toBe(1)
    await bench.ask('runs.recluster', { ...wanted, name: '' })
    expect(await entry(bench, clustered)).toMatchObject({ reclustering: true, queued: false })
    expect((await ended(bench, clustered)).clusterings).toHaveLength(2)
    expect(await entry(bench, sampling)).toMatchObject({ status: 'running', queued: false })
    await bench.ask('runs.pause', { run: sampling })
    await expect(bench.ask('runs.estimateClustering', { ...wanted, run: sampling })).rejects.toMatchObject({
      kind: 'usage'
    })
  })

  it('that cannot go on keeps its sentence, and is told of', async () => {
    const bench = await fresh()
    const run = await start(bench, 'too many neighbours', 2, { clustering: { neighbours: 2000 } })
    const { message } = await bench.heard('problem')
    expect(message).toContain('clustering.neighbours')
    const { status, error } = await ended(bench, run)
    expect(status).not.toBe('finished')
    expect(error).toBe(message)
    expect(bench.notified[0][0]).toContain('stopped')
  })

  it('is renamed, archived and deleted with undo; what stays deleted is gone after the next start', async () => {
    const folder = place.path('marked')
    const bench = await fresh({}, folder)
    const run = await start(bench, 'draft', 2, { clustering: false })
    await ended(bench, run)
    const { marks, undo } = await bench.ask('runs.change', { run, changes: { name: 'final', archived: true } })
    expect(marks).toEqual({ name: 'final', archived: true, deleted: false })
    expect(await bench.heard('undo')).toEqual(undo)
    await bench.ask('runs.change', { run, changes: { deleted: true } })
    await bench.ask('labels.undo', {})
    expect(await entry(bench, run)).toMatchObject({ name: 'final', archived: true, deleted: false })
    await bench.ask('labels.redo', {})
    expect(await entry(bench, run)).toMatchObject({ deleted: true })
    await bench.close()
    expect(await (await fresh({}, folder)).ask('runs.list', {})).toEqual([])
  })

  it('stops with a checkpoint when the workbench closes', async () => {
    const folder = place.path('closed')
    const bench = await fresh({}, folder)
    const run = await start(bench, 'long', 2000)
    const waiting = await start(bench, 'waiting')
    await bench.heard('trace')
    await bench.close()
    const again = await fresh({}, folder)
    expect(await entry(again, run)).toMatchObject({ status: 'interrupted', stage: 'sample' })
    expect(await entry(again, waiting)).toMatchObject({ status: 'interrupted' })
    expect((await again.ask('runs.traces', { run })).length).toBeGreaterThan(0)
  })
})
