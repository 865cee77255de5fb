import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { entryPath } from '../../main/base/entries'
import { presets } from '../../preload/configuration'
import { encode } from '../../preload/wire'
import { openDatabase, select } from '../../main/store/database'
import { migrations } from '../../main/store/schema'
import { openWorkspace } from '../../main/store/store'
import { components, matrixOf, newRun, smallStudy, storeRun, temporaryFolder, tokenText } from './store-fixture'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let folder: string

beforeEach(async () => {
  place = await temporaryFolder()
  folder = join(place.folder, 'w')
})

afterEach(() => place.remove())

const make = async (): Promise<string> => {
  const workspace = await openWorkspace(folder, { create: true })
  const run = await storeRun(workspace)
  await workspace.close()
  return run
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let waited = 0; !condition() && waited < 20_000; waited += 50) await delay(50)
  expect(condition()).toBe(true)
}

describe('a store process that is killed', () => {
  test('rejects what is pending, and nothing that was acknowledged is lost', async () => {
    const workspace = await openWorkspace(folder, { create: true })
    const run = await storeRun(workspace)
    const { id } = await workspace.createRun(newRun('interrupted'))
    const half = workspace.transaction(id, async (writer) => {
      await writer.saveStudy(smallStudy(), tokenText)
      await writer.beginSusceptibilities(components, 1)
      await writer.appendSusceptibilities(matrixOf(10), matrixOf(10))
      process.kill(workspace.pid, 'SIGKILL')
      await writer.appendSusceptibilities(matrixOf(10), matrixOf(10))
    })
    await expect(half).rejects.toMatchObject({
      kind: 'storage',
      message: expect.stringMatching(/store process ended unexpectedly \(killed by SIGKILL\); open the workspace again/)
    })
    await expect(workspace.listRuns()).rejects.toMatchObject({
      kind: 'storage',
      message: expect.stringContaining('SIGKILL')
    })
    await workspace.close()
    const again = await openWorkspace(folder)
    expect(
      (await again.listRuns()).map(({ name, tokens, components: columns }) => [name, tokens, columns.length])
    ).toEqual([
      ['a run', 20, 3],
      ['interrupted', 0, 0]
    ])
    expect([...(await again.getSusceptibilities(run)).susceptibilities]).toEqual([...matrixOf(20)])
    expect((await again.getRun(run)).clusterings).toHaveLength(1)
    await again.close()
  })

  test('at any moment leaves every stage whole or absent', async () => {
    const tokens = 50_000
    const rows = tokens / 5
    const workspace = await openWorkspace(folder, { create: true })
    const { id } = await workspace.createRun(newRun())
    await workspace.transaction(id, (writer) => writer.saveStudy(smallStudy(rows), tokenText))
    await workspace.close()
    const matrix = matrixOf(tokens)
    for (const wait of [0, 20, 60, 120]) {
      const open = await openWorkspace(folder)
      const saving = open.transaction(id, async (writer) => {
        await writer.beginSusceptibilities(components, wait)
        await writer.appendSusceptibilities(matrix, matrix)
      })
      const acknowledged = saving.then(
        () => true,
        () => false
      )
      await delay(wait)
      process.kill(open.pid, 'SIGKILL')
      const saved = await acknowledged
      await open.close()
      const again = await openWorkspace(folder)
      const run = await again.getRun(id)
      expect(run.tokens).toBe(tokens)
      if (saved) expect(run.initialLoss).toBe(wait)
      if (run.initialLoss !== null)
        expect((await again.readSusceptibilities(id, tokens - 1, 9)).susceptibilities).toEqual(
          matrix.subarray(-components.length)
        )
      await again.close()
    }
  })
})

test.skipIf(process.platform === 'win32')(
  'the store ignores an interrupt from the terminal, and ends when its parent dies',
  async () => {
    const workspace = await openWorkspace(folder, { create: true })
    process.kill(workspace.pid, 'SIGINT')
    process.kill(workspace.pid, 'SIGHUP')
    const run = await storeRun(workspace)
    await workspace.close()
    const opening = encode({
      type: 'call',
      id: 1,
      method: 'open',
      parameters: { folder, create: false, readOnly: false }
    })
    const length = Buffer.alloc(4)
    length.writeUInt32LE(opening.length)
    const script = `
      const stdio = ['ignore', 'inherit', 'inherit', 'pipe']
      const child = require('node:child_process').spawn(process.execPath, [process.argv[1]], { stdio })
      child.stdio[3].once('data', () => console.log(child.pid))
      child.stdio[3].write(Buffer.from(process.argv[2], 'base64'))`
    const message = Buffer.concat([length, opening]).toString('base64')
    const parent = spawn(process.execPath, ['-e', script, entryPath('store'), message], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const pid = Number(
      await new Promise<string>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(data.toString())))
    )
    expect(alive(pid)).toBe(true)
    parent.kill('SIGKILL')
    await until(() => !alive(pid))
    const again = await openWorkspace(folder)
    expect((await again.listRuns()).map(({ id }) => id)).toEqual([run])
    await again.close()
  }
)

describe('opening', () => {
  test('a workspace that is open in another program says which', async () => {
    const first = await openWorkspace(folder, { create: true })
    for (const readOnly of [false, true]) {
      await expect(openWorkspace(folder, { readOnly })).rejects.toMatchObject({
        kind: 'workspace',
        message:
          `${folder}: the workspace is open in another program (process ${first.pid}); close that one first, or ` +
          'use another workspace.'
      })
    }
    await first.close()
    await (await openWorkspace(folder)).close()
  })

  test('for reading is possible several times at once, and refuses changes', async () => {
    const run = await make()
    const [a, b] = await Promise.all([
      openWorkspace(folder, { readOnly: true }),
      openWorkspace(folder, { readOnly: true })
    ])
    expect((await a.getRun(run)).tokens).toBe(20)
    expect(await b.getClusterSummaries(run)).toHaveLength(3)
    await expect(b.renameRun(run, 'x')).rejects.toMatchObject({
      kind: 'workspace',
      message: expect.stringContaining('open for reading only')
    })
    await Promise.all([a.close(), b.close()])
  })

  test('what is no workspace is refused, each in its own words, and left as it was', async () => {
    const refused = async (words: RegExp, options = {}): Promise<void> => {
      const error: unknown = await openWorkspace(folder, options).then(
        () => undefined,
        (reason: unknown) => reason
      )
      expect(error).toMatchObject({ kind: 'workspace', message: expect.stringMatching(words) })
      expect((error as Error).message.startsWith(folder)).toBe(true)
      expect((error as Error).message).not.toContain('\n')
    }
    await refused(/there is no such workspace/)
    expect(existsSync(folder)).toBe(false)
    await mkdir(folder)
    await refused(/is not a workspace \(it has no spectroscope-workspace\.json\)/)
    await writeFile(join(folder, 'spectroscope-workspace.json'), '{"format":')
    await refused(/spectroscope-workspace\.json is damaged/)
    await writeFile(join(folder, 'spectroscope-workspace.json'), '{"format":"spectroscope-workspace","version":99}')
    await refused(/newer version of the program \(format 99, this one knows 1\); update/)
    await writeFile(join(folder, 'spectroscope-workspace.json'), '{"format":"spectroscope-workspace","version":1}')
    await refused(/workspace\.duckdb is missing/)
    await writeFile(join(folder, 'workspace.duckdb'), 'this is my diary, not a database'.repeat(1000))
    await refused(/workspace\.duckdb is damaged or not a database/)
    expect(await readFile(join(folder, 'workspace.duckdb'), 'utf8')).toMatch(/^this is my diary/)
    rmSync(folder, { recursive: true })
    await writeFile(folder, 'text')
    await refused(/this is a file, not a workspace folder/, { create: true })
  })

  test('a database of another program is refused', async () => {
    await mkdir(folder)
    const instance = await DuckDBInstance.create(join(folder, 'workspace.duckdb'))
    const connection = await instance.connect()
    await connection.run('CREATE TABLE accounts (x INTEGER)')
    connection.closeSync()
    instance.closeSync()
    await expect(openWorkspace(folder, { create: true })).rejects.toMatchObject({
      kind: 'workspace',
      message: expect.stringContaining('is a database of another program')
    })
  })

  test('a truncated database is refused', async () => {
    await make()
    await truncate(join(folder, 'workspace.duckdb'), 20_000)
    await expect(openWorkspace(folder)).rejects.toMatchObject({
      kind: 'workspace',
      message: expect.stringContaining('workspace.duckdb')
    })
  })
})

const latest = migrations[migrations.length - 1].version

describe('a schema', () => {
  const next = {
    version: latest + 1,
    name: 'next',
    statements: ['CREATE TABLE labels (run INTEGER)', "UPDATE runs SET name = name || '!'"]
  }
  const version = async (): Promise<unknown> => {
    const instance = await openDatabase(folder, { create: false, readOnly: false }, [...migrations, next])
    const connection = await instance.connect()
    const [row] = await select(
      connection,
      'SELECT max(version) AS version, any_value(runs.name) AS name FROM migrations, runs'
    )
    connection.closeSync()
    instance.closeSync()
    return row
  }

  test('is upgraded once, after a copy of the database was made', async () => {
    await make()
    expect(await version()).toEqual({ version: latest + 1, name: 'a run!' })
    expect(await version()).toEqual({ version: latest + 1, name: 'a run!' })
    const backups = readdirSync(join(folder, 'backups'))
    expect(backups).toHaveLength(1)
    expect(backups[0]).toMatch(new RegExp(`^workspace-schema-${latest}-\\d{8}-\\d{6}\\.duckdb$`))
    await expect(openWorkspace(folder)).rejects.toMatchObject({
      kind: 'workspace',
      message: expect.stringContaining(
        `newer version of the program (schema ${latest + 1}, this one knows ${latest}); update`
      )
    })
    rmSync(join(folder, 'workspace.duckdb'))
    await writeFile(join(folder, 'workspace.duckdb'), readFileSync(join(folder, 'backups', backups[0])))
    const restored = await openWorkspace(folder)
    expect((await restored.listRuns())[0].name).toBe('a run')
    await restored.close()
  })

  test('from before several methods of sampling has its runs sampled by chains, with the same settings', async () => {
    const { configuration } = newRun()
    const { method: _, ...paper } = presets.paper
    const sampler = { ...paper, preset: 'quick', draws: 20, chains: 2 }
    const instance = await openDatabase(folder, { create: true, readOnly: false }, migrations.slice(0, 2))
    const connection = await instance.connect()
    await connection.run(
      "INSERT INTO runs VALUES (1, '20260101-000000-abcd', 'an old run', 'interrupted', 'sample', " +
        "now()::TIMESTAMP, NULL, NULL, $1::JSON, '/somewhere', '{}', NULL)",
      [JSON.stringify({ ...configuration, sampler })]
    )
    await connection.run(
      `INSERT INTO diagnostics VALUES (1, 0, 'embed', 1, 2, 0.9, 0.8, [1], [1], [1], 1, 1, 1, 1, '[]')`
    )
    connection.closeSync()
    instance.closeSync()
    const workspace = await openWorkspace(folder)
    expect((await workspace.getRun('20260101-000000-abcd')).configuration).toEqual({
      ...configuration,
      sampler: { ...sampler, preset: 'paper', method: 'psgld' }
    })
    expect(await workspace.getDiagnostics('20260101-000000-abcd')).toMatchObject([{ component: 'embed', blocks: null }])
    await workspace.close()
  })

  test('whose upgrade fails stays as it was', async () => {
    await make()
    const broken = {
      version: latest + 1,
      name: 'broken',
      statements: ['CREATE TABLE labels (run INTEGER)', 'INSERT INTO nowhere VALUES (1)']
    }
    await expect(openDatabase(folder, { create: false, readOnly: false }, [...migrations, broken])).rejects.toThrow(
      'nowhere'
    )
    const workspace = await openWorkspace(folder)
    expect(await workspace.listRuns()).toHaveLength(1)
    await workspace.close()
  })
})

const root = process.platform === 'linux' && process.getuid?.() === 0
const mounted = (type: string[]): boolean => {
  try {
    execFileSync('mount', type, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!root)('a file system (mounting one needs root)', () => {
  test('that is full refuses with a sentence, and loses nothing', async (context) => {
    await mkdir(folder)
    if (!mounted(['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', folder]))
      return context.skip('tmpfs cannot be mounted here')
    try {
      const rows = 60_000
      let workspace = await openWorkspace(folder, { create: true })
      const small = await storeRun(workspace)
      await writeFile(join(folder, 'other-data'), Buffer.alloc(2 ** 20))
      const { id } = await workspace.createRun(newRun('large'))
      const noise = Float32Array.from({ length: rows * 15 }, () => Math.random())
      const saving = workspace.transaction(id, async (writer) => {
        await writer.saveStudy(smallStudy(rows), tokenText)
        for (let round = 0; round < 4; round++) {
          await writer.beginSusceptibilities(components, 1)
          await writer.appendSusceptibilities(noise, noise)
        }
      })
      await expect(saving).rejects.toMatchObject({
        kind: 'storage',
        message: expect.stringContaining('no space is left on the device')
      })
      expect((await workspace.listRuns()).map(({ tokens }) => tokens)).toEqual([20, 0])
      rmSync(join(folder, 'other-data'))
      expect((await workspace.updateRun(id, { status: 'failed', error: 'full' })).status).toBe('failed')
      await workspace.close()
      workspace = await openWorkspace(folder)
      expect((await workspace.listRuns()).map(({ tokens }) => tokens)).toEqual([20, 0])
      expect([...(await workspace.getSusceptibilities(small)).susceptibilities]).toEqual([...matrixOf(20)])
      await workspace.deleteRun(id)
      await workspace.close()
    } finally {
      execFileSync('umount', ['-l', folder])
    }
  })

  test('that is read-only is refused for writing and readable otherwise', async (context) => {
    const run = await make()
    if (!mounted(['--bind', folder, folder]) || !mounted(['-o', 'remount,ro,bind', folder]))
      return context.skip('bind mounts are not possible here')
    try {
      await expect(openWorkspace(folder)).rejects.toMatchObject({
        kind: 'workspace',
        message: expect.stringContaining('its file system is read-only')
      })
      const workspace = await openWorkspace(folder, { readOnly: true })
      expect((await workspace.getRun(run)).tokens).toBe(20)
      await workspace.close()
      await expect(openWorkspace(join(folder, 'new'), { create: true })).rejects.toMatchObject({
        message: expect.stringContaining('read-only')
      })
    } finally {
      execFileSync('umount', ['-l', folder])
    }
  })
})
