import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { restoreSources, restoreWorkspace } from '../../main/api/restore'
import { claim } from '../../main/base/claims'
import { makePlainFolder, openPlain } from '../../main/base/plain-files'
import { databaseName, openDatabase } from '../../main/store/database'
import { journalPath } from '../../main/store/journal'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import { checkedRunId, newRunId } from '../../main/store/workspace-paths'
import { adoptSums, keptPath } from '../../main/pipeline/kept-sums'
import { labelBody, labelEdits, storeRun, workspaceTemplate } from './store-fixture'
import type { WorkspaceTemplate } from './store-fixture'

let template: WorkspaceTemplate
let place: Awaited<ReturnType<WorkspaceTemplate['copy']>>
let folder = ''
let victim = ''
let run = ''
const secret = 'keep this\nand this, without a newline'

beforeAll(async () => {
  template = await workspaceTemplate(async (workspace) => {
    run = await storeRun(workspace, 8)
    await workspace.applyAnnotations({
      run,
      clustering: 1,
      words: 'label',
      author: 'Ada',
      edits: labelEdits({ 'cluster:0': labelBody('quotes') })
    })
    mkdirSync(workspace.runFolder(run), { recursive: true })
  })
})
afterAll(() => template.remove())

beforeEach(async () => {
  place = await template.copy()
  folder = place.workspace
  victim = join(place.folder, 'victim')
  mkdirSync(victim)
  writeFileSync(join(victim, 'file'), secret)
})
afterEach(async () => {
  expect(readFileSync(join(victim, 'file'), 'utf8')).toBe(secret)
  await place.remove()
})

/** Changes the database behind the program's back. */
const alter = async (...statements: readonly string[]): Promise<void> => {
  const instance = await DuckDBInstance.create(join(folder, databaseName))
  const connection = await instance.connect()
  for (const statement of statements) await connection.run(statement)
  connection.closeSync()
  instance.closeSync()
}

/**
 * Opening is refused, for writing and for reading, in a sentence that has all of `words`. One of the openings is in a
 * process of its own, as the program does it.
 */
const expectRefused = async (...words: readonly string[]): Promise<void> => {
  const inThisProcess = (create: boolean, readOnly: boolean): Promise<void> =>
    openDatabase(folder, { create, readOnly }).then((opened) => opened.closeSync())
  for (const opening of [
    () => openWorkspace(folder, { orRead: true }).then((opened) => opened.close()),
    () => inThisProcess(false, false),
    () => inThisProcess(false, true),
    () => inThisProcess(true, false)
  ]) {
    const error: unknown = await opening().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ kind: 'workspace' })
    for (const word of words) expect((error as Error).message).toContain(word)
  }
}

describe('an id that this program did not give', () => {
  const ids = ['20260101-000000-ABCD', '20260101-000000-abcd/../..', '20260101-000000-abcd\n']
  test.each(['../../victim', '..', '.', '', '/tmp', ...ids])('is no way to a path: %j', (id) => {
    expect(() => checkedRunId('work', id)).toThrow(/^work: the run id ".*" does not have this program's form/s)
  })

  test('is one of its own otherwise', () => {
    const id = newRunId(new Date())
    expect(checkedRunId('work', id)).toBe(id)
  })

  test('is refused where a workspace is opened, and named', async () => {
    const marks = 'INSERT INTO run_marks SELECT number, false, now()::TIMESTAMP FROM runs'
    await alter("UPDATE runs SET id = '../../victim'", 'DELETE FROM run_marks', marks)
    const before = readFileSync(journalPath(folder))
    await expectRefused('"../../victim"', 'import')
    expect(readFileSync(journalPath(folder))).toEqual(before)
  })

  test('is refused before a database of an earlier schema is upgraded', async () => {
    folder = join(place.folder, 'old')
    ;(await openDatabase(folder, { create: true, readOnly: false }, migrations.slice(0, 3))).closeSync()
    await alter(`INSERT INTO runs VALUES
      (1, '../../victim', 'old', 'finished', NULL, now()::TIMESTAMP, NULL, NULL, '{}', '/', '{}', NULL)`)
    await expect(openWorkspace(folder)).rejects.toMatchObject({ message: expect.stringContaining('../../victim') })
    expect(existsSync(join(folder, 'backups'))).toBe(false)
  })
})

describe('a workspace with a link in it', () => {
  test.each(['journal/labels.jsonl', 'notes.txt', 'spectroscope-workspace.json', 'runs/ID/sums', databaseName])(
    'is refused: a symbolic one at %s',
    async (name) => {
      const path = join(folder, name.replace('ID', run))
      rmSync(path, { force: true })
      symlinkSync(join(victim, 'file'), path)
      await expectRefused(path, 'is a link', 'remove it')
    }
  )

  test.each(['backups', 'journal', 'runs', 'models'])('is refused: %s as one to a folder', async (name) => {
    rmSync(join(folder, name), { recursive: true, force: true })
    symlinkSync(victim, join(folder, name))
    await expectRefused(join(folder, name), 'is a link')
    await expect(restoreSources(folder)).rejects.toMatchObject({ message: expect.stringContaining('is a link') })
    await expect(restoreWorkspace(folder)).rejects.toMatchObject({ message: expect.stringContaining('is a link') })
    expect(readdirSync(victim)).toEqual(['file'])
  })

  test.each(['journal/labels.jsonl', 'backups/x.json', 'runs/ID/sums', 'runs/ID/begun'])(
    'is refused: a hard one at %s',
    async (name) => {
      const path = join(folder, name.replace('ID', run))
      mkdirSync(join(folder, 'backups'), { recursive: true })
      rmSync(path, { force: true })
      linkSync(join(victim, 'file'), path)
      await expectRefused(path, 'hard link', 'copy')
    }
  )

  test('is refused: a pipe in the place of a file, without waiting for it', async ({ skip }) => {
    try {
      rmSync(journalPath(folder), { force: true })
      execFileSync('mkfifo', [journalPath(folder)])
    } catch {
      skip('skipped: no pipe can be made here')
    }
    await expectRefused(journalPath(folder), 'neither a file nor a folder')
    await expect(openPlain(journalPath(folder))).rejects.toMatchObject({ kind: 'workspace' })
  })

  test('is opened where the link leads to the workspace itself', async () => {
    const link = join(place.folder, 'link')
    symlinkSync(folder, link)
    const workspace = await openWorkspace(link)
    expect(await workspace.listRuns()).toMatchObject([{ id: run }])
    await workspace.close()
  })

  test('is opened where two of its runs share their sums, as the program has them', async () => {
    const other = join(folder, 'runs', newRunId(new Date()))
    writeFileSync(keptPath(join(folder, 'runs', run)), 'sums')
    await adoptSums(join(folder, 'runs', run), other)
    expect(statSync(keptPath(join(folder, 'runs', run))).nlink).toBe(2)
    await (await openWorkspace(folder)).close()
    renameSync(other, join(place.folder, 'elsewhere'))
    await expectRefused('sums', 'hard link')
  })
})

describe('a file that became a link after the workspace was opened', () => {
  test('is not followed', async () => {
    for (const make of [symlinkSync, linkSync]) {
      const path = join(folder, 'file')
      make(join(victim, 'file'), path)
      const message = expect.stringContaining(path)
      await expect(openPlain(path, 'r+')).rejects.toMatchObject({ kind: 'workspace', message })
      rmSync(path)
    }
    await expect(openPlain(victim)).rejects.toMatchObject({ kind: 'workspace' })
  })

  test('as a folder neither', async () => {
    symlinkSync(victim, join(folder, 'new'))
    const message = expect.stringContaining('is a link')
    await expect(makePlainFolder(join(folder, 'new'))).rejects.toMatchObject({ message })
  })

  test('as a claim neither', async () => {
    symlinkSync(join(victim, 'file'), join(folder, 'claim.1'))
    await expect(claim(join(folder, 'claim'))).rejects.toMatchObject({ message: expect.stringContaining('is a link') })
  })
})

describe('a journal that is none', () => {
  const texts = ['text without a newline', 'some text\n', 'some text\nand more', '{"lines":1}', '{"line": 1}\n']
  test.each([...texts, '\u0000\u0001'])('is refused, and left as it is: %j', async (text) => {
    writeFileSync(journalPath(folder), text)
    const message = expect.stringMatching(/labels\.jsonl is not a journal of this program and was left unchanged; move/)
    await expect(openWorkspace(folder)).rejects.toMatchObject({ kind: 'workspace', message })
    expect(readFileSync(journalPath(folder), 'utf8')).toBe(text)
    rmSync(journalPath(folder))
    const workspace = await openWorkspace(folder)
    expect(await workspace.getAnnotations(run, 1)).toMatchObject([{ name: 'quotes' }])
    await workspace.close()
  })

  test.each(['', '{"l', '{"line":1,"id":"x'])('is one that a crash cut off otherwise: %j', async (text) => {
    writeFileSync(journalPath(folder), text)
    const workspace = await openWorkspace(folder)
    expect(await workspace.getAnnotations(run, 1)).toMatchObject([{ name: 'quotes' }])
    await workspace.close()
  })

  test('in a part of it is kept whole, with its end', async () => {
    const text = `${readFileSync(journalPath(folder), 'utf8')}foreign\nthe end`
    writeFileSync(journalPath(folder), text)
    const workspace = await openWorkspace(folder)
    const [kept] = workspace.notes.map((note) => /kept as (.*\.jsonl)\.$/.exec(note)?.[1])
    await workspace.close()
    expect(readFileSync(kept ?? '', 'utf8')).toBe(text)
  })
})

describe.skipIf(process.platform === 'win32')('permissions', () => {
  const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8)

  test("of a new workspace are its owner's, and of what is in it", async () => {
    const own = join(place.folder, 'own')
    const workspace = await openWorkspace(own, { create: true })
    const id = await storeRun(workspace, 4)
    await makePlainFolder(workspace.runFolder(id))
    await workspace.backUpLabels()
    const out = join(place.folder, 'tokens.csv')
    await workspace.exportTable(id, 'tokens', 'csv', out)
    await workspace.close()
    const folders = ['', 'backups', 'journal', 'runs', join('runs', id)]
    for (const name of folders) expect(modeOf(join(own, name))).toBe('700')
    for (const name of [databaseName, 'spectroscope-workspace.json']) expect(modeOf(join(own, name))).toBe('600')
    expect(modeOf(journalPath(own))).toBe('600')
    expect(modeOf(out)).toBe((0o666 & statSync(place.folder).mode).toString(8))
  })

  test('of one that others may read stay so, also for what is new in it', async () => {
    rmSync(join(folder, 'backups'), { recursive: true, force: true })
    chmodSync(folder, 0o750)
    const workspace = await openWorkspace(folder)
    await makePlainFolder(workspace.runFolder(newRunId(new Date())))
    await workspace.backUpLabels()
    await workspace.close()
    expect(modeOf(folder)).toBe('750')
    const [file] = readdirSync(join(folder, 'backups'))
    expect([modeOf(join(folder, 'backups')), modeOf(join(folder, 'backups', file))]).toEqual(['750', '640'])
  })
})
