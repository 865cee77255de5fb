import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { openWorkspace } from '../../main/store/store'
import { storeRun, temporaryFolder } from './store-fixture'
import { openBench } from './workbench-fixture'

/** Root may write whatever a file's permissions say, but not to a file system that is mounted for reading only. */
const mount = (folder: string, at: string): boolean => {
  mkdirSync(at)
  try {
    execFileSync('mount', ['--bind', folder, at], { stdio: 'ignore' })
    execFileSync('mount', ['-o', 'remount,bind,ro', at], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder = ''
let isReadOnly = false
let isMounted = false
let run = ''

beforeAll(async () => {
  place = await temporaryFolder()
  const source = join(place.folder, 'source')
  const workspace = await openWorkspace(source, { create: true })
  run = await storeRun(workspace, 8)
  // What is in DuckDB's log of changes, and not in its file, has to be read too.
  const ended = workspace.ended
  process.kill(workspace.pid, 'SIGKILL')
  await ended
  await workspace.close().catch(() => {})
  folder = join(place.folder, 'mounted')
  isMounted = mount(source, folder)
  isReadOnly = isMounted
  if (!isReadOnly && process.getuid?.() !== 0) {
    folder = source
    chmodSync(source, 0o555)
    isReadOnly = true
  }
})

afterAll(async () => {
  if (isMounted) execFileSync('umount', [folder], { stdio: 'ignore' })
  else chmodSync(folder, 0o755)
  await place.remove()
})

describe('a workspace that cannot be written', () => {
  it('is opened for reading, and says why', async ({ skip }) => {
    if (!isReadOnly) skip('skipped: nothing can be made read-only here')
    const workspace = await openWorkspace(folder, { orRead: true })
    try {
      expect(workspace).toMatchObject({ readOnly: true, unwritable: expect.stringMatching(/read-only|may not write/) })
      expect(await workspace.listRuns()).toMatchObject([{ id: run }])
      const message = expect.stringContaining('open for reading only')
      await expect(workspace.renameRun(run, 'other')).rejects.toMatchObject({ kind: 'workspace', message })
    } finally {
      await workspace.close()
    }
  })

  it('is refused in a sentence where it has to be written', async ({ skip }) => {
    if (!isReadOnly) skip('skipped: nothing can be made read-only here')
    const message = expect.stringMatching(/cannot be written, because .*; change that, or copy/)
    await expect(openWorkspace(folder)).rejects.toMatchObject({ kind: 'workspace', message })
  })

  it('is shown by a window, which changes nothing in it', async ({ skip }) => {
    if (!isReadOnly) skip('skipped: nothing can be made read-only here')
    const bench = await openBench(folder)
    try {
      const problem = expect.stringMatching(/open read-only because .*; copy it elsewhere to make changes\.$/)
      expect(await bench.ask('app.state', {})).toMatchObject({ workspace: folder, problem })
      expect(await bench.ask('runs.list', {})).toMatchObject([{ id: run }])
      const refused = { kind: 'workspace', message: expect.stringContaining('open for reading only') }
      await expect(bench.ask('runs.change', { run, changes: { deleted: true } })).rejects.toMatchObject(refused)
      const change = { do: 'set' as const, targets: ['cluster:0' as const], label: { name: 'x' } }
      const label = { run, clustering: 1, words: 'label', changes: [change] }
      await expect(bench.ask('labels.apply', label)).rejects.toMatchObject(refused)
      const undescribed = { kind: 'workspace', message: expect.stringContaining('the workspace is read-only') }
      await expect(bench.ask('clusters.overview', { run, clustering: 1 })).rejects.toMatchObject(undescribed)
    } finally {
      await bench.close()
    }
  })
})

test("a reader's temporary folder is for this user alone, and goes with the reader", async () => {
  const place = await temporaryFolder()
  vi.stubEnv('TMPDIR', place.folder)
  try {
    const own = join(place.folder, 'w')
    const made = await openWorkspace(own, { create: true })
    const run = await storeRun(made, 8)
    await made.close()
    const workspace = await openWorkspace(own, { readOnly: true })
    const stores = (): string[] => readdirSync(place.folder).filter((name) => name.startsWith('spectroscope-store-'))
    expect(stores().map((name) => statSync(join(place.folder, name)).mode & 0o777)).toEqual([0o700])
    const file = join(place.folder, 'tokens.csv')
    await workspace.exportTable(run, 'tokens', 'csv', file)
    expect(readFileSync(file, 'utf8')).toContain('token')
    await workspace.close()
    await workspace.ended
    expect(stores()).toEqual([])
  } finally {
    vi.unstubAllEnvs()
    await place.remove()
  }
})
