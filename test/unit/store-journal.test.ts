import { afterEach, beforeAll, beforeEach, afterAll, describe, expect, test, vi } from 'vitest'
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { copyFile, cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AnnotationTarget } from '../../preload/contract-annotations'
import { journalPath } from '../../main/store/journal'
import { openWorkspace } from '../../main/store/store'
import type { Workspace } from '../../main/store/store'
import { labelBody, labelEdits, storeRun, treeOf, workspaceTemplate } from './store-fixture'
import type { LabelBodies, WorkspaceTemplate } from './store-fixture'

vi.setConfig({ testTimeout: 240_000 })

let template: WorkspaceTemplate
let place: Awaited<ReturnType<WorkspaceTemplate['copy']>>
let folder: string
let workspace: Workspace
let run: string

beforeAll(async () => {
  template = await workspaceTemplate(async (made) => {
    run = await storeRun(made, 4, treeOf(20))
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

const apply = (edits: LabelBodies, words: string): Promise<unknown> =>
  workspace.applyAnnotations({ run, clustering: 1, words, author: 'Ada', edits: labelEdits(edits) })
const label = (name: string, cluster = 0): Promise<unknown> => apply({ [`cluster:${cluster}`]: labelBody(name) }, name)
const namesIn = async (opened: Workspace): Promise<Record<string, string>> =>
  Object.fromEntries((await opened.getAnnotations(run, 1)).map(({ target, name }) => [target, name]))
const names = (): Promise<Record<string, string>> => namesIn(workspace)
const wordsIn = async (opened: Workspace): Promise<string[]> =>
  (await opened.getHistory(1000)).map(({ words }) => words)

const databaseFiles = (of = folder): string[] => readdirSync(of).filter((name) => name.startsWith('workspace.duckdb'))
const journalFiles = (): string[] => readdirSync(join(folder, 'journal')).sort()
let copies = 0
const copyDatabase = async (): Promise<string> => {
  const copy = join(place.folder, `copy-${copies++}`)
  await mkdir(copy)
  for (const name of databaseFiles()) await copyFile(join(folder, name), join(copy, name))
  return copy
}
/** Puts a copy of the database in the place of the workspace's, which nobody has open. */
const putBack = async (copy: string): Promise<void> => {
  for (const name of databaseFiles()) await rm(join(folder, name))
  for (const name of readdirSync(copy)) await copyFile(join(copy, name), join(folder, name))
}
const lines = (path = journalPath(folder)): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)
const files = (): string =>
  JSON.stringify(
    readdirSync(folder, { recursive: true }).map((name) => [name, statSync(join(folder, String(name))).mtimeMs])
  )

describe('a workspace that is read', () => {
  test('shows what its journal has and an older database lacks, and stays as it is', async () => {
    await workspace.close()
    const older = await copyDatabase()
    workspace = await openWorkspace(folder)
    await apply({ 'cluster:5': labelBody('a region'), 'merge:1': labelBody('both', { clusters: [0, 1] }) }, 'one')
    await label('gone', 2)
    await workspace.undo()
    await workspace.changeRun(run, { name: 'renamed' }, 'Ada')
    await workspace.close()
    await putBack(older)
    const before = files()
    const reader = await openWorkspace(folder, { readOnly: true })
    try {
      expect(await namesIn(reader)).toEqual({ 'cluster:5': 'a region', 'merge:1': 'both' })
      expect((await reader.getRun(run)).name).toBe('renamed')
      expect(await wordsIn(reader)).toEqual(['rename “a run” to “renamed”', 'one'])
      expect(reader.notes).toEqual([])
      const reads = await Promise.all([1, 2, 3].map(() => reader.getClusterSummaries(run, { clustering: 1 })))
      expect(reads.map(({ length }) => length)).toEqual([7, 7, 7])
      const file = join(place.folder, 'labels.csv')
      await reader.exportTable(run, 'labels', 'csv', file, { clustering: 1 })
      expect(readFileSync(file, 'utf8')).toContain('a region')
      await expect(reader.renameRun(run, 'x')).rejects.toMatchObject({
        kind: 'workspace',
        message: expect.stringContaining('reading only')
      })
    } finally {
      await reader.close()
    }
    expect(files()).toBe(before)
    workspace = await openWorkspace(folder)
    expect(await names()).toEqual({ 'cluster:5': 'a region', 'merge:1': 'both' })
  })

  test('counts a last line that lacks only its newline, and no unfinished one', async () => {
    await label('first')
    await workspace.close()
    const older = await copyDatabase()
    workspace = await openWorkspace(folder)
    await label('second')
    await label('third')
    await workspace.close()
    const [one, two, three] = lines()
    for (const [text, name] of [
      [`${one}\n${two}`, 'second'],
      [`${one}\n${two}\n${three.slice(0, 80)}`, 'second'],
      [`${one}\n${two}\n${three}\r\n`, 'third']
    ]) {
      await putBack(older)
      writeFileSync(journalPath(folder), text)
      for (const readOnly of [true, false]) {
        const opened = await openWorkspace(folder, { readOnly })
        expect(await namesIn(opened)).toEqual({ 'cluster:0': name })
        expect(opened.notes).toEqual([])
        await opened.close()
      }
    }
    workspace = await openWorkspace(folder)
  })
})

describe('a journal', () => {
  test('that is older than its database is completed, so that an older database can be put back', async () => {
    await label('first')
    await workspace.close()
    const older = await copyDatabase()
    const early = readFileSync(journalPath(folder))
    workspace = await openWorkspace(folder)
    await label('second', 1)
    await label('third', 2)
    await workspace.undo()
    await workspace.close()
    const written = lines()
    writeFileSync(journalPath(folder), early)
    workspace = await openWorkspace(folder)
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'second' })
    expect(workspace.notes).toEqual([])
    await workspace.close()
    const withoutTimes = (all: readonly string[]): unknown[] =>
      all.map((line) => ({ ...(JSON.parse(line) as object), at: null }))
    expect(withoutTimes(lines())).toEqual(withoutTimes(written))
    await putBack(older)
    workspace = await openWorkspace(folder)
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'second' })
    expect((await workspace.getUndoState()).redo?.words).toBe('third')
  })

  test('with a line that cannot be read says so, keeps the file, and is whole again', async () => {
    await label('first')
    await label('second', 1)
    await workspace.close()
    const [one, two] = lines()
    writeFileSync(journalPath(folder), `#${one}\n${two}\n`)
    const spoilt = readFileSync(journalPath(folder), 'utf8')
    workspace = await openWorkspace(folder)
    expect(workspace.notes).toEqual([
      expect.stringMatching(/labels\.jsonl: line 1 cannot be read.*kept as .*labels-.*\.jsonl/)
    ])
    expect(await names()).toEqual({ 'cluster:0': 'first', 'cluster:1': 'second' })
    expect(lines().map((line) => JSON.parse(line) as unknown)).toEqual(
      [one, two].map((line) => JSON.parse(line) as unknown)
    )
    const [kept] = journalFiles().filter((name) => name !== 'labels.jsonl')
    expect(readFileSync(join(folder, 'journal', kept), 'utf8')).toBe(spoilt)
    await workspace.close()
    workspace = await openWorkspace(folder)
    expect(workspace.notes).toEqual([])
  })

  test('of another copy of the workspace is set aside, said, and begun again from the database', async () => {
    await label('common')
    await workspace.close()
    const other = join(place.folder, 'other')
    await cp(folder, other, { recursive: true })
    const twin = await openWorkspace(other)
    await twin.applyAnnotations({
      run,
      clustering: 1,
      words: 'theirs',
      author: 'Bob',
      edits: [{ target: 'cluster:1', after: labelBody('theirs') }]
    })
    await twin.close()
    workspace = await openWorkspace(folder)
    await label('ours', 2)
    await workspace.close()
    await copyFile(journalPath(other), journalPath(folder))
    const note = expect.stringMatching(/1 change that the database never had.*restore --from/)
    const reader = await openWorkspace(folder, { readOnly: true })
    expect(reader.notes).toEqual([note])
    expect(await namesIn(reader)).toEqual({ 'cluster:0': 'common', 'cluster:2': 'ours' })
    await reader.close()
    workspace = await openWorkspace(folder)
    expect(workspace.notes).toEqual([note])
    expect(await names()).toEqual({ 'cluster:0': 'common', 'cluster:2': 'ours' })
    expect(lines().map((line) => (JSON.parse(line) as { words: string }).words)).toEqual(['common', 'ours'])
    const [kept] = journalFiles().filter((name) => name !== 'labels.jsonl')
    expect(lines(join(folder, 'journal', kept))).toEqual(lines(journalPath(other)))
  })
})

/** Numbers from 0 to below 1, the same for a seed. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

interface Step {
  readonly words: string
  readonly edits: ReadonlyMap<AnnotationTarget, string | null>
}

/** What a person believes to be kept: steps that were acknowledged, and how many of them are in force. */
class Believed {
  steps: Step[] = []
  done = 0

  add(step: Step): void {
    this.steps = [...this.steps.slice(0, this.done), step]
    this.done++
  }

  names(): Record<string, string> {
    const all = new Map<string, string>()
    for (const { edits } of this.steps.slice(0, this.done)) {
      for (const [target, name] of edits) {
        if (name === null) all.delete(target)
        else all.set(target, name)
      }
    }
    return Object.fromEntries(all)
  }

  copy(): Believed {
    return Object.assign(new Believed(), { steps: [...this.steps], done: this.done })
  }
}

type Change = (believed: Believed) => Promise<unknown>

test.each([1, 2])(
  'no label, name of a region, merge or undo is lost by kills, older databases and reopenings (sequence %i)',
  async (seed) => {
    const random = randomFrom(seed)
    const below = (count: number): number => Math.floor(random() * count)
    let believed = new Believed()
    let snapshots = [await copyDatabase()]
    let number = 0

    const change = (): Change => {
      const kind = below(6)
      const words = `step ${++number}`
      const step =
        (edits: LabelBodies): Change =>
        (of) => {
          of.add({
            words,
            edits: new Map(
              Object.entries(edits).map(([target, after]) => [target as AnnotationTarget, after?.name ?? null])
            )
          })
          return apply(edits, words)
        }
      if (kind <= 2)
        return step({ [`cluster:${below(6)}`]: labelBody(words, { note: `because ${seed}\n`, tags: ['a', words] }) })
      if (kind === 3)
        return step({
          [`merge:${1 + below(3)}`]: labelBody(words, { clusters: [0, 1] }),
          [`cluster:${below(4)}`]: below(3) === 0 ? null : labelBody(words)
        })
      if (kind === 4) {
        return (of) => {
          of.done = Math.max(0, of.done - 1)
          return workspace.undo()
        }
      }
      return (of) => {
        of.done = Math.min(of.steps.length, of.done + 1)
        return workspace.redo()
      }
    }

    const check = async (opened: Workspace): Promise<void> => {
      expect(await namesIn(opened)).toEqual(believed.names())
      expect(await wordsIn(opened)).toEqual(believed.steps.map(({ words }) => words).reverse())
      const { undo, redo } = await opened.getUndoState()
      expect([undo?.words, redo?.words]).toEqual([
        believed.steps[believed.done - 1]?.words,
        believed.steps[believed.done]?.words
      ])
    }

    /** Ends the store in the middle of a change, which may be there afterwards or not. */
    const killAmid = async (): Promise<void> => {
      const after = believed.copy()
      const changing = change()(after).then(
        () => true,
        () => false
      )
      process.kill(workspace.pid, 'SIGKILL')
      await workspace.ended
      const acknowledged = await changing
      workspace = await openWorkspace(folder)
      const [undo, redo] = Object.values(await workspace.getUndoState()).map(
        (one: { words: string } | null) => one?.words
      )
      const isDone = undo === after.steps[after.done - 1]?.words && redo === after.steps[after.done]?.words
      if (acknowledged) expect(isDone).toBe(true)
      if (isDone) believed = after
    }

    for (let i = 0; i < 45; i++) {
      const chance = below(20)
      if (chance < 13) await change()(believed)
      else if (chance < 15) await killAmid()
      else if (chance < 16) snapshots.push(await copyDatabase())
      else {
        await workspace.close()
        if (chance < 18) {
          await putBack(snapshots[below(snapshots.length)])
          const reader = await openWorkspace(folder, { readOnly: true })
          await check(reader)
          await reader.close()
        } else if (chance === 18) {
          appendFileSync(journalPath(folder), '{"line":')
        } else {
          // A journal of an hour ago beside the database of now: copies from before are no longer of use.
          writeFileSync(
            journalPath(folder),
            lines()
              .slice(0, below(4))
              .map((line) => `${line}\n`)
              .join('')
          )
          snapshots = [await copyDatabase()]
        }
        workspace = await openWorkspace(folder)
      }
      if (chance >= 13) await check(workspace)
    }
    await check(workspace)
  }
)
