import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { appendFile, copyFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openDatabase, select } from '../../main/store/database'
import { beforeUpgrade } from '../../main/store/backups'
import { journalPath } from '../../main/store/journal'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { clusteringOf, labelBody, labelEdits, newRun, storeRun, workspaceTemplate } from './store-fixture'
import type { LabelBodies, WorkspaceTemplate } from './store-fixture'

let template: WorkspaceTemplate
let place: Awaited<ReturnType<WorkspaceTemplate['copy']>>
let folder: string
let workspace: Workspace
let run: string

beforeAll(async () => {
  template = await workspaceTemplate(async (made) => {
    run = await storeRun(made)
  })
})

afterAll(() => template.remove())

beforeEach(async () => {
  place = await template.copy()
  folder = place.workspace
  workspace = await openWorkspace(folder)
})

afterEach(async () => {
  await workspace.close()
  await place.remove()
})

const apply = (
  edits: LabelBodies,
  words = 'label',
  more: { readonly id?: string; readonly clustering?: number } = {}
) => workspace.applyAnnotations({ run, clustering: 1, words, author: 'Ada', ...more, edits: labelEdits(edits) })

const names = async (): Promise<Record<string, string>> =>
  Object.fromEntries((await workspace.getAnnotations(run, 1)).map(({ target, name }) => [target, name]))
const reopen = async (): Promise<void> => {
  await workspace.close()
  workspace = await openWorkspace(folder)
}

describe('annotations', () => {
  test('are kept with the words of their step', async () => {
    const changed = await apply(
      {
        'cluster:0': labelBody('brackets', { tags: ['code'], confidence: 'high', note: 'so “it” seems\n' }),
        'cluster:-1': labelBody('the rest', { status: 'unsure' })
      },
      'label 2 clusters'
    )
    expect(changed).toMatchObject({
      run,
      clustering: 1,
      undo: {
        undo: { number: 1, words: 'label 2 clusters', author: 'Ada', run, clustering: 1, undone: false },
        redo: null
      }
    })
    expect(changed.changed.map(({ target, annotation }) => [target, annotation?.name])).toEqual([
      ['cluster:0', 'brackets'],
      ['cluster:-1', 'the rest']
    ])
    expect(changed.undo.undo?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    await reopen()
    expect(await workspace.getAnnotations(run, 1)).toEqual([
      { target: 'cluster:-1', ...labelBody('the rest', { status: 'unsure' }) },
      { target: 'cluster:0', ...labelBody('brackets', { tags: ['code'], confidence: 'high', note: 'so “it” seems\n' }) }
    ])
    expect(await workspace.getAllAnnotations(run)).toEqual([
      { clustering: 1, annotations: await workspace.getAnnotations(run, 1) }
    ])
    expect(await workspace.countLabels()).toEqual([{ run, clustering: 1, counts: { labelled: 1 } }])
  })

  test('of what is not there are refused', async () => {
    await expect(apply({ 'cluster:2': labelBody('x') })).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringContaining('has no cluster 2')
    })
    await expect(apply({ 'cluster:0': labelBody('x') }, 'label', { clustering: 7 })).rejects.toMatchObject({
      kind: 'input'
    })
    expect(await names()).toEqual({})
    expect((await workspace.getUndoState()).undo).toBeNull()
  })

  test('that say nothing of what nothing was said of are no step', async () => {
    expect((await apply({ 'cluster:0': null })).undo).toEqual({ undo: null, redo: null })
  })

  test('of a merge count for its clusters', async () => {
    await apply({
      'merge:1': labelBody('both', { clusters: [0, 1] }),
      'cluster:1': labelBody('', { status: 'skipped' })
    })
    expect(await workspace.countLabels()).toEqual([{ run, clustering: 1, counts: { labelled: 2 } }])
  })

  test('get numbers for merges and parts that no step has used', async () => {
    expect((await workspace.nextNumbers(run, 1)).nextMerge).toBe(1)
    await apply({
      'merge:1': labelBody('a', { clusters: [0, 1] }),
      'part:4': labelBody('b', { cluster: 0, tokens: [1, 2] })
    })
    await apply({ 'merge:1': null })
    expect((await workspace.nextNumbers(run, 1)).nextMerge).toBe(2)
    expect((await workspace.nextNumbers(run, 1)).nextPart).toBe(5)
    await workspace.undo()
    await workspace.undo()
    expect((await workspace.nextNumbers(run, 1)).nextPart).toBe(5)
  })
})

describe('undo and redo', () => {
  test('go back and forth through every step, across restarts', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one')
    await apply({ 'cluster:0': labelBody('second'), 'cluster:1': labelBody('other') }, 'two')
    await apply({ 'cluster:0': null }, 'three')
    expect(await names()).toEqual({ 'cluster:1': 'other' })
    const undone = await workspace.undo()
    expect(undone.changed?.changed.map(({ target, annotation }) => [target, annotation?.name])).toEqual([
      ['cluster:0', 'second']
    ])
    expect([undone.undo.undo?.words, undone.undo.redo?.words]).toEqual(['two', 'three'])
    await reopen()
    expect([(await workspace.getUndoState()).undo?.words, (await workspace.getUndoState()).redo?.words]).toEqual([
      'two',
      'three'
    ])
    await workspace.undo()
    expect(await names()).toEqual({ 'cluster:0': 'first' })
    await reopen()
    await workspace.undo()
    expect(await names()).toEqual({})
    expect(await workspace.undo()).toMatchObject({
      changed: null,
      run: null,
      undo: { undo: null, redo: { words: 'one' } }
    })
    await workspace.redo()
    await reopen()
    await workspace.redo()
    expect(await names()).toEqual({ 'cluster:0': 'second', 'cluster:1': 'other' })
    await workspace.redo()
    expect(await names()).toEqual({ 'cluster:1': 'other' })
    expect((await workspace.redo()).changed).toBeNull()
    expect((await workspace.getHistory(10)).map(({ words, undone: back }) => [words, back])).toEqual([
      ['three', false],
      ['two', false],
      ['one', false]
    ])
  })

  test('a new step drops those that were undone', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one')
    await apply({ 'cluster:0': labelBody('second') }, 'two')
    await workspace.undo()
    expect((await apply({ 'cluster:1': labelBody('third') }, 'three')).undo).toMatchObject({
      undo: { words: 'three', number: 3 },
      redo: null
    })
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'third' })
    expect((await workspace.getHistory(2)).map(({ words }) => words)).toEqual(['three', 'one'])
  })

  test('take back what was done to a run, too', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one')
    expect(await workspace.changeRun(run, { name: 'better' }, 'Ada')).toMatchObject({
      marks: { name: 'better', archived: false, deleted: false },
      undo: { undo: { words: 'rename “a run” to “better”', clustering: null } }
    })
    expect((await workspace.changeRun(run, { archived: true }, 'Ada')).undo.undo?.words).toBe('archive “better”')
    expect((await workspace.changeRun(run, { archived: true }, 'Ada')).undo.undo?.number).toBe(3)
    expect((await workspace.changeRun(run, { deleted: true }, 'Ada')).marks.deleted).toBe(true)
    expect(await workspace.getRun(run)).toMatchObject({ name: 'better', archived: true, deleted: true })
    await expect(workspace.findRun('latest')).rejects.toMatchObject({ kind: 'input' })
    await reopen()
    expect(await workspace.undo()).toMatchObject({
      changed: null,
      run,
      undo: { undo: { words: 'archive “better”' }, redo: { words: 'delete “better”' } }
    })
    await workspace.undo()
    await workspace.undo()
    expect(await workspace.getRun(run)).toMatchObject({ name: 'a run', archived: false, deleted: false })
    expect((await workspace.getUndoState()).undo?.words).toBe('one')
    await workspace.redo()
    expect((await workspace.getRun(run)).name).toBe('better')
  })

  test('a call that is repeated because its answer was lost is done once', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one', { id: 'a' })
    expect((await apply({ 'cluster:0': labelBody('first') }, 'one', { id: 'a' })).undo.undo?.number).toBe(1)
    await apply({ 'cluster:0': labelBody('second') }, 'two', { id: 'b' })
    for (const _ of [1, 2]) expect((await workspace.undo('c')).changed?.changed[0].annotation?.name).toBe('first')
    for (const _ of [1, 2]) expect((await workspace.redo('d')).changed?.changed[0].annotation?.name).toBe('second')
    for (const _ of [1, 2])
      expect((await workspace.changeRun(run, { archived: true }, 'Ada', 'e')).undo.undo?.number).toBe(3)
    expect(await workspace.getHistory(10)).toHaveLength(3)
  })
})

describe('deleting', () => {
  test('a run for good takes its labels and its steps, and leaves the others', async () => {
    const other = await storeRun(workspace)
    await apply({ 'cluster:0': labelBody('kept') }, 'kept')
    await workspace.applyAnnotations({
      run: other,
      clustering: 1,
      words: 'gone',
      author: 'Ada',
      edits: [{ target: 'cluster:0', after: labelBody('gone') }]
    })
    await workspace.changeRun(other, { deleted: true }, 'Ada')
    await mkdir(workspace.runFolder(other), { recursive: true })
    expect((await workspace.listRuns()).map(({ deleted }) => deleted)).toEqual([false, true])
    expect(await workspace.purgeDeleted()).toEqual([other])
    expect(existsSync(workspace.runFolder(other))).toBe(false)
    expect((await workspace.listRuns()).map(({ id }) => id)).toEqual([run])
    expect(await workspace.getUndoState()).toMatchObject({ undo: { words: 'kept' }, redo: null })
    expect(await workspace.purgeDeleted()).toEqual([])
    await reopen()
    expect(await names()).toEqual({ 'cluster:0': 'kept' })
  })

  test('a clustering takes its labels, and its number is never given again', async () => {
    await apply({ 'cluster:0': labelBody('kept') }, 'kept')
    const add = (): Promise<{ number: number }> =>
      workspace.transaction(run, (writer) => writer.saveClustering(clusteringOf(20)))
    expect((await add()).number).toBe(2)
    await apply({ 'cluster:0': labelBody('gone') }, 'gone', { clustering: 2 })
    await workspace.deleteClustering(run, 2)
    expect((await workspace.getUndoState()).undo?.words).toBe('kept')
    await reopen()
    expect((await add()).number).toBe(3)
    expect(await workspace.getAnnotations(run, 3)).toEqual([])
    await workspace.deleteClustering(run, 3)
    await workspace.deleteClustering(run, 1)
    expect((await add()).number).toBe(4)
  })
})

const databaseFiles = (): string[] => readdirSync(folder).filter((name) => name.startsWith('workspace.duckdb'))
const lines = (): Record<string, unknown>[] =>
  readFileSync(journalPath(folder), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const kill = async (): Promise<void> => {
  process.kill(workspace.pid, 'SIGKILL')
  await workspace.ended
}

describe('the journal file', () => {
  test('has a line for every change, with what was before and after it', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one', { id: 'x' })
    await workspace.undo()
    await workspace.changeRun(run, { archived: true }, 'Bob')
    expect(lines()).toMatchObject([
      {
        line: 1,
        id: 'x',
        kind: 'step',
        number: 1,
        author: 'Ada',
        words: 'one',
        run,
        clustering: 1,
        changes: [{ target: 'cluster:0', before: null, after: labelBody('first') }]
      },
      {
        line: 2,
        id: expect.any(String),
        kind: 'undo',
        number: 1,
        changes: [{ target: 'cluster:0', before: labelBody('first'), after: null }]
      },
      {
        line: 3,
        kind: 'step',
        number: 2,
        author: 'Bob',
        clustering: null,
        changes: [{ target: 'run', before: { archived: false }, after: { archived: true } }]
      }
    ])
  })

  test('brings back what a store that was killed between file and database had not put there', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one')
    await apply({ 'cluster:1': labelBody('second') }, 'two')
    const copies = join(place.folder, 'copies')
    await mkdir(copies)
    for (const name of databaseFiles()) await copyFile(join(folder, name), join(copies, name))
    await workspace.undo()
    await apply({ 'cluster:0': labelBody('third'), 'merge:1': labelBody('both', { clusters: [0, 1] }) }, 'three')
    await workspace.changeRun(run, { name: 'renamed' }, 'Ada')
    await kill()
    for (const name of databaseFiles()) await rm(join(folder, name))
    for (const name of readdirSync(copies)) await copyFile(join(copies, name), join(folder, name))
    workspace = await openWorkspace(folder)
    expect(await names()).toEqual({ 'cluster:0': 'third', 'merge:1': 'both' })
    expect((await workspace.getRun(run)).name).toBe('renamed')
    expect((await workspace.getHistory(10)).map(({ words }) => words)).toEqual([
      'rename “a run” to “renamed”',
      'three',
      'one'
    ])
    await workspace.undo()
    await workspace.undo()
    expect(await names()).toEqual({ 'cluster:0': 'first' })
    await reopen()
    expect(lines().map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(await names()).toEqual({ 'cluster:0': 'first' })
  })

  test('passes over runs that are gone, and a last line that a crash cut off', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one')
    await workspace.close()
    const [first] = lines()
    const line = (number: number, of: string): string => JSON.stringify({ ...first, line: number, number, run: of })
    const whole = (await readFile(journalPath(folder))).length
    await appendFile(journalPath(folder), `${line(2, 'gone')}\n${line(3, run).slice(0, 60)}`)
    workspace = await openWorkspace(folder)
    expect(await names()).toEqual({ 'cluster:0': 'first' })
    await apply({ 'cluster:1': labelBody('second') }, 'two')
    expect(lines().map(({ line: at, words }) => [at, words])).toEqual([
      [1, 'one'],
      [2, 'one'],
      [3, 'two']
    ])
    await workspace.close()
    await truncate(journalPath(folder), whole + 5)
    workspace = await openWorkspace(folder)
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'second' })
    await apply({ 'cluster:1': labelBody('third') }, 'three')
    await reopen()
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'third' })
  })

  test('that is missing is written again from what the database has', async () => {
    await apply({ 'cluster:0': labelBody('first') }, 'one')
    await workspace.close()
    await rm(journalPath(folder))
    workspace = await openWorkspace(folder)
    await apply({ 'cluster:1': labelBody('second') }, 'two')
    await reopen()
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'second' })
    expect(lines().map(({ line, words }) => [line, words])).toEqual([
      [1, 'one'],
      [2, 'two']
    ])
  })

  test('that cannot be written leaves no label that a person believes to be kept', async () => {
    await workspace.close()
    await rm(journalPath(folder), { force: true })
    await mkdir(journalPath(folder))
    await expect(openWorkspace(folder)).rejects.toMatchObject({
      kind: 'storage',
      message: expect.stringContaining('labels.jsonl cannot be written')
    })
    await rm(journalPath(folder), { recursive: true })
    workspace = await openWorkspace(folder)
  })
})

test('no label that was acknowledged is lost by a store that is killed at any moment', async () => {
  for (const round of [0, 1, 2, 3]) {
    const acknowledged: string[] = []
    const labelling = (async () => {
      for (let i = 0; ; i++) {
        const name = `${round}.${i}`
        await apply({ [`cluster:${i % 2}`]: labelBody(name) }, name)
        acknowledged.push(name)
        if (i === 3 + 2 * round) process.kill(workspace.pid, 'SIGKILL')
      }
    })()
    await expect(labelling).rejects.toMatchObject({ kind: 'storage' })
    await workspace.ended
    workspace = await openWorkspace(folder)
    const history = (await workspace.getHistory(1000))
      .map(({ words }) => words)
      .filter((words) => words.startsWith(`${round}.`))
      .reverse()
    expect(history.slice(0, acknowledged.length)).toEqual(acknowledged)
    expect(history.length - acknowledged.length).toBeLessThanOrEqual(1)
    const last = (cluster: number): string | undefined => history.filter((_, i) => i % 2 === cluster).at(-1)
    expect(await names()).toEqual({ 'cluster:0': last(0), 'cluster:1': last(1) })
    expect(lines().map(({ line }) => line)).toEqual(lines().map((_, i) => i + 1))
  }
})

const root = process.platform === 'linux' && process.getuid?.() === 0
const mounted = (path: string): boolean => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Fills a file system to the last block. */
const fill = (path: string): void => {
  for (let size = 2 ** 22; size >= 512;) {
    try {
      writeFileSync(path, Buffer.alloc(size), { flag: 'a' })
    } catch {
      size /= 2
    }
  }
}

test.skipIf(!root)(
  'a label that a full disk has no room for is refused and is not there later; those before it are (mounting ' +
    'needs root)',
  async (context) => {
    const small = join(place.folder, 'small')
    await mkdir(small)
    if (!mounted(small)) return context.skip('tmpfs cannot be mounted here')
    const path = join(small, 'w')
    let full = await openWorkspace(path, { create: true })
    try {
      const own = await storeRun(full)
      const label = (name: string): Promise<unknown> =>
        full.applyAnnotations({
          run: own,
          clustering: 1,
          words: name,
          author: 'Ada',
          edits: [{ target: 'cluster:0', after: labelBody(name, { note: name.repeat(2000) }) }]
        })
      await label('before')
      fill(join(small, 'filler'))
      let kept = 'before'
      const refused: unknown = await (async () => {
        for (let i = 0; i < 1000; i++) {
          await label(`label ${i}`)
          kept = `label ${i}`
        }
      })().catch((error: unknown) => error)
      expect(refused).toMatchObject({
        kind: 'storage',
        message: expect.stringContaining('no space is left on the device')
      })
      expect((await full.getAnnotations(own, 1)).map(({ name }) => name)).toEqual([kept])
      rmSync(join(small, 'filler'))
      expect((await full.getAnnotations(own, 1)).map(({ name }) => name)).toEqual([kept])
      await label('after')
      await full.close()
      full = await openWorkspace(path)
      expect((await full.getAnnotations(own, 1)).map(({ name }) => name)).toEqual(['after'])
      expect((await full.getHistory(2)).map(({ words }) => words)).toEqual(['after', kept])
      const written = readFileSync(journalPath(path), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { line: number }).line)
      expect(written).toEqual(written.map((_, i) => i + 1))
    } finally {
      await full.close()
      execFileSync('umount', ['-l', small])
    }
  }
)

describe('a backup', () => {
  const backups = (): string[] => (existsSync(join(folder, 'backups')) ? readdirSync(join(folder, 'backups')) : [])

  test('is written on close where labels changed, and can be read by itself', async () => {
    await workspace.close()
    expect(backups()).toEqual([])
    workspace = await openWorkspace(folder)
    await apply({ 'cluster:1': labelBody('second'), 'part:1': labelBody('some', { cluster: 0, tokens: [1, 2] }) })
    await workspace.close()
    const [file, ...others] = backups()
    expect(others).toEqual([])
    expect(file).toMatch(/^labels-\d{8}-\d{6}\.json$/)
    expect(JSON.parse(readFileSync(join(folder, 'backups', file), 'utf8'))).toMatchObject({
      format: 'spectroscope-label-backup',
      version: 1,
      clusterings: [
        {
          run,
          runName: 'a run',
          studyHash: 'abc',
          clustering: 1,
          clusteringName: 'k = 3',
          annotations: [
            { target: 'cluster:1', ...labelBody('second') },
            { target: 'part:1', name: 'some', cluster: 0, tokens: [1, 2] }
          ],
          clusters: [
            {
              cluster: 0,
              size: 5,
              seed: [0, 3],
              members: [
                [0, 1],
                [0, 2],
                [0, 3],
                [0, 4],
                [0, 5]
              ]
            },
            {
              cluster: 1,
              size: 5,
              seed: [1, 3],
              members: [
                [1, 1],
                [1, 2],
                [1, 3],
                [1, 4],
                [1, 5]
              ]
            }
          ]
        }
      ]
    })
    workspace = await openWorkspace(folder)
    await workspace.close()
    expect(backups()).toEqual([file])
    workspace = await openWorkspace(folder)
    expect(existsSync(await workspace.backUpLabels())).toBe(true)
  })

  test('is written before an upgrade', async () => {
    await apply({ 'cluster:1': labelBody('second') })
    await kill()
    const next = {
      version: migrations[migrations.length - 1].version + 1,
      name: 'next',
      statements: ['DELETE FROM annotations']
    }
    ;(
      await openDatabase(folder, { create: false, readOnly: false }, [...migrations, next], beforeUpgrade(folder))
    ).closeSync()
    const file = backups().find((name) => name.startsWith('labels-'))
    expect(file).toBeDefined()
    expect(readFileSync(join(folder, 'backups', file ?? ''), 'utf8')).toContain('"second"')
  })
})

test('a workspace from before there were labels is upgraded, after a copy of it was made', async () => {
  const old = join(place.folder, 'old')
  await mkdir(old)
  const instance = await openDatabase(old, { create: true, readOnly: false }, migrations.slice(0, 1))
  const connection = await instance.connect()
  await connection.run(
    "INSERT INTO runs VALUES (1, '20260101-000000-abcd', 'old', 'finished', NULL, now()::TIMESTAMP, NULL, " +
      "NULL, $1::JSON, '/', '{}'::JSON, NULL)",
    [JSON.stringify(newRun().configuration)]
  )
  for (const clustering of [1, 4]) {
    await connection.run(
      `INSERT INTO clusterings VALUES (1, ${clustering}, 'c', '{}'::JSON, 1, now()::TIMESTAMP, 'done', 1, 1, ` +
        `1, 0, 'unclustered', 0)`
    )
  }
  connection.closeSync()
  instance.closeSync()
  const upgraded = await openWorkspace(old)
  expect(await upgraded.getRun('20260101-000000-abcd')).toMatchObject({ name: 'old', archived: false, deleted: false })
  expect((await upgraded.changeRun('20260101-000000-abcd', { archived: true }, 'Ada')).marks.archived).toBe(true)
  await upgraded.close()
  expect(readdirSync(join(old, 'backups')).filter((name) => /^workspace-schema-1-/.test(name))).toHaveLength(1)
  const again = await openDatabase(old, { create: false, readOnly: true })
  const reading = await again.connect()
  expect(await select(reading, 'SELECT last FROM clustering_numbers')).toEqual([{ last: 4 }])
  reading.closeSync()
  again.closeSync()
})

test('labels are readable, and not changed, in a workspace that is open for reading only', async () => {
  await apply({ 'cluster:0': labelBody('first') })
  await workspace.close()
  const reader = await openWorkspace(folder, { readOnly: true })
  expect((await reader.getAnnotations(run, 1)).map(({ name }) => name)).toEqual(['first'])
  await expect(reader.undo()).rejects.toMatchObject({
    kind: 'workspace',
    message: expect.stringContaining('open for reading only')
  })
  await reader.close()
  await writeFile(join(folder, 'unrelated'), '')
  workspace = await openWorkspace(folder)
})
