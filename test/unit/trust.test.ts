import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { exportTo } from '../../main/api/exports'
import { WorkspaceKeeper } from '../../main/api/keeper'
import { labelsOf } from '../../main/api/run-labels'
import { restoreWorkspace } from '../../main/api/restore'
import { deleteRun, listRuns, showRun } from '../../main/api/runs'
import { marksFolder, standingOf, trustWorkspace } from '../../main/api/trust'
import { withWorkspace } from '../../main/api/workspaces'
import { databaseName, openDatabase } from '../../main/store/database'
import { journalPath } from '../../main/store/journal'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import { storeRun, temporaryFolder, treeDescription, treeOf } from './store-fixture'
import { openBench } from './workbench-fixture'
import type { Bench } from './workbench-fixture'

let source: Awaited<ReturnType<typeof temporaryFolder>>
let place: Awaited<ReturnType<typeof temporaryFolder>>
/** A workspace that came from elsewhere. */
let folder = ''
let run = ''
let said = ''

beforeAll(async () => {
  source = await temporaryFolder()
  const workspace = await openWorkspace(join(source.folder, 'w'), { create: true })
  run = await storeRun(workspace, 4, treeOf(20))
  await workspace.saveDescription(run, 1, treeDescription(20))
  await workspace.close()
})
afterAll(() => source.remove())

beforeEach(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
  cpSync(join(source.folder, 'w'), folder, { recursive: true })
  said = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text)
    return true
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  await place.remove()
})

const content = (): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => ({ path: join(entry.parentPath, entry.name), isFile: entry.isFile() }))
    .map(({ path, isFile }) => `${path} ${isFile ? readFileSync(path, 'hex') : ''}`)
    .sort()
    .join('\n')

describe('a workspace that this program made', () => {
  it('is trusted, through a link too, and no copy of it is', async () => {
    const own = join(place.folder, 'own')
    await withWorkspace(own, 'create', (workspace) => storeRun(workspace, 4))
    expect(await standingOf(own)).toBe('own')
    symlinkSync(own, join(place.folder, 'link'))
    expect(await standingOf(join(place.folder, 'link'))).toBe('own')
    cpSync(own, join(place.folder, 'copy'), { recursive: true })
    expect(await standingOf(join(place.folder, 'copy'))).toBe('foreign')
    renameSync(own, join(place.folder, 'moved'))
    expect(await standingOf(join(place.folder, 'moved'))).toBe('foreign')
    renameSync(join(place.folder, 'copy'), own)
    expect(await standingOf(own)).toBe('foreign')
  })

  it('is known by a mark in the settings, and by nothing in the folder', async () => {
    vi.stubEnv('SPECTROSCOPE_SETTINGS', join(place.folder, 'settings'))
    const own = join(place.folder, 'own')
    await withWorkspace(own, 'create', async () => undefined)
    const [mark] = readdirSync(marksFolder())
    expect(JSON.parse(readFileSync(join(marksFolder(), mark), 'utf8'))).toMatchObject({ folder: own })
    expect(readdirSync(own).sort()).toEqual(['journal', 'spectroscope-workspace.json', databaseName])
  })

  it('is said not to be known the next time where the settings cannot be written', async () => {
    writeFileSync(join(place.folder, 'file'), '')
    vi.stubEnv('SPECTROSCOPE_SETTINGS', join(place.folder, 'file', 'settings'))
    const own = join(place.folder, 'own')
    await withWorkspace(own, 'create', (workspace) => storeRun(workspace, 4))
    expect(said).toMatch(/Cannot record that .*own is your workspace \(.*settings.*\); .*--trust/)
    expect(await listRuns(own)).toHaveLength(1)
    expect(await standingOf(own)).toBe('own')
  })

  it('is made in a folder that has other things, and in none that has a part of one', async () => {
    mkdirSync(join(place.folder, 'study'))
    writeFileSync(join(place.folder, 'study', 'study.json'), '{}')
    expect(await standingOf(join(place.folder, 'study'))).toBe('new')
    writeFileSync(join(place.folder, 'study', `${databaseName}.wal`), '')
    expect(await standingOf(join(place.folder, 'study'))).toBe('foreign')
  })
})

describe('a command on a workspace from elsewhere', () => {
  it('reads it, says so in one line, and leaves it as it is', async () => {
    const before = content()
    expect(await listRuns(folder)).toMatchObject([{ id: run }])
    const remedy = '--trust makes it writable from now on'
    const words = 'you did not create this workspace here, so it opens read-only'
    expect(said).toBe(`${folder}: ${words}; ${remedy}.\n`)
    await showRun(folder, run, { topTokens: 2 })
    const out = join(place.folder, 'out')
    await exportTo(folder, run, { format: 'npy', path: out, clusters: 'all', overwrite: false })
    expect(readdirSync(out)).toContain('susceptibilities.npy')
    expect(content()).toBe(before)
  })

  it('reads labels that only the journal has', async () => {
    const other = join(place.folder, 'other')
    cpSync(folder, other, { recursive: true })
    await trustWorkspace(other)
    await labelsOf(other, run, { set: [{ cluster: 0, name: 'brackets' }] })
    mkdirSync(join(folder, 'journal'), { recursive: true })
    cpSync(journalPath(other), journalPath(folder))
    const before = content()
    expect((await labelsOf(folder, run, {})).annotations).toMatchObject([{ name: 'brackets' }])
    expect(content()).toBe(before)
  })

  it('refuses to change it, and changes it once it is trusted', async () => {
    const before = content()
    const refused = {
      kind: 'workspace',
      message: expect.stringMatching(/did not create this workspace here, .*; give --trust/)
    }
    const set = [{ cluster: 0, name: 'brackets' }] as const
    await expect(labelsOf(folder, run, { set })).rejects.toMatchObject(refused)
    await expect(deleteRun(folder, run, async () => true)).rejects.toMatchObject(refused)
    await expect(restoreWorkspace(folder)).rejects.toMatchObject(refused)
    await expect(withWorkspace(folder, 'create', async () => undefined)).rejects.toMatchObject(refused)
    expect(content()).toBe(before)
    expect(await trustWorkspace(folder)).toBeNull()
    expect(await labelsOf(folder, run, { set })).toMatchObject({ annotations: [{ name: 'brackets' }] })
    expect(said).toBe('')
  })
})

it('a workspace that is open for reading only is so again when its store process has ended', async () => {
  const before = content()
  let reopened = (): void => {}
  const again = new Promise<void>((resolve) => (reopened = resolve))
  const options = { create: false, readOnly: true }
  const keeper = await WorkspaceKeeper.open(folder, options, { reopened: () => reopened(), failed: () => {} })
  process.kill(keeper.workspace.pid, 'SIGKILL')
  await again
  expect(keeper.workspace.readOnly).toBe(true)
  await expect(keeper.workspace.renameRun(run, 'x')).rejects.toMatchObject({ kind: 'workspace' })
  await keeper.close()
  expect(content()).toBe(before)
})

describe('a window on a workspace from elsewhere', () => {
  let bench: Bench
  beforeEach(async () => {
    bench = await openBench(folder, { trust: false })
  })
  afterEach(() => bench.close())

  const label = (name: string): Promise<unknown> =>
    bench.ask('labels.apply', {
      run,
      clustering: 1,
      words: 'label',
      changes: [{ do: 'set', targets: ['cluster:0'], label: { name } }]
    })
  const refused = { kind: 'workspace', message: expect.stringContaining('open for reading only') }

  it('shows all of it, and changes nothing', async () => {
    const before = content()
    const words = 'you did not create this workspace here, so it is open read-only; trust it to make changes'
    const problem = `${folder}: ${words}.`
    expect(await bench.ask('app.state', {})).toMatchObject({ workspace: folder, untrusted: folder, problem })
    expect((await bench.ask('clusters.overview', { run, clustering: 1 })).clusters.length).toBeGreaterThan(0)
    const search = { run, clustering: 1, text: 'a', regularExpression: false }
    expect(await bench.ask('clusters.search', search)).toBeDefined()
    const path = join(place.folder, 'report.html')
    await bench.ask('exports.write', { run, clustering: 1, format: 'html', clusters: 'all', path })
    expect(readFileSync(path, 'utf8')).toContain('<html')
    await expect(label('x')).rejects.toMatchObject(refused)
    await expect(bench.ask('models.fetch', { name: 'a/b' })).rejects.toMatchObject({ kind: 'workspace' })
    await expect(bench.ask('runs.change', { run, changes: { deleted: true } })).rejects.toMatchObject(refused)
    expect(content()).toBe(before)
  })

  it('opens it for writing once it is trusted, and so the next time', async () => {
    const other = join(place.folder, 'other')
    await expect(bench.ask('workspace.trust', { folder: other })).rejects.toMatchObject({ kind: 'usage' })
    const state = await bench.ask('workspace.trust', { folder })
    expect(state).toMatchObject({ workspace: folder, untrusted: null, problem: null })
    expect(await bench.heard('workspace')).toEqual({ folder, reopened: false })
    await label('brackets')
    await bench.close()
    bench = await openBench(folder, { trust: false })
    expect(await bench.ask('app.state', {})).toMatchObject({ untrusted: null, problem: null })
    const { annotations } = await bench.ask('clusters.overview', { run, clustering: 1 })
    expect(annotations).toMatchObject([{ name: 'brackets' }])
  })

  it('is asked to trust one of an earlier schema before it is upgraded and shown', async () => {
    const old = join(place.folder, 'old')
    const instance = await openDatabase(old, { create: true, readOnly: false }, migrations.slice(0, 3))
    instance.closeSync()
    const before = readFileSync(join(old, databaseName))
    const problem = expect.stringMatching(
      /did not create this workspace here, .*must be upgraded; trust it to upgrade it\.$/
    )
    const state = await bench.ask('workspace.open', { folder: old })
    expect(state).toMatchObject({ workspace: null, untrusted: old, problem })
    expect(readFileSync(join(old, databaseName))).toEqual(before)
    const trusted = await bench.ask('workspace.trust', { folder: old })
    expect(trusted).toMatchObject({ workspace: old, untrusted: null, problem: null })
  })

  it("makes a new one beside it, which is this person's", async () => {
    const own = join(place.folder, 'own')
    const state = await bench.ask('workspace.open', { folder: own, create: true })
    expect(state).toMatchObject({ workspace: own, untrusted: null, problem: null })
    expect(await bench.ask('workspace.open', { folder })).toMatchObject({ workspace: folder, untrusted: folder })
  })
})
