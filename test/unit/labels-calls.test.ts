import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { callSchemas } from '../../preload/contract'
import type { AnnotationsChanged, CallInput, CallName, CallResult } from '../../preload/contract'
import type { WorkbenchContext } from '../../main/api/context'
import { exportCalls } from '../../main/api/exports'
import { importCalls } from '../../main/api/imports'
import { everywhere } from '../../main/api/reach'
import { ReceivedFiles } from '../../main/api/received-files'
import { compareMatch } from '../../main/api/compare'
import { labelCalls } from '../../main/api/labels'
import { labelsOf } from '../../main/api/run-labels'
import { trustWorkspace } from '../../main/api/trust'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { clusteringOf, storeRun, temporaryFolder, treeOf } from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let workspace: Workspace
let run: string
const notices: [string, unknown][] = []

const context: WorkbenchContext = {
  environment: {
    shell: 'browser',
    settings: { get: () => ({}), set: () => {} },
    views: { get: () => ({}), set: () => {} },
    link: (path) => `http://127.0.0.1/files${path}`
  },
  reach: everywhere,
  settings: () => {
    throw new Error('not asked for')
  },
  author: () => 'Ada',
  workspace: () => workspace,
  emit: (name, data) => void notices.push([name, data])
}
const handlers = {
  labels: labelCalls(context),
  exports: exportCalls(context),
  imports: importCalls(context, new ReceivedFiles())
}

type Answered = Extract<CallName, `${keyof typeof handlers}.${string}`>
const call = async <M extends Answered>(method: M, parameters: CallInput<M>): Promise<CallResult<M>> => {
  const [noun, verb] = method.split('.') as [keyof typeof handlers, string]
  const answer = (handlers[noun] as unknown as Record<string, (given: unknown) => Promise<CallResult<M>>>)[verb]
  return answer(callSchemas[method].parse(parameters))
}

const where = () => ({ run, clustering: 1 })
const out = (name: string): string => join(place.folder, name)

beforeAll(async () => {
  place = await temporaryFolder()
  workspace = await openWorkspace(join(place.folder, 'w'), { create: true })
})

afterAll(async () => {
  await workspace.close()
  await place.remove()
})

beforeEach(async () => {
  run = await storeRun(workspace)
  notices.length = 0
})

const apply = (changes: CallInput<'labels.apply'>['changes'], words = 'label'): Promise<AnnotationsChanged> =>
  call('labels.apply', { ...where(), changes, words })

describe("a window's calls about labels", () => {
  test('label, undo and redo, and tell every window', async () => {
    const changed = await apply(
      [{ do: 'set', targets: ['cluster:0', 'cluster:1'], label: { name: 'x' } }],
      'label 2 clusters'
    )
    expect(
      changed.changed.map(({ target, annotation }) => [
        target,
        annotation?.name,
        annotation?.author,
        annotation?.status
      ])
    ).toEqual([
      ['cluster:0', 'x', 'Ada', 'labelled'],
      ['cluster:1', 'x', 'Ada', 'labelled']
    ])
    expect(changed.undo.undo).toMatchObject({ words: 'label 2 clusters', run })
    expect(notices).toEqual([['annotations', changed]])
    expect(await call('labels.undo', {})).toMatchObject({ redo: { words: 'label 2 clusters' } })
    expect(await workspace.getAnnotations(run, 1)).toEqual([])
    await call('labels.redo', {})
    expect(await workspace.getAnnotations(run, 1)).toHaveLength(2)
    expect(notices.map(([name]) => name)).toEqual(['annotations', 'annotations', 'annotations'])
    expect((await call('labels.history', { limit: 1 }))[0]).toMatchObject({ words: 'label 2 clusters', undone: false })
  })

  test('are done once when they are sent again because their answer was lost, merges and clears too', async () => {
    const orders: [string, CallInput<'labels.apply'>['changes']][] = [
      ['change-1', [{ do: 'set', targets: ['cluster:0'], label: { name: 'x' } }]],
      ['change-2', [{ do: 'merge', clusters: [0, 1], label: { name: 'm' } }]],
      ['change-3', [{ do: 'clear', targets: ['merge:1'] }]]
    ]
    for (const [id, changes] of orders) {
      const sent = { ...where(), changes, words: id, id: `${run}-${id}` }
      const first = await call('labels.apply', sent)
      expect(await call('labels.apply', sent)).toEqual(first)
    }
    await apply([{ do: 'set', targets: ['cluster:0'], label: { name: 'y' } }], 'later')
    const late = { ...where(), changes: orders[0][1], words: 'late', id: `${run}-change-1` }
    expect((await call('labels.apply', late)).undo.undo?.words).toBe('later')
    const kept = await workspace.getAnnotations(run, 1)
    expect(kept.map(({ target, name }) => [target, name])).toEqual([['cluster:0', 'y']])
  })

  test('undo and redo no step that another window no longer shows', async () => {
    const {
      undo: { undo: shown }
    } = await apply([{ do: 'set', targets: ['cluster:0'], label: { name: 'x' } }], 'ours')
    const { undo: state } = await apply([{ do: 'set', targets: ['cluster:1'], label: { name: 'y' } }], 'theirs')
    notices.length = 0
    const refused = { kind: 'input', message: expect.stringMatching(/nothing was undone; .*“theirs”/) }
    await expect(call('labels.undo', { step: shown?.number })).rejects.toMatchObject(refused)
    expect(notices).toEqual([['undo', state]])
    expect(await workspace.getAnnotations(run, 1)).toHaveLength(2)
    await call('labels.undo', { step: state.undo?.number })
    await expect(call('labels.redo', { step: shown?.number })).rejects.toMatchObject({ kind: 'input' })
    expect((await call('labels.redo', { step: state.undo?.number })).undo?.words).toBe('theirs')
  })

  test('make no step of what changes nothing', async () => {
    await apply([{ do: 'set', targets: ['cluster:0'], label: { name: 'x' } }], 'one')
    const { changed, undo } = await apply([{ do: 'set', targets: ['cluster:0'], label: { name: ' x ' } }], 'two')
    expect(changed).toEqual([])
    expect(undo.undo).toMatchObject({ words: 'one' })
  })

  test('merge and split, numbered on', async () => {
    await apply([{ do: 'merge', clusters: [0, 1], label: { name: 'm' } }])
    await apply([{ do: 'split', cluster: -1, tokens: [12, 11], label: { name: 'p' } }])
    await apply([{ do: 'clear', targets: ['merge:1'] }])
    const { changed } = await apply([{ do: 'merge', clusters: [0, -1], label: {} }])
    expect(changed.map(({ target }) => target)).toEqual(['merge:2'])
    expect(
      (await workspace.getAnnotations(run, 1)).map(({ target, clusters, tokens }) => [target, clusters ?? tokens])
    ).toEqual([
      ['merge:2', [-1, 0]],
      ['part:1', [11, 12]]
    ])
  })

  test('are worked out where they are written, so that two at once do not collide', async () => {
    const split = (tokens: number[]): Promise<AnnotationsChanged> =>
      workspace.changeLabels({
        run,
        clustering: 1,
        words: 'split',
        author: 'Ada',
        changes: [{ do: 'split', cluster: 0, tokens, label: {} }]
      })
    await Promise.all([split([0, 1]), split([1, 2])])
    expect((await workspace.getAnnotations(run, 1)).map(({ target, tokens }) => [target, tokens])).toEqual([
      ['part:1', [0]],
      ['part:2', [1, 2]]
    ])
  })

  test('refuse clusters that are not there, and tokens of others', async () => {
    await expect(apply([{ do: 'set', targets: ['cluster:2'], label: { name: 'x' } }])).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('no cluster 2; it has 0 to 1')
    })
    await expect(apply([{ do: 'merge', clusters: [0, 9], label: {} }])).rejects.toMatchObject({ kind: 'input' })
    await expect(apply([{ do: 'split', cluster: 0, tokens: [4, 5], label: {} }])).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('Token 5 is not in cluster 0')
    })
    await expect(
      call('labels.apply', { run, clustering: 3, changes: [{ do: 'clear', targets: ['cluster:0'] }], words: 'x' })
    ).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('no clustering 3') })
    expect(await workspace.getAnnotations(run, 1)).toEqual([])
  })

  test('test a label blind, and keep the score with it', async () => {
    const membership = await workspace.getMembership(run)
    await apply([{ do: 'set', targets: ['cluster:1'], label: { name: 'mine' } }])
    let right = 0
    for (let round = 1; round <= 3; round++) {
      const { test: id, contexts } = await call('labels.blindTest', { ...where(), cluster: 1 })
      expect(contexts).toHaveLength(6)
      const odd = contexts.findIndex(({ token }) => membership[token] !== 1)
      expect(contexts.filter(({ token }) => membership[token] === 1)).toHaveLength(5)
      const choice = round === 2 ? (odd + 1) % 6 : odd
      if (choice === odd) right++
      expect(await call('labels.answerBlindTest', { test: id, choice })).toEqual({
        odd,
        right: choice === odd,
        score: { right, of: round }
      })
      await expect(call('labels.answerBlindTest', { test: id, choice })).rejects.toMatchObject({
        kind: 'input',
        message: expect.stringContaining('already answered')
      })
    }
    expect((await workspace.getAnnotations(run, 1))[0]).toMatchObject({ name: 'mine', blindTest: { right: 2, of: 3 } })
  })

  test('suggest names', async () => {
    const { names } = await call('labels.suggest', { ...where(), cluster: 0 })
    expect(names.length).toBeGreaterThan(0)
    expect(names.length).toBeLessThanOrEqual(6)
  })

  test('carry labels over to another clustering of the run, once asked', async () => {
    await apply([
      { do: 'set', targets: ['cluster:0'], label: { name: 'zero' } },
      { do: 'set', targets: ['cluster:1'], label: { name: 'one' } }
    ])
    const { clusters, ...rest } = clusteringOf(20)
    const { number } = await workspace.transaction(run, (writer) =>
      writer.saveClustering({
        ...rest,
        clusters: [...clusters].reverse().map((cluster, order) => ({ ...cluster, order }))
      })
    )
    const request = { from: where(), to: { run, clustering: number } }
    expect(await call('labels.carry', request)).toMatchObject({
      applied: false,
      proposals: [
        { from: 0, to: 1, jaccard: 1, name: 'zero', replaces: null },
        { from: 1, to: 0, jaccard: 1, name: 'one' }
      ].sort((a, b) => a.to - b.to)
    })
    expect(await workspace.getAnnotations(run, number)).toEqual([])
    expect((await call('labels.carry', { ...request, targets: [] })).proposals).toEqual([])
    await call('labels.carry', { ...request, targets: ['cluster:0'], apply: true })
    expect(await workspace.getAnnotations(run, number)).toMatchObject([{ target: 'cluster:1', name: 'zero' }])
    await call('labels.undo', {})
    await call('labels.carry', { ...request, apply: true })
    expect((await workspace.getAnnotations(run, number)).map(({ target, name }) => [target, name])).toEqual([
      ['cluster:0', 'one'],
      ['cluster:1', 'zero']
    ])
    expect(await call('labels.undo', {})).toMatchObject({
      redo: { words: expect.stringContaining('transfer 2 labels') }
    })
    await expect(call('labels.carry', { from: where(), to: where() })).rejects.toMatchObject({ kind: 'input' })
    const without = { from: { run, clustering: number }, to: where() }
    expect(await call('labels.carry', without)).toEqual({ applied: false, left: [], proposals: [] })
    await expect(call('labels.carry', { ...without, apply: true })).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('No label')
    })
  })

  test('that no cluster overlaps enough are left, and transfer one by one with a lower minimum', async () => {
    const { clusters, ...rest } = clusteringOf(20)
    const half = clusters.map((cluster) => ({
      ...cluster,
      members: cluster.members.slice(0, cluster.order === 0 ? Math.floor(cluster.members.length / 3) : undefined)
    }))
    const out = clusters[0].members.slice(half[0].members.length)
    const { number } = await workspace.transaction(run, (writer) =>
      writer.saveClustering({
        ...rest,
        clusters: half,
        leftover: { ...rest.leftover, members: Int32Array.from([...rest.leftover.members, ...out]).sort() }
      })
    )
    await apply([
      { do: 'set', targets: ['cluster:0'], label: { name: 'shrunk' } },
      { do: 'set', targets: ['cluster:1'], label: { name: 'same' } }
    ])
    const request = { from: where(), to: { run, clustering: number } }
    const sure = await call('labels.carry', { ...request, apply: true })
    expect(sure).toMatchObject({ proposals: [{ name: 'same' }], left: [{ target: 'cluster:0', name: 'shrunk' }] })
    expect((await workspace.getAnnotations(run, number)).map(({ name }) => name)).toEqual(['same'])
    const one = { ...request, least: 0.05, targets: ['cluster:0' as const] }
    expect(await call('labels.carry', one)).toMatchObject({ proposals: [{ to: 0, replaces: null }], left: [] })
    await call('labels.carry', { ...one, apply: true })
    expect((await workspace.getAnnotations(run, number)).map(({ name }) => name)).toEqual(['shrunk', 'same'])
    expect(await call('labels.carry', { ...one, least: 0.9 })).toMatchObject({
      proposals: [],
      left: [{ name: 'shrunk' }]
    })
  })

  test('of two clusters are those of tokens in both, and in one alone', async () => {
    const other = await storeRun(workspace)
    const of = (id: string, cluster: number) => ({ run: id, clustering: 1, cluster })
    const [zero, one] = await Promise.all(
      [0, 1].map(async (cluster) =>
        [...(await workspace.getMembership(run, { clustering: 1 }))].flatMap((of, token) =>
          of === cluster ? [token] : []
        )
      )
    )
    const same = await compareMatch(workspace, of(run, 0), of(other, 0), 2)
    expect(same.both).toEqual({ count: zero.length, tokens: expect.any(Int32Array) })
    expect(same.both.tokens).toHaveLength(2)
    expect([same.gone.count, same.came.count]).toEqual([0, 0])
    const apart = await compareMatch(workspace, of(run, 0), of(other, 1), 100)
    expect(apart.both.count).toBe(0)
    expect([...apart.gone.tokens]).toEqual(zero)
    expect([...apart.came.tokens]).toEqual(one)
  })

  test('are carried to another run of the same rows', async () => {
    await apply([{ do: 'set', targets: ['cluster:1'], label: { name: 'one' } }])
    const other = await storeRun(workspace)
    await call('labels.carry', { from: where(), to: { run: other, clustering: 1 }, apply: true })
    expect(await workspace.getAnnotations(other, 1)).toMatchObject([
      { target: 'cluster:1', name: 'one', author: 'Ada' }
    ])
  })

  test('back labels up', async () => {
    await apply([{ do: 'set', targets: ['cluster:1'], label: { name: 'kept' } }])
    expect(await readFile((await call('labels.backUp', {})).file, 'utf8')).toContain('kept')
  })
})

describe("a window's calls about labels of a tree", () => {
  beforeEach(async () => {
    run = await storeRun(workspace, 8, treeOf(40))
  })

  test('label, split and merge groups of every level', async () => {
    await apply([{ do: 'set', targets: ['cluster:4', 'cluster:5', 'cluster:0'], label: { name: 'x' } }])
    await apply([{ do: 'split', cluster: 5, tokens: [0, 12], label: { name: 'p' } }])
    await apply([{ do: 'merge', clusters: [0, 3, -1], label: { name: 'm' } }])
    expect((await workspace.getAnnotations(run, 1)).map(({ target }) => target)).toEqual([
      'cluster:0',
      'cluster:4',
      'cluster:5',
      'merge:1',
      'part:1'
    ])
    await expect(apply([{ do: 'split', cluster: 4, tokens: [12], label: {} }])).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('Token 12 is not in cluster 4')
    })
    await expect(apply([{ do: 'set', targets: ['cluster:6'], label: { name: 'x' } }])).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no cluster 6; it has 0 to 3, and groups above them up to 5')
    })
  })

  test.each([
    [[0, 4], 'cluster 0 and neighbourhood 4'],
    [[5, 4], 'region 5 and neighbourhood 4'],
    [[3, 0, 5], 'cluster 3 and region 5'],
    [[4, -1], 'neighbourhood 4 and the unclustered tokens']
  ])('do not merge %j', async (clusters, words) => {
    const error: unknown = await apply([{ do: 'merge', clusters, label: {} }]).catch((reason: unknown) => reason)
    const remedy = 'select clusters only, or groups of one level above.'
    expect(error).toMatchObject({
      kind: 'input',
      message: `A merge needs groups of one level, but ${words} differ; ${remedy}`
    })
    expect(await workspace.getAnnotations(run, 1)).toEqual([])
  })

  test('suggest names for groups above', async () => {
    expect((await call('labels.suggest', { ...where(), cluster: 5 })).names.length).toBeGreaterThan(0)
  })

  test('test a group blind with a context from outside of all that it is in', async () => {
    for (const [cluster, inside, outside] of [
      [0, 5, 13],
      [4, 10, 13],
      [5, 13, 13]
    ] as const) {
      const { contexts } = await call('labels.blindTest', { ...where(), cluster })
      const tokens = contexts.map(({ token }) => token).sort((a, b) => a - b)
      expect(tokens.slice(0, 5).every((token) => token < inside)).toBe(true)
      expect(tokens[5]).toBeGreaterThanOrEqual(outside)
    }
  })

  test('test a group blind with a context from what it is in where there is little else', async () => {
    const { clusters, leftover, ...rest } = treeOf(40)
    const all = clusters.slice(0, 2).map((cluster, at) => ({
      ...cluster,
      parent: 2,
      strengths: null,
      members: Int32Array.from({ length: 20 }, (_, i) => i + 20 * at)
    }))
    const above = { ...clusters[5], order: 2, strengths: null, members: Int32Array.from({ length: 40 }, (_, i) => i) }
    const { number } = await workspace.transaction(run, (writer) =>
      writer.saveClustering({
        ...rest,
        clusters: [...all, above],
        leftover: { ...leftover, members: new Int32Array(0) }
      })
    )
    const { contexts } = await call('labels.blindTest', { run, clustering: number, cluster: 0 })
    expect(contexts.filter(({ token }) => token >= 20)).toHaveLength(1)
    await expect(call('labels.blindTest', { run, clustering: number, cluster: 2 })).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('this cluster holds all tokens')
    })
  })

  test('carry labels between a tree and clusters without one', async () => {
    await apply([
      { do: 'set', targets: ['cluster:4'], label: { name: 'four' } },
      { do: 'set', targets: ['cluster:3'], label: { name: 'three' } }
    ])
    const flat = clusteringOf(40)
    const ten = { ...flat.clusters[0], members: Int32Array.from({ length: 10 }, (_, i) => i) }
    const { number } = await workspace.transaction(run, (writer) =>
      writer.saveClustering({
        ...flat,
        clusters: [ten],
        leftover: { ...flat.leftover, members: Int32Array.from({ length: 30 }, (_, i) => i + 10) }
      })
    )
    expect(await call('labels.carry', { from: where(), to: { run, clustering: number } })).toMatchObject({
      proposals: [{ from: 4, to: 0, jaccard: 1, name: 'four' }]
    })
    await call('labels.carry', { from: where(), to: { run, clustering: number }, apply: true })
    const { number: again } = await workspace.transaction(run, (writer) => writer.saveClustering(treeOf(40)))
    await call('labels.carry', { from: { run, clustering: number }, to: { run, clustering: again }, apply: true })
    expect((await workspace.getAnnotations(run, again)).map(({ target, name }) => [target, name])).toEqual([
      ['cluster:4', 'four']
    ])
  })

  test('go to another clustering without skips, and without parts about which nothing is said', async () => {
    await apply([
      { do: 'set', targets: ['cluster:0'], label: { name: 'zero' } },
      { do: 'set', targets: ['cluster:1'], label: { status: 'skipped' } },
      { do: 'split', cluster: 2, tokens: [(await workspace.getClusterMembers(run, 2, where()))[0]], label: {} }
    ])
    const { number } = await workspace.transaction(run, (writer) => writer.saveClustering(treeOf(40)))
    const { proposals } = await call('labels.carry', { from: where(), to: { run, clustering: number } })
    expect(proposals.map(({ target, name }) => [target, name])).toEqual([['cluster:0', 'zero']])
  })

  test('export and import them at every level, and say what has no group', async () => {
    await apply([
      { do: 'set', targets: ['cluster:5'], label: { name: 'five' } },
      { do: 'set', targets: ['cluster:0'], label: { name: 'zero' } },
      { do: 'set', targets: ['cluster:3'], label: { name: 'three' } }
    ])
    const { path } = await call('exports.write', {
      ...where(),
      format: 'annotated',
      clusters: [0, 5],
      path: out('tree.json')
    })
    expect(await call('imports.inspect', { path })).toMatchObject({ version: 3, tokens: 13, clusters: 3, labelled: 1 })
    const { number } = await workspace.transaction(run, (writer) => writer.saveClustering(clusteringOf(40)))
    expect(await call('imports.annotated', { path, into: { run, clustering: number } })).toMatchObject({
      labels: 1,
      left: ['The label “five” of cluster 5 matches no cluster with at least half of its tokens.']
    })
    expect((await workspace.getAnnotations(run, number)).map(({ target, name }) => [target, name])).toEqual([
      ['cluster:0', 'zero']
    ])
  })
})

describe("a window's calls about exports and imports", () => {
  test('write each format, and link to what was written only', async () => {
    for (const format of ['annotated', 'html', 'site', 'csv', 'parquet', 'npy', 'zarr', 'json'] as const) {
      const path = out(`export-${format}`)
      const answer = await call('exports.write', { ...where(), format, clusters: 'all', path })
      expect(answer.path).toBe(path)
      expect(answer.bytes).toBeGreaterThan(100)
      const file = format === 'annotated' || format === 'html'
      expect(answer.files.length === 1 && answer.files[0] === `export-${format}`).toBe(file)
      expect(await call('exports.link', { path })).toEqual({ address: `http://127.0.0.1/files${path}` })
      await expect(call('exports.write', { ...where(), format, clusters: 'all', path })).rejects.toMatchObject({
        kind: 'usage'
      })
      await call('exports.write', { ...where(), format, clusters: [0], path, overwrite: true })
    }
    await expect(call('exports.link', { path: '/etc/passwd' })).rejects.toMatchObject({ kind: 'usage' })
    await expect(call('imports.inspect', { path: out('export-zarr') })).rejects.toThrow(
      /is a folder, .* in the terminal/
    )
    const picture = out('graph.svg')
    expect(await call('exports.picture', { path: picture, content: new TextEncoder().encode('<svg/>') })).toMatchObject(
      { path: picture, files: ['graph.svg'], bytes: 6 }
    )
  })

  test('replace what is no export of this program by its own name alone', async () => {
    for (const [format, name] of [
      ['annotated', 'notes.json'],
      ['html', '.bashrc']
    ] as const) {
      const path = out(name)
      await writeFile(path, '{"format": "of another program"}')
      const asked = { ...where(), format, clusters: 'all', path } as const
      for (const overwrite of [false, true, 'other.json', path]) {
        await expect(call('exports.write', { ...asked, overwrite })).rejects.toMatchObject({ kind: 'usage' })
        expect(await readFile(path, 'utf8')).toBe('{"format": "of another program"}')
      }
      await expect(call('exports.write', { ...asked, overwrite: true })).rejects.toThrow(`--overwrite-file ${name}`)
      await call('exports.write', { ...asked, overwrite: name })
      await call('exports.write', { ...asked, overwrite: true })
    }
  })

  test('receive, look at and import a set', async () => {
    await workspace.updateRun(run, { provenance: { studyHash: `hash of ${run}` } })
    await apply([{ do: 'set', targets: ['cluster:1'], label: { name: 'one' } }])
    const { path: written } = await call('exports.write', {
      ...where(),
      format: 'annotated',
      clusters: 'all',
      path: out('set.json')
    })
    const { path } = await call('imports.receive', {
      name: '../../evil/\u202eset.json',
      content: new Uint8Array(await readFile(written))
    })
    expect(path).toMatch(/spectroscope-received-\w+\/_set\.json$/)
    expect(await call('imports.inspect', { path })).toMatchObject({
      name: 'a run',
      version: 3,
      model: 'model',
      tokens: 20,
      clusters: 2,
      labelled: 1,
      fits: [{ run, name: 'a run', clustering: 1 }]
    })
    notices.length = 0
    const answer = await call('imports.annotated', { path })
    expect(answer).toMatchObject({ clustering: 1, clusters: 2, labels: 1, left: [] })
    expect(answer.run).not.toBe(run)
    expect(notices.map(([name]) => name)).toEqual(['runs-changed', 'undo'])
    await expect(access(path)).rejects.toThrow('ENOENT')
    expect((await call('imports.inspect', { path: written })).fits.map((fit) => fit.run)).toEqual([run, answer.run])
  })

  test('give the labels of a set to a run that is there, and say what is left', async () => {
    await apply([
      { do: 'set', targets: ['cluster:0'], label: { name: 'zero' } },
      { do: 'set', targets: ['cluster:1'], label: { name: 'one' } }
    ])
    const { path } = await call('exports.write', {
      ...where(),
      format: 'annotated',
      clusters: 'all',
      path: out('labels.json'),
      overwrite: true
    })
    const into = await storeRun(workspace)
    const { clusters, leftover, ...rest } = clusteringOf(20)
    const members = Int32Array.from([...clusters[1].members, ...leftover.members])
    const { number } = await workspace.transaction(into, (writer) =>
      writer.saveClustering({ ...rest, clusters: clusters.slice(0, 1), leftover: { ...leftover, members } })
    )
    expect(await call('imports.annotated', { path, into: { run: into, clustering: number } })).toEqual({
      run: into,
      clustering: number,
      clusters: 2,
      labels: 1,
      left: ['The label “one” of cluster 1 matches no cluster with at least half of its tokens.']
    })
    expect((await workspace.getAnnotations(into, number)).map(({ name }) => name)).toEqual(['zero'])
  })
})

test('the terminal lists and gives labels', async () => {
  const { folder, remove } = await temporaryFolder()
  const own = await openWorkspace(folder, { create: true })
  const id = await storeRun(own)
  await own.close()
  await trustWorkspace(folder)
  expect(await labelsOf(folder, 'latest', {})).toMatchObject({
    run: id,
    annotations: [],
    sizes: { 0: 5, 1: 5, [-1]: 10 },
    kinds: { 0: 'cluster', 1: 'cluster', [-1]: 'main body' }
  })
  const { annotations } = await labelsOf(folder, id, {
    set: [
      { cluster: 1, name: 'one' },
      { cluster: -1, name: 'rest' }
    ]
  })
  expect(annotations.map(({ target, name, status }) => [target, name, status])).toEqual([
    ['cluster:-1', 'rest', 'labelled'],
    ['cluster:1', 'one', 'labelled']
  ])
  const again = await labelsOf(folder, id, { set: [{ cluster: 0, name: ' One ' }] })
  expect(again.taken).toEqual([{ cluster: 0, name: ' One ', others: ['cluster:1'] }])
  expect((await labelsOf(folder, id, {})).taken).toEqual([])
  await expect(labelsOf(folder, id, { set: [{ cluster: 5, name: 'five' }] })).rejects.toMatchObject({ kind: 'input' })
  await remove()
})
