import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../../main/base/entries'
import { openWorkspace } from '../../main/store/store'
import { storeRun } from '../unit/store-fixture'
import { isBuilt, run, scratch, start, until } from './command'

const { path, remove } = scratch()
const victim = path('victim')
const secret = 'keep this, without a newline'
let id = ''

/** A workspace that somebody else made, under a name of its own. */
const foreign = (name: string): string => {
  cpSync(path('source'), path(name), { recursive: true })
  return path(name)
}

/** Makes the run's id lead to the victim, and marks the run as deleted. */
const leadAstray = async (folder: string): Promise<void> => {
  const instance = await DuckDBInstance.create(join(folder, 'workspace.duckdb'))
  const connection = await instance.connect()
  await connection.run('UPDATE runs SET id = $1', [relative(join(folder, 'runs'), victim)])
  await connection.run('INSERT INTO run_marks SELECT number, false, now()::TIMESTAMP FROM runs')
  await connection.run('CHECKPOINT')
  connection.closeSync()
  instance.closeSync()
}

interface Said {
  readonly problem: string | null
  readonly workspace: string | null
}

/** Serves a workspace until Ctrl-C; what it said of it. */
const serveOnce = async (folder: string, ...args: readonly string[]): Promise<Said> => {
  const served = start(['serve', '--workspace', folder, '--no-open', '--json', ...args])
  let printed = ''
  served.child.stdout!.on('data', (data: Buffer) => (printed += data.toString()))
  await until(() => printed.trimEnd().endsWith('}'), 'the address is printed')
  await served.said(/Press Ctrl-C to stop/)
  served.child.kill('SIGINT')
  expect(await served.finished).toMatchObject({ code: 0, signal: null })
  return JSON.parse(printed) as Said
}

describe.skipIf(!isBuilt)('a workspace that somebody else made', () => {
  beforeAll(async () => {
    mkdirSync(victim)
    writeFileSync(path('victim', 'file'), secret)
    const workspace = await openWorkspace(path('source'), { create: true })
    id = await storeRun(workspace, 8)
    await workspace.close()
  })
  afterAll(remove)

  it.each([[], ['--trust']])('has nothing outside of it removed at Ctrl-C (%s)', async (...args) => {
    const folder = foreign(`id${args.length}`)
    await leadAstray(folder)
    const { workspace, problem } = await serveOnce(folder, ...args)
    expect(workspace).toBeNull()
    expect(problem).toContain(`the run id "../../victim" does not have this program's form`)
    expect(readFileSync(path('victim', 'file'), 'utf8')).toBe(secret)
  })

  it.each([[], ['--trust']])('has nothing outside of it written through a link (%s)', async (...args) => {
    const folder = foreign(`link${args.length}`)
    const link = join(folder, 'journal', 'labels.jsonl')
    rmSync(link)
    symlinkSync(path('victim', 'file'), link)
    const problem = expect.stringContaining(`${link} is a link`)
    expect(await serveOnce(folder, ...args)).toMatchObject({ workspace: null, problem })
    expect(readFileSync(path('victim', 'file'), 'utf8')).toBe(secret)
  })

  it('is shown by commands that read, refused by those that write, and changed once it is trusted', async () => {
    const folder = foreign('own')
    const of = ['--workspace', folder]
    const shown = await run(['show', id, ...of, '--json'])
    const stderr = expect.stringMatching(/^[^\n]*you did not create this workspace here[^\n]*--trust[^\n]*\n$/)
    expect(shown).toMatchObject({ code: 0, stderr })
    expect(JSON.parse(shown.stdout)).toMatchObject({ run: { id } })
    const label = ['labels', id, '--set', '0=brackets', ...of]
    const others = [
      ['delete', id, '--yes', ...of],
      ['cluster', id, ...of],
      ['resume', id, ...of]
    ]
    for (const args of [label, ['restore', folder], ...others]) {
      const refusal = expect.stringMatching(/you did not create this workspace here.*give --trust/)
      expect(await run(args)).toMatchObject({ code: 5, stderr: refusal })
    }
    expect(await run([...label, '--trust'])).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['labels', id, '--set', '1=quotes', ...of])).toMatchObject({ code: 0, stderr: '' })
    expect(await serveOnce(folder)).toMatchObject({ workspace: folder, problem: null })
  })

  it('is opened for reading by serve, which says so', async () => {
    const folder = foreign('served')
    const { workspace, problem } = await serveOnce(folder)
    expect(workspace).toBe(folder)
    expect(problem).toContain('open read-only')
    const { stdout } = await run(['runs', '--workspace', folder, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ runs: [{ id }] })
  })
})

const maker = join(projectRoot, '..', 'shared', 'cases', '22-workspace-from-elsewhere', 'make.mjs')
const isThere = existsSync(maker)

const title = `three hostile copies${isThere ? '' : ' (skipped: what makes them is not there)'}`

describe.skipIf(!isBuilt || !isThere)(title, () => {
  const words = {
    id: "does not have this program's form",
    link: 'labels.jsonl is a link',
    view: 'has the view "documents"'
  } as const
  const cases = (['id', 'link', 'view'] as const).flatMap((kind): (readonly [typeof kind, readonly string[]])[] => [
    [kind, []],
    [kind, ['--trust']]
  ])
  const mine = scratch()

  beforeAll(async () => {
    const workspace = await openWorkspace(mine.path('source'), { create: true })
    await storeRun(workspace, 8)
    await workspace.close()
  })
  afterAll(mine.remove)

  it.each(cases)('are refused by commands and by serve, and reach nothing: %s %j', async (kind, trust) => {
    const folder = mine.path(`${kind}${trust.length}`)
    const target = mine.path(`victim-${kind}${trust.length}`)
    mkdirSync(target)
    const file = join(target, 'file')
    writeFileSync(file, secret)
    const made = [maker, kind, mine.path('source'), folder, kind === 'id' ? target : file]
    execFileSync(process.execPath, made, { cwd: projectRoot })
    const { problem, workspace } = await serveOnce(folder, ...trust)
    expect(workspace).toBeNull()
    expect(problem).toContain(words[kind])
    const out = mine.path(`exported-${kind}${trust.length}`)
    for (const command of [['show', 'latest'], ['runs'], ['export', 'latest', '--format', 'csv', '--out', out]]) {
      const { code, stdout, stderr } = await run([...command, '--workspace', folder])
      expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
      expect(stderr).toContain(words[kind])
      expect(stderr).not.toContain(secret)
    }
    expect(existsSync(out)).toBe(false)
    expect(readFileSync(file, 'utf8')).toBe(secret)
  })
})
