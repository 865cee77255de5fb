import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { copyFile, cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Annotation } from '../../preload/contract-annotations'
import { exportTo } from '../../main/api/exports'
import { restoreSources, restoreWorkspace } from '../../main/api/restore'
import { trustWorkspace } from '../../main/api/trust'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { labelBody, labelEdits, storeRun, treeDescription, treeOf, workspaceTemplate } from './store-fixture'
import type { LabelBodies, WorkspaceTemplate } from './store-fixture'

vi.setConfig({ testTimeout: 240_000 })

let template: WorkspaceTemplate
let place: Awaited<ReturnType<WorkspaceTemplate['copy']>>
let folder: string
let run: string
let labelled: readonly Annotation[]

const apply = (workspace: Workspace, edits: LabelBodies, of = run): Promise<unknown> =>
  workspace.applyAnnotations({ run: of, clustering: 1, words: 'label', author: 'Eve', edits: labelEdits(edits) })
const inWorkspace = async <T>(work: (workspace: Workspace) => Promise<T>, at = folder): Promise<T> => {
  const workspace = await openWorkspace(at)
  try {
    return await work(workspace)
  } finally {
    await workspace.close()
  }
}
const labels = (at = folder, of = run): Promise<Annotation[]> =>
  inWorkspace((workspace) => workspace.getAnnotations(of, 1), at)
const backups = (pattern: RegExp): string[] => readdirSync(join(folder, 'backups')).filter((name) => pattern.test(name))

beforeAll(async () => {
  template = await workspaceTemplate(async (made) => {
    run = await storeRun(made, 4, treeOf(20))
    await made.saveDescription(run, 1, treeDescription(20))
    await apply(made, {
      'cluster:0': labelBody('brackets', {
        note: 'so “it” seems\n',
        tags: ['code', 'b'],
        confidence: 'high',
        blindTest: { right: 2, of: 3 }
      }),
      'cluster:5': labelBody('a region', { author: 'Bob', changedAt: '2025-05-06T07:08:09.012Z' }),
      'cluster:4': labelBody('neighbours', { status: 'unsure' }),
      'merge:3': labelBody('both', { clusters: [0, 1] }),
      'part:2': labelBody('some', { cluster: 2, tokens: [10, 11] }),
      'cluster:-1': labelBody('', { status: 'skipped' }),
      'selection:3': labelBody('from anywhere', { note: 'a lasso', tokens: [0, 7, 19] })
    })
    labelled = await made.getAnnotations(run, 1)
  })
})
afterAll(() => template.remove())
beforeEach(async () => {
  place = await template.copy()
  folder = place.workspace
})
afterEach(() => place.remove())

test('a backup brings every label back bit for bit, and those of before are kept', async () => {
  const [backup] = backups(/^labels-/)
  await inWorkspace((workspace) =>
    apply(workspace, { 'cluster:0': labelBody('spoilt'), 'cluster:5': null, 'cluster:3': labelBody('newer') })
  )
  const before = await labels()
  const restored = await restoreWorkspace(folder, backup)
  expect(restored).toMatchObject({ labels: 7, clusterings: 1, left: [], setAside: null, imported: null })
  expect(await labels()).toEqual(labelled)
  await restoreWorkspace(folder, restored.labelsBefore!)
  expect(await labels()).toEqual(before)
  await inWorkspace((workspace) => workspace.undo())
  expect(await labels()).toEqual(labelled)
  expect((await restoreSources(folder)).map(({ kind }) => kind)).toEqual(expect.arrayContaining(['labels', 'journal']))
})

test('an annotated set brings every label back bit for bit, into its run or with one of its own', async () => {
  const set = join(place.folder, 'set.json')
  await exportTo(folder, run, { format: 'annotated', path: set, clusters: 'all', overwrite: false })
  await inWorkspace((workspace) => apply(workspace, Object.fromEntries(labelled.map(({ target }) => [target, null]))))
  await restoreWorkspace(folder, set)
  expect(await labels()).toEqual(labelled)
  const other = join(place.folder, 'other')
  await inWorkspace(
    () => Promise.resolve(),
    await openWorkspace(other, { create: true }).then(async (made) => (await made.close(), other))
  )
  await trustWorkspace(other)
  const { imported } = await restoreWorkspace(other, set)
  expect(await labels(other, imported!)).toEqual(labelled)
  await inWorkspace((workspace) => apply(workspace, { 'cluster:5': null }, imported!), other)
  expect(await restoreWorkspace(other, set)).toMatchObject({ imported: null, labels: 7 })
  expect(await labels(other, imported!)).toEqual(labelled)
})

test('a journal adds what another copy of the workspace was told', async () => {
  const twin = join(place.folder, 'twin')
  await cp(folder, twin, { recursive: true })
  await inWorkspace((workspace) => apply(workspace, { 'cluster:1': labelBody('theirs') }), twin)
  await inWorkspace((workspace) => apply(workspace, { 'cluster:2': labelBody('ours') }))
  await restoreWorkspace(folder, join(twin, 'journal', 'labels.jsonl'))
  const names = new Map((await labels()).map(({ target, name }) => [target, name]))
  expect([names.get('cluster:1'), names.get('cluster:2'), names.get('cluster:5')]).toEqual([
    'theirs',
    'ours',
    'a region'
  ])
})

test('a damaged database is replaced by the latest copy that opens, with the labels of the journal', async () => {
  await mkdir(join(folder, 'backups'), { recursive: true })
  await copyFile(join(folder, 'workspace.duckdb'), join(folder, 'backups', 'workspace-schema-4-20260101-000000.duckdb'))
  await inWorkspace((workspace) => apply(workspace, { 'cluster:3': labelBody('newer') }))
  writeFileSync(join(folder, 'backups', 'workspace-schema-5-20260202-000000.duckdb'), 'no database')
  const now = await labels()
  writeFileSync(join(folder, 'workspace.duckdb'), 'damaged')
  await expect(openWorkspace(folder)).rejects.toMatchObject({
    kind: 'workspace',
    message: expect.stringContaining('`spectroscope restore`')
  })
  const restored = await restoreWorkspace(folder)
  expect(restored).toMatchObject({ from: expect.stringContaining('workspace-schema-4'), labels: 8 })
  expect(readFileSync(join(restored.setAside!, 'workspace.duckdb'), 'utf8')).toBe('damaged')
  expect(await labels()).toEqual(now)
  expect(await restoreWorkspace(folder)).toMatchObject({ from: null })
})

test('what cannot be restored is refused in a sentence, and nothing changes', async () => {
  const present = readFileSync(join(folder, 'workspace.duckdb'))
  const bad = join(place.folder, 'bad.json')
  const [backup] = backups(/^labels-/)
  for (const [text, message] of [
    ['{"format":"spectroscope-lab', 'cut off'],
    ['{"format":"x"}', 'not a label backup'],
    [readFileSync(join(folder, 'backups', backup), 'utf8').replace('"labelled"', '"odd"'), 'annotations']
  ]) {
    writeFileSync(bad, text)
    await expect(restoreWorkspace(folder, bad)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining(message)
    })
  }
  await expect(restoreWorkspace(folder, 'nowhere.json')).rejects.toMatchObject({
    kind: 'input',
    message: expect.stringContaining('--list')
  })
  writeFileSync(bad, readFileSync(join(folder, 'backups', backup), 'utf8').replace(`"run":"${run}"`, '"run":"gone"'))
  expect(await restoreWorkspace(folder, bad)).toMatchObject({
    labels: 0,
    left: [expect.stringContaining('7 labels of clustering 1 of run gone not restored')]
  })
  const broken = join(place.folder, 'broken.duckdb')
  writeFileSync(broken, 'no database')
  await expect(restoreWorkspace(folder, broken)).rejects.toMatchObject({ kind: 'workspace' })
  expect(await labels()).toEqual(labelled)
  expect(existsSync(join(folder, '.workspace.duckdb.restored.tmp'))).toBe(false)
  const open = await openWorkspace(folder)
  await expect(restoreWorkspace(folder)).rejects.toMatchObject({
    message: expect.stringContaining('open in another program')
  })
  await open.close()
  await rm(join(folder, 'workspace.duckdb'))
  for (const name of backups(/./))
    if (name.startsWith('set-aside')) await rm(join(folder, 'backups', name), { recursive: true })
  await expect(restoreWorkspace(folder)).rejects.toMatchObject({
    kind: 'workspace',
    message: expect.stringContaining('no copy that opens')
  })
  writeFileSync(join(folder, 'workspace.duckdb'), present)
})
